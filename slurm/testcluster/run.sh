#!/bin/sh
# slurm/testcluster/run.sh COMMAND... - a command (srun, sbatch, squeue, a script) as if on the
# login node of the test cluster.
set -eu
. "$(cd "$(dirname "$0")" && pwd)/lib.sh"
SLURM_CONF=$cluster/slurm.conf
export SLURM_CONF
in_node "$control" "$@"
