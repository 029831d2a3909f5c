#!/bin/sh
# tests/jobs/damage_case.sh FOLDER FILE flip|cut OFFSET - one case of the damage tests: a copy of a run
# folder with one file changed.  fsck names the file, and of a result what in it, or says that the content is what it was; the same
# command again ends with the undisturbed results, or refuses with one sentence.  One line: ok or BAD.
set -eu
: "${UNBRAID:?}" "${WORK:?}" "${DAMAGE:?}" "${STUDY:?}" "${WHOLE:?}"
name=$1-$(basename "$2")-$3-$4
run=$WORK/damage-$name
rm -rf "$run"
cp -r "$WORK/$1" "$run"

export OMPI_MCA_orte_tmpdir_base="$WORK/tmp-$name"
mkdir -p "$OMPI_MCA_orte_tmpdir_base"

bad() {
    echo "BAD $name: $* ($(tail -n 3 "$WORK/err-$name" 2>/dev/null | tr '\n' ' '))"
    exit 0
}

before=$("$UNBRAID" fsck "$run" --json 2>"$WORK/err-$name") || bad "fsck of a sound copy"
# shellcheck disable=SC2086 # two words
case $3 in
flip) "$DAMAGE" "$run/$2" flip "$4" $(($4 % 8)) ;;
*) "$DAMAGE" "$run/$2" cut "$4" ;;
esac
status=0
after=$(timeout 60 "$UNBRAID" fsck "$run" --json 2>"$WORK/err-$name") || status=$?
case $status in
0)
    [ "$before" = "$after" ] || bad "fsck is content with other results"
    said=unaffected
    ;;
1)
    grep -q "damaged file='$(basename "$2")'" "$WORK/err-$name" || bad "fsck names another file"
    ! grep -q "the content is damaged" "$WORK/err-$name" || bad "fsck does not say what in the file"
    said=named
    ! grep -q "dataset '" "$WORK/err-$name" || said=dataset-named
    ;;
*) bad "fsck: exit code $status" ;;
esac

status=0
# shellcheck disable=SC2086 # words
timeout 60 "$UNBRAID" $STUDY --out "$run" >/dev/null 2>"$WORK/err-$name" || status=$?
case $status in
0)
    got=$("$UNBRAID" fsck "$run" 2>>"$WORK/err-$name" | sed -n 's/^sha256 of the results: //p')
    [ "$got" = "$WHOLE" ] || bad "the same command again: other results"
    ;;
2) [ "$(grep -c '^unbraid: .*/' "$WORK/err-$name")" -eq 1 ] || bad "refused, not in one sentence" ;;
*) bad "the same command again: exit code $status" ;;
esac
rm -rf "$run" "$WORK/err-$name" "$OMPI_MCA_orte_tmpdir_base"
echo "ok $name $said $status"
