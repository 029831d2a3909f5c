#!/bin/sh
# Tests that need the samples: the same bytes at any rank count, and what is refused.
. "$(dirname "$0")/lib.sh"

"$UNBRAID" synth --set synth.samples=800 --set synth.steps=12 --set synth.tasks=2 --out c.h5 >/dev/null

# study TEST CONDITIONING RANKS
study() {
    on "$3" structure --set corpus.path=c.h5 --set structure.test="$1" \
        --set structure.conditioning="$2" --set structure.tile=2 --out "$1-$2-$3" \
        >/dev/null 2>log.txt || fail "$1 $2 at $3 ranks: $(cat log.txt)"
}
for ranks in 1 2 3 5; do
    for conditioning in band full; do
        study gauss_copula "$conditioning" "$ranks"
        same "gauss_copula $conditioning at $ranks ranks" \
            "$(digest "gauss_copula-$conditioning-1")" "$(digest "gauss_copula-$conditioning-$ranks")"
    done
done
"$UNBRAID" eval gauss_copula-full-1 --json >eval.json
at_least "accuracy with gauss_copula" "$(json eval.json accuracy)" 0.95

# Real numbers in a test of discrete variables: no number, no crash, and said.
for ranks in 1 3; do
    study gsq direct "$ranks"
    grep -q 'tests-undecided' log.txt || fail "gsq of real numbers is not said to be undecided"
done
same "gsq at 3 ranks" "$(digest gsq-direct-1)" "$(digest gsq-direct-3)"

"$UNBRAID" synth --set synth.samples=20000 --set synth.steps=12 --set synth.tasks=2 --out big.h5 \
    >/dev/null
refuses 2 "raise ci.memory_mb" structure --set corpus.path=big.h5 \
    --set structure.test=gauss_copula --set ci.memory_mb=1 --out run
"$UNBRAID" list ci | grep -q 'accepts discrete scalars, vectors; needs samples' || fail "list ci"
finish
