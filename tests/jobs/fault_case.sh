#!/bin/sh
# tests/jobs/fault_case.sh KIND POSITION RANK RUN - one case of the fault tests, in a folder of its own
# below WORK; prints one line that begins with ok or BAD.  RUN is a run recorded by faults.sh; it begins
# with its number of ranks.  KIND is what faultio does at operation POSITION of rank RANK (eio enospc
# short kill), or what a crash of the machine leaves of the first POSITION operations of WORK/log.RUN
# (none someSEED).  Whatever happened, the same command then ends with the results of an undisturbed
# run, WHOLE.  Crashes at different positions often leave the same bytes: those are judged once.
set -eu
: "${UNBRAID:?}" "${MPIRUN:?}" "${WORK:?}" "${FAULTIO:?}" "${CRASH_STATE:?}" "${STUDY:?}" "${WHOLE:?}"
kind=$1
position=$2
rank=$3
run=$4
ranks=${run%[a-z]}
name=$kind-$position-$rank-$run
dir=$WORK/case-$name
rm -rf "$dir"
mkdir "$dir"

export OMPI_MCA_orte_tmpdir_base="$WORK/tmp-$name"
mkdir -p "$OMPI_MCA_orte_tmpdir_base"

bad() {
    echo "BAD $name: $* ($(tail -n 3 "$WORK/err-$name" 2>/dev/null | tr '\n' ' '))"
    exit 0
}

# study [VARIABLE=VALUE...]: the command, on its ranks; the status is its own.
study() {
    launch=
    [ "$ranks" -eq 1 ] || launch="$MPIRUN -n $ranks"
    set +e
    # shellcheck disable=SC2086 # words
    timeout 40 $launch env "$@" "$UNBRAID" $STUDY --out "$dir/r" >/dev/null 2>"$WORK/err-$name"
    status=$?
    set -e
}

# verify: whole files and, once there are results of both stages, the right ones.
digest_of_run() {
    "$UNBRAID" fsck "$dir/r" 2>"$WORK/err-$name" | sed -n 's/^sha256 of the results: //p'
}

faulty() {
    study "LD_PRELOAD=$FAULTIO" "UB_FAULT_DIR=$dir" "UB_FAULT_AT=$position" "UB_FAULT_DO=$kind" \
        "UB_FAULT_RANK=$rank"
    case $kind:$status in
    kill:137) ;;
    kill:124) # Open MPI 4.1's launcher sometimes waits for ever after its ranks have died
        [ "$ranks" -gt 1 ] || bad "killed, but it hangs"
        ;;
    kill:*) bad "killed, but exit code $status" ;;
    *:0) [ "$(digest_of_run)" = "$WHOLE" ] || bad "ended well with other results" ;;
    short:*) bad "a short write is no error, but exit code $status" ;;
    *:1 | *:2)
        [ "$(grep -c '^unbraid: ' "$WORK/err-$name")" -eq 1 ] || bad "not one sentence"
        grep '^unbraid: ' "$WORK/err-$name" | grep -qF "$dir" || bad "names no file"
        ;;
    *) bad "exit code $status" ;;
    esac
}

case $kind in
none | some*)
    seed=${kind#some}
    [ ! -d "$WORK/base.$run" ] || export UB_FAULT_BASE="$WORK/base.$run"
    UB_FAULT_DIR=$(cat "$WORK/root.$run") "$CRASH_STATE" "$WORK/log.$run" "$position" \
        "${kind%"$seed"}" "${seed:-0}" "$dir" || bad "no state"
    state=$(tar --sort=name --mtime=@0 -C "$dir" -cf - . | sha256sum | cut -d ' ' -f 1)
    if ! mkdir "$WORK/state-$ranks-$state" 2>/dev/null; then
        rm -rf "$dir" "$OMPI_MCA_orte_tmpdir_base"
        echo "ok $name crash, seen before"
        exit 0
    fi
    status=crash
    ;;
*)
    [ ! -d "$WORK/base.$run" ] || cp -r "$WORK/base.$run/." "$dir"
    faulty
    ;;
esac

first=$status
if [ -e "$dir/r/config.yaml" ]; then
    "$UNBRAID" fsck "$dir/r" >/dev/null 2>"$WORK/err-$name" || bad "unreadable after it"
fi
study UB_FAULT=none
[ "$status" -eq 0 ] || bad "the same command again: exit code $status"
got=$(digest_of_run)
[ "$got" = "$WHOLE" ] || bad "the same command again: other results: $got"
rm -rf "$dir" "$WORK/err-$name" "$OMPI_MCA_orte_tmpdir_base"
echo "ok $name $first"
