/* mpi/farm.h - run numbered pieces of work on all ranks of a communicator.
 *
 * The farm moves bytes and knows nothing of what they mean.  Rank 0 hands out item
 * numbers and works too, between requests; with one rank it works alone, and the results are
 * the same, byte for byte, as with any other number of ranks.  Items are handed out in
 * chunks that shrink towards the end (guided self-scheduling), answers are taken one by one.
 *
 * Point-to-point messages only between the first item and the last.
 *
 * Layer: mpi (may include core).
 */
#ifndef UB_MPI_FARM_H
#define UB_MPI_FARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/status.h"
#include "mpi/comm.h"

typedef struct ub_farm_ops {
    /* Any rank: do item, append the answer.  Depends on its arguments only. */
    ub_status (*work)(void *self, int64_t item, ub_bytes *answer);
    /* Rank 0: take one answer, exactly once per item, in any order. */
    ub_status (*absorb)(void *self, int64_t item, const unsigned char *answer, size_t len);
    /* Rank 0: is the item already answered (from a journal)?  Asked a few times, all before the
     * item is handed out; the answer stays the same.  OPTIONAL. */
    bool (*has)(void *self, int64_t item);
    /* Rank 0, between items: true stops handing out work, drains what is in flight (a worker
     * ends its item and drops the rest of its chunk) and returns UB_ESTOP.  OPTIONAL. */
    bool (*stop)(void *self);
    /* Rank 0, between items: done so far of items.  OPTIONAL. */
    void (*progress)(void *self, int64_t done, int64_t items);
} ub_farm_ops;

typedef struct ub_farm_stats {
    int64_t items;    /* answers absorbed in this call */
    int64_t messages; /* received by rank 0 */
    int64_t bytes;    /* payload received by rank 0 */
    double  seconds;  /* wall clock on rank 0 */
    double  busy;     /* mean fraction of the time the ranks spent in work() */
} ub_farm_stats;

/* Run items 0 .. items-1 that `has` does not know.
 *   ops, self  borrowed; `self` may differ between ranks
 *   stats      out, may be NULL; set on rank 0, zeroed elsewhere
 * Returns the same status on all ranks: UB_OK (every item absorbed), UB_ESTOP, or the first
 * failure rank 0 heard of; work in flight is drained and no message is left behind. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_farm_run(const ub_comm *c, int64_t items,
                                                 const ub_farm_ops *ops, void *self,
                                                 ub_farm_stats *stats);

#endif /* UB_MPI_FARM_H */
