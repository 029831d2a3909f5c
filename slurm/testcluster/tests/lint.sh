#!/bin/sh
# What lint says of configurations that this cluster takes, and of those it does not.
. "$(dirname "$0")/lib.sh"

lint() { # OUT ARGS...: its exit code in $code
    to=$1
    shift
    set +e
    cluster "$UNBRAID" lint -c "$STUDY/study.yaml" --set farm.slow_ms=0 "$@" >"$to" 2>&1
    code=$?
    set -e
}
lint good.txt --set slurm.tasks_per_node=1
expect "the study of these tests has no errors" [ "$code" -eq 0 ]
expect "no errors are counted" grep -q '^0 errors' good.txt
lint long.txt --set slurm.time_min=61
expect "too long a job is an error" [ "$code" -eq 2 ]
expect "the limit is named" grep -q 'end after 60 minutes' long.txt
lint wide.txt --set slurm.nodes=99
expect "the nodes are counted" grep -q 'the partition gives [0-9]* to a job' wide.txt
lint none.txt --set slurm.launcher_options=--mpi=none
expect "ranks without PMIx are an error" grep -q 'Open MPI needs pmix' none.txt
lint scrap.txt --set slurm.partition=scrap
expect "a partition that cancels is a warning" grep -q '^warning .*are cancelled' scrap.txt
finish
