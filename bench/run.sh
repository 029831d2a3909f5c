#!/bin/sh
# bench/run.sh [--no-peers] NAME...: build the benchmarks (Release, build/bench) and run the named
# ones; without a name, say which there are.  Output: lines key=value, one core, CPU time.  Needs an
# otherwise idle core.  --no-peers leaves out the programs of others (bench/peers.sh, which installs
# them from the Python package index).
#
# ci: what each program prints, then the figures that matter, ratios to the peers among them: how
# many times faster than the fastest of them on the same samples.  `na`: there is no such figure.
# farm: two ranks, over shared memory and TCP; overhead_percent is what journal and status file add,
# overhead_error its standard error.  journal: ten million records read back.  rcot: time,
# size and power of rcot; neural: those of cmi_neural.
# train: a step of stage 2, in turns with PyTorch's, at the published size and at ten times its width;
# two ranks against one, also with batches of 2,048 (..._batch_2048), and two that share nothing but
# the machine (speedup_2_ceiling); what the fixed order of the sums costs.
set -eu
cd "$(dirname "$0")/.."
bin=build/bench/bench
figures=build/bench/figures
OPENBLAS_NUM_THREADS=1
export OPENBLAS_NUM_THREADS

usage() {
    echo "usage: sh bench/run.sh [--no-peers] NAME...; NAME: ci, farm, journal, neural, rcot, train" >&2
    exit 2
}

# value KEY: its last value in $figures, or na.
value() {
    awk -F= -v key="$1" 'BEGIN { v = "na" } $1 == key { v = $2 } END { print v }' "$figures"
}

# least KEY...: the smallest of their values, or na.
least() {
    for key in "$@"; do value "$key"; done |
        awk 'BEGIN { v = "na" } $1 != "na" && (v == "na" || $1 < v) { v = $1 } END { print v }'
}

# ratio A B: A / B, or na.
ratio() {
    awk -v a="$1" -v b="$2" 'BEGIN {
        if (a == "na" || b == "na") print "na"; else printf "%.4g\n", a / b }'
}

ci() {
    for program in ci_linear ci_knn; do
        "$bin/bench_$program"
    done
    for test in fisher_z rcot; do
        "$bin/bench_ci_test" "$test" 1000 21
    done
    if [ "$peers" = yes ]; then
        "$bin/bench_ci_data" 1000 >build/bench/samples_1k.csv
        "$bin/bench_ci_data" 10000 >build/bench/samples_10k.csv
        sh bench/peers.sh peers build/bench/samples_1k.csv build/bench/samples_10k.csv || true
    fi
}

ci_summary() {
    for key in band_tests_per_s_32 band_tests_per_s_1; do
        echo "$key=$(value $key)"
    done
    echo "band_vs_numpy=$(ratio "$(value band_tests_per_s_1)" "$(value numpy_band_tests_per_s)")"
    for key in full_tests_per_s full_stage_vs_blas cmi_knn_ms_1k cmi_knn_ms_10k cmi_knn_p_s_1k; do
        echo "$key=$(value $key)"
    done
    theirs=$(least tigramite_p_s_1k npeet_p_s_1k jidt_p_s_1k)
    echo "cmi_knn_p_vs_peer=$(ratio "$theirs" "$(value cmi_knn_p_s_1k)")"
    echo "rcot_vs_rcit=$(ratio "$(value causal_learn_rcit_ms)" "$(value rcot_ms)")"
}

as_root() {
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
}

farm() {
    as_root
    mpirun -n 2 --mca btl self,vader "$bin/bench_farm" shm
    mpirun -n 2 --mca btl self,tcp "$bin/bench_farm" tcp
}

farm_summary() {
    for key in speedup_2_1ms speedup_2_100us dispatch_vs_pingpong_shm dispatch_vs_pingpong_tcp \
        overhead_percent overhead_error; do
        echo "$key=$(value $key)"
    done
}

journal() {
    "$bin/bench_journal"
}

neural() {
    "$bin/bench_ci_neural"
}

rcot() {
    "$bin/bench_ci_rcot"
}

train() {
    as_root
    if [ "$peers" != yes ] || ! sh bench/peers.sh peers_train "$bin/bench_train"; then
        for width in 64 640; do "$bin/bench_train" steps $width $((44800 / width)); done
    fi
    for width in 64 256 640; do
        "$bin/bench_train" sum $width $((12800 / width))
        mpirun -n 2 --bind-to none "$bin/bench_train" speedup $width $((1920 / width))
        mpirun -n 2 --bind-to none "$bin/bench_train" speedup $width $((240 / width + 1)) 2048 |
            sed -n 's/^\(speedup_2_[a-z_]*[0-9]*\)=/\1_batch_2048=/p'
    done
}

# most KEY...: the largest of their values, or na if one is missing.
most() {
    for key in "$@"; do value "$key"; done |
        awk 'NR == 1 || $1 == "na" || (v != "na" && $1 > v) { v = $1 } END { print v }'
}

train_summary() {
    for size in paper wide; do
        echo "vs_pytorch_$size=$(ratio "$(value pytorch_${size}_ms)" "$(value unbraid_${size}_ms)")"
    done
    echo "speedup_2=$(least speedup_2_256 speedup_2_640)"
    echo "speedup_2_ceiling=$(least speedup_2_ceiling_256 speedup_2_ceiling_640)"
    echo "reproducible_sum_overhead=$(most sum_overhead_1_64 sum_overhead_1_256 sum_overhead_1_640)"
}

peers=yes
if [ "${1:-}" = --no-peers ]; then
    peers=no
    shift
fi
[ $# -gt 0 ] || usage
for name in "$@"; do
    case "$name" in ci | farm | journal | neural | rcot | train) ;; *) usage ;; esac
done
cmake -S . -B build/bench -DCMAKE_BUILD_TYPE=Release -DUB_BENCH=ON -DUB_TESTS=OFF >&2
cmake --build build/bench --target benchmarks >&2
for name in "$@"; do
    "$name" >"$figures"
    cat "$figures"
    case "$name" in ci | farm | train) "${name}_summary" ;; esac
done
