#!/bin/sh
# slurm/testcluster/run.sh COMMAND... - a command (srun, sbatch, squeue, a script) as if on the
# login node of the test cluster.
set -eu
. "$(cd "$(dirname "$0")" && pwd)/lib.sh"
if [ ! -e "$cluster/slurm.conf" ]; then
    echo "no test cluster in $cluster; up.sh starts one" >&2
    exit 2
fi
SLURM_CONF=$cluster/slurm.conf
export SLURM_CONF
in_node "$control" "$@"
