/* core/internal/sampler.h - which samples a shard trains on, in which order.
 *
 * A sample is one step of one episode.  Shard s holds the episodes ub_part(N, shards, s); the
 * last of them (a fraction `holdout`, at least one of two or more) are held out, always the same.
 * In every epoch a shard runs through a permutation of its training samples of its own.  All
 * shards make the same number of steps an epoch, (training samples of all) / batch: a shard with
 * fewer than average starts its permutation again, one with more leaves a rest that the next
 * epoch's permutation mixes in.  Streams: UB_RNG_SHUFFLE, item epoch * shards + s, and
 * UB_RNG_LATENT_NOISE, item phase * shards + s, row after row.
 *
 * Layer: core.  Compiled for double and for float (core/real.h).
 */
#ifndef UB_CORE_INTERNAL_SAMPLER_H
#define UB_CORE_INTERNAL_SAMPLER_H

#include "core/corpus.h"
#include "core/internal/targets.h"
#include "core/objective.h"
#include "core/shard.h"

typedef struct ub_sampler {
    const ub_corpus  *corpus;  /* borrowed */
    const ub_targets *targets; /* borrowed */
    ub_range          own;
    int64_t           shards, batch, jacobian;
    uint64_t          seed;
    double            holdout;
    double   *norm;  /* 2 * (dim + targets): means, 1 / standard deviations (0: none); owned */
    ub_real  *use;   /* T x M, 0 or 1; owned */
    int64_t **order; /* of every own shard: its current permutation; owned */
    int64_t  *epoch; /* of every own shard: what its permutation is of, -1 = none; owned */
    int64_t   train, held;                    /* samples of all shards */
    int64_t   rows;                           /* of the largest batch of a shard */
    ub_real  *obs, *target, *row_use, *noise; /* of every own shard: a batch; owned */
} ub_sampler;

/* norm is of the targets (ub_targets_norm).
 * Errors: UB_EINPUT (fewer episodes than shards, batch smaller than shards, nothing held out). */
UB_NODISCARD ub_status ub_sampler_init(const ub_corpus *corpus, const ub_targets *targets,
                                       ub_range own, const uint8_t *use, const double *norm,
                                       const ub_settings *settings, int32_t latents,
                                       ub_sampler *out);
void                   ub_sampler_release(ub_sampler *p);

/* The training batch of own shard s at step `step` of the epoch numbered `epoch` over all
 * initialisations; `phase` keys the latent noise.  Borrowed until the shard's next one. */
ub_batch ub_sampler_train(ub_sampler *p, int64_t s, int64_t epoch, int64_t step, int64_t phase,
                          int32_t latents);
/* Held-out samples of own shard s from number `at` on, at most p->rows; without noise. n = 0 at
 * the end.  Borrowed until the shard's next batch. */
ub_batch ub_sampler_held(ub_sampler *p, int64_t s, int64_t at);

/* Training and held-out episodes of shard s. */
ub_range ub_sampler_episodes(const ub_sampler *p, int64_t s, int held);

#endif /* UB_CORE_INTERNAL_SAMPLER_H */
