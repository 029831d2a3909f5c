/* core/internal/sweep.h - the arithmetic of many partial correlations, in vector lanes.
 *
 * Plain loops, compiled once per instruction set (core/internal/simd.h): the same bits with each
 * of them, in whatever lane.  Where a test leaves the straight path (a pivot at or below
 * UB_GAUSS_DETERMINED, a value that is not finite) a kernel answers NaN, and the caller asks the
 * test itself.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_SWEEP_H
#define UB_CORE_INTERNAL_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

enum {
    UB_LANES = 8,      /* doubles in the widest vector */
    UB_BAND_PAIRS = 16 /* of a block: two vectors, so that one computes while the other waits */
};

/* n rounded up to whole vectors. */
static inline int32_t ub_lanes(int32_t n)
{
    return (n + UB_LANES - 1) / UB_LANES * UB_LANES;
}

/* Pairs of steps (x, y), x the same, with their neighbours a = x - 1, b = x + 1, c = y - 1,
 * d = y + 1.  In: covariances, and 1 / standard deviations (0: not there, or constant).  Out: the
 * factor L of the correlations of (a, b, c, d), the rows of x and y below it, and what is left of
 * the correlations of x and y; the same operations in the same order as in ci/fisher_z.c. */
typedef struct ub_band_block {
    double sa, sb, sx, sc[UB_BAND_PAIRS], sd[UB_BAND_PAIRS], sy[UB_BAND_PAIRS];
    double ba, xa, xb, var_x;
    double left;               /* in: samples - 3 */
    double ib;                 /* out: 1 / diagonal of L, as ic, id; that of a is 1 */
    double dof[UB_BAND_PAIRS]; /* out: left - the neighbours that vary */
    double ca[UB_BAND_PAIRS], cb[UB_BAND_PAIRS], ic[UB_BAND_PAIRS];
    double da[UB_BAND_PAIRS], db[UB_BAND_PAIRS], dc[UB_BAND_PAIRS], id[UB_BAND_PAIRS];
    double xc[UB_BAND_PAIRS], xd[UB_BAND_PAIRS];
    double ya[UB_BAND_PAIRS], yb[UB_BAND_PAIRS], yc[UB_BAND_PAIRS], yd[UB_BAND_PAIRS];
    double xx[UB_BAND_PAIRS], xy[UB_BAND_PAIRS], yy[UB_BAND_PAIRS];
    double least_x[UB_BAND_PAIRS], least_y[UB_BAND_PAIRS]; /* out: what a task must leave of them */
} ub_band_block;

/* From covariances to factors; xx becomes NaN where a pivot is too small.  Lanes of which sc, sd
 * and sy are 0 are idle. */
void ub_sweep_factor(ub_band_block *k);

/* Correlations of many tasks with a, b, c, d, x and y. */
typedef struct ub_band_tasks {
    const double *a, *b, *c, *d, *x, *y;
} ub_band_tasks;

/* The pair in one lane given each of `width` tasks (a multiple of UB_LANES) and its neighbours:
 * r[j] for task j.  The task enters as the fifth row of the factor, with pivot p:
 *     r = (xy p - gx gy) / sqrt((xx p - gx^2) (yy p - gy^2)).
 * Also NaN where it takes more than 1 - 2^-10 of what the neighbours leave of x or y: elsewhere r
 * is within 1e-12 of the one by one path. */
void ub_sweep_tasks(const ub_band_block *k, int lane, int32_t width, const ub_band_tasks *g,
                    double *r);

/* Step x and steps y, y + stride .. (n of them) given all others and each task, off one inverse
 * (core/full.h):  r = -(p[y] + bx[j] by[j]) (ix[j] iy[j]), i = 1 / sqrt(precision).
 *   p     row x of the inverse of the steps
 *   b, i  rows of all steps, `width` apart (a multiple of UB_LANES)
 *   r     out, `tests` a pair; room for UB_LANES more */
void ub_sweep_full(const double *p, int32_t x, int32_t y, int32_t stride, int32_t n, int32_t width,
                   int32_t tests, const double *b, const double *i, double *r);

/* Fisher's z of n correlations, in place: r[i] = root[i] atanh(r[i]), as ub_gauss_scalar.
 * What is not a correlation (NaN, |r| >= 2) becomes NaN; returns whether there was none. */
bool ub_sweep_z(int64_t n, const double *root, double *r);

#endif /* UB_CORE_INTERNAL_SWEEP_H */
