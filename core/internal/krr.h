/* core/internal/krr.h - kernel ridge regression on two columns, with a few plain features.
 *
 * The model is y = B b + f(u, v), b free and f in the space of the Gaussian kernel
 * exp(-((u - u')^2 + (v - v')^2) / (2 scale^2)) with a ridge penalty: a linear smoother y -> H y.
 * The kernel is replaced by its incomplete Cholesky factor over landmarks, samples chosen by
 * pivoting (Fine, Scheinberg 2001; Bach, Jordan 2002), so that a fit costs O(n m^2), m landmarks,
 * and as many landmarks are used as the kernel has directions on these samples.  After one
 * eigendecomposition every penalty and every further target costs O(n m) or less.  The penalty is
 * chosen by generalised cross-validation (Wahba 1990).
 *
 * Layer: core, private.  Deterministic; a ub_krr is scratch, used by one thread at a time.
 */
#ifndef UB_CORE_INTERNAL_KRR_H
#define UB_CORE_INTERNAL_KRR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef struct ub_krr {
    int64_t n;
    int32_t plain, rank, landmarks; /* columns of q, of u, of k */
    double *q;                      /* n x plain: orthonormal basis of the plain features */
    double *
        w; /* rank: variances of the kernel's directions beyond them (eigenvalues / n), ascending */
    double *u; /* n x rank: orthonormal basis of those directions = k gram; made when needed */
    double *k, *gram; /* n x landmarks: factor of the kernel; landmarks x rank */
    bool    rotated;  /* u is there */
    double *work, *point, *coefficient;
    int    *pivot;
    int64_t room_n;
    int32_t room_plain, room_landmarks;
} ub_krr;

void ub_krr_release(ub_krr *k);

/* The plain features: p columns of n (feature, by columns, overwritten); those that others
 * determine count once. */
UB_NODISCARD ub_status ub_krr_plain(ub_krr *k, int64_t n, int32_t p, double *feature);

/* The kernel on column a and, if not NULL, b (n each), behind the plain features of the last
 * ub_krr_plain().  At most `landmarks` <= n of the first 2 landmarks (or n) samples in `order`, a
 * permutation of 0 .. n-1, become landmarks; 0: no kernel. */
UB_NODISCARD ub_status ub_krr_kernel(ub_krr *k, const double *a, const double *b, double scale,
                                     const int32_t *order, int32_t landmarks);

/* The penalty for target y (n), infinity for none of the kernel, and its GCV score, the estimated
 * mean square of prediction.  Infinite if the plain features leave too few degrees of freedom. */
double ub_krr_choose(const ub_krr *k, const double *y, double *penalty);

/* residual = y - H y (n, may be y); adds the diagonal of H to leverage (n) and returns the trace.
 */
double ub_krr_residual(ub_krr *k, const double *y, double penalty, double *residual,
                       double *leverage);

#endif /* UB_CORE_INTERNAL_KRR_H */
