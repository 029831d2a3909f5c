#include "core/internal/learner.h"

#include <string.h>

#include "core/adam.h"
#include "core/internal/sampler.h"
#include "core/internal/simd.h"
#include "core/mem.h"
#include "core/objective.h"

struct ub_learner {
    ub_objective objective;
    ub_sampler   sampler;
    ub_real     *w, *moments; /* parameters; 2 * parameters */
    double      *sums;        /* of an evaluation */
};

static int64_t evaluation_width(const ub_model_shape *s)
{
    return UB_TERMS + (2 + (int64_t)s->tasks) * s->latents;
}

static void destroy(ub_learner **l)
{
    if (*l == NULL)
        return;
    ub_objective_release(&(*l)->objective);
    ub_sampler_release(&(*l)->sampler);
    ub_free((*l)->w);
    ub_free((*l)->moments);
    ub_free((*l)->sums);
    ub_free(*l);
    *l = NULL;
}

static ub_status create(const ub_corpus *corpus, ub_range own, const uint8_t *use,
                        const double *norm, const ub_settings *settings,
                        const ub_model_shape *shape, ub_learner **out)
{
    ub_learner *l = NULL;
    ub_status   st = UB_OK;
    UB_TRY(UB_ALLOC(l, 1));
    UB_TRY_OUT(ub_sampler_init(corpus, own, use, norm, settings, shape->latents, &l->sampler));
    UB_TRY_OUT(
        ub_objective_init(shape, corpus->task_offset, settings, l->sampler.rows, &l->objective));
    UB_TRY_OUT(UB_ALLOC(l->w, l->objective.parameters));
    UB_TRY_OUT(UB_ALLOC(l->moments, 2 * l->objective.parameters));
    UB_TRY_OUT(UB_ALLOC(l->sums, evaluation_width(shape)));
    *out = l;
    return UB_OK;
out:
    destroy(&l);
    return st;
}

static ub_learner_facts facts(const ub_learner *l)
{
    return (ub_learner_facts){l->objective.parameters, l->sampler.train, l->sampler.held,
                              l->sampler.batch};
}

static void start(ub_learner *l, int64_t restart)
{
    ub_objective_start(&l->objective, l->sampler.seed, restart, l->w);
    memset(l->moments, 0, 2 * (size_t)l->objective.parameters * sizeof *l->moments);
}

static void narrow(const double *x, int64_t n, ub_real *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (ub_real)x[i];
}

static void train(ub_learner *l, const ub_learner_step *at, int64_t s, void *part)
{
    const ub_sampler *p = &l->sampler;
    ub_real          *gradient = part;
    double            terms[UB_TERMS];
    ub_batch          b = ub_sampler_train(&l->sampler, s, at->epoch, at->step, at->phase,
                                           l->objective.shape.latents);
    /* A shard's penalty is a mean over its rows: weighted by its share of all of them. */
    int64_t      all = p->jacobian < p->batch ? p->jacobian : p->batch;
    ub_weighting weighting = {.row = 1.0 / (double)p->batch,
                              .penalty = (double)b.jacobian / (double)all,
                              .lambda = at->lambda};
    ub_objective_batch(&l->objective, l->w, &b, &weighting, terms, gradient);
    narrow(terms, UB_TERMS, gradient + l->objective.parameters);
}

/* Add sums over the rows of the batch just evaluated. */
static void add_latents(const ub_learner *l, int64_t n, double *sum, double *square)
{
    int32_t        latents = l->objective.shape.latents;
    const ub_real *mu = ub_objective_mu(&l->objective);
    for (int64_t r = 0; r < n; r++, mu += 2 * latents)
        for (int32_t j = 0; j < latents; j++) {
            double x = mu[j];
            sum[j] += x;
            square[j] += x * x;
        }
}

static void evaluate(ub_learner *l, double lambda, int64_t s, void *part)
{
    const ub_model_shape *shape = &l->objective.shape;
    double               *all = l->sums, held = (double)l->sampler.held;
    double  *sum = all + UB_TERMS, *square = sum + shape->latents, *raw = square + shape->latents;
    int64_t  width = evaluation_width(shape);
    ub_batch b;
    memset(all, 0, (size_t)width * sizeof *all);
    for (int64_t done = 0; (b = ub_sampler_held(&l->sampler, s, done)).n > 0; done += b.n) {
        double       terms[UB_TERMS];
        ub_weighting weighting = {1.0 / held, (double)b.n / held, lambda};
        ub_objective_batch(&l->objective, l->w, &b, &weighting, terms, NULL);
        ub_objective_strength(&l->objective, l->w, raw);
        for (int k = 0; k < UB_TERMS; k++)
            all[k] += terms[k];
        add_latents(l, b.n, sum, square);
    }
    narrow(all, width, part);
}

static void update(ub_learner *l, int64_t t, double rate, const void *gradient)
{
    int64_t n = l->objective.parameters;
    ub_adam_update(n, t, rate, gradient, l->w, l->moments, l->moments + n);
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
    ub_objective_fold(&l->objective, l->w, l->objective.effective);
    widen(l->objective.effective, l->objective.weights, w);
}

static void get(const ub_learner *l, double *state)
{
    int64_t n = l->objective.parameters;
    widen(l->w, n, state);
    widen(l->moments, 2 * n, state + n);
}

static void set(ub_learner *l, const double *state)
{
    int64_t n = l->objective.parameters;
    narrow(state, n, l->w);
    narrow(state + n, 2 * n, l->moments);
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
    .train = train,
    .evaluate = evaluate,
    .update = update,
    .fold = fold,
    .get = get,
    .set = set,
    .widen = widen,
    .square = square_of,
};
