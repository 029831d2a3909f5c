#!/bin/sh
# unbraid submit: the script it writes, and what that does with SLURM's commands replaced by fakes that
# write down how they were called.  On a real cluster: slurm/testcluster/accept.sh.
. "$(dirname "$0")/lib.sh"
source=${UB_SOURCE:?}

# --- the fakes
logged() { # NAME, its lines from standard input; the first writes down the call, one argument a line
    {
        # shellcheck disable=SC2016 # for the fake
        echo '{ echo "== ${0##*/}"; for a in "$@"; do echo "$a"; done; } >>"$CALLS"'
        cat
    } | fake "$1"
}
CALLS=$PWD/calls
END_TIME=""
export CALLS END_TIME
echo 1 >job_requeue
echo 1001 >max_array
echo 0 >requeue_code
echo 0 >srun_code
: >queue
logged sbatch <<'SH'
env >"${CALLS%/*}/sbatch_env"
n=$(($(cat "${CALLS%/*}/next_job" 2>/dev/null || echo 100) + 1))
echo "$*" >>"${CALLS%/*}/submissions"
[ "$n" != "$(cat "${CALLS%/*}/refused_job" 2>/dev/null)" ] || exit 1
echo "$n" >"${CALLS%/*}/next_job"
echo "$n;here"
SH
logged scontrol <<'SH'
case $1 in
show) printf 'Configuration data\nJobFileAppend = 0\nJobRequeue              = %s\nMaxArraySize            = %s\n' \
    "$(cat "${CALLS%/*}/job_requeue")" "$(cat "${CALLS%/*}/max_array")" ;;
requeue) exit "$(cat "${CALLS%/*}/requeue_code")" ;;
esac
SH
logged squeue <<'SH'
case $* in
*%e*) echo "$END_TIME" ;;
*) cat "${CALLS%/*}/queue" ;;
esac
SH
logged srun <<'SH'
echo "$SLURM_JOB_END_TIME" >"${CALLS%/*}/srun_end"
if [ -e "${CALLS%/*}/srun_waits" ]; then
    trap 'exit 75' TERM
    kill -TERM "$(cat "${CALLS%/*}/shell")"
    for _ in 1 2 3 4 5 6 7 8 9 10; do "${CALLS%/*}/real_sleep" 0.02; done
fi
exit "$(cat "${CALLS%/*}/srun_code")"
SH
cp "$(command -v sleep)" real_sleep
logged sleep </dev/null
logged scancel </dev/null
PATH=$PWD/fakes:$PATH

called() { # TEXT: a line of the calls
    grep -qxF -- "$1" "$CALLS"
}
expect() { # WHAT COMMAND...
    what=$1
    shift
    if "$@"; then echo "ok: $what"; else fail "$what: $(cat "$CALLS" 2>/dev/null)"; fi
}
not() {
    ! "$@"
}
# job RUN [VARIABLE=VALUE...]: what SLURM would do with the script, called with $argument; its exit
# code in $code.
argument=
job() {
    script=$1/slurm-job.sh
    shift
    : >"$CALLS"
    code=0
    # shellcheck disable=SC2016 # for the inner shell
    env SLURM_JOB_ID=55 SLURM_JOB_NODELIST=n1 "$@" sh -c 'echo $$ >shell; exec sh -eu "$@"' \
        sh "$script" ${argument:+"$argument"} >job.out 2>&1 || code=$?
}

# --- the script
"$UNBRAID" synth --set synth.samples=200 --set synth.steps=8 --set synth.tasks=2 --out c.h5 >/dev/null
printf 'corpus: {path: c.h5}\nstructure: {rule: bh}\nslurm: {nodes: 3, qos: mine, plan: no}\n' >study.yaml
cat >site.yaml <<'YAML'
slurm:
  nodes: 2
  tasks_per_node: 48
  time_min: 90
  memory_mb: 1000
  partition: long
  account: it's
  options: |
    --constraint="a&b"
    --licenses=x:1
  prologue: |
    module() { echo "module $* $unset_variable"; }
    module load openmpi
  launcher_options: --mpi=pmix
YAML
odd="a 'b' \"c\" \$(touch HACK) \`touch HACK\` ; #d"
"$UNBRAID" submit -c study.yaml --site site.yaml --set slurm.qos=high --out "$odd" --dry-run >dry.sh ||
    fail "--dry-run"
[ ! -e "$odd" ] || fail "--dry-run left a run folder behind"
for line in '#SBATCH --nodes=3' '#SBATCH --ntasks-per-node=48' '#SBATCH --time=90' \
    '#SBATCH --mem=1000M' '#SBATCH --partition="long"' "#SBATCH --account=\"it's\"" \
    '#SBATCH --qos="high"' '#SBATCH --constraint="a&b"' '#SBATCH --licenses=x:1' \
    '#SBATCH --signal=USR1@120' '#SBATCH --requeue' '#SBATCH --open-mode=append' \
    '#SBATCH --output=slurm-%j.out'; do
    grep -qxF -- "$line" dry.sh || fail "the script has no line $line"
done
"$UNBRAID" submit -c study.yaml --set slurm.launcher=mpirun --dry-run >mpirun.sh
grep -qxF '#SBATCH --signal=B:USR1@120' mpirun.sh || fail "mpirun: the signal is for the shell"
grep -qF "run='$PWD/runs/study'" mpirun.sh || fail "no default run folder runs/study"
if command -v shellcheck >/dev/null 2>&1; then
    printf 'corpus: {path: c.h5}\nslurm: {plan: no}\n' >plain.yaml
    "$UNBRAID" submit -c plain.yaml --out "it's \"odd\" #1" --dry-run >plain.sh
    shellcheck plain.sh mpirun.sh "$source/slurm/job.sh" || fail "shellcheck"
fi

refuses 2 "leaves no time" submit -c study.yaml --set slurm.time_min=2 --set slurm.lead_s=120
refuses 2 "control character" submit -c study.yaml --out "a
b"
refuses 2 'SLURM gives a meaning' submit -c study.yaml --out 'a%b'
refuses 2 "no file" submit -c study.yaml --set corpus.path=absent.h5
refuses 2 "corpus.path is empty" submit --out x
cp study.yaml .yaml
refuses 2 "-c .yaml names no run; give --out RUN" submit -c .yaml --dry-run
refuses 2 "names no run; give --out RUN" submit -c "$PWD/.yaml"
[ ! -e runs/slurm-job.sh ] || fail "a run in runs/ itself"
refuses 2 "-c FILE or --out" submit --set corpus.path=c.h5
printf 'slurm: {partitoin: x}\n' >wrong.yaml
refuses 2 "did you mean 'partition'" submit -c study.yaml --site wrong.yaml
mkdir occupied && touch occupied/file
refuses 2 "occupied" submit -c study.yaml --out occupied
cp fakes/sbatch sbatch
echo exit 127 >fakes/sbatch
refuses 2 "no sbatch on PATH" submit -c study.yaml --out refused
echo exit 1 >fakes/sbatch
refuses 2 "sbatch refuses" submit -c study.yaml --out refused
mv sbatch fakes/sbatch

# --- submission
"$UNBRAID" submit -c study.yaml --site site.yaml --out "$odd" >submit.txt || fail "submit"
expect "sbatch gets the script, its path in one piece" called "$PWD/$odd/slurm-job.sh"
expect "the job's number is told" grep -q '^job 101: ' submit.txt
expect "the environment is the user's, without what MPI_Init adds" \
    not grep -qE '^(OMPI_MCA_ess|PMIX_NAMESPACE|OMPI_MCA_orte_)' sbatch_env
expect "the settings are kept" grep -q '^  rule: bh$' "$odd/slurm-study.yaml"
echo 101 >queue
refuses 2 "job 101 of $PWD/$odd is still in the queue" submit -c study.yaml --out "$odd"
: >queue

# --- names: two run folders of the same name are two jobs; a copied folder is not the first one's
name_of() { # RUN
    "$UNBRAID" submit -c study.yaml --out "$1" --dry-run | sed -n 's/^#SBATCH --job-name="\(.*\)"$/\1/p'
}
ln -s . link
same "the name is readable" unbraid-study-H \
    "$(name_of mine/study | sed 's/-[0-9a-f]\{8\}$/-H/')"
same "the same folder, the same name" "$(name_of mine/study)" "$(name_of "$PWD/fakes/../link/mine/study/")"
expect "another folder, another name" [ "$(name_of mine/study)" != "$(name_of theirs/study)" ]
"$UNBRAID" submit -c study.yaml --out mine/study >stop.txt
expect "what stops it names this folder" grep -qxF "  stop it     scancel --name=$(name_of mine/study)" stop.txt
cp -r mine copied
: >"$CALLS"
"$UNBRAID" submit -c study.yaml --out copied/study >/dev/null
expect "the queue is asked for jobs of this folder" called "$(name_of copied/study)"
expect "and not for the other's" not called "$(name_of mine/study)"

# --- exit codes of the program
job "$odd" SLURM_JOB_END_TIME=4000000000
expect "exit code 0" [ "$code" -eq 0 ]
for word in slurm.lead_s=0 --mpi=pmix "$UNBRAID" run -c "$PWD/$odd/slurm-study.yaml" --out "$PWD/$odd"; do
    expect "srun gets $word" called "$word"
done
same "the end of the job, for the ranks" 4000000000 "$(cat srun_end)"
expect "no requeue after 0" not called "== scontrol"
expect "the prologue ran, with a variable that is not set" grep -q '^module load openmpi' job.out
for status in 1 2 70 137; do
    echo "$status" >srun_code
    job "$odd" SLURM_JOB_END_TIME=9999999999
    expect "exit code $status" [ "$code" -eq "$status" ]
    expect "no requeue after $status" not called "== scontrol"
done
echo 75 >srun_code
END_TIME=$(($(date +%s) + 500))
job "$odd"
expect "75: requeue" called requeue
expect "of this job" called 55
same "the end of an older SLURM's job" "$END_TIME" "$(cat srun_end)"
echo 1 >requeue_code
job "$odd"
expect "a requeue that is refused: a successor" called --dependency=afterany:55
expect "with the same script" called "$PWD/$odd/slurm-job.sh"
echo 0 >requeue_code
[ ! -e HACK ] || fail "a path was run as a command"
[ ! -e "$odd/HACK" ] || fail "a path was run as a command, in the run folder"

# --- what SLURM does to a job
touch srun_waits
rm -f "$odd"/slurm-55.out
job "$odd" SLURM_JOB_END_TIME=$(($(date +%s) + 1000))
expect "TERM long before the end, nobody says why: cancelled, no requeue" not called "== scontrol"
expect "it is told" grep -q 'job=55 end code=75 why=cancelled' "$odd/slurm-jobs.log"
echo 'slurmstepd-n1: error: *** JOB 55 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO PREEMPTION ***' \
    >"$odd/slurm-55.out"
job "$odd" SLURM_JOB_END_TIME=$(($(date +%s) + 1000))
expect "preemption: requeue" called requeue
expect "it is told" grep -q 'why=preempted then=requeue' "$odd/slurm-jobs.log"
rm "$odd/slurm-55.out"
job "$odd" "SLURM_JOB_END_TIME=$(date +%s)"
expect "TERM at the end: time limit, requeue" called requeue
expect "it is told" grep -q 'why=time-limit then=requeue' "$odd/slurm-jobs.log"
rm srun_waits
for reason in "NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS" "TIME LIMIT"; do
    echo "2026-01-01T00:00:00Z job=54 begin try=1 restart=0 nodes=n1 ends=0" >>"$odd/slurm-jobs.log"
    echo "slurmstepd-n1: error: *** JOB 54 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO $reason ***" \
        >"$odd/slurm-54.out"
    job "$odd"
done
expect "a node failure is told" grep -q 'why=node-failure try-of=54' "$odd/slurm-jobs.log"
expect "a time limit is told" grep -q 'why=time-limit try-of=54' "$odd/slurm-jobs.log"
echo "2026-01-01T00:00:00Z job=55 begin try=1 restart=0 nodes=n1 ends=9999999999" >>"$odd/slurm-jobs.log"
job "$odd" SLURM_RESTART_COUNT=1
expect "a try that could not say goodbye" \
    grep -q 'end code=none why=requeued-by-slurm try-of=55' "$odd/slurm-jobs.log"

# --- nodes
echo 1 >srun_code
blames() { # LINE: the bad nodes of a try whose output holds it
    rm -f "$odd/slurm-bad-nodes" "$odd/slurm-jobs.log"
    printf '== unbraid try 0\n%s\n' "$1" >"$odd/slurm-55.out"
    job "$odd"
    cat "$odd/slurm-bad-nodes" 2>/dev/null || true
}
same "a rank was killed" n7 "$(blames 'srun: error: n7: task 3: Killed')"
same "bus error" n7 "$(blames 'srun: error: n7: tasks 1,3: Bus error')"
same "a node is lost" n-8.x "$(blames 'srun: error: Node failure on n-8.x')"
same "no launch" n9 "$(blames 'srun: error: Task launch for StepId=5.0 failed on node n9: Socket timed out')"
same "mpirun" n3 "$(blames 'mpirun noticed that process rank 1 with PID 0 on node n3 exited on signal 9 (Killed).')"
same "nor a crash" x"" x"$(blames 'srun: error: n1: task 0: Segmentation fault
srun: error: n1: task 1: Killed')"
same "out of memory is nobody's fault" x"" x"$(blames 'slurmstepd: error: Detected 1 oom_kill event
srun: error: n7: task 3: Killed')"
same "by whatever name" x"" x"$(blames 'slurmstepd-n7: error: StepId=2.0 exceeded memory limit (38158336 > 26214400), being killed
srun: error: n7: task 0: Killed')"
same "nor that SLURM does not start it" x"" x"$(blames 'srun: error: task 3 launch failed: Unspecified error
srun: error: n1: tasks 0-1: Killed')"
same "several at once: none" x"" x"$(blames 'srun: error: n[1-2]: tasks 0-3: Killed')"
same "a bad setting: none" x"" x"$(echo 2 >srun_code; blames 'srun: error: n7: task 3: Killed')"
printf 'n7\nn9\n' >"$odd/slurm-bad-nodes"
"$UNBRAID" submit -c study.yaml --out "$odd" --dry-run >dry.sh
grep -qxF '#SBATCH --exclude="n7,n9"' dry.sh || fail "bad nodes are not excluded"

# --- a crash before the program has said a word
echo 139 >srun_code
crash() { # LINE: how often srun is called where the output ends with it
    printf '0.000 info 0 of an earlier try\n== unbraid try 1\n%s\n' "$1" >"$odd/slurm-55.out"
    job "$odd" SLURM_JOB_END_TIME=9999999999
    grep -c '^== srun$' "$CALLS"
}
same "a crash in MPI_Init: two more starts" 3 "$(crash 'srun: error: n1: task 2: Segmentation fault')"
same "a crash of the program: none" 1 "$(crash '0.000 info 0 corpus-read path=c.h5')"
same "nor after a sentence" 1 "$(crash 'unbraid: something was wrong')"
echo 137 >srun_code
same "nor after a kill" 1 "$(crash 'srun: error: n1: task 2: Killed')"

# --- a chain
echo 0 >job_requeue
"$UNBRAID" submit -c study.yaml --set slurm.max_jobs=2 --out chain >/dev/null
grep -qxF '#SBATCH --no-requeue' chain/slurm-job.sh || fail "JobRequeue = 0 does not make a chain"
echo 75 >srun_code
job chain
expect "chain: a successor waits" called --dependency=afterany:55
expect "chain: no requeue" not called requeue
expect "chain: it stays" not called "== scancel"
job chain SLURM_JOB_ID=56
expect "slurm.max_jobs ends the chain" not called "== sbatch"
expect "it is told" grep -q 'then=nothing: slurm.max_jobs is 2' chain/slurm-jobs.log
job chain SLURM_JOB_ID=57
expect "beyond it nothing runs" not called "== srun"
"$UNBRAID" submit -c study.yaml --out chain >/dev/null
for status in 0 1; do
    echo "$status" >srun_code
    job chain SLURM_JOB_ID=6$status
    expect "chain: after $status no successor is left" called "== scancel"
done
echo 'done' >chain/STATE
job chain SLURM_JOB_ID=70
expect "a finished run: nothing is started" not called "== srun"
expect "nor submitted" not called "== sbatch"

# --- the workers of a sweep: as many arrays as it takes, numbered through
echo 1 >job_requeue
echo 0 >srun_code
cat >sweep.yaml <<'YAML'
corpus: {path: c.h5}
sweep: {command: structure, metric: accuracy, method: grid, parameters: "structure.tile = 1, 2"}
slurm: {command: sweep, workers: 10, plan: no}
YAML
sweep() { # OUT ARGS...: what sbatch is called with, call after call
    rm -rf "$1" submissions
    "$UNBRAID" submit -c sweep.yaml --out "$@" >sweep.txt 2>sweep.err || fail "$*: $(cat sweep.err)"
    sed "s|$PWD/||" submissions | paste -s -d ';'
}
script_array() { # RUN
    sed -n 's/^#SBATCH --array=//p' "$1/slurm-job.sh"
}
same "one array, if it is large enough" "--parsable w/slurm-job.sh" "$(sweep w)"
same "with all workers" 1-10 "$(script_array w)"
expect "which is told" grep -qx '  workers     10 in 1 array' sweep.txt
echo 5 >max_array
echo 200 >next_job
three="--parsable w/slurm-job.sh;--parsable --array=1-4 w/slurm-job.sh 4;--parsable --array=1-2 w/slurm-job.sh 8"
same "ten workers, where an index is below five" "$three" "$(sweep w)"
same "the script's own array is the first" 1-4 "$(script_array w)"
same "it names the other calls" 'sbatch --array=1-4 slurm-job.sh 4;sbatch --array=1-2 slurm-job.sh 8;' \
    "$(sed -n 's/^#   \(sbatch\)/\1/p' w/slurm-job.sh | tr '\n' ';')"
expect "the jobs are told" grep -q '^jobs 201, 202, 203: unbraid sweep ' sweep.txt
expect "and the workers" grep -qx '  workers     10 in 3 arrays' sweep.txt
same "and logged" 'job=201 queued workers=1-4;job=202 queued workers=5-8;job=203 queued workers=9-10;' \
    "$(sed -n 's/^[^ ]* \(job=.*\)/\1/p' w/slurm-jobs.log | tr '\n' ';')"
same "every worker has a log" 10 "$(cat w/workers/*/slurm-jobs.log | grep -c ' submitted$')"
: >"$CALLS"
echo '202_[3-4]' >queue # but neither the first nor the last
refuses 2 "job 202 of $PWD/w is still in the queue; scancel --name=" submit -c sweep.yaml --out w
expect "nothing is submitted" not called "== sbatch"
: >queue
echo 300 >next_job
sweep w --json >/dev/null
same "JSON: the first job" 301 "$(json sweep.txt job)"
expect "JSON: all of them" grep -q '"jobs": \[301, 302, 303\], "workers": 10, ' sweep.txt
ranges() { # WORKERS AT_ONCE: --array of each
    sweep w --set "slurm.workers=$1" --set "slurm.workers_at_once=$2" | tr ';' '\n' >calls.txt
    { script_array w && sed -n 's/.*--array=\([^ ]*\) .*/\1/p' calls.txt; } | paste -s -d ' '
}
sed -i 's/MaxArraySize /SchedulerParameters = max_array_tasks=3,x=9\\nMaxArraySize /' fakes/scontrol
same "a site that allows fewer tasks than indices" "1-3 1-3 1-3 1-1" "$(ranges 10 0)"
sed -i 's/max_array_tasks=3,//' fakes/scontrol
for none in 0 1; do
    echo "$none" >max_array
    refuses 2 "no job arrays (MaxArraySize = $none)" submit -c sweep.yaml --out none
done
echo 5 >max_array

same "a limit is shared by size" "1-4%2 1-4%2 1-2%1" "$(ranges 10 5)"
expect "and told" grep -qx '  workers     10 in 3 arrays, 5 at once' sweep.txt
same "to the last worker" "1-4%3 1-4%4 1-2%2" "$(ranges 10 9)"
same "each array has one at least" "1-4%1 1-4%1 1-2%1" "$(ranges 10 3)"
same "however small" "1-4%1 1-4%1 1-1%1" "$(ranges 9 3)"
same "fewer at once than arrays: fewer arrays" "1-4%1 1-4%1" "$(ranges 10 2)"
expect "which is told" grep -q '^  workers     8 of 10 (by slurm.workers_at_once; .*) in 2 arrays, 2 at once$' sweep.txt
same "a limit that is none" "1-4 1-4 1-2" "$(ranges 10 10)"
same "of one array" "1-4%2" "$(ranges 4 2)"
echo 0 >job_requeue
same "successors heed no limit: no more workers than that" "1-4 1-2" "$(ranges 10 6)"

# sbatch refuses the second
echo 1 >job_requeue
echo 400 >next_job
echo 402 >refused_job
same "no third is tried" "1-4%3 1-4%4" "$(ranges 10 9)"
expect "and what there is, is told" \
    grep -q '^  workers     4 of 10 (sbatch refuses more; .*) in 1 array, 3 at once$' sweep.txt
expect "with the jobs" grep -q '^job 401: ' sweep.txt
echo 401 >refused_job
echo 400 >next_job
refuses 2 "sbatch refuses" submit -c sweep.yaml --out refused-sweep
rm refused_job

# a worker keeps its number
sweep w >/dev/null
argument=4
END_TIME=4000000000
task() { # RUN [VARIABLE=VALUE...]: task 3 of the second array, which is also job 55
    to=$1
    shift
    job "$to" SLURM_ARRAY_JOB_ID=55 SLURM_ARRAY_TASK_ID=3 "$@"
}
task w
expect "task 3 of the second array is worker 7" grep -q 'job=55 end code=0 why=done' w/workers/7/slurm-jobs.log
expect "and no other" not grep -q ' job=55 ' w/workers/3/slurm-jobs.log w/slurm-jobs.log
same "its own end is asked for, not the array's" "55_3 4000000000" \
    "$(grep -x '55.*' "$CALLS") $(cat srun_end)"
echo 75 >srun_code
task w
expect "it requeues itself" called requeue
expect "and not the array" not called 55
echo 0 >job_requeue
sweep w >/dev/null
rm submissions
task w SLURM_JOB_ID=56
same "its successor is told the same" \
    "--parsable --dependency=afterany:55_3 --array=3 w/slurm-job.sh 4" "$(sed "s|$PWD/||" submissions)"
task w SLURM_JOB_ID=57
same "and counts its tries" 2 "$(grep -c 'begin try=' w/workers/7/slurm-jobs.log)"
argument=
task w SLURM_JOB_ID=58
expect "without an argument it is the first array" grep -q 'job=58 begin try=1' w/workers/3/slurm-jobs.log
echo 1001 >max_array

# --- a plan: so much time and memory is asked for, and it lies in the run folder for the report
echo 1 >job_requeue
planned() { # ARGS...: the study with a plan
    "$UNBRAID" submit -c study.yaml --set slurm.plan=yes --set slurm.command=structure "$@"
}
asked() { # RUN OPTION: its value in the script
    sed -n "s/^#SBATCH --$2=//p" "$1/slurm-job.sh"
}
of_plan() { # KEY
    sed -n "s/^  $1: //p" planned/plan.yaml
}
planned --out planned --json >planned.json 2>planned.err || fail "submit with a plan: $(cat planned.err)"
same "what is asked for is told" "$(json planned.json time_min) $(json planned.json memory_mb)M" \
    "$(asked planned time) $(asked planned mem)"
same "time: ten minutes are plenty" 10 "$(asked planned time)"
same "memory: half as much again as planned, for three ranks" \
    "$(of_plan memory_mb_per_rank | awk '{ m = 1.5 * $1; print (m > int(m) ? int(m) + 1 : m) + 256 }')M" \
    "$(asked planned mem)"
same "the plan is for three ranks" 3 "$(of_plan ranks)"
same "and told" "$(of_plan seconds | cut -c 1-8)" "$(json planned.json planned_s | cut -c 1-8)"
cp planned/plan.yaml first.yaml
"$UNBRAID" structure -c study.yaml --out planned >/dev/null 2>&1
echo 'structure' >planned/STATE
planned --out planned --set slurm.nodes=2 >planned.txt 2>&1 || fail "to go on with a plan: $(cat planned.txt)"
expect "a run that has begun keeps its plan" cmp -s first.yaml planned/plan.yaml
expect "time and memory are told" grep -q '^  asks for  *10 min, [0-9]* MiB a node$' planned.txt
expect "and the plan" grep -q '^  planned  *[0-9.]* s to [0-9.]* s of work, .* node-hours, 1 job$' planned.txt
echo '}' >planned/plan.yaml
planned --out planned >planned.txt 2>planned.err || fail "a damaged plan: $(cat planned.err)"
expect "a damaged plan is none" grep -q 'plan-lost' planned.err
expect "and nothing is planned" not grep -q '^  planned' planned.txt
planned --out fixed --set slurm.time_min=5 --set slurm.memory_mb=77 >/dev/null 2>&1
same "no more than is allowed" "5 77M" "$(asked fixed time) $(asked fixed mem)"
planned --out slow --set farm.slow_ms=600000 --set slurm.time_min=40 >/dev/null 2>&1
same "a study of several jobs: all of time_min" 40 "$(asked slow time)"
"$UNBRAID" submit -c study.yaml --out none >/dev/null
[ ! -e none/plan.yaml ] || fail "slurm.plan: no makes a plan"
same "without a plan no memory is asked for" x"" x"$(asked none mem)"
same "nor another time" 60 "$(asked none time)"
echo damaged >c2.h5
refuses 2 'c2.h5' submit -c study.yaml --set slurm.plan=yes --set corpus.path=c2.h5 --out bad
[ ! -e bad ] || fail "a refused submission leaves a folder"

if on 2 submit -c study.yaml --out two >two.txt 2>&1; then
    fail "submit under mpirun"
fi
expect "under mpirun it says why not" grep -q 'one process' two.txt
finish
