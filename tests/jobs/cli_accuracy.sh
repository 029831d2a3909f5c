#!/bin/sh
# Known truth is found again: both stages, on seeds of this test's own.
. "$(dirname "$0")/lib.sh"

# score NAME OPTIONS...: structure on chain.h5, scores in NAME.json
score() {
    name=$1
    shift
    on 2 structure --set corpus.path=chain.h5 --out "$name" "$@" >/dev/null 2>log.txt ||
        fail "$(cat log.txt)"
    "$UNBRAID" eval "$name" --json >"$name.json"
}

"$UNBRAID" synth --set synth.steps=20 --set synth.tasks=4 --set synth.samples=10000 \
    --set run.seed=7 --out chain.h5 >/dev/null
score full --set structure.conditioning=full --set structure.rule=llr_clique
at_least "full, LLR-clique: MCC" "$(json full.json mcc)" 0.98
score band --set structure.conditioning=band --set structure.rule=llr_clique
at_least "band, LLR-clique: MCC" "$(json band.json mcc)" 0.9
score direct --set structure.conditioning=direct --set structure.rule=bonferroni
at_least "direct, Bonferroni: MCC" "$(json direct.json mcc)" 0.95
score joint --set structure.conditioning=band --set structure.rule=llr_joint
at_least "band, LLR-joint: MCC" "$(json joint.json mcc)" 0.95
score paper --set structure.rule=paper
at_least "paper rule: MCC" "$(json paper.json mcc)" 0.4
at_most "paper rule: MCC" "$(json paper.json mcc)" 0.97
for rule in raw bh by bonferroni; do
    score "$rule" --set structure.rule="$rule"
    at_least "$rule: MCC" "$(json "$rule.json" mcc)" 0.4
done

"$UNBRAID" synth --set synth.kind=latent --set synth.relevant=3 --set synth.irrelevant=3 \
    --set synth.tasks=2 --set synth.samples=10000 --set run.seed=7 --out latent.h5 >/dev/null
on 2 disentangle --set corpus.path=latent.h5 --set disentangle.restarts=1 --out sparse \
    >/dev/null 2>log.txt || fail "$(cat log.txt)"
"$UNBRAID" eval sparse --json >sparse.json
at_least "R2 of the relevant latents" "$(json sparse.json r2_relevant)" 0.98
at_most "R2 of the irrelevant latents" "$(json sparse.json r2_irrelevant)" 0.03
at_least "tasks with the right number of latents" "$(json sparse.json tasks_right_number)" 2
finish
