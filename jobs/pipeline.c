/* A study from corpus to report: both stages or one. */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/structure.h"
#include "core/trainer.h"
#include "io/file.h"
#include "jobs/failed.h"
#include "jobs/study.h"

/* Steps at which a task's loss counts.  found: stage 1's answer or NULL. */
static const uint8_t *steps_in_use(const ub_settings *s, const ub_corpus *corpus,
                                   const uint8_t *found)
{
    if (s->disentangle.steps == UB_STEPS_TRUTH)
        return corpus->truth;
    return s->disentangle.steps == UB_STEPS_STRUCTURE ? found : NULL;
}

/* What can be refused before anything is written or computed. */
static ub_status check(const ub_context *ctx, const ub_corpus *corpus, int which)
{
    const ub_settings *settings = &ctx->settings;
    ub_structure      *plan = NULL;
    if (which & UB_STAGE_STRUCTURE) {
        UB_TRY(ub_structure_create(corpus, settings, false, &plan));
        ub_structure_destroy(&plan);
    }
    if (!(which & UB_STAGE_DISENTANGLE))
        return UB_OK;
    if (settings->disentangle.steps == UB_STEPS_TRUTH && corpus->truth == NULL)
        return UB_FAIL(UB_EINPUT,
                       "disentangle.steps: truth, but %s holds no truth; use structure "
                       "or all",
                       settings->corpus.path);
    return ub_trainer_check(corpus, settings);
}

/* Stage 2 by the teams of ranks, each of which reads the corpus. */
static ub_status train(ub_study *s, ub_team *team, const uint8_t *found)
{
    const ub_settings *settings = &s->ctx->settings;
    const ub_comm     *all = &s->ctx->world;
    ub_corpus          corpus = {0};
    ub_status          st = ub_comm_agree(
                 all, ub_study_corpus(&team->comm, s->ctx, settings->disentangle.shards, &corpus));
    const uint8_t *use = steps_in_use(settings, &corpus, found);
    size_t         cells = (size_t)corpus.steps * (size_t)corpus.tasks;
    if (st == UB_OK)
        st = ub_study_same_corpus(s, &corpus);
    if (st == UB_OK && use != NULL && memchr(use, 1, cells) == NULL)
        ub_log0_warn("stage-skipped", "stage=disentangle why='no step belongs to any task, so no "
                                      "latent can be told relevant; disentangle.steps: all would'");
    else if (st == UB_OK)
        st = ub_stage_disentangle(s, team, &corpus, use);
    ub_corpus_release(&corpus);
    return st;
}

int ub_study_teams(const ub_settings *settings, int ranks)
{
    int64_t teams = settings->disentangle.teams;
    int64_t jobs = settings->disentangle.lambdas * settings->disentangle.restarts;
    if (teams == 0)
        teams = ub_team_count(ranks, jobs, settings->disentangle.shards);
    teams = teams < jobs ? teams : jobs;
    return (int)(teams < ranks ? teams : ranks);
}

static ub_status second_stage(ub_study *s, const uint8_t *found)
{
    const ub_settings *settings = &s->ctx->settings;
    const ub_comm     *all = &s->ctx->world;
    ub_team            team;
    ub_beacon_stage(s->beacon, "disentangle", "steps", 1);
    UB_TRY(ub_study_phase(s, "reading the corpus"));
    ub_status st = ub_team_join(all, ub_study_teams(settings, all->size), NULL, &team);
    if (st == UB_OK)
        st = train(s, &team, found);
    ub_team_leave(&team);
    return st;
}

/* Are the results of a finished run all there? */
static ub_status is_complete(const ub_study *s, int which, bool *complete)
{
    bool first = true, second = true;
    if (which & UB_STAGE_STRUCTURE)
        UB_TRY(ub_study_has(s, "structure", "structure.h5", &first));
    if (which & UB_STAGE_DISENTANGLE) {
        UB_TRY(ub_rundir_has(&s->ctx->world, &s->dir, "disentangle", &second));
        if (second)
            UB_TRY(ub_study_has(s, "disentangle", "model.h5", &second));
        else
            second = true; /* it was skipped, with a warning */
    }
    *complete = first && second;
    return UB_OK;
}

/* What a finished run answers to the same command: its scores, or where they are. */
static ub_status tell_finished(const ub_study *s)
{
    char     path[UB_TEXT_MAX];
    ub_bytes text = {0};
    if (s->ctx->world.rank != 0 || s->ctx->quiet)
        return UB_OK;
    ub_status st = UB_OK;
    if (s->ctx->json)
        st = ub_file_read(ub_rundir_file(&s->dir, "eval.json", path, sizeof path), &text);
    else
        st =
            ub_bytes_printf(&text, "%s holds this study, finished; nothing to do. See %s\n",
                            s->dir.path, ub_rundir_file(&s->dir, "report.html", path, sizeof path));
    if (st == UB_OK)
        (void)fputs((const char *)text.data, stdout);
    ub_bytes_release(&text);
    return st;
}

static ub_status stages(ub_study *s, ub_corpus *corpus, int which)
{
    uint8_t    *found = NULL;
    ub_verdicts v = {0};
    ub_status   st = UB_OK;
    bool        complete = false;
    if (s->dir.finished)
        UB_TRY(is_complete(s, which, &complete));
    if (complete)
        return ub_comm_agree(&s->ctx->world, tell_finished(s));
    if (which & UB_STAGE_STRUCTURE)
        UB_TRY_OUT(ub_stage_structure(s, corpus, &found));
    ub_corpus_release(corpus); /* stage 2 has blocks of its own: never both in memory */
    if (which & UB_STAGE_DISENTANGLE)
        UB_TRY_OUT(second_stage(s, found));
    ub_beacon_stage(s->beacon, "report", "", 0);
    UB_TRY_OUT(ub_study_phase(s, "the evaluation"));
    UB_TRY_OUT(
        ub_stage_eval(&s->ctx->world, s->dir.path, &s->ctx->settings, &s->ctx->settings, &v));
    ub_study_tell_done("evaluation");
    UB_TRY_OUT(ub_study_phase(s, "the report"));
    UB_TRY_OUT(ub_stage_report(s, &v));
    UB_TRY_OUT(ub_study_finish(s));
out:
    ub_verdicts_release(&v);
    ub_free(found);
    return st;
}

ub_status ub_study_run(ub_context *ctx, const ub_command *command, int which)
{
    ub_corpus corpus = {0};
    ub_study  s = {0};
    int64_t   shards =
        which & UB_STAGE_STRUCTURE ? ctx->settings.run.shards : ctx->settings.disentangle.shards;
    bool any = true;
    if (ub_context_option(ctx, "failed-only") != NULL && !ctx->dry_run)
        UB_TRY(ub_failed_any(ctx, &any));
    if (!any)
        return UB_OK;
    UB_TRY(ub_study_corpus(&ctx->world, ctx, shards, &corpus));
    ub_status st = UB_OK;
    if (ctx->dry_run) {
        st = ub_study_preview(ctx, command, &corpus);
    } else {
        UB_TRY_OUT(ub_stop_here(&ctx->world, "entering the run folder"));
        UB_TRY_OUT(ub_comm_agree(&ctx->world, check(ctx, &corpus, which)));
        UB_TRY_OUT(ub_study_begin(ctx, command, &corpus, &s));
        st = stages(&s, &corpus, which);
        ub_study_end(&s, st);
    }
out:
    ub_corpus_release(&corpus);
    return st;
}
