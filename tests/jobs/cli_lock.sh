#!/bin/sh
# Two runs of one study in one folder: the first is stopped (SIGSTOP) before one of its first operations
# on files, the second starts and comes to its end, the first goes on.  Whoever has the lock of
# unbraid.log works; the other is refused, or finds the study finished and touches nothing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/faults.sh"

record 1
record_resumed 1b 'rename.*ckpt'

# state_of PROCESS: T if it is stopped, empty if it is gone.
state_of() {
    sed 's/.*) \(.\).*/\1/' "/proc/$1/stat" 2>/dev/null || true
}

# race NAME POSITION: the two runs, from nothing (NAME 1) or from what a killed one left.
race() {
    dir=$WORK/race-$1-$2
    mkdir "$dir"
    [ ! -d "base.$1" ] || cp -r "base.$1/." "$dir"
    before=$(grep -c '"time"' "$dir/r/provenance.json" 2>/dev/null || true)
    # shellcheck disable=SC2086 # words, here and below
    env LD_PRELOAD="$FAULTIO" UB_FAULT_DIR="$dir" UB_FAULT_AT="$2" UB_FAULT_DO=stop \
        "$UNBRAID" $STUDY --out "$dir/r" >first.txt 2>&1 &
    first=$!
    for _ in $(seq 300); do
        case $(state_of "$first") in T | '' | Z) break ;; esac
        sleep 0.05
    done
    [ "$(state_of "$first")" = T ] || fail "race $1 $2: the first run does not stop"
    status=0
    # shellcheck disable=SC2086
    timeout 60 "$UNBRAID" $STUDY --out "$dir/r" >second.txt 2>&1 || status=$?
    case $status in
    0)
        won=$((won + 1))
        starts=1 # the first run finds it finished
        ;;
    2)
        lost=$((lost + 1))
        starts=1
        grep -q 'another run is at work in the run folder' second.txt ||
            fail "race $1 $2: refused for another reason: $(cat second.txt)"
        ;;
    *) fail "race $1 $2: the second run: exit code $status" ;;
    esac
    kill -CONT "$first"
    status=0
    wait "$first" || status=$?
    [ "$status" -eq 0 ] || fail "race $1 $2: the first run: exit code $status: $(cat first.txt)"
    [ "$(digest "$dir/r")" = "$WHOLE" ] || fail "race $1 $2: other results"
    [ "$(grep -c '"time"' "$dir/r/provenance.json")" -eq $((${before:-0} + starts)) ] ||
        fail "race $1 $2: a start that should not be: $(cat "$dir/r/provenance.json")"
    [ "$(grep -c '^done$' "$dir/r/STATE")" -eq 1 ] || fail "race $1 $2: STATE"
    rm -rf "$dir"
}

for name in 1 1b; do
    won=0 lost=0
    for position in $(seq 14) 40; do
        race "$name" "$position"
    done
    echo "from $name: the second run had the folder $won times, was refused $lost times"
    at_least "the first had the lock" "$lost" 3
    at_least "the first had it not yet" "$won" 1
done
finish
