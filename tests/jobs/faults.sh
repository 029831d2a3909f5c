# tests/jobs/faults.sh - sourced after lib.sh by the fault tests: a small study, its operations on
# files, and cases made of them.
# shellcheck shell=sh
: "${FAULTIO:?}" "${CRASH_STATE:?}"

alone "$WORK/tmp"
# faultio may come before a sanitizer.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0"
# A case starts four programs, and much of that is Open MPI's search for networks and the daemon that it
# starts for a rank without a launcher: none is needed here.
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader OMPI_MCA_ess_singleton_isolated=1

"$UNBRAID" synth --set synth.samples=120 --set synth.steps=8 --set synth.tasks=2 --out c.h5 >/dev/null
STUDY="run --set corpus.path=$WORK/c.h5 --set structure.tile=1 --set farm.journal_sync_s=1e-9
       --set disentangle.epochs=2 --set disentangle.restarts=1 --set disentangle.latents=2
       --set disentangle.steps=all --set disentangle.batch=64 --set disentangle.hidden=8
       --set disentangle.checkpoint_steps=8"
# shellcheck disable=SC2086 # words
"$UNBRAID" $STUDY --out whole >/dev/null 2>&1
WHOLE=$(digest whole)
export STUDY WHOLE

# record NAME: an undisturbed run on as many ranks as NAME begins with, its operations in log.NAME and
# listed in list.NAME.  If there is a folder base.NAME, the run goes on with the one in it.
record() {
    mkdir "logged.$1"
    echo "$WORK/logged.$1" >"root.$1"
    [ ! -d "base.$1" ] || cp -r "base.$1/." "logged.$1"
    launch=
    [ "${1%[a-z]}" -eq 1 ] || launch="$MPIRUN -n ${1%[a-z]}"
    # shellcheck disable=SC2086
    $launch env LD_PRELOAD="$FAULTIO" UB_FAULT_DIR="$WORK/logged.$1" UB_FAULT_LOG="$WORK/log.$1" \
        "$UNBRAID" $STUDY --out "logged.$1/r" >/dev/null 2>&1
    same "results of run $1, watched" "$WHOLE" "$(digest "logged.$1/r")"
    UB_FAULT_DIR="$WORK/logged.$1" "$CRASH_STATE" "log.$1" list >"list.$1"
}

# record_resumed NAME PATTERN: the same of a run that goes on where another one, alone, was killed in
# the middle one of its operations that match.
record_resumed() {
    grep "$2" list.1 >matching.txt
    number=$(sed -n "$((($(wc -l <matching.txt) + 1) / 2))p" matching.txt | cut -d ' ' -f 2)
    mkdir "base.$1"
    # shellcheck disable=SC2086
    env LD_PRELOAD="$FAULTIO" UB_FAULT_DIR="$WORK/base.$1" UB_FAULT_AT="$number" \
        UB_FAULT_DO=kill "$UNBRAID" $STUDY --out "base.$1/r" >/dev/null 2>&1 || true
    [ -e "base.$1/r/config.yaml" ] || fail "$1: nothing to go on with"
    record "$1"
}

# cases KIND RANK RUN EVERY [PATTERN]: a case at every EVERY-th operation of that rank of the recorded
# run, on paths that match (a crash: at every position of all ranks).  The self-test of MPI-IO writes the same scratch
# file twelve times: one in twenty of its operations is enough.  On several
# ranks errors are not injected into the self-test, the only file that is written through MPI-IO: HDF5
# and ROMIO leave the other ranks waiting for ever, which a run must not rely on for anything it keeps.
cases() {
    awk -v kind="$1" -v rank="$2" -v run="$3" -v every="$4" -v pattern="${5:-.}" '
        $5 !~ pattern { next }
        kind !~ /^(none|some)/ && $3 != rank { next }
        kind == "short" && $4 != "write" { next }
        (kind == "eio" || kind == "enospc") && run + 0 > 1 && $5 ~ /selftest/ { next }
        kind !~ /^(none|some)/ && $2 == 0 { next } # of the thread of the status file
        $5 ~ /selftest/ && ++scratch % 20 != 1 { next }
        n++ % every == 0 {
            print kind, (kind ~ /^(none|some)/ ? $1 : $2), rank, run
        }' "list.$3"
}

# judge FILE [SCRIPT]: run the cases listed in it, one a core at a time; one line for each goes to
# FILE.done.
judge() {
    xargs -P "$(nproc)" -n 4 sh "$UB_SOURCE/tests/jobs/${2:-fault_case.sh}" <"$1" >"$1.done"
    grep '^BAD' "$1.done" || true
    bad=$(grep -c '^BAD' "$1.done" || true)
    same "cases judged" "$(wc -l <"$1")" "$(wc -l <"$1.done")"
    awk '$1 == "ok" { sub(/-.*/, "", $2); n[$2 " ended with " $3 " " $4 " " $5]++ }
         END { for (k in n) print n[k], k }' "$1.done" | sort -k 2
    echo "cases=$(wc -l <"$1.done") bad=$bad"
    [ "$bad" -eq 0 ] || fail "$bad of the cases"
}
