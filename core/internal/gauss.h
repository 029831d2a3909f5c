/* core/internal/gauss.h - from residual covariances to the answer of a linear-Gaussian test.
 *
 * Shared by the test that factors every conditioning set (ci/fisher_z.c) and by the one that
 * reads all of them off one precision matrix (full.c).
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_GAUSS_H
#define UB_CORE_INTERNAL_GAUSS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/ci_test.h"
#include "core/internal/simd.h"

/* A variance, relative to what it was before conditioning, at or below which the column is
 * determined to rounding: a Cholesky pivot of a correlation matrix of order m carries an error
 * of about m * 2e-16, single precision data one of about 1e-14, and 1e-12 is a multiple
 * correlation of 1 - 5e-13, which no sample of measurements has. */
#define UB_GAUSS_DETERMINED 1e-12

/* A standard deviation, relative to the mean, at or below which a column is constant: what the
 * rounding of the mean leaves of one. */
#define UB_GAUSS_CONSTANT 1e-13

/* 1 / standard deviation of column c; 0 if it is constant, NaN if it is not finite. */
double ub_gauss_inv_sd(const ub_moments *m, int32_t c);

/* atanh(r); 1 - r^2 counts as at least UB_GAUSS_DETERMINED.  Arithmetic and bits only, so that it
 * goes through vector lanes and has one result everywhere, a few units in the last place from the
 * true one.  With 2^k about (1 + |r|) / (1 - |r|), off the exponents,
 *     atanh |r| = k log(2) / 2 + atanh y,  y = (1 + |r| - 2^k (1 - |r|)) / (1 + |r| + 2^k (1 -
 * |r|)), |y| <= 0.2, and the Maclaurin series of atanh up to y^21.  NaN gives NaN. */
UB_INLINE double ub_gauss_atanh(double r)
{
    const double most = 0x1.fffffffffee68p-1; /* sqrt(1 - UB_GAUSS_DETERMINED) */
    double       x = fabs(r) > most ? most : fabs(r), a = 1 + x, b = 1 - x, scale, k;
    uint64_t     of_a, of_b, bits;
    memcpy(&of_a, &a, sizeof a);
    memcpy(&of_b, &b, sizeof b);
    uint64_t exponent = (of_a - of_b + (UINT64_C(1) << 51)) >> 52;
    bits = (exponent + 1023) << 52;
    memcpy(&scale, &bits, sizeof bits); /* 2^k */
    bits = exponent | UINT64_C(0x4330000000000000);
    memcpy(&k, &bits, sizeof bits); /* 2^52 + k */
    k -= 0x1p52;
    /* 2 x for k = 0, a - 2^k b else, by their bits: a choice between the numbers themselves makes
     * gcc 12 compute all that follows of either. */
    double   top = a - scale * b, twice = 2 * x;
    uint64_t of_top, of_twice, rest = 0 - (uint64_t)(exponent != 0);
    memcpy(&of_top, &top, sizeof top);
    memcpy(&of_twice, &twice, sizeof twice);
    bits = (of_top & rest) | (of_twice & ~rest);
    memcpy(&top, &bits, sizeof bits);
    double y = top / (a + scale * b), q = y * y, sum = 1.0 / 21;
    sum = sum * q + 1.0 / 19;
    sum = sum * q + 1.0 / 17;
    sum = sum * q + 1.0 / 15;
    sum = sum * q + 1.0 / 13;
    sum = sum * q + 1.0 / 11;
    sum = sum * q + 1.0 / 9;
    sum = sum * q + 1.0 / 7;
    sum = sum * q + 1.0 / 5;
    sum = sum * q + 1.0 / 3;
    return copysign(k * (0.5 * M_LN2) + (y + y * (q * sum)), r);
}

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
