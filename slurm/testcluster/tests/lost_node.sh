#!/bin/sh
# slow: SLURM takes a minute to miss a node.
# The second node loses its power in the middle of a run, slurmd and ranks; SLURM requeues the job,
# the node comes back, the run finishes.
. "$(dirname "$0")/lib.sh"

submit run
wait_for "the run is at work" at_work run 1
sh "$testcluster/node.sh" kill 2
wait_for "SLURM requeues the job" pending "$job"
expect "stage 1 was cut off" lacks run structure
sh "$testcluster/node.sh" start 2
# Its two minutes of waiting are not cut short here: when the node is back, SLURM still sends it the
# order to end the old incarnation of the job, which would end the new one.
completes run
expect "it went on with answers" began_with run 'journal-read answers=[1-9]'
expect "a second try of the job" log_says run "job=$job begin try=2 restart=1 "
same_results run
finish
