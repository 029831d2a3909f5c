#!/bin/sh
# tests/slow/matrix.sh - one study on 1, 2, 3, 5 and 8 ranks, by every chunk policy and the automatic
# choice, undisturbed and with a rank killed in the farm: the same sha256 every time.  Minutes.
# The last line: hung= (see kill_loop.sh), runs=, differing=.
. "$(dirname "$0")/setting.sh"
. "$UB_SOURCE/tests/jobs/lib.sh"
. "$UB_SOURCE/tests/jobs/kills.sh"
. "$UB_SOURCE/tests/jobs/matrix.sh"

matrix_begin
for ranks in 1 2 3 5 8; do
    for policy in static self fsc gss tss fac2 awf auto; do
        for kill in no yes; do
            matrix_run "$ranks" "$policy" "$kill"
        done
    done
    matrix_end
done
[ "$differing" -eq 0 ] && [ "$hung" -eq 0 ]
