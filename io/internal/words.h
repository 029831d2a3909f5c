/* io/internal/words.h - what the page, the summary and the drawings say about a result.
 *
 * Layer: io, private to io and tests/io.
 */
#ifndef UB_IO_INTERNAL_WORDS_H
#define UB_IO_INTERNAL_WORDS_H

#include <stdbool.h>

#include "io/export.h"
#include "io/internal/pen.h"

/* Do most steps of segment k belong to task i (as ub_task_graph_score counts it)? */
UB_LOCAL bool ub_truth_member(const ub_task_graph *g, const uint8_t *truth, int64_t k, int32_t i);

/* One task of a graph at a glance. */
typedef struct ub_task_view {
    int64_t members;   /* segments */
    double  least;     /* smallest confidence among them; 1 without any */
    int64_t least_at;  /* its segment; -1 without any */
    int64_t undecided; /* tests of the task with a verdict other than ok */
} ub_task_view;
UB_LOCAL ub_task_view ub_task_look(const ub_task_graph *g, int32_t i);

/* The names a report knows: its own, else those of the graph, else NULL. */
UB_LOCAL char (*ub_report_names(const ub_report *r))[UB_NAME_MAX];

/* The kept latent of a task that the fewest of the other initialisations confirm: "67% (3)", its
 * number in brackets; "-" where there is none or nobody to ask. */
UB_LOCAL void ub_least_sure(const ub_model *m, const ub_evidence *e, int32_t task, char *text,
                            size_t cap);

/* The warnings about a model: for a terminal in lines of at most 80 characters after "look out:",
 * else as list items of a page.  e may be NULL. */
UB_LOCAL void ub_words_warn(ub_pen *p, const ub_evidence *e, bool terminal);

/* What was found, in sentences of at most 80 characters, each between `open` and `close`. */
UB_LOCAL void ub_words(ub_pen *p, const ub_report *r, const char *open, const char *close);

#endif /* UB_IO_INTERNAL_WORDS_H */
