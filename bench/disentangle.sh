#!/bin/sh
# bench/disentangle.sh [SEEDS [FIRST_SEED [ROUNDS]]] - what stage 2 recovers of latents it never
# saw: R2 of the relevant and the irrelevant true latents from the latents it keeps (mean, worst
# run), tasks with the right number and the right set of latents, and how many runs meet the bars
# (relevant >= .98, irrelevant <= .03).  The tables of docs/disentanglement.md, with the defaults.
# Seed s takes the task count number s of TASKS, cyclically, and in round k number s + k: as many
# ROUNDS (1) as there are task counts make the full grid.
# Environment: SIZES (3:12 5:20 10:40; so many relevant, as many irrelevant latents: observed
# columns), TASKS (2 3 4), PENALTIES (jacobian_group none), RESTARTS (1), JUDGE (1000 samples),
# ROWS (file to which a line a run is appended), SET (more settings, --set key=value ...).
# A task variable has 4 columns, or as many as the task needs latents: a narrower one can be told
# from fewer latents than it is made of.
set -eu
cd "$(dirname "$0")/.."
: "${UNBRAID:=$PWD/build/release/unbraid}"
seeds=${1:-9}
first=${2:-2001}
rounds=${3:-1}
: "${SIZES:=3:12 5:20 10:40}" "${TASKS:=2 3 4}" "${PENALTIES:=jacobian_group none}"
: "${RESTARTS:=1}" "${JUDGE:=1000}" "${SET:=}"
OMPI_ALLOW_RUN_AS_ROOT=1
OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: "${ROWS:=$work/rows}"

# nth N WORD...: word number N mod their count.
nth() {
    at=$1
    shift
    shift $((at % $#))
    echo "$1"
}

# field NAME: a number of the JSON on standard input.
field() {
    sed "s/.*\"$1\": \([-0-9.]*\).*/\1/"
}

# one LATENTS COLUMNS TASKS SEED PENALTY
one() {
    width=$((1 + ($1 - 1 + $3 - 1) / $3))
    [ "$width" -gt 4 ] || width=4
    "$UNBRAID" synth --set synth.kind=latent --set synth.samples=10000 --set synth.relevant="$1" \
        --set synth.irrelevant="$1" --set synth.obs_dim="$2" --set synth.tasks="$3" \
        --set synth.task_dim="$width" --set run.seed="$4" --out "$work/c.h5" >/dev/null
    rm -rf "$work/run"
    keep=
    [ "$5" != none ] || keep='--set disentangle.keep=0' # nothing closes a latent: all are kept
    # shellcheck disable=SC2086 # keep and SET are words
    "$UNBRAID" disentangle --set corpus.path="$work/c.h5" --set disentangle.steps=all \
        --set disentangle.restarts="$RESTARTS" --set disentangle.penalty="$5" \
        --set run.seed="$4" $keep $SET --out "$work/run" >/dev/null 2>"$work/log" ||
        { cat "$work/log" >&2 && exit 1; }
    "$UNBRAID" eval "$work/run" --json --set eval.train="$JUDGE" --set eval.test="$JUDGE" \
        2>/dev/null | sed 's/.*\], "structure"/"structure"/' >"$work/json"
    echo "$1+$1 $5 $3 $4 $(field r2_relevant <"$work/json") $(field r2_irrelevant <"$work/json")" \
        "$(field latents_kept <"$work/json") $(field tasks_right_number <"$work/json")" \
        "$(field tasks_right_set <"$work/json")" >>"$ROWS"
}

round=0
while [ "$round" -lt "$rounds" ]; do
    seed=$first
    while [ "$seed" -lt $((first + seeds)) ]; do
        # shellcheck disable=SC2086 # TASKS is words
        tasks=$(nth $((seed + round)) $TASKS)
        for size in $SIZES; do
            for penalty in $PENALTIES; do
                one "${size%%:*}" "${size#*:}" "$tasks" "$seed" "$penalty"
            done
        done
        seed=$((seed + 1))
    done
    round=$((round + 1))
done
echo "latents penalty tasks runs relevant worst irrelevant worst met number_right set_right"
awk '{ for (i = 0; i < 2; i++) { k = $1 " " $2 " " (i ? "all" : $3)
         n[k]++; r[k] += $5; q[k] += $6; t[k] += $3; c[k] += $8; s[k] += $9
         met[k] += $5 >= .98 && $6 <= .03
         if (n[k] == 1 || $5 < low[k]) low[k] = $5
         if (n[k] == 1 || $6 > high[k]) high[k] = $6 } }
     END { for (k in n) printf "%s %d %.4f %.4f %.4f %.4f %d/%d %d/%d %d/%d\n", k, n[k],
           r[k] / n[k], low[k], q[k] / n[k], high[k], met[k], n[k], c[k], t[k], s[k], t[k] }' \
    "$ROWS" | sort -V
