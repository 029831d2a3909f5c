#!/bin/sh
# Stage 2 by teams of ranks: the same bytes with 1, 2 and 3 teams on 1 to 8 ranks, and after stops
# with other numbers of ranks and teams.
. "$(dirname "$0")/lib.sh"

"$UNBRAID" synth --set synth.kind=latent --set synth.tasks=2 --set synth.samples=1000 --out l.h5 \
    >/dev/null
study="--set corpus.path=l.h5 --set disentangle.epochs=2 --set disentangle.restarts=3
       --set disentangle.checkpoint_steps=3"

# train RANKS TEAMS RUN
train() {
    # shellcheck disable=SC2086 # words
    on "$1" disentangle $study --set disentangle.teams="$2" --out "$3" >out.txt 2>err.txt
}

train 1 1 whole || fail "$(cat err.txt)"
for pair in '2 2' '3 0' '5 3' '8 2'; do
    run=run-${pair% *}-${pair#* }
    # shellcheck disable=SC2086
    train $pair "$run" || fail "$(cat err.txt)"
    same "ranks, teams: $pair" "$(digest whole)" "$(digest "$run")"
    for file in model.h5 training.csv latents.svg eval.json; do
        cmp "whole/$file" "$run/$file" || fail "$file differs with ranks, teams: $pair"
    done
done

# A time limit stops it again and again; every try has other ranks and teams.
study="$study --set disentangle.epochs=60"
train 2 0 long || fail "$(cat err.txt)"
short=$study
set -- '3 3' '2 1' '2 2' '5 3' '1 1' '3 2'
tries=0
stops=0
while [ "$tries" -lt 30 ]; do
    pair=$1
    shift
    set -- "$@" "$pair"
    tries=$((tries + 1))
    study="$short --set run.stop_after_s=$tries" # longer each time: a busy machine gets there too
    # shellcheck disable=SC2086
    if train $pair stopped; then
        break
    fi
    stops=$((stops + 1))
    grep -q 'the same command' err.txt || fail "$(cat err.txt)"
done
at_least "stops" "$stops" 1
same "after $stops stops" "$(digest long)" "$(digest stopped)"
finish
