#!/bin/sh
# Which ranks are dead or slow, as `unbraid status` tells while the farm is at work: rank 2 of 5 is
# killed, rank 4 is suspended for a while.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/kills.sh"

"$UNBRAID" synth --set synth.samples=400 --set synth.steps=40 --set synth.tasks=3 --out c.h5 >/dev/null
study="structure --set corpus.path=c.h5 --set structure.tile=1 --set run.status_s=0.2"
# shellcheck disable=SC2086 # words, here and below
on 2 $study --out whole >/dev/null 2>&1

# until PATTERN: wait until the status in JSON holds it.
until_said() {
    for _ in $(seq 300); do
        "$UNBRAID" status run --json >status.txt 2>/dev/null || true
        ! grep -qE "$1" status.txt || return 0
        sleep 0.1
    done
    fail "never said: $1: $(cat status.txt)"
}

# shellcheck disable=SC2086
$MPIRUN --enable-recovery -n 5 "$UNBRAID" $study --set farm.slow_ms=150 --set farm.policy=fac2 --out run \
    >out 2>run.log &
job=$!
wait_for_answers run 1000
ranks_of "$job"
# shellcheck disable=SC2086
set -- $living
same "ranks at work" 5 $#
[ $# -eq 5 ] || { kill -9 "$@" || true; finish; }
kill -9 "$3"
kill -STOP "$5"
node=$(hostname)
until_said "\"dead_ranks\": \\[\\{\"rank\": 2, \"speed\": [^}]*, \"node\": \"$node\"\\}\\]"
until_said "\"slow_ranks\": \\[\\{\"rank\": 4, \"speed\": 0[.][^}]*, \"node\": \"$node\"\\}\\]"
"$UNBRAID" status run >words.txt
grep -qE '^  ranks       3 well, 1 slow, 1 dead$' words.txt || fail "counts: $(cat words.txt)"
grep -qE "^  dead        rank 2 on $node: .* before$" words.txt || fail "the dead rank: $(cat words.txt)"
grep -qE "^  slow        rank 4 on $node: 0[.0-9]* of the ranks' mean speed$" words.txt ||
    fail "the slow rank: $(cat words.txt)"
grep -qE '^"rank_speed": \[.*, .*, .*, .*, .*\],$' run/status.json || fail "no speeds: $(cat run/status.json)"
kill -CONT "$5"
status=0
wait "$job" || status=$?
same "exit code" 0 "$status"
same "results" "$(digest whole)" "$(digest run)"
"$UNBRAID" status run --json >status.txt
grep -q '"dead_ranks": \[{"rank": 2,' status.txt || fail "forgotten in the end: $(cat status.txt)"
finish
