# slurm/testcluster/lib.sh - where the test cluster lives; sourced by up.sh, down.sh, run.sh.
#
# A real SLURM cluster on one machine: a controller and some nodes, each in a network namespace of
# its own (a host that Open MPI, too, takes for another), joined by a bridge.  Its own munged,
# configuration and folders: a SLURM that the machine may have is not touched.
#
#   UB_CLUSTER        folder of its state (default /var/tmp/unbraid-cluster)
#   UB_CLUSTER_NODES  number of nodes (default 2)

cluster=${UB_CLUSTER:-/var/tmp/unbraid-cluster}
nodes=${UB_CLUSTER_NODES:-2}
control=ub-ctl
subnet=10.213.77

# Names of the nodes, one a word.
node_names() {
    i=1
    while [ "$i" -le "$nodes" ]; do
        printf 'ub-n%s ' "$i"
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

# Why there can be no cluster here; says nothing if there can.
cluster_obstacle() {
    for tool in slurmctld slurmd srun sbatch munged mungekey ip nsenter unshare; do
        if ! command -v "$tool" >/dev/null 2>&1; then
            echo "$tool is missing (Debian: slurm-wlm munge iproute2 util-linux)"
            return
        fi
    done
    if [ "$(id -u)" -ne 0 ]; then
        echo "only root may make network namespaces here"
    elif ! unshare -n -m -u true 2>/dev/null; then
        echo "this machine does not permit namespaces"
    fi
}
