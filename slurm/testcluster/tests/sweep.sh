#!/bin/sh
# A sweep of 24 points with ASHA: as a job array whose tasks are requeued in mid-work, and inside one
# allocation on two nodes, killed five times; the same table, byte for byte, as in one process without SLURM.
. "$(dirname "$0")/lib.sh"

"$UNBRAID" synth --set synth.kind=latent --set synth.samples=6000 --out corpus.h5 >/dev/null
cat >sweep.yaml <<YAML
corpus: {path: $PWD/corpus.h5}
disentangle: {steps: all, restarts: 1, epochs: 135, hidden: 16}
eval: {train: 150, test: 50}
sweep:
  command: disentangle
  points: 24
  parameters: |
    disentangle.lambda = 0.01 .. 1 log
    disentangle.hidden = 8, 16, 32
  rule: asha
  resource_min: 15
  lag: 4
  poll_s: 0.2
slurm: {command: sweep, time_min: 10, lead_s: 10}
YAML
"$UNBRAID" sweep -c sweep.yaml --out alone >/dev/null 2>&1

cluster "$UNBRAID" submit -c sweep.yaml --out array --set slurm.workers=4 --json >submit.json
job=$(sed -n 's/.*"job": \([0-9]*\).*/\1/p' submit.json)
[ -n "$job" ] || fail "submit: $(cat submit.json)"
some_point() {
    [ "$(find array/points -name STATE 2>/dev/null | wc -l)" -ge "$1" ]
}
idle() {
    release
    gone "$job"
}
done_by_workers() { # so many workers have ended well
    [ "$(cat array/workers/*/slurm-jobs.log 2>/dev/null | grep -c 'end code=0')" -ge "$1" ]
}
release() { # what was put back need not wait two minutes, but some seconds
    for id in $(cluster squeue -h -r -j "$job" -t PD -o %F_%K); do
        cluster scontrol update "JobId=$id" StartTime=now || true
    done
}
wait_for "a first point" some_point 1
cluster "$UNBRAID" status array --json >status.json
expect "status of the array, without accounting: it runs" \
    grep -q '"state": "running".*"points": 24.*"running": [1-9]' status.json
cluster sacct >sacct.txt 2>&1 && fail "this cluster has accounting: $(cat sacct.txt)"
# Five disturbances: tasks requeued in the middle of a point, one after another.
requeued=0
more_points() {
    release
    some_point "$1" || [ -e array/sweep.csv ]
}
for points in 2 6 10 14 18; do
    wait_for "point $points of the array" more_points $points
    task=$(cluster squeue -h -r -j "$job" -t R -o %F_%K | sed -n "$((points % 3 + 1))p")
    if [ -n "$task" ] && cluster scontrol requeue "$task"; then
        requeued=$((requeued + 1))
        sleep 2.5 # see `hurry`
    fi
done
expect "tasks were requeued" [ "$requeued" -ge 3 ]
restarts() {
    cat array/workers/*/slurm-jobs.log | grep -c 'begin .*restart=[1-9]'
}
table() {
    release
    [ -e array/sweep.csv ]
}
wait_for "the table of the array" table
expect "and began again, with work left to do" [ "$(restarts)" -ge 2 ]
cmp alone/sweep.csv array/sweep.csv || fail "array: another table"
cmp alone/sweep.h5 array/sweep.h5 || fail "array: another HDF5 table"
wait_for "no task is left" idle
expect "a worker ended well" done_by_workers 1
cluster "$UNBRAID" status array >status.txt
expect "status of the array: finished" grep -q ': a sweep, finished$' status.txt

cluster "$UNBRAID" submit -c sweep.yaml --out inside --set slurm.nodes=2 \
    --set slurm.tasks_per_node=2 --set sweep.ranks=1 --json >submit.json
wait_for "the sweep is at work on both nodes" on_both
# Five times all its ranks are killed (-9), at a random moment of the next seconds; that is a failure, not a
# stop, so nothing goes on by itself until the same command is given again.
struck=0
kill_ranks() {
    for node in 1 2; do
        for pid in $(ip netns pids "$tag-n$node"); do
            [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != unbraid ] || kill -9 "$pid" 2>/dev/null || true
        done
    done
}
for _ in 1 2 3 4 5; do
    job=$(sed -n 's/.*"job": \([0-9]*\).*/\1/p' submit.json)
    before=$(find inside/points -name STATE 2>/dev/null | wc -l)
    newer() {
        [ "$(find inside/points -name STATE 2>/dev/null | wc -l)" -gt "$before" ] || gone "$job"
    }
    wait_for "another point" newer
    sleep "$(awk -v seed="$(date +%N)" 'BEGIN { srand(seed); print 2 * rand() }')"
    kill_ranks
    wait_for "the killed job is gone" gone "$job"
    [ ! -e inside/sweep.csv ] || break
    struck=$((struck + 1))
    rm -f inside/slurm-bad-nodes # it was not their fault
    cluster "$UNBRAID" submit -c sweep.yaml --out inside --set slurm.nodes=2 \
        --set slurm.tasks_per_node=2 --set sweep.ranks=1 --json >submit.json
done
expect "the sweep in one allocation was killed five times" [ "$struck" -eq 5 ]
expect "which are failures, not stops" [ "$(grep -c 'end code=137 why=failed' inside/slurm-jobs.log)" -eq 5 ]
wait_for "the table of the allocation" [ -e inside/sweep.csv ]
cmp alone/sweep.csv inside/sweep.csv || fail "one allocation: another table"
cmp alone/sweep.h5 inside/sweep.h5 || fail "one allocation: another HDF5 table"
finish
