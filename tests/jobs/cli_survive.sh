#!/bin/sh
# kill -9 of workers in the middle of the farm, where the launcher lets the job outlive them: it
# finishes by itself, with the same bytes.  Of rank 0: the job ends by itself, a restart resumes.
# Nothing is given twice for being overdue (farm.overdue: 0), so that only the notice of a death brings
# its items back: a farm that is deaf to it waits for ever.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/kills.sh"

"$UNBRAID" synth --set synth.samples=800 --set synth.steps=40 --set synth.tasks=3 --out c.h5 \
    >/dev/null
study="--set corpus.path=c.h5 --set structure.tile=2 --set disentangle.steps=all
       --set disentangle.epochs=2 --set disentangle.restarts=1 --set disentangle.latents=3 --set disentangle.hidden=16"
# shellcheck disable=SC2086 # words, here and below
{
    on 2 structure $study --out first >/dev/null 2>&1
    on 2 run $study --out both >/dev/null 2>&1
}
first=$(digest first)
both=$(digest both)

# reissued RUN: items that were handed out again, as its log says.
reissued() {
    sed -n 's/.* farm items=.* reissued=\([0-9]*\) .*/\1/p' "$1.log"
}

overdue=0
slow=60
# strike COMMAND RANKS RUN VICTIM... [then VICTIM]: kill -9 those ranks when the farm has begun, and that
# one when it has made its plan; $status: how it ended.
strike() {
    command=$1
    count=$2
    run=$3
    shift 3
    # shellcheck disable=SC2086
    kill_in_farm "$run" "$count" "$*" "$command" $study --set farm.slow_ms="$slow" \
        --set farm.overdue="$overdue"
}

strike structure 3 one 2
same "one of 3 died: exit code" 0 "$status"
same "one of 3 died: results" "$first" "$(digest one)"
same "one of 3 died: noticed" 1 "$(grep -c 'rank-lost' one.log)"
at_least "one of 3 died: items handed out again" "$(reissued one)" 1

strike structure 6 four 1 2 3 4
same "4 of 6 died: exit code" 0 "$status"
same "4 of 6 died: results" "$first" "$(digest four)"
same "4 of 6 died: noticed" 4 "$(grep -c 'rank-lost' four.log)"
at_least "4 of 6 died: items handed out again" "$(reissued four)" 1

overdue=3 # as it is by default, from here on
strike run 4 later 1
same "one of 4 died, then both stages: exit code" 0 "$status"
same "one of 4 died, then both stages: results" "$both" "$(digest later)"

# Of many items the farm measures the first as a farm of their own (farm.policy: auto): one rank dies
# in that, one in what follows, where the ranks left have other numbers.
"$UNBRAID" synth --set synth.samples=200 --set synth.steps=32 --set synth.tasks=3 --out d.h5 >/dev/null
usual=$study
study="$study --set corpus.path=d.h5 --set structure.tile=1"
slow=350
# shellcheck disable=SC2086
on 2 structure $study --out apart >/dev/null 2>&1
strike structure 4 twice 1 "then" 2
same "one of 4 died, then another: exit code" 0 "$status"
same "one of 4 died, then another: results" "$(digest apart)" "$(digest twice)"
same "one of 4 died, then another: as numbered at the time" "rank=1 rank=1" \
    "$(grep -o 'rank-lost rank=[0-9]*' twice.log | cut -d ' ' -f 2 | paste -s -d ' ')"
study=$usual
slow=60

strike structure 3 headless 0
[ "$status" -ne 0 ] || fail "without rank 0: exit code 0"
[ "$status" -ne 124 ] || fail "without rank 0: it hung"
grep -q 'the same command resumes' headless.log || fail "no sentence: $(cat headless.log)"
# shellcheck disable=SC2086
on 2 structure $study --out headless >/dev/null 2>log.txt || fail "$(cat log.txt)"
same "rank 0 died, resumed: results" "$first" "$(digest headless)"
finish
