#!/bin/sh
# Help, lists, configuration: what a new user tries first.
. "$(dirname "$0")/lib.sh"
source=${UB_SOURCE:?}

"$UNBRAID" --help >help.txt || fail "--help"
for command in run structure disentangle synth eval encode export generate list config fsck citest rehearse plan status submit sweep lint; do
    grep -q "^  $command " help.txt || fail "--help does not list $command"
    "$UNBRAID" "$command" --help | grep -q "^usage: unbraid $command" || fail "$command --help"
done
"$UNBRAID" structure --help | grep -q 'structure.rule' || fail "help without settings"
for list in ci rule penalty optimizer format command; do
    [ "$("$UNBRAID" list "$list" | wc -l)" -gt 1 ] || fail "list $list"
done
for list in rule penalty optimizer format command; do
    "$UNBRAID" list "$list" | awk 'NF < 4 { exit 1 }' || fail "list $list: a name without a summary"
done
"$UNBRAID" list ci | grep -q '^fisher_z' || fail "list ci without fisher_z"

"$UNBRAID" config reference >reference.yaml
cmp reference.yaml "$source/configs/reference.yaml" ||
    fail "configs/reference.yaml is old: unbraid config reference > configs/reference.yaml"
for file in "$source"/configs/*.yaml; do
    "$UNBRAID" config check "$file" || fail "config check $file"
done
"$UNBRAID" config show --set structure.rule=bh | grep -q '^  rule: bh$' || fail "config show"
"$UNBRAID" config show -c reference.yaml >shown.yaml
"$UNBRAID" config show >default.yaml
cmp shown.yaml default.yaml || fail "the reference does not hold the defaults"
on 2 config show -c reference.yaml >two.yaml
cmp two.yaml default.yaml || fail "config show on two ranks"
finish
