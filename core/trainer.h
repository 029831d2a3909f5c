/* core/trainer.h - stage 2: training of the sparse disentangled representation.
 *
 * Encoder o -> (mu, log var), decoder, one head per task; loss = reconstruction
 * + beta KL + task loss + sparsity (core/penalty.h), minibatch Adam with a
 * learning rate schedule, several initialisations, the one with the lowest
 * held-out objective kept.
 *
 * Data parallel without knowing of ranks: the samples are cut into `shards`
 * fixed groups (disentangle.shards); a minibatch is batch/shards samples of
 * every group.  Whoever holds a group computes its gradient; the caller adds the
 * gradients in one tree order and gives the sum to every copy of the trainer:
 *
 *   while (!ub_trainer_done(t)) {
 *       sum over shards s, in tree order, of ub_trainer_shard(t, s, part);
 *       ub_trainer_apply(t, sum);
 *   }
 *
 * A phase is a gradient step or, at the end of an initialisation, an evaluation
 * of the held-out objective; the caller need not know which.  All copies of the
 * trainer stay equal to the bit.
 *
 * Layer: core (no MPI, no files).
 */
#ifndef UB_CORE_TRAINER_H
#define UB_CORE_TRAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/corpus.h"
#include "core/model.h"
#include "core/settings.h"
#include "core/shard.h"

typedef struct ub_trainer ub_trainer;

/* Would a trainer refuse this corpus with these settings?  The sentences of ub_trainer_create, from
 * the shape alone, before anything is computed. */
UB_NODISCARD ub_status ub_trainer_check(const ub_corpus *corpus, const ub_settings *settings);
/* Make a trainer over this rank's part of the corpus.
 *   corpus    borrowed; its local episodes are whole shards of ub_part(N, shards, .)
 *   own       the shards held here
 *   use       T x M: 1 = the loss of task i counts at step t (from stage 1); borrowed during
 *             the call; NULL = all.  Steps that no task uses still count for reconstruction.
 *   norm      2 * (dim + targets): mean then standard deviation of every observation
 *             component (pooled over steps) and task column; borrowed during the call;
 *             inputs and targets are standardised with it and it is kept in the model
 * Errors: UB_EINPUT with a sentence (batch smaller than shards, no task is used, ...). */
UB_NODISCARD ub_status ub_trainer_create(const ub_corpus *corpus, ub_range own, const uint8_t *use,
                                         const double *norm, const ub_settings *settings,
                                         ub_trainer **out);
void                   ub_trainer_destroy(ub_trainer **t);

/* Length of the vector that shards add up: gradient plus a few loss terms. */
int64_t ub_trainer_width(const ub_trainer *t);
/* This phase's contribution of shard s (one of `own`) into part (width, set not added).
 * Depends on the data of the shard and the state only. */
UB_NODISCARD ub_status ub_trainer_shard(ub_trainer *t, int64_t s, double *part);
/* End the phase with the sum over all shards.  UB_ENUMERIC if it is not finite. */
UB_NODISCARD ub_status ub_trainer_apply(ub_trainer *t, const double *sum);

bool ub_trainer_done(const ub_trainer *t);
/* Phases passed and in all, over all initialisations. */
int64_t ub_trainer_phase(const ub_trainer *t);
int64_t ub_trainer_phases(const ub_trainer *t);

/* What the last finished epoch cost, for the log (averages a sample). */
typedef struct ub_trainer_row {
    int64_t restart, epoch;
    double  learning_rate, lambda;
    double  reconstruction, kl, task, penalty,
        objective;        /* averages; kl before beta, penalty before lambda */
    double gradient_norm; /* of its last step */
    double sparsity;      /* share of (task, latent) cells outside the support, see below */
} ub_trainer_row;
/* Rows so far (one per epoch and restart); borrowed until the next apply. */
const ub_trainer_row *ub_trainer_log(const ub_trainer *t, int64_t *rows);

/* The log with the support of the task Jacobian at the end of every epoch: of task i the number of
 * latents whose mean |dg_i/dz| times standard deviation, over the samples of the epoch's last
 * step, exceeds `keep` of the task's largest. */
typedef struct ub_trainer_history {
    int64_t         rows;
    int32_t         tasks;
    ub_trainer_row *row;     /* rows */
    int32_t        *support; /* rows x tasks; NULL where nobody knows */
} ub_trainer_history;
/* Borrowed until the next apply. */
ub_trainer_history ub_trainer_past(const ub_trainer *t);

/* The initialisations that are over; borrowed until the next apply. */
const ub_restarts *ub_trainer_restarts(const ub_trainer *t);

/* Everything needed to go on, as one flat vector of doubles whose layout depends
 * on the settings and shapes only (weights, Adam moments, best weights so far,
 * log rows, ends of initialisations, counters). */
int64_t                ub_trainer_state_width(const ub_trainer *t);
void                   ub_trainer_state_get(const ub_trainer *t, double *state);
UB_NODISCARD ub_status ub_trainer_state_set(ub_trainer *t, const double *state);

/* The best model, after done, with how every initialisation ended; owned by the caller. */
UB_NODISCARD ub_status ub_trainer_model(const ub_trainer *t, ub_model *out);

#endif /* UB_CORE_TRAINER_H */
