#!/bin/sh
# Stopped in time, exit code 75: the job requeues itself, or its successor goes on; under srun and
# under mpirun.
. "$(dirname "$0")/lib.sh"

ended() { # RUN N: so many tries have an end
    [ "$(grep -c ' end ' "$1/slurm-jobs.log")" -ge "$2" ]
}

submit alone --set run.stop_after_s=5
tries=0
until log_says alone 'why=done' || [ "$tries" -gt 9 ]; do
    tries=$((tries + 1))
    wait_for 120 "try $tries ends" ended alone "$tries"
    log_says alone 'why=done' || hurry "$job"
done
expect "stopped at least once" log_says alone 'end code=75 why=stopped-in-time then=requeue'
same_results alone

submit chain --set run.stop_after_s=5 --set slurm.requeue=no
wait_for 300 "the chain is done" log_says chain 'end code=0 why=done'
expect "a second job" log_says chain 'begin try=2 restart=0 '
same_results chain
last=$(sed -n 's/.* job=\([0-9]*\) end code=0 .*/\1/p' chain/slurm-jobs.log)
next=$(sed -n "s/.* job=$last next=//p" chain/slurm-jobs.log)
wait_for 30 "nobody waits behind the last" gone "${next:-$last}"

submit mpirun --set slurm.launcher=mpirun --set slurm.requeue=no
wait_for 120 "mpirun is at work" at_work mpirun 1
cluster scancel --batch --signal=USR1 "$job"
wait_for 300 "the second mpirun is done" log_says mpirun 'end code=0 why=done'
expect "USR1 reaches the ranks of mpirun" log_says mpirun 'end code=75 why=stopped-in-time'
same_results mpirun
finish
