# tests/jobs/matrix.sh - sourced after kills.sh: one study on many rank counts, by many chunk policies,
# with and without a kill, must always be the same bytes.
# shellcheck shell=sh disable=SC2034,SC2154

# matrix_begin: the study and what it must come to.
matrix_begin() {
    kills_begin 1
    runs=0 lost=0 resumed=0
}

# matrix_run RANKS POLICY yes|no: yes: the last rank is killed in the farm; if the others, where there
# are any, do not bring it to its end, the same command goes on.
matrix_run() {
    run=$1-$2-$3
    runs=$((runs + 1))
    if [ "$3" = yes ]; then
        # shellcheck disable=SC2086 # words, here and below
        $MPIRUN --enable-recovery -n "$1" "$UNBRAID" $study --set farm.policy="$2" \
            --set farm.slow_ms=$(($1 * 10)) --out "$run" >/dev/null 2>"$run.log" &
        job=$!
        wait_for_answers "$run" 2000
        ranks_of "$job"
        strike "$run" "${living##* }"
        what=last size=$1 outlive=--enable-recovery
        for _ in $(seq 600); do
            ranks_of "$job"
            [ -n "$living" ] || break
            sleep 0.1
        done
        end_launcher
        lost=$((lost + $(grep -c rank-lost "$run.log" || true)))
    fi
    if [ "$3" = no ] || ! grep -q '^done$' "$run/STATE" 2>/dev/null; then
        [ "$3" = no ] || resumed=$((resumed + 1))
        end_well "$run" "$1" --set farm.policy="$2" || {
            rm -rf "$run"
            return
        }
    fi
    compare "$run"
    rm -rf "$run"
}

matrix_end() {
    echo "sha256=$whole kills=$kills in_stage_1=$stage1 survived=$lost resumed=$resumed"
    echo "hung=$hung runs=$runs differing=$differing"
}
