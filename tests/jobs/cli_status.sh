#!/bin/sh
# What `unbraid status` says of a run that works, was killed, stopped, ended, or is no run at all.
. "$(dirname "$0")/lib.sh"
alone "$WORK/tmp"

"$UNBRAID" synth --set synth.samples=200 --set synth.steps=16 --set synth.tasks=2 --out c.h5 \
    >/dev/null
study="run --set corpus.path=c.h5 --set structure.tile=1 --set disentangle.epochs=2
       --set disentangle.restarts=1 --set disentangle.latents=2 --set disentangle.steps=all
       --set disentangle.batch=64 --set disentangle.hidden=8 --set run.status_s=0.2"

# ask RUN KEY: a value of the answer.
ask() {
    "$UNBRAID" status "$1" --json >status.txt || fail "status $1: exit code $?"
    json status.txt "$2"
}

# until_done ITEMS: wait until the status file of the run tells of so many units done.
until_done() {
    for _ in $(seq 300); do
        [ -e run/status.json ] && awk "BEGIN { exit !($(json run/status.json "done") >= $1) }" &&
            return 0
        sleep 0.1
    done
    fail "the run does not get on: $(cat run/status.json)"
}

# shellcheck disable=SC2086 # words, here and below
$MPIRUN -n 2 "$UNBRAID" $study --set farm.slow_ms=1000 --set run.stop_after_s=600 --out run \
    >/dev/null 2>&1 &
job=$!
until_done 1
same "at work" running "$(ask run state)"
same "in stage 1" structure "$(ask run stage)"
same "on two ranks" 2 "$(ask run ranks)"
at_most "age of a living run's status (s)" "$(ask run age_s)" 10
at_least "wall time left (s)" "$(ask run margin_s)" 500
at_most "wall time left (s)" "$(ask run margin_s)" 600
first=$(ask run "done")
until_done "$((${first%.*} + 1))"
at_least "rate" "$(ask run rate)" 0.1
at_least "answers in the journal" "$(ask run journal_answers)" 1
cp -r run copied
# shellcheck disable=SC2046
kill -9 $(cat "/proc/$job/task/$job/children") 2>/dev/null || true
wait "$job" 2>/dev/null || true
for _ in $(seq 50); do
    [ "$(ask run state)" = running ] || break
    sleep 0.1
done
same "killed" dead "$(ask run state)"
same "a copy of it" dead "$(ask copied state)"
"$UNBRAID" status run >words.txt
grep -q 'no sign of life for .* s' words.txt || fail "dead, without saying why: $(cat words.txt)"
grep -q 'the same command resumes' words.txt || fail "dead, without advice"
grep -q "go on with .*unbraid run --set corpus.path=c.h5" words.txt || fail "no command to go on with"

# A signal, one of those that are chosen.
# shellcheck disable=SC2086
"$UNBRAID" $study --set farm.slow_ms=1000 --set run.stop_signals='USR2' --out run >/dev/null 2>&1 &
job=$!
for _ in $(seq 100); do
    [ "$(json run/status.json pid)" = "$job" ] && break
    sleep 0.1
done
kill -USR2 "$job"
status=0
wait "$job" || status=$?
same "stopped by USR2: exit code" 75 "$status"
same "stopped" stopped "$(ask run state)"
# shellcheck disable=SC2086
refuses 2 "'KILL' is none of" $study --set run.stop_signals='USR1 KILL' --out never

# shellcheck disable=SC2086
"$UNBRAID" $study --out run >/dev/null 2>&1
same "ended" finished "$(ask run state)"
same "its stages" "structure, disentangle" \
    "$("$UNBRAID" status run --json | sed 's/.*"finished": "\([^"]*\)".*/\1/')"

# Without a status file, with a damaged one, without anything.
rm run/status.json
same "ended, no status file" finished "$(ask run state)"
head -c 100 copied/status.json >half.json
mv half.json copied/status.json
same "unfinished, half a status file" unknown "$(ask copied state)"
: >copied/status.json
same "unfinished, an empty status file" unknown "$(ask copied state)"
printf 'x' >copied/structure.journal
same "and a damaged journal" unknown "$(ask copied state)"
mkdir empty
refuses 2 "not a run folder" status empty
refuses 2 "not a run folder" status nowhere
refuses 2 "not a run folder" status c.h5

# Off: no file, and none of before.
# shellcheck disable=SC2086
"$UNBRAID" $study --set run.status_s=0 --out off >/dev/null 2>&1
[ ! -e off/status.json ] || fail "run.status_s: 0 writes a status file"
finish
