/* A study from corpus to report: both stages or one. */
#include <stdio.h>

#include "core/mem.h"
#include "jobs/study.h"

/* Steps at which a task's loss counts.  found: stage 1's answer or NULL. */
static const uint8_t *steps_in_use(const ub_settings *s, const ub_corpus *corpus,
                                   const uint8_t *found)
{
    if (s->disentangle.steps == UB_STEPS_TRUTH)
        return corpus->truth;
    return s->disentangle.steps == UB_STEPS_STRUCTURE ? found : NULL;
}

static ub_status second_stage(ub_study *s, const uint8_t *found)
{
    ub_corpus corpus = {0};
    UB_TRY(ub_study_corpus(s->ctx, s->ctx->settings.disentangle.shards, &corpus));
    ub_status st =
        ub_stage_disentangle(s, &corpus, steps_in_use(&s->ctx->settings, &corpus, found));
    ub_corpus_release(&corpus);
    return st;
}

static ub_status stages(ub_study *s, ub_corpus *corpus, int which)
{
    uint8_t    *found = NULL;
    ub_verdicts v;
    ub_status   st = UB_OK;
    if (s->dir.finished) {
        if (s->ctx->world.rank == 0)
            (void)printf("%s holds this study, finished; nothing to do. See %s/report.html\n",
                         s->dir.path, s->dir.path);
        return UB_OK;
    }
    if (which & UB_STAGE_STRUCTURE)
        UB_TRY_OUT(ub_stage_structure(s, corpus, &found));
    ub_corpus_release(corpus); /* stage 2 has blocks of its own: never both in memory */
    if (which & UB_STAGE_DISENTANGLE)
        UB_TRY_OUT(second_stage(s, found));
    UB_TRY_OUT(ub_stage_eval(&s->ctx->world, s->dir.path, &s->ctx->settings, &s->ctx->settings, &v));
    UB_TRY_OUT(ub_stage_report(s, &v));
    UB_TRY_OUT(ub_study_finish(s));
out:
    ub_free(found);
    return st;
}

ub_status ub_study_run(ub_context *ctx, const ub_command *command, int which)
{
    ub_corpus corpus = {0};
    ub_study  s = {0};
    int64_t   shards = which & UB_STAGE_STRUCTURE ? ctx->settings.run.shards : ctx->settings.disentangle.shards;
    UB_TRY(ub_study_corpus(ctx, shards, &corpus));
    ub_status st = UB_OK;
    if (ctx->dry_run) {
        st = ub_study_preview(ctx, command, &corpus);
    } else {
        UB_TRY_OUT(ub_study_begin(ctx, command, &corpus, &s));
        st = stages(&s, &corpus, which);
        ub_study_end(&s);
    }
out:
    ub_corpus_release(&corpus);
    return st;
}
