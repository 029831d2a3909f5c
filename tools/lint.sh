#!/bin/sh
# tools/lint.sh layers|headers|shell|cppcheck|tidy|config [BUILD]
# One check each; exit code 77 where its program is not installed.
set -eu
cd "$(dirname "$0")/.."

wants() {
    command -v "$1" >/dev/null 2>&1 || {
        echo "skipped: $1 is not installed"
        exit 77
    }
}

case "$1" in
layers)
    wants python3
    python3 tools/check_layers.py
    ;;
headers) # every header compiles alone
    flags="-std=c17 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -I. -fsyntax-only -x c"
    # shellcheck disable=SC2046,SC2086 # words
    for header in $(git ls-files 'core/*.h' 'mpi/*.h' 'io/*.h' 'jobs/*.h'); do
        mpicc $flags $(pkg-config --cflags hdf5-openmpi openblas) -Wno-pragma-once-outside-header \
            "$header"
    done
    ;;
shell)
    wants shellcheck
    # shellcheck disable=SC2046 # words
    shellcheck -x $(git ls-files '*.sh' .ci/run)
    ;;
cppcheck)
    wants cppcheck
    cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
        --error-exitcode=1 --suppress=missingIncludeSystem --suppress=varFuncNullUB \
        -D_GNU_SOURCE -DNDEBUG -I. core mpi io jobs
    ;;
tidy)
    wants clang-tidy
    # shellcheck disable=SC2046 # words
    clang-tidy --quiet -p "$2" $(git ls-files 'core/*.c' 'mpi/*.c' 'io/*.c' 'jobs/*.c') 2>/dev/null
    ;;
*)
    echo "usage: tools/lint.sh layers|headers|shell|cppcheck|tidy [BUILD]" >&2
    exit 2
    ;;
esac
