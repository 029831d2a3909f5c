#!/bin/sh
# Bad input: one clear sentence, exit code 2, nothing written.
. "$(dirname "$0")/lib.sh"

"$UNBRAID" synth --set synth.samples=200 --set synth.steps=8 --set synth.tasks=2 --out good.h5 \
    >/dev/null
refuses 2 "did you mean" structur
refuses 2 "unknown option '--ot'" structure --ot x
refuses 2 "wants --out" structure --set corpus.path=good.h5
refuses 2 "corpus.path is empty" structure --out run
refuses 2 "missing.h5" structure --set corpus.path=missing.h5 --out run
refuses 2 "did you mean 'rule'" structure --set structure.rul=bh --set corpus.path=good.h5 --out run
refuses 2 "did you mean 'llr_clique'" structure --set structure.rule=llr_clik --out run
refuses 2 "outside" structure --set structure.alpha=2 --out run
refuses 2 "not a whole number" structure --set run.seed=x --out run
refuses 2 "section.key=value" structure --set nonsense --out run
printf 'structure:\n  rule: bh\n  rulle: by\n' >bad.yaml
refuses 2 "bad.yaml:3:3: unknown key 'rulle'" structure -c bad.yaml --out run
printf 'structure:\n  rule: [bh, by]\n' >list.yaml
refuses 2 "list.yaml:2:9" structure -c list.yaml --out run
printf 'structure: {rule: bh\n' >broken.yaml
refuses 2 "broken.yaml:" structure -c broken.yaml --out run
refuses 2 "absent.yaml" structure -c absent.yaml --out run
echo "this is no corpus" >text.h5
refuses 2 "text.h5" structure --set corpus.path=text.h5 --out run
head -c 5000 good.h5 >cut.h5
refuses 2 "cut.h5" structure --set corpus.path=cut.h5 --out run
refuses 2 "segment" synth --set synth.steps=9 --set synth.segment_length=2 --out odd.h5
refuses 2 "more episodes than columns" structure --set corpus.path=good.h5 --set corpus.max_episodes=9 \
    --set structure.conditioning=full --out run
refuses 2 "not a run folder" eval . --json
refuses 2 "not a run folder" fsck nowhere
[ ! -e run ] || fail "a refused command left a run folder behind"
[ ! -e odd.h5 ] || fail "a refused command left a file behind"

mkdir occupied
echo precious >occupied/file
refuses 2 "occupied" structure --set corpus.path=good.h5 --out occupied
[ "$(cat occupied/file)" = precious ] || fail "somebody else's file is gone"

"$UNBRAID" structure --set corpus.path=good.h5 --out first >/dev/null 2>&1
refuses 2 "structure.rule" structure --set corpus.path=good.h5 --set structure.rule=bh --out first
"$UNBRAID" synth --set synth.samples=200 --set synth.steps=8 --set synth.tasks=2 \
    --set run.seed=2 --out other.h5 >/dev/null
refuses 2 "corpus" structure --set corpus.path=other.h5 --out first
"$UNBRAID" structure --set corpus.path=good.h5 --out first 2>/dev/null | grep -q 'nothing to do' ||
    fail "a finished run does not say so"
"$UNBRAID" structure --set corpus.path=good.h5 --out dry --dry-run 2>/dev/null |
    grep -q 'stage 1: 72 tests in 1 items' || fail "--dry-run does not say how many tests"
refuses 2 "disentangle.shards" run --set corpus.path=good.h5 --set disentangle.batch=4 --out run
[ ! -e run ] || fail "a study refused for its second stage left a run folder behind"
[ ! -e dry ] || fail "--dry-run wrote something"

"$UNBRAID" synth --set synth.kind=latent --set synth.samples=40 --set synth.obs_dim=8 \
    --out narrow.h5 >/dev/null
"$UNBRAID" disentangle --set corpus.path=narrow.h5 --set disentangle.epochs=1 \
    --set disentangle.restarts=1 --set disentangle.steps=all --out model >/dev/null 2>&1
"$UNBRAID" synth --set synth.kind=latent --set synth.samples=40 --out wide.h5 >/dev/null
refuses 2 "another corpus" eval model --set corpus.path=wide.h5
finish
