#!/bin/sh
# The vector code of core/internal/simd.h: the instruction set that the loader picks, what a processor
# with AVX2 at best would get, and plain C compiled once give the same bytes, for every test, every kind
# of study and the training.
. "$(dirname "$0")/lib.sh"
: "${PLAIN:?}" "${AVX2:?}"

# sets PROGRAM: instruction sets that its vector code is compiled for, v2 aside.
sets() {
    grep -ao 'arch_x86_64_v[0-9]' "$1" | sort -u | tr '\n' ' '
}
others="$PLAIN"
same "the plain program" "it has: $(sets "$PLAIN")" "it has: "
if [ -z "$(sets "$UNBRAID")" ]; then
    echo "skipped: this compiler makes no clones, plain C is all there is"
elif same "the AVX2 program" "$(sets "$AVX2")" "arch_x86_64_v3 " && grep -qw avx2 /proc/cpuinfo; then
    others="$PLAIN $AVX2"
else
    echo "skipped: AVX2 by itself, which this processor does not have"
fi

# each KEEP ARGS...: the same command by every program, what it leaves in KEEP the same bytes.
each() {
    keep=$1
    shift
    "$UNBRAID" "$@" >out.txt 2>log.txt || fail "$*: $(cat log.txt)"
    cp "$keep" wanted
    for other in $others; do
        rm -rf "${keep%%/*}"
        "$other" "$@" >out.txt 2>log.txt || fail "${other##*/} $*: $(cat log.txt)"
        cmp wanted "$keep" || fail "${other##*/} $*"
    done
    rm -rf "${keep%%/*}"
}

"$UNBRAID" synth --set synth.samples=300 --set synth.steps=8 --set synth.tasks=2 --out c.h5 >/dev/null
"$UNBRAID" synth --set synth.samples=300 --set synth.steps=12 --set synth.tasks=40 --out many.h5 >/dev/null
"$UNBRAID" synth --set synth.kind=latent --set synth.samples=300 --out latent.h5 >/dev/null
awk 'BEGIN {
    srand(1)
    print "x,y,z,w,real"
    for (i = 0; i < 600; i++) {
        z = int(3 * rand()); w = int(3 * rand())
        print (z + int(2 * rand())) % 3 "," (z + int(2 * rand())) % 3 "," z "," w "," rand()
    }
}' >levels.csv

# Every test: real numbers, vectors, and discrete conditions (of which gsq takes no others).
small="--set ci.permutations=49 --set ci.critic_epochs=2 --set ci.critic_members=1 --set ci.epochs=3"
for test in $("$UNBRAID" list ci | sed -n 's/^\([a-z_]\{1,\}\)  *.*/\1/p'); do
    x=real
    [ "$test" != gsq ] || x=x
    # shellcheck disable=SC2086 # words
    {
        each out.txt citest c.h5 --x states.1 --y states.3 --z states.0,states.2,states.4 \
            --moderator tasks/task0 --test "$test" $small --json
        each out.txt citest latent.h5 --x tasks/task0 --y states.0.0,states.0.1 \
            --z states.0.2,states.0.3 --test "$test" $small --json
        each out.txt citest levels.csv --x "$x" --y y --z z,w --test "$test" $small --json
    }
    same "$test of discrete conditions" "$(json wanted verdict)" ok
done
for scaling in standardise rank; do
    for estimator in ksg1 ksg2; do
        for columns in "" "--z states.0,states.2,states.4"; do
            # shellcheck disable=SC2086
            each out.txt citest c.h5 --x states.1 --y states.3 $columns --test cmi_knn $small \
                --set ci.scaling="$scaling" --set ci.estimator="$estimator" --json
        done
    done
done

# Studies: few tasks and many, the neighbours and all steps, vectors.
for corpus in c.h5 many.h5 "${UB_SOURCE:?}/examples/metaworld/disjoint.h5"; do
    for conditioning in band full; do
        each run/structure.h5 structure --set corpus.path="$corpus" --out run \
            --set structure.conditioning="$conditioning"
    done
done
"$UNBRAID" synth --set synth.samples=300 --set synth.steps=60 --set synth.tasks=1 --out long.h5 >/dev/null
for contrast in none marginal; do # rows of every other step, with one answer a pair and with two
    each run/structure.h5 structure --set corpus.path=long.h5 --out run --set structure.tile=64 \
        --set structure.representatives=last --set structure.contrast="$contrast"
done
for conditioning in band direct; do
    each run/structure.h5 structure --set corpus.path=c.h5 --out run --set structure.test=gcm_poly \
        --set structure.conditioning="$conditioning"
done

# Trainings: every optimiser, penalty and activation, in both precisions.
train() {
    each run/model.h5 disentangle --set corpus.path=latent.h5 --set disentangle.steps=all \
        --set disentangle.epochs=2 --set disentangle.restarts=1 --set disentangle.latents=6 \
        --set disentangle.batch=50 --set disentangle.learning_rate=0.001 --out run "$@"
}
for precision in single double; do
    train --set disentangle.precision="$precision"
    train --set disentangle.precision="$precision" --set disentangle.optimizer=adamw \
        --set disentangle.penalty=mask --set disentangle.activation=tanh
    train --set disentangle.precision="$precision" --set disentangle.optimizer=sgd \
        --set disentangle.penalty=jacobian --set disentangle.activation=elu --set disentangle.clip=1
done
finish
