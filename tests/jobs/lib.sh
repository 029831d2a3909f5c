# tests/jobs/lib.sh - sourced by the CLI cases: UNBRAID, MPIRUN and WORK come from ctest.
# shellcheck shell=sh
set -eu

: "${UNBRAID:?}" "${MPIRUN:?}" "${WORK:?}"
unset OMPI_MCA_io || true # the program makes its own choice
rm -rf "$WORK"
mkdir -p "$WORK"
cd "$WORK"
failures=0

# alone FOLDER: programs that run without mpirun need no daemon beside them; their session folders,
# which would be one for all of them, lie here.
alone() {
    mkdir -p "$1"
    export OMPI_MCA_ess_singleton_isolated=1 OMPI_MCA_orte_tmpdir_base="$1"
}

# on RANKS ARGS...: run the program on so many ranks.
on() {
    ranks=$1
    shift
    # shellcheck disable=SC2086 # a command with its options
    $MPIRUN -n "$ranks" "$UNBRAID" "$@"
}

# fake NAME: a program of that name in the folder fakes, its lines from standard input.
fake() {
    mkdir -p fakes
    { echo '#!/bin/sh' && cat; } >"fakes/$1"
    chmod +x "fakes/$1"
}

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# json FILE KEY: a top-level value of a one-line JSON object.
json() {
    sed -n "s/.*\"$2\": \"\{0,1\}\([^,\"}]*\)\"\{0,1\}[,}].*/\1/p" "$1"
}

# digest RUN: the sha256 of its results; fails if anything is damaged.
digest() {
    "$UNBRAID" fsck "$1" --json >fsck.json
    json fsck.json sha256
}

# scratch FILE: overwrite 512 bytes in its middle.
scratch() {
    middle=$(($(wc -c <"$1") / 2))
    head -c 512 /dev/zero | tr '\0' x | dd of="$1" bs=1 seek="$middle" conv=notrunc 2>/dev/null
}

# same WHAT A B
same() {
    if [ -n "$2" ] && [ "$2" = "$3" ]; then
        echo "ok: $1"
    else
        fail "$1: '$2' is not '$3'"
    fi
}

# at_least WHAT VALUE BOUND; at_most WHAT VALUE BOUND
at_least() {
    if awk "BEGIN { exit !(\"$2\" != \"\" && $2 >= $3) }"; then
        echo "ok: $1 = $2 >= $3"
    else
        fail "$1 = $2, wanted at least $3"
    fi
}
at_most() {
    if awk "BEGIN { exit !(\"$2\" != \"\" && $2 <= $3) }"; then
        echo "ok: $1 = $2 <= $3"
    else
        fail "$1 = $2, wanted at most $3"
    fi
}

# refuses STATUS PART ARGS...: the program ends with STATUS and one sentence with PART.
refuses() {
    status=$1
    part=$2
    shift 2
    set +e
    "$UNBRAID" "$@" >out.txt 2>err.txt
    got=$?
    set -e
    if [ "$got" -ne "$status" ]; then
        fail "$*: exit code $got, wanted $status: $(cat err.txt)"
    elif ! grep -qF -- "$part" err.txt; then
        fail "$*: no '$part' in: $(cat err.txt)"
    elif [ "$(grep -c '^unbraid: ' err.txt)" -ne 1 ]; then
        fail "$*: not one sentence: $(cat err.txt)"
    else
        echo "ok: $*: $(grep '^unbraid: ' err.txt)"
    fi
}

finish() {
    if [ "$failures" -ne 0 ]; then
        echo "$failures failures"
        exit 1
    fi
    cd ..
    rm -rf "$WORK"
}
