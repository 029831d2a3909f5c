/* core/internal/blocks.h - the inside of core/knn.h, for loops that run over whole blocks.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_BLOCKS_H
#define UB_CORE_INTERNAL_BLOCKS_H

#include <math.h>

#include "core/internal/simd.h"
#include "core/knn.h"

enum { UB_KNN_BLOCK = UB_KNN_ROOM, UB_KNN_GROUPS = 8 };

struct ub_knn {
    int64_t  n, blocks;
    int32_t  dims;
    double  *x;     /* blocks x dims x UB_KNN_BLOCK; infinite past the last point */
    double  *low;   /* dims x blocks: the bounding boxes */
    double  *high;  /* dims x blocks */
    int32_t *order; /* n: which point is at a place */
    double  *at;    /* dims: the query */
    double  *gap;   /* blocks: distances of boxes from it */
    int32_t *close; /* blocks: those it has to look into */

    /* The blocks within reach of a whole block, for all queries from its points. */
    int64_t  list_of, list_length;
    double   list_reach;
    int32_t *listed;
    double  *listed_low, *listed_high; /* their boxes, dims x list_length */
};

/* Distance from `at` to m boxes: low and high are dims x m. */
UB_INLINE void ub_knn_gaps(int32_t dims, int64_t m, const double *low, const double *high,
                           const double *at, double *restrict gap)
{
    for (int64_t b = 0; b < m; b++)
        gap[b] = 0;
    for (int32_t c = 0; c < dims; c++)
        for (int64_t b = 0; b < m; b++) {
            double under = low[c * m + b] - at[c], over = at[c] - high[c * m + b];
            double most = under > over ? under : over;
            gap[b] = most > gap[b] ? most : gap[b];
        }
}

/* Distances from `at` to the UB_KNN_BLOCK points of x (dims x UB_KNN_BLOCK). */
UB_INLINE void ub_knn_distances(const double *restrict x, int32_t dims, const double *at,
                                double *restrict d)
{
    for (int p = 0; p < UB_KNN_BLOCK; p++)
        d[p] = fabs(x[p] - at[0]);
    for (int32_t c = 1; c < dims; c++)
        for (int p = 0; p < UB_KNN_BLOCK; p++) {
            double far = fabs(x[c * UB_KNN_BLOCK + p] - at[c]);
            d[p] = far > d[p] ? far : d[p];
        }
}

/* Which of the distances are below the radius: bit p for d[p]. */
UB_INLINE uint64_t ub_knn_below(const double *d, double radius)
{
    uint64_t mask = 0;
    for (uint64_t p = 0; p < UB_KNN_BLOCK; p++)
        mask |= (uint64_t)(d[p] < radius) << p;
    return mask;
}

/* Take the lowest bit off a mask; its number. */
UB_INLINE int ub_knn_next(uint64_t *mask)
{
    int p = __builtin_ctzll(*mask);
    *mask &= *mask - 1;
    return p;
}

/* Put a neighbour that is closer than the k-th into the k nearest so far. */
UB_INLINE void ub_knn_insert(int32_t k, double *nearest, int32_t *near, double distance,
                             int64_t place)
{
    int32_t i = k - 1;
    for (; i > 0 && nearest[i - 1] > distance; i--) {
        nearest[i] = nearest[i - 1];
        near[i] = near[i - 1];
    }
    nearest[i] = distance;
    near[i] = (int32_t)place;
}

/* The same for distances alone, whatever the distance: exchanging upwards, without branches. */
UB_INLINE void ub_knn_exchange(int32_t k, double *nearest, double distance)
{
    for (int32_t i = 0; i < k; i++) {
        double held = nearest[i], more = held > distance ? held : distance;
        nearest[i] = held > distance ? distance : held;
        distance = more;
    }
}

/* A distance that at least k <= UB_KNN_GROUPS of the block's do not exceed: the k-th smallest of
 * the least of each group. */
UB_INLINE double ub_knn_bound(int32_t k, const double *d)
{
    double  least[UB_KNN_GROUPS], bound = INFINITY;
    int64_t rank[UB_KNN_GROUPS] = {0};
    for (int g = 0; g < UB_KNN_GROUPS; g++)
        least[g] = d[g];
    for (int p = UB_KNN_GROUPS; p < UB_KNN_BLOCK; p += UB_KNN_GROUPS)
        for (int g = 0; g < UB_KNN_GROUPS; g++)
            least[g] = d[p + g] < least[g] ? d[p + g] : least[g];
    for (int h = 0; h < UB_KNN_GROUPS; h++)
        for (int g = 0; g < UB_KNN_GROUPS; g++)
            rank[g] += least[h] <= least[g];
    for (int g = 0; g < UB_KNN_GROUPS; g++)
        bound = rank[g] >= k && least[g] < bound ? least[g] : bound;
    return bound;
}

/* Put those of the distances d of block b that belong there into the k nearest so far; near may be
 * NULL.  The own block, which comes first, finds them infinite; a bound saves most of its
 * insertions.  What this costs is branches that are guessed wrong, not arithmetic. */
UB_INLINE void ub_knn_keep(int32_t k, double *nearest, int32_t *near, double *d, int64_t b,
                           int64_t self)
{
    double radius = nearest[k - 1];
    if (b == self / UB_KNN_BLOCK) {
        d[self % UB_KNN_BLOCK] = INFINITY;
        if (k <= UB_KNN_GROUPS)
            radius = nextafter(ub_knn_bound(k, d), INFINITY);
    }
    for (uint64_t mask = ub_knn_below(d, radius); mask != 0;) {
        int p = ub_knn_next(&mask);
        if (near == NULL)
            ub_knn_exchange(k, nearest, d[p]);
        else if (d[p] < nearest[k - 1])
            ub_knn_insert(k, nearest, near, d[p], b * UB_KNN_BLOCK + p);
    }
}

/* Shortlist the blocks whose box is closer than `reach` to the box of block `own`. */
UB_INLINE void ub_knn_shortlist(ub_knn *t, int64_t own, double reach)
{
    int64_t found = 0;
    for (int64_t b = 0; b < t->blocks; b++)
        t->gap[b] = 0;
    for (int32_t c = 0; c < t->dims; c++) {
        const double *low = t->low + c * t->blocks, *high = t->high + c * t->blocks;
        double *restrict gap = t->gap, from = low[own], to = high[own];
        for (int64_t b = 0; b < t->blocks; b++) {
            double under = low[b] - to, over = from - high[b];
            double most = under > over ? under : over;
            gap[b] = most > gap[b] ? most : gap[b];
        }
    }
    for (int64_t b = 0; b < t->blocks; b++) {
        t->listed[found] = (int32_t)b;
        found += t->gap[b] < reach;
    }
    for (int32_t c = 0; c < t->dims; c++)
        for (int64_t i = 0; i < found; i++) {
            t->listed_low[c * found + i] = t->low[c * t->blocks + t->listed[i]];
            t->listed_high[c * found + i] = t->high[c * t->blocks + t->listed[i]];
        }
    t->list_of = own;
    t->list_reach = reach;
    t->list_length = found;
}

/* The blocks closer than `radius` to the point at `place`, into t->close; returns how many. */
UB_INLINE int64_t ub_knn_close(ub_knn *t, int64_t place, double radius)
{
    int64_t own = place / UB_KNN_BLOCK, found = 0;
    if (t->list_of != own || !(radius <= t->list_reach))
        ub_knn_shortlist(t, own, 1.25 * radius);
    ub_knn_gaps(t->dims, t->list_length, t->listed_low, t->listed_high, t->at, t->gap);
    for (int64_t i = 0; i < t->list_length; i++) {
        t->close[found] = t->listed[i];
        t->gap[found] = t->gap[i];
        found += t->gap[i] < radius;
    }
    return found;
}

#endif /* UB_CORE_INTERNAL_BLOCKS_H */
