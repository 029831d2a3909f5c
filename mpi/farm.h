/* mpi/farm.h - run numbered pieces of work on all ranks of a communicator.
 *
 * The farm moves bytes and knows nothing of what they mean.  Rank 0 hands out item
 * numbers and works too, between requests; with one rank it works alone.  Where ranks are many it
 * hands out to sub-masters only, and each of these to the ranks behind it.  The results are the
 * same, byte for byte, with any number of ranks and sub-masters.  Who gets which items when is
 * decided by core/sched.h; answers are taken one by one, the first of an item counts.
 *
 * A worker that dies costs its unfinished items: others do them.  The ranks of a sub-master that
 * dies go on with rank 0; what they have told it and it has not passed on is done again.  A rank
 * that is silent when all is done is given up after `patience_s`; where there are sub-masters,
 * after twice that, and a silent sub-master, which does no item, at any time.  In the end the
 * communicator shrinks to those who live (the launcher must let the job outlive a rank, see
 * mpi/watch.h).  Between the first item and the last there are point-to-point messages only, and
 * none waits for a rank that may be dead.
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
#include "mpi/watch.h"

/* What rank 0 knows of a rank. */
typedef struct ub_farm_rank {
    bool    lost, slow; /* slow: its speed is below a half */
    int64_t done;       /* items it answered, in this farm */
    double  busy;       /* part of the time it was at work on those */
    double  longest;    /* seconds of the one that took longest */
    double  speed;      /* 1: an item takes it as long as the ranks on average; 0: not known.  Where
                           rank 0 gives it work itself, one that is under way for more than twice
                           as long as any has taken counts as done by now */
} ub_farm_rank;

typedef struct ub_farm_ops {
    /* Any rank: do item, append the answer, less than 2 GiB.  Depends on its arguments only. */
    ub_status (*work)(void *self, int64_t item, ub_bytes *answer);
    /* Rank 0: take one answer, exactly once per item, in any order. */
    ub_status (*absorb)(void *self, int64_t item, const unsigned char *answer, size_t len);
    /* Rank 0: is the item already answered (from a journal)?  Asked once, before the first item
     * is handed out.  OPTIONAL. */
    bool (*has)(void *self, int64_t item);
    /* Any rank, between items: true, of whichever rank, stops handing out work, drains what is in
     * flight (a worker ends its item and drops the rest of its chunk) and returns UB_ESTOP on all.
     * OPTIONAL. */
    bool (*stop)(void *self);
    /* Rank 0, between items: done so far of items.  OPTIONAL. */
    void (*progress)(void *self, int64_t done, int64_t items);
    /* Rank 0, every few seconds, when one was lost, and in the end: how a rank is doing, rank by
     * rank, as numbered when ub_farm_run() was called.  OPTIONAL. */
    void (*rank)(void *self, int rank, const ub_farm_rank *how);
    /* Rank 0, ten times a second at most, and later only while it is in an item: what is due by the
     * clock (a flush).  A failure counts as one of absorb.  OPTIONAL. */
    ub_status (*tick)(void *self);
} ub_farm_ops;

/* How items are handed out; the results do not depend on it. */
typedef struct ub_farm_plan {
    const char *policy;  /* a name of core/sched.h; NULL: "fac2"; "auto": chosen, with the
                            floor, by what the first items tell (core/rehearse.h) */
    int64_t floor;       /* smallest chunk; 0: 1, or chosen */
    int     group;       /* ranks of a sub-master, itself among them (core/sched.h); 0: chosen
                            (not "auto": ub_sched_group_usual), 1: one master */
    int64_t simulate;    /* auto: items that may be simulated for the choice */
    int     retry;       /* times an item may fail until it is set aside; 0: 3 */
    double  overdue;     /* see core/sched.h; 0: nothing is given twice */
    double  patience_s;  /* how long a silent rank is waited for, see above; 0: 60 */
    double  message_s;   /* seconds of a small message; 0: measured ("auto") or 5e-6 */
    bool    only_master; /* rank 0 hands out and does no item, if there are others; so it is
                            with sub-masters, which do no item, either */
    ub_watch *watch;     /* of this communicator, which it follows; borrowed; NULL: no death is
                            seen */
} ub_farm_plan;

/* "auto": so many items are done one by one and measured before a policy is chosen; 0: with so few
 * items (or one rank) nothing is chosen, and the plan is followed as if policy were NULL. */
UB_LOCAL int64_t ub_farm_head(int64_t items, int ranks);

typedef struct ub_farm_stats {
    int64_t items;                 /* answers absorbed in this call */
    int64_t messages;              /* received by rank 0 */
    int64_t bytes;                 /* payload received by rank 0 */
    int64_t reissued;              /* items handed out again: overdue, or their rank died */
    int64_t duplicates;            /* answers that came second */
    int64_t failures;              /* tries that failed */
    int     lost;                  /* ranks that died, or were silent for too long */
    double  item_mean, item_sigma; /* seconds of an item, and their standard deviation */
    bool    cut;                   /* no more was handed out: a stop, or a failure of absorb or tick
                                      or one that no other try can mend */
    double seconds;                /* wall clock on rank 0 */
    double busy;                   /* mean fraction of the time the ranks spent in work() */
} ub_farm_stats;

/* Run items 0 .. items-1 that `has` does not know.
 *   c          if ranks were lost, in the end the communicator of those left (ub_comm_shrink)
 *   plan       may be NULL: defaults; looked at on rank 0, except for its watch
 *   ops, self  borrowed; `self` may differ between ranks
 *   stats      out, may be NULL; set on rank 0, zeroed elsewhere
 * Returns the same status on all ranks left: UB_OK (every item absorbed), UB_ESTOP, or a failure:
 * that of absorb; the first of work() that no other try can mend (UB_EINPUT, UB_EARG, UB_EBUG); or
 * that of the first item that was set aside, after all others were done.  A rank that was given up
 * and still lives gets UB_EMPI and a wounded communicator of no ranks: it must leave. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_farm_run(ub_comm *c, int64_t items,
                                                 const ub_farm_plan *plan, const ub_farm_ops *ops,
                                                 void *self, ub_farm_stats *stats);

#endif /* UB_MPI_FARM_H */
