#!/bin/sh
# What a run says of its latents: scores by task, evidence, warnings, exports.
. "$(dirname "$0")/lib.sh"

"$UNBRAID" synth --set synth.kind=latent --set synth.relevant=3 --set synth.irrelevant=2 \
    --set synth.tasks=2 --set synth.samples=3000 --set run.seed=21 --out latent.h5 >/dev/null
on 2 disentangle --set corpus.path=latent.h5 --set disentangle.epochs=12 \
    --set disentangle.restarts=2 --set eval.train=400 --set eval.test=400 --out run \
    >out.txt 2>log.txt || fail "$(cat log.txt)"

# The same scores on any number of ranks, as JSON, as a table and in words.
judge="--set eval.train=400 --set eval.test=400"
for ranks in 1 3; do
    # shellcheck disable=SC2086 # two options
    on "$ranks" eval run --json --csv "eval$ranks.csv" $judge >"eval$ranks.json" 2>/dev/null
done
same "scores on 1 and 3 ranks" "$(cat eval1.json)" "$(cat eval3.json)"
same "scores of the report" "$(cat eval1.json)" "$(cat run/eval.json)"
same "the table on 1 and 3 ranks" "$(cat eval1.csv)" "$(cat eval3.csv)"
same "the table of the report" "$(cat eval1.csv)" "$(cat run/eval.csv)"
same "lines of the table" "$(wc -l <eval1.csv | tr -d ' ')" 3
same "tasks in the JSON" "$(grep -o '"task": "[^"]*"' eval1.json | tr '\n' ' ')" \
    '"task": "task0" "task": "task1" '
same "latents that tasks need" "$(cut -d, -f2 eval1.csv | tr '\n' ' ')" "latents_needed 2 2 "
same "latents needed in all" "$(json eval1.json latents_needed)" 3
at_least "R2 of the relevant latents" "$(json eval1.json r2_relevant)" 0.5
at_most "floor of independent latents" "$(json eval1.json r2_irrelevant_floor)" 0.03
finish
