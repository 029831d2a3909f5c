#!/bin/sh
# bench/plan.sh [RANKS [ROUNDS]] - how well 'unbraid plan' foretells three studies on this machine: many
# cheap tests and a short training (A), few dear tests (B), three initialisations and their judge (C).
# Each round plans a study, runs it on RANKS (1) and prints both, in seconds by the clock, with the
# plan's interval.  The last lines: plan_over_actual_A, _B, _C (medians over the ROUNDS, 3) and
# plan_worst_percent, the largest error of a single plan.  A machine that does other work at the same
# time runs longer than its plan, which says what share of a core it had (machine_share).  There,
# with one rank, cpu_ratio is what counts: the plan without its waits (files_s, and half a second to
# start) over the CPU seconds of the run; plan_over_cpu_A, ... are its medians.
set -eu
cd "$(dirname "$0")/.."
unbraid=$(realpath "${UNBRAID:-build/release/unbraid}")
ranks=${1:-1}
rounds=${2:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export OPENBLAS_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
launch=
[ "$ranks" -eq 1 ] || launch="mpirun --oversubscribe -n $ranks"

"$unbraid" synth --set synth.samples=4000 --set synth.steps=120 --set synth.tasks=40 --out A.h5 >/dev/null
"$unbraid" synth --set synth.samples=500 --set synth.steps=20 --set synth.tasks=3 --out B.h5 >/dev/null
"$unbraid" synth --set synth.kind=latent --out C.h5 >/dev/null
echo 'disentangle: {epochs: 3, restarts: 1, steps: all}
slurm: {command: run}' >A.yaml
echo 'structure: {test: cmi_knn, tile: 2}
slurm: {command: structure}' >B.yaml
echo 'disentangle: {epochs: 20}
slurm: {command: disentangle}' >C.yaml

# field NAME: a number of the JSON on standard input.
field() {
    sed "s/.*\"$1\": \([-0-9.]*\).*/\1/"
}

# one STUDY: a line, and into ratios
one() {
    study=$1
    command=$(sed -n 's/.*command: \([a-z]*\).*/\1/p' "$study.yaml")
    set -- -c "$study.yaml" --set "corpus.path=$study.h5"
    "$unbraid" plan "$@" --ranks "$ranks" --json >plan.json 2>/dev/null
    rm -rf run
    start=$(date +%s.%N)
    # shellcheck disable=SC2086 # words
    $launch "$unbraid" "$command" "$@" --out run >log 2>&1 || { cat log >&2; exit 1; }
    end=$(date +%s.%N)
    cpu=$(sed -n 's/.* stage-done .*cpu_s=\([0-9.]*\).*/\1/p' run/unbraid.log | tail -1)
    echo "$study $(field seconds <plan.json) $(field seconds_low <plan.json)" \
        "$(field seconds_high <plan.json) $(field machine_share <plan.json) $start $end" \
        "$(field files_s <plan.json) $cpu" |
        awk '{ wall = $7 - $6; printf "study=%s planned_s=%.2f low_s=%.2f high_s=%.2f actual_s=%.2f ratio=%.3f cpu_s=%.2f cpu_ratio=%.3f machine_share=%.2f\n",
               $1, $2, $3, $4, wall, $2 / wall, $9, ($2 - $8 - 0.5) / $9, $5 }' | tee -a ratios
}

round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    for study in A B C; do
        one "$study"
    done
done
# medians NAME FIELD: of each study.
medians() {
    for study in A B C; do
        sed -n "s/study=$study .* $2=\([0-9.]*\) .*/\1/p" ratios | sort -n |
            awk -v s="$1_$study" '{ v[NR] = $1 } END { print s "=" (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
    done
}
medians plan_over_actual ratio
[ "$ranks" -gt 1 ] || medians plan_over_cpu cpu_ratio
sed 's/.* ratio=\([0-9.]*\) .*/\1/' ratios |
    awk '{ e = $1 > 1 ? $1 - 1 : 1 - $1; if (e > worst) worst = e } END { printf "plan_worst_percent=%.1f\n", 100 * worst }'
