#include "core/trainer.h"

#include <math.h>
#include <string.h>

#include "core/evidence.h"
#include "core/internal/sampler.h"
#include "core/internal/trainer.h"
#include "core/mem.h"

/* Where a phase is: restarts of steps, with an evaluation after `every` epochs. */
typedef struct position {
    int64_t restart, step; /* gradient steps of the restart before this phase */
    bool    evaluation, last;
} position;

/* Phases between evaluations, with the evaluation; phases of a restart. */
static int64_t cycle_of(const ub_trainer *t)
{
    return t->every * t->steps + 1;
}

int64_t ub_trainer_each(const ub_trainer *t)
{
    return t->epochs / t->every * cycle_of(t);
}

static position position_of(const ub_trainer *t)
{
    int64_t each = ub_trainer_each(t), cycle = cycle_of(t), phase = (int64_t)t->at.phase;
    int64_t in = phase % each, done = in / cycle;
    return (position){.restart = phase / each,
                      .step = in - done,
                      .evaluation = in % cycle == cycle - 1,
                      .last = in == each - 1};
}

static ub_status check_use(const ub_corpus *c, const uint8_t *use)
{
    for (int64_t k = 0; use != NULL && k <= (int64_t)c->steps * c->tasks; k++) {
        if (k == (int64_t)c->steps * c->tasks)
            return UB_FAIL(UB_EINPUT,
                           "no step belongs to any of the %d tasks, so no latent can be told "
                           "relevant; look at the structure or use disentangle.steps: all",
                           (int)c->tasks);
        if (use[k] != 0)
            break;
    }
    return UB_OK;
}

static ub_status fill(ub_trainer *t, const ub_corpus *c, ub_range own, const uint8_t *use,
                      const double *norm, const ub_settings *settings)
{
    int64_t        latents = settings->disentangle.latents;
    ub_model_shape shape = {.dim = c->dim,
                            .latents = (int32_t)(latents > 0         ? latents
                                                 : c->latent_dim > 0 ? c->latent_dim
                                                                     : c->dim),
                            .hidden = (int32_t)settings->disentangle.hidden,
                            .layers = (int32_t)settings->disentangle.layers,
                            .head_hidden = (int32_t)settings->disentangle.head_hidden,
                            .tasks = c->tasks,
                            .targets = t->targets.offset[c->tasks],
                            .activation = settings->disentangle.activation};
    UB_TRY(check_use(c, use));
    t->api = settings->disentangle.precision == UB_PRECISION_DOUBLE ? &ub_learner_double
                                                                    : &ub_learner_single;
    UB_TRY(t->api->create(c, &t->targets, own, use, norm, settings, &shape, &t->learner));
    t->facts = t->api->facts(t->learner);
    UB_TRY(ub_model_alloc(&shape, t->targets.offset, &t->best));
    UB_TRY(ub_restarts_alloc(&t->best, t->restarts, &t->ends));
    t->ends.count = 0;
    memcpy(t->best.norm, norm, 2 * (size_t)(shape.dim + shape.targets) * sizeof *norm);
    t->steps = t->facts.train / t->facts.batch;
    t->steps = t->steps < 1 ? 1 : t->steps;
    t->width = t->facts.parameters + t->facts.terms;
    UB_TRY(UB_ALLOC(t->result, t->facts.terms));
    UB_TRY(UB_ALLOC(t->tail, t->facts.ranges + t->facts.terms));
    UB_TRY(UB_ALLOC(t->recent, ub_trainer_cells(t)));
    if (settings->disentangle.clip > 0)
        UB_TRY(ub_mem_check(t->own_gradient = ub_alloc((size_t)t->width, t->api->size),
                            (size_t)t->width, t->api->size, "the gradient"));
    t->gradient = t->own_gradient;
    UB_TRY(UB_ALLOC(t->log, t->restarts * t->epochs));
    UB_TRY(UB_ALLOC(t->support, t->restarts * t->epochs * shape.tasks));
    UB_TRY(UB_ALLOC(t->used, shape.tasks));
    int64_t episodes = t->facts.held / c->steps;
    for (int64_t k = 0; k < (int64_t)c->steps * c->tasks; k++)
        t->used[k % c->tasks] += use == NULL || use[k] != 0 ? (double)episodes : 0.0;
    t->api->start(t->learner, t->first);
    return UB_OK;
}

ub_status ub_trainer_check(const ub_corpus *corpus, const ub_settings *settings)
{
    double    *norm = NULL; /* of no matter: no episode is copied */
    ub_sampler sampler = {0};
    ub_targets targets = {0};
    ub_status  st = UB_OK;
    UB_TRY_OUT(ub_targets_init(corpus, settings, &targets));
    UB_TRY_OUT(UB_ALLOC(norm, 2 * ((int64_t)corpus->dim + targets.offset[corpus->tasks])));
    UB_TRY_OUT(
        ub_sampler_init(corpus, &targets, (ub_range){0, 0}, NULL, norm, settings, 1, &sampler));
out:
    ub_sampler_release(&sampler);
    ub_targets_release(&targets);
    ub_free(norm);
    return st;
}

static ub_status create(const ub_corpus *corpus, ub_range own, const uint8_t *use,
                        const double *norm, const ub_settings *settings, ub_range initialisations,
                        ub_trainer **out)
{
    ub_trainer *t = NULL;
    UB_TRY(UB_ALLOC(t, 1));
    t->first = initialisations.first;
    t->restarts = initialisations.count;
    t->epochs = settings->disentangle.epochs;
    t->settings = *settings;
    t->every = settings->disentangle.patience > 0 ? 1 : t->epochs;
    t->own = own;
    double   *own_norm = NULL;
    ub_status st = ub_targets_init(corpus, settings, &t->targets);
    if (st == UB_OK)
        st = ub_targets_norm(&t->targets, corpus, norm, &own_norm);
    if (st == UB_OK)
        st = fill(t, corpus, own, use, own_norm, settings);
    ub_free(own_norm);
    if (st != UB_OK)
        ub_trainer_destroy(&t);
    else
        *out = t;
    return st;
}

ub_status ub_trainer_create(const ub_corpus *corpus, ub_range own, const uint8_t *use,
                            const double *norm, const ub_settings *settings, ub_trainer **out)
{
    return create(corpus, own, use, norm, settings, (ub_range){0, settings->disentangle.restarts},
                  out);
}

ub_status ub_trainer_create_one(const ub_corpus *corpus, ub_range own, const uint8_t *use,
                                const double *norm, const ub_settings *settings, int64_t restart,
                                ub_trainer **out)
{
    return create(corpus, own, use, norm, settings, (ub_range){restart, 1}, out);
}

void ub_trainer_destroy(ub_trainer **t)
{
    if (*t == NULL)
        return;
    ub_targets_release(&(*t)->targets);
    ub_model_release(&(*t)->best);
    ub_restarts_release(&(*t)->ends);
    if ((*t)->api != NULL)
        (*t)->api->destroy(&(*t)->learner);
    ub_free((*t)->result);
    ub_free((*t)->own_gradient);
    ub_free((*t)->recent);
    ub_free((*t)->tail);
    ub_free((*t)->used);
    ub_free((*t)->log);
    ub_free((*t)->support);
    ub_free(*t);
    *t = NULL;
}

int64_t ub_trainer_width(const ub_trainer *t)
{
    return t->width;
}

size_t ub_trainer_number(const ub_trainer *t)
{
    return t->api->size;
}

int64_t ub_trainer_phase(const ub_trainer *t)
{
    return (int64_t)t->at.phase;
}

int64_t ub_trainer_phases(const ub_trainer *t)
{
    return t->restarts * ub_trainer_each(t);
}

bool ub_trainer_done(const ub_trainer *t)
{
    return ub_trainer_phase(t) >= ub_trainer_phases(t);
}

/* lambda grows linearly from 0 over the first part of a restart. */
static double lambda_at(const ub_trainer *t, int64_t step)
{
    double ramp = t->settings.disentangle.ramp * (double)(t->epochs * t->steps);
    return (double)step < ramp ? t->settings.disentangle.lambda * (double)step / ramp
                               : t->settings.disentangle.lambda;
}

static double rate_at(const ub_trainer *t, int64_t step)
{
    return ub_schedule_at(&t->settings, step, t->epochs * t->steps);
}

static bool ends_epoch(const ub_trainer *t, position at)
{
    return (at.step + 1) % t->steps == 0;
}

static void pass(ub_trainer *t, ub_range shards)
{
    position        at = position_of(t);
    int64_t         before = t->first * ub_trainer_each(t);
    ub_learner_step step = {.epoch = (t->first + at.restart) * t->epochs + at.step / t->steps,
                            .step = at.step % t->steps,
                            .phase = before + (int64_t)t->at.phase,
                            .lambda = lambda_at(t, at.step),
                            .last = ends_epoch(t, at)};
    t->api->pass(t->learner, &step, shards);
}

ub_status ub_trainer_shard(ub_trainer *t, int64_t s, void *part)
{
    ub_range own = t->own;
    if (ub_trainer_done(t))
        return UB_FAIL(UB_ESTATE, "the training is over after %lld phases",
                       (long long)ub_trainer_phases(t));
    if (s < own.first || s >= own.first + own.count)
        return UB_FAIL(UB_EARG, "shard %lld is not among the %lld from %lld on held here",
                       (long long)s, (long long)own.count, (long long)own.first);
    int64_t set = t->width;
    if (ub_trainer_evaluates(t)) {
        t->api->evaluate(t->learner, t->settings.disentangle.lambda, s, part);
        set = t->facts.terms;
    } else {
        pass(t, (ub_range){s, 1});
        for (int32_t k = 0; k < t->facts.ranges; k++)
            t->api->part(t->learner, s, k, (char *)part + (size_t)t->facts.at[k] * t->api->size,
                         false);
    }
    memset((char *)part + (size_t)set * t->api->size, 0, (size_t)(t->width - set) * t->api->size);
    return UB_OK;
}

bool ub_trainer_evaluates(const ub_trainer *t)
{
    return position_of(t).evaluation;
}

int32_t ub_trainer_ranges(const ub_trainer *t, const int64_t **at)
{
    *at = t->facts.at;
    return t->facts.ranges;
}

void ub_trainer_pass(ub_trainer *t)
{
    if (t->own.count > 0)
        pass(t, t->own);
}

void ub_trainer_part(const ub_trainer *t, int64_t s, int32_t k, void *part, bool add)
{
    t->api->part(t->learner, s, k, part, add);
}

static void update(ub_trainer *t, int32_t k, double scale, const void *gradient)
{
    int64_t   step = position_of(t).step;
    ub_update u = {.number = step + 1,
                   .rate = rate_at(t, step),
                   .scale = scale,
                   .decay = t->settings.disentangle.weight_decay,
                   .momentum = t->settings.disentangle.momentum,
                   .nesterov = t->settings.disentangle.nesterov};
    t->api->update(t->learner, k, &u, gradient);
}

/* All of the weights, with a gradient no longer than allowed. */
static void update_clipped(ub_trainer *t, double norm)
{
    double most = t->settings.disentangle.clip, scale = norm > most ? most / norm : 1.0;
    for (int32_t k = 0; k < t->facts.ranges; k++)
        update(t, k, scale, (const char *)t->gradient + (size_t)t->facts.at[k] * t->api->size);
}

void ub_trainer_update(ub_trainer *t, int32_t k, const void *sum)
{
    int64_t last = t->facts.ranges - 1, n = t->facts.at[k + 1] - t->facts.at[k];
    if (k == last) {
        n -= t->facts.terms;
        t->api->widen((const char *)sum + (size_t)n * t->api->size, t->facts.terms,
                      t->tail + t->facts.ranges);
    }
    t->tail[k] = t->api->square(sum, n);
    if (t->gradient != NULL) /* how long it is, is known when all of it is there */
        memcpy((char *)t->gradient + (size_t)t->facts.at[k] * t->api->size, sum,
               (size_t)(t->facts.at[k + 1] - t->facts.at[k]) * t->api->size);
    else
        update(t, k, 1.0, sum);
}

double *ub_trainer_tail(ub_trainer *t, int64_t *count)
{
    *count = t->facts.ranges + t->facts.terms;
    return t->tail;
}

void ub_trainer_vectors(ub_trainer *t, void *vectors[UB_TRAINER_VECTORS])
{
    t->api->vectors(t->learner, vectors);
    if (t->gradient != NULL)
        vectors[0] = t->gradient;
}

void ub_trainer_place(ub_trainer *t, void *room)
{
    if (t->gradient == NULL) {
        t->api->place(t->learner, room);
        return;
    }
    void *to = room != NULL ? room : t->own_gradient;
    if (to != t->gradient)
        memcpy(to, t->gradient, (size_t)t->width * t->api->size);
    t->gradient = to;
}

static double objective_of(const ub_trainer *t, const double *terms, double lambda)
{
    return terms[UB_TERM_RECONSTRUCTION] + t->settings.disentangle.beta * terms[UB_TERM_KL] +
           terms[UB_TERM_TASK] + lambda * terms[UB_TERM_PENALTY];
}

int64_t ub_trainer_cells(const ub_trainer *t)
{
    return (int64_t)t->best.shape.tasks * t->best.shape.latents;
}

/* The support at the end of an epoch, from the sums of its last step. */
static void put_support(ub_trainer *t, const double *sum, ub_trainer_row *row)
{
    const ub_model_shape *s = &t->best.shape;
    double               *strength = t->recent;
    int32_t              *support = t->support + (row - t->log) * s->tasks, cells = 0;
    ub_strengths(s, sum, (double)t->facts.batch, NULL, strength);
    for (int32_t i = 0; i < s->tasks; i++) {
        support[i] = ub_strengths_keep(s->latents, t->settings.disentangle.keep,
                                       strength + (int64_t)i * s->latents, NULL);
        cells += support[i];
    }
    row->sparsity = 1.0 - (double)cells / (double)ub_trainer_cells(t);
}

static void put_row(ub_trainer *t, position at, const double *latent_sums)
{
    double terms[UB_TERMS], lambda = lambda_at(t, at.step);
    for (int k = 0; k < UB_TERMS; k++)
        terms[k] = t->at.sums[k] / (double)t->steps;
    ub_trainer_row *row = &t->log[(int64_t)t->at.rows++];
    *row = (ub_trainer_row){.restart = t->first + at.restart,
                            .epoch = at.step / t->steps,
                            .learning_rate = rate_at(t, at.step),
                            .lambda = lambda,
                            .reconstruction = terms[UB_TERM_RECONSTRUCTION],
                            .kl = terms[UB_TERM_KL],
                            .task = terms[UB_TERM_TASK],
                            .penalty = terms[UB_TERM_PENALTY],
                            .objective = objective_of(t, terms, lambda),
                            .gradient_norm = t->at.gradient_norm};
    put_support(t, latent_sums, row);
    memset(t->at.sums, 0, sizeof t->at.sums);
}

static ub_status check_finite(const ub_trainer *t, position at, double objective, double square)
{
    if (isfinite(square) && isfinite(objective))
        return UB_OK;
    return UB_FAIL(UB_ENUMERIC,
                   "the training diverged: initialisation %lld, step %lld of %lld, objective "
                   "%g, squared gradient %g; lower disentangle.learning_rate (now %g) or look "
                   "for extreme values in the corpus",
                   (long long)(t->first + at.restart), (long long)at.step,
                   (long long)(t->epochs * t->steps), objective, square,
                   t->settings.disentangle.learning_rate);
}

ub_status ub_trainer_step(ub_trainer *t)
{
    position at = position_of(t);
    double   square = 0.0, *terms = t->tail + t->facts.ranges;
    for (int32_t k = 0; k < t->facts.ranges; k++)
        square += t->tail[k];
    UB_TRY(check_finite(t, at, objective_of(t, terms, t->settings.disentangle.lambda), square));
    for (int k = 0; k < UB_TERMS; k++)
        t->at.sums[k] += terms[k];
    t->at.gradient_norm = sqrt(square);
    if (t->gradient != NULL)
        update_clipped(t, t->at.gradient_norm);
    if (ends_epoch(t, at))
        put_row(t, at, terms + UB_TERMS);
    memset(t->tail, 0, (size_t)(t->facts.ranges + t->facts.terms) * sizeof *t->tail);
    t->at.phase += 1;
    return UB_OK;
}

static ub_status end_evaluation(ub_trainer *t, const void *sum)
{
    position at = position_of(t);
    int64_t  patience = t->settings.disentangle.patience;
    t->api->widen(sum, t->facts.terms, t->result);
    double objective = objective_of(t, t->result, t->settings.disentangle.lambda);
    UB_TRY(check_finite(t, at, objective, 0.0));
    if (at.step == t->every * t->steps || objective < t->ends.objective[at.restart]) {
        ub_trainer_keep(t, at.restart, objective);
        t->at.quiet = 0;
    } else {
        t->at.quiet += 1;
    }
    t->at.phase += 1;
    if (!at.last && (patience == 0 || t->at.quiet < (double)patience))
        return UB_OK;
    ub_trainer_judge(t, at.restart + 1);
    t->at.phase = (double)((at.restart + 1) * ub_trainer_each(t));
    if (!ub_trainer_done(t))
        t->api->start(t->learner, t->first + at.restart + 1);
    return UB_OK;
}

ub_status ub_trainer_apply(ub_trainer *t, const void *sum)
{
    if (ub_trainer_done(t))
        return UB_FAIL(UB_ESTATE, "the training is over after %lld phases",
                       (long long)ub_trainer_phases(t));
    if (ub_trainer_evaluates(t))
        return end_evaluation(t, sum);
    for (int32_t k = 0; k < t->facts.ranges; k++)
        ub_trainer_update(t, k, (const char *)sum + (size_t)t->facts.at[k] * t->api->size);
    return ub_trainer_step(t);
}

const ub_trainer_row *ub_trainer_log(const ub_trainer *t, int64_t *rows)
{
    *rows = (int64_t)t->at.rows;
    return t->log;
}

ub_trainer_history ub_trainer_past(const ub_trainer *t)
{
    return (ub_trainer_history){(int64_t)t->at.rows, t->best.shape.tasks, t->log, t->support};
}

ub_status ub_trainer_adopt(ub_trainer *t, const ub_trainer *one)
{
    int64_t restart = position_of(t).restart, rows = (int64_t)t->at.rows;
    if (!ub_trainer_done(one) || one->restarts != 1 || one->first != t->first + restart)
        return UB_FAIL(UB_ESTATE, "initialisation %lld, at phase %lld of %lld, is not what follows",
                       (long long)one->first, (long long)ub_trainer_phase(one),
                       (long long)ub_trainer_phases(one));
    memcpy(t->log + rows, one->log, (size_t)one->at.rows * sizeof *t->log);
    memcpy(t->support + rows * t->best.shape.tasks, one->support,
           (size_t)((int64_t)one->at.rows * t->best.shape.tasks) * sizeof *t->support);
    memcpy(t->ends.w + restart * t->best.weights, one->ends.w,
           (size_t)t->best.weights * sizeof *t->ends.w);
    memcpy(t->ends.strength + restart * ub_trainer_cells(t), one->ends.strength,
           (size_t)ub_trainer_cells(t) * sizeof *t->ends.strength);
    t->ends.objective[restart] = one->ends.objective[0];
    ub_trainer_judge(t, restart + 1);
    t->at.rows += one->at.rows;
    t->at.phase += one->at.phase;
    return UB_OK;
}
