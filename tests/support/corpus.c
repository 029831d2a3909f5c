#include "tests/support/corpus.h"

#include <string.h>

#include "core/mem.h"
#include "core/shard.h"

ub_status ub_test_corpus(const ub_comm *c, int64_t n, int64_t shards,
                         void (*fill_row)(int64_t episode, double *row), ub_corpus *out)
{
    ub_range own = ub_rows_of_rank(n, shards, c->size, c->rank);
    *out = (ub_corpus){.episodes = n,
                       .first = own.first,
                       .count = own.count,
                       .steps = UB_TEST_STEPS,
                       .dim = UB_TEST_DIM,
                       .tasks = UB_TEST_TASKS,
                       .segment = 2};
    UB_TRY(UB_ALLOC(out->task_offset, UB_TEST_TASKS + 1));
    out->task_offset[1] = 1;
    out->task_offset[2] = UB_TEST_WIDTH;
    UB_TRY(ub_corpus_alloc(out));
    for (int64_t e = 0; e < own.count; e++) {
        double row[UB_TEST_COLUMNS];
        fill_row(own.first + e, row);
        memcpy(out->states + e * UB_TEST_WIDE, row, UB_TEST_WIDE * sizeof *row);
        memcpy(out->targets + e * UB_TEST_WIDTH, row + UB_TEST_WIDE, UB_TEST_WIDTH * sizeof *row);
    }
    return UB_OK;
}

double *ub_test_corpus_at(ub_corpus *c, int64_t episode, int column)
{
    int64_t e = episode - c->first;
    if (e < 0 || e >= c->count)
        return NULL;
    return column < UB_TEST_WIDE ? &c->states[e * UB_TEST_WIDE + column]
                                 : &c->targets[e * UB_TEST_WIDTH + column - UB_TEST_WIDE];
}
