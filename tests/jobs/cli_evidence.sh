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

# Evidence: in the table, in the words; one initialisation confirms nothing.
same "lines of latents.csv" "$(wc -l <run/latents.csv | tr -d ' ')" 11
same "head of latents.csv" "$(head -1 run/latents.csv)" \
    "task,latent,kept,strength,relative_strength,confidence,likeness,kl"
grep -q 'held-out R2  least sure  latents it needs' out.txt || fail "no evidence in: $(cat out.txt)"
head -1 run/training.csv | grep -q 'gradient_norm,sparsity,support_0,support_1$' ||
    fail "training.csv: $(head -1 run/training.csv)"
"$UNBRAID" disentangle --set corpus.path=latent.h5 --set disentangle.epochs=1 \
    --set disentangle.restarts=1 --set eval.train=100 --set eval.test=100 --out single \
    >single.txt 2>single.log || fail "$(cat single.log)"
grep -q '^look out: there is one initialisation' single.txt || fail "no warning: $(cat single.txt)"
grep -q 'says="there is one initialisation' single.log || fail "no warning in the log"
grep -q 'there is one initialisation' single/report.html || fail "no warning in the page"

# Encoding: the same bytes on any number of ranks, of a larger corpus too.
for ranks in 1 3; do
    on "$ranks" encode run --with predictions,reconstructions --out "own$ranks.h5" \
        >encode.txt 2>log.txt || fail "$(cat log.txt)"
done
cmp own1.h5 own3.h5 || fail "encodings by 1 and 3 ranks differ"
"$UNBRAID" synth --set synth.kind=latent --set synth.relevant=3 --set synth.irrelevant=2 \
    --set synth.tasks=2 --set synth.samples=5001 --set run.seed=21 --out more.h5 >/dev/null
on 3 encode run more.h5 --json --out more3.enc.h5 >encode.json 2>log.txt || fail "$(cat log.txt)"
"$UNBRAID" encode run more.h5 --out more1.enc.h5 >/dev/null 2>&1
cmp more1.enc.h5 more3.enc.h5 || fail "encodings of a larger corpus differ"
same "episodes encoded" "$(json encode.json episodes)" 5001
if command -v h5dump >/dev/null; then
    h5dump -A more3.enc.h5 >dump.txt
    grep -q "$(json encode.json latents_sha256)" dump.txt || fail "the file does not hold its digest"
    # The same generator and seed: the first episodes of both are the same, and so are their latents.
    h5dump -y -w 0 -d /latents -s 0,0,0 -c 20,1,5 own1.h5 | grep '[0-9]' | tail -n +4 >a.txt
    h5dump -y -w 0 -d /latents -s 0,0,0 -c 20,1,5 more1.enc.h5 | grep '[0-9]' | tail -n +4 >b.txt
    cmp a.txt b.txt || fail "latents of the same episodes differ"
fi
# Names that JSON and shells must not take for more than names.
"$UNBRAID" synth --set synth.samples=20 --json --out 'a"b\ c.h5' >odd.json
"$UNBRAID" encode run --json --out 'a"b\ d.h5' >>odd.json 2>/dev/null
"$UNBRAID" export run --json --out 'a"b\ e.npz' >>odd.json
same "odd names as JSON" "$(grep -o '"path": "a\\"b\\\\ [cde]\.[h5npz]*"' odd.json | wc -l)" 3
"$UNBRAID" synth --set synth.samples=20 --out "it's.h5" >odd.txt
same "an odd name for a shell" "$(sed -n 's/^next: .*corpus.path=\(.*\) --out RUN/\1/p' odd.txt)" \
    "'it'\\''s.h5'"

"$UNBRAID" encode run --dry-run 2>/dev/null | grep -q 'nothing was written' || fail "encode --dry-run"

mkdir empty
# For numpy: the same bytes, and numpy (where there is one) reads what h5dump reads.
"$UNBRAID" export run --out model.npz >/dev/null 2>&1 || fail export
on 2 export run --out again.npz >/dev/null 2>&1 || fail "export on two ranks"
cmp model.npz again.npz || fail "two exports of a model differ"
if python3 -c 'import numpy' 2>/dev/null; then
    python3 - <<'END' || fail "numpy does not read the export"
import numpy
f = numpy.load("model.npz")
assert f["layers/encoder.0/weight"].shape == (64, f["dim"]) == (64, 12)
assert f["strength"].shape == (2, 5) and f["task_name"][1] == b"task1"
x = numpy.ones((1, 12))
x = (x - f["norm"][0, :12]) / f["norm"][1, :12]
for l in range(int(f["layers"]) + 1):
    x = x @ f[f"layers/encoder.{l}/weight"].T + f[f"layers/encoder.{l}/bias"]
    x = numpy.where(x > 0, x, 0.01 * x) if l < f["layers"] else x
assert numpy.isfinite(x).all() and x.shape == (1, 10)
END
else
    echo "skipped: python3 has no numpy"
fi
refuses 2 "ends in .npz" export run --out model.zip
refuses 2 "holds no model.h5" export empty --out model2.npz
[ ! -e model2.npz ] || fail "a refused export left a file"

"$UNBRAID" synth --set synth.kind=latent --set synth.obs_dim=7 --set synth.samples=50 \
    --out other.h5 >/dev/null
refuses 2 "states of 7 columns, the model reads 12" encode run other.h5 --out no.h5
refuses 2 "neither predictions nor" encode run --with latents --out no.h5
refuses 2 "is the corpus itself" encode run latent.h5 --out latent.h5
refuses 2 "missing.h5" encode run missing.h5 --out no.h5
refuses 2 "wants --out" encode run
refuses 2 "empty" encode empty --out no.h5
for file in no.h5 .no.h5.new; do
    [ ! -e "$file" ] || fail "a refused encoding left $file"
done
finish
