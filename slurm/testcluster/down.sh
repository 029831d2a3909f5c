#!/bin/sh
# slurm/testcluster/down.sh - stop what up.sh started, with the jobs on it, and remove its folder,
# namespaces and what its ranks left in /tmp and /dev/shm.  Fine if there is none.
set -eu
. "$(cd "$(dirname "$0")" && pwd)/lib.sh"

if [ -e "$cluster" ] && [ ! -e "$cluster/pids" ]; then
    echo "$cluster is no test cluster: it stays" >&2
    exit 2
fi
for pid in $(ours); do
    kill "$pid" 2>/dev/null || true
done
# slurmd, slurmstepd and the ranks: what runs in the namespaces belongs to the cluster.
for space in $(node_names) "$control"; do
    kill_node "$space"
    ip netns delete "$space" 2>/dev/null || true
    rm -rf "/tmp/ompi.$space."* "/dev/shm/vader_segment.$space."*
done
tries=0
while [ -n "$(ours)" ] && [ "$tries" -lt 50 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
for pid in $(ours); do
    kill -9 "$pid" 2>/dev/null || true
done
rm -rf "$cluster"
