/* core/trainer.h - stage 2: training of the sparse disentangled representation.
 *
 * Encoder o -> (mu, log var), decoder, one head per task; loss = reconstruction
 * + beta KL + task loss + sparsity (core/penalty.h), minibatches, an optimiser
 * and a schedule (core/optimizer.h), several initialisations, the one with the lowest
 * held-out objective kept.
 *
 * Data parallel without knowing of ranks: the samples are cut into `shards`
 * fixed groups (disentangle.shards); a minibatch is batch/shards samples of
 * every group.  Reconstruction, KL and task losses are means over the batch (0
 * at samples whose step a task does not use); the penalty is computed for every
 * group, on its part of jacobian_samples (or of all it has in the batch), and
 * averaged with the numbers of these samples as weights.  The held-out objective
 * is the same at z = mu of the held-out samples, all of which enter the penalty,
 * group by group in blocks as long as the longest batch of a group.
 * Whoever holds a group computes its gradient; the caller adds the
 * gradients in one tree order and gives the sum to every copy of the trainer:
 *
 *   while (!ub_trainer_done(t)) {
 *       sum over shards s, in tree order, of ub_trainer_shard(t, s, part);
 *       ub_trainer_apply(t, sum);
 *   }
 *
 * A phase is a gradient step or an evaluation of the held-out objective, at the
 * end of an initialisation or, with disentangle.patience, of every epoch; the
 * caller need not know which.  All copies of the trainer stay equal to the bit.
 *
 * Layer: core (no MPI, no files).
 */
#ifndef UB_CORE_TRAINER_H
#define UB_CORE_TRAINER_H

#include <stdbool.h>
#include <stddef.h>
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

/* A trainer of initialisation number `restart` alone: the same numbers as in a trainer of all. */
UB_NODISCARD ub_status ub_trainer_create_one(const ub_corpus *corpus, ub_range own,
                                             const uint8_t *use, const double *norm,
                                             const ub_settings *settings, int64_t restart,
                                             ub_trainer **out);
/* Take the next initialisation over from a trainer that has finished it (UB_ESTATE: it has not, or
 * it is another), as if it had been trained here; all of them, in their order, make t done. */
UB_NODISCARD ub_status ub_trainer_adopt(ub_trainer *t, const ub_trainer *one);

/* Length of the vector that shards add up: gradient plus a few loss terms; and bytes of each of its
 * numbers: those of float or of double, as disentangle.precision says. */
int64_t ub_trainer_width(const ub_trainer *t);
size_t  ub_trainer_number(const ub_trainer *t);
/* This phase's contribution of shard s (one of `own`) into part (width, set not added).
 * Depends on the data of the shard and the state only. */
UB_NODISCARD ub_status ub_trainer_shard(ub_trainer *t, int64_t s, void *part);
/* End the phase with the sum over all shards.  UB_ENUMERIC if it is not finite. */
UB_NODISCARD ub_status ub_trainer_apply(ub_trainer *t, const void *sum);

/* A gradient step in ranges, which is what mpi/training.h does: the vector above, from at[k] on to
 * at[k + 1] - 1, of all ranges; the same numbers, whoever updates which range.
 *
 *   ub_trainer_pass(t);                                 forward and back, with all own shards
 *   for every range k: sum over shards s, in tree order, of ub_trainer_part(t, s, k, part, false);
 *   ub_trainer_update(t, k, sum);                       once a range, on any copy
 *   give the range of the first of ub_trainer_vectors() to all copies;
 *   add up ub_trainer_tail() over the copies (0 where a copy has updated nothing);
 *   ub_trainer_step(t);                                 on all copies
 *
 * UB_ENUMERIC from ub_trainer_step: the sums are not finite, and the weights are lost. */
bool    ub_trainer_evaluates(const ub_trainer *t); /* no step: use shard and apply */
int32_t ub_trainer_ranges(const ub_trainer *t, const int64_t **at);
void    ub_trainer_pass(ub_trainer *t);
/* add: add it to part, number by number, instead of setting part: the same bits, and faster. */
void    ub_trainer_part(const ub_trainer *t, int64_t s, int32_t k, void *part, bool add);
void    ub_trainer_update(ub_trainer *t, int32_t k, const void *sum);
double *ub_trainer_tail(ub_trainer *t, int64_t *count);
UB_NODISCARD ub_status ub_trainer_step(ub_trainer *t);
/* Weights (where gradients are clipped: the gradient, with which every copy updates all weights in
 * ub_trainer_step), then what the optimiser keeps, each a vector in those ranges.  The others than
 * the first need to be whole only for ub_trainer_state_get. */
enum { UB_TRAINER_VECTORS = 3 };
void ub_trainer_vectors(ub_trainer *t, void *vectors[UB_TRAINER_VECTORS]);

/* Keep the first of these vectors, as it is now, in `room` (ub_trainer_width() numbers, aligned to
 * 64 bytes; borrowed until the next call), where others can read it; NULL: in the trainer again. */
void ub_trainer_place(ub_trainer *t, void *room);

bool ub_trainer_done(const ub_trainer *t);
/* Phases passed and in all, over all initialisations; one that ends early passes the rest at once.
 */
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
 * on the settings and shapes only (weights, the optimiser's memory, best weights so far,
 * log rows, ends of initialisations, counters). */
int64_t                ub_trainer_state_width(const ub_trainer *t);
void                   ub_trainer_state_get(const ub_trainer *t, double *state);
UB_NODISCARD ub_status ub_trainer_state_set(ub_trainer *t, const double *state);

/* The best model, after done, with how every initialisation ended; owned by the caller. */
UB_NODISCARD ub_status ub_trainer_model(const ub_trainer *t, ub_model *out);

#endif /* UB_CORE_TRAINER_H */
