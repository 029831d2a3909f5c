#!/bin/sh
# bench/run.sh NAME...: build the benchmarks (Release, build/bench) and run the named ones; without
# a name, say which there are.  Output: key=value lines.  Needs an otherwise idle core.
set -eu
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
    echo "usage: sh bench/run.sh ci|neural" >&2
    exit 2
fi
cmake -S . -B build/bench -DCMAKE_BUILD_TYPE=Release -DUB_BENCH=ON -DUB_TESTS=OFF >&2
for name in "$@"; do
    case "$name" in
    ci) program=ci_knn ;;
    neural) program=ci_neural ;;
    *)
        echo "bench/run.sh: no benchmark '$name'; there are: ci, neural" >&2
        exit 2
        ;;
    esac
    cmake --build build/bench --target "bench_$program" >&2
    OPENBLAS_NUM_THREADS=1 "build/bench/bench/bench_$program"
done
