/* core/internal/learner.h - the half of the trainer that computes, in one precision.
 *
 * Weights, optimiser, sampler and objective in float or in double; which of them is decided once,
 * by the table the trainer calls through.  The trainer knows phases, schedules and results.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_LEARNER_H
#define UB_CORE_INTERNAL_LEARNER_H

#include <stdbool.h>

#include "core/corpus.h"
#include "core/internal/targets.h"
#include "core/model.h"
#include "core/optimizer.h"
#include "core/settings.h"
#include "core/shard.h"

typedef struct ub_learner ub_learner;

typedef struct ub_learner_facts {
    int64_t        parameters;         /* numbers that are trained */
    int32_t        ranges;             /* of the gradient followed by the terms */
    int64_t        terms;              /* UB_TERMS, sum mu, sum mu^2, sum |dg/dz| */
    const int64_t *at;                 /* ranges + 1: where they begin; borrowed */
    int64_t        train, held, batch; /* samples, of all shards */
} ub_learner_facts;

/* A gradient step: step number `step` of the epoch numbered `epoch` over all initialisations;
 * `phase` keys the latent noise; `last` of its epoch: its latents are summed, too. */
typedef struct ub_learner_step {
    int64_t epoch, step, phase;
    double  lambda;
    bool    last;
} ub_learner_step;

enum { UB_LEARNER_VECTORS = 3 };

/* Vectors of numbers of this precision are `void`; those of `double` are doubles always. */
typedef struct ub_learner_api {
    size_t size; /* bytes of a number */
    ub_status (*create)(const ub_corpus *corpus, const ub_targets *targets, ub_range own,
                        const uint8_t *use, const double *norm, const ub_settings *settings,
                        const ub_model_shape *shape, ub_learner **out);
    void (*destroy)(ub_learner **l);
    ub_learner_facts (*facts)(const ub_learner *l);
    /* Weights of initialisation `restart`; the optimiser forgets. */
    void (*start)(ub_learner *l, int64_t restart);
    /* Forward and back with those of the own shards; then, range by range, of each of them its part
     * of gradient and terms, set or added to out. */
    void (*pass)(ub_learner *l, const ub_learner_step *step, ub_range shards);
    void (*part)(const ub_learner *l, int64_t s, int32_t k, void *out, bool add);
    /* Of the held-out samples of shard s: UB_TERMS, sum mu, sum mu^2 (a latent each), and
     * sum |dg/dz| (tasks x latents).  Those of a step are the same of its batch; all but the first
     * UB_TERMS are 0 unless it is the last of its epoch. */
    void (*evaluate)(ub_learner *l, double lambda, int64_t s, void *part);
    /* Update the weights of range k with its gradient. */
    void (*update)(ub_learner *l, int32_t k, const ub_update *step, const void *gradient);
    /* Where the weights and, one after another, what the optimiser keeps are: vectors[0 .. 2], each
     * with room for the terms behind the parameters. */
    void (*vectors)(ub_learner *l, void *vectors[UB_LEARNER_VECTORS]);
    /* Keep the weights in `room`, borrowed, until the next call; NULL: in the learner's own memory.
     */
    void (*place)(ub_learner *l, void *room);
    /* Weights as a model without a penalty has them. */
    void (*fold)(const ub_learner *l, double *w);
    /* Weights and optimiser: 3 * parameters numbers. */
    void (*get)(const ub_learner *l, double *state);
    void (*set)(ub_learner *l, const double *state);
    /* n numbers as doubles; the sum of their squares. */
    void (*widen)(const void *x, int64_t n, double *out);
    double (*square)(const void *x, int64_t n);
} ub_learner_api;

extern const ub_learner_api ub_learner_double, ub_learner_single;

#endif /* UB_CORE_INTERNAL_LEARNER_H */
