#!/bin/sh
# unbraid lint: what it finds on a site, whose answers are written here; on a real cluster:
# slurm/testcluster/tests/lint.sh.
. "$(dirname "$0")/lib.sh"
alone "$WORK/session"

fake scontrol <<'SH'
case $* in
"show config") printf 'Configuration data as of now\nJobRequeue              = %s\nKillWait = 30 sec\nMaxArraySize            = %s\nMpiDefault              = %s\n' "${REQUEUE:-1}" "${ARRAY:-1001}" "${MPI:-pmix}" ;;
"-o show partition") printf 'PartitionName=debug Default=NO MaxTime=30:00 TotalNodes=2 State=UP\nPartitionName=main AllowGroups=ALL Default=YES GraceTime=%s MaxNodes=4 MaxTime=%s PreemptMode=%s State=%s TotalNodes=9\n' "${GRACE:-0}" "${TIME:-2-00:00:00}" "${MODE:-OFF}" "${STATE:-UP}" ;;
"-o show partition main") echo 'PartitionName=main MaxNodes=4 MaxTime=UNLIMITED TotalNodes=9 State=UP' ;;
"-o show partition debug") echo 'PartitionName=debug Default=NO MaxTime=30:00 TotalNodes=2 State=UP' ;;
*) exit 1 ;;
esac
SH
fake sinfo <<'SH'
echo "Cpus=8 Memory=16000"
SH
fake srun <<'SH'
printf 'MPI plugin types are...\n\tnone\n\t%s\n' "${PLUGIN:-pmix}"
SH
PATH=$PWD/fakes:$PATH
"$UNBRAID" synth --set synth.samples=50 --out c.h5 >/dev/null
printf 'corpus: {path: c.h5}\nslurm: {nodes: 2, tasks_per_node: 8}\n' >good.yaml

"$UNBRAID" lint -c good.yaml >good.txt || fail "a good configuration: $(cat good.txt)"
same "findings of a good configuration" "$(cat good.txt)" "0 errors, 0 warnings, 0 notes"

# finds LEVEL PATTERN [VARIABLE=VALUE...] -- ARGS...
finds() {
    how=$1 what=$2
    shift 2
    vars=
    while [ "$1" != -- ]; do
        vars="$vars $1"
        shift
    done
    shift
    # shellcheck disable=SC2086 # variables
    env $vars "$UNBRAID" lint -c good.yaml "$@" >found.txt 2>/dev/null && code=0 || code=$?
    if grep -qE "^$how  *.*$what" found.txt && [ "$code" -eq "$([ "$how" = error ] && echo 2 || echo 0)" ]; then
        echo "ok: $how $what"
    else
        fail "$how $what (exit code $code): $(cat found.txt)"
    fi
}
finds error "end after 30 minutes" -- --set slurm.partition=debug --set slurm.time_min=31
finds error "end after 2880 minutes" -- --set slurm.time_min=2881
finds error "end after 150 minutes" TIME=02:30:00 -- --set slurm.time_min=151
finds error "no partition 'nope'" -- --set slurm.partition=nope
finds error "no partition 'nope'" -- --set slurm.partition=main,nope
finds error "end after 30 minutes" -- --set slurm.partition=main,debug --set slurm.time_min=31
"$UNBRAID" lint -c good.yaml --set slurm.partition=main,debug --set slurm.time_min=30 >both.txt ||
    fail "two partitions: $(cat both.txt)"
same "findings of a job for two partitions" "$(cat both.txt)" "0 errors, 0 warnings, 0 notes"
finds error "the partition is DRAIN" STATE=DRAIN --
finds error "gives 4 to a job" -- --set slurm.nodes=5
finds error "a node has 8 processors" -- --set slurm.tasks_per_node=9
finds note "on nodes of 8 processors" -- --set slurm.tasks_per_node=2
finds error "a node has 16000 MiB" -- --set slurm.memory_mb=16001
finds error "JobRequeue of this site is 0" REQUEUE=0 -- --set slurm.requeue=yes
finds note "1001 workers become 2 arrays, as one of this site has 1000 tasks" -- --set slurm.command=sweep --set slurm.workers=1001
finds note "workers_at_once = 2 makes 2000 workers of 2001" -- --set slurm.command=sweep --set slurm.workers=2001 --set slurm.workers_at_once=2
finds note "workers_at_once = 2 makes 2 workers of 9" REQUEUE=0 -- --set slurm.command=sweep --set slurm.workers=9 --set slurm.workers_at_once=2
finds error "has no job arrays" ARRAY=0 -- --set slurm.command=sweep --set slurm.workers=2
"$UNBRAID" lint -c good.yaml --set slurm.command=sweep --set slurm.workers=1000 --set slurm.workers_at_once=5 >array.txt
same "findings of an array that fits" "$(cat array.txt)" "0 errors, 0 warnings, 0 notes"
finds error "slurm.workers is for sweeps" -- --set slurm.workers=2
finds error "leaves no time" -- --set slurm.time_min=1 --set slurm.lead_s=60
finds warning "are cancelled" MODE=CANCEL --
finds note "5 s of grace" MODE=REQUEUE GRACE=5 --
finds error "with --mpi=none" MPI=none --
finds error "no PMIx plugin" PLUGIN=cray_shasta --
finds error "there is no file" -- --set corpus.path=gone.h5
finds error "writes wrong data in silence" OMPI_MCA_io=ompio --
finds warning "every item pauses" -- --set farm.slow_ms=1
# An older srun lists its plugins as messages, to standard error.
sed '$s/$/ >\&2/' fakes/srun >fakes/srun.new && mv fakes/srun.new fakes/srun && chmod +x fakes/srun
finds error "no PMIx plugin" PLUGIN=cray_shasta --
MPI=none "$UNBRAID" lint -c good.yaml >found.txt 2>&1 || true
grep -q 'set slurm.launcher_options: --mpi=pmix' found.txt || fail "an older srun: $(cat found.txt)"
MPI=none "$UNBRAID" lint -c good.yaml --set slurm.launcher=mpirun >/dev/null || fail "mpirun needs no PMIx"
MPI=none "$UNBRAID" lint -c good.yaml --set slurm.launcher_options=--mpi=pmix_v4 >/dev/null ||
    fail "--mpi=pmix_v4 given"
"$UNBRAID" lint -c good.yaml --json >good.json
same "errors in JSON" "$(json good.json errors)" 0
PATH=/usr/bin:/bin
finish
