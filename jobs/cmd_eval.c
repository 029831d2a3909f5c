/* Score a run folder against the truth in its corpus. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "jobs/study.h"

static void print_plain(const ub_verdicts *v)
{
    if (v->has_truth)
        (void)printf("structure    accuracy %.4f  MCC %.4f  average precision %.4f  ARI %.4f\n",
                     v->scores.accuracy, v->scores.mcc, v->scores.average_precision, v->scores.ari);
    else if (v->has_graph)
        (void)printf("structure    the corpus holds no truth to compare with\n");
    if (v->has_model && !isnan(v->r2_relevant))
        (void)printf("disentangle  R2 relevant %.4f  irrelevant %.4f  (%d latents kept)\n",
                     v->r2_relevant, v->r2_irrelevant, v->kept);
    else if (v->has_model)
        (void)printf("disentangle  the corpus holds no true latents to compare with\n");
}

/* The run's own settings, with what was given here for the judge and the corpus. */
static ub_status run(ub_context *ctx)
{
    static ub_settings made; /* too large for some stacks */
    UB_TRY(ub_rundir_settings(&ctx->world, ctx->word[0], &made));
    if (ctx->settings.corpus.path[0] != '\0')
        memcpy(made.corpus.path, ctx->settings.corpus.path, sizeof made.corpus.path);
    ub_verdicts v;
    UB_TRY(ub_stage_eval(&ctx->world, ctx->word[0], &made, &ctx->settings, &v));
    if (ctx->world.rank != 0)
        return UB_OK;
    ub_bytes  json = {0};
    ub_status st = UB_OK;
    if (ctx->json) {
        st = ub_verdicts_json(&v, &json);
        if (st == UB_OK)
            (void)fputs((const char *)json.data, stdout);
    } else {
        print_plain(&v);
    }
    ub_bytes_release(&json);
    return st;
}

const ub_command ub_cmd_eval = {
    .name = "eval",
    .usage = "RUN [--json] [--set eval.key=value]...",
    .summary = "Score a run against the truth in its corpus",
    .sections = "eval",
    .details = "accuracy, Matthews correlation, average precision and adjusted Rand index of the\n"
               "membership; R2 of the true latents from the task-relevant group on held-out\n"
               "episodes, by kernel ridge regression.\n",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
