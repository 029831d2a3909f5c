#!/bin/sh
# bench/saving.sh PROGRAM [PAIRS [RANKS]] - what saving costs: pairs of a run of both stages as it is by
# default and one that saves only what it cannot do without (no status file, no flush of the journal, one
# checkpoint at the end), the first of a pair changing from pair to pair.  A line for each pair; then
# medians over the pairs: wall and CPU seconds of the run without, what saving adds to them in percent,
# and what part of its wall time the program itself measured around flushes of the journal, checkpoints,
# and status files (those by a thread of their own, for which nobody waits; its CPU time comes last);
# inside_percent is the sum of the three.
set -eu
unbraid=$(realpath "${1:?usage: saving.sh PROGRAM [PAIRS [RANKS]]}")
pairs=${2:-5}
ranks=${3:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export OPENBLAS_NUM_THREADS=1
launch=
[ "$ranks" -eq 1 ] || launch="mpirun --oversubscribe --mca mpi_yield_when_idle 1 -n $ranks"

"$unbraid" synth --set synth.samples=2000 --set synth.steps=24 --set synth.tasks=3 --out c.h5 >/dev/null
study="run --set corpus.path=c.h5 --set structure.test=rcot --set structure.tile=1 --set farm.policy=fac2
       --set disentangle.steps=all --set disentangle.latents=6 --set disentangle.epochs=6
       --set disentangle.restarts=1 --set run.log_level=debug"

# one with|without: "WALL CPU JOURNAL CHECKPOINTS STATUS STATUS-CPU", seconds of a run.
one() {
    less=
    [ "$1" = with ] || less="--set run.status_s=0 --set farm.journal_sync_s=3600
        --set disentangle.checkpoint_steps=1000000000000"
    rm -rf run
    # shellcheck disable=SC2086 # words
    sh -c 'start=$(date +%s.%N); "$@" >/dev/null 2>log.txt; times; date +%s.%N; echo "$start"' \
        sh $launch "$unbraid" $study $less --out run >times.txt
    sed 1d times.txt | tr '\n' ' ' | awk '
        function seconds(t) { split(t, p, "m"); return 60 * p[1] + p[2] }
        { printf "%.3f %.3f ", $3 - $4, seconds($1) + seconds($2) }'
    for measured in journal-flushes:seconds checkpoint:seconds status:seconds status:cpu_s; do
        sed -n "s/.* debug [0-9]* ${measured%:*} .*${measured#*:}=\([0-9.]*\).*/\1/p" log.txt |
            awk '{ s += $1 } END { printf "%.6f ", s }'
    done
}

pair=0
while [ "$pair" -lt "$pairs" ]; do
    pair=$((pair + 1))
    if [ $((pair % 2)) -eq 0 ]; then
        without=$(one without)
        with=$(one with)
    else
        with=$(one with)
        without=$(one without)
    fi
    echo "$with $without"
done | tee -a /dev/stderr | awk '
    function median(a, n,   i, j, t) {
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && a[j - 1] > a[j]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
        return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
    }
    { wall[NR] = $7; cpu[NR] = $8
      dwall[NR] = 100 * ($1 - $7) / $7; dcpu[NR] = 100 * ($2 - $8) / $8
      journal[NR] = 100 * $3 / $1; checkpoint[NR] = 100 * $4 / $1; status[NR] = 100 * $5 / $1
      thread[NR] = 100 * $6 / $1; inside[NR] = 100 * ($3 + $4 + $5) / $1 }
    END { printf "pairs=%d wall_s=%.2f cpu_s=%.2f wall_percent=%.2f cpu_percent=%.2f ", NR,
              median(wall, NR), median(cpu, NR), median(dwall, NR), median(dcpu, NR)
          printf "journal_percent=%.3f checkpoint_percent=%.3f status_percent=%.4f ",
              median(journal, NR), median(checkpoint, NR), median(status, NR)
          printf "inside_percent=%.3f status_cpu_percent=%.4f\n", median(inside, NR),
              median(thread, NR) }'
