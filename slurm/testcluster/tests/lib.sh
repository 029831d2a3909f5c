# slurm/testcluster/tests/lib.sh - sourced by the acceptance tests.  accept.sh gives UNBRAID (the
# program), WORK (an empty folder, in which we are) and STUDY (corpus.h5, study.yaml, digest).
# shellcheck shell=sh
set -eu
testcluster=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=slurm/testcluster/lib.sh
. "$testcluster/lib.sh" # for tag
failures=0

cluster() { # a command on the login node
    sh "$testcluster/run.sh" "$@"
}

# own_cluster: instead of accept.sh's a cluster of this test's own, as UB_CLUSTER and the other variables
# of ../lib.sh said before this file was sourced; stopped when the test ends.  Where there can be none
# the test is skipped.
own_cluster() {
    code=0
    sh "$testcluster/up.sh" 2>skipped || code=$?
    cat skipped >&2
    [ "$code" -ne 77 ] || exit 77
    rm skipped
    [ "$code" -eq 0 ] || exit 1
    trap 'code=$?; sh "$testcluster/down.sh"; exit "$code"' EXIT
    trap 'exit 130' INT TERM
}

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# submit RUN ARGS...: the study, slowed so that there is time to disturb it; sets job.
submit() {
    to=$1
    shift
    cluster "$UNBRAID" submit -c "$STUDY/study.yaml" --out "$to" --json "$@" >submit.json
    job=$(sed -n 's/.*"job": \([0-9]*\).*/\1/p' submit.json)
    [ -n "$job" ] || fail "submit: $(cat submit.json)"
}

# wait_for WHAT COMMAND...: until the command succeeds; else, after a time in which a busy machine gets
# there, too, the test is over.
wait_for() {
    until_s=$(($(date +%s) + 600))
    what=$1
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "$(date +%s)" -ge "$until_s" ]; then
            fail "waited in vain: $what"
            finish
        fi
        sleep 0.2
    done
}

# completes RUN: wait until it is done; that it has failed is seen at once.
completes() {
    wait_for "$1 ends" log_says "$1" 'end code=0 why=done|why=failed|then=nothing'
    expect "$1 is done" log_says "$1" 'end code=0 why=done'
}

log_says() { # RUN PATTERN
    grep -qE -- "$2" "$1/slurm-jobs.log"
}

gone() { # JOB: is it out of the queue, or done but for its record?
    [ -z "$(cluster squeue -h -j "$1" -o %i -t PD,R,CG,S 2>/dev/null)" ]
}

# at_work RUN N: its N-th try is at work on stage 1 on both nodes and has answers to lose.
at_work() {
    log_says "$1" "begin try=$2 " && [ "$(journal "$1")" -gt 200 ] && on_both && lacks "$1" structure
}
lacks() { # RUN STAGE: it has not finished that
    ! grep -qx "$2" "$1/STATE" 2>/dev/null
}
ranks_on() { # N: how many there are on the N-th node
    for pid in $(ip netns pids "$tag-n$1" 2>/dev/null); do
        cat "/proc/$pid/comm" 2>/dev/null
    done | grep -cx unbraid || true
}
on_both() {
    [ "$(ranks_on 1)" -gt 0 ] && [ "$(ranks_on 2)" -gt 0 ]
}
# began_with RUN EVENT: what a start of the run found there.
began_with() {
    grep -q " info 0 $2" "$1/unbraid.log"
}
journal() {
    { wc -c <"$1/structure.journal"; } 2>/dev/null || echo 0
}

# When SLURM has put a job back, it waits two minutes (which begin when its last process has ended);
# not here, but longer than a second: slurmd refuses a job with a credential of the second in which it
# revoked those before ("Killing non-startable batch JobId=1: Job credential revoked").
hurry() {
    wait_for "job $1 is back in the queue" pending "$1"
    sleep 2.5
    wait_for "job $1 starts again" started "$1"
}
pending() {
    [ "$(cluster squeue -h -j "$1" -o %T)" = PENDING ]
}
started() {
    case $(cluster squeue -h -j "$1" -o '%T %r') in
    RUNNING*) return ;;
    *BeginTime) cluster scontrol update "JobId=$1" StartTime=now ;;
    esac
    false
}

# The same results as those of the study in one process, without SLURM.
same_results() {
    "$UNBRAID" fsck "$1" --json >fsck.json
    if grep -qF "$(cat "$STUDY/digest")" fsck.json; then
        echo "ok: $1: the same sha256"
    else
        fail "$1: $(cat fsck.json) instead of $(cat "$STUDY/digest")"
    fi
}

expect() { # WHAT COMMAND...
    what=$1
    shift
    if "$@"; then
        echo "ok: $what"
    else
        fail "$what"
    fi
}

finish() {
    for file in */slurm-jobs.log; do
        [ -e "$file" ] || continue
        echo "--- $file"
        cat "$file"
    done
    if [ "$failures" -gt 0 ]; then
        for file in */slurm-*.out; do
            [ -e "$file" ] || continue
            echo "--- $file"
            tail -n 40 "$file"
        done
        cluster squeue -o '%i %T %r %S'
        tail -n 30 "$UB_CLUSTER/log/slurmctld.log"
        exit 1
    fi
}
