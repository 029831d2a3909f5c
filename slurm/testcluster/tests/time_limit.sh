#!/bin/sh
# slow: minutes of wall time are what it is about.
# A study longer than --time=1: it measures what it needs to stop in time, a chain of jobs finishes it.
# The same where SLURM's signal asks, and where neither does and SLURM ends the job.
. "$(dirname "$0")/lib.sh"

# in_time RUN: every job that stopped in time was over before its end.
in_time() {
    sed -n 's/^\([^ ]*\) job=\([0-9]*\) begin .* ends=\([0-9]*\)$/begin \2 \3/p
        s/^\([^ ]*\) job=\([0-9]*\) end code=75 .*/end \2 \1/p' "$1/slurm-jobs.log" >times.txt
    stops=0
    while read -r kind _ when; do
        if [ "$kind" = begin ]; then
            ends=$when
        else
            stops=$((stops + 1))
            [ "$(date -u -d "$when" +%s)" -lt "$ends" ] || return 1
        fi
    done <times.txt
    [ "$stops" -gt 0 ]
}

# SLURM gives a job of a minute no signal: the program alone knows when to stop.  55 items of 5 s on four
# ranks take longer than that on any machine.
submit chain --set slurm.requeue=no --set slurm.time_min=1 --set slurm.lead_s=0 \
    --set farm.slow_ms=5000
expect "no signal" sh -c '! grep -q -e --signal chain/slurm-job.sh'
completes chain
expect "a second job" log_says chain 'begin try=2 restart=0 '
expect "stopped in time" in_time chain
expect "by measurement" grep -Eq ' stop-in-time .*item_s=([5-9]|[1-9][0-9])' chain/unbraid.log
same_results chain

submit signal --set slurm.requeue=no --set slurm.time_min=1 --set slurm.lead_s=10 \
    --set farm.slow_ms=5000
completes signal
expect "a second job" log_says signal 'begin try=2 restart=0 '
expect "stopped in time" in_time signal
same_results signal

# A wrong end of the job and no signal: SLURM's TERM comes at the limit and KILL after it, an item of
# work lasts longer.
submit late --set slurm.requeue=no --set slurm.time_min=1 --set slurm.lead_s=0 \
    --set slurm.prologue=SLURM_JOB_END_TIME=4000000000 --set farm.slow_ms=7000
completes late
expect "the time limit is told" log_says late 'why=time-limit'
same_results late
finish
