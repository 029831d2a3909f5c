/* mpi/reduce.h - sums whose bytes do not depend on the number of ranks.
 *
 * Leaves are fixed blocks of the data, numbered 0 .. leaves-1; rank r holds the
 * leaves of ub_part(leaves, size, r).  They are added in one binary tree over the
 * leaf numbers: node [a, b) = node [a, m) + node [m, b) with m = a + the largest power
 * of two below b - a.  Whichever ranks hold them, the additions are the same.
 *
 * Layer: mpi.
 */
#ifndef UB_MPI_REDUCE_H
#define UB_MPI_REDUCE_H

#include <stdint.h>

#include "core/status.h"
#include "mpi/comm.h"

/* Set out (count values, of any content) to the contribution of one leaf held by this rank. */
typedef ub_status (*ub_leaf)(void *self, int64_t leaf, double *out);

/* Sum over all leaves into result (count values) on every rank.
 * A leaf that fails makes the call fail with its sentence on all ranks.
 * Memory: count * (log2(leaves) + 1) doubles.  Messages: at most log2(leaves) a rank
 * of `count` doubles, and one broadcast. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_reduce_leaves(const ub_comm *c, int64_t leaves,
                                                      int64_t count, ub_leaf leaf, void *self,
                                                      double *result);

/* The same for numbers of another kind: what `leaf` and `result` point to is `type`. */
typedef enum ub_number { UB_NUMBER_DOUBLE, UB_NUMBER_FLOAT } ub_number;
typedef ub_status (*ub_leaf_numbers)(void *self, int64_t leaf, void *out);
UB_COLLECTIVE UB_NODISCARD ub_status ub_reduce_numbers(const ub_comm *c, ub_number type,
                                                       int64_t leaves, int64_t count,
                                                       ub_leaf_numbers leaf, void *self,
                                                       void *result);

#endif /* UB_MPI_REDUCE_H */
