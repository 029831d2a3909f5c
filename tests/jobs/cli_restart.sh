#!/bin/sh
# kill -9 of some or all ranks at random moments, or a stop in time; then the same command again, on
# another rank count: it finishes with the same bytes.  Many more kills: tests/slow/kill_loop.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/kills.sh"

kills_begin 1
number=0 # a kill may come too early or too late: until enough have struck
while [ "$kills" -lt 6 ] && [ "$number" -lt 15 ]; do
    number=$((number + 1))
    kill_and_end "killed-$number" 2
done
same "unreadable run folders" 0 "$unreadable"
same "different results" 0 "$differing"
same "ranks that hang after a kill" 0 "$hung"
at_least "kills" "$kills" 4

# Stopped in time: exit code 75, then it goes on.  The limit grows a little from start to start: on a
# slow machine a start alone may take as long.
stops=0
for limit in 0.8 1.5; do
    tries=0
    status=75
    while [ "$status" -eq 75 ] && [ "$tries" -lt 60 ]; do
        tries=$((tries + 1))
        now=$(awk "BEGIN { print $limit + $tries / 10 }")
        set +e
        # shellcheck disable=SC2086
        on 2 $study --set farm.slow_ms=20 --set run.stop_after_s="$now" --out "stopped-$limit" \
            >/dev/null 2>log.txt
        status=$?
        set -e
    done
    stops=$((stops + tries - 1))
    same "stopped after $limit s and a little more" "$whole" "$(digest "stopped-$limit")"
done
echo "stopped in time $stops times"
[ "$stops" -gt 0 ] || fail "never stopped in time"
finish
