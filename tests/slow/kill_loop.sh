#!/bin/sh
# tests/slow/kill_loop.sh N [SEED] - N kills (-9) of runs on 1 to 5 ranks, at random moments of both
# stages: of the master, of one worker, of all but two ranks, of all.  Every run is killed three times
# on the way, then ends undisturbed and is compared with one that was never disturbed.  The last line:
# kills=, unreadable= (run folders that fsck found damaged after a kill), differing= (results).
. "$(dirname "$0")/setting.sh"
. "$UB_SOURCE/tests/jobs/lib.sh"
. "$UB_SOURCE/tests/jobs/kills.sh"

wanted=${1:?usage: kill_loop.sh N [SEED]}
kills_begin "${2:-1}"
runs=0
while [ "$kills" -lt "$wanted" ]; do
    runs=$((runs + 1))
    kill_and_end "run-$runs" 3
done
echo "runs=$runs seed=${2:-1} master=$n_master worker=$n_worker but_two=$n_but_two all=$n_all late=$late"
echo "kills=$kills unreadable=$unreadable differing=$differing"
[ "$unreadable" -eq 0 ] && [ "$differing" -eq 0 ]
