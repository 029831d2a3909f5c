# tests/jobs/kills.sh - sourced after lib.sh: kill -9 of ranks at random moments.
# shellcheck shell=sh

# kills_begin SEED: the study and its undisturbed result.
kills_begin() {
    alone "$WORK/tmp"
    seed=$1
    kills=0 unreadable=0 differing=0 late=0 n_master=0 n_worker=0 n_but_two=0 n_all=0
    "$UNBRAID" synth --set synth.samples=800 --set synth.steps=40 --set synth.tasks=3 --out c.h5 \
        >/dev/null
    study="run --set corpus.path=c.h5 --set structure.tile=2 --set disentangle.steps=all --set disentangle.epochs=12
           --set disentangle.restarts=2 --set disentangle.latents=3 --set disentangle.batch=64
           --set disentangle.checkpoint_steps=40 --set disentangle.hidden=32
           --set run.status_s=0.5"
    # shellcheck disable=SC2086 # words
    on 2 $study --out whole >/dev/null 2>&1
    whole=$(digest whole)
}

# draw N: a number below N, from SEED: a linear congruential generator (Lehmer's, 48271).
draw() {
    seed=$((seed * 48271 % 2147483647))
    drawn=$((seed / 7 % $1))
}

# ranks_of JOB: process ids of the program's ranks in the order of their numbers.
ranks_of() {
    name=$(basename "$UNBRAID")
    tr ' ' '\n' 2>/dev/null <"/proc/$1/task/$1/children" | while read -r process; do
        case $(sed 's/.*(\(.*\)) \(.\).*/\1 \2/' "/proc/$process/stat" 2>/dev/null) in
        "$name Z" | '') ;; # dead, not yet waited for
        "$name "*) echo "$process" ;;
        esac
    done
}

# Choose who dies of the ranks given: one of the four kinds that makes sense for so many.
choose() {
    draw 4
    victims=$*
    case $drawn in
    0)
        victims=$1
        n_master=$((n_master + 1))
        ;;
    1 | 2)
        if [ $# -lt 2 ]; then
            n_all=$((n_all + 1))
        elif [ "$drawn" -eq 1 ] || [ $# -lt 3 ]; then
            draw $(($# - 1))
            shift "$((drawn + 1))"
            victims=$1
            n_worker=$((n_worker + 1))
        else
            shift 2
            victims=$*
            n_but_two=$((n_but_two + 1))
        fi
        ;;
    *) n_all=$((n_all + 1)) ;;
    esac
}

# The launcher ends by itself soon after its ranks; once in a while Open MPI 4.1's does not (it waits
# for ever in PMIx_server_finalize).
end_launcher() {
    for _ in $(seq 100); do
        kill -0 "$job" 2>/dev/null || break
        case $(sed 's/.*) //' "/proc/$job/stat" 2>/dev/null) in Z* | '') break ;; esac
        sleep 0.1
    done
    if [ -n "$(ranks_of "$job")" ]; then
        echo "RANKS LEFT: $(ranks_of "$job")"
        unreadable=$((unreadable + 1))
    fi
    kill -9 "$job" 2>/dev/null || true
    wait "$job" 2>/dev/null || true
}

# kill_once RUN: start the study on 1 to 5 ranks, kill after a while.
kill_once() {
    draw 5
    size=$((drawn + 1))
    draw 300
    # shellcheck disable=SC2086
    $MPIRUN -n "$size" "$UNBRAID" $study --set farm.slow_ms=15 --out "$1" >/dev/null 2>&1 &
    job=$!
    sleep "$(awk "BEGIN { print 0.3 + $drawn / 100 }")"
    # shellcheck disable=SC2046
    set -- "$1" $(ranks_of "$job")
    run=$1
    shift
    if [ $# -eq 0 ]; then # over already, or not begun
        late=$((late + 1))
    else
        choose "$@"
        # shellcheck disable=SC2086
        if kill -9 $victims 2>/dev/null; then kills=$((kills + 1)); else late=$((late + 1)); fi
    fi
    end_launcher
    if [ -e "$run/config.yaml" ] && ! "$UNBRAID" fsck "$run" >fsck.txt 2>&1; then
        echo "UNREADABLE $run: $(cat fsck.txt)"
        unreadable=$((unreadable + 1))
    fi
}

# kill_and_end RUN TIMES: kill so often, then let it end on 1 to 5 ranks and compare.
kill_and_end() {
    for _ in $(seq "$2"); do
        kill_once "$1"
    done
    draw 5
    # shellcheck disable=SC2086
    on $((drawn + 1)) $study --out "$1" >/dev/null 2>log.txt || echo "exit code $?: $(cat log.txt)"
    if [ "$(digest "$1" 2>/dev/null)" != "$whole" ]; then
        echo "DIFFERS $1"
        differing=$((differing + 1))
    fi
    rm -rf "$1"
}
