# tests/jobs/kills.sh - sourced after lib.sh: kill -9 of ranks at random moments.
# shellcheck shell=sh
program=$(basename "$UNBRAID")
program=$(printf '%.15s' "$program") # the kernel's name of it
# Seconds that an undisturbed start may take, on a machine however busy, before it counts as hung.
UB_HANGS_S=${UB_HANGS_S:-900}

# train_for SECONDS: lengthens the training of $study so that it takes about so long on one rank, however
# fast the build and the machine are today: a short one is timed first.
train_for() {
    # shellcheck disable=SC2086 # words, here and below
    "$UNBRAID" $study --set disentangle.epochs=4 --out pilot >/dev/null 2>&1
    line=$(grep ' progress stage=disentangle ' pilot/unbraid.log | tail -n 1)
    epochs=$(echo "$line" | sed 's/.* of=\([0-9]*\) .* steps_per_s=\([^ ]*\) .*/\1 \2/' |
        awk -v s="$1" '{ n = int(s * $2 / ($1 / 4)); print (n > 1 ? n : 1) }')
    rm -rf pilot
    study="$study --set disentangle.epochs=$epochs"
}

# kills_begin SEED: the study and its undisturbed result.
kills_begin() {
    alone "$WORK/tmp"
    seed=$1
    kills=0 unreadable=0 differing=0 late=0 n_master=0 n_worker=0 n_but_two=0 n_all=0 n_after=0
    stage1=0 stage2=0 hung=0
    "$UNBRAID" synth --set synth.samples=400 --set synth.steps=30 --set synth.tasks=3 --out c.h5 \
        >/dev/null
    # A run is killed several times on the way, so both stages last for some seconds: 120 items of 25 ms
    # (in kill_once), then the training.
    study="run --set corpus.path=c.h5 --set structure.tile=1 --set disentangle.steps=all
           --set disentangle.restarts=2 --set disentangle.latents=3 --set disentangle.batch=128
           --set disentangle.checkpoint_steps=8 --set disentangle.hidden=32
           --set run.status_s=0.5"
    train_for 5
    # shellcheck disable=SC2086
    on 2 $study --out whole >/dev/null 2>&1
    whole=$(digest whole)
}

# draw N: a number below N, from SEED: a linear congruential generator (Lehmer's, 48271).
draw() {
    seed=$((seed * 48271 % 2147483647))
    drawn=$((seed / 7 % $1))
}

# ranks_of JOB: sets $living to the process ids of the program's living ranks, in the order of their
# numbers.  By the shell's own means: it is asked often.
ranks_of() {
    living=
    children=
    read -r children 2>/dev/null <"/proc/$1/task/$1/children" || true
    for process in $children; do
        command="" state=Z
        read -r _ command state _ 2>/dev/null <"/proc/$process/stat" || true
        case $command$state in
        *Z) ;; # dead, not yet waited for
        "($program)"*) living="$living $process" ;;
        esac
    done
}

# ended JOB: is the process gone, or waits to be waited for?
ended() {
    state=Z
    read -r _ _ state _ 2>/dev/null <"/proc/$1/stat" || true
    [ "$state" = Z ]
}

# Choose who dies of the ranks given: one of the four kinds that makes sense for so many.
choose() {
    draw 4
    victims=$*
    what=all
    case $drawn in
    0)
        what=master
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
            what=worker
            n_worker=$((n_worker + 1))
        else
            shift 2
            victims=$*
            what=but_two
            n_but_two=$((n_but_two + 1))
        fi
        ;;
    *) n_all=$((n_all + 1)) ;;
    esac
}

# The launcher ends by itself soon after its ranks; once in a while Open MPI 4.1's does not (it waits
# for ever in PMIx_server_finalize).  Ranks that are left after a minute hang.
end_launcher() {
    quiet=0
    for _ in $(seq 600); do
        ! ended "$job" || break
        ranks_of "$job"
        [ -n "$living" ] || quiet=$((quiet + 1))
        [ "$quiet" -lt 20 ] || break
        sleep 0.1
    done
    ranks_of "$job"
    if [ -n "$living" ]; then
        echo "HUNG: ranks$living after $what of $size ${outlive:-(all die together)}: $(tail -n 3 "$run/unbraid.log")"
        hung=$((hung + 1))
        # shellcheck disable=SC2086 # words
        kill -9 $living 2>/dev/null || true
    fi
    kill -9 "$job" 2>/dev/null || true
    wait "$job" 2>/dev/null || true
    job=
}

# strike RUN RANK...: kill those, if they still live, and note in which stage.
strike() {
    run=$1
    shift
    if ! kill -9 "$@" 2>/dev/null; then # over already, or not begun
        late=$((late + 1))
        return
    fi
    kills=$((kills + 1))
    if [ -e "$run/STATE" ]; then
        stage2=$((stage2 + 1))
    else
        stage1=$((stage1 + 1))
    fi
}

# Wait for a random moment: of any kind, or, every third time, one of stage 2.
until_stage() {
    draw 3
    if [ "$drawn" -eq 0 ]; then
        for _ in $(seq 200); do
            [ ! -e "$run/STATE" ] || break # stage 1 has finished
            ! ended "$job" || break
            sleep 0.1
        done
        draw 120
    else
        draw 220
        drawn=$((drawn + 20))
    fi
    sleep "$(awk "BEGIN { print $drawn / 100 }")"
}

# kill_once RUN: start the study on 1 to 5 ranks, kill after a while.  Every other time under a launcher
# that lets the job outlive a rank: those left go on for a moment, then they are killed as well.
kill_once() {
    draw 5
    size=$((drawn + 1))
    draw 2
    outlive=
    [ "$drawn" -eq 0 ] || outlive=--enable-recovery
    # shellcheck disable=SC2086 # words, here and below
    $MPIRUN $outlive -n "$size" "$UNBRAID" $study --set farm.slow_ms=$((size * 25)) --out "$1" \
        >/dev/null 2>&1 &
    job=$!
    run=$1
    until_stage
    ranks_of "$job"
    # shellcheck disable=SC2086
    set -- $living
    if [ $# -eq 0 ]; then # over already, or not begun: nobody to kill, so it is told to stop
        late=$((late + 1))
        what=nobody
        kill "$job" 2>/dev/null || true
    else
        choose "$@"
        # shellcheck disable=SC2086
        strike "$run" $victims
        if [ -n "$outlive" ]; then
            draw 150
            sleep "$(awk "BEGIN { print $drawn / 100 }")"
            ranks_of "$job"
            # shellcheck disable=SC2086
            set -- $living
            [ $# -eq 0 ] || {
                strike "$run" "$@"
                what=$what-survivors
                n_after=$((n_after + 1))
            }
        fi
    fi
    end_launcher
    if [ -e "$run/config.yaml" ] && ! "$UNBRAID" fsck "$run" >fsck.txt 2>&1; then
        echo "UNREADABLE $run: $(cat fsck.txt)"
        unreadable=$((unreadable + 1))
    fi
}

# end_well RUN RANKS ARGS...: the study, or what is left of it, to its end, undisturbed; its log in
# RUN.log.  One that is stopped here, after UB_HANGS_S, counts as hung: nothing is known of its results.
# Fails if so.
end_well() {
    run=$1
    ranks=$2
    shift 2
    code=0
    begun=$(date +%s)
    # shellcheck disable=SC2086
    timeout -k 5 "$UB_HANGS_S" $MPIRUN -n "$ranks" "$UNBRAID" $study "$@" --out "$run" >/dev/null \
        2>"$run.log" || code=$?
    [ "$code" -eq 0 ] || echo "$run: exit code $code: $(cat "$run.log")"
    if [ "$code" -ne 0 ] && [ $(($(date +%s) - begun)) -ge "$UB_HANGS_S" ]; then
        echo "HUNG: $run, undisturbed on $ranks ranks, for $UB_HANGS_S s"
        hung=$((hung + 1))
        return 1
    fi
}

# compare RUN: with the undisturbed result.
compare() {
    if [ "$(digest "$1" 2>/dev/null)" != "$whole" ]; then
        echo "DIFFERS $1"
        differing=$((differing + 1))
        cp -r "$1" "$WORK-differs-$(basename "$1")" || true
    fi
}

# kill_and_end RUN TIMES: kill so often, then let it end on 1 to 5 ranks and compare.
kill_and_end() {
    for _ in $(seq "$2"); do
        kill_once "$1"
    done
    draw 5
    ! end_well "$1" $((drawn + 1)) || compare "$1"
    rm -rf "$1" "$1.log"
}

# wait_for_answers RUN BYTES: until the journal of its farm is so long, or the job is gone.
wait_for_answers() {
    for _ in $(seq 1500); do
        [ "$(wc -c 2>/dev/null <"$1/structure.journal" || echo 0)" -lt "$2" ] || return 0
        kill -0 "$job" 2>/dev/null || return 0
        sleep 0.02
    done
}

# saw TEXT: wait until it is in the log of the run.
saw() {
    for _ in $(seq 400); do
        ! grep -q " $1 " "$run.log" || break
        sleep 0.05
    done
}

# kill_in_farm RUN RANKS "VICTIM... [then VICTIM...]" ARGS...: the program with these arguments on so many
# ranks, under a launcher that lets the job outlive a rank; when the farm has its first answers, kill -9 of the
# ranks of these numbers.  With `then`: of the first soon after it has begun (to measure), of those after
# `then` when it has made its plan.  $signal: what they get instead of KILL.  $status: how it ended, 124: not within 100 s.  Its output: RUN.out, RUN.log.
kill_in_farm() {
    run=$1
    count=$2
    victims=$3
    shift 3
    # shellcheck disable=SC2086
    timeout 100 $MPIRUN --enable-recovery -n "$count" "$UNBRAID" "$@" --out "$run" >"$run.out" \
        2>"$run.log" &
    job=$!
    case " $victims " in
    *" then "*)
        saw covariance
        sleep 0.4
        ;;
    *) wait_for_answers "$run" 200 ;; # the header has 84
    esac
    launcher=
    read -r launcher _ <"/proc/$job/task/$job/children" || true # timeout's child; no newline follows it
    ranks_of "$launcher"
    for victim in $victims; do
        if [ "$victim" = "then" ]; then
            saw farm-plan
            sleep 0.4
        else
            # shellcheck disable=SC2086 # words
            kill "-${signal:-9}" "$(echo $living | cut -d ' ' -f $((victim + 1)))"
        fi
    done
    status=0
    # shellcheck disable=SC2034 # for the caller
    wait "$job" || status=$?
}
