#!/bin/sh
# On a cluster of its own that keeps an account of its jobs (the others here have none): what status,
# submit and the log of jobs say of jobs that ended, ran out of memory, and could not say what happened.
UB_CLUSTER=$UB_CLUSTER-db
UB_CLUSTER_ACCOUNTING=yes
export UB_CLUSTER UB_CLUSTER_ACCOUNTING
. "$(dirname "$0")/lib.sh"
own_cluster

# says RUN PATTERN: of its accounting, once slurmdbd has heard of the end of the job.
says() {
    cluster "$UNBRAID" status "$1" >status.txt && grep -Eq "^  accounting  $2" status.txt
}
json_says() {
    cluster "$UNBRAID" status "$1" --json >status.json && grep -Eq "\"accounting\": $2" status.json
}

echo 'slurm: {command: structure}' >site.yaml # stage 1 is enough
submit ended --site site.yaml --set farm.slow_ms=100 --set slurm.memory_mb=1000
ended=$job
submit small --site site.yaml --set slurm.nodes=1 --set slurm.tasks_per_node=1 --set slurm.memory_mb=25
small=$job
completes ended
wait_for "job $ended in the account" \
    says ended "job $ended: COMPLETED after [0-9]+ s, largest task [0-9]+ MiB of the node's 1000 MiB\$"
expect "the same as JSON" json_says ended \
    "{\"job\": $ended, \"tasks\": {\"COMPLETED\": 1}, \"exit_code\": 0, \"signal\": 0, \"elapsed_s\": [0-9]+, \"nodes\": 2, \"task_bytes\": [1-9][0-9]+, \"node_bytes\": 1048576000}"

# SLURM kills for memory (OverMemoryKill), but without cgroups calls it FAILED.  Without the last sign
# of life, which from another host is believed for 75 s, status does not take it for running.
wait_for "the job fails" log_says small 'end code=[0-9]+ why=failed'
wait_for "job $small is over" gone "$small"
expect "memory is no node's fault" [ ! -e small/slurm-bad-nodes ]
rm -f small/status.json
wait_for "job $small in the account" says small \
    "job $small: FAILED .*largest task [0-9]+ MiB of the node's 25 MiB; raise slurm.memory_mb "
submit small --site site.yaml --set slurm.nodes=1 --set slurm.tasks_per_node=1 --set farm.slow_ms=0
expect "submit knows, too" grep -q "\"last\": {\"job\": $small, \"tasks\": {\"FAILED\": 1}" submit.json
wait_for "the run is done" log_says small 'end code=0 why=done'

# kill_named SIGNAL HOST COMMAND: processes of that name on a host.
kill_named() {
    for pid in $(ip netns pids "$2"); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$3" ] || kill "$1" "$pid"
    done
}

# Cancelled; the job's script is killed while it waits for the ranks, and cannot say so.
submit mute --site site.yaml --set farm.slow_ms=4000
wait_for "the run is at work" at_work mute 1
mute=$job
cluster scancel "$mute"
kill_named -9 "$tag-n1" slurm_script
wait_for "job $mute in the account" says mute "job $mute: CANCELLED after [0-9]+ s"
log_says mute ' end ' && fail "the script could say so itself"
wait_for "job $mute is over" gone "$mute"
cluster "$UNBRAID" submit -c "$STUDY/study.yaml" --site site.yaml --set farm.slow_ms=0 --out mute >again.txt
expect "submit says so" grep -q "^  before      job $mute: CANCELLED after [0-9]* s" again.txt
completes mute
expect "and so does the log" log_says mute "end code=none why=cancelled try-of=$mute\$"

# An array, by states.
cat >sweep.yaml <<YAML
corpus: {path: $STUDY/corpus.h5}
sweep: {command: structure, metric: accuracy, method: grid, parameters: "structure.tile = 2, 3", poll_s: 0.2}
slurm: {command: sweep, time_min: 10, lead_s: 10, workers: 2, memory_mb: 500}
YAML
cluster "$UNBRAID" submit -c sweep.yaml --out array --json >submit.json
array=$(sed -n 's/.*"job": \([0-9]*\).*/\1/p' submit.json)
wait_for "the array in the account" says array "job $array: 2 COMPLETED"
expect "the same as JSON" json_says array "{\"job\": $array, \"tasks\": {\"COMPLETED\": 2}, "

# slurmdbd does not answer.
kill_named -STOP "$control" slurmdbd
before=$(date +%s)
expect "no answer: status, without accounting" json_says mute null
expect "within seconds" [ $(($(date +%s) - before)) -le 12 ]
kill_named -CONT "$control" slurmdbd
finish
