#!/bin/sh
# kill -9 of all ranks at several moments of either stage, or a stop in time; then the same command
# again, on another rank count: it finishes with the same bytes.
. "$(dirname "$0")/lib.sh"

"$UNBRAID" synth --set synth.samples=800 --set synth.steps=40 --set synth.tasks=3 --out c.h5 \
    >/dev/null
study="run --set corpus.path=c.h5 --set structure.tile=2 --set disentangle.epochs=12
       --set disentangle.restarts=2 --set disentangle.latents=3 --set disentangle.batch=64
       --set disentangle.checkpoint_steps=40 --set disentangle.hidden=32"
# shellcheck disable=SC2086 # words, here and below
on 2 $study --out whole >/dev/null 2>&1
whole=$(digest whole)

# kill_at SECONDS RANKS RUN: start, kill -9 every process of the job after so long.
kill_at() {
    # shellcheck disable=SC2086
    $MPIRUN -n "$2" "$UNBRAID" $study --set farm.slow_ms=20 --out "$3" >/dev/null 2>&1 &
    job=$!
    sleep "$1"
    ranks=$(cat "/proc/$job/task/$job/children" 2>/dev/null || true)
    # shellcheck disable=SC2086
    kill -9 $ranks "$job" 2>/dev/null || true
    wait "$job" 2>/dev/null || true
}

number=0
for moment in 0.4 0.7 1.0 1.5 2.2 3.0; do
    number=$((number + 1))
    kill_at "$moment" 2 "killed-$number"
    kill_at "$moment" 3 "killed-$number"
    # shellcheck disable=SC2086
    on $((1 + number % 3)) $study --out "killed-$number" >/dev/null 2>log.txt || fail "$(cat log.txt)"
    same "killed after $moment s, twice" "$whole" "$(digest "killed-$number")"
done

# Stopped in time: exit code 75, then it goes on.
stops=0
for limit in 0.8 1.5; do
    tries=0
    status=75
    while [ "$status" -eq 75 ] && [ "$tries" -lt 60 ]; do
        tries=$((tries + 1))
        set +e
        # shellcheck disable=SC2086
        on 2 $study --set farm.slow_ms=20 --set run.stop_after_s="$limit" --out "stopped-$limit" \
            >/dev/null 2>log.txt
        status=$?
        set -e
    done
    stops=$((stops + tries - 1))
    same "stopped every $limit s" "$whole" "$(digest "stopped-$limit")"
done
echo "stopped in time $stops times"
[ "$stops" -gt 0 ] || fail "never stopped in time"
finish
