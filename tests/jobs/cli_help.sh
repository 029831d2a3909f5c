#!/bin/sh
# Help, lists, configuration: what a new user tries first.
. "$(dirname "$0")/lib.sh"
source=${UB_SOURCE:?}

"$UNBRAID" --help >help.txt || fail "--help"
for command in run structure disentangle synth eval encode export generate list config fsck citest rehearse plan status submit sweep lint; do
    grep -q "^  $command " help.txt || fail "--help does not list $command"
    "$UNBRAID" "$command" --help >"$command.txt" || fail "$command --help"
    grep -q "^usage: unbraid $command" "$command.txt" || fail "$command --help"
done
grep -q 'structure.rule' structure.txt || fail "help without settings"
for list in ci rule penalty optimizer format command; do
    [ "$("$UNBRAID" list "$list" | wc -l)" -gt 1 ] || fail "list $list"
done
for list in rule penalty optimizer format command; do
    "$UNBRAID" list "$list" | awk 'NF < 4 { exit 1 }' || fail "list $list: a name without a summary"
done
"$UNBRAID" list ci | grep -q '^fisher_z' || fail "list ci without fisher_z"

# Manual pages: one for every command, each with every setting of its --help.
"$UNBRAID" config man --out pages || fail "config man --out"
"$UNBRAID" config man | cmp - pages/unbraid.1 || fail "config man is not unbraid.1"
"$UNBRAID" config man run | cmp - pages/unbraid-run.1 || fail "config man run is not unbraid-run.1"
for command in $("$UNBRAID" list command | cut -d ' ' -f 1); do
    page=pages/unbraid-$command.1
    [ -f "$command.txt" ] || "$UNBRAID" "$command" --help >"$command.txt"
    same "settings of $command in its page" \
        "$(echo : && sed -n 's/^\\fB\([a-z]*\.[a-z_]*\)\\fR$/\1/p' "$page")" \
        "$(echo : && sed -n 's/^  \([a-z]*\.[a-z_]*\) .*/\1/p' "$command.txt")"
    grep -q "^\.BR unbraid.-$command (1)$" pages/unbraid.1 || fail "unbraid.1 without $command"
done
refuses 2 "unknown command 'nope'" config man nope

# What a reader sees is what --help prints: nothing was taken for a macro or an escape.
show() { groff -man -Tascii -P-cbou -rLL=9999n -rHY=0 -ww "$1" 2>&1; } # lines not broken
body() { awk -v head="$1" '/^[^ ]/ { on = $0 == head; next } on' shown.txt; }
if show pages/unbraid.1 >shown.txt; then
    for page in pages/unbraid-*.1; do
        command=${page#pages/unbraid-}
        show "$page" >shown.txt
        {
            body SYNOPSIS
            body DESCRIPTION
            body SETTINGS | sed 1d
        } | tr -s ' \n' ' ' >seen.txt
        sed '1s/^usage://' "${command%.1}.txt" | tr -s ' \n' ' ' >said.txt
        cmp seen.txt said.txt || fail "$page shows $(cat seen.txt), --help $(cat said.txt)"
    done
else
    echo "skipped: no groff to show the pages with: $(cat shown.txt)"
fi
if command -v mandoc >/dev/null; then # the pages have no date: the same bytes whenever made
    mandoc -T lint -W warning pages/*.1 | grep -v 'missing date' >mandoc.txt || true
    [ ! -s mandoc.txt ] || fail "$(cat mandoc.txt)"
else
    echo "skipped: no mandoc to check the pages with"
fi

"$UNBRAID" config reference >reference.yaml
cmp reference.yaml "$source/configs/reference.yaml" ||
    fail "configs/reference.yaml is old: unbraid config reference > configs/reference.yaml"
for file in "$source"/configs/*.yaml; do
    "$UNBRAID" config check "$file" || fail "config check $file"
    name=configs/${file##*/}
    [ "$name" = configs/reference.yaml ] || head -n 1 "$file" | grep -q "^# unbraid [a-z]* .*$name" ||
        fail "$name: its first line is no command"
done
"$UNBRAID" config show --set structure.rule=bh | grep -q '^  rule: bh$' || fail "config show"
"$UNBRAID" config show -c reference.yaml >shown.yaml
"$UNBRAID" config show >default.yaml
cmp shown.yaml default.yaml || fail "the reference does not hold the defaults"
on 2 config show -c reference.yaml >two.yaml
cmp two.yaml default.yaml || fail "config show on two ranks"
finish
