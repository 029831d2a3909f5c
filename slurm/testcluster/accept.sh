#!/bin/sh
# slurm/testcluster/accept.sh [quick] [NAME...] - start a cluster of its own, run the acceptance tests
# tests/*.sh (quick: without those that call themselves slow; or those named), stop it.  Ends with
# 'N passed, N failed', and before that those that were skipped, and why.  Exit code 77 and the reason
# where there can be no cluster, or where all were skipped.
#
#   UNBRAID  the program (default build/release/unbraid)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
quick=no
if [ "${1:-}" = quick ]; then
    quick=yes
    shift
fi
program=${UNBRAID:-$here/../../build/release/unbraid}
if [ ! -x "$program" ]; then
    echo "$program is not there: build it, or set UNBRAID" >&2
    exit 2
fi
UNBRAID=$(cd "$(dirname "$program")" && pwd)/${program##*/}
UB_CLUSTER=$(mktemp -d /var/tmp/unbraid-accept.XXXXXX)
rmdir "$UB_CLUSTER"
STUDY=$UB_CLUSTER/study
UB_CLUSTER_ACCOUNTING=no # all but one test show that it works without
export UNBRAID UB_CLUSTER STUDY UB_CLUSTER_ACCOUNTING
# Ranks as root, more of them than there are cores.
OMPI_ALLOW_RUN_AS_ROOT=1
OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
OMPI_MCA_mpi_yield_when_idle=1
OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM OMPI_MCA_mpi_yield_when_idle
export OMPI_MCA_rmaps_base_oversubscribe

stop() {
    code=$?
    sh "$here/down.sh"
    exit "$code"
}
sh "$here/up.sh"
trap stop EXIT
trap 'exit 130' INT TERM

# The study that is disturbed, and what it gives when nobody disturbs it.
mkdir "$STUDY"
"$UNBRAID" synth --set synth.samples=800 --set synth.steps=40 --set synth.tasks=3 \
    --out "$STUDY/corpus.h5" >/dev/null
cat >"$STUDY/study.yaml" <<YAML
corpus: {path: $STUDY/corpus.h5}
structure: {tile: 2}
disentangle: {steps: all, epochs: 20, restarts: 2, latents: 3, batch: 320, hidden: 16, checkpoint_steps: 20}
farm: {slow_ms: 800}
slurm: {nodes: 2, tasks_per_node: 2, time_min: 10, lead_s: 10, plan: no}
YAML
"$UNBRAID" run -c "$STUDY/study.yaml" --set farm.slow_ms=0 --out "$STUDY/whole" >/dev/null 2>&1
"$UNBRAID" fsck "$STUDY/whole" --json | sed -n 's/.*"sha256": "\([0-9a-f]*\)".*/\1/p' >"$STUDY/digest"

passed=0
failed=0
skipped=""
for test in "$here"/tests/*.sh; do
    name=$(basename "$test" .sh)
    case " $* " in
    "  ") [ "$quick" = no ] || ! grep -q '^# slow' "$test" || continue ;;
    *" $name "*) ;;
    *) continue ;;
    esac
    [ "$name" != lib ] || continue
    WORK=$UB_CLUSTER/work/$name
    export WORK
    mkdir -p "$WORK"
    echo "== $name"
    before=$(date +%s)
    code=0
    (cd "$WORK" && timeout 3600 sh "$test") || code=$?
    took=$(($(date +%s) - before))
    case $code in
    0)
        passed=$((passed + 1))
        echo "== $name passed in $took s"
        ;;
    77)
        skipped="${skipped}skipped $name: $(cat "$WORK/skipped")
"
        echo "== $name skipped"
        ;;
    *)
        failed=$((failed + 1))
        echo "== $name FAILED after $took s"
        ;;
    esac
    sh "$here/run.sh" scancel -u root || true
done
printf '%s' "$skipped"
echo "$passed passed, $failed failed"
[ "$passed" -gt 0 ] || [ "$failed" -gt 0 ] || [ -z "$skipped" ] || exit 77
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
