#!/bin/sh
# What a study will cost: what is said, what follows from it, what is refused; never how long it took.
. "$(dirname "$0")/lib.sh"

# holds WHAT CONDITION: a condition of awk.
holds() {
    if awk "BEGIN { exit !($2) }"; then
        echo "ok: $1"
    else
        fail "$1: not $2"
    fi
}

mkdir data empty
"$UNBRAID" synth --set synth.samples=60 --set synth.steps=24 --set synth.tasks=3 --out data/chain.h5 >/dev/null
"$UNBRAID" synth --set synth.kind=latent --set synth.samples=400 --out data/latent.h5 >/dev/null
# Every item pauses for a minute, which a plan knows without waiting for it.
cat >study.yaml <<EOF
corpus: {path: $PWD/data/chain.h5}
structure: {tile: 2}
farm: {slow_ms: 60000}
slurm: {command: structure, time_min: 5, lead_s: 60}
EOF
cat >train.yaml <<EOF
corpus: {path: $PWD/data/latent.h5}
disentangle: {epochs: 4, restarts: 4, shards: 4}
eval: {train: 200, test: 40}
slurm: {command: disentangle}
EOF

# Nothing is written.
(cd empty && "$UNBRAID" plan -c ../study.yaml --json >../one.json)
same "files of a plan" "$(find empty | wc -l)" 1
same "files beside the corpus" "$(find data -type f | sort | tr '\n' ' ')" \
    "data/chain.h5 data/latent.h5 "

for key in node_hours seconds memory_mb_per_rank jobs seconds_low seconds_high bytes_written again_s; do
    at_least "$key" "$(json one.json $key)" 0
done
"$UNBRAID" structure -c study.yaml --dry-run --json --out run >dry.json
same "tests and items" "$(json one.json tests) $(json one.json items)" \
    "$(json dry.json tests) $(json dry.json items)"
same "every item was tried" "$(json one.json items_tried)" "$(json one.json items)"
items=$(json one.json items) one=$(json one.json seconds)
holds "the pauses count" "$one > 60 * $items && $one < 60 * $items + 60"
holds "the interval" "$(json one.json seconds_low) < $one && $one < $(json one.json seconds_high)"

# Jobs of 240 s each, of which all but the first repeat the beginning.
holds "jobs" "$(json one.json jobs) == int(($one - $(json one.json again_s)) / \
    (240 - $(json one.json again_s)) + 0.999999)"
"$UNBRAID" plan -c study.yaml --set slurm.time_min=100000 --json >long.json
same "one long job" "$(json long.json jobs)" 1
"$UNBRAID" plan -c study.yaml --set slurm.time_min=1 --set slurm.lead_s=60 >none.txt
grep -q '^jobs  *none would get to work' none.txt || fail "jobs that never work: $(cat none.txt)"

# More ranks: less time, more node-hours; the settings' own ranks; nodes that hold several.
"$UNBRAID" plan -c study.yaml --ranks 4 --json >four.json
"$UNBRAID" plan -c study.yaml --set slurm.nodes=3 --set slurm.tasks_per_node=2 --json >six.json
holds "time of 1, 4 and 6 ranks" \
    "$one > $(json four.json seconds) && $(json four.json seconds) > $(json six.json seconds)"
holds "node-hours of 1 and 4 ranks" "$(json one.json node_hours) < $(json four.json node_hours)"
same "ranks and nodes" "$(json six.json ranks) $(json six.json nodes)" "6 3"
holds "node-hours are nodes times hours" \
    "sqrt(($(json six.json node_hours) - 3 * $(json six.json seconds) / 3600)^2) < 1e-6"

# Stage 2: steps as the run counts them; four initialisations by four teams.
"$UNBRAID" plan -c train.yaml --json >t1.json
"$UNBRAID" plan -c train.yaml --ranks 4 --json >t4.json
same "no stage 1" "$(json t1.json tests) $(json t1.json stage1_s)" "0 0"
same "teams" "$(json t1.json teams) $(json t4.json teams)" "1 4"
at_least "the judge's regressions" "$(json t1.json regressions)" 2
"$UNBRAID" disentangle -c train.yaml --out trained --json >/dev/null 2>&1
done=$(sed -n 's/.*progress stage=disentangle done=[0-9]* of=\([0-9]*\) .*/\1/p' trained/unbraid.log | tail -1)
same "steps" "$((4 * ($(json t1.json steps) + 1)))" "$done"

# Beside what a run took; as text, too; under mpirun the same questions are answered.
"$UNBRAID" plan -c train.yaml --against trained --json >past.json
at_least "what stage 2 took" "$(json past.json actual_stage2_s)" 0.001
at_least "what it took of the CPU" "$(json past.json actual_stage2_cpu_s)" 0.001
"$UNBRAID" plan -c train.yaml --against trained >past.txt
grep -q '^in all  *[0-9.]*  *[0-9.]*  *[0-9.]*  *[0-9.]*$' past.txt || fail "no table: $(cat past.txt)"
grep -q '^node-hours ' past.txt || fail "no node-hours: $(cat past.txt)"
on 2 plan -c study.yaml --json >two.json
same "one answer of two ranks" "$(wc -l <two.json) $(json two.json items)" "1 $items"

# So short a training is tried out to its end, so that the judge's questions are known: as many as it
# is then asked, which are fewer than of a model that finds the truth (8: all and each of four tasks,
# twice, two of them alike).
for seed in 1 2 3; do
    "$UNBRAID" plan -c train.yaml --set run.seed=$seed --json >sets.json
    "$UNBRAID" disentangle -c train.yaml --set run.seed=$seed --set run.log_level=debug \
        --out sets$seed --json >/dev/null 2>&1
    same "the judge's sets, seed $seed" "$(json sets.json regressions)" \
        "$(sed -n 's/.* judge sets=\([0-9]*\) .*/\1/p' sets$seed/unbraid.log)"
done

# A farm of few items is not tuned, whatever it might gain; nor is one whose policy is set.
"$UNBRAID" plan -c study.yaml --ranks 2 >farm.txt
grep -q 'the farm  *fac2, floor 1, too few items' farm.txt || fail "few items: $(cat farm.txt)"
"$UNBRAID" plan -c study.yaml --ranks 2 --set farm.policy=static --set structure.tile=1 >farm.txt
grep -q 'the farm  *static, floor 1, as set' farm.txt || fail "a policy that is set: $(cat farm.txt)"

# A plan that lies in the run folder is set beside what the run took; one of another study is not.
cost() { # RUN: the table of its page, without marks
    sed -n '/What it cost/,/Files beside/p' "$1/report.html" | sed 's/<[^>]*>/ /g'
}
"$UNBRAID" plan -c train.yaml --ranks 2 --out kept >/dev/null
on 2 disentangle -c train.yaml --out kept --json >/dev/null 2>&1
cost kept | grep -q 'planned *actual *planned / actual' || fail "no comparison: $(cost kept)"
cost kept | grep -q 'Planned for 2 ranks: between .* Taken by 2 ranks, 1 start;' || fail "$(cost kept)"
for row in 'stage 2' evaluation 'in all'; do
    cost kept | grep -qE "^ *$row +[0-9.]+ s +[0-9.]+ s +[0-9.]+ *$" || fail "no row $row: $(cost kept)"
done
cost kept | grep -qE '^ *memory of a rank +[1-9][0-9]* MiB +[1-9][0-9]* MiB ' || fail "memory: $(cost kept)"
cost trained | grep -q 'There was no plan' || fail "without a plan: $(cost trained)"
cost trained | grep -q 'planned / actual' && fail "a comparison without a plan"
"$UNBRAID" plan -c train.yaml --out other >/dev/null
"$UNBRAID" disentangle -c train.yaml --set disentangle.epochs=3 --out other --json >/dev/null 2>&1
cost other | grep -q 'There was no plan' || fail "a plan of other settings: $(cost other)"
grep -q ' warn 0 plan-other ' other/unbraid.log || fail "it is not told"
"$UNBRAID" plan -c train.yaml --out broken >/dev/null
sed -i 's/^  seconds: .*/  seconds: soon/' broken/plan.yaml
"$UNBRAID" disentangle -c train.yaml --out broken --json >/dev/null 2>&1 || fail "a damaged plan ends the run"
grep -q ' warn 0 plan-lost .*plan.yaml:.*seconds' broken/unbraid.log || fail "a damaged plan: $(cat broken/unbraid.log)"
same "a plan changes no result" "$(digest kept)" "$(digest broken)"
# Stopped and gone on with: what both starts took.
"$UNBRAID" plan -c study.yaml --out twice >/dev/null
"$UNBRAID" structure -c study.yaml --set farm.slow_ms=2000 --out twice --json >/dev/null 2>&1 &
until grep -q ' run-begin ' twice/unbraid.log 2>/dev/null; do sleep 0.1; done
kill -USR1 $!
wait $! || true
"$UNBRAID" structure -c study.yaml --set farm.slow_ms=0 --out twice --json >/dev/null 2>&1
cost twice | grep -q 'Planned for 1 rank: .* Taken by 1 rank, 2 starts;' || fail "two starts: $(cost twice)"
mkdir foreign && touch foreign/file
refuses 2 "holds 'file' and no config.yaml" plan -c train.yaml --out foreign

refuses 2 'corpus.path is empty' plan
refuses 2 'not a number from 1' plan -c study.yaml --ranks 0
refuses 2 'not a number from 1' plan -c study.yaml --ranks many
refuses 2 '= 10000000000 ranks' plan -c study.yaml --set slurm.nodes=100000 \
    --set slurm.tasks_per_node=100000
refuses 2 'a plan is of one study' plan -c study.yaml --set slurm.command=sweep
refuses 2 'not a run folder' plan -c study.yaml --against empty
grep -v 'stage=evaluation' trained/unbraid.log >half.log && mv half.log trained/unbraid.log
refuses 2 'has not finished' plan -c train.yaml --against trained
finish
