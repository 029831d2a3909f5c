#!/bin/sh
# How often a run saves: as run.save_budget allows on this disk, less often on a slow one, and as the
# user says if he does; the results are the same.  Runs are stopped by the clock, so that their length
# is known.
. "$(dirname "$0")/lib.sh"
: "${FAULTIO:?}"
alone "$WORK/tmp"
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0"

"$UNBRAID" synth --set synth.samples=200 --set synth.steps=16 --set synth.tasks=2 --out c.h5 >/dev/null
study="run --set corpus.path=c.h5 --set structure.tile=1 --set disentangle.epochs=100000
       --set disentangle.restarts=1 --set disentangle.latents=2 --set disentangle.steps=all
       --set disentangle.batch=64 --set disentangle.hidden=8 --set run.log_level=debug"

# run RUN SECONDS DELAY ARGS...: a run on a disk whose flushes take DELAY ms longer, stopped in time.
run() {
    name=$1
    stop=$2
    delay=$3
    shift 3
    mkdir -p "$name"
    status=0
    # shellcheck disable=SC2086 # words
    LD_PRELOAD=$FAULTIO UB_FAULT_DIR=$WORK/$name UB_FAULT_AT=1 UB_FAULT_DO=delay UB_FAULT_MS=$delay \
        "$UNBRAID" $study --set run.stop_after_s="$stop" --out "$name/r" "$@" \
        >/dev/null 2>"$name.log" || status=$?
    same "$name: stopped in time" 75 "$status"
}

# values LOG EVENT KEY: of every line of that event.
values() {
    sed -n "s/.* debug [0-9]* $2 .*$3=\([0-9.]*\).*/\1/p" "$1.log"
}

# The pause is what the rule makes of the logged costs (to the millisecond they are logged with): the
# mean of the last eight over the budget, five seconds at least.
check_rule() {
    sed -n 's/.* checkpoint .*seconds=\([0-9.]*\) pause_s=\([0-9.]*\).*/\1 \2/p' "$1.log" |
        awk -v budget="$2" '
            { cost[NR] = $1; sum = 0; n = NR < 8 ? NR : 8
              for (i = NR - n + 1; i <= NR; i++) sum += cost[i]
              want = sum / n / budget < 5 ? 5 : sum / n / budget
              off = want - $2; if (off < 0) off = -off
              if (off > 0.0011 / budget) { print "line " NR ": " $2 ", not " want; bad = 1 } }
            END { exit bad || NR == 0 }' || fail "$1: the pause does not follow the rule"
}

run fast 18 0 --set run.save_budget=1
at_least "fast disk, all the time allowed: checkpoints" "$(values fast checkpoint step | wc -l)" 3
check_rule fast 1
run slow 14 100 --set run.save_budget=0.01
at_most "slow disk: one checkpoint to see what it costs, one at the end" \
    "$(values slow checkpoint step | wc -l)" 2
at_least "slow disk: seconds to the next" "$(values slow checkpoint pause_s | head -n 1)" 10
check_rule slow 0.01
run fixed 6 100 --set run.save_budget=0.01 --set disentangle.checkpoint_steps=50
at_least "every 50 steps, on a slow disk: checkpoints" "$(values fixed checkpoint step | wc -l)" 3
values fixed checkpoint step | sed '$d' | awk '$1 % 50 != 0 { exit 1 }' ||
    fail "every 50 steps, and where it was stopped: $(values fixed checkpoint step | tr '\n' ' ')"

# Stage 1.
run quick 13 0 --set farm.slow_ms=500 --set run.save_budget=1
at_least "journal, fast disk: flushes" "$(values quick journal-flushes count)" 3
run lazy 9 100 --set farm.slow_ms=500 --set run.save_budget=0.01
at_most "journal, slow disk: one flush to see what it costs, one at the end" \
    "$(values lazy journal-flushes count)" 2
run often 5 100 --set farm.slow_ms=100 --set run.save_budget=0.01 --set farm.journal_sync_s=0.3
at_least "journal, flushed as the user says: flushes" "$(values often journal-flushes count)" 5
finish
