#!/bin/sh
# slurm/testcluster/up.sh - start the test cluster and wait until its nodes are idle.  Exit code 77
# and a reason where that is not possible.  Then: run.sh COMMAND..., down.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

why=$(cluster_obstacle)
if [ -n "$why" ]; then
    echo "no test cluster: $why" >&2
    exit 77
fi
if [ -n "$(ours)" ]; then
    echo "the test cluster is up already ($cluster); $here/down.sh stops it" >&2
    exit 2
elif [ -e "$cluster/pids" ]; then # of a cluster that died with the machine
    sh "$here/down.sh"
elif [ -e "$cluster" ]; then
    echo "$cluster exists and is no test cluster; set UB_CLUSTER to a folder of its own" >&2
    exit 2
fi
mkdir -p "$cluster/state" "$cluster/log" "$cluster/munge"
chmod 755 "$cluster"
: >"$cluster/pids"
echo "$nodes" >"$cluster/nodes"
give_up() {
    code=$?
    [ "$code" -eq 0 ] || sh "$here/down.sh"
    exit "$code"
}
trap give_up EXIT
trap 'exit 130' INT TERM

# wait_for COMMAND...: minutes at most.
wait_for() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ]; then
            echo "the cluster does not come up; the last lines of its logs:" >&2
            tail -n 5 "$cluster"/log/* >&2
            exit 1
        fi
        sleep 0.2
    done
}

# The network: a bridge in the controller's namespace, a pair of devices to each node.
ip netns add "$control"
ip -n "$control" link set lo up
ip -n "$control" link add ub-br type bridge
ip -n "$control" addr add "$subnet.1/24" dev ub-br
ip -n "$control" link set ub-br up
printf '127.0.0.1 localhost\n%s.1 %s\n' "$subnet" "$control" >"$cluster/hosts"
at=10
for node in $(node_names); do
    at=$((at + 1))
    ip netns add "$node"
    ip -n "$node" link set lo up
    ip -n "$control" link add "v$at" type veth peer name eth0 netns "$node"
    ip -n "$control" link set "v$at" master ub-br up
    ip -n "$node" addr add "$subnet.$at/24" dev eth0
    ip -n "$node" link set eth0 up
    printf '%s.%s %s\n' "$subnet" "$at" "$node" >>"$cluster/hosts"
    mkdir -p "$cluster/$node/spool" "$cluster/$node/tmp"
done

# start_accounting: slurmdbd on a MariaDB of its own, a folder and a socket here that no network
# reaches.  Memory is then given to jobs, and taken: who holds more than it asked for is killed.
start_accounting() {
    mkdir -p "$cluster/db/mysql"
    set -- mariadbd --no-defaults --user=root "--datadir=$cluster/db" "--socket=$cluster/db.socket" \
        "--pid-file=$cluster/db.pid" --skip-networking --skip-grant-tables \
        --innodb-log-file-size=4M --innodb-buffer-pool-size=16M --innodb-flush-method=nosync
    # mariadb-install-db is no more than this, and wants further packages
    { echo 'use mysql;' && cat /usr/share/mysql/mysql_system_tables.sql; } |
        "$@" --bootstrap >>"$cluster/log/mariadbd.out" 2>&1
    start mariadbd "$@"
    wait_for test -S "$cluster/db.socket"
    (
        umask 077 # slurmdbd insists
        cat >"$cluster/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$cluster/munge/socket
DbdHost=$control
DbdPort=16819
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=accounting
LogFile=$cluster/log/slurmdbd.log
PidFile=$cluster/slurmdbd.pid
CONF
    )
    cat >>"$cluster/slurm.conf" <<CONF
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=$control
AccountingStoragePort=16819
AccountingStoragePass=$cluster/munge/socket
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
CONF
    start slurmdbd in_node "$control" env "SLURM_CONF=$cluster/slurm.conf" \
        "MYSQL_UNIX_PORT=$cluster/db.socket" slurmdbd -D
    # slurmctld ends at once where slurmdbd does not answer its first question
    wait_for sh "$here/run.sh" sacctmgr -n show cluster
}

# munged wants its folders writable by itself only
mungekey --create --keyfile "$cluster/munge.key"
start munged munged --foreground --force --num-threads=2 --key-file="$cluster/munge.key" \
    --socket="$cluster/munge/socket" --pid-file="$cluster/munge/pid" \
    --log-file="$cluster/munge/log" --seed-file="$cluster/munge/seed"

resources=CR_Core
[ "$accounting" = no ] || resources=CR_Core_Memory
cat >"$cluster/slurm.conf" <<CONF
ClusterName=unbraid-test
SlurmctldHost=$control($subnet.1)
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$cluster/munge/socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$cluster/state
SlurmctldPidFile=$cluster/slurmctld.pid
SlurmctldLogFile=$cluster/log/slurmctld.log
SlurmdSpoolDir=$cluster/%n/spool
SlurmdPidFile=$cluster/%n/slurmd.pid
SlurmdLogFile=$cluster/log/slurmd.%n.log
TmpFS=$cluster/%n/tmp
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=$resources
MpiDefault=pmix
SwitchType=switch/none
ReturnToService=2
JobRequeue=1
KillWait=5
SlurmdTimeout=30
MaxArraySize=${UB_CLUSTER_MAX_ARRAY:-1001}
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2
SlurmdParameters=config_overrides
NodeName=$tag-n[1-$nodes] CPUs=4 RealMemory=4096 State=UNKNOWN
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=all Nodes=ALL Default=YES MaxTime=60 DefaultTime=10 PriorityTier=2 State=UP
PartitionName=idle Nodes=ALL MaxTime=60 DefaultTime=10 PriorityTier=1 State=UP
PartitionName=scrap Nodes=ALL MaxTime=60 DefaultTime=10 PriorityTier=1 PreemptMode=CANCEL State=UP
CONF
[ "$accounting" = no ] || start_accounting

start slurmctld in_node "$control" slurmctld -D -f "$cluster/slurm.conf"
for node in $(node_names); do
    start_node "$node"
done

idle() {
    [ "$(sh "$here/run.sh" sinfo -h -o %T)" = idle ]
}
wait_for idle
echo "cluster of $nodes nodes is up: sh $here/run.sh srun -N$nodes hostname"
