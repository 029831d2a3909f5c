#!/bin/sh
# Preemption: TERM, no grace, and the job is put back (partition idle) or thrown away (scrap); the
# run finishes all the same.
. "$(dirname "$0")/lib.sh"

for partition in idle scrap; do
    run=$partition
    submit "$run" --set "slurm.partition=$partition"
    wait_for "the run is at work" at_work "$run" 1
    cluster srun --partition=all --exclusive -N2 -n2 true
    wait_for "job $job is back in the queue" pending "$job"
    expect "$partition: stage 1 was cut off" lacks "$run" structure
    hurry "$job"
    completes "$run"
    expect "$partition: it went on with answers" began_with "$run" 'journal-read answers=[1-9]'
    expect "$partition: preemption is told" log_says "$run" 'end code=.* why=preempt'
    expect "$partition: in the same job" log_says "$run" "job=$job begin try=2 restart=1 "
    same_results "$run"
done
finish
