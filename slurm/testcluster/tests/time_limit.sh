#!/bin/sh
# slow: minutes of wall time are what it is about.
# A study longer than --time=1: SLURM's USR1 stops it in time, a chain of jobs finishes it.  The
# same where the program does not get a signal and SLURM ends the job.
. "$(dirname "$0")/lib.sh"

submit chain --set slurm.requeue=no --set slurm.time_min=1 --set slurm.lead_s=10 \
    --set farm.slow_ms=2500
wait_for 400 "the chain is done" log_says chain 'end code=0 why=done'
expect "a second job" log_says chain 'begin try=2 restart=0 '
expect "stopped in time" log_says chain 'end code=75 why=stopped-in-time'
same_results chain

# No signal in time: SLURM's TERM comes at the limit and KILL after it, an item of work lasts longer.
submit late --set slurm.requeue=no --set slurm.time_min=1 --set slurm.lead_s=1 \
    --set slurm.options="--signal=URG@1" --set run.stop_after_s=1000 --set farm.slow_ms=7000
wait_for 500 "the chain is done" log_says late 'end code=0 why=done'
expect "the time limit is told" log_says late 'why=time-limit'
same_results late
finish
