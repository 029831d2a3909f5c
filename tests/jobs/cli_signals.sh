#!/bin/sh
# TERM, USR1 and USR2 stop a run in time, exit code 75, in either stage, on one rank and on two, where
# the second rank alone gets the signal; the same command goes on, and in the end there are the same
# results.  mpirun passes USR1 and USR2 on to the ranks.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/kills.sh"

"$UNBRAID" synth --set synth.samples=400 --set synth.steps=24 --set synth.tasks=3 --out c.h5 >/dev/null
study="run --set corpus.path=c.h5 --set structure.tile=1 --set disentangle.steps=all
       --set disentangle.restarts=1 --set disentangle.latents=3 --set disentangle.batch=64
       --set disentangle.hidden=32 --set run.status_s=0.1"
train_for 10 # so that it can be stopped often
# shellcheck disable=SC2086 # words, here and below
on 2 $study --out whole >/dev/null 2>&1
whole=$(digest whole)

# at_work STAGE: wait until that stage of this start is past its first items; sets $process to the id of
# its rank 0, as the status file of this start has it.
at_work() {
    for _ in $(seq 600); do
        [ "$(json "$run/status.json" stage 2>/dev/null || true)" = "$1" ] &&
            [ "$(json "$run/status.json" state)" = running ] &&
            awk "BEGIN { exit !($(json "$run/status.json" rate) > 0) }" && return 0
        sleep 0.05
    done
    fail "stage $1 does not begin: $(cat "$run.log")"
}

# stop RANKS STAGE SIGNAL TO: start, or go on, and stop in that stage; TO: which rank gets it, or mpirun.
stop() {
    ranks=$1
    slow=1
    [ "$2" = disentangle ] || slow=100
    rm -f "$run/status.json"
    if [ "$ranks" -eq 1 ]; then
        # shellcheck disable=SC2086
        "$UNBRAID" $study --set farm.slow_ms=$slow --out "$run" >/dev/null 2>"$run.log" &
        job=$!
        victim=$job
    else
        # shellcheck disable=SC2086
        $MPIRUN -n "$ranks" "$UNBRAID" $study --set farm.slow_ms=$slow --out "$run" >/dev/null 2>"$run.log" &
        job=$!
    fi
    at_work "$2"
    if [ "$ranks" -gt 1 ]; then
        ranks_of "$job"
        victim=$job
        # shellcheck disable=SC2086
        [ "$4" = mpirun ] || victim=$(echo $living | cut -d ' ' -f $(($4 + 1)))
    fi
    kill "-$3" "$victim"
    status=0
    wait "$job" || status=$?
    same "$3 in stage $2, $ranks ranks, to $4: exit code" 75 "$status"
    same "and it says so" stopped "$(json "$run/status.json" state)"
}

for ranks in 1 2; do
    run=run$ranks
    for stage in structure disentangle; do
        for signal in TERM USR1 USR2; do
            stop "$ranks" "$stage" "$signal" $((ranks - 1))
        done
        [ "$ranks" -eq 1 ] || stop 2 "$stage" USR1 mpirun
    done
    # shellcheck disable=SC2086
    on "$ranks" $study --out "$run" >/dev/null 2>"$run.log" || fail "$(cat "$run.log")"
    same "results on $ranks ranks, stopped every time" "$whole" "$(digest "$run")"
done
finish
