#include "core/trainer.h"

#include <math.h>
#include <string.h>

#include "core/adam.h"
#include "core/evidence.h"
#include "core/internal/sampler.h"
#include "core/mem.h"
#include "core/objective.h"

/* The part of the state that is not weights; all members doubles, see ub_trainer_state_get. */
typedef struct counters {
    double phase, rows;
    double sums[UB_TERMS]; /* of the steps of this epoch so far */
    double gradient_norm;  /* of the last step */
} counters;

struct ub_trainer {
    ub_model        best; /* shape and norm of the model */
    ub_restarts     ends; /* of the initialisations that are over */
    ub_objective    objective;
    ub_sampler      sampler;
    counters        at;
    double         *w, *m, *v; /* weights and Adam's moments: objective.parameters each */
    double         *used;      /* of every task: held-out samples at which it counts */
    int64_t         restarts, epochs, steps, width;
    double          lambda, ramp, rate, decay_from, decay_to, keep;
    ub_trainer_row *log;     /* restarts * epochs */
    int32_t        *support; /* of every row: tasks, see ub_trainer_history */
};

/* Where a phase is: restarts of epochs * steps gradient steps and one evaluation each. */
typedef struct position {
    int64_t restart, step; /* step of the restart; evaluation if it is the last */
    bool    evaluation;
} position;

static position position_of(const ub_trainer *t)
{
    int64_t each = t->epochs * t->steps + 1, phase = (int64_t)t->at.phase;
    return (position){phase / each, phase % each, phase % each == each - 1};
}

/* Evaluation vector: the terms, then sum mu, sum mu^2 (a latent each), sum |dg/dz| (tasks x
 * latents). */
static int64_t evaluation_width(const ub_model_shape *s)
{
    return UB_TERMS + (2 + (int64_t)s->tasks) * s->latents;
}

static void start_restart(ub_trainer *t, int64_t restart)
{
    size_t bytes = (size_t)t->objective.parameters * sizeof(double);
    ub_objective_start(&t->objective, t->sampler.seed, restart, t->w);
    memset(t->m, 0, bytes);
    memset(t->v, 0, bytes);
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
                            .targets = c->task_offset[c->tasks]};
    UB_TRY(check_use(c, use));
    UB_TRY(ub_sampler_init(c, own, use, norm, settings, shape.latents, &t->sampler));
    UB_TRY(ub_objective_init(&shape, c->task_offset, settings, t->sampler.rows, &t->objective));
    UB_TRY(ub_model_alloc(&shape, c->task_offset, &t->best));
    UB_TRY(ub_restarts_alloc(&t->best, t->restarts, &t->ends));
    t->ends.count = 0;
    memcpy(t->best.norm, norm, 2 * (size_t)(shape.dim + shape.targets) * sizeof *norm);
    t->steps = t->sampler.train / t->sampler.batch;
    t->steps = t->steps < 1 ? 1 : t->steps;
    t->width = t->objective.parameters + evaluation_width(&shape);
    UB_TRY(UB_ALLOC(t->w, t->objective.parameters));
    UB_TRY(UB_ALLOC(t->m, t->objective.parameters));
    UB_TRY(UB_ALLOC(t->v, t->objective.parameters));
    UB_TRY(UB_ALLOC(t->log, t->restarts * t->epochs));
    UB_TRY(UB_ALLOC(t->support, t->restarts * t->epochs * shape.tasks));
    UB_TRY(UB_ALLOC(t->used, shape.tasks));
    int64_t episodes = t->sampler.held / c->steps;
    for (int64_t k = 0; k < (int64_t)c->steps * c->tasks; k++)
        t->used[k % c->tasks] += t->sampler.use[k] * (double)episodes;
    start_restart(t, 0);
    return UB_OK;
}

ub_status ub_trainer_check(const ub_corpus *corpus, const ub_settings *settings)
{
    double    *norm; /* of no matter: no episode is copied */
    ub_sampler sampler = {0};
    UB_TRY(UB_ALLOC(norm, 2 * ((int64_t)corpus->dim + corpus->task_offset[corpus->tasks])));
    ub_status st = ub_sampler_init(corpus, (ub_range){0, 0}, NULL, norm, settings, 1, &sampler);
    ub_sampler_release(&sampler);
    ub_free(norm);
    return st;
}

ub_status ub_trainer_create(const ub_corpus *corpus, ub_range own, const uint8_t *use,
                            const double *norm, const ub_settings *settings, ub_trainer **out)
{
    ub_trainer *t = NULL;
    UB_TRY(UB_ALLOC(t, 1));
    t->restarts = settings->disentangle.restarts;
    t->epochs = settings->disentangle.epochs;
    t->lambda = settings->disentangle.lambda;
    t->ramp = settings->disentangle.ramp;
    t->rate = settings->disentangle.learning_rate;
    t->decay_from = settings->disentangle.decay_from;
    t->decay_to = settings->disentangle.decay_to;
    t->keep = settings->disentangle.keep;
    ub_status st = fill(t, corpus, own, use, norm, settings);
    if (st != UB_OK)
        ub_trainer_destroy(&t);
    else
        *out = t;
    return st;
}

void ub_trainer_destroy(ub_trainer **t)
{
    if (*t == NULL)
        return;
    ub_model_release(&(*t)->best);
    ub_restarts_release(&(*t)->ends);
    ub_objective_release(&(*t)->objective);
    ub_sampler_release(&(*t)->sampler);
    ub_free((*t)->w);
    ub_free((*t)->m);
    ub_free((*t)->v);
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

int64_t ub_trainer_phase(const ub_trainer *t)
{
    return (int64_t)t->at.phase;
}

int64_t ub_trainer_phases(const ub_trainer *t)
{
    return t->restarts * (t->epochs * t->steps + 1);
}

bool ub_trainer_done(const ub_trainer *t)
{
    return ub_trainer_phase(t) >= ub_trainer_phases(t);
}

/* lambda grows linearly from 0 over the first part of a restart. */
static double lambda_at(const ub_trainer *t, int64_t step)
{
    double ramp = t->ramp * (double)(t->epochs * t->steps);
    return (double)step < ramp ? t->lambda * (double)step / ramp : t->lambda;
}

/* Constant, then linear. */
static double rate_at(const ub_trainer *t, int64_t step)
{
    double part = (double)step / (double)(t->epochs * t->steps);
    if (part <= t->decay_from)
        return t->rate;
    return t->rate * (1.0 - (1.0 - t->decay_to) * (part - t->decay_from) / (1.0 - t->decay_from));
}

/* Add the rows of the last batch (`n`) to the sums behind the terms, see ub_strengths. */
static void add_latents(ub_trainer *t, int64_t n, double *sum)
{
    int32_t       latents = t->best.shape.latents;
    double       *square = sum + latents;
    const double *mu = ub_objective_mu(&t->objective);
    ub_objective_strength(&t->objective, t->w, square + latents);
    for (int64_t r = 0; r < n; r++, mu += 2 * latents)
        for (int32_t j = 0; j < latents; j++) {
            sum[j] += mu[j];
            square[j] += mu[j] * mu[j];
        }
}

static bool ends_epoch(const ub_trainer *t, position at)
{
    return (at.step + 1) % t->steps == 0;
}

static void train_shard(ub_trainer *t, int64_t s, position at, double *part)
{
    int64_t  epoch = at.restart * t->epochs + at.step / t->steps;
    ub_batch b = ub_sampler_train(&t->sampler, s, epoch, at.step % t->steps, (int64_t)t->at.phase,
                                  t->best.shape.latents);
    /* A shard's penalty is a mean over its rows: weighted by its share of all of them. */
    int64_t all = t->sampler.jacobian < t->sampler.batch ? t->sampler.jacobian : t->sampler.batch;
    ub_weighting weighting = {.row = 1.0 / (double)t->sampler.batch,
                              .penalty = (double)b.jacobian / (double)all,
                              .lambda = lambda_at(t, at.step)};
    double      *terms = part + t->objective.parameters;
    ub_objective_batch(&t->objective, t->w, &b, &weighting, terms, part);
    if (ends_epoch(t, at))
        add_latents(t, b.n, terms + UB_TERMS);
}

static void evaluate_shard(ub_trainer *t, int64_t s, double *part)
{
    double held = (double)t->sampler.held;
    for (int64_t done = 0;;) {
        ub_batch b = ub_sampler_held(&t->sampler, s, done);
        if (b.n == 0)
            break;
        double       terms[UB_TERMS];
        ub_weighting weighting = {1.0 / held, (double)b.n / held, t->lambda};
        ub_objective_batch(&t->objective, t->w, &b, &weighting, terms, NULL);
        for (int k = 0; k < UB_TERMS; k++)
            part[k] += terms[k];
        add_latents(t, b.n, part + UB_TERMS);
        done += b.n;
    }
}

ub_status ub_trainer_shard(ub_trainer *t, int64_t s, double *part)
{
    ub_range own = t->sampler.own;
    if (ub_trainer_done(t))
        return UB_FAIL(UB_ESTATE, "the training is over after %lld phases",
                       (long long)ub_trainer_phases(t));
    if (s < own.first || s >= own.first + own.count)
        return UB_FAIL(UB_EARG, "shard %lld is not among the %lld from %lld on held here",
                       (long long)s, (long long)own.count, (long long)own.first);
    position at = position_of(t);
    memset(part, 0, (size_t)t->width * sizeof *part);
    if (at.evaluation)
        evaluate_shard(t, s, part);
    else
        train_shard(t, s, at, part);
    return UB_OK;
}

static double objective_of(const ub_trainer *t, const double *terms, double lambda)
{
    return terms[UB_TERM_RECONSTRUCTION] + t->objective.beta * terms[UB_TERM_KL] +
           terms[UB_TERM_TASK] + lambda * terms[UB_TERM_PENALTY];
}

static int64_t cells_of(const ub_trainer *t)
{
    return (int64_t)t->best.shape.tasks * t->best.shape.latents;
}

/* The support at the end of an epoch, from the sums of its last step; the room for strengths is
 * that of the initialisation that is not over yet. */
static void put_support(ub_trainer *t, position at, const double *sum, ub_trainer_row *row)
{
    const ub_model_shape *s = &t->best.shape;
    double               *strength = t->ends.strength + at.restart * cells_of(t);
    int32_t              *support = t->support + (row - t->log) * s->tasks, cells = 0;
    ub_strengths(s, sum, (double)t->sampler.batch, NULL, strength);
    for (int32_t i = 0; i < s->tasks; i++) {
        support[i] =
            ub_strengths_keep(s->latents, t->keep, strength + (int64_t)i * s->latents, NULL);
        cells += support[i];
    }
    row->sparsity = 1.0 - (double)cells / (double)cells_of(t);
}

static void put_row(ub_trainer *t, position at, const double *latent_sums)
{
    double terms[UB_TERMS], lambda = lambda_at(t, at.step);
    for (int k = 0; k < UB_TERMS; k++)
        terms[k] = t->at.sums[k] / (double)t->steps;
    ub_trainer_row *row = &t->log[(int64_t)t->at.rows++];
    *row = (ub_trainer_row){.restart = at.restart,
                            .epoch = at.step / t->steps,
                            .learning_rate = rate_at(t, at.step),
                            .lambda = lambda,
                            .reconstruction = terms[UB_TERM_RECONSTRUCTION],
                            .kl = terms[UB_TERM_KL],
                            .task = terms[UB_TERM_TASK],
                            .penalty = terms[UB_TERM_PENALTY],
                            .objective = objective_of(t, terms, lambda),
                            .gradient_norm = t->at.gradient_norm};
    put_support(t, at, latent_sums, row);
    memset(t->at.sums, 0, sizeof t->at.sums);
}

static void take_step(ub_trainer *t, position at, const double *sum, double norm)
{
    ub_adam_update(t->objective.parameters, at.step + 1, rate_at(t, at.step), sum, t->w, t->m,
                   t->v);
    for (int k = 0; k < UB_TERMS; k++)
        t->at.sums[k] += sum[t->objective.parameters + k];
    t->at.gradient_norm = norm;
    if (ends_epoch(t, at))
        put_row(t, at, sum + t->objective.parameters + UB_TERMS);
}

/* What follows from the objectives and strengths of the first `count` initialisations. */
static void judge(ub_trainer *t, int64_t count)
{
    int32_t latents = t->best.shape.latents;
    t->ends.count = count;
    t->ends.kept = -1;
    for (int64_t k = 0; k < count; k++)
        if (t->ends.kept < 0 || t->ends.objective[k] < t->ends.objective[t->ends.kept])
            t->ends.kept = k;
    for (int64_t at = 0; at < count * cells_of(t); at += latents)
        (void)ub_strengths_keep(latents, t->keep, t->ends.strength + at, t->ends.relevant + at);
}

static void end_restart(ub_trainer *t, int64_t restart, const double *sum, double objective)
{
    ub_strengths(&t->best.shape, sum + UB_TERMS, (double)t->sampler.held, t->used,
                 t->ends.strength + restart * cells_of(t));
    ub_objective_fold(&t->objective, t->w, t->ends.w + restart * t->best.weights);
    t->ends.objective[restart] = objective;
    judge(t, restart + 1);
}

ub_status ub_trainer_apply(ub_trainer *t, const double *sum)
{
    position at = position_of(t);
    double   square = 0.0;
    int64_t  length = at.evaluation ? 0 : t->objective.parameters;
    if (ub_trainer_done(t))
        return UB_FAIL(UB_ESTATE, "the training is over after %lld phases",
                       (long long)ub_trainer_phases(t));
    for (int64_t k = 0; k < length; k++)
        square += sum[k] * sum[k];
    double objective = objective_of(t, sum + length, t->lambda);
    if (!isfinite(square) || !isfinite(objective))
        return UB_FAIL(UB_ENUMERIC,
                       "the training diverged: initialisation %lld, step %lld of %lld, objective "
                       "%g, squared gradient %g; lower disentangle.learning_rate (now %g) or look "
                       "for extreme values in the corpus",
                       (long long)at.restart, (long long)at.step, (long long)(t->epochs * t->steps),
                       objective, square, t->rate);
    if (!at.evaluation)
        take_step(t, at, sum, sqrt(square));
    else
        end_restart(t, at.restart, sum, objective);
    t->at.phase += 1;
    if (at.evaluation && !ub_trainer_done(t))
        start_restart(t, at.restart + 1);
    return UB_OK;
}

const ub_trainer_row *ub_trainer_log(const ub_trainer *t, int64_t *rows)
{
    *rows = (int64_t)t->at.rows;
    return t->log;
}

/* The state is these blocks, one after another; `copy` moves one of them either way. */
typedef void (*block_copy)(double *inside, double **state, int64_t n);

static void copy_out(double *inside, double **state, int64_t n)
{
    memcpy(*state, inside, (size_t)n * sizeof *inside);
    *state += n;
}

static void copy_in(double *inside, double **state, int64_t n)
{
    memcpy(inside, *state, (size_t)n * sizeof *inside);
    *state += n;
}

enum { COUNTERS = sizeof(counters) / sizeof(double), ROW = 11 };

static void copy_row(ub_trainer_row *row, double **state, block_copy copy)
{
    double flat[ROW] = {(double)row->restart,
                        (double)row->epoch,
                        row->learning_rate,
                        row->lambda,
                        row->reconstruction,
                        row->kl,
                        row->task,
                        row->penalty,
                        row->objective,
                        row->gradient_norm,
                        row->sparsity};
    copy(flat, state, ROW);
    if (copy == copy_in)
        *row =
            (ub_trainer_row){(int64_t)flat[0], (int64_t)flat[1], flat[2], flat[3], flat[4], flat[5],
                             flat[6],          flat[7],          flat[8], flat[9], flat[10]};
}

static void copy_count(int32_t *count, double **state, block_copy copy)
{
    double flat = *count;
    copy(&flat, state, 1);
    if (copy == copy_in)
        *count = (int32_t)flat;
}

static void copy_state(ub_trainer *t, double *state, block_copy copy)
{
    copy((double *)&t->at, &state, COUNTERS);
    copy(t->w, &state, t->objective.parameters);
    copy(t->m, &state, t->objective.parameters);
    copy(t->v, &state, t->objective.parameters);
    copy(t->ends.w, &state, t->restarts * t->best.weights);
    copy(t->ends.objective, &state, t->restarts);
    copy(t->ends.strength, &state, t->restarts * cells_of(t));
    for (int64_t k = 0; k < t->restarts * t->epochs; k++)
        copy_row(&t->log[k], &state, copy);
    for (int64_t k = 0; k < t->restarts * t->epochs * t->best.shape.tasks; k++)
        copy_count(&t->support[k], &state, copy);
}

int64_t ub_trainer_state_width(const ub_trainer *t)
{
    int64_t row = ROW + t->best.shape.tasks;
    return COUNTERS + 3 * t->objective.parameters +
           t->restarts * (t->best.weights + 1 + cells_of(t) + row * t->epochs);
}

void ub_trainer_state_get(const ub_trainer *t, double *state)
{
    copy_state((ub_trainer *)t, state, copy_out); /* which does not write to t */
}

ub_status ub_trainer_state_set(ub_trainer *t, const double *state)
{
    double phase = state[0], rows = state[1];
    /* Every finished epoch left a row: a state of other settings is seen here or by its width. */
    double expected = floor(phase / (double)(t->epochs * t->steps + 1)) * (double)t->epochs +
                      floor(fmod(phase, (double)(t->epochs * t->steps + 1)) / (double)t->steps);
    if (!(phase >= 0) || phase > (double)ub_trainer_phases(t) || rows != expected)
        return UB_FAIL(UB_EFORMAT,
                       "this is no state of the training: phase %g of %lld with %g log rows", phase,
                       (long long)ub_trainer_phases(t), rows);
    copy_state(t, (double *)state, copy_in); /* which does not write to state */
    judge(t, (int64_t)phase / (t->epochs * t->steps + 1));
    return UB_OK;
}

/* The kept initialisation's figures and those of all. */
static ub_status copy_ends(const ub_trainer *t, ub_model *out)
{
    int64_t      cells = cells_of(t);
    ub_restarts *r = &out->restarts;
    UB_TRY(ub_restarts_alloc(&t->best, t->ends.count, r));
    memcpy(r->objective, t->ends.objective, (size_t)r->count * sizeof *r->objective);
    memcpy(r->strength, t->ends.strength, (size_t)(r->count * cells) * sizeof *r->strength);
    memcpy(r->relevant, t->ends.relevant, (size_t)(r->count * cells) * sizeof *r->relevant);
    memcpy(r->w, t->ends.w, (size_t)(r->count * out->weights) * sizeof *r->w);
    memcpy(out->w, r->w + t->ends.kept * out->weights, (size_t)out->weights * sizeof *r->w);
    r->kept = t->ends.kept;
    out->objective = r->objective[r->kept];
    memcpy(out->strength, r->strength + r->kept * cells, (size_t)cells * sizeof *r->strength);
    memcpy(out->relevant, r->relevant + r->kept * cells, (size_t)cells * sizeof *r->relevant);
    return UB_OK;
}

ub_trainer_history ub_trainer_past(const ub_trainer *t)
{
    return (ub_trainer_history){(int64_t)t->at.rows, t->best.shape.tasks, t->log, t->support};
}

const ub_restarts *ub_trainer_restarts(const ub_trainer *t)
{
    return &t->ends;
}

ub_status ub_trainer_model(const ub_trainer *t, ub_model *out)
{
    const ub_model_shape *s = &t->best.shape;
    if (!ub_trainer_done(t))
        return UB_FAIL(UB_ESTATE, "the training is at phase %lld of %lld",
                       (long long)ub_trainer_phase(t), (long long)ub_trainer_phases(t));
    UB_TRY(ub_model_alloc(s, t->best.task_offset, out));
    memcpy(out->norm, t->best.norm, 2 * (size_t)(s->dim + s->targets) * sizeof *out->norm);
    ub_status st = copy_ends(t, out);
    if (st != UB_OK)
        ub_model_release(out);
    return st;
}
