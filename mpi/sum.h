/* mpi/sum.h - the same long sum over and over: a vector in ranges, a sum over leaves of each.
 *
 * Leaves are fixed blocks of data; rank r holds those of ub_part(leaves, size, r).  They are added
 * in the tree of mpi/reduce.h, so the bits of a sum do not depend on the ranks.  The vector is cut
 * into ranges, which do not depend on the ranks either.  A rank adds up the leaves it holds range
 * by range, while they are in its cache; a range travels to the rank that owns it while the
 * next is computed (a reduce-scatter); there it is put to use, and what was made of it is given to
 * all (an allgather).  Ranks of one node read each other's sums where they stand.
 *
 * Layer: mpi.  All workspace is allocated once.
 */
#ifndef UB_MPI_SUM_H
#define UB_MPI_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/shard.h"
#include "core/status.h"
#include "mpi/shared.h"

typedef struct ub_sum ub_sum;

typedef struct ub_sum_ops {
    /* Set out, the numbers of range k, to the contribution of a leaf held here; or add it to them,
     * with the bits of one addition a number: the contribution may never stand in memory. */
    void (*part)(void *self, int64_t leaf, int32_t k, void *out, bool add);
    /* The sum of range k, which this rank owns, is there. */
    void (*done)(void *self, int32_t k, const void *sum);
} ub_sum_ops;

typedef struct ub_sum_plan {
    int64_t        leaves; /* >= 1 */
    int32_t        ranges; /* >= 1, at most 16384 */
    const int64_t *at;     /* ranges + 1 offsets in the vector, ascending from 0; at most 2^31 - 1
                              numbers a range; borrowed for good */
    size_t size;           /* bytes of a number: those of float or of double */
    int    node; /* 0: nodes as MPI sees them; else the node this rank shall belong to (> 0),
                    to try several on one */
} ub_sum_plan;

/* Prepare sums.
 *   c  borrowed; not used by anybody else during a call
 * Memory: the vector once for every 2 log2(leaves) parts of the tree held here, at most, and once
 * more; what is received: the ranges owned here for every part of the tree.  The former is shared
 * memory, if the node has it to give (mpi/shared.h).
 * Errors: UB_EARG, UB_ENOMEM. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_sum_create(const ub_comm *c, const ub_sum_plan *plan,
                                                   ub_sum **out);
UB_COLLECTIVE void                   ub_sum_destroy(ub_sum **s);

/* Room for a vector of which ub_sum_share costs least, aligned to 64 bytes, of any content; until
 * ub_sum_destroy.  NULL: there is no such room. */
UB_LOCAL void *ub_sum_vector(const ub_sum *s);

/* The ranges this rank owns: a contiguous share of the vector, empty on some ranks. */
UB_LOCAL ub_range ub_sum_own(const ub_sum *s);

/* One sum.  part is called for every own leaf and every range (the ranges of others first), done
 * for every own range, ascending, after that.  Errors: UB_EMPI. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_sum_run(ub_sum *s, const ub_sum_ops *ops, void *self);

/* Give every rank's own ranges of a whole vector of such numbers to all.  Those of ub_sum_vector()
 * are as they were when ub_sum_run returned. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_sum_share(ub_sum *s, void *vector);

#endif /* UB_MPI_SUM_H */
