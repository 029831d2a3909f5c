/* core/internal/cmi_parts.h - what the estimate (cmi.c) and the surrogates (cmi_surrogates.c)
 * share.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_CMI_PARTS_H
#define UB_CORE_INTERNAL_CMI_PARTS_H

#include <math.h>

#include "core/internal/blocks.h"
#include "core/internal/cmi.h"
#include "core/special.h"

struct ub_cmi {
    int64_t n;
    int32_t nx, ny, nz, columns, k;
    int     estimator;
    ub_knn *base;    /* points in Z; in Y if there is no Z */
    ub_knn *alone;   /* points in X, if there is no Z */
    double *x, *y;   /* n x nx and n x ny, by place */
    double *block;   /* blocks x columns x BLOCK: x, y, z */
    double *radius;  /* n: holds the k-th neighbour of a place, if guessed well */
    double *psi;     /* n + 1: digamma */
    double *best;    /* k x UB_CMI_LANES: the nearest so far, sorted in each lane */
    double *nearest; /* k: of all lanes */
    double *point;   /* nx: a query in X */

    /* One place against whole blocks, for the estimate. */
    double *row_x, *row_y, *row_z; /* rows x BLOCK; row_z stays 0 if there is no Z */
    int64_t rows, points;          /* points: how many of them count */

    /* The same in steps, for ksg1 with Z; see sift(). */
    int16_t *step;                 /* blocks x (nx + ny + nz) x BLOCK */
    double   per_unit;             /* steps */
    int16_t *in_z, *in_xz, *in_yz; /* rows x BLOCK: distances */
    uint8_t *open;                 /* rows x BLOCK: not decided by them */
    int32_t *row_of;               /* rows: which block */
    int64_t  missed;               /* places that steps are no good for */

    /* One place against the points within a radius, for surrogates. */
    int32_t *place; /* in Z: where they are ... */
    double  *dz;    /* ... and how far */
    int64_t  found;
    int32_t *near_place; /* those of them within it in (y, z) */
    double  *near, *near_y, *near_z;
    int64_t  near_found;
};

/* The term of a place from its counts. */
UB_INLINE double ub_cmi_term(const ub_cmi *s, int64_t n_z, int64_t n_xz, int64_t n_yz)
{
    const double *psi = s->psi;
    if (s->nz == 0)
        return psi[s->n] - psi[n_xz] - psi[n_yz];
    double more = s->estimator == UB_ESTIMATOR_KSG1 ? 0 : 1 / (double)n_xz + 1 / (double)n_yz;
    return psi[n_z] - psi[n_xz] - psi[n_yz] + more;
}

static inline double ub_cmi_from_sum(const ub_cmi *s, double sum)
{
    double k = s->k, shift = s->estimator == UB_ESTIMATOR_KSG1 ? 0 : s->nz > 0 ? 2 / k : 1 / k;
    return ub_digamma(k) - shift + sum / (double)s->n;
}

#endif /* UB_CORE_INTERNAL_CMI_PARTS_H */
