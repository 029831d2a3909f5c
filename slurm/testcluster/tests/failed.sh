#!/bin/sh
# A rank is killed: the job fails and nothing requeues it; its node is written down, the next
# submission goes without it and finishes.  A cancelled job stays cancelled.
. "$(dirname "$0")/lib.sh"

kill_rank() { # on the second node
    for pid in $(ip netns pids "$tag-n2"); do
        if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = unbraid ]; then
            kill -9 "$pid"
            return
        fi
    done
    fail "no rank on $tag-n2"
}

submit run
wait_for "the run is at work" at_work run 1
kill_rank
wait_for "the job fails" log_says run 'end code=[0-9]+ why=failed'
wait_for "the job is over" gone "$job"
expect "the node is written down" grep -qx "$tag-n2" run/slurm-bad-nodes
submit run --set slurm.nodes=1 --set slurm.tasks_per_node=3
expect "it is excluded" grep -q "exclude=\"$tag-n2\"" run/slurm-job.sh
wait_for "the run is done" log_says run 'end code=0 why=done'
expect "on the other node" log_says run "begin try=1 .*nodes=$tag-n1 "
same_results run

submit cancelled --set slurm.requeue=no
wait_for "the run is at work" at_work cancelled 1
set +e
cluster "$UNBRAID" submit -c "$STUDY/study.yaml" --out cancelled >twice.txt 2>&1
code=$?
set -e
expect "a second job for the run is refused" [ "$code" -eq 2 ]
expect "and why" grep -q 'still in the queue' twice.txt
# Another study, in a folder of the same name: stopping the first as submit says leaves it alone.
submit other/cancelled --set slurm.requeue=no
wait_for "the other is there" log_says other/cancelled 'begin try=1 '
other=$job
job=$(sed -n 's/.* job=\([0-9]*\) queued$/\1/p' cancelled/slurm-jobs.log)
name=$(cluster squeue -h -j "$job" -o %j)
cluster scancel "--name=$name"
wait_for "its successor goes, too" log_says cancelled 'why=cancelled'
next=$(sed -n "s/.* job=$job next=//p" cancelled/slurm-jobs.log)
wait_for "no job is left" gone "$next"
expect "one try only" sh -c '! grep -q "try=2" cancelled/slurm-jobs.log'
expect "the other study was not cancelled" sh -c '! grep -q cancelled$ other/cancelled/slurm-jobs.log'
wait_for "it is done" log_says other/cancelled 'end code=0 why=done'
wait_for "by its first job" gone "$other"
same_results other/cancelled
finish
