/* Stage 2: every team of ranks trains initialisations of its own, data-parallel and with
 * checkpoints of each; then the best of them as the model, and its figures. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/evidence.h"
#include "core/lambda.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/moments.h"
#include "core/shard.h"
#include "core/trainer.h"
#include "io/checkpoint.h"
#include "io/export.h"
#include "jobs/progress.h"
#include "jobs/study.h"
#include "mpi/reduce.h"
#include "mpi/training.h"

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

ub_status ub_stage_norm(const ub_comm *c, const ub_corpus *corpus, int64_t shards, double *norm)
{
    int32_t width = corpus->dim + corpus->task_offset[corpus->tasks];
    pooled  p = {corpus, shards, NULL};
    double  n = (double)corpus->episodes;
    int64_t leaf = (corpus->episodes + shards - 1) / shards * corpus->steps;
    for (int pass = 0; pass < 2; pass++) {
        double *out = norm + pass * width;
        UB_TRY(ub_reduce_leaves(c, shards, width, pooled_leaf, &p, out));
        for (int32_t j = 0; j < width; j++) {
            out[j] /= j < corpus->dim ? n * corpus->steps : n;
            if (pass == 1)
                out[j] =
                    ub_column_is_constant(norm[j], sqrt(out[j]), leaf + shards) ? 1 : sqrt(out[j]);
        }
        p.mean = norm;
    }
    return UB_OK;
}

/* What the stage was given, and the initialisation at hand. */
typedef struct training {
    ub_study        *study;
    ub_team         *team;
    const ub_corpus *corpus;
    const uint8_t   *use;
    double          *norm;
    ub_trainer      *trainer;
    ub_training      parallel;
    double          *state;
    char             folder[UB_TEXT_MAX + 32];
    int64_t          saved;
    ub_ckpt_pace     pace;
    int64_t          before; /* phases of the initialisations this team had before */
    ub_progress      progress;
} training;

/* Trainings of the stage, numbered: the initialisations with the first candidate of lambda, then
 * those with the second, ... */
static int64_t trainings(const training *t)
{
    const ub_settings *s = &t->study->ctx->settings;
    return s->disentangle.lambdas * s->disentangle.restarts;
}

static ub_settings with_candidate(const training *t, int64_t k)
{
    ub_settings s = t->study->ctx->settings;
    s.disentangle.lambda = ub_lambda_candidate(s.disentangle.lambda, k);
    return s;
}

/* The checkpoints of a training are a folder of their own, whoever does it. */
static void name_folder(training *t, int64_t number)
{
    char all[UB_TEXT_MAX];
    (void)snprintf(t->folder, sizeof t->folder, "%s/init-%lld",
                   ub_rundir_file(&t->study->dir, "checkpoints", all, sizeof all),
                   (long long)number);
}

static ub_status save(training *t)
{
    const ub_study *s = t->study;
    int64_t         phase = ub_trainer_phase(t->trainer);
    if (phase == t->saved)
        return UB_OK;
    double start = ub_clock();
    UB_TRY(ub_training_gather(&t->parallel));
    ub_trainer_state_get(t->trainer, t->state);
    ub_ckpt_array a = {"trainer", ub_trainer_state_width(t->trainer), t->state};
    UB_TRY(ub_ckpt_write(&t->team->comm, t->folder, phase, s->dir.identity, &a, 1,
                         (int)s->ctx->settings.disentangle.keep_checkpoints));
    t->saved = phase;
    ub_beacon_safe(s->beacon);
    double seconds = ub_clock() - start;
    ub_ckpt_saved(&t->pace, phase, seconds);
    ub_stop_saved(seconds);
    ub_log0_debug("checkpoint", "step=%lld bytes=%lld seconds=%.3f pause_s=%.3f", (long long)phase,
                  (long long)(8 * a.width), seconds, ub_pace_pause(&t->pace.pace));
    return UB_OK;
}

/* Make the trainer of a training of which `own` shards are here. */
static ub_status make_trainer(training *t, int64_t number, ub_range own)
{
    int64_t     restarts = t->study->ctx->settings.disentangle.restarts;
    ub_settings settings = with_candidate(t, number / restarts);
    t->saved = -1;
    name_folder(t, number);
    UB_TRY(ub_trainer_create_one(t->corpus, own, t->use, t->norm, &settings, number % restarts,
                                 &t->trainer));
    return UB_ALLOC(t->state, ub_trainer_state_width(t->trainer));
}

static void drop_trainer(training *t)
{
    ub_training_release(&t->parallel);
    ub_trainer_destroy(&t->trainer);
    ub_free(t->state);
    t->state = NULL;
}

/* Go on from the newest checkpoint of the trainer's initialisation, if there is one. */
static ub_status resume(training *t, const ub_comm *c)
{
    ub_ckpt_array a = {"trainer", ub_trainer_state_width(t->trainer), t->state};
    UB_TRY(ub_ckpt_read_latest(c, t->folder, t->study->dir.identity, &a, 1, &t->saved));
    if (t->saved < 0)
        return UB_OK;
    return ub_comm_agree(c, ub_trainer_state_set(t->trainer, t->state));
}

static ub_status start(training *t, int64_t number)
{
    const ub_comm *c = &t->team->comm;
    int64_t        shards = t->study->ctx->settings.disentangle.shards;
    UB_TRY(ub_comm_agree(c, make_trainer(t, number, ub_part(shards, c->size, c->rank))));
    UB_TRY(ub_training_init(c, t->trainer, shards, &t->parallel));
    UB_TRY(resume(t, c));
    if (t->saved >= 0)
        ub_log0_info("checkpoint-read", "initialisation=%lld step=%lld of=%lld", (long long)number,
                     (long long)t->saved, (long long)ub_trainer_phases(t->trainer));
    return UB_OK;
}

/* All of this team's; the first team has the most, so its steps tell when the stage ends. */
static int64_t total_phases(const training *t)
{
    int64_t teams = t->team->count;
    return (trainings(t) - t->team->index + teams - 1) / teams * ub_trainer_phases(t->trainer);
}

static ub_status train_one(training *t)
{
    const ub_settings *settings = &t->study->ctx->settings;
    bool               due;
    t->pace = ub_ckpt_pace_begin(settings->disentangle.checkpoint_steps, settings->run.save_budget,
                                 ub_trainer_phase(t->trainer));
    while (!ub_trainer_done(t->trainer)) {
        int64_t phase = ub_trainer_phase(t->trainer);
        bool    stop = ub_stop_asked() || ub_team_stopped(t->team);
        if (t->study->ctx->world.rank == 0)
            ub_progress_show(&t->progress, t->before + phase, total_phases(t));
        UB_TRY(ub_ckpt_due(&t->team->comm, &t->pace, phase, &due));
        if (due)
            UB_TRY(save(t));
        double start = ub_clock();
        UB_TRY(ub_training_phase(&t->parallel, &stop));
        ub_stop_worked(ub_clock() - start);
        if (!stop)
            continue;
        UB_TRY(save(t)); /* any rank's wish stops all of the team at the same step */
        return UB_FAIL(UB_ESTOP,
                       "stopped on request in stage 2 at step %lld of %lld, checkpointed; the same "
                       "command goes on from there",
                       (long long)(t->before + ub_trainer_phase(t->trainer)),
                       (long long)total_phases(t));
    }
    t->before += ub_trainer_phase(t->trainer);
    return save(t);
}

/* This team's trainings, one after another. */
static ub_status train(training *t)
{
    const ub_study *s = t->study;
    ub_status       st = UB_OK;
    t->progress =
        ub_progress_begin(s->beacon, "disentangle", "steps", 1, s->ctx->settings.run.progress_s);
    ub_stop_renew();
    for (int64_t i = t->team->index; i < trainings(t) && st == UB_OK; i += t->team->count) {
        st = start(t, i);
        if (st == UB_OK)
            st = train_one(t);
        drop_trainer(t);
    }
    if (st == UB_OK && s->ctx->world.rank == 0)
        ub_progress_end(&t->progress, t->before, t->before);
    return st;
}

/* Collect what the teams have left in their last checkpoints of the trainings with candidate k of
 * lambda, in the order of initialisations. */
static ub_status collect(training *t, int64_t k, ub_trainer *all)
{
    ub_comm   self;
    int64_t   restarts = t->study->ctx->settings.disentangle.restarts;
    ub_status st = ub_comm_init(&self, MPI_COMM_SELF);
    for (int64_t r = 0; r < restarts && st == UB_OK; r++) {
        st = make_trainer(t, k * restarts + r, (ub_range){0, 0});
        if (st == UB_OK)
            st = resume(t, &self);
        if (st == UB_OK && t->saved < 0)
            st = UB_FAIL(UB_EIO,
                         "%s has lost its checkpoint while the other initialisations were trained; "
                         "the same command trains it again",
                         t->folder);
        if (st == UB_OK)
            st = ub_trainer_adopt(all, t->trainer);
        drop_trainer(t);
    }
    ub_comm_release(&self);
    return st;
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

/* What held-out samples say of the model.  Each team has all of them and looks by itself: the same
 * on all ranks. */
static ub_status look(const training *t, const ub_model *model, ub_evidence *out)
{
    const ub_comm     *c = &t->team->comm;
    const ub_settings *settings = &t->study->ctx->settings;
    double            *sum = NULL;
    looking            l = {.model = model,
                            .corpus = t->corpus,
                            .use = t->use,
                            .shards = settings->disentangle.shards,
                            .holdout = settings->disentangle.holdout};
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
        st = ub_comm_agree(c, ub_evidence_make(model, t->corpus, sum, out));
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
static ub_status write_results(const ub_study *s, const ub_trainer *all, const ub_model *model,
                               const ub_evidence *e, const ub_corpus *corpus)
{
    char               path[UB_TEXT_MAX];
    ub_bytes           b = {0};
    ub_trainer_history log = ub_trainer_past(all);
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

/* Rank 0 has all initialisations; the others need them too, to look at the model together. */
static ub_status share(const ub_comm *c, ub_trainer *all)
{
    int64_t   width = ub_trainer_state_width(all);
    double   *state = NULL;
    ub_status st = ub_comm_agree(c, UB_ALLOC(state, width));
    if (st == UB_OK && c->rank == 0)
        ub_trainer_state_get(all, state);
    if (st == UB_OK)
        st = ub_comm_bcast(c, state, (size_t)width * sizeof *state);
    if (st == UB_OK)
        st = ub_comm_agree(c, c->rank == 0 ? UB_OK : ub_trainer_state_set(all, state));
    ub_free(state);
    return st;
}

/* All initialisations with candidate k of lambda, their model and what held-out samples say of it;
 * the same on all ranks.  The caller's to release, after an error too. */
static ub_status assemble(training *t, int64_t k, ub_trainer **all, ub_model *model, ub_evidence *e)
{
    const ub_comm *c = &t->study->ctx->world;
    ub_settings    settings = with_candidate(t, k);
    ub_status st = ub_trainer_create(t->corpus, (ub_range){0, 0}, t->use, t->norm, &settings, all);
    if (st == UB_OK && c->rank == 0)
        st = collect(t, k, *all);
    UB_TRY(ub_comm_agree(c, st));
    UB_TRY(share(c, *all));
    st = ub_trainer_model(*all, model);
    UB_TRY(ub_comm_agree(c, st));
    st = look(t, model, e);
    return ub_comm_agree(c, st);
}

/* Held-out R^2 of every task with candidate k. */
static ub_status try_lambda(training *t, int64_t k, double *r2)
{
    ub_trainer *all = NULL;
    ub_model    model = {0};
    ub_evidence e = {0};
    double      least = INFINITY;
    ub_status   st = assemble(t, k, &all, &model, &e);
    if (st == UB_OK && e.latents == 0)
        st = UB_FAIL(UB_EINPUT,
                     "disentangle.lambdas = %lld: with %d latents (more than %d) no weight can be "
                     "chosen; set disentangle.lambdas to 1",
                     (long long)t->study->ctx->settings.disentangle.lambdas,
                     (int)model.shape.latents, UB_EVIDENCE_LATENTS);
    for (int32_t i = 0; i < t->corpus->tasks && st == UB_OK; i++) {
        r2[i] = e.task_r2[i];
        least = fmin(least, r2[i]);
    }
    if (st == UB_OK)
        ub_log0_info("lambda-tried", "lambda=%g least_task_r2=%.4f",
                     with_candidate(t, k).disentangle.lambda, least);
    ub_evidence_release(&e);
    ub_model_release(&model);
    ub_trainer_destroy(&all);
    return st;
}

/* Which candidate, by the rule of core/lambda.h. */
static ub_status choose_lambda(training *t, int64_t *chosen)
{
    const ub_settings *settings = &t->study->ctx->settings;
    int64_t            candidates = settings->disentangle.lambdas, tasks = t->corpus->tasks;
    double            *r2 = NULL;
    ub_status          st = UB_OK;
    *chosen = 0;
    if (candidates == 1)
        return UB_OK;
    UB_TRY_OUT(ub_comm_agree(&t->study->ctx->world, UB_ALLOC(r2, candidates * tasks)));
    for (int64_t k = 0; k < candidates; k++)
        UB_TRY_OUT(try_lambda(t, k, r2 + k * tasks));
    *chosen = ub_lambda_choose(candidates, (int32_t)tasks, r2, settings->disentangle.tolerance);
    ub_log0_info("lambda-chosen", "lambda=%g tolerance=%g",
                 with_candidate(t, *chosen).disentangle.lambda, settings->disentangle.tolerance);
out:
    ub_free(r2);
    return st;
}

static ub_status conclude(training *t)
{
    const ub_comm *c = &t->study->ctx->world;
    ub_trainer    *all = NULL;
    ub_model       model = {0};
    ub_evidence    e = {0};
    int64_t        chosen;
    ub_status      st = UB_OK;
    UB_TRY_OUT(choose_lambda(t, &chosen));
    UB_TRY_OUT(assemble(t, chosen, &all, &model, &e));
    if (c->rank == 0)
        st = write_results(t->study, all, &model, &e, t->corpus);
    st = ub_comm_agree(c, st);
out:
    ub_evidence_release(&e);
    ub_model_release(&model);
    ub_trainer_destroy(&all);
    return st;
}

/* Train with the other teams; the verdict is that of all ranks. */
static ub_status train_all(training *t)
{
    const ub_study *s = t->study;
    ub_status       st =
        UB_ALLOC(t->norm, 2 * (size_t)(t->corpus->dim + t->corpus->task_offset[t->corpus->tasks]));
    UB_TRY(ub_comm_agree(&s->ctx->world, st));
    st = ub_stage_norm(&t->team->comm, t->corpus, s->ctx->settings.disentangle.shards, t->norm);
    if (st == UB_OK)
        st = train(t);
    if (st == UB_EMPI)
        return st;
    char sentence[UB_TEXT_MAX];
    (void)snprintf(sentence, sizeof sentence, "%s", st == UB_OK ? "" : ub_err_message());
    UB_TRY(ub_team_end(t->team, st != UB_OK));
    return ub_comm_agree(&s->ctx->world, st == UB_OK ? UB_OK : UB_FAIL(st, "%s", sentence));
}

ub_status ub_stage_disentangle(ub_study *s, ub_team *team, const ub_corpus *corpus,
                               const uint8_t *use)
{
    const ub_comm *c = &s->ctx->world;
    training       t = {.study = s, .team = team, .corpus = corpus, .use = use};
    bool           done;
    ub_status      st = UB_OK;
    UB_TRY(ub_study_has(s, "disentangle", "model.h5", &done));
    if (done) {
        ub_log0_info("stage-skipped", "stage=disentangle why='finished before'");
        return UB_OK;
    }
    UB_TRY(ub_study_phase(s, "the training"));
    if (team->count > 1)
        ub_log0_info("teams", "count=%d ranks=%d initialisations=%lld", team->count, c->size,
                     (long long)trainings(&t));
    UB_TRY_OUT(train_all(&t));
    UB_TRY_OUT(conclude(&t));
    UB_TRY_OUT(ub_rundir_mark(c, &s->dir, "disentangle"));
    ub_study_tell_done("disentangle");
out:
    drop_trainer(&t);
    ub_free(t.norm);
    return st;
}
