#!/bin/sh
# tools/lint.sh cppcheck|format|headers|layers|shell|tidy [BUILD]
# One check each; exit code 77 where its program is not installed.  It looks at the files that are
# there, known to git or not.
set -eu
cd "$(dirname "$0")/.."

wants() {
    command -v "$1" >/dev/null 2>&1 || {
        echo "skipped: $1 is not installed"
        exit 77
    }
}

# sources PATTERN [FOLDER...]: files of that name in the program's folders and those given.
sources() {
    pattern=$1
    shift
    find core mpi io jobs "$@" -name "$pattern" | sort
}

case "${1:-}" in
cppcheck)
    wants cppcheck
    cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
        --error-exitcode=1 --suppress=missingIncludeSystem --suppress=varFuncNullUB \
        -D_GNU_SOURCE -DNDEBUG -I. core mpi io jobs
    ;;
format) # the style is what one version makes of .clang-format; others differ in details
    wants clang-format
    clang-format --version | grep -q 'version 14\.' || {
        echo "skipped: this is not clang-format 14"
        exit 77
    }
    sources '*.[ch]' tests | xargs clang-format --dry-run --Werror
    ;;
headers) # every header compiles alone, and may come first
    flags="-std=c17 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -I. -fsyntax-only"
    flags="$flags $(pkg-config --cflags hdf5-openmpi openblas)"
    for header in $(sources '*.h'); do
        # shellcheck disable=SC2086 # words
        printf '#include "%s"\nextern int not_empty;\n' "$header" | mpicc $flags -x c -
    done
    ;;
layers)
    wants python3
    python3 tools/check_layers.py
    ;;
shell)
    wants shellcheck
    {
        find . -path ./build -prune -o -name '*.sh' -print
        echo .ci/run
    } | xargs shellcheck -x -P SCRIPTDIR
    ;;
tidy) # a process per file: the valist checker of clang-tidy 14 errs from the second file on;
    # with assertions, which tell the analyzer what holds
    wants clang-tidy
    [ -f "${2:?tidy needs a build folder}/compile_commands.json" ] || {
        echo "$2 has no compile_commands.json: cmake --preset ci" >&2
        exit 2
    }
    sources '*.c' | xargs -n 1 -P "$(nproc)" \
        clang-tidy --quiet -p "$2" --extra-arg=-UNDEBUG 2>/dev/null
    ;;
*)
    echo "usage: tools/lint.sh cppcheck|format|headers|layers|shell|tidy [BUILD]" >&2
    exit 2
    ;;
esac
