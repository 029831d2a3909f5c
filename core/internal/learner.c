#include "core/internal/learner.h"

#include <string.h>

#include "core/internal/sampler.h"
#include "core/internal/simd.h"
#include "core/mem.h"
#include "core/objective.h"

struct ub_learner {
    ub_objective        objective;
    ub_sampler          sampler;
    const ub_optimizer *optimizer;
    ub_real  *vector[UB_LEARNER_VECTORS]; /* weights, the optimiser's memory; width numbers each */
    ub_real  *weights;                    /* own memory for vector[0] */
    ub_range  passed;                     /* shards of the last pass; of each of them: */
    ub_batch *batch;
    ub_weighting *weighting;
    double       *loss;  /* UB_TERMS */
    ub_real      *terms; /* terms_of */
    int64_t       width; /* parameters and terms */
    int64_t      *at;    /* ranges + 1 */
    double       *sums;  /* terms at work */
};

static int64_t terms_of(const ub_model_shape *s)
{
    return UB_TERMS + (2 + (int64_t)s->tasks) * s->latents;
}

static void destroy(ub_learner **l)
{
    if (*l == NULL)
        return;
    ub_objective_release(&(*l)->objective);
    ub_sampler_release(&(*l)->sampler);
    ub_free((*l)->weights);
    for (int i = 1; i < UB_LEARNER_VECTORS; i++)
        ub_free((*l)->vector[i]);
    ub_free((*l)->batch);
    ub_free((*l)->weighting);
    ub_free((*l)->loss);
    ub_free((*l)->terms);
    ub_free((*l)->at);
    ub_free((*l)->sums);
    ub_free(*l);
    *l = NULL;
}

/* Batches of all own shards make a pass. */
static ub_status join(ub_learner *l)
{
    const ub_sampler *p = &l->sampler;
    int64_t          *rows = NULL;
    UB_TRY(UB_ALLOC(rows, p->own.count));
    for (int64_t k = 0; k < p->own.count; k++)
        rows[k] = ub_part(p->batch, p->shards, p->own.first + k).count;
    ub_objective_join(&l->objective, p->own.count, rows);
    ub_free(rows);
    return UB_OK;
}

static ub_status create(const ub_corpus *corpus, const ub_targets *targets, ub_range own,
                        const uint8_t *use, const double *norm, const ub_settings *settings,
                        const ub_model_shape *shape, ub_learner **out)
{
    ub_learner *l = NULL;
    ub_status   st = UB_OK;
    UB_TRY(UB_ALLOC(l, 1));
    l->optimizer = ub_optimizer_at((size_t)settings->disentangle.optimizer);
    if (l->optimizer == NULL)
        UB_TRY_OUT(
            UB_FAIL(UB_EARG, "there is no optimiser number %d", settings->disentangle.optimizer));
    UB_TRY_OUT(
        ub_sampler_init(corpus, targets, own, use, norm, settings, shape->latents, &l->sampler));
    int64_t slots = own.count > 0 ? own.count : 1;
    UB_TRY_OUT(ub_objective_init(shape, targets->offset, targets->classes, settings,
                                 l->sampler.rows, slots, &l->objective));
    const ub_objective *o = &l->objective;
    l->width = o->parameters + terms_of(shape);
    UB_TRY_OUT(UB_ALLOC(l->weights, l->width));
    l->vector[0] = l->weights;
    for (int i = 1; i < UB_LEARNER_VECTORS; i++)
        UB_TRY_OUT(UB_ALLOC(l->vector[i], l->width));
    UB_TRY_OUT(UB_ALLOC(l->batch, slots));
    UB_TRY_OUT(UB_ALLOC(l->weighting, slots));
    UB_TRY_OUT(UB_ALLOC(l->loss, slots * UB_TERMS));
    UB_TRY_OUT(UB_ALLOC(l->terms, slots * terms_of(shape)));
    UB_TRY_OUT(UB_ALLOC(l->at, o->ranges + 1));
    memcpy(l->at, o->at, (size_t)o->ranges * sizeof *l->at);
    l->at[o->ranges] = l->width; /* the terms travel with the last range */
    UB_TRY_OUT(UB_ALLOC(l->sums, terms_of(shape)));
    UB_TRY_OUT(join(l));
    *out = l;
    return UB_OK;
out:
    destroy(&l);
    return st;
}

static ub_learner_facts facts(const ub_learner *l)
{
    return (ub_learner_facts){.parameters = l->objective.parameters,
                              .ranges = l->objective.ranges,
                              .terms = terms_of(&l->objective.shape),
                              .at = l->at,
                              .train = l->sampler.train,
                              .held = l->sampler.held,
                              .batch = l->sampler.batch};
}

static void start(ub_learner *l, int64_t restart)
{
    ub_objective_start(&l->objective, l->sampler.seed, restart, l->vector[0]);
    for (int i = 1; i < UB_LEARNER_VECTORS; i++)
        memset(l->vector[i], 0, (size_t)l->width * sizeof *l->vector[i]);
}

static void narrow(const double *x, int64_t n, ub_real *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (ub_real)x[i];
}

/* Add the sums behind the strengths over the n rows of the batch at hand: mu, mu^2, |dg/dz|. */
static void add_latents(ub_learner *l, int64_t slot, int64_t n, double *sum)
{
    int32_t        latents = l->objective.shape.latents;
    double        *square = sum + latents;
    const ub_real *mu = ub_objective_mu(&l->objective, slot);
    ub_objective_strength(&l->objective, slot, l->vector[0], square + latents);
    for (int64_t r = 0; r < n; r++, mu += 2 * latents)
        for (int32_t j = 0; j < latents; j++) {
            double x = mu[j];
            sum[j] += x;
            square[j] += x * x;
        }
}

static void pass(ub_learner *l, const ub_learner_step *at, ub_range shards)
{
    const ub_sampler *p = &l->sampler;
    int64_t           told = terms_of(&l->objective.shape);
    int64_t           all = p->jacobian < p->batch ? p->jacobian : p->batch;
    l->passed = shards;
    for (int64_t k = 0; k < shards.count; k++) {
        l->batch[k] = ub_sampler_train(&l->sampler, shards.first + k, at->epoch, at->step,
                                       at->phase, l->objective.shape.latents);
        /* A shard's penalty is a mean over its rows: weighted by its share of all of them. */
        l->weighting[k] = (ub_weighting){.row = 1.0 / (double)p->batch,
                                         .penalty = (double)l->batch[k].jacobian / (double)all,
                                         .lambda = at->lambda};
    }
    ub_objective_pass(&l->objective, l->vector[0], shards.count, l->batch, l->weighting, l->loss);
    for (int64_t k = 0; k < shards.count; k++) {
        memset(l->sums, 0, (size_t)told * sizeof *l->sums);
        memcpy(l->sums, l->loss + k * UB_TERMS, UB_TERMS * sizeof *l->sums);
        if (at->last)
            add_latents(l, k, l->batch[k].n, l->sums + UB_TERMS);
        narrow(l->sums, told, l->terms + k * told);
    }
}

static void part(const ub_learner *l, int64_t s, int32_t k, void *out, bool add)
{
    const ub_objective *o = &l->objective;
    int64_t             slot = s - l->passed.first, told = terms_of(&o->shape);
    ub_objective_gradient(o, slot, k, out, add);
    if (k < o->ranges - 1)
        return;
    const ub_real *terms = l->terms + slot * told;
    ub_real       *to = (ub_real *)out + (o->at[k + 1] - o->at[k]);
    for (int64_t i = 0; i < told; i++)
        to[i] = add ? to[i] + terms[i] : terms[i];
}

static void evaluate(ub_learner *l, double lambda, int64_t s, void *part)
{
    const ub_model_shape *shape = &l->objective.shape;
    double               *all = l->sums, held = (double)l->sampler.held;
    int64_t               width = terms_of(shape);
    ub_batch              b;
    memset(all, 0, (size_t)width * sizeof *all);
    for (int64_t done = 0; (b = ub_sampler_held(&l->sampler, s, done)).n > 0; done += b.n) {
        double       terms[UB_TERMS];
        ub_weighting weighting = {1.0 / held, (double)b.n / held, lambda};
        ub_objective_batch(&l->objective, l->vector[0], &b, &weighting, terms, NULL);
        for (int k = 0; k < UB_TERMS; k++)
            all[k] += terms[k];
        add_latents(l, 0, b.n, all + UB_TERMS);
    }
    narrow(all, width, part);
}

static void update(ub_learner *l, int32_t k, const ub_update *step, const void *gradient)
{
    int64_t at = l->objective.at[k], n = l->objective.at[k + 1] - at;
    l->optimizer->update(step, n, gradient, l->vector[0] + at, l->vector[1] + at,
                         l->vector[2] + at);
}

static void vectors(ub_learner *l, void *out[UB_LEARNER_VECTORS])
{
    for (int i = 0; i < UB_LEARNER_VECTORS; i++)
        out[i] = l->vector[i];
}

static void place(ub_learner *l, void *room)
{
    ub_real *to = room != NULL ? room : l->weights;
    if (to != l->vector[0])
        memcpy(to, l->vector[0], (size_t)l->width * sizeof *to);
    l->vector[0] = to;
}

static void widen(const void *x, int64_t n, double *out)
{
    const ub_real *from = x;
    for (int64_t i = 0; i < n; i++)
        out[i] = from[i];
}

/* In LANES sums, so that it goes through vector lanes. */
UB_SIMD static double square_of(const void *x, int64_t n)
{
    enum { LANES = 16 };
    const ub_real *from = x;
    double         lane[LANES] = {0.0}, sum = 0.0;
    for (int64_t i = 0; i < n / LANES * LANES; i += LANES)
        for (int l = 0; l < LANES; l++) {
            double v = from[i + l];
            lane[l] += v * v;
        }
    for (int64_t i = n / LANES * LANES; i < n; i++)
        sum += (double)from[i] * from[i];
    for (int l = 0; l < LANES; l++)
        sum += lane[l];
    return sum;
}

static void fold(const ub_learner *l, double *w)
{
    ub_objective_fold(&l->objective, l->vector[0], l->objective.effective);
    widen(l->objective.effective, l->objective.weights, w);
}

static void get(const ub_learner *l, double *state)
{
    int64_t n = l->objective.parameters;
    for (int i = 0; i < UB_LEARNER_VECTORS; i++)
        widen(l->vector[i], n, state + i * n);
}

static void set(ub_learner *l, const double *state)
{
    int64_t n = l->objective.parameters;
    for (int i = 0; i < UB_LEARNER_VECTORS; i++)
        narrow(state + i * n, n, l->vector[i]);
}

#ifdef UB_SINGLE
const ub_learner_api ub_learner_single = {
#else
const ub_learner_api ub_learner_double = {
#endif
    .size = sizeof(ub_real),
    .create = create,
    .destroy = destroy,
    .facts = facts,
    .start = start,
    .pass = pass,
    .part = part,
    .evaluate = evaluate,
    .update = update,
    .vectors = vectors,
    .place = place,
    .fold = fold,
    .get = get,
    .set = set,
    .widen = widen,
    .square = square_of,
};
