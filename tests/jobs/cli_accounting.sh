#!/bin/sh
# What status, submit and a job make of SLURM's accounting, from a sacct on PATH that says what it is told
# to, nothing, or nothing in time.  On a real cluster: slurm/testcluster/tests/accounting.sh.
. "$(dirname "$0")/lib.sh"
alone "$WORK/tmp"

fake sacct <<SH
echo "\$*" >>'$WORK/asked'
. '$WORK/sacct'
SH
fake sbatch <<'SH'
echo 77
SH
for name in squeue scontrol scancel; do fake "$name" </dev/null; done
fake srun <<'SH'
exit 1
SH
PATH=$PWD/fakes:$PATH
says() { # LINE...: sacct's answer
    printf 'cat <<"END"\n' >sacct
    printf '%s\n' "$@" END >>sacct
}

"$UNBRAID" synth --set synth.samples=200 --set synth.steps=8 --set synth.tasks=2 --out c.h5 >/dev/null
printf 'corpus: {path: c.h5}\nrun: {stop_after_s: 0.1}\nfarm: {slow_ms: 200}\n' >study.yaml
stopped() { # RUN: a run that was stopped, in a folder of this name
    "$UNBRAID" run -c study.yaml --out "$1" >/dev/null 2>&1 || [ $? -eq 75 ] || fail "run $1"
}
stopped run
echo 'echo sacct: ran >&2; exit 1' >sacct
words() { # of status, without what the clock changes
    "$UNBRAID" status run | grep -v '^  saved '
}
words >without.txt
"$UNBRAID" status run --json >without.json
[ ! -e asked ] || fail "sacct was asked about a run without jobs"
grep -q '"accounting": null}$' without.json || fail "JSON without accounting: $(cat without.json)"

# --- what cannot be known, and costs nothing
echo '2026-01-01T00:00:00Z job=12 begin try=1 restart=0 nodes=n1 ends=1' >run/slurm-jobs.log
name=$("$UNBRAID" submit -c study.yaml --out run --dry-run |
    sed -n 's/^#SBATCH --job-name="\(.*\)"$/\1/p')
mb="billing=4,cpu=4,mem=8G,node=2"
unknown() { # WHAT
    before=$(date +%s)
    words >status.txt
    if cmp -s without.txt status.txt; then
        echo "ok: $1: as without"
    else
        fail "$1: $(cat status.txt)"
    fi
    at_most "an answer (s)" $(($(date +%s) - before)) 10
}
echo 'echo "Slurm accounting storage is disabled" >&2; exit 1' >sacct
unknown "accounting is disabled"
"$UNBRAID" status run --json | grep -q '"accounting": null}$' || fail "disabled, as JSON"
grep -q -- "-j 12$" asked || fail "sacct was not asked about job 12: $(cat asked)"
echo 'exec sleep 100' >sacct
unknown "no answer"
echo "trap '' TERM; while :; do sleep 100; done" >sacct
unknown "nor an end"
says ""
unknown "nothing of this job"
says "12|12|unbraid-other-00000000|FAILED|1:0|603|2|$mb|"
unknown "a job of another folder"
says "12|12|$name|FAILED|1:0" "|||||||||" "sacct: error: x" "12|12|$name|FAILED|1:0|603|2|$mb||more" \
    "12|x|$name|FAILED|1:0|603|2|$mb|" "12|12|$name|123|1:0|603|2|$mb|" "12.0|12.0|y|FAILED|||||9G" \
    "12_[9-|12|$name|PENDING|0:0||||" "12_[999999999-|12|$name|PENDING|0:0||||" \
    "12_-1|12|$name|PENDING|0:0||||" "12|11|$name|FAILED|1:0|603|2|$mb|"
head -c 3000 /dev/urandom >noise
echo "cat '$WORK/noise'" >>sacct
unknown "garbage"
mv fakes/sacct hidden
mkdir bare # a PATH without sacct, whatever this machine has
for tool in timeout sh; do ln -s "$(command -v "$tool")" "bare/$tool"; done
case $(env "PATH=$PWD/bare" "$UNBRAID" status run --json) in
*'"accounting": null}') echo "ok: there is no sacct" ;;
*) fail "no sacct, and accounting" ;;
esac
mv hidden fakes/sacct

# --- states
told() { # STATE EXPECTED [CODE] [RESIDENT]
    says "12|12|$name|$1|${3:-0:0}|603|2|$mb|" "12.batch|12.batch|batch|$1|${3:-0:0}|603|1||12M" \
        "12.0|12.0|unbraid|$1|${3:-0:0}|600|2||${4:-1288490189}"
    same "$1" "  accounting  job 12: $2" "$("$UNBRAID" status run | grep '^  accounting')"
}
memory=", largest task 1.2 GiB of the node's 4.0 GiB"
took="after 10 min 03 s"
told COMPLETED "COMPLETED $took$memory"
told FAILED "FAILED with exit code 1 $took$memory" 1:0
told FAILED "FAILED with exit code 75 $took$memory; stopped in time" 75:0
told FAILED "FAILED with exit code 9 $took, largest task 5.0 GiB of the node's 4.0 GiB; raise slurm.memory_mb or lower slurm.tasks_per_node" 9:0 5G
told "CANCELLED by 1000" "CANCELLED $took$memory" 0:15
told OUT_OF_MEMORY "OUT_OF_MEMORY $took, largest task 400 MiB of the node's 4.0 GiB; raise slurm.memory_mb or lower slurm.tasks_per_node" 0:125 409600K
told TIMEOUT "TIMEOUT $took$memory; it could not stop in time: set a longer slurm.lead_s"
told NODE_FAIL "NODE_FAIL $took$memory; a node failed, not the study"
told PREEMPTED "PREEMPTED $took$memory; a job of higher priority took its nodes"
says "12|12|$name|PENDING|0:0|0|2|$mb|"
same "PENDING" "  accounting  job 12: PENDING" "$("$UNBRAID" status run | grep '^  accounting')"
says "12|12|$name|RUNNING|0:0|603|2||"
same "RUNNING" "  accounting  job 12: RUNNING for 10 min 03 s" "$("$UNBRAID" status run | grep '^  accounting')"
says "12|12|$name|FAILED|1:0|603|2||" "12.0|12.0|unbraid|OUT_OF_MEMORY|0:125|600|2||"
same "memory ran out in a step" \
    "  accounting  job 12: OUT_OF_MEMORY with exit code 1 $took; raise slurm.memory_mb or lower slurm.tasks_per_node" \
    "$("$UNBRAID" status run | grep '^  accounting')"
told OUT_OF_MEMORY "OUT_OF_MEMORY $took$memory; raise slurm.memory_mb or lower slurm.tasks_per_node" 0:125
"$UNBRAID" status run --json >status.json
grep -qF '"accounting": {"job": 12, "tasks": {"OUT_OF_MEMORY": 1}, "exit_code": 0, "signal": 125, "elapsed_s": 603, "nodes": 2, "task_bytes": 1288490189, "node_bytes": 4294967296}}' \
    status.json || fail "JSON: $(cat status.json)"

# --- submit goes on
"$UNBRAID" submit -c study.yaml --out run --dry-run >/dev/null
"$UNBRAID" submit -c study.yaml --out run >submit.txt
same "submit tells how the job before ended" "  before      job 12: OUT_OF_MEMORY $took$memory; raise slurm.memory_mb or lower slurm.tasks_per_node" \
    "$(grep '^  before' submit.txt)"
"$UNBRAID" submit -c study.yaml --out run --json >submit.json
grep -qF '"last": null}' submit.json || fail "what sacct said of job 12 is told of job 77: $(cat submit.json)"
says "77|77|$name|NODE_FAIL|0:0|9|1||"
"$UNBRAID" submit -c study.yaml --out run --json >submit.json
grep -qF '"last": {"job": 77, "tasks": {"NODE_FAIL": 1}, ' submit.json || fail "submit --json: $(cat submit.json)"
"$UNBRAID" submit -c study.yaml --out new >submit.txt
! grep -q '^  before' submit.txt || fail "a first submission tells of a job before"

# --- a job whose last try could not say what happened
becomes() { # REASON, where sacct says what it was told to
    printf '%s\n' '2026-01-01T00:00:00Z unbraid submitted' \
        "2026-01-01T00:00:00Z job=54 begin try=1 restart=0 nodes=n1 ends=${2:-0}" >run/slurm-jobs.log
    env SLURM_JOB_ID=55 SLURM_JOB_NODELIST=n1 "SLURM_JOB_NAME=$name" sh -eu run/slurm-job.sh >/dev/null 2>&1 || true
    same "a try that cannot say so: $1" "$1" \
        "$(sed -n 's/.*end code=none why=\([^ ]*\) try-of=54$/\1/p' run/slurm-jobs.log)"
}
for state in OUT_OF_MEMORY=out-of-memory NODE_FAIL=node-failure BOOT_FAIL=node-failure \
    TIMEOUT=time-limit PREEMPTED=preempted "CANCELLED by 7=cancelled" FAILED=lost COMPLETED=lost; do
    says "53|$name|COMPLETED" "53.0|unbraid|OUT_OF_MEMORY" "54|$name|${state%=*}" "54.batch|batch|FAILED" \
        "56|$name|DEADLINE" "56.0|unbraid|OUT_OF_MEMORY" # other tasks of an array
    becomes "${state#*=}"
done
says "54|$name|FAILED" "54.0|unbraid|OUT_OF_MEMORY"
becomes out-of-memory
says "54|unbraid-other-00000000|CANCELLED" "54.0|unbraid|OUT_OF_MEMORY"
becomes lost
says "54|$name|CANCELLED by 7"
becomes cancelled 1
says ""
becomes time-limit 1
echo 'echo "Slurm accounting storage is disabled" >&2; exit 1' >sacct
becomes lost
echo "exec sleep 100" >sacct
becomes lost

# --- arrays: tasks by state
cat >sweep.yaml <<YAML
corpus: {path: c.h5}
sweep: {command: structure, method: grid, metric: accuracy, parameters: "structure.tile = 1, 2"}
slurm: {command: sweep, workers: 6}
YAML
"$UNBRAID" sweep -c sweep.yaml --out array >/dev/null 2>&1 || fail "sweep"
"$UNBRAID" submit -c sweep.yaml --out array >/dev/null
sweep=$("$UNBRAID" submit -c sweep.yaml --out array --dry-run |
    sed -n 's/^#SBATCH --job-name="\(.*\)"$/\1/p')
row() { # ID RAW STATE
    echo "$1|$2|$sweep|$3|0:0|10|1|mem=4G,node=1|"
}
says "$(row 77_1 78 COMPLETED)" "77_1.0|78.0|unbraid|COMPLETED|0:0|10|1||1G" \
    "$(row 77_2 79 RUNNING)" "$(row '77_[2-4,6%2]' 77 PENDING)" "$(row 77_5 80 'CANCELLED by 0')" "$(row 77_5 70 FAILED)"
same "tasks by state" "  accounting  job 77: 1 COMPLETED, 1 RUNNING, 3 PENDING, 1 CANCELLED, largest task 1.0 GiB of the node's 4.0 GiB" \
    "$("$UNBRAID" status array | grep '^  accounting')"
"$UNBRAID" status array --json >status.json
grep -qF '"accounting": {"job": 77, "tasks": {"COMPLETED": 1, "RUNNING": 1, "PENDING": 3, "CANCELLED": 1}, "task_bytes"' \
    status.json || fail "JSON of an array: $(cat status.json)"
# In a chain, a worker's successor is a job of its own.
echo '2026-01-01T00:00:00Z job=91 begin try=2 restart=0 nodes=n1 ends=1' >>array/workers/2/slurm-jobs.log
says "$(row 77_1 78 COMPLETED)" "$(row 77_2 79 FAILED)" "$(row 90_2 91 RUNNING)"
same "and of their successors" "  accounting  job 77: 1 COMPLETED, 1 RUNNING" "$("$UNBRAID" status array | grep '^  accounting')"
tail -n 1 asked | grep -q -- '-j 77,91$' || fail "the successor was not asked about: $(tail -n 1 asked)"

# Several arrays: task 1 of the second is another worker than task 1 of the first, and task 2 of a chain's
# successor the one whose log names its job.
printf '%s\n' '2026-01-02T00:00:00Z unbraid submitted' '2026-01-02T00:00:00Z job=201 queued workers=1-2' \
    '2026-01-02T00:00:00Z job=202 queued workers=3-4' '2026-01-02T00:00:00Z job=203 queued workers=5-6' \
    '2026-01-02T00:00:01Z unbraid submitted' >>array/slurm-jobs.log # refused
echo '2026-01-02T00:00:00Z job=210 begin try=2 restart=0 nodes=n1 ends=1' >>array/workers/4/slurm-jobs.log
says "$(row 201_1 204 COMPLETED)" "$(row 201_2 201 RUNNING)" "$(row 202_1 205 FAILED)" "$(row 202_2 202 FAILED)" \
    "$(row 210_2 210 RUNNING)" "$(row '203_[1-2%1]' 203 PENDING)" "$(row 77_6 80 FAILED)"
same "several arrays" "  accounting  job 201 and 2 more: 1 COMPLETED, 2 RUNNING, 1 FAILED, 2 PENDING" \
    "$("$UNBRAID" status array | grep '^  accounting')"
tail -n 1 asked | grep -q -- '-j 201,202,203,210$' || fail "not all were asked about: $(tail -n 1 asked)"
finish
