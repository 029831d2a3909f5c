#!/bin/sh
# The same results, byte for byte, at 1, 2, 3 and 5 ranks and without mpirun.
. "$(dirname "$0")/lib.sh"

"$UNBRAID" synth --set synth.samples=1500 --set synth.steps=24 --set synth.tasks=3 --out one.h5 \
    >/dev/null
on 3 synth --set synth.samples=1500 --set synth.steps=24 --set synth.tasks=3 --out three.h5 \
    --json >three.json
on 1 synth --set synth.samples=1500 --set synth.steps=24 --set synth.tasks=3 --out one.h5 \
    --json >one.json
same "synth at 1 and 3 ranks" "$(json one.json corpus)" "$(json three.json corpus)"

small="--set disentangle.epochs=2 --set disentangle.restarts=2 --set disentangle.latents=3
       --set disentangle.batch=64"
for conditioning in band full; do
    for ranks in 1 2 3 5; do
        # shellcheck disable=SC2086 # words
        on "$ranks" run --set corpus.path=one.h5 --set structure.conditioning="$conditioning" \
            --set structure.rule=llr_joint --set structure.tile=4 $small \
            --out "$conditioning-$ranks" >/dev/null 2>log.txt || fail "$(cat log.txt)"
        same "$conditioning at $ranks ranks" "$(digest "$conditioning-1")" \
            "$(digest "$conditioning-$ranks")"
        for file in structure.h5 model.h5 membership.csv graph.graphml timeline.svg eval.json; do
            cmp "$conditioning-1/$file" "$conditioning-$ranks/$file" ||
                fail "$file differs at $ranks ranks"
        done
    done
done
# Without mpirun.
# shellcheck disable=SC2086
"$UNBRAID" run --set corpus.path=one.h5 --set structure.rule=llr_joint --set structure.tile=4 \
    $small --out alone >/dev/null 2>&1
same "without mpirun" "$(digest band-1)" "$(digest alone)"

scratch alone/structure.h5
if "$UNBRAID" fsck alone >/dev/null 2>&1; then
    fail "fsck does not see a damaged structure.h5"
fi
finish
