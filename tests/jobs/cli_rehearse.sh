#!/bin/sh
# The farm on ranks that do not exist: numbers, repeatability, the items of a study, bad wishes.
. "$(dirname "$0")/lib.sh"

"$UNBRAID" rehearse --ranks 256 --json >a.json
"$UNBRAID" rehearse --ranks 256 --json >b.json
cmp a.json b.json || fail "the same command, another result"
on 2 rehearse --ranks 256 --json >c.json
cmp a.json c.json || fail "another result on two ranks"
at_least "efficiency of 256" "$(json a.json efficiency)" 0.98
same "ranks and items" "$(json a.json ranks) $(json a.json items)" "256 256000"
"$UNBRAID" rehearse --ranks 256 --set run.seed=2 --json >d.json
! cmp -s a.json d.json || fail "the seed changes nothing"

"$UNBRAID" rehearse --ranks 256 >table.txt
grep -q '^chosen .*: .* expected' table.txt || fail "no reason for the choice: $(cat table.txt)"
grep -q '^efficiency  *9' table.txt || fail "no efficiency: $(cat table.txt)"

for policy in static self fsc gss tss fac2 awf; do
    "$UNBRAID" rehearse --ranks 20 --set farm.policy=$policy --set farm.simulate=0 --json >p.json
    same "policy" "$(json p.json policy)" "$policy"
    at_least "$policy" "$(json p.json efficiency)" 0.5
done

# What was asked for is kept.
"$UNBRAID" rehearse --ranks 500 --set farm.group=100 --set farm.floor=4 --set farm.policy=gss \
    --set rehearse.items=20000 --json >k.json
same "floor and sub-masters" "$(json k.json floor) $(json k.json sub_masters) $(json k.json items)" \
    "4 5 20000"
"$UNBRAID" rehearse --ranks 500 --set farm.group=1 --set rehearse.items=20000 --json >k.json
same "one master" "$(json k.json sub_masters)" 0

# Mishaps are counted and paid for.
"$UNBRAID" rehearse --ranks 64 --set rehearse.deaths=2 --set rehearse.fail_fraction=1 --json >m.json
same "all fail" "$(json m.json aside)" 64000
"$UNBRAID" rehearse --ranks 64 --set rehearse.preempt_s=0.5 --set rehearse.restart_s=3 --json >m.json
same "one restart" "$(json m.json restarts)" 1
at_least "its price" "$(json m.json makespan_s)" 4

# The items of a study.
"$UNBRAID" synth --set synth.samples=50 --set synth.steps=40 --out chain.h5 >/dev/null
"$UNBRAID" structure --set corpus.path=chain.h5 --set structure.tile=2 --dry-run --json --out run >plan.json
printf 'corpus:\n  path: chain.h5\nstructure:\n  tile: 2\n' >study.yaml
"$UNBRAID" rehearse -c study.yaml --ranks 4 --json >s.json
same "items of the study" "$(json s.json items)" "$(json plan.json items)"

refuses 2 'wants --ranks' rehearse
refuses 2 'not a number from 1' rehearse --ranks many
refuses 2 'not a number from 1' rehearse --ranks 0
refuses 2 "did you mean 'fac2'" rehearse --ranks 2 --set farm.policy=fca2
refuses 2 'set rehearse.items' rehearse --ranks 1000000
finish
