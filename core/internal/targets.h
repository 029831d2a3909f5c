/* core/internal/targets.h - what the heads are to say: the tasks' columns, or classes.
 *
 * A task named in disentangle.classes ("colour=4 shape=3") is categorical: its one column in the
 * corpus holds labels 0 .. C - 1, its head gives C logits, its target is one-hot and not
 * standardised.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_TARGETS_H
#define UB_CORE_INTERNAL_TARGETS_H

#include "core/corpus.h"
#include "core/settings.h"

typedef struct ub_targets {
    int32_t  tasks;
    int32_t *offset;  /* tasks + 1: outputs of head i are offset[i] .. offset[i + 1] - 1 */
    int32_t *classes; /* of every task: their number, 0 = it is not categorical */
} ub_targets;

/* Errors: UB_EINPUT (no such task, it has several columns, not NAME=NUMBER; a local episode whose
 * label is no class). */
UB_NODISCARD ub_status ub_targets_init(const ub_corpus *c, const ub_settings *settings,
                                       ub_targets *out);
void                   ub_targets_release(ub_targets *t);

/* From means, then standard deviations, of the corpus' components and columns (see
 * ub_trainer_create): those of the model's, 0 and 1 for classes.  Owned by the caller. */
UB_NODISCARD ub_status ub_targets_norm(const ub_targets *t, const ub_corpus *c, const double *norm,
                                       double **out);

#endif /* UB_CORE_INTERNAL_TARGETS_H */
