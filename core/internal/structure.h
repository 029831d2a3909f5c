/* core/internal/structure.h - the plan of a study, shared by the plan and the worker side.
 *
 * Tests of a tile, in order: for each of its segments k, each pair of representatives (x major),
 * each segment v > k of the tile one test a task, then, with a contrast, one without any task.
 * Tests of a direct block: segment by segment, representative by representative, task by task.
 *
 * An answer is the number of its item and then columns of as many entries as it has tests:
 * statistic; p-value and evidence, unless they follow from it (`derived`); verdict, a byte each.
 * Journals keep answers: a change of this layout needs a new VERSION in io/journal.c.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_STRUCTURE_H
#define UB_CORE_INTERNAL_STRUCTURE_H

#include "core/structure.h"

struct ub_structure {
    const ub_settings *settings; /* borrowed */
    const ub_ci_test  *test;
    int64_t            n;                         /* N */
    int32_t            steps, dim, tasks, length; /* T, d, M, L */
    int32_t            segments, tile, tiles; /* K; segments on an edge of a tile; ceil(K / tile) */
    int32_t            reps;                  /* representatives of a segment: 1 or L */
    bool     pairs, direct, contrast, precision; /* which tests are asked; full by one inverse */
    bool     derived;     /* every statistic is Fisher's z: UB_CI_PARTIAL and one column a side */
    int32_t *task_offset; /* M + 1 */
    char (*task_name)[UB_NAME_MAX]; /* M */
    int64_t pair_items, items, tests;

    /* The answers, on the master only; layout as in ub_task_graph. */
    ub_task_graph answers;
    double       *marginal_p, *marginal_llr; /* with a contrast: pairs, tested without any task */
    uint8_t      *marginal_verdict;          /* the same */
    uint8_t      *answered;                  /* items */
    int64_t       answered_count, untestable, undecided;
};

/* Segments [r0, r1) x [c0, c1) of a tile of pairs (k < v only), or [r0, r1) of a direct block. */
typedef struct ub_tile {
    int32_t r0, r1, c0, c1;
    int64_t tests;
} ub_tile;

ub_tile ub_structure_tile(const ub_structure *s, int64_t item);

/* Doubles of one test in an answer. */
static inline int64_t ub_structure_doubles(const ub_structure *s)
{
    return s->derived ? 1 : 3;
}

/* Representative r of segment k as a step. */
static inline int32_t ub_structure_step(const ub_structure *s, int32_t k, int32_t r)
{
    return s->reps == 1 ? (k + 1) * s->length - 1 : k * s->length + r;
}

/* Tests of one pair of representatives. */
static inline int32_t ub_structure_per_pair(const ub_structure *s)
{
    return s->tasks + s->contrast;
}

#endif /* UB_CORE_INTERNAL_STRUCTURE_H */
