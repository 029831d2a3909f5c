#!/bin/sh
# tools/demo.sh [RUN] - install what is missing, build, and run the whole study on two ranks
# on the recorded robot corpus that comes with the program.
set -eu
cd "$(dirname "$0")/.."
. tools/packages.sh

run=${1:-runs/demo}
# shellcheck disable=SC2086
need $UB_BUILD_PACKAGES
mpi_on_one_machine

say "building into build/release"
cmake --preset release >build-release.log 2>&1 || {
    cat build-release.log
    exit 1
}
rm -f build-release.log
cmake --build build/release -j "$(nproc)" -- --no-print-directory --quiet

say "running the study on 2 ranks: configs/metaworld.yaml, run folder $run"
echo "+ mpirun -n 2 build/release/unbraid run -c configs/metaworld.yaml --out $run"
mpirun -n 2 build/release/unbraid run -c configs/metaworld.yaml --out "$run"

say "checking the run folder"
build/release/unbraid fsck "$run"

say "the report is $PWD/$run/report.html"
