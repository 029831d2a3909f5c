/* core/knn.h - exact nearest neighbours and range counts in the maximum norm.
 *
 * The points are cut at medians, as a k-d tree does, into blocks of 64 which are then kept as a
 * flat array: coordinates by columns within a block, and a bounding box each.  A search compares
 * the boxes, then whole blocks, in loops that compilers vectorise.  With few points a block and
 * no pointers this is faster than a tree up to about 1e5 points; docs/ci-tests.md says what else
 * was measured.
 *
 * Layer: core (no MPI, no files, no globals).  Exact and deterministic.  A search writes scratch
 * of the object: one thread at a time.
 */
#ifndef UB_CORE_KNN_H
#define UB_CORE_KNN_H

#include <stdint.h>

#include "core/status.h"

typedef struct ub_knn ub_knn;

/* Points 0 .. n-1 with `dims` >= 1 coordinates; coordinate c of point i is column[c][i], finite,
 * copied.  `*out` is owned by the caller.  Cost: O(n (log n) dims).
 * Errors: UB_ENOMEM; UB_EARG (n < 1 or dims < 1). */
UB_NODISCARD ub_status ub_knn_create(int64_t n, int32_t dims, const double *const *column,
                                     ub_knn **out);
void                   ub_knn_destroy(ub_knn **knn);

/* The points in block order, in which neighbours are near in memory: entry j is the point at
 * place j.  Length n; borrowed. */
const int32_t *ub_knn_order(const ub_knn *knn);

/* Coordinates of the point at a place into out (dims). */
void ub_knn_point(const ub_knn *knn, int64_t place, double *out);

/* Distance from the point at `place` to its k-th nearest other point, 1 <= k < n.
 *   near  k places of those neighbours, nearest first; NULL if not wanted.  Which of several
 *         points at the same distance is taken depends on the block order only.
 *   work  k doubles */
double ub_knn_kth(ub_knn *knn, int64_t place, int32_t k, double *work, int32_t *near);

/* All points (itself too) with distance < radius from the point at `at`, in block order: places
 * and distances into arrays of n + UB_KNN_ROOM.  Returns how many. */
enum { UB_KNN_ROOM = 64 };
int64_t ub_knn_within(ub_knn *knn, int64_t at, double radius, int32_t *place, double *distance);

/* How many points have distance < radius from the coordinates `at` (dims). */
int64_t ub_knn_count(ub_knn *knn, const double *at, double radius);

#endif /* UB_CORE_KNN_H */
