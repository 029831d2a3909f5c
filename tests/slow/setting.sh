# tests/slow/setting.sh - sourced by the slow tests: what ctest sets for the quick ones, unless set.
# shellcheck shell=sh
UB_SOURCE=$(cd "$(dirname "$0")/../.." && pwd)
build=${UB_BUILD:-$UB_SOURCE/build/ci}
export UB_SOURCE
export UNBRAID="${UNBRAID:-$build/unbraid}"
export FAULTIO="${FAULTIO:-$build/tests/libfaultio.so}"
export CRASH_STATE="${CRASH_STATE:-$build/tests/crash_state}"
export MPIRUN="${MPIRUN:-mpirun --oversubscribe --mca mpi_yield_when_idle 1}"
export WORK="${WORK:-$build/tests/$(basename "$0" .sh)}"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OPENBLAS_NUM_THREADS=1
[ -x "$UNBRAID" ] || {
    echo "$UNBRAID is not there: build it, or set UB_BUILD" >&2
    exit 2
}
