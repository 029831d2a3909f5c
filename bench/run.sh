#!/bin/sh
# bench/run.sh NAME...: build the benchmarks (Release, build/bench) and run the named ones; without
# a name, say which there are.  Output: key=value lines.  Needs an otherwise idle core.
set -eu
cd "$(dirname "$0")/.."

# The farm on two ranks, over shared memory and over TCP.
farm() {
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
    cmake --build build/bench --target bench_farm >&2
    mpirun -n 2 --mca btl self,vader build/bench/bench/bench_farm shm
    mpirun -n 2 --mca btl self,tcp build/bench/bench/bench_farm tcp
}

if [ $# -eq 0 ]; then
    echo "usage: sh bench/run.sh NAME...; there are: ci farm journal rcot" >&2
    exit 2
fi
cmake -S . -B build/bench -DCMAKE_BUILD_TYPE=Release -DUB_BENCH=ON -DUB_TESTS=OFF >&2
for name in "$@"; do
    case "$name" in
    ci) programs='ci_knn ci_linear' ;;
    journal) programs=journal ;;
    rcot) programs=ci_rcot ;;
    farm)
        farm
        continue
        ;;
    *)
        echo "bench/run.sh: no benchmark '$name'; there are: ci farm journal rcot" >&2
        exit 2
        ;;
    esac
    for program in $programs; do
        cmake --build build/bench --target "bench_$program" >&2
        OPENBLAS_NUM_THREADS=1 "build/bench/bench/bench_$program"
    done
done
