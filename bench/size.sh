#!/bin/sh
# bench/size.sh TEST N REPLICATIONS FIRST_SEED [CHAIN|all [LINK|all [T]]]: size and power of a
# conditional independence test on non-linear chains, a line a cell; see bench/ci_size.c.
# Example: sh bench/size.sh gcm_krr 2000 400 1 sine
set -eu
cd "$(dirname "$0")/.."

if [ $# -lt 4 ]; then
    sed -n '2,4s/^# //p' bench/size.sh >&2
    exit 2
fi
cmake -S . -B build/bench -DCMAKE_BUILD_TYPE=Release -DUB_BENCH=ON -DUB_TESTS=OFF >&2
cmake --build build/bench --target bench_ci_size >&2
OPENBLAS_NUM_THREADS=1 exec build/bench/bench/bench_ci_size "$@"
