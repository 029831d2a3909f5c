/* The calibration of 'unbraid plan': gradient steps, evaluations, and the judge. */
#include <math.h>
#include <string.h>

#include "core/evidence.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "core/trainer.h"
#include "jobs/plan.h"
#include "jobs/study.h"
#include "mpi/training.h"

/* ---- a step, piece by piece ---- */

typedef struct stepping {
    ub_trainer    *trainer;
    ub_training    parallel;
    ub_plan_costs *m;
    double         updated;   /* seconds of the step at hand */
    double         evaluated; /* of all evaluations on the way */
    int64_t        evaluations;
} stepping;

static void part(void *self, int64_t leaf, int32_t k, void *out, bool add)
{
    const stepping *s = self;
    ub_trainer_part(s->trainer, leaf, k, out, add);
}

static void update(void *self, int32_t k, const void *sum)
{
    stepping     *s = self;
    ub_plan_clock start = ub_plan_begin();
    ub_trainer_update(s->trainer, k, sum);
    s->updated += ub_plan_begin().cpu - start.cpu;
}

/* As mpi/training.c does it on one rank. */
static ub_status step(stepping *s, double took[4])
{
    static const ub_sum_ops ops = {part, update};
    ub_plan_clock           start = ub_plan_begin();
    s->updated = 0;
    ub_trainer_pass(s->trainer);
    took[0] = ub_plan_end(s->m, start);
    start = ub_plan_begin();
    UB_TRY(ub_sum_run(s->parallel.sum, &ops, s));
    took[1] = ub_plan_end(s->m, start) - s->updated;
    took[2] = s->updated;
    start = ub_plan_begin();
    UB_TRY(ub_trainer_step(s->trainer));
    took[3] = ub_plan_end(s->m, start);
    return UB_OK;
}

static ub_status evaluation(stepping *s)
{
    bool          stop = false;
    ub_plan_clock start = ub_plan_begin();
    UB_TRY(ub_training_phase(&s->parallel, &stop));
    s->evaluated += ub_plan_end(s->m, start);
    s->evaluations++;
    return UB_OK;
}

/* Standard error of the mean of count pieces, as part of it. */
static double error_of(double sum, double square, int64_t count)
{
    double n = (double)count, mean = sum / n;
    return sqrt(fmax(0, square / n - mean * mean) / (n - 1)) / mean;
}

/* Would all of the training be over within so many seconds, at the pace so far? */
static bool over_within(const stepping *s, double seconds, double spent)
{
    return spent * (double)ub_trainer_phases(s->trainer) <
           seconds * (double)ub_trainer_phase(s->trainer);
}

/* Steps for about so many seconds, and up to LONGER times as long until their mean is known to
 * CLOSE: a machine is faster and slower for seconds on end, so that neighbouring steps say the same
 * and only the means of longer pieces tell how far to trust them.  A training that is over by then
 * is done to its end.  The first step, which touches all memory for the first time, does not count
 * if there are others. */
static ub_status try_steps(stepping *s, double seconds)
{
    enum { PIECES = 4, LONGER = 3 };
    static const double CLOSE = 0.02;
    double              sum[4] = {0}, square = 0, all = 0, spent = 0;
    double              piece = 0, pieces = 0, pieces_square = 0, error = INFINITY;
    int64_t             n = 0, in_piece = 0, whole_pieces = 0;
    bool                first = true;
    while (!ub_trainer_done(s->trainer) && spent < LONGER * seconds &&
           (spent < seconds || error > CLOSE || over_within(s, LONGER * seconds, spent))) {
        double took[4], whole = 0;
        if (ub_trainer_evaluates(s->trainer)) {
            UB_TRY(evaluation(s));
            continue;
        }
        UB_TRY(step(s, took));
        for (int i = 0; i < 4; i++)
            whole += took[i];
        spent += whole;
        if (n == 1 && first) { /* the second is here: forget the first */
            memset(sum, 0, sizeof sum);
            all = square = piece = 0;
            n = in_piece = 0;
            first = false;
        }
        for (int i = 0; i < 4; i++)
            sum[i] += took[i];
        all += whole;
        square += whole * whole;
        n++;
        piece += whole;
        in_piece++;
        if (piece < seconds / PIECES)
            continue;
        pieces += piece / (double)in_piece;
        pieces_square += piece / (double)in_piece * (piece / (double)in_piece);
        piece = 0;
        in_piece = 0;
        if (++whole_pieces > 1)
            error = error_of(pieces, pieces_square, whole_pieces);
    }
    double count = (double)n;
    s->m->timed = n;
    s->m->pass_s = sum[0] / count;
    s->m->sum_s = sum[1] / count;
    s->m->update_s = sum[2] / count;
    s->m->rest_s = sum[3] / count;
    s->m->step_cv = n > 1 ? error_of(all, square, n) * sqrt(count - 1) : 0;
    s->m->step_error = whole_pieces > 1 ? error : s->m->step_cv / sqrt(count);
    return UB_OK;
}

/* What one initialisation is, without its data. */
static ub_status size_up(const ub_corpus *corpus, const uint8_t *use, const double *norm,
                         const ub_settings *settings, ub_plan_costs *m)
{
    ub_trainer *one = NULL;
    UB_TRY(ub_trainer_create_one(corpus, (ub_range){0, 0}, use, norm, settings, 0, &one));
    m->shards = settings->disentangle.shards;
    m->evaluations = settings->disentangle.patience > 0 ? settings->disentangle.epochs : 1;
    m->steps = ub_trainer_phases(one) - m->evaluations;
    m->width = ub_trainer_width(one);
    m->number = ub_trainer_number(one);
    m->state = ub_trainer_state_width(one);
    ub_trainer_destroy(&one);
    return UB_OK;
}

/* model: that of the run, if all its initialisations were over by then; else empty. */
static ub_status steps_of(const ub_comm *self, const ub_corpus *corpus, const uint8_t *use,
                          const double *norm, const ub_settings *settings, double seconds,
                          ub_plan_costs *m, ub_model *model)
{
    int64_t  shards = settings->disentangle.shards;
    stepping s = {.m = m};
    UB_TRY(size_up(corpus, use, norm, settings, m));
    double        before_mb = ub_plan_resident();
    ub_plan_clock start = ub_plan_begin();
    ub_status     st =
        ub_trainer_create(corpus, (ub_range){0, shards}, use, norm, settings, &s.trainer);
    m->create_s = ub_plan_end(m, start);
    UB_TRY_OUT(st);
    UB_TRY_OUT(ub_training_init(self, s.trainer, shards, &s.parallel));
    UB_TRY_OUT(try_steps(&s, seconds));
    m->trainer_mb = fmax(0, ub_plan_resident() - before_mb);
    if (s.evaluations > 0)
        m->evaluation_s = s.evaluated / (double)s.evaluations;
    if (ub_trainer_done(s.trainer) && settings->disentangle.lambdas == 1)
        UB_TRY_OUT(ub_trainer_model(s.trainer, model));
out:
    ub_training_release(&s.parallel);
    ub_trainer_destroy(&s.trainer);
    return st;
}

/* ---- an evaluation, and what follows a training ---- */

static int64_t held_out(int64_t episodes, const ub_settings *s)
{
    int64_t held = 0;
    for (int64_t k = 0; k < s->disentangle.shards; k++)
        held +=
            ub_held_out(ub_part(episodes, s->disentangle.shards, k).count, s->disentangle.holdout);
    return held;
}

/* The first episodes, few, but enough for a batch. */
static ub_corpus few_of(const ub_corpus *corpus, const ub_settings *s)
{
    ub_corpus few = *corpus;
    int64_t   want = s->disentangle.batch / corpus->steps + 1;
    want = 4 * s->disentangle.shards + (int64_t)((double)want / (1 - s->disentangle.holdout));
    few.episodes = few.count = want < corpus->episodes ? want : corpus->episodes;
    return few;
}

/* The whole of a training that is over soon; its evaluation is timed, where none was. */
static ub_status short_training(const ub_comm *self, const ub_corpus *few, const uint8_t *use,
                                const double *norm, const ub_settings *settings, double scale,
                                ub_plan_costs *m, ub_model *model)
{
    ub_trainer *t = NULL;
    ub_training x = {0};
    bool        stop = false;
    double      last = 0;
    ub_settings s = *settings;
    ub_status   st = UB_OK;
    s.disentangle.epochs = s.disentangle.restarts = 1;
    UB_TRY_OUT(
        ub_trainer_create_one(few, (ub_range){0, s.disentangle.shards}, use, norm, &s, 0, &t));
    UB_TRY_OUT(ub_training_init(self, t, s.disentangle.shards, &x));
    while (!ub_trainer_done(t)) {
        ub_plan_clock start = ub_plan_begin();
        UB_TRY_OUT(ub_training_phase(&x, &stop));
        last = ub_plan_end(m, start); /* an evaluation */
    }
    if (m->evaluation_s <= 0)
        m->evaluation_s = scale * last;
    UB_TRY_OUT(ub_trainer_model(t, model));
out:
    ub_training_release(&x);
    ub_trainer_destroy(&t);
    return st;
}

/* What held-out samples say of a model, from one shard. */
static ub_status try_evidence(const ub_corpus *corpus, const uint8_t *use,
                              const ub_settings *settings, const ub_model *model, ub_plan_costs *m)
{
    double *sum = NULL;
    int64_t shards = settings->disentangle.shards;
    if (model->shape.latents > UB_EVIDENCE_LATENTS)
        return UB_OK;
    UB_TRY(UB_ALLOC(sum, ub_evidence_width(model)));
    ub_plan_clock start = ub_plan_begin();
    ub_status     st = ub_evidence_shard(model, corpus, shards, shards / 2,
                                         settings->disentangle.holdout, use, sum);
    m->evidence_s = (double)(shards * settings->disentangle.restarts) * ub_plan_end(m, start);
    ub_free(sum);
    return st;
}

/* ---- the judge ---- */

/* Which latents a task keeps or needs: flag[task * by_task + latent * by_latent]. */
typedef struct support {
    const uint8_t *flag;
    int64_t        by_task, by_latent;
    int32_t        tasks, latents;
} support;

/* Different sets among that of all tasks and those of each, but for the empty one: what the judge
 * is asked about (judge_latents.c).  open: nor that of all latents.  set: 1 + tasks of them. */
static int64_t count_sets(const support *s, bool open, uint8_t *set)
{
    int64_t count = 0;
    int32_t n = s->latents;
    memset(set, 0, (size_t)(1 + s->tasks) * (size_t)n);
    for (int32_t g = 0; g <= s->tasks; g++) {
        uint8_t *at = set + (int64_t)g * n;
        for (int32_t i = 0; i < s->tasks; i++)
            for (int32_t j = 0; j < n; j++)
                if (g == 0 || g == i + 1)
                    at[j] |= s->flag[i * s->by_task + j * s->by_latent] != 0;
        bool left = memchr(at, 1, (size_t)n) == NULL || (open && memchr(at, 0, (size_t)n) == NULL);
        for (int32_t b = 0; b < g && !left; b++)
            left = memcmp(set + (int64_t)b * n, at, (size_t)n) == 0;
        count += !left;
    }
    return count;
}

/* Sets of the model, if its training was a whole one; else those of a model that finds the truth.
 */
static ub_status count_questions(const ub_corpus *c, const ub_model *model, bool whole,
                                 ub_plan_costs *m)
{
    int32_t  most = c->latent_dim > model->shape.latents ? c->latent_dim : model->shape.latents;
    uint8_t *set;
    support  truth = {c->latent_relevant, 1, c->tasks, c->tasks, c->latent_dim};
    support  found = {model->relevant, model->shape.latents, 1, c->tasks, model->shape.latents};
    UB_TRY(UB_ALLOC(set, (int64_t)(1 + c->tasks) * most));
    m->kept = count_sets(whole ? &found : &truth, false, set);
    m->full = m->kept + count_sets(&truth, true, set);
    m->guessed = !whole;
    m->thin = model->shape.latents;
    ub_free(set);
    return UB_OK;
}

/* What a regression predicts from: the true latents that the first task needs, or, with a model,
 * the first p of its latents.  rows x p of x; y: rows x true latents. */
static ub_status fill_rows(const ub_corpus *c, const ub_model *model, int64_t rows, int32_t p,
                           double *x, double *y)
{
    int32_t   q = c->latent_dim, width = model == NULL ? 0 : model->shape.latents;
    double   *state = NULL, *mu = NULL;
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(state, model == NULL ? 0 : rows * c->dim));
    UB_TRY_OUT(UB_ALLOC(mu, rows * width));
    for (int64_t i = 0; i < rows; i++) {
        int64_t cell = (int64_t)((double)i * (double)(c->episodes * c->steps) / (double)rows);
        memcpy(y + i * q, c->latents + cell * q, (size_t)q * sizeof *y);
        if (model != NULL)
            memcpy(state + i * c->dim, c->states + cell * c->dim, (size_t)c->dim * sizeof *state);
        for (int32_t j = 0, at = 0; j < q && model == NULL; j++)
            if (c->latent_relevant[(int64_t)j * c->tasks] != 0)
                x[i * p + at++] = y[i * q + j];
    }
    if (model != NULL)
        UB_TRY_OUT(ub_model_encode(model, rows, state, mu));
    for (int64_t i = 0; i < rows && model != NULL; i++)
        memcpy(x + i * p, mu + i * width, (size_t)p * sizeof *x);
out:
    ub_free(state);
    ub_free(mu);
    return st;
}

/* Seconds of a regression with n and k samples. */
static ub_status try_judge(const ub_corpus *c, const ub_model *model, int32_t p, int64_t n,
                           int64_t k, double ridge, ub_plan_costs *m, double *seconds)
{
    int32_t   q = c->latent_dim;
    double   *x = NULL, *y = NULL, *r2 = NULL;
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(x, (n + k) * p));
    UB_TRY_OUT(UB_ALLOC(y, (n + k) * q));
    UB_TRY_OUT(UB_ALLOC(r2, q));
    UB_TRY_OUT(fill_rows(c, model, n + k, p, x, y));
    ub_plan_clock start = ub_plan_begin();
    UB_TRY_OUT(ub_judge_r2(n, k, p, q, x, y, x + n * p, y + n * q, ridge, r2));
    *seconds = ub_plan_end(m, start);
out:
    ub_free(x);
    ub_free(y);
    ub_free(r2);
    return st;
}

/* A regression of one latent with a fourth of the samples, one with half of them, and with all one
 * of the model's latents and one of true ones, which want different numbers of fits.  If those
 * would take too long: seconds = a n^2 + b n^3 through the others. */
static ub_status try_regressions(const ub_corpus *c, const ub_settings *s, const ub_model *model,
                                 int64_t n, int64_t k, ub_plan_costs *m)
{
    static const double LONG_S = 6;
    double              half, fourth, truth, guess, ridge = s->eval.ridge;
    int32_t             needs = 0, keeps;
    for (int32_t j = 0; j < c->latent_dim; j++)
        needs += c->latent_relevant[(int64_t)j * c->tasks] != 0;
    keeps = needs < model->shape.latents ? needs : model->shape.latents;
    UB_TRY(try_judge(c, model, 1, n / 4, k / 4, ridge, m, &fourth));
    UB_TRY(try_judge(c, model, keeps, n / 2, k / 2, ridge, m, &half));
    m->thin_s = fourth;
    if (8 * half < LONG_S) {
        UB_TRY(try_judge(c, model, keeps, n, k, ridge, m, &guess));
        UB_TRY(try_judge(c, NULL, needs, n, k, ridge, m, &truth));
        double part = m->full > 0 ? (double)m->kept / (double)m->full : 1;
        m->full_s = part * guess + (1 - part) * truth;
        m->full_error = fabs(truth - guess) / 2;
        return UB_OK;
    }
    double cubic = fmax(0, (half - 4 * fourth) / 4); /* both: of a fourth of the samples */
    m->full_s = 16 * fmax(0, fourth - cubic) + 64 * cubic;
    return UB_OK;
}

static ub_status try_evaluation(const ub_corpus *c, const ub_settings *s, const ub_model *model,
                                bool whole, ub_plan_costs *m)
{
    enum { FEWEST = 40, ENOUGH = 400, ROWS = 32 }; /* ENOUGH: as in judge_latents.c */
    int64_t held = held_out(c->episodes, s) * c->steps, rest = c->episodes * c->steps - held;
    int64_t n = s->eval.train < rest ? s->eval.train : rest;
    int64_t k = s->eval.test < held ? s->eval.test : held;
    if (c->latents == NULL || c->latent_relevant == NULL || n < FEWEST || k < FEWEST)
        return UB_OK;
    UB_TRY(count_questions(c, model, whole, m));
    UB_TRY(try_regressions(c, s, model, n, k, m));
    if (n < ENOUGH || k < ENOUGH)
        m->thin_s = m->full_s;
    double *means = NULL;
    UB_TRY(UB_ALLOC(means, model->shape.latents));
    ub_plan_clock start = ub_plan_begin();
    ub_status     st = UB_OK;
    for (int64_t i = 0; i < ROWS && st == UB_OK; i++)
        st = ub_model_encode(model, 1, c->states + i % (c->episodes * c->steps) * c->dim, means);
    m->encode_s = ub_plan_end(m, start) / ROWS * (double)(n + k);
    ub_free(means);
    return st;
}

/* Steps where tasks count: the truth stands for what stage 1 will say; without it all. */
static const uint8_t *steps_in_use(const ub_settings *settings, const ub_corpus *corpus)
{
    size_t cells = (size_t)corpus->steps * (size_t)corpus->tasks;
    if (settings->disentangle.steps == UB_STEPS_ALL || corpus->truth == NULL)
        return NULL;
    return memchr(corpus->truth, 1, cells) == NULL ? NULL : corpus->truth;
}

ub_status ub_plan_measure_training(const ub_comm *self, const ub_corpus *corpus,
                                   const ub_settings *settings, double seconds, ub_plan_costs *out)
{
    ub_corpus      few = few_of(corpus, settings);
    ub_model       model = {0};
    double        *norm = NULL;
    const uint8_t *use = steps_in_use(settings, corpus);
    double         scale = (double)held_out(corpus->episodes, settings) /
                   fmax(1, (double)held_out(few.episodes, settings));
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(norm, 2 * (int64_t)(corpus->dim + corpus->task_offset[corpus->tasks])));
    ub_plan_clock start = ub_plan_begin();
    UB_TRY_OUT(ub_stage_norm(self, corpus, settings->disentangle.shards, norm));
    out->norm_s = ub_plan_end(out, start);
    UB_TRY_OUT(steps_of(self, corpus, use, norm, settings, seconds, out, &model));
    bool whole = model.weights > 0;
    if (!whole)
        UB_TRY_OUT(short_training(self, &few, use, norm, settings, scale, out, &model));
    out->model_bytes = (double)(settings->disentangle.restarts * model.weights) * sizeof(double);
    UB_TRY_OUT(try_evidence(corpus, use, settings, &model, out));
    UB_TRY_OUT(try_evaluation(corpus, settings, &model, whole, out));
out:
    ub_model_release(&model);
    ub_free(norm);
    return st;
}
