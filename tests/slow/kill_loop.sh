#!/bin/sh
# tests/slow/kill_loop.sh N [SEED] - N kills (-9) of runs on 1 to 5 ranks, at random moments of both
# stages: of the master, of one worker, of all but two ranks, of all; half of them under a launcher that
# lets the survivors go on, which are then killed, too.  Every run is killed five times on the way or
# more, then ends undisturbed and is compared with one that was never disturbed.  A line every ten runs.
# The last line: hung= (ranks that were left a minute after a kill, and last starts that did not end
# within UB_HANGS_S, 900 s, whose results are not known), kills=, unreadable= (run folders that fsck found
# damaged after a kill), differing= (results); also when it is stopped by TERM or INT.
. "$(dirname "$0")/setting.sh"
. "$UB_SOURCE/tests/jobs/lib.sh"
. "$UB_SOURCE/tests/jobs/kills.sh"

wanted=${1:?usage: kill_loop.sh N [SEED]}
first_seed=${2:-1}
job=
runs=0

summary() {
    echo "runs=$runs seed=$first_seed stage1=$stage1 stage2=$stage2 master=$n_master worker=$n_worker" \
        "but_two=$n_but_two all=$n_all survivors=$n_after late=$late"
    echo "hung=$hung kills=$kills unreadable=$unreadable differing=$differing"
}

stopped() {
    trap - TERM INT
    [ -z "$job" ] || kill "$job" 2>/dev/null || true # its launcher takes the ranks along
    summary
    exit 143
}

kills_begin "$first_seed"
trap stopped TERM INT
while [ "$kills" -lt "$wanted" ]; do
    runs=$((runs + 1))
    kill_and_end "run-$runs" 5
    [ $((runs % 10)) -ne 0 ] || summary
done
summary
[ "$unreadable" -eq 0 ] && [ "$differing" -eq 0 ] && [ "$hung" -eq 0 ]
