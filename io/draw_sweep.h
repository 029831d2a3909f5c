/* io/draw_sweep.h - a sweep in one drawing: parallel coordinates, the metric against every
 * parameter, learning curves.
 *
 * Layer: io.  Rank 0 alone.
 */
#ifndef UB_IO_DRAW_SWEEP_H
#define UB_IO_DRAW_SWEEP_H

#include <stdint.h>

#include "core/bytes.h"
#include "mpi/comm.h"

enum { UB_AXIS_TICKS = 64 };

/* One parameter, all of it borrowed: where each job is on it, from 0 (left, low) to 1; NaN: it does
 * not apply. */
typedef struct ub_sweep_axis {
    const char   *name;
    const double *at;
    int32_t       ticks;
    double        tick[UB_AXIS_TICKS];
    const char   *label[UB_AXIS_TICKS];
} ub_sweep_axis;

/* A curve of a job: its objective after each epoch; length 0: none. */
typedef struct ub_sweep_curve {
    int64_t length;
    double *value;
} ub_sweep_curve;

typedef struct ub_sweep_plot {
    int64_t               jobs, best; /* best: an index or -1 */
    int32_t               axes;
    const ub_sweep_axis  *axis;
    const char           *metric;
    const double         *value; /* of the metric, a job each; NaN: none */
    bool                  minimise;
    const ub_sweep_curve *curve; /* a job each */
} ub_sweep_plot;

/* Every job of a sweep; many of them are drawn faintly, the best one stands out.  Depends on the
 * results only. */
UB_LOCAL UB_NODISCARD ub_status ub_draw_sweep(const ub_sweep_plot *s, ub_bytes *svg);

#endif /* UB_IO_DRAW_SWEEP_H */
