/* mpi/internal/farm.h - the conversation of the farm, and its two sides.
 *
 * Rank 0 -> worker: CHUNK (ranges of items), END, and at last CLOSE.  Worker -> rank 0: answers in
 * ANSWERS, ASK and IDLE, and by its tag
 *   ANSWERS  nothing else
 *   ASK      "I begin the last item of my chunk": the next chunk may travel meanwhile
 *   IDLE     "I have nothing to do": sent when no answer to ASK has come
 *   FAIL     an item, a status and a sentence instead of answers
 *   LOST     "the process of this rank is gone" (mpi/watch.h)
 *   BYE      its busy time; the reply to END, after which it only waits for CLOSE
 * CLOSE says how it ended and who was lost; it comes when everybody has said BYE or is lost, so
 * nothing is left behind.  Messages between two ranks do not overtake.
 *
 * Nothing here may wait for a rank that can be dead.  What rank 0 sends is small enough to leave
 * eagerly, and is not waited for; a long answer is received piecemeal by MPI while rank 0 goes on,
 * and given up with its sender.  A worker waits for rank 0 without fear: without rank 0 there is
 * no farm, and the watch ends the job.
 *
 * Layer: mpi, private.
 */
#ifndef UB_MPI_INTERNAL_FARM_H
#define UB_MPI_INTERNAL_FARM_H

#include "core/sched.h"
#include "mpi/farm.h"

enum {
    UB_FARM_CHUNK,
    UB_FARM_END,
    UB_FARM_CLOSE,
    UB_FARM_ANSWERS,
    UB_FARM_ASK,
    UB_FARM_IDLE,
    UB_FARM_FAIL,
    UB_FARM_LOST,
    UB_FARM_BYE
};

enum { UB_FARM_SENTENCE = 1024 };

/* Before each answer of a message. */
typedef struct ub_farm_answer {
    int64_t  item;
    double   seconds; /* of work() */
    uint64_t bytes;   /* that follow */
} ub_farm_answer;

typedef struct ub_farm_failure {
    int64_t   item;
    ub_status status;
    char      sentence[UB_FARM_SENTENCE];
} ub_farm_failure;

/* Followed by the ranks that were lost, int each. */
typedef struct ub_farm_close {
    ub_status status;
    int       lost;
    char      sentence[UB_FARM_SENTENCE];
} ub_farm_close;

/* A plan for policy "auto": does the first items, if there are enough of them, and chooses.  On
 * rank 0 *plan is right and items 0 .. *done-1 are answered.  Fails as ub_farm_run does. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_farm_tuned(ub_comm *c, int64_t items,
                                                   const ub_farm_plan *wanted,
                                                   const ub_farm_ops *ops, void *self,
                                                   ub_farm_plan *plan, int64_t *done,
                                                   ub_farm_stats *stats);
/* Rank 0; items before `first` are answered.  *verdict: how the farm ended; *lost: ub_alloc'ed,
 * ranks in ascending order.  Fails itself only when MPI or memory does. */
UB_LOCAL UB_NODISCARD ub_status ub_farm_master(const ub_comm *c, int64_t first, int64_t items,
                                               const ub_farm_plan *plan, const ub_farm_ops *ops,
                                               void *self, ub_farm_stats *stats,
                                               ub_farm_close *verdict, int **lost);
/* The other ranks; the same. */
UB_LOCAL UB_NODISCARD ub_status ub_farm_worker(const ub_comm *c, ub_watch *watch,
                                               const ub_farm_ops *ops, void *self,
                                               ub_farm_close *verdict, int **lost);

#endif /* UB_MPI_INTERNAL_FARM_H */
