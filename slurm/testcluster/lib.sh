# slurm/testcluster/lib.sh - where the test cluster lives; sourced by the other scripts here.
# shellcheck shell=sh disable=SC2034 # for those who source this
#
# A real SLURM cluster on one machine: a controller and some nodes, each in a network namespace of
# its own (a host that Open MPI, too, takes for another), joined by a bridge.  Its own munged,
# configuration and folders: a SLURM that the machine may have is not touched.
#
#   UB_CLUSTER            folder of its state (default /var/tmp/unbraid-cluster); clusters with
#                         different folders do not meet
#   UB_CLUSTER_NODES      number of nodes (default 2)
#   UB_CLUSTER_MAX_ARRAY  MaxArraySize (default 1001)
#   UB_CLUSTER_ACCOUNTING yes: with slurmdbd (default no)

default=/var/tmp/unbraid-cluster
cluster=${UB_CLUSTER:-$default}
nodes=${UB_CLUSTER_NODES:-2}
accounting=${UB_CLUSTER_ACCOUNTING:-no}
[ ! -e "$cluster/nodes" ] || nodes=$(cat "$cluster/nodes")
# Names of hosts and namespaces begin with a tag of the folder: files in /tmp and /dev/shm bear host
# names, which must not be those of another cluster.
tag=ub
if [ "$cluster" != "$default" ]; then
    tag=$(printf '%s' "$cluster" | cksum | awk '{ printf "ub%04x", $1 % 65536 }')
fi
control=$tag-ctl
subnet=10.213.77 # between these namespaces only, so that all clusters may have the same

# Names of the nodes, one a word.
node_names() {
    i=1
    while [ "$i" -le "$nodes" ]; do
        printf '%s-n%s ' "$tag" "$i"
        i=$((i + 1))
    done
}

# in_node NODE COMMAND...: in its network, with its host name and the cluster's hosts file.
in_node() {
    where=$1
    shift
    # shellcheck disable=SC2016 # for the inner shell
    nsenter "--net=/run/netns/$where" unshare -m -u sh -c '
        hostname "$1"
        mount --make-rprivate /
        mount --bind "$2/hosts" /etc/hosts
        shift 2
        exec "$@"' sh "$where" "$cluster" "$@"
}

# When a process was started, in clock ticks since boot; nothing if there is none.
born() {
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

# start NAME COMMAND...: in the background, written down for down.sh.
start() {
    name=$1
    shift
    "$@" >>"$cluster/log/$name.out" 2>&1 </dev/null &
    echo "$! $(born $!) $name" >>"$cluster/pids"
}

start_node() {
    start "$1" in_node "$1" slurmd -D -N "$1" -f "$cluster/slurm.conf"
}

# Every process in the network of a node: slurmd, slurmstepd, the ranks.
kill_node() {
    for pid in $(ip netns pids "$1" 2>/dev/null || true); do
        kill -9 "$pid" 2>/dev/null || true
    done
}

# ours: the processes that `start` wrote down and that are still the same, one a line.
ours() {
    [ -e "$cluster/pids" ] || return 0
    while read -r pid when _; do
        [ "$(born "$pid")" != "$when" ] || echo "$pid"
    done <"$cluster/pids"
}

# Why there can be no cluster here; says nothing if there can.
cluster_obstacle() {
    tools="slurmctld slurmd srun sbatch munged mungekey ip nsenter unshare"
    packages="slurm-wlm munge iproute2 util-linux"
    if [ "$accounting" = yes ]; then
        tools="$tools slurmdbd mariadbd"
        packages="$packages slurmdbd mariadb-server-core"
    fi
    for tool in $tools; do
        if ! command -v "$tool" >/dev/null 2>&1; then
            echo "$tool is missing (Debian: $packages)"
            return
        fi
    done
    if [ "$(id -u)" -ne 0 ]; then
        echo "only root may make network namespaces here"
    elif ! unshare -n -m -u true 2>/dev/null; then
        echo "this machine does not permit namespaces"
    elif ! ip netns add "$tag-try" 2>/dev/null; then
        echo "this machine does not permit named network namespaces"
    else
        ip netns delete "$tag-try"
    fi
}
