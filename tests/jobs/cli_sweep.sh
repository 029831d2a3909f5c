#!/bin/sh
# Many studies: the same table whoever works on it and however often it is killed, ASHA, failures,
# more points, sharing, wrong wishes.
. "$(dirname "$0")/lib.sh"
alone "$WORK/session"

"$UNBRAID" synth --set synth.kind=latent --set synth.samples=300 --out c.h5 >/dev/null
cat >base.yaml <<'END'
corpus: {path: c.h5}
disentangle: {steps: all, restarts: 1, epochs: 9, hidden: 16}
eval: {train: 150, test: 50}
END
{
    cat base.yaml
    cat <<'END'
sweep:
  command: disentangle
  points: 12
  parameters: |
    disentangle.lambda = 0.01 .. 1 log
    disentangle.hidden = 8, 16, 32
    disentangle.layers = 1 .. 3
  constraints: disentangle.hidden * disentangle.layers <= 64
  poll_s: 0.1
END
} >plain.yaml
{
    cat plain.yaml
    printf '  rule: asha\n  resource_min: 1\n  lag: 3\n'
} >asha.yaml

# rows CSV STATE: how many jobs are in it.
rows() {
    awk -F, -v s="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "state") c = i }
        NR > 1 && $c == s { n++ } END { print n + 0 }' "$1"
}

# Nothing is run by a preview; the points are those of the sweep.
"$UNBRAID" sweep -c plain.yaml --dry-run >preview.csv
[ ! -e plain ] || fail "a preview wrote something"
"$UNBRAID" sweep -c plain.yaml --out plain >said.txt 2>log.txt
same "points of the preview" "$(sed -n '2,13p' preview.csv | cut -d, -f3)" \
    "$(sed -n '2,13p' plain/sweep.csv | cut -d, -f3)"
same "jobs done" "$(rows plain/sweep.csv "done")" 12
grep -q '^best  *r2_relevant = ' said.txt || fail "no best point: $(cat said.txt)"
awk -F, 'NR > 1 && $6 * $7 > 64' plain/sweep.csv | grep . && fail "a constraint is not met"

# The drawing: a line and a learning curve a job, a mark a job and parameter; lambda's from 72 to 342,
# logarithmically from 0.01 to 1, as the table has it.
same "lines and curves" "$(grep -c "class='curve'" plain/sweep.svg)" 24
same "marks" "$(grep -c '<circle' plain/sweep.svg)" 36
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "disentangle.lambda") c = i }
    NR > 1 { printf "%.1f\n", 72 + 270 * log($c / 0.01) / log(100) }' plain/sweep.csv >places.txt
while read -r x; do
    grep -q "<circle .* cx='$x'" plain/sweep.svg || fail "no mark at $x for lambda"
done <places.txt

"$UNBRAID" status plain --json >status.json
same "the status" "$(json status.json state) $(json status.json "done") $(json status.json failed)" \
    "finished 12 0"

# Again: nothing runs.
touch stamp
"$UNBRAID" sweep -c plain.yaml --out plain >/dev/null 2>&1
[ -z "$(find plain/points -name config.yaml -newer stamp)" ] || fail "points ran twice"

# Teams: one rank each, two ranks each with one left over; the same bytes.
on 3 sweep -c plain.yaml --out teams >/dev/null 2>&1
on 3 sweep -c plain.yaml --out pairs --set sweep.ranks=2 >/dev/null 2>&1
for d in teams pairs; do
    cmp plain/sweep.csv $d/sweep.csv || fail "$d: another table"
    cmp plain/sweep.h5 $d/sweep.h5 || fail "$d: another HDF5 table"
done

# Several programs at once, as the tasks of a job array.
mkdir other
"$UNBRAID" sweep -c plain.yaml --out array >/dev/null 2>&1 &
a=$!
OMPI_MCA_orte_tmpdir_base=$PWD/other "$UNBRAID" sweep -c plain.yaml --out array >/dev/null 2>&1 &
b=$!
wait $a || fail "the first of two workers"
wait $b || fail "the second of two workers"
cmp plain/sweep.csv array/sweep.csv || fail "array: another table"

# Larger points get larger teams: those with 32 hidden units two ranks; the same bytes.
on 4 sweep -c plain.yaml --out sized --set "sweep.ranks_when=2 when disentangle.hidden >= 32" \
    >/dev/null 2>log.txt
grep -q "teams made='1 team of 2 ranks, 2 teams of 1 rank'" log.txt || fail "the teams: $(cat log.txt)"
cmp plain/sweep.csv sized/sweep.csv || fail "sized: another table"
names=$(sed -n '2,13p' sized/sweep.csv | cut -d, -f3)
for name in $names; do
    hidden=$(grep ",$name," sized/sweep.csv | cut -d, -f6)
    ranks=$(sed -n 's/.* run-begin .* ranks=\([0-9]*\) .*/\1/p' "sized/points/$name/unbraid.log")
    case $hidden:$ranks in 32:2 | 8:[12] | 16:[12]) ;; *) fail "$hidden hidden units on $ranks ranks" ;; esac
done
refuses 2 "sweep.ranks_when, 'two when': write NUMBER when" sweep -c plain.yaml --out x \
    --set "sweep.ranks_when=two when"
refuses 2 "sweep.ranks_when: 0 ranks" sweep -c plain.yaml --out x \
    --set "sweep.ranks_when=0 when disentangle.layers > 1"

# Sweeps that share a store run nothing twice: of 14 points under another rule for the best, 12 are there.
"$UNBRAID" sweep -c plain.yaml --out mine --set sweep.store=shared >/dev/null 2>&1
cmp plain/sweep.csv mine/sweep.csv || fail "a sweep with a store: another table"
[ ! -e mine/points ] || fail "a sweep with a store has points of its own"
refuses 2 "is too long: the folders of points need 128 bytes more" sweep -c plain.yaml --out x --dry-run \
    --set sweep.store="/$(head -c 950 /dev/zero | tr '\0' s)"
touch stamp
"$UNBRAID" sweep -c plain.yaml --out yours --set sweep.store="$PWD/shared" --set sweep.points=14 \
    --set sweep.goal=minimise >/dev/null 2>&1
same "points that ran in the second sweep" 2 "$(find shared -name config.yaml -newer stamp | wc -l)"
same "its rows" "$(rows yours/sweep.csv "done")" 14
"$UNBRAID" status yours --json >status.json
same "its status" "$(json status.json state) $(json status.json "done")" "finished 14"

# More points keep the earlier ones.
cp -r plain more
touch stamp
"$UNBRAID" sweep -c plain.yaml --set sweep.points=14 --out more >/dev/null 2>&1
same "points that ran" 2 "$(find more/points -name config.yaml -newer stamp | wc -l)"
same "earlier points stay" "$(head -13 more/sweep.csv)" "$(cat plain/sweep.csv)"
same "points in all" "$(rows more/sweep.csv "done")" 14

# ASHA: fewer points on each higher rung; the same alone, in teams, and after kills.
"$UNBRAID" sweep -c asha.yaml --out asha >/dev/null 2>&1
column=$(head -1 asha/sweep.csv | tr , '\n' | grep -nx rung | cut -d: -f1)
same "the rungs" "$(cut -d, -f"$column" asha/sweep.csv | tail -n +2 | sort | uniq -c |
    awk '{ printf "%s:%s ", $2, $1 }')" "0:12 1:4 2:1 "
on 3 sweep -c asha.yaml --out asha3 >/dev/null 2>&1
cmp asha/sweep.csv asha3/sweep.csv || fail "asha: another table on three teams"
kills=0
for pause in 0.4 0.9 0.3 0.7 0.5; do
    "$UNBRAID" sweep -c asha.yaml --out killed >/dev/null 2>&1 &
    p=$!
    sleep $pause
    if kill -9 $p 2>/dev/null; then kills=$((kills + 1)); fi
    wait $p 2>/dev/null || true
done
at_least "kills that struck" $kills 2
"$UNBRAID" sweep -c asha.yaml --out killed >/dev/null 2>&1
cmp asha/sweep.csv killed/sweep.csv || fail "asha: another table after $kills kills"
cmp asha/sweep.h5 killed/sweep.h5 || fail "asha: another HDF5 table after $kills kills"
cmp asha/sweep.svg killed/sweep.svg || fail "asha: another drawing after $kills kills"

# More points: what has run is taken as it is. Of a Latin hypercube no point stays, which is said.
names_of() {
    tail -n +2 "$1" | cut -d, -f3 | sort
}
names_of asha/sweep.csv >asha.names
cp -r asha wider
touch stamp
"$UNBRAID" sweep -c asha.yaml --set sweep.points=15 --out wider >/dev/null 2>&1
same "jobs that ran" "$(names_of wider/sweep.csv | comm -13 asha.names - | wc -l)" \
    "$(find wider/points -name config.yaml -newer stamp | wc -l)"
same "points on the lowest rung" 15 "$(awk -F, -v c="$column" '$c == "0"' wider/sweep.csv | wc -l)"
for points in 3 4; do
    "$UNBRAID" sweep -c plain.yaml --out square --set sweep.method=lhs --set sweep.points=$points \
        >/dev/null 2>log.txt
done
grep -q "points-replaced points=4 before=3" log.txt || fail "other points, and no word: $(cat log.txt)"

# While ASHA is at work, its status foretells the end.
"$UNBRAID" sweep -c asha.yaml --out watched --set disentangle.epochs=81 >/dev/null 2>&1 &
p=$!
left=null
for _ in $(seq 300); do
    "$UNBRAID" status watched --json >status.json 2>/dev/null || true
    left=$(json status.json left_s)
    case $left in '' | null) ;; *) break ;; esac
    kill -0 $p 2>/dev/null || break
    sleep 0.1
done
case $left in '' | null) fail "the status of a sweep at work foretells nothing: $(cat status.json)" ;; esac
"$UNBRAID" status watched >said.txt
grep -q '^  best        r2_relevant = ' said.txt || fail "no best point so far: $(cat said.txt)"
kill $p 2>/dev/null || true
wait $p 2>/dev/null || true

# Stopped in time is not failed.
"$UNBRAID" sweep -c plain.yaml --out "stop ped" --set run.stop_after_s=0.3 >/dev/null 2>&1 && rc=0 || rc=$?
same "exit code of a stopped sweep" "$rc" 75
"$UNBRAID" status "stop ped" >said.txt
grep -q "a sweep, idle" said.txt || fail "the status of a stopped sweep: $(cat said.txt)"
grep -q "go on with  unbraid sweep -c 'stop ped/sweep.yaml' --out 'stop ped'" said.txt ||
    fail "a command that no shell understands: $(cat said.txt)"
ls "stop ped"/points/*.failed >/dev/null 2>&1 && fail "a stopped point counts as failed"

# A point that fails is written down, the others go on; it is tried again when asked for.
"$UNBRAID" sweep -c base.yaml --set sweep.command=disentangle --set sweep.points=2 \
    --set sweep.method=grid --set "sweep.parameters=disentangle.learning_rate = 0.001, 9" \
    --out failing >said.txt 2>log.txt
same "one fails" "$(rows failing/sweep.csv failed) $(rows failing/sweep.csv "done")" "1 1"
same "marks where one failed" "$(grep -c '<circle' failing/sweep.svg)" 1
grep -q "the training diverged" failing/points/*.failed || fail "no reason for the failure"
grep -q "point-failed" log.txt || fail "nothing was said about the failure"

# Another corpus under the old name, among the corpora of a sweep: no numbers of the old one.
"$UNBRAID" synth --set synth.kind=latent --set synth.samples=300 --set run.seed=2 --out d.h5 >/dev/null
grep -v corpus base.yaml >bare.yaml
cp c.h5 e.h5
over() {
    "$UNBRAID" sweep -c bare.yaml --set sweep.command=disentangle --set sweep.method=grid \
        --set "sweep.parameters=corpus.path = $1" --out over "$2"
}
over "c.h5, e.h5" --json >said.txt 2>log.txt
same "a sweep over corpora" "$(json said.txt ended) $(json said.txt failed)" "2 0"
cp over/sweep.csv before.csv
mv e.h5 f.h5
cp d.h5 e.h5
for flag in --json --failed-only; do
    over "c.h5, e.h5" $flag >said.txt 2>log.txt && rc=0 || rc=$?
    same "exit code on another corpus ($flag)" "$rc" 2
    same "sentences ($flag)" "$(grep -c '^unbraid: ' log.txt)" 1
    grep -q "was made from another corpus: e.h5 had digest" log.txt || fail "another corpus: $(cat log.txt)"
done
on 2 sweep -c base.yaml --set sweep.command=disentangle --set sweep.method=grid \
    --set "sweep.parameters=corpus.path = c.h5, e.h5" --out over >said.txt 2>log.txt && rc=0 || rc=$?
grep -q "was made from another corpus" log.txt || fail "another corpus, two ranks: $(cat log.txt)"
mv f.h5 e.h5
over "c.h5, e.h5" --json >said.txt 2>log.txt || fail "the old corpus again: $(cat log.txt)"
cmp before.csv over/sweep.csv || fail "the old corpus again: another table"
# One that cannot be read is the failure of its points.
gone=a/long/way/to/a/corpus/that/is/gone.h5
over "c.h5, $gone" --json >said.txt 2>log.txt
same "a corpus that is not there" "$(json said.txt ended) $(json said.txt failed)" "2 1"
grep -q "<title>$gone</title>" over/sweep.svg || fail "the drawing does not name $gone"

# --failed-only: what failed is tried again, and nothing else is touched.  Three points are in the way
# of something (their folders hold a stranger's file), a fourth has been lost.
mkdir -p again/points
cp plain/sweep.yaml again
names=$(sed -n '3p;6p;9p' plain/sweep.csv | cut -d, -f3)
for name in $names; do
    mkdir "again/points/$name"
    touch "again/points/$name/stranger"
done
"$UNBRAID" sweep -c plain.yaml --out again >/dev/null 2>&1
same "points in the way" "$(rows again/sweep.csv failed) $(rows again/sweep.csv "done")" "3 9"
first=$(echo "$names" | head -n 1)
lost=$(sed -n '2p' plain/sweep.csv | cut -d, -f3)
for name in $names; do
    [ "$name" = "$first" ] || rm "again/points/$name/stranger"
done
rm -r "again/points/$lost"
touch stamp
on 2 sweep -c plain.yaml --out again --failed-only >said.txt 2>/dev/null
same "tried again" 1 "$(find again/points -name '*.failed' | wc -l)"
[ -e "again/points/$first.failed" ] || fail "--failed-only: the one that still fails is another"
same "begun again" 2 "$(find again/points -name config.yaml -newer stamp | wc -l)"
[ ! -e "again/points/$lost" ] || fail "--failed-only did more than what had failed"
grep -q 'without --failed-only does them' said.txt || fail "nothing is said of the rest: $(cat said.txt)"
rm "again/points/$first/stranger"
"$UNBRAID" sweep -c plain.yaml --out again --failed-only >/dev/null 2>&1
same "none has failed any more" 0 "$(find again/points -name '*.failed' | wc -l)"
"$UNBRAID" sweep -c plain.yaml --out again --failed-only >said.txt 2>/dev/null
grep -q 'nothing to redo' said.txt || fail "nothing to redo: $(cat said.txt)"
[ ! -e "again/points/$lost" ] || fail "nothing to redo, but something was done"
"$UNBRAID" sweep -c plain.yaml --out again >/dev/null 2>&1
cmp plain/sweep.csv again/sweep.csv || fail "after --failed-only: another table"
refuses 2 "starts none" sweep -c plain.yaml --out x --failed-only
# One folder, one study: what its points share stays; how they are chosen and judged may change.
refuses 2 "holds a sweep with disentangle.epochs = 9, now 8" sweep -c plain.yaml --out plain \
    --set disentangle.epochs=8
refuses 2 "holds a sweep with sweep.command = disentangle, now structure" sweep -c plain.yaml \
    --out plain --set sweep.command=structure --set sweep.metric=accuracy \
    --set sweep.constraints= --set "sweep.parameters=structure.rule = bh, by"
refuses 2 'holds a sweep with corpus.path' sweep -c plain.yaml --out plain \
    --set corpus.path=d.h5
refuses 2 "holds a sweep with disentangle.epochs" sweep -c plain.yaml --out plain --failed-only \
    --set disentangle.epochs=8
cmp plain/sweep.yaml again/sweep.yaml || fail "a refused sweep changed sweep.yaml"
cp -r plain turned
"$UNBRAID" sweep -c plain.yaml --out turned --set sweep.goal=minimise --set sweep.points=1 \
    --set "sweep.parameters=disentangle.lambda = 0.5" >said.txt 2>log.txt ||
    fail "other points of the same study: $(cat log.txt)"

# A metric is known before anything runs; a point at which it is not defined counts as the worst.
refuses 2 "has no number 'nonsense'; it has r2_relevant, r2_irrelevant" sweep -c plain.yaml \
    --out x --set sweep.metric=nonsense
refuses 2 "'disentangle' has no number 'accuracy'" sweep -c plain.yaml --out x \
    --set sweep.metric=accuracy
refuses 2 "'structure' has no number 'r2_relevant'" sweep -c plain.yaml --out x \
    --set sweep.command=structure
[ ! -e x ] || fail "a metric that nothing has: points were run"
"$UNBRAID" synth --set synth.kind=latent --set synth.samples=300 --set synth.irrelevant=0 \
    --set synth.tasks=1 --out i.h5 >/dev/null
"$UNBRAID" sweep -c bare.yaml --set sweep.command=disentangle --set sweep.method=grid \
    --set "sweep.parameters=corpus.path = i.h5, c.h5" --set sweep.metric=r2_irrelevant \
    --set sweep.goal=minimise --out undefined --json >said.txt 2>log.txt ||
    fail "a metric that is not defined at a point: $(cat log.txt)"
same "not defined at one point" "$(json said.txt ended) $(json said.txt failed) $(json said.txt best_job)" \
    "2 0 1"
grep -q "point-unjudged job=0 .*r2_irrelevant is not defined" log.txt || fail "nothing was said: $(cat log.txt)"

# A disk that takes small files only is not the points' fault: the sweep ends, and goes on from there
# when there is room.
(ulimit -f 8 && "$UNBRAID" sweep -c plain.yaml --out full >said.txt 2>log.txt) && rc=0 || rc=$?
same "exit code on a full disk" "$rc" 1
grep -q "^unbraid: full/points/" log.txt || fail "a full disk: $(tail -1 log.txt)"
ls full/points/*.failed >/dev/null 2>&1 && fail "a full disk counts as a failed point"
"$UNBRAID" sweep -c plain.yaml --out full >/dev/null 2>&1
cmp plain/sweep.csv full/sweep.csv || fail "full: another table"

# Without locks nobody could tell who works on what: refused, nothing runs.
env LD_PRELOAD="$FAULTIO" UB_FAULT_DIR="$WORK/unlocked" UB_FAULT_DO=nolock \
    "$UNBRAID" sweep -c plain.yaml --out unlocked >said.txt 2>log.txt && rc=0 || rc=$?
same "exit code without locks" "$rc" 1
grep -q "unlocked/.lock: cannot lock: .*Lustre" log.txt || fail "without locks: $(cat log.txt)"
[ ! -e unlocked/points ] || fail "without locks a point was begun"

refuses 2 "did you mean 'lambda'" sweep --out x --set "sweep.parameters=disentangle.lamda = 1, 2"
refuses 2 "sweep.parameters is empty" sweep --out x
# What changes no result does not vary.
refuses 2 "'run' does not read synth.tasks, so that nothing would vary; it reads run corpus" sweep \
    --out x --set "sweep.parameters=synth.tasks = 1, 2"
refuses 2 "'structure' does not read disentangle.hidden" sweep --out x \
    --set sweep.command=structure --set sweep.metric=accuracy \
    --set "sweep.parameters=disentangle.hidden = 8, 9"
refuses 2 "farm.policy changes no result" sweep --out x --set "sweep.parameters=farm.policy = self, tss"
refuses 2 "no point of the sweep meets" sweep --out x \
    --set "sweep.parameters=disentangle.hidden = 8, 9" \
    --set "sweep.constraints=disentangle.hidden > 10"
# A grid is all of its points or none; constraints count before sweep.points does.
refuses 2 "the grid has more than sweep.points = 7 points" sweep --out x --dry-run \
    --set sweep.method=grid --set sweep.points=7 \
    --set "sweep.parameters=disentangle.hidden = 8 .. 15"
"$UNBRAID" sweep --dry-run --set sweep.method=grid --set sweep.points=7 \
    --set "sweep.parameters=disentangle.hidden = 8 .. 15" \
    --set "sweep.constraints=disentangle.hidden != 9" >grid.csv
same "a grid with a constraint" "$(tail -n 1 grid.csv | cut -d ';' -f 1)" "# 7 points, 1 left out"
refuses 2 "the highest rung" sweep -c plain.yaml --out x --set sweep.rule=asha \
    --set sweep.resource_min=100
[ ! -e x ] || fail "a refused sweep left a folder"

finish
