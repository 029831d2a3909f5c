#!/bin/sh
# The recorded robot corpora that come with the program.
. "$(dirname "$0")/lib.sh"
source=${UB_SOURCE:?}

on 2 structure -c "$source/configs/metaworld.yaml" \
    --set corpus.path="$source/examples/metaworld/disjoint.h5" --out disjoint >/dev/null 2>log.txt ||
    fail "$(cat log.txt)"
"$UNBRAID" eval disjoint --json >disjoint.json
at_least "disjoint: MCC" "$(json disjoint.json mcc)" 0.98
on 2 structure -c "$source/configs/metaworld.yaml" \
    --set corpus.path="$source/examples/metaworld/overlap.h5" --out overlap >/dev/null 2>log.txt ||
    fail "$(cat log.txt)"
"$UNBRAID" eval overlap --json >overlap.json
at_least "overlap: MCC" "$(json overlap.json mcc)" 0.9
finish
