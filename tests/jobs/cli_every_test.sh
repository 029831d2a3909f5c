#!/bin/sh
# structure.test takes every registered name: small studies by each of them, with every conditioning, have
# answers, the same on one rank and on three.
. "$(dirname "$0")/lib.sh"

synth() {
    "$UNBRAID" synth --set synth.samples="$1" --set synth.steps=6 --set synth.tasks=2 --out "$2" >/dev/null
}
synth 200 real.h5
synth 2000 discrete.h5
"${SIGNS:?}" discrete.h5 states tasks/task0 tasks/task1 || fail "signs"

small="--set ci.permutations=19 --set ci.critic_epochs=2 --set ci.critic_members=1 --set ci.epochs=2
       --set ci.features=20 --set ci.features_z=20 --set structure.tile=1"
tests=$("$UNBRAID" list ci | sed -n 's/^\([a-z_]\{1,\}\)  *.*/\1/p')
for test in $tests; do
    corpus=real.h5
    [ "$test" != gsq ] || corpus=discrete.h5
    for conditioning in band full direct; do
        study="structure --set corpus.path=$corpus --set structure.test=$test
               --set structure.conditioning=$conditioning $small --out"
        # shellcheck disable=SC2086 # words
        {
            "$UNBRAID" $study alone >/dev/null 2>log.txt || fail "$test $conditioning: $(cat log.txt)"
            on 3 $study three >/dev/null 2>>log.txt || fail "$test $conditioning: $(cat log.txt)"
        }
        ! grep tests-undecided log.txt || fail "$test $conditioning: no answers"
        digest alone >>digests
        same "$test $conditioning on three ranks" "$(digest alone)" "$(digest three)"
        rm -r alone three
    done
done
same "studies of $(echo "$tests" | wc -l) tests, all different" "$(sort -u digests | wc -l)" "$(wc -l <digests)"
same "the tests of core/ci/registry.def" "$(echo "$tests" | sort | tr '\n' ' ')" \
    "$(sed -n 's/^UB_CI_TEST(\(.*\))/\1/p' "${UB_SOURCE:?}/core/ci/registry.def" | sort | tr '\n' ' ')"
finish
