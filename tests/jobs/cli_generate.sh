#!/bin/sh
# Pictures made, learned, changed and drawn: what is written, what leaks, what is refused.
. "$(dirname "$0")/lib.sh"

"$UNBRAID" synth --set synth.kind=sprites --set synth.tasks=2 --set synth.samples=1500 \
    --set synth.image_side=8 --set synth.irrelevant=2 --set run.seed=5 --out c.h5 >/dev/null
train() {
    "$UNBRAID" disentangle --set corpus.path=c.h5 --set disentangle.epochs=15 \
        --set disentangle.restarts=1 --set disentangle.hidden=24 "$@" --json >/dev/null 2>&1
}
train --out with
train --set disentangle.penalty=none --out without

judge="--set eval.train=300 --set eval.test=120"
# shellcheck disable=SC2086 # options
"$UNBRAID" generate with --against without $judge --json >a.json 2>/dev/null
# Leakage, effect and parts of each task, as the formula in core/generate.h has them
sed 's/{"task"/\n&/g' a.json | sed -n 's/^{\("task"[^}]*\)}.*/\1/p' | awk -F'[:,]' '{
    for (i = 1; i < NF; i += 2) { gsub(/[ "]/, "", $i); v[$i] = $(i + 1) }
    others = 1; factors = 3 # of five, a task needs two
    want = (others * v["into_tasks"] + factors * v["into_factors"]) / (others + factors) / v["effect"]
    if (v["effect"] <= 0 || (v["leakage"] - want) ^ 2 > 1e-6 * want ^ 2) bad = 1
    sum += want; n++
} END { printf "%d %.3f %d\n", n, sum / n, bad }' >formula.txt
same "leakage by its formula" "$(cat formula.txt)" "2 $(awk "BEGIN { printf \"%.3f\", $(json a.json leakage) }") 0"
[ "$(json a.json against)" != "$(json a.json leakage)" ] || fail "the other run is the same"
same "pairs" "$(json a.json pairs)" 120
same "one line" "$(wc -l <a.json | tr -d ' ')" 1
same "tasks" "$(grep -o '"task": "[a-z0-9]*"' a.json | tr '\n' ' ')" '"task": "task0" "task": "task1" '
# shellcheck disable=SC2086
"$UNBRAID" generate with $judge --out dry --dry-run >/dev/null 2>&1
[ ! -e dry ] || fail "something was written with --dry-run"

# The same answer, whatever the number of ranks; the same files, too.
# shellcheck disable=SC2086
on 3 generate with --against without $judge --json --out three >b.json 2>/dev/null
# shellcheck disable=SC2086
"$UNBRAID" generate with --against without $judge --json --out one >c.json 2>/dev/null
same "on three ranks" "$(sed 's/"three"/"one"/' b.json)" "$(cat c.json)"
for file in generated.h5 frames.csv grid.png leakage.svg; do
    same "$file of three ranks" "$(sha256sum <three/$file)" "$(sha256sum <one/$file)"
done
same "a PNG file" "$(head -c 8 one/grid.png | od -An -tx1 | tr -d ' ')" 89504e470d0a1a0a

# Modes.  Latents that were not chosen keep their values; a swap exchanges.
# shellcheck disable=SC2086
"$UNBRAID" generate with $judge --mode swap --episode 3,7 --latent 1 --out swap >plain.txt 2>/dev/null
grep -q '^leakage [0-9.]* of the wanted change' plain.txt || fail "no leakage in $(cat plain.txt)"
cat >frames.txt <<'END'
episode,row,frame,source,towards,latent,value
0,0,0,3,7,,0
1,0,1,3,7,,1
2,1,0,7,3,,0
3,1,1,7,3,,1
END
same "frames of a swap" "$(cat frames.txt)" "$(cat swap/frames.csv)"
if command -v h5dump >/dev/null 2>&1; then
    for latent in 0 1 2; do
        h5dump -m '%.17g' -d /truth/latents -s "0,0,$latent" -c "4,1,1" swap/generated.h5 |
            sed -n 's/^ *([0-9,]*): *\([^,]*\),*$/\1/p' | tr '\n' ' ' >"latent.$latent"
    done
    # shellcheck disable=SC2046 # four numbers
    set -- $(cat latent.1)
    same "the swapped latent" "$1 $2" "$4 $3"
    [ "$1" != "$2" ] || fail "the episodes are alike"
    for latent in 0 2; do
        # shellcheck disable=SC2046
        set -- $(cat "latent.$latent")
        same "latent $latent untouched" "$1 $3" "$2 $4"
    done
else
    echo "skipped: h5dump is not installed"
fi
# shellcheck disable=SC2086
"$UNBRAID" generate with $judge --mode set --value=-1,0,1.5 --task task1 --latent 0,2 --episode 4 \
    --out set --json >s.json 2>/dev/null
same "rows and frames of a set" "$(json s.json rows) $(json s.json frames)" "2 3"
# shellcheck disable=SC2086
"$UNBRAID" generate with $judge --episode 4 --frames 5 --latent 0,1,2 --out range --json >r.json 2>/dev/null
same "rows and frames along ranges" "$(json r.json rows) $(json r.json frames)" "3 5"
awk -F, 'NR > 1 && $3 > 0 && !($7 > last) { bad = 1 } { last = $7 } END { exit bad }' \
    range/frames.csv || fail "ranges do not grow: $(cat range/frames.csv)"

# What was made is a corpus for the other commands, and pictures with a shape.
"$UNBRAID" disentangle --set corpus.path=range/generated.h5 --dry-run --json >d.json 2>/dev/null
same "a corpus of 15 episodes" "$(json d.json episodes) $(json d.json tasks)" "15 2"

# Recorded states are no pictures: everything but the picture is made.
"$UNBRAID" synth --set synth.kind=latent --set synth.tasks=2 --set synth.samples=300 --out l.h5 >/dev/null
"$UNBRAID" disentangle --set corpus.path=l.h5 --set disentangle.epochs=1 --set disentangle.restarts=1 \
    --out latent >/dev/null 2>&1
# shellcheck disable=SC2086
"$UNBRAID" generate latent $judge --latent 0 --out lat >/dev/null 2>&1
[ -e lat/generated.h5 ] || fail "no corpus from states that are no pictures"
[ ! -e lat/grid.png ] || fail "a picture of states that are none"

mkdir one_stage
cp with/config.yaml one_stage
refuses 2 "one_stage holds no model.h5: stage 2 has not finished there" generate one_stage
refuses 2 "did you mean 'task1'?" generate with --task task11
refuses 2 "there is no task 'nothing_like_it' among the 2" generate with --task nothing_like_it
refuses 2 "--episode: there is no episode 1500; they go from 0 to 1499" generate with --episode 1500
refuses 2 "--episode: '3x' is not a whole number" generate with --episode 3x
refuses 2 "--mode swap wants two, A,B" generate with --mode swap --episode 3
refuses 2 "--mode set takes one" generate with --mode set --episode 3,4
refuses 2 "did you mean 'swap'?" generate with --mode swop
refuses 2 "none of set, interpolate, swap" generate with --mode everything
refuses 2 "--latent: there is no latent 9; they go from 0 to 4" generate with --latent 1,9
refuses 2 "--value belongs to --mode set" generate with --value 1
refuses 2 "--value: 'much' is not a number" generate with --mode set --value 1,much
refuses 2 "--frames: 1; 2 to 1000 are possible" generate with --frames 1
refuses 2 "--against: latent was made from another corpus than with" generate with --against latent
refuses 2 "was made from another corpus" generate with --set corpus.path=l.h5
refuses 2 "usage: unbraid generate" generate
refuses 2 "absent" generate absent
refuses 2 "sprites have 7 factors" synth --set synth.kind=sprites --set synth.irrelevant=9 --out x.h5
finish
