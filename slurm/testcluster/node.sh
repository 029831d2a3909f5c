#!/bin/sh
# slurm/testcluster/node.sh kill|start N - the N-th node loses its power (kill -9 of slurmd, of the
# steps, of their ranks), or is switched on again, installed anew.
set -eu
. "$(cd "$(dirname "$0")" && pwd)/lib.sh"
node=$tag-n${2:?usage: node.sh kill|start N}
case $1 in
kill) kill_node "$node" ;;
start) # SLURM 22.05 leaves sockets of PMIx in its spool folder, on which a requeued step stumbles
    rm -rf "${cluster:?}/$node"
    mkdir -p "$cluster/$node/spool" "$cluster/$node/tmp"
    start_node "$node"
    ;;
*)
    echo "usage: node.sh kill|start N" >&2
    exit 2
    ;;
esac
