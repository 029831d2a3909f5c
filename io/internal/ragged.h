/* io/internal/ragged.h - what layouts of episodes of unequal length have in common.
 *
 * A layout is a table of names; the work is done here: list the episodes, look at the first one
 * (rank 0), then read each episode, keep common steps of it and make its task variables (all).
 * Every episode is checked against the first.  Memory: 8 MiB beyond the corpus, or one row.
 *
 * Layer: io, private to io and tests/io.
 */
#ifndef UB_IO_INTERNAL_RAGGED_H
#define UB_IO_INTERNAL_RAGGED_H

#include "io/internal/format.h"

enum { UB_RAGGED_SUCCESS = 3 };

typedef struct ub_ragged {
    const char *group;  /* that holds the episodes */
    const char *prefix; /* of their names, a number follows; "": any name */
    const char *obs;    /* observations: a dataset, or a group of datasets */
    const char *next;   /* the same one step later, for the final observation; or NULL */
    const char *rewards;
    const char *success[UB_RAGGED_SUCCESS]; /* the first that exists; any value > 0 */
    const char *length; /* attribute with the number of steps, checked if there; or "" */
    int32_t     extra;  /* rows of observations beyond the steps */
    const char *hint;   /* what a file without observations may be; or "" */
} ub_ragged;

/* Fill the plan.  With plan->range set the episodes are those rows of datasets below `group`,
 * else each is a group of its own. */
UB_LOCAL UB_NODISCARD ub_status ub_ragged_survey(hid_t file, const ub_ragged *layout,
                                                 const ub_settings *s, ub_plan *plan);
/* ub_format.read of all such layouts. */
UB_LOCAL UB_NODISCARD ub_status ub_ragged_read(hid_t file, const ub_plan *plan, ub_corpus *out);

#endif /* UB_IO_INTERNAL_RAGGED_H */
