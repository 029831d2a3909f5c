/* core/internal/ridge.h - what smooth functions of Z leave of other columns.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_RIDGE_H
#define UB_CORE_INTERNAL_RIDGE_H

#include <stdint.h>

#include "core/rng.h"
#include "core/status.h"

/* Replace each of `columns` columns of v (column c at v + c * stride) by its leave-one-out
 * residuals r_i / (1 - h_i) from a regression on 1, the columns of Z, and `features` random Fourier
 * features sqrt(2) cos(w'z + b) (Rahimi and Recht 2007), whose weights alone are penalised.  Every
 * other feature is of a Gaussian kernel of width sqrt(nz) on all of Z, those between of one of
 * width 1/2 on a single column of Z, column by column: smooth functions of all, rougher ones of
 * each.  The penalty of a column is that of the least sum of squares of its residuals among seven
 * (PRESS: Allen 1974).
 *
 *   z    nz >= 1 columns of n values, standardised; borrowed
 *   rng  where frequencies and phases come from
 *
 * Cost: O(n (nz + features)^2).  Errors: UB_ENOMEM. */
UB_NODISCARD ub_status ub_ridge_residuals(int64_t n, int32_t nz, const double *const *z,
                                          int32_t features, ub_rng *rng, int32_t columns,
                                          int64_t stride, double *v);

#endif /* UB_CORE_INTERNAL_RIDGE_H */
