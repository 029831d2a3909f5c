#!/bin/sh
# slurm/testcluster/down.sh - stop what up.sh started, and remove its folder and namespaces.
set -eu
. "$(cd "$(dirname "$0")" && pwd)/lib.sh"

# Jobs first: their processes are children of slurmstepd, not of slurmd.
if [ -e "$cluster/slurm.conf" ]; then
    sh "$(dirname "$0")/run.sh" timeout 10 scancel --full -u root >/dev/null 2>&1 || true
fi
if [ -e "$cluster/pids" ]; then
    while read -r pid _; do
        kill "$pid" 2>/dev/null || true
    done <"$cluster/pids"
fi
# What still runs in the namespaces belongs to the cluster.
for space in $control $(node_names); do
    for pid in $(ip netns pids "$space" 2>/dev/null || true); do
        kill -9 "$pid" 2>/dev/null || true
    done
    ip netns delete "$space" 2>/dev/null || true
done
rm -rf "$cluster"
