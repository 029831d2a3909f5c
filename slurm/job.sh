# slurm/job.sh - what every job of `unbraid submit` does.  The program writes it into the run folder
# behind the #SBATCH lines, the prologue and these values, without this paragraph:
#   run, program, command   the run folder, the program, what it is to do
#   launch ARGS...          starts the ranks (replaces the shell it is called in)
#   launcher                srun or mpirun
#   requeue                 yes: requeue itself; no: a successor waits for this job's end
#   lead                    seconds between stop and end; 0: the program measures
#   max_jobs                starts of one submission
#   workers_before          the script's argument: workers in the arrays before this one
# Exit code 75 of the program, "stopped in time", goes on in another job; nothing else does.
# shellcheck shell=sh disable=SC2154

# A task of an array works on a sweep with others: its tries are counted in a folder of its own.  The
# last task of an array has the array's own number, by which SLURM's commands take the whole array.
out=$run
job=$SLURM_JOB_ID
me=$job
if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
    run=$out/workers/$((workers_before + SLURM_ARRAY_TASK_ID))
    mkdir -p "$run"
    me=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
fi
log=$run/slurm-jobs.log

note() {
    printf '%s job=%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$job" "$*" >>"$log"
}

# When this job will be ended, in seconds since 1970; 0: nobody knows.  SLURM tells since 23.02.
end_time() {
    end=${SLURM_JOB_END_TIME:-$(SLURM_TIME_FORMAT=%s squeue -h -j "$me" -o %e 2>/dev/null || true)}
    case $end in
    '' | *[!0-9]*) end=0 ;;
    esac
}

# due_to JOB: what SLURM says it ended the last try of a job for: "TIME LIMIT", "PREEMPTION",
# "JOB REQUEUE", "NODE FAILURE"; nothing after scancel.
due_to() {
    [ ! -e "$out/slurm-$1.out" ] || awk '
        /^== unbraid try / { why = "" }
        /^slurmstepd.* CANCELLED AT .* DUE TO / {
            why = $0
            sub(/.* DUE TO /, "", why)
            sub(/ *[^A-Z ].*/, "", why)
        }
        END { print why }
        ' "$out/slurm-$1.out"
}

# blame JOB PATTERN: write down the node that the last try of a job names first as the place of its
# failure, so that it is excluded next time.  If memory ran out, a rank crashed, or SLURM could not
# start the ranks, those it killed then say nothing about their node.
blame() {
    [ -e "$out/slurm-$1.out" ] || return 0
    bad=$(awk -v wanted="$2" '
        /^== unbraid try / { node = ""; excused = 0 }
        /oom.kill|OOM Killed|Out Of Memory|^srun: error: task .* launch failed: / { excused = 1 }
        /[Ee]xceeded (job |step )?memory limit/ { excused = 1 }
        /^srun: error: .*: (Segmentation fault|Aborted)/ { excused = 1 }
        node == "" && $0 ~ wanted {
            node = $0
            sub(/^srun: error: (Task launch for .* failed on node |Node failure on )?/, "", node)
            sub(/.* on node /, "", node)
            sub(/[: ].*/, "", node)
        }
        END { if (!excused) print node }' "$out/slurm-$1.out")
    case $bad in
    '' | *[!A-Za-z0-9._-]*) ;; # several at once: none
    *)
        grep -qsxF -e "$bad" "$out/slurm-bad-nodes" || echo "$bad" >>"$out/slurm-bad-nodes"
        note "bad node=$bad excluded=next-time"
        ;;
    esac
}
lost_node='^srun: error: (Task launch for .* failed on node |Node failure on )'
dead_rank='^srun: error: [^ ]+: tasks? [^ ]+: (Killed|Bus error)| on node [^ ]+ exited on signal [79] '

# Did the ranks crash in MPI_Init, before the program had said a word?  Now and then they do: with
# SLURM's PMIx a rank of Open MPI 4.1 may get a message before it can take one.
crashed_at_start() {
    [ "$code" -eq 139 ] && [ "$told" -eq 0 ] && [ -e "$out/slurm-$job.out" ] && awk '
        /^== unbraid (try|start) / { words = 0 }
        /^[0-9]+\.[0-9]+ [a-z]+ [0-9]+ |^unbraid: / { words = 1 }
        END { exit words }
        ' "$out/slurm-$job.out"
}

# accounted JOB: what it ended of, where the site keeps an account of its jobs and answers in time.
accounted() {
    said=$(timeout -k 1 5 sacct -n -P -j "$1" --format=JobIDRaw,JobName,State 2>/dev/null) || return 0
    # -j takes the number of an array's last task for the whole array
    said=$(printf '%s\n' "$said" | awk -F '|' -v job="$1" -v name="${SLURM_JOB_NAME:-}" '
        $1 == job && $2 == name { state = $3 }
        index($1, job ".") == 1 && state != "" && $3 == "OUT_OF_MEMORY" { state = $3 }
        END { print state }')
    case $said in
    OUT_OF_MEMORY) echo out-of-memory ;;
    NODE_FAIL | BOOT_FAIL) echo node-failure ;;
    TIMEOUT) echo time-limit ;;
    PREEMPTED) echo preempted ;;
    CANCELLED*) echo cancelled ;;
    esac
}

# What became of a try that could not say so itself.
explain_last() {
    last=$(awk '/ begin / { last = $0 } / end / { last = "" } END { print last }' "$log")
    [ -n "$last" ] || return 0
    before=${last#* job=}
    before=${before%% *}
    why=$(due_to "$before")
    if [ -n "$why" ]; then
        why=$(echo "$why" | tr 'A-Z ' 'a-z-')
    elif [ "$before" = "$job" ] && [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then
        why=requeued-by-slurm
    elif why=$(accounted "$before") && [ -n "$why" ]; then
        :
    elif [ "${last##*ends=}" -gt 0 ] && [ "$(date +%s)" -ge "${last##*ends=}" ]; then
        why=time-limit
    else
        why=lost
    fi
    note "end code=none why=$why try-of=$before"
    blame "$before" "$lost_node"
}

# Submit the job after this one, held until this one ends.
submit_next() {
    next=$(sed -n "s/.* job=$job next=//p" "$log" | tail -n 1)
    [ "$next" != none ] || next=""
    if [ -n "$next" ] || [ "$tries" -ge "$max_jobs" ]; then
        return
    fi
    set --
    if [ -s "$out/slurm-bad-nodes" ]; then
        set -- "--exclude=$(paste -s -d , "$out/slurm-bad-nodes")"
    fi
    if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
        set -- "--array=$SLURM_ARRAY_TASK_ID" "$@"
    fi
    next=$(
        unset SLURM_RESTART_COUNT SLURM_JOB_END_TIME
        sbatch --parsable "--dependency=afterany:$me" "$@" "$out/slurm-job.sh" "$workers_before"
    ) || echo "unbraid: no successor: sbatch refuses" >&2
    next=${next%%;*}
    note "next=${next:-none}"
}

drop_next() {
    [ -z "$next" ] || scancel "$next" || true
}

# again WHY: stopped in time; go on in another job.
again() {
    if [ "$tries" -ge "$max_jobs" ]; then
        note "end code=75 why=$1 then=nothing: slurm.max_jobs is $max_jobs"
    elif [ "$requeue" = no ]; then
        note "end code=75 why=$1 then=${next:-nothing: there is no successor}"
    else
        note "end code=75 why=$1 then=requeue"
        trap - TERM
        said=$(scontrol requeue "$me" 2>&1) || case $said in
        *pending*) ;; # SLURM has put it back itself, as after a preemption
        *)
            echo "$said"
            submit_next
            exit 75
            ;;
        esac
        sleep 600 # SLURM ends this script
    fi
    exit 75
}

[ -e "$log" ] || : >"$log"
explain_last
if grep -qsx 'done' "$run/STATE"; then
    note "finished before"
    exit 0
fi
tries=$(awk '/ submitted/ { n = 0 } / begin / { n++ } END { print n + 1 }' "$log")
if [ "$tries" -gt "$max_jobs" ]; then
    note "nothing done: slurm.max_jobs is $max_jobs"
    exit 75
fi
end_time
note "begin try=$tries restart=${SLURM_RESTART_COUNT:-0} nodes=$SLURM_JOB_NODELIST ends=$end"
echo "== unbraid try $tries, job $job on $SLURM_JOB_NODELIST"
next=""
if [ "$requeue" = no ]; then
    submit_next
fi

set -- "$command" -c "$out/slurm-study.yaml" --out "$out" --set "slurm.lead_s=$lead"
if [ "$end" -gt 0 ]; then
    export SLURM_JOB_END_TIME="$end"
fi

# A trap ends `wait` early: wait again until it tells the program's own code (127: it has already).
told=0
caught=no
trap 'told=$(date +%s); caught=yes' TERM
start=1
while :; do
    launch "$@" &
    child=$!
    if [ "$launcher" = mpirun ]; then # which passes it on; srun's ranks get it from SLURM
        trap 'caught=yes; kill -USR1 "$child" 2>/dev/null || true' USR1
    fi
    code=127
    while :; do
        caught=no
        got=0
        wait "$child" || got=$?
        [ "$got" -eq 127 ] || code=$got
        [ "$caught" = yes ] || break
    done
    if [ "$start" -eq 3 ] || ! crashed_at_start; then
        break
    fi
    start=$((start + 1))
    note "crashed in MPI_Init, start=$start"
    echo "== unbraid start $start"
done

if [ "$code" -eq 0 ]; then
    note "end code=0 why=done"
    drop_next
    exit 0
fi
why=itself
if [ "$told" -gt 0 ]; then # SLURM ended the job
    why=$(due_to "$job")
    if [ "$why" = "TIME LIMIT" ] || { [ "$end" -gt 0 ] && [ "$told" -ge "$((end - 2))" ]; }; then
        why=time-limit
    elif [ "$why" = "PREEMPTION" ]; then
        why=preempted
    elif [ "$why" = "JOB REQUEUE" ]; then
        why=requeued
    else
        why=cancelled
    fi
fi
case $code/$why in
75/itself) again stopped-in-time ;;
75/time-limit | 75/preempted) again "$why" ;;
*/itself)
    note "end code=$code why=failed"
    case $code in
    2 | 70) ;; # the input, the program
    *) blame "$job" "$lost_node|$dead_rank" ;;
    esac
    drop_next
    ;;
*/cancelled)
    note "end code=$code why=cancelled"
    drop_next
    ;;
*) note "end code=$code why=$why" ;;
esac
exit "$code"
