#!/bin/sh
# disentangle.lambdas: candidates one after another, the choice by held-out R2, the same bytes at
# any number of ranks and after kill -9 in the middle.
. "$(dirname "$0")/lib.sh"

"$UNBRAID" synth --set synth.kind=latent --set synth.samples=1200 --set synth.relevant=2 \
    --set synth.irrelevant=1 --set synth.tasks=2 --set synth.obs_dim=4 --out c.h5 >/dev/null
# From a weight that closes every task down to one that does not.
study="--set corpus.path=c.h5 --set disentangle.steps=all --set disentangle.epochs=20
       --set disentangle.restarts=1 --set disentangle.hidden=16 --set disentangle.batch=64
       --set disentangle.lambda=12.8 --set disentangle.lambdas=7 --set disentangle.tolerance=0.1"

# tried LOG: how many candidates are done.
tried() {
    grep -c ' lambda-tried ' "$1" || true
}

for ranks in 1 3; do
    # shellcheck disable=SC2086 # words, here and below
    on "$ranks" disentangle $study --out "at-$ranks" >/dev/null 2>"log-$ranks" ||
        fail "$(cat "log-$ranks")"
    same "candidates tried at $ranks ranks" "$(tried "log-$ranks")" 7
    same "the choice at $ranks ranks" "$(digest at-1)" "$(digest "at-$ranks")"
done
sed -n 's/.* lambda-tried lambda=\([^ ]*\) least_task_r2=\(.*\)/\1 \2/p' log-1 >tried.txt
cat tried.txt
chosen=$(sed -n 's/.* lambda-chosen lambda=\([^ ]*\) .*/\1/p' log-1)
at_most "the strongest leaves nothing: R2" "$(awk 'NR == 1 { print $2 }' tried.txt)" 0.1
at_most "so a weaker one is chosen: lambda" "$chosen" 3.2
at_least "but not the weakest: lambda" "$chosen" 0.3
# The model is that of a study with this weight alone.
# shellcheck disable=SC2086
on 2 disentangle $study --set disentangle.lambda="$chosen" --set disentangle.lambdas=1 \
    --out single >/dev/null 2>&1
cmp single/training.csv at-1/training.csv || fail "the training is not that with lambda $chosen"

# shellcheck disable=SC2086
$MPIRUN -n 1 "$UNBRAID" disentangle $study --out killed >/dev/null 2>log-killed &
job=$!
tries=0
until [ -d killed/checkpoints/init-3 ] || [ "$tries" -gt 3000 ]; do
    tries=$((tries + 1))
    sleep 0.02
done
# shellcheck disable=SC2013 # words
for pid in $(cat "/proc/$job/task/$job/children"); do
    kill -9 "$pid" 2>/dev/null || true
done
wait "$job" 2>/dev/null || true
[ ! -e killed/model.h5 ] || fail "it had finished before it was killed"
# shellcheck disable=SC2086
on 3 disentangle $study --out killed >/dev/null 2>log-again || fail "$(cat log-again)"
at_least "checkpoints read after the kill" "$(grep -c ' checkpoint-read ' log-again)" 1
same "the choice after a kill" "$(digest at-1)" "$(digest killed)"
finish
