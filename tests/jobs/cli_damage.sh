#!/bin/sh
# A flipped bit or a cut in any file that a run believes: fsck names the file, and the same command
# ends with the undisturbed results or refuses.  DAMAGE_STEPS: places in each file (default 12).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/faults.sh"
: "${DAMAGE:?}"

# Three folders: finished; killed in stage 2; killed in stage 1.
cp -r whole "done"
record 1
for place in 'stage2 rename.*ckpt-0000000016' 'stage1 write.*structure.journal'; do
    name=${place%% *}
    number=$(grep "${place#* }" list.1 | sed -n '$p' | cut -d ' ' -f 2)
    mkdir "$name.tmp"
    # shellcheck disable=SC2086 # words
    env LD_PRELOAD="$FAULTIO" UB_FAULT_DIR="$WORK/$name.tmp" UB_FAULT_AT="$number" \
        UB_FAULT_DO=kill "$UNBRAID" $STUDY --out "$name.tmp/r" >/dev/null 2>&1 || true
    mv "$name.tmp/r" "$name"
done
steps=${DAMAGE_STEPS:-12}
for file in done/structure.h5 done/model.h5 done/STATE done/config.yaml done/status.json \
    stage2/structure.h5 stage2/STATE stage2/checkpoints/*/*.h5 stage2/provenance.json \
    stage1/structure.journal stage1/config.yaml; do
    [ -s "$file" ] || fail "$file is not there"
    size=$(wc -c <"$file")
    for i in $(seq 0 "$((steps - 1))"); do
        # The places are spread evenly, beginning with the first byte; the last is a file's last.
        at=$((i * (size - 1) / (steps - 1)))
        echo "${file%%/*} ${file#*/} flip $at"
        [ $((i % 4)) -ne 0 ] || echo "${file%%/*} ${file#*/} cut $at"
    done
done | sort -u >cases.txt
judge cases.txt damage_case.sh

# Where a flipped bit is one of a value, fsck names the dataset.
for file in structure.h5 model.h5; do
    cp -r "done" flipped
    size=$(wc -c <"flipped/$file")
    for i in $(seq 40); do
        "$DAMAGE" "flipped/$file" flip $((i * size / 41)) 3
        "$UNBRAID" fsck flipped 2>&1 | grep "damaged file='$file' why=.*dataset '" || true
        "$DAMAGE" "flipped/$file" flip $((i * size / 41)) 3
    done >named.txt
    at_least "damage of $file told by dataset" "$(wc -l <named.txt)" 3
    rm -rf flipped
done
finish
