/* core/internal/cells.h - groups of samples that are near each other.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_CELLS_H
#define UB_CORE_INTERNAL_CELLS_H

#include <stdint.h>

#include "core/status.h"

/* Cut n points at quantiles of the coordinate that varies most, again and again, into `cells`
 * groups whose sizes differ by one at most.
 *   column  dims columns of n finite values (borrowed); dims 0: groups of consecutive samples of
 *           `order` as it comes in
 *   order   in: a permutation of 0 .. n-1 (ties fall as it says); out: group c is
 *           order[c n / cells] .. order[(c + 1) n / cells - 1]
 * 1 <= cells <= n.  Cost: O(n log^2 n + n dims log n).  Errors: UB_ENOMEM. */
UB_NODISCARD ub_status ub_cells_cut(int64_t n, int32_t dims, const double *const *column,
                                    int64_t cells, int64_t *order);

#endif /* UB_CORE_INTERNAL_CELLS_H */
