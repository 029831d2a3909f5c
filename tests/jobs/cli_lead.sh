#!/bin/sh
# A run stops before the end of its SLURM job by what it measured (core/lead.h): no item is begun that
# could not end, the exit code is 75, the same command goes on; `status` and `submit` know the lead.
. "$(dirname "$0")/lib.sh"
alone "$WORK/tmp"

"$UNBRAID" synth --set synth.samples=200 --set synth.steps=16 --set synth.tasks=2 --out c.h5 >/dev/null
study="run --set corpus.path=c.h5 --set structure.tile=1 --set disentangle.epochs=2
       --set disentangle.restarts=1 --set disentangle.latents=2 --set disentangle.steps=all
       --set disentangle.batch=64 --set disentangle.hidden=8 --set run.status_s=0.2"
# shellcheck disable=SC2086 # words, here and below
"$UNBRAID" $study --out whole >/dev/null 2>&1

# within RUN RANKS ROOM ARGS...: a run in a job that ends in ROOM seconds; its exit code in $status, in
# $spare how long before the end it was over.
within() {
    name=$1
    ranks=$2
    end=$(($(date +%s) + $3))
    shift 3
    status=0
    # shellcheck disable=SC2086
    SLURM_JOB_END_TIME=$end $MPIRUN -n "$ranks" "$UNBRAID" $study --out "$name" "$@" \
        >"$name.out" 2>"$name.log" || status=$?
    spare=$((end - $(date +%s)))
}
said() { # RUN KEY: of the line that says why it stopped
    sed -n "s/.* stop-in-time .*$2=\([0-9.]*\).*/\1/p" "$1.log"
}
answers() { # RUN
    "$UNBRAID" status "$1" --json >answers.json
    json answers.json journal_answers
}

# Items of four seconds in a job of 21: after three of them less is left than one and a quarter of
# the job; without the measurement a fourth would begin.
within long 1 21 --set farm.slow_ms=4000
same "long items: exit code" 75 "$status"
at_least "long items: none is begun that cannot end: answers" "$(answers long)" 1
at_most "long items: none is begun that cannot end: answers" "$(answers long)" 3
at_least "long items: spare seconds" "$spare" 4
at_least "long items: measured" "$(said long item_s)" 4
at_least "long items: an item and a margin" "$(said long lead_s)" 8
at_most "long items: it was time" "$(said long left_s)" "$(said long lead_s)"
at_least "long items: and not long past it" "$(said long left_s)" \
    "$(said long lead_s) - $(said long item_s) - 0.5"

# Two ranks: the other one may have begun an item when rank 0 begins its last.
within pair 2 16 --set farm.slow_ms=1000
same "two ranks: exit code" 75 "$status"
at_least "two ranks: twice an item" "$(said pair item_s)" 2
at_least "two ranks: answers" "$(answers pair)" 4
at_least "two ranks: spare seconds" "$spare" 1
# shellcheck disable=SC2086
on 2 $study --out pair >/dev/null 2>&1
same "two ranks: the same command goes on" "$(digest whole)" "$(digest pair)"

# Stage 2: steps and checkpoints.
within steps 2 18 --set disentangle.epochs=1000000 --set disentangle.checkpoint_steps=50
same "training: exit code" 75 "$status"
grep -q 'in stage 2 at step' steps.log || fail "training: $(cat steps.log)"
awk "BEGIN { exit !($(said steps save_s) > 0) }" || fail "training: no save was measured"
at_least "training: spare seconds" "$spare" 1
grep -q '^  lead  *[0-9]* s, measured' <<STATUS || fail "training: the status has no lead"
$("$UNBRAID" status steps)
STATUS

# What the user fixes is kept to, and an end that is past is none.
within fixed 1 20 --set slurm.lead_s=16 --set farm.slow_ms=200
same "fixed lead: exit code" 75 "$status"
at_least "fixed lead: spare seconds" "$spare" 12
same "fixed lead: nothing was measured for it" x"" x"$(said fixed lead_s)"
within past 1 -5
same "an end that is past: exit code" 0 "$status"
same "an end that is past: results" "$(digest whole)" "$(digest past)"

# submit: SLURM's signal, where the run has been before, comes as early as it measured.
signal() { # RUN ARGS...
    to=$1
    shift
    "$UNBRAID" submit --set corpus.path=c.h5 --set slurm.plan=no --out "$to" --dry-run "$@" |
        sed -n 's/^#SBATCH --signal=//p'
}
"$UNBRAID" status long --json >long.json
lead=$(json long.json lead_s | awk '{ print ($1 > int($1) ? int($1) + 1 : $1) }')
same "submit: the measured lead" "USR1@$lead" "$(signal long)"
same "submit: a fixed one" "USR1@77" "$(signal long --set slurm.lead_s=77)"
same "submit: of a new run" "USR1@120" "$(signal new)"
same "submit: it may be a minute early" "USR1@30" "$(signal new --set slurm.time_min=2)"
same "submit: no room for that" x"" x"$(signal new --set slurm.time_min=1)"
finish
