/* core/band.h - rows of pairs of scalar steps given their four neighbours and each of many tasks.
 *
 * What ci/fisher_z.c answers one pair at a time, to 1e-12 of r, for the pairs (x, y),
 * (x, y + stride), ....  With many tasks those of one pair share the Cholesky factor of its
 * neighbours and fill the vector lanes (internal/sweep.h).  With at most 4 tests a pair, pairs do,
 * off tables that have each step with its neighbours already (internal/sides.h); pairs of which the
 * neighbours leave less than 1 / 128 of a variance go the first way, so that smooth recordings are
 * slower.
 *
 * Layer: core.  One thread at a time (scratch inside).
 */
#ifndef UB_CORE_BAND_H
#define UB_CORE_BAND_H

#include <stdbool.h>
#include <stdint.h>

#include "core/moments.h"

typedef struct ub_band ub_band;

/*   m         moments: column t of step t, then one column a task; borrowed
 *   stride    between the pairs of a row
 *   contrast  one more test a pair, the last: without any task
 * Needs m->n >= 9, so that every test has samples enough.
 * Memory: a double a step and task; with at most 4 tests a pair at most 38 more a step.  Errors:
 * UB_ENOMEM. */
UB_NODISCARD ub_status ub_band_create(const ub_moments *m, int32_t steps, int32_t stride,
                                      bool contrast, ub_band **out);
void                   ub_band_destroy(ub_band **b);

/* The partial correlations of n pairs (x, y + i * stride), y > x + 1, all tests of a pair one after
 * the other.
 *   r     out, n * (tasks + contrast) and room for UB_LANES more; NaN where ci/fisher_z.c is to
 *         be asked (steps that are constant, determined or not finite)
 *   root  out, n * (tasks + contrast): sqrt(degrees of freedom), so that Fisher's z is
 *         root * atanh(r) (ub_sweep_z) */
void ub_band_row(ub_band *b, int32_t x, int32_t y, int32_t n, double *r, double *root);

#endif /* UB_CORE_BAND_H */
