/* core/internal/steps.h - distances in whole steps, which decide most comparisons of exact ones.
 *
 * A coordinate v becomes floor((v - origin of its column) / step), 0 .. UB_STEPS_MOST, with one
 * step for all columns.  In the maximum norm a distance of d steps and the distance D of what they
 * became differ by less than 1 (and rounding: 1e-11).  Who knows D < d - 1 or D > d + 1 need not
 * look closer, and a vector holds four times as many steps as doubles.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_STEPS_H
#define UB_CORE_INTERNAL_STEPS_H

#include "core/internal/blocks.h"

/* MOST: places past the last point, at INT16_MAX, are farther than any two points are. */
enum { UB_STEPS_MOST = 16380, UB_STEPS_LANES = 32 };

/* Distances of a point from the UB_KNN_BLOCK of x (dims x UB_KNN_BLOCK); its own coordinates at
 * at[0], at[UB_KNN_BLOCK], ... */
UB_INLINE void ub_steps_distances(const int16_t *restrict x, int32_t dims, const int16_t *at,
                                  int16_t *restrict d)
{
    for (int32_t c = 0; c < dims; c++)
        for (int p = 0; p < UB_KNN_BLOCK; p++) {
            int16_t far = (int16_t)(x[c * UB_KNN_BLOCK + p] - at[c * UB_KNN_BLOCK]);
            far = (int16_t)(far < 0 ? -far : far);
            d[p] = c > 0 && d[p] > far ? d[p] : far;
        }
}

/* Keep the least of each lane in least[0 .. LANES), the second least in the other half. */
UB_INLINE void ub_steps_keep(const int16_t *d, int16_t *restrict least)
{
    enum { LANES = UB_STEPS_LANES };
    for (int p = 0; p < UB_KNN_BLOCK; p += LANES)
        for (int l = 0; l < LANES; l++) {
            int16_t v = d[p + l], more = v > least[l] ? v : least[l];
            least[l] = v < least[l] ? v : least[l];
            least[LANES + l] = more < least[LANES + l] ? more : least[LANES + l];
        }
}

/* The k-th smallest of m <= 2 UB_STEPS_LANES values; INT16_MAX if k > m. */
UB_INLINE int16_t ub_steps_kth(int32_t k, int m, const int16_t *v)
{
    int16_t rank[2 * UB_STEPS_LANES], kth = INT16_MAX;
    for (int g = 0; g < m; g++) {
        int16_t r = (int16_t)m;
        for (int h = 0; h < m; h++)
            r = (int16_t)(r + ((int16_t)(v[g] - v[h]) >> 15)); /* less 1 if v[h] is greater */
        rank[g] = r;
    }
    for (int g = 0; g < m; g++)
        kth = rank[g] >= k && v[g] < kth ? v[g] : kth;
    return kth;
}

/* The k-th smallest of all that ub_steps_keep has seen; more if three of the k were in one lane. */
UB_INLINE int16_t ub_steps_kth_kept(int32_t k, const int16_t *least)
{
    int16_t kth = ub_steps_kth(k, UB_STEPS_LANES, least), lower = 0;
    for (int l = 0; l < UB_STEPS_LANES; l++)
        lower |= least[UB_STEPS_LANES + l] < kth;
    return lower ? ub_steps_kth(k, 2 * UB_STEPS_LANES, least) : kth;
}

#endif /* UB_CORE_INTERNAL_STEPS_H */
