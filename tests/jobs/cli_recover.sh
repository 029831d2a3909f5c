#!/bin/sh
# What lies in a run folder is checked, not believed: lost and damaged results are made again.
. "$(dirname "$0")/lib.sh"

make="synth --set synth.samples=400 --set synth.steps=12 --set synth.tasks=2"
# shellcheck disable=SC2086 # words, here and below
"$UNBRAID" $make --out c.h5 >/dev/null
# shellcheck disable=SC2086
"$UNBRAID" $make --set run.seed=2 --out other.h5 >/dev/null
study="run --set corpus.path=c.h5 --set disentangle.epochs=2 --set disentangle.restarts=1
       --set disentangle.latents=2 --set disentangle.steps=all --set disentangle.batch=64"
# shellcheck disable=SC2086
on 2 $study --out good >/dev/null 2>&1
good=$(digest good)

# damaged WHAT: the same command makes it good again, after fsck has complained.
again() {
    if "$UNBRAID" fsck damaged --json >fsck.json 2>/dev/null; then
        fail "$1: fsck says nothing"
    fi
    # shellcheck disable=SC2086
    on 2 $study --out damaged >/dev/null 2>log.txt || fail "$1: $(cat log.txt)"
    same "$1" "$good" "$(digest damaged)"
}
for file in structure.h5 model.h5; do
    rm -rf damaged
    cp -r good damaged
    rm "damaged/$file"
    again "$file is gone"
    scratch "damaged/$file"
    again "$file is damaged"
done

# shellcheck disable=SC2086
on 2 $study --out good --json 2>/dev/null >finished.json
same "a finished run answers --json with its scores" "$(cat good/eval.json)" "$(cat finished.json)"
refuses 2 "another corpus" eval good --set corpus.path=other.h5

# Colons in paths are no kinds of file systems.
cp c.h5 'c_12:30.h5'
on 2 structure --set corpus.path='c_12:30.h5' --out 'run_12:30' >/dev/null 2>log.txt ||
    fail "colons: $(cat log.txt)"
[ -s run_12:30/report.html ] || fail "colons: no report"

# A text that is not UTF-8 is refused on every rank count.
bad=$(printf 'bad\377.h5')
refuses 2 "not UTF-8" structure --set corpus.path="$bad" --out x
if on 2 structure --set corpus.path="$bad" --out x >/dev/null 2>&1; then
    fail "two ranks take a text that is not UTF-8"
fi

# Nothing belongs to anything: stage 2 is left out, the report is not.
# shellcheck disable=SC2086
on 2 $study --set disentangle.steps=structure --set structure.rule=bonferroni \
    --set structure.alpha=1e-12 --out nothing >/dev/null 2>log.txt || fail "$(cat log.txt)"
grep -q 'no step belongs to any task' log.txt || fail "an empty result goes unsaid"
[ -s nothing/report.html ] || fail "an empty result has no report"
finish
