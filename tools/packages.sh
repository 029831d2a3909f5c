# tools/packages.sh - sourced: install what is missing on Debian 12, as root or with sudo.
# shellcheck shell=sh disable=SC2034 # the lists are for those who source this

# What building and running needs, what testing needs on top, and the tests on a SLURM cluster.
UB_BUILD_PACKAGES="gcc libc6-dev make cmake pkg-config openmpi-bin libopenmpi-dev
  libhdf5-openmpi-dev libscalapack-openmpi-dev libopenblas-dev libyaml-dev libzip-dev zlib1g-dev
  libpng-dev"
UB_TEST_PACKAGES="libcunit1-dev python3 cppcheck clang-tidy clang-format
  shellcheck libxml2-utils valgrind"
UB_CLUSTER_PACKAGES="slurm-wlm munge iproute2 slurmdbd mariadb-server-core"

say() {
    printf '\n==> %s\n' "$*"
}

# need PACKAGE...: apt-get install those that are not there yet.
need() {
    missing=""
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $package"
    done
    if [ -z "$missing" ]; then
        return 0
    fi
    say "installing$missing"
    sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 || {
            echo "these packages are missing and only root may install them:$missing" >&2
            exit 1
        }
        sudo=sudo
    fi
    $sudo apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing \
        >/dev/null
}

# MPI on one machine: as root, with more ranks than cores, without a remote shell.
mpi_on_one_machine() {
    OMPI_ALLOW_RUN_AS_ROOT=1
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    OMPI_MCA_rmaps_base_oversubscribe=1
    OMPI_MCA_mpi_yield_when_idle=1
    OMPI_MCA_plm_rsh_agent=/bin/false
    OMPI_MCA_btl_base_warn_component_unused=0
    export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM OMPI_MCA_rmaps_base_oversubscribe
    export OMPI_MCA_mpi_yield_when_idle OMPI_MCA_plm_rsh_agent
    export OMPI_MCA_btl_base_warn_component_unused
}
