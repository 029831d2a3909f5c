/* mpi/training.h - the phases of a trainer (core/trainer.h) on all ranks of a communicator.
 *
 * A gradient step: every rank goes forward and back with its shards, sums its ranges of the
 * gradient while those of others travel (mpi/sum.h), updates the weights of its ranges and gets
 * the others'.  So the optimiser's work and its memory traffic are shared out, too; what it keeps
 * is up to date only where it belongs until ub_training_gather().
 *
 * Layer: mpi.
 */
#ifndef UB_MPI_TRAINING_H
#define UB_MPI_TRAINING_H

#include "core/trainer.h"
#include "mpi/sum.h"

typedef struct ub_training {
    const ub_comm *c;
    ub_trainer    *trainer; /* borrowed; its shards are ub_part(shards, c->size, c->rank) */
    int64_t        shards;
    ub_sum        *sum;
    void          *whole; /* of an evaluation */
    double        *tail;  /* what a step tells besides weights, and the wish to stop */
} ub_training;

/* Both borrowed until release; the trainer's weights may move into shared memory until then.
 * UB_ENOMEM. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_training_init(const ub_comm *c, ub_trainer *trainer,
                                                      int64_t shards, ub_training *out);
UB_COLLECTIVE void                   ub_training_release(ub_training *x);

/* One phase.  stop: in, this rank's wish; out, whether any rank had it.  The status is the same on
 * all ranks, but for UB_EMPI. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_training_phase(ub_training *x, bool *stop);

/* Make every copy of the trainer whole, for ub_trainer_state_get. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_training_gather(ub_training *x);

#endif /* UB_MPI_TRAINING_H */
