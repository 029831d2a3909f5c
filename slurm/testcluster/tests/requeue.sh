#!/bin/sh
# A run on two nodes is put back into the queue in the middle, twice: in stage 1 and in stage 2.  It
# was planned, and its report says what it took.
. "$(dirname "$0")/lib.sh"

run="it's a \"run\" #1"
submit "$run" --set slurm.plan=yes
expect "memory as planned" grep -qE '"time_min": 10, "memory_mb": [1-9][0-9]*, "planned_s"' submit.json
wait_for "stage 1 is at work" at_work "$run" 1
cluster "$UNBRAID" status "$run" --json >status.json
expect "status, without accounting: it runs" grep -q '"state": "running".*"stage": "structure"' status.json
expect "status: as this job" grep -q "\"job\": \"$job\"" status.json
cluster scontrol requeue "$job"
wait_for "job $job is back in the queue" pending "$job"
expect "stage 1 was cut off" lacks "$run" structure
hurry "$job"
in_training() {
    ls "$run"/checkpoints/init-*/ckpt-* && on_both
}
wait_for "stage 2 is at work" in_training
cluster scontrol requeue "$job"
wait_for "job $job is back in the queue" pending "$job"
expect "stage 2 was cut off" lacks "$run" disentangle
hurry "$job"
completes "$run"
expect "the second try went on with answers" began_with "$run" 'journal-read answers=[1-9]'
expect "the third with a checkpoint" began_with "$run" checkpoint-read
expect "three tries of one job" log_says "$run" "job=$job begin try=3 restart=2 "
expect "on two nodes" log_says "$run" 'begin .*nodes=[a-z0-9]*-n\[1-2\] '
expect "SLURM's reason is told" log_says "$run" 'why=(job-requeue|requeued)( |$)'
same_results "$run"
expect "the report: planned and taken" grep -qE \
    'Planned for 4 ranks: .* Taken by 4 ranks, 3 starts;' "$run/report.html"
wait_for "the job is over" gone "$job"
cluster "$UNBRAID" submit -c "$STUDY/study.yaml" --out "$run" >again.txt
cluster "$UNBRAID" status "$run" >status.txt
expect "status: it is finished" grep -q ': finished$' status.txt
expect "a finished run is not submitted again" grep -q 'nothing to do' again.txt
finish
