#!/bin/sh
# Items that fail are set aside and remembered; --failed-only redoes them and nothing else, ends the
# study with the undisturbed bytes, and starts none.
. "$(dirname "$0")/lib.sh"

"$UNBRAID" synth --set synth.samples=300 --set synth.steps=24 --set synth.tasks=2 --out c.h5 \
    >/dev/null
common="--set corpus.path=c.h5 --set structure.tile=1 --set run.log_level=debug"
stage2="--set disentangle.epochs=1 --set disentangle.restarts=1 --set disentangle.latents=2
        --set disentangle.steps=all --set disentangle.batch=64"

# try_on RANKS ARGS...: run it; $status, out.txt, err.txt.
try_on() {
    status=0
    on "$@" >out.txt 2>err.txt || status=$?
}

# done_of: items that the farm answered, of the last try.
done_of() {
    sed -n 's/.* farm items=\([0-9]*\) .*/\1/p' err.txt
}

# shellcheck disable=SC2086 # words, here and below
for command in structure run; do
    more=
    [ "$command" = structure ] || more=$stage2
    try_on 2 $command $common $more --out "whole-$command"
    items=$(done_of)
    every=9
    failing=$((items / every))
    at_least "$command: items that will fail" "$failing" 3
    for ranks in 1 3; do
        dir=$command-$ranks
        try_on "$ranks" $command $common $more --set farm.fail_every=$every --out "$dir"
        same "$dir: exit code" 1 "$status"
        same "$dir: how many were set aside" 1 \
            "$(grep -c "^unbraid: $failing of $items items failed 3 times each" err.txt)"
        same "$dir: they are remembered" "$failing" "$(grep -cv '^#' "$dir/structure.failed")"
        same "$dir: by number" "$((every - 1))" "$(grep -v '^#' "$dir/structure.failed" | head -n 1)"
        [ ! -e "$dir/structure.h5" ] || fail "$dir: a result in spite of it"

        # They fail again, others as well: nothing else is tried.
        try_on "$ranks" $command $common $more --set farm.fail_every=$((2 * every)) --out "$dir" \
            --failed-only
        same "$dir: some fail again: exit code" 1 "$status"
        same "$dir: done again" "$((failing - items / (2 * every)))" "$(done_of)"
        same "$dir: those left" "$((items / (2 * every)))" "$(grep -cv '^#' "$dir/structure.failed")"

        left=$((items / (2 * every)))
        try_on "$ranks" $command $common $more --set farm.fail_every=0 --out "$dir" --failed-only
        same "$dir: repaired: exit code" 0 "$status"
        same "$dir: says how many" 1 "$(grep -c "^$left items of stage 1 had failed" out.txt)"
        same "$dir: does those" "$left" "$(done_of)"
        same "$dir: results" "$(digest "whole-$command")" "$(digest "$dir")"
        [ ! -e "$dir/structure.failed" ] || fail "$dir: it still remembers"

        before=$(cat "$dir/provenance.json" "$dir/unbraid.log" | cksum)
        try_on "$ranks" $command $common $more --out "$dir" --failed-only
        same "$dir: finished: exit code" 0 "$status"
        same "$dir: finished: says so" "no item of $dir has failed: nothing to redo" "$(cat out.txt)"
        same "$dir: finished: is not touched" "$before" \
            "$(cat "$dir/provenance.json" "$dir/unbraid.log" | cksum)"
    done
done

# Without the flag the failed items are redone as well, and forgotten.
# shellcheck disable=SC2086
{
    try_on 2 structure $common --set farm.fail_every=9 --out plain
    same "without the flag: first" 1 "$status"
    try_on 2 structure $common --out plain
}
same "without the flag: exit code" 0 "$status"
same "without the flag: does those" "$failing" "$(done_of)"
same "without the flag: results" "$(digest whole-structure)" "$(digest plain)"
[ ! -e plain/structure.failed ] || fail "without the flag: it still remembers"

# Nothing else: an answer that is lost besides (the end of the journal is cut) is not made up for.
# shellcheck disable=SC2086
{
    try_on 2 structure $common --set farm.fail_every=9 --out torn
    truncate -s -1 torn/structure.journal
    try_on 2 structure $common --out torn --failed-only
    same "a lost answer besides: exit code" 1 "$status"
    same "a lost answer besides: does only what failed" "$failing" "$(done_of)"
    grep -q '1 others have no answer' err.txt || fail "a lost answer goes unsaid: $(cat err.txt)"
    try_on 2 structure $common --out torn
    same "a lost answer besides: then it is made up for" 1 "$(done_of)"
}
same "a lost answer besides: results" "$(digest whole-structure)" "$(digest torn)"

# A run that was stopped has no failed items: --failed-only does not go on with it.
# shellcheck disable=SC2086
try_on 1 structure $common --set farm.slow_ms=100 --set run.stop_after_s=1 --out stopped
same "stopped: exit code" 75 "$status"
cp -r stopped copy
# shellcheck disable=SC2086
try_on 1 structure $common --out stopped --failed-only
same "stopped: --failed-only: exit code" 0 "$status"
diff -r stopped copy || fail "stopped: --failed-only changed something"
# Nor does a run that was stopped remember as failed what it has not tried.
# shellcheck disable=SC2086
try_on 1 structure $common --set farm.fail_every=2 --set farm.slow_ms=100 --set farm.retry=1 \
    --set run.stop_after_s=1 --out both
[ ! -e both/structure.failed ] || fail "stopped: untried items count as failed"

# shellcheck disable=SC2086
{
    refuses 2 "starts none" structure $common --out nowhere --failed-only
    mkdir empty
    refuses 2 "is not a run folder" run $common --out empty --failed-only
    refuses 2 "takes no value" structure $common --out nowhere --failed-only=yes
    refuses 2 "unknown option '--failed-only'" disentangle $common --out nowhere --failed-only
    try_on 1 structure $common --set farm.fail_every=9 --out other
    refuses 2 "structure.alpha" structure $common --set structure.alpha=0.01 --out other --failed-only
    echo 123456 >>other/structure.failed
    refuses 2 "'123456" structure $common --out other --failed-only
}
[ ! -e nowhere ] || fail "--failed-only started a study"
finish
