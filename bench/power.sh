#!/bin/sh
# bench/power.sh [RUNS [DEAR_RUNS [FIRST_SEED]]] - power (and size) of every registered test on linear
# chains with linear, tanh, quadratic and squared-sum tasks, and on chains and tasks of two values
# (signs), N = 500, 1,000, 2,000, as a table: share of p <= .05 among pairs of which both steps take
# part (adjacent and far ones together), and in brackets among the others.  RUNS corpora a cell,
# DEAR_RUNS for tests that permute or train.  No answer is no rejection; a dash: the test had no
# answer at all (its verdict is in the output of bench/size.sh).
set -eu
cd "$(dirname "$0")/.."
runs=${1:-100}
dear=${2:-20}
first=${3:-1}
cmake -S . -B build/bench -DCMAKE_BUILD_TYPE=Release -DUB_BENCH=ON -DUB_TESTS=OFF >&2
cmake --build build/bench --target bench_ci_size >&2
OPENBLAS_NUM_THREADS=1
export OPENBLAS_NUM_THREADS
links='linear tanh quadratic squared_sum signs'

# cell TEST N LINK RUNS: "power (size)".
cell() {
    build/bench/bench/bench_ci_size "$1" "$2" "$4" "$first" linear "$3" |
        awk '/unanswered/ { split($5, a, "/"); k = $3 == "both"; hit[k] += a[1]; n[k] += a[2]
                for (i = 1; i < NF; i++) if ($i == "unanswered") none += $(i + 1) }
             END { if (none == n[0] + n[1]) print "-"
                   else printf "%.2f (%.3f)", hit[1] / n[1], hit[0] / n[0] }'
}

echo "| test, N | runs | linear | tanh | quadratic | squared sum | signs |"
echo "| --- | --- | --- | --- | --- | --- | --- |"
# shellcheck disable=SC2013 # words
for test in $(sed -n 's/^UB_CI_TEST(\(.*\))/\1/p' core/ci/registry.def); do
    case $test in cmi_knn | cmi_neural | gcm_mlp) many=$dear ;; *) many=$runs ;; esac
    for n in 500 1000 2000; do
        row="| \`$test\`, $n | $many"
        for link in $links; do
            row="$row | $(cell "$test" "$n" "$link" "$many")"
        done
        echo "$row |"
    done
done
