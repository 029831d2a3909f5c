/* Stage 2: data-parallel training with checkpoints, then the model and its figures. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/evidence.h"
#include "core/lambda.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/shard.h"
#include "core/trainer.h"
#include "io/checkpoint.h"
#include "io/export.h"
#include "jobs/progress.h"
#include "jobs/study.h"
#include "mpi/reduce.h"

/* Sums for means and variances, one leaf per shard. */
typedef struct pooled {
    const ub_corpus *corpus;
    int64_t          shards;
    const double    *mean; /* NULL in the first pass */
} pooled;

static ub_status pooled_leaf(void *self, int64_t leaf, double *out)
{
    const pooled    *p = self;
    const ub_corpus *c = p->corpus;
    ub_range         rows = ub_part(c->episodes, p->shards, leaf);
    int32_t          width = c->task_offset[c->tasks];
    memset(out, 0, ((size_t)c->dim + (size_t)width) * sizeof *out);
    for (int64_t i = rows.first - c->first; i < rows.first - c->first + rows.count; i++) {
        const double *x = c->states + i * c->steps * c->dim;
        for (int64_t j = 0; j < (int64_t)c->steps * c->dim; j++) {
            double v = p->mean == NULL ? x[j] : x[j] - p->mean[j % c->dim];
            out[j % c->dim] += p->mean == NULL ? v : v * v;
        }
        const double *g = c->targets + i * width;
        for (int32_t j = 0; j < width; j++) {
            double v = p->mean == NULL ? g[j] : g[j] - p->mean[c->dim + j];
            out[c->dim + j] += p->mean == NULL ? v : v * v;
        }
    }
    return UB_OK;
}

/* Means, then standard deviations, of observation components (over steps) and task columns. */
static ub_status pooled_norm(const ub_comm *c, const ub_corpus *corpus, int64_t shards,
                             double *norm)
{
    int32_t width = corpus->dim + corpus->task_offset[corpus->tasks];
    pooled  p = {corpus, shards, NULL};
    double  n = (double)corpus->episodes;
    for (int pass = 0; pass < 2; pass++) {
        double *out = norm + pass * width;
        UB_TRY(ub_reduce_leaves(c, shards, width, pooled_leaf, &p, out));
        for (int32_t j = 0; j < width; j++) {
            out[j] /= j < corpus->dim ? n * corpus->steps : n;
            if (pass == 1)
                out[j] = out[j] > 0 ? sqrt(out[j]) : 1;
        }
        p.mean = norm;
    }
    return UB_OK;
}

static ub_status shard_leaf(void *self, int64_t leaf, double *out)
{
    return ub_trainer_shard(self, leaf, out);
}

typedef struct training {
    ub_trainer *trainer;
    double     *sum, *state;
    char        folder[UB_TEXT_MAX];
    int64_t     shards, saved;
} training;

static ub_status save(ub_study *s, training *t)
{
    int64_t phase = ub_trainer_phase(t->trainer);
    if (phase == t->saved)
        return UB_OK;
    double start = ub_clock();
    ub_trainer_state_get(t->trainer, t->state);
    ub_ckpt_array a = {"trainer", ub_trainer_state_width(t->trainer), t->state};
    UB_TRY(ub_ckpt_write(&s->ctx->world, t->folder, phase, s->dir.identity, &a, 1,
                         (int)s->ctx->settings.disentangle.keep_checkpoints));
    t->saved = phase;
    ub_beacon_safe(s->beacon);
    ub_log0_debug("checkpoint", "step=%lld bytes=%lld seconds=%.3f", (long long)phase,
                  (long long)(8 * a.width), ub_clock() - start);
    return UB_OK;
}

/* Save, then stop with the sentence that is there. */
static ub_status stopped(ub_study *s, training *t)
{
    char sentence[256];
    (void)snprintf(sentence, sizeof sentence, "%s", ub_err_message());
    UB_TRY(save(s, t));
    return UB_FAIL(UB_ESTOP, "%s", sentence);
}

static ub_status train(ub_study *s, training *t)
{
    const ub_comm     *c = &s->ctx->world;
    const ub_settings *settings = &s->ctx->settings;
    int64_t            every = settings->disentangle.checkpoint_steps;
    int64_t            total = ub_trainer_phases(t->trainer);
    ub_progress        p =
        ub_progress_begin(s->beacon, "disentangle", "steps", 1, settings->run.progress_s);
    while (!ub_trainer_done(t->trainer)) {
        int64_t phase = ub_trainer_phase(t->trainer);
        if (c->rank == 0)
            ub_progress_show(&p, phase, total);
        if (phase > 0 && phase % every == 0)
            UB_TRY(save(s, t));
        UB_TRY(ub_reduce_leaves(c, t->shards, ub_trainer_width(t->trainer), shard_leaf, t->trainer,
                                t->sum));
        ub_status st = ub_trainer_apply(t->trainer, t->sum);
        if (st == UB_OK && ub_stop_asked())
            st = UB_FAIL(UB_ESTOP,
                         "stopped on request in stage 2 at step %lld of %lld, checkpointed; the "
                         "same command goes on from there",
                         (long long)ub_trainer_phase(t->trainer), (long long)total);
        st = ub_comm_agree(c, st); /* any rank's request stops all of them at the same step */
        if (st == UB_ESTOP)
            return stopped(s, t);
        UB_TRY(st);
    }
    if (c->rank == 0)
        ub_progress_end(&p, total, total);
    return save(s, t);
}

/* Sums for the evidence, one leaf a shard. */
typedef struct looking {
    const ub_model  *model;
    const ub_corpus *corpus;
    const uint8_t   *use;
    int64_t          shards;
    double           holdout;
} looking;

static ub_status looking_leaf(void *self, int64_t leaf, double *out)
{
    const looking *l = self;
    return ub_evidence_shard(l->model, l->corpus, l->shards, leaf, l->holdout, l->use, out);
}

/* What held-out samples say of the model; the same on all ranks. */
static ub_status look(ub_study *s, const ub_model *model, const ub_corpus *corpus,
                      const uint8_t *use, ub_evidence *out)
{
    const ub_comm     *c = &s->ctx->world;
    const ub_settings *settings = &s->ctx->settings;
    double            *sum = NULL;
    looking l = {model, corpus, use, settings->disentangle.shards, settings->disentangle.holdout};
    if (model->shape.latents > UB_EVIDENCE_LATENTS) {
        ub_log0_warn("evidence-skipped",
                     "latents=%d most=%d why='moments of so many would not fit'",
                     model->shape.latents, UB_EVIDENCE_LATENTS);
        return UB_OK;
    }
    ub_status st = ub_comm_agree(c, UB_ALLOC(sum, ub_evidence_width(model)));
    if (st == UB_OK)
        st = ub_reduce_leaves(c, l.shards, ub_evidence_width(model), looking_leaf, &l, sum);
    if (st == UB_OK)
        st = ub_comm_agree(c, ub_evidence_make(model, corpus, sum, out));
    ub_free(sum);
    return st;
}

/* A warning a line of the evidence's sentences. */
static void warn(const ub_evidence *e)
{
    const char *at = e->warnings.data == NULL ? "" : (const char *)e->warnings.data;
    for (size_t length; *at != '\0'; at += length + (at[length] == '\n')) {
        length = strcspn(at, "\n");
        ub_log0_warn("model", "says=\"%.*s\"", (int)length, at);
    }
}

/* Rank 0: model file, log and figures. */
static ub_status put_results(const ub_study *s, const training *t, const ub_model *model,
                             const ub_evidence *e, const ub_corpus *corpus)
{
    char               path[UB_TEXT_MAX];
    ub_bytes           b = {0};
    ub_trainer_history log = ub_trainer_past(t->trainer);
    const ub_evidence *known = e->latents > 0 ? e : NULL;
    warn(e);
    UB_TRY(ub_results_write_model(ub_rundir_file(&s->dir, "model.h5", path, sizeof path), model, e,
                                  &log, &s->origin));
    UB_TRY(ub_study_write(s, "training.csv", ub_export_training_csv(&log, &b), &b));
    UB_TRY(ub_study_write(s, "training.svg", ub_draw_training(&log, corpus->task_name, &b), &b));
    UB_TRY(ub_study_write(s, "latents.csv",
                          ub_export_latents_csv(model, known, corpus->task_name, &b), &b));
    return ub_study_write(s, "latents.svg", ub_draw_latents(model, known, corpus->task_name, &b),
                          &b);
}

static ub_status conclude(ub_study *s, const training *t, const ub_corpus *corpus,
                          const uint8_t *use)
{
    const ub_comm *c = &s->ctx->world;
    ub_model       model = {0};
    ub_evidence    e = {0};
    ub_status      st = UB_OK;
    UB_TRY_OUT(ub_comm_agree(c, ub_trainer_model(t->trainer, &model)));
    UB_TRY_OUT(look(s, &model, corpus, use, &e));
    if (c->rank == 0)
        st = put_results(s, t, &model, &e, corpus);
    st = ub_comm_agree(c, st);
out:
    ub_evidence_release(&e);
    ub_model_release(&model);
    return st;
}

/* The training with candidate k of lambda, as far as its checkpoints go. */
static ub_status prepare(ub_study *s, const ub_corpus *corpus, const uint8_t *use, int64_t k,
                         training *t)
{
    const ub_comm *c = &s->ctx->world;
    ub_settings    settings = s->ctx->settings;
    double        *norm = NULL;
    char           name[32] = "checkpoints";
    ub_status      st = UB_OK;
    settings.disentangle.lambda = ub_lambda_candidate(settings.disentangle.lambda, k);
    *t = (training){.shards = settings.disentangle.shards, .saved = -1};
    if (k > 0)
        (void)snprintf(name, sizeof name, "checkpoints.%lld", (long long)k);
    (void)ub_rundir_file(&s->dir, name, t->folder, sizeof t->folder);
    st = UB_ALLOC(norm, 2 * (size_t)(corpus->dim + corpus->task_offset[corpus->tasks]));
    UB_TRY_OUT(ub_comm_agree(c, st));
    UB_TRY_OUT(pooled_norm(c, corpus, t->shards, norm));
    st = ub_trainer_create(corpus, ub_part(t->shards, c->size, c->rank), use, norm, &settings,
                           &t->trainer);
    if (st == UB_OK)
        st = UB_ALLOC(t->sum, ub_trainer_width(t->trainer));
    if (st == UB_OK)
        st = UB_ALLOC(t->state, ub_trainer_state_width(t->trainer));
    UB_TRY_OUT(ub_comm_agree(c, st));
    ub_ckpt_array a = {"trainer", ub_trainer_state_width(t->trainer), t->state};
    UB_TRY_OUT(ub_ckpt_read_latest(c, t->folder, s->dir.identity, &a, 1, &t->saved));
    if (t->saved >= 0) {
        UB_TRY_OUT(ub_comm_agree(c, ub_trainer_state_set(t->trainer, t->state)));
        ub_log0_info("checkpoint-read", "step=%lld of=%lld", (long long)t->saved,
                     (long long)ub_trainer_phases(t->trainer));
    }
out:
    ub_free(norm);
    return st;
}

static void release(training *t)
{
    ub_trainer_destroy(&t->trainer);
    ub_free(t->sum);
    ub_free(t->state);
}

/* Train with candidate k; its last checkpoint keeps it.  r2: held-out, of every task. */
static ub_status try_lambda(ub_study *s, const ub_corpus *corpus, const uint8_t *use, int64_t k,
                            double *r2)
{
    const ub_comm *c = &s->ctx->world;
    training       t = {0};
    ub_model       model = {0};
    ub_evidence    e = {0};
    ub_status      st = UB_OK;
    double         least = INFINITY;
    UB_TRY_OUT(prepare(s, corpus, use, k, &t));
    UB_TRY_OUT(train(s, &t));
    UB_TRY_OUT(ub_comm_agree(c, ub_trainer_model(t.trainer, &model)));
    UB_TRY_OUT(look(s, &model, corpus, use, &e));
    if (e.latents == 0) {
        st = UB_FAIL(UB_EINPUT,
                     "disentangle.lambdas = %lld: with %d latents (at most %d) no weight can be "
                     "chosen; set disentangle.lambdas to 1",
                     (long long)s->ctx->settings.disentangle.lambdas, (int)model.shape.latents,
                     UB_EVIDENCE_LATENTS);
        goto out;
    }
    for (int32_t i = 0; i < corpus->tasks; i++) {
        r2[i] = e.task_r2[i];
        least = fmin(least, r2[i]);
    }
    ub_log0_info("lambda-tried", "lambda=%g least_task_r2=%.4f",
                 ub_lambda_candidate(s->ctx->settings.disentangle.lambda, k), least);
out:
    ub_evidence_release(&e);
    ub_model_release(&model);
    release(&t);
    return st;
}

/* Which candidate (core/lambda.h); with one, nothing is trained here. */
static ub_status choose_lambda(ub_study *s, const ub_corpus *corpus, const uint8_t *use,
                               int64_t *chosen)
{
    const ub_settings *settings = &s->ctx->settings;
    int64_t            candidates = settings->disentangle.lambdas;
    double            *r2 = NULL;
    ub_status          st = UB_OK;
    *chosen = 0;
    if (candidates == 1)
        return UB_OK;
    UB_TRY_OUT(ub_comm_agree(&s->ctx->world, UB_ALLOC(r2, candidates * corpus->tasks)));
    for (int64_t k = 0; k < candidates; k++)
        UB_TRY_OUT(try_lambda(s, corpus, use, k, r2 + k * corpus->tasks));
    *chosen = ub_lambda_choose(candidates, corpus->tasks, r2, settings->disentangle.tolerance);
    ub_log0_info("lambda-chosen", "lambda=%g tolerance=%g",
                 ub_lambda_candidate(settings->disentangle.lambda, *chosen),
                 settings->disentangle.tolerance);
out:
    ub_free(r2);
    return st;
}

ub_status ub_stage_disentangle(ub_study *s, const ub_corpus *corpus, const uint8_t *use)
{
    const ub_comm *c = &s->ctx->world;
    training       t = {0};
    int64_t        chosen;
    bool           done;
    ub_status      st = UB_OK;
    UB_TRY(ub_study_has(s, "disentangle", "model.h5", &done));
    if (done) {
        ub_log0_info("stage-skipped", "stage=disentangle why='finished before'");
        return UB_OK;
    }
    UB_TRY_OUT(ub_study_phase(s, "the training"));
    UB_TRY_OUT(choose_lambda(s, corpus, use, &chosen));
    UB_TRY_OUT(prepare(s, corpus, use, chosen, &t));
    UB_TRY_OUT(train(s, &t));
    UB_TRY_OUT(conclude(s, &t, corpus, use));
    UB_TRY_OUT(ub_rundir_mark(c, &s->dir, "disentangle"));
out:
    release(&t);
    return st;
}
