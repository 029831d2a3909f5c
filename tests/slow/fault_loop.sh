#!/bin/sh
# tests/slow/fault_loop.sh [SEEDS [FIRST]] - every operation on files of a small run, on one rank and on
# two, from the beginning and going on after a kill: killed there, failing there with EIO, ENOSPC, a
# short write; and crashes of the machine after it, with nothing that was not flushed, and with SEEDS
# random parts of it (default 3); from case number FIRST on, after a stop.  11,000 cases with one seed,
# 2,400 more with each; a line every 40.  A case runs the program four times; in memory (/dev/shm), where
# there is any, as no case needs a disk that keeps what was flushed: crashes are worked out from the log.
# Needs the variables of tests/jobs/lib.sh; without them it takes the build in build/ci.
[ ! -w /dev/shm ] || WORK=${WORK:-/dev/shm/unbraid-faults-$$}
. "$(dirname "$0")/setting.sh"
. "$UB_SOURCE/tests/jobs/lib.sh"
. "$UB_SOURCE/tests/jobs/faults.sh"
# Killed ranks leave their shared memory behind: where it goes with the rest.
case $WORK in /dev/shm/*) export OMPI_MCA_btl_vader_backing_directory="$WORK/tmp" ;; esac

seeds=${1:-3}
first=${2:-1}
record 1
record 2
record_resumed 1a 'write.*structure.journal'
record_resumed 1b 'rename.*ckpt'
record_resumed 2b 'rename.*ckpt'
{
    for kind in kill eio enospc short none; do
        cases "$kind" 0 1 1
    done
    for kind in kill eio enospc short; do
        cases "$kind" 0 2 1
        cases "$kind" 1 2 1
    done
    cases none 0 2 1
    seed=0
    while [ "$seed" -lt "$seeds" ]; do
        seed=$((seed + 1))
        cases "some$seed" 0 1 1
        cases "some$seed" 0 2 1
    done
    for run in 1a 1b 2b; do # killed before, and now again, while it goes on
        for kind in kill eio none some1; do
            cases "$kind" 0 "$run" 1
        done
    done
    cases kill 1 2b 1
} | tail -n "+$first" >cases.txt

# In portions, so that one sees how far it is; the counts come at the end, too, or at the end of the
# portion in which it is stopped (TERM, INT).
counts() {
    echo "cases=$(cat part.*.done 2>/dev/null | wc -l) of=$(wc -l <cases.txt)" \
        "bad=$(cat part.*.done 2>/dev/null | grep -c '^BAD' || true)"
}
trap 'counts; cd /; rm -rf "$WORK"; exit 143' TERM INT
split -l 40 -a 4 cases.txt part.
for part in part.????; do
    judge "$part" >judged.txt || true
    grep '^BAD' judged.txt || true
    counts
done
grep -h '^BAD' part.*.done && fail "some of the cases"
finish
