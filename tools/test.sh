#!/bin/sh
# tools/test.sh - install what tests need, build with warnings as errors, run every test.
# Ends with ctest's summary.  UB_CLUSTER_TESTS=ON: those on a SLURM cluster of this machine, too (minutes).
set -eu
cd "$(dirname "$0")/.."
. tools/packages.sh

# shellcheck disable=SC2086
need $UB_BUILD_PACKAGES $UB_TEST_PACKAGES
cluster=${UB_CLUSTER_TESTS:-OFF}
# shellcheck disable=SC2086
[ "$cluster" = OFF ] || need $UB_CLUSTER_PACKAGES
mpi_on_one_machine
jobs=$(nproc)

build() {
    cmake --preset "$1" "-DUB_CLUSTER_TESTS=$cluster" >/dev/null
    cmake --build "build/$1" -j "$jobs" -- --no-print-directory --quiet
}

say "building with AddressSanitizer and UndefinedBehaviorSanitizer into build/asan"
build asan
say "running the unit suites under the sanitizers"
ctest --preset asan -j "$jobs" -L unit -E '\.(3|5)$' --output-on-failure

say "building with warnings as errors into build/ci"
build ci
say "running every test"
ctest --preset ci -j "$jobs" --output-on-failure
