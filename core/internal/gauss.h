/* core/internal/gauss.h - from residual covariances to the answer of a linear-Gaussian test.
 *
 * Shared by the test that factors every conditioning set (ci/fisher_z.c) and by the one that
 * reads all of them off one precision matrix (full.c).
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_GAUSS_H
#define UB_CORE_INTERNAL_GAUSS_H

#include <stdint.h>

#include "core/ci_test.h"

/* A variance, relative to what it was before conditioning, at or below which the column is
 * determined to rounding: a Cholesky pivot of a correlation matrix of order m carries an error
 * of about m * 2e-16, single precision data one of about 1e-14, and 1e-12 is a multiple
 * correlation of 1 - 5e-13, which no sample of measurements has. */
#define UB_GAUSS_DETERMINED 1e-12

/* A standard deviation, relative to the mean, at or below which a column is constant: what the
 * rounding of the mean leaves of one. */
#define UB_GAUSS_CONSTANT 1e-13

/* No answer, for a reason: p_value 1, the rest 0. */
void ub_gauss_verdict(ub_ci_verdict v, ub_ci_result *out);

/* Answer of the scalar test: statistic z = sqrt(n - nz - 3) atanh(r), evidence z^2.  A side that
 * determines the other is dependence, not failure: 1 - r^2 counts as at least
 * UB_GAUSS_DETERMINED, so that z stays finite. */
void ub_gauss_scalar(double r, int64_t n, int32_t nz, ub_ci_result *out);

/* Answer from the residual covariance of X (first p rows) and Y (q rows), given nz columns.
 *   s     (p + q)^2, row-major, both triangles, in units in which every variance was 1 before
 *         conditioning; overwritten
 *   work  max(p, q)^2 doubles of scratch; may be NULL if p = q = 1
 * Columns that Z or the columns before them on their side determine carry no information and
 * are left out; p and q then count the others.  One column a side: signed Fisher z.  More:
 * statistic = Bartlett's -(n - nz - 1 - (p + q + 1)/2) log(Wilks' lambda) against
 * chi-square(pq) (Bartlett 1938). */
void ub_gauss_answer(double *s, int32_t p, int32_t q, double *work, int64_t n, int32_t nz,
                     ub_ci_result *out);

#endif /* UB_CORE_INTERNAL_GAUSS_H */
