/* core/internal/sweep.h - the arithmetic of many partial correlations, in vector lanes.
 *
 * Plain loops, compiled once per instruction set (core/internal/simd.h): the same operations in
 * the same order as ci/fisher_z.c and full.c take for one test, so the same bits, in whatever
 * lane.  Where these tests leave the straight path (a pivot at or below UB_GAUSS_DETERMINED, a
 * value that is not finite) a kernel answers NaN, and the caller asks the test itself.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_SWEEP_H
#define UB_CORE_INTERNAL_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

enum { UB_LANES = 8 };

/* n rounded up to whole vectors. */
static inline int32_t ub_lanes(int32_t n)
{
    return (n + UB_LANES - 1) / UB_LANES * UB_LANES;
}

/* UB_LANES pairs of steps (x, y), x the same: correlations of x, y and their neighbours
 * a = x - 1, b = x + 1, c = y - 1, d = y + 1 (0 with one that is not there) become, in place, the
 * factor L of (a, b, c, d), the rows of x and y below it, and their residual covariance. */
typedef struct ub_band_block {
    double ba, xa, xb; /* in: correlations; out: entries of L and of the row of x */
    double ib;         /* out: 1 / diagonal of L, as ic, id; that of a is 1 */
    double ca[UB_LANES], cb[UB_LANES], ic[UB_LANES];
    double da[UB_LANES], db[UB_LANES], dc[UB_LANES], id[UB_LANES];
    double xc[UB_LANES], xd[UB_LANES];
    double ya[UB_LANES], yb[UB_LANES], yc[UB_LANES], yd[UB_LANES];
    double xx[UB_LANES], xy[UB_LANES], yy[UB_LANES];
} ub_band_block;

/* From correlations to factors; xx becomes NaN where a pivot is too small. */
void ub_sweep_factor(ub_band_block *k);

/* Correlations of many tasks with a, b, c, d, x and y. */
typedef struct ub_band_tasks {
    const double *a, *b, *c, *d, *x, *y;
} ub_band_tasks;

/* The pair in one lane given each of `width` tasks (a multiple of UB_LANES) and its neighbours:
 * r[j] for task j. */
void ub_sweep_tasks(const ub_band_block *k, int lane, int32_t width, const ub_band_tasks *g,
                    double *r);

/* Correlations of one task with a, b and x, and with c, d and y of each pair. */
typedef struct ub_band_lanes {
    double a, b, x, c[UB_LANES], d[UB_LANES], y[UB_LANES];
} ub_band_lanes;

/* All pairs of the block given one task and their neighbours: r[l] for the pair in lane l. */
void ub_sweep_pairs(const ub_band_block *k, const ub_band_lanes *g, double *r);

/* Steps x and y given all others and each of `width` tasks (a multiple of UB_LANES), off one
 * inverse (core/full.h):  r[j] = -(pxy + bx[j] by[j]) / sqrt(qx[j] qy[j]), q = p + b^2. */
void ub_sweep_full(double pxy, int32_t width, const double *bx, const double *by, const double *qx,
                   const double *qy, double *r);

/* Fisher's z of n correlations, in place: r[i] = root[i] atanh(r[i]), as ub_gauss_scalar.
 * What is not a correlation (NaN, |r| >= 2) becomes NaN; returns whether there was none. */
bool ub_sweep_z(int64_t n, const double *root, double *r);

#endif /* UB_CORE_INTERNAL_SWEEP_H */
