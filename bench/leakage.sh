#!/bin/sh
# bench/leakage.sh [SEEDS [FIRST_SEED [OUT]]] - leakage ('unbraid generate') of models trained with
# and without the sparsity penalty, a line a seed: the tables of docs/generate.md.  OUT: a folder
# for the drawings of the first seed.  Environment: SYNTH (settings of the made-up corpus, default
# pictures of two tasks), CORPUS (a file instead: then the seeds are those of the training only),
# TRAIN (settings of the training), STAGES (disentangle, or run: stage 1 too).
set -eu
cd "$(dirname "$0")/.."
: "${UNBRAID:=$PWD/build/release/unbraid}"
seeds=${1:-3}
first=${2:-1}
out=${3:-}
: "${SYNTH:=synth.kind=sprites synth.tasks=2}" "${CORPUS:=}" "${TRAIN:=}" "${STAGES:=disentangle}"
OMPI_ALLOW_RUN_AS_ROOT=1
OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# sets WORD...: --set before each
sets() {
    for word in "$@"; do
        printf -- '--set %s ' "$word"
    done
}

# value FILE KEY: the last value of that name in a line of JSON; - if there is none
value() {
    sed -n "s/.*\"$2\": \([-0-9.]*\)[,}].*/\1/p" "$1" | grep . || echo -
}

# train RUN PENALTY SEED
train() {
    # shellcheck disable=SC2046,SC2086 # lists of words
    "$UNBRAID" "$STAGES" --set corpus.path="$corpus" --set disentangle.penalty="$2" \
        --set run.seed="$3" $(sets $TRAIN) --out "$1" --json >/dev/null 2>&1
    "$UNBRAID" eval "$1" --json >"$1.eval" 2>/dev/null
}

echo "seed leakage without ratio | R2 relevant irrelevant | without relevant irrelevant"
seed=$first
while [ "$seed" -lt $((first + seeds)) ]; do
    rm -rf "$work/with" "$work/without"
    corpus=${CORPUS:-$work/c.h5}
    # shellcheck disable=SC2046,SC2086 # lists of words
    [ -n "$CORPUS" ] || "$UNBRAID" synth $(sets $SYNTH) --set run.seed="$seed" --out "$corpus" >/dev/null
    train "$work/with" jacobian "$seed"
    train "$work/without" none "$seed"
    draw=""
    [ -z "$out" ] || [ "$seed" -ne "$first" ] || draw="--out $out"
    # shellcheck disable=SC2086 # an option with its value, or nothing
    (cd "$work" && "$UNBRAID" generate with --against without $draw --json >json 2>/dev/null)
    with=$(value "$work/json" leakage)
    without=$(value "$work/json" against)
    echo "$seed $with $without $(awk "BEGIN { printf \"%.1f\", $without / $with }")" \
        "| $(value "$work/with.eval" r2_relevant) $(value "$work/with.eval" r2_irrelevant)" \
        "| $(value "$work/without.eval" r2_relevant) $(value "$work/without.eval" r2_irrelevant)" |
        tee -a "$work/table"
    seed=$((seed + 1))
done
awk '{ n++; a += $2; b += $3; if ($2 > most) most = $2; if (n == 1 || $3 < least) least = $3 }
     END { printf "mean %.4f without %.4f, largest with %.4f, smallest without %.4f, of %d seeds\n",
                  a / n, b / n, most, least, n }' "$work/table"
