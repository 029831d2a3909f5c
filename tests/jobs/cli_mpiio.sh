#!/bin/sh
# The MPI-IO component: a sound one is picked, one that is known to be bad is refused, a file system
# that gives back something else than was written is found out; the run folder says what was found.
# shellcheck source=tests/jobs/lib.sh
. "$(dirname "$0")/lib.sh"

study() {
    ranks=$1
    shift
    on "$ranks" structure --set corpus.path=c.h5 "$@" >out 2>err
}

# refused WHAT PART COMMAND...: exit code 2 and one sentence with PART.
refused() {
    what=$1
    part=$2
    shift 2
    set +e
    "$@"
    status=$?
    set -e
    same "$what: exit code" "$status" 2
    same "$what: one sentence" "$(grep -c '^unbraid: ' err)" 1
    grep '^unbraid: ' err | grep -qF "$part" || fail "$what: $(cat err)"
}

on 1 synth --out c.h5 --set synth.samples=200 >out
study 2 --out r
grep -q '"parallel_writing": {.*"chosen_by": "unbraid".*"verdict": "good"}}' r/provenance.json ||
    fail "not said in the run folder: $(cat r/provenance.json)"

# What follows is of Open MPI 4.
if grep -q '"mpi": "Open MPI v4' r/provenance.json; then
    grep -q '"component": "romio[0-9]*"' r/provenance.json ||
        fail "another component: $(cat r/provenance.json)"

    export OMPI_MCA_io=ompio
    refused "a run" "unset OMPI_MCA_io" study 2 --out bad
    [ ! -e bad ] || fail "a refused run leaves a folder"
    synthesise() { on 2 synth --out bad.h5 --set synth.samples=200 >out 2>err; }
    refused "a corpus" "OMPI_MCA_io=ompio" synthesise
    [ ! -e bad.h5 ] || fail "a refused corpus leaves a file"
    export OMPI_MCA_io=romio321
    study 2 --out forced
    grep -q '"OMPI_MCA_io": "romio321", "chosen_by": "environment"' forced/provenance.json ||
        fail "not said who chose: $(cat forced/provenance.json)"
    unset OMPI_MCA_io
    same "results do not know the component" "$(digest forced)" "$(digest r)"
fi

# One bit goes wrong on its way to the disk, and nobody says so.
UB_FAULT_DIR=$PWD UB_FAULT_DO=rot UB_FAULT_AT=1 UB_FAULT_FILE=selftest
export UB_FAULT_DIR UB_FAULT_DO UB_FAULT_AT UB_FAULT_FILE
set +e
# shellcheck disable=SC2086 # a command with its options
$MPIRUN -n 2 env "LD_PRELOAD=$FAULTIO" "$UNBRAID" structure --set corpus.path=c.h5 --out rotten >out 2>err
same "rotten files: exit code" $? 1
set -e
unset UB_FAULT_DIR UB_FAULT_DO UB_FAULT_AT UB_FAULT_FILE
grep '^unbraid: ' err | grep -q 'came back wrong' || fail "rotten files: $(cat err)"
grep -q '"verdict": ".*came back wrong' rotten/provenance.json ||
    fail "not said in the run folder: $(cat rotten/provenance.json)"
study 2 --out rotten
same "once the files are sound again" "$(digest rotten)" "$(digest r)"
same "both starts are told of" "$(grep -c parallel_writing rotten/provenance.json)" 2

finish
