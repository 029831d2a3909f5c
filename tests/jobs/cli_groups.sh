#!/bin/sh
# Sub-masters: the same bytes; kill -9 of a worker behind one, of a sub-master, of a sub-master and its
# only worker, in the middle of the farm; SIGSTOP of a sub-master, which never answers again; a stop in time, and going on with another number of ranks.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/kills.sh"

"$UNBRAID" synth --set synth.samples=800 --set synth.steps=40 --set synth.tasks=3 --out c.h5 \
    >/dev/null
study="structure --set corpus.path=c.h5 --set structure.tile=2"
# shellcheck disable=SC2086 # words, here and below
on 2 $study --set farm.group=1 --out first >/dev/null 2>&1
first=$(digest first)

# 5 ranks: sub-masters 1 and 3; 8 ranks: 1 and 4, or 1, 3 and 5; 3 ranks: 1; 2: none
for sizes in 2:2 3:2 5:2 8:4 8:2; do
    run=whole-$sizes
    # shellcheck disable=SC2086
    on "${sizes%:*}" $study --set farm.group="${sizes#*:}" --out "$run" >"$run.out" 2>"$run.log" ||
        fail "$sizes: $(cat "$run.log")"
    same "$sizes: results" "$first" "$(digest "$run")"
done

# struck NAME RANKS GROUP VICTIM...
struck() {
    name=$1
    count=$2
    group=$3
    shift 3
    # shellcheck disable=SC2086
    kill_in_farm "$name" "$count" "$*" $study --set farm.slow_ms=60 --set farm.group="$group"
    same "$name: exit code" 0 "$status"
    same "$name: results" "$first" "$(digest "$name")"
    same "$name: noticed" $# "$(grep -c 'rank-lost' "$name.log")"
}

struck worker 8 4 6
struck sub-master 8 4 4
struck sub-master-and-worker 8 4 1 6
struck group 5 2 3 4
struck everybody 3 2 1 2

# frozen NAME RANKS GROUP VICTIM: stopped for ever.  The run ends, and so does the launcher, with nothing
# left of the victim.
signal=STOP
whole=$study
frozen() {
    struck "$@"
    # shellcheck disable=SC2086
    ! kill -0 $living 2>/dev/null || fail "$1: processes are left of $living"
}
study="$whole --set farm.patience_s=2"
frozen worker-stopped 2 1 1
study="$study --set farm.overdue=0" # only the sub-master's silence tells
frozen sub-master-stopped 8 4 4
frozen the-only-sub-master-stopped 3 2 1
study=$whole
signal=9

# shellcheck disable=SC2086
{
    set +e
    timeout 100 $MPIRUN -n 8 "$UNBRAID" $study --set farm.slow_ms=3000 --set farm.group=4 \
        --set run.stop_after_s=12 --out stopped >stopped.out 2>stopped.log
    status=$?
    set -e
}
same "stop in time: exit code" 75 "$status"
grep -q 'the same command goes on' stopped.log || fail "no sentence: $(cat stopped.log)"
# shellcheck disable=SC2086
on 5 $study --set farm.group=2 --out stopped >/dev/null 2>stopped.log || fail "$(cat stopped.log)"
grep -q 'journal-read' stopped.log || fail "nothing was kept: $(cat stopped.log)"
same "stopped, resumed: results" "$first" "$(digest stopped)"
finish
