#!/bin/sh
# On a cluster of its own whose arrays have two tasks at most: a sweep of five workers becomes three
# arrays, under a limit; a worker keeps its number when it is requeued and when a chain goes on; and the
# workers of one array end the sweep when the others are cancelled.  The same table in any case.
UB_CLUSTER=$UB_CLUSTER-arrays
UB_CLUSTER_MAX_ARRAY=3
export UB_CLUSTER UB_CLUSTER_MAX_ARRAY
. "$(dirname "$0")/lib.sh"
own_cluster

cat >sweep.yaml <<YAML
corpus: {path: $STUDY/corpus.h5}
sweep:
  command: structure
  metric: accuracy
  method: grid
  parameters: |
    structure.tile = 2, 4, 5, 8, 10, 20
    structure.alpha = 0.01, 0.02, 0.05
  points: 18
  poll_s: 0.2
slurm: {command: sweep, workers: 5, time_min: 10, lead_s: 10}
YAML
"$UNBRAID" sweep -c sweep.yaml --out alone >alone.txt 2>&1 || fail "alone: $(cat alone.txt)"

# sweep RUN ARGS...: submitted, slowed; sets jobs, those of the three arrays.
sweep() {
    to=$1
    shift
    cluster "$UNBRAID" submit -c sweep.yaml --out "$to" --set farm.slow_ms=200 --json "$@" >submit.json
    jobs=$(sed -n 's/.*"jobs": \[\([0-9, ]*\)\].*/\1/p' submit.json | tr -d ,)
    expect "$to: three arrays" [ "$(echo "$jobs" | wc -w)" -eq 3 ]
    first=$(echo "$jobs" | cut -d ' ' -f 1)
    second=$(echo "$jobs" | cut -d ' ' -f 2)
    third=$(echo "$jobs" | cut -d ' ' -f 3)
}
begun() { # RUN WORKER TRY
    grep -q " begin try=$3 " "$1/workers/$2/slurm-jobs.log"
}
all_begun() { # RUN WORKER...
    in=$1
    shift
    for worker; do
        begun "$in" "$worker" 1 || return 1
    done
}
held_back() { # JOB: does its limit keep a task of it waiting?
    [ "$(cluster squeue -h -j "$1" -t PD -o %r)" = JobArrayTaskLimit ]
}
table() {
    [ -e "$1/sweep.csv" ]
}
same_table() {
    cmp alone/sweep.csv "$1/sweep.csv" || fail "$1: another table"
    cmp alone/sweep.h5 "$1/sweep.h5" || fail "$1: another HDF5 table"
}
all_gone() {
    [ -z "$(cluster squeue -h -o %i)" ]
}

sweep array --set slurm.workers_at_once=4
wait_for "four workers are at work" all_begun array 1 3 4 5
wait_for "the limit holds back the fifth" held_back "$first"
cluster scancel "$first" "$third"
cluster scontrol requeue "${second}_1"
refused() {
    ! cluster "$UNBRAID" submit -c sweep.yaml --out array >again.txt 2>&1 &&
        grep -q "job $second of .* is still in the queue" again.txt
}
wait_for "only the second array is left, and submit refuses" refused
back() {
    cluster scontrol update "JobId=${second}_1" StartTime=now || true
    begun array 3 2
}
sleep 2.5 # see `hurry`
wait_for "its first task begins again, as worker 3" back
expect "and not as worker 1" sh -c '! grep -q "begin try=2" array/workers/1/slurm-jobs.log'
expect "with work left to do" [ ! -e array/sweep.csv ]
wait_for "the table" table array
same_table array
wait_for "the queue is empty" all_gone
again() {
    cluster "$UNBRAID" submit -c sweep.yaml --out array --json >again.json
}
expect "submit is not refused any more" again

sweep chain --set slurm.requeue=no --set run.stop_after_s=3
wait_for "the table of the chain" table chain
same_table chain
wait_for "the queue is empty" all_gone
for worker in 1 2 3 4 5; do
    log=chain/workers/$worker/slurm-jobs.log
    expect "worker $worker went on" begun chain "$worker" 2
    expect "one job at a time" [ -z "$(grep -o 'begin try=[0-9]*' "$log" | sort | uniq -d)" ]
    expect "which knew its end" [ "$(grep -c ' ends=0$' "$log")" -eq 0 ]
done
for worker in array/workers/* chain/workers/*; do
    echo "--- $worker"
    cat "$worker/slurm-jobs.log"
done
finish
