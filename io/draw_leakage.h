/* io/draw_leakage.h - what else moves when a task is changed, as a drawing.
 *
 * Layer: io.  Rank 0 alone.
 */
#ifndef UB_IO_DRAW_LEAKAGE_H
#define UB_IO_DRAW_LEAKAGE_H

#include "core/corpus.h"
#include "core/generate.h"
#include "mpi/comm.h"

/* One model: borrowed. */
typedef struct ub_leakage_panel {
    const char       *name;
    const ub_leakage *leakage;
} ub_leakage_panel;

/* A matrix a model, below each other: rows are the tasks that are changed, columns the tasks'
 * predictions and the true factors, shaded by the part of a full swap that they move; framed is
 * what is meant to move.  SVG, appended. task_name  tasks needed     factors x tasks, 1: the task
 * needs the factor; NULL without factors */
UB_LOCAL UB_NODISCARD ub_status ub_draw_leakage(const ub_leakage_panel *panel, int panels,
                                                char (*task_name)[UB_NAME_MAX],
                                                const uint8_t *needed, ub_bytes *svg);

#endif /* UB_IO_DRAW_LEAKAGE_H */
