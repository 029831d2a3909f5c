#!/bin/sh
# Asked to stop in time, exit code 75: the job requeues itself, or its successor goes on; under srun and
# under mpirun.
. "$(dirname "$0")/lib.sh"

# cut_off RUN: the first try was stopped in stage 1.
cut_off() {
    wait_for "$1: the first try ends" log_says "$1" 'end code=75 why=stopped-in-time'
    expect "$1: stage 1 was cut off" lacks "$1" structure
}

submit alone
wait_for "the run is at work" at_work alone 1
cluster scancel --signal=USR1 "$job"
cut_off alone
expect "it requeues itself" log_says alone 'end code=75 why=stopped-in-time then=requeue'
hurry "$job"
completes alone
expect "in the same job" log_says alone "job=$job begin try=2 restart=1 "
expect "with the answers" began_with alone 'journal-read answers=[1-9]'
same_results alone

# The successor begins at once, and finishes stage 1 while we look.
submit chain --set slurm.requeue=no
wait_for "the chain is at work" at_work chain 1
cluster scancel --signal=USR1 "$job"
wait_for "the first job ends" log_says chain 'end code=75 why=stopped-in-time'
completes chain
expect "a second job" log_says chain 'begin try=2 restart=0 '
expect "with the answers" began_with chain 'journal-read answers=[1-9]'
same_results chain
last=$(sed -n 's/.* job=\([0-9]*\) end code=0 .*/\1/p' chain/slurm-jobs.log)
next=$(sed -n "s/.* job=$last next=//p" chain/slurm-jobs.log)
wait_for "nobody waits behind the last" gone "${next:-$last}"

submit mpirun --set slurm.launcher=mpirun --set slurm.requeue=no
wait_for "mpirun is at work" at_work mpirun 1
cluster scancel --batch --signal=USR1 "$job"
completes mpirun
expect "USR1 reaches the ranks of mpirun" log_says mpirun 'end code=75 why=stopped-in-time'
expect "a second job" log_says mpirun 'begin try=2 restart=0 '
same_results mpirun
finish
