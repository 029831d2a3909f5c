#!/bin/sh
# bench/accuracy.sh [SAMPLES [SEEDS [FIRST_SEED]]] - what stage 1 finds on corpora with known
# truth: mean accuracy/MCC over settings A (T = 8, 10 .. 20 steps, M = T/5 tasks) and B (T = 20,
# M = 2 .. 10), one line a rule.  The tables of docs/performance.md.  Environment: LINK (linear),
# TEST (fisher_z), REPRESENTATIVES (all), SETTINGS (A B), RULES (pairs conditioning:rule).
set -eu
cd "$(dirname "$0")/.."
: "${UNBRAID:=$PWD/build/release/unbraid}"
samples=${1:-10000}
seeds=${2:-10}
first=${3:-101}
: "${LINK:=linear}" "${TEST:=fisher_z}" "${REPRESENTATIVES:=all}" "${SETTINGS:=A B}"
: "${RULES:=full:llr_clique full:llr_joint band:llr_clique band:llr_joint direct:bonferroni band:paper}"
OMPI_ALLOW_RUN_AS_ROOT=1
OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# one ROW STEPS TASKS SEED: make the corpus once, try every rule on it.
one() {
    "$UNBRAID" synth --set synth.steps="$2" --set synth.tasks="$3" --set synth.samples="$samples" \
        --set synth.link="$LINK" --set run.seed="$4" --out "$work/c.h5" >/dev/null
    for pair in $RULES; do
        conditioning=${pair%%:*}
        rule=${pair#*:}
        rm -rf "$work/run"
        "$UNBRAID" structure --set corpus.path="$work/c.h5" --set structure.test="$TEST" \
            --set structure.conditioning="$conditioning" --set structure.rule="$rule" \
            --set structure.representatives="$REPRESENTATIVES" --out "$work/run" --json 2>/dev/null |
            sed "s/.*\"accuracy\": \([^,]*\), \"mcc\": \([^,]*\),.*/$1 $conditioning $rule \1 \2/" \
                >>"$work/table"
    done
}

seed=$first
while [ "$seed" -lt $((first + seeds)) ]; do
    case $SETTINGS in *A*)
        for steps in 8 10 12 14 16 18 20; do
            one A "$steps" $((steps / 5)) "$seed"
        done
        ;;
    esac
    case $SETTINGS in *B*)
        for tasks in 2 3 4 5 6 7 8 9 10; do
            one B 20 "$tasks" "$seed"
        done
        ;;
    esac
    seed=$((seed + 1))
done
echo "setting conditioning rule runs accuracy mcc mcc_sd mcc_lowest"
awk '{ k = $1 " " $2 " " $3; n[k]++; a[k] += $4; m[k] += $5; q[k] += $5 * $5
       if (!(k in low) || $5 < low[k]) low[k] = $5 }
     END { for (k in n) { mean = m[k] / n[k]; v = q[k] / n[k] - mean * mean
           printf "%s %d %.4f %.4f %.4f %.3f\n", k, n[k], a[k] / n[k], mean, sqrt(v > 0 ? v : 0), low[k] } }' \
    "$work/table" | sort
