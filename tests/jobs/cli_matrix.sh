#!/bin/sh
# The same bytes on any number of ranks, by any chunk policy, with and without a kill: every policy once
# undisturbed and once with a kill, on changing rank counts.  All of them: tests/slow/matrix.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/kills.sh"
. "$(dirname "$0")/matrix.sh"

matrix_begin
while read -r policy ranks others; do
    matrix_run "$ranks" "$policy" no </dev/null
    matrix_run "$others" "$policy" yes </dev/null
done <<'LIST'
static 3 5
self 5 3
fsc 8 2
gss 2 8
tss 1 3
fac2 3 1
awf 5 2
LIST
matrix_end
same "policies, twice each" 14 "$runs"
same "different results" 0 "$differing"
same "runs that hung" 0 "$hung"
at_least "kills in the farm" "$stage1" 5
at_least "deaths that a run survived" "$lost" 3
finish
