/* Score a run folder against the truth in its corpus. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/export.h"
#include "io/file.h"
#include "jobs/study.h"

enum { NAME_WIDTH = 20 };

/* R^2, or nothing where there is none. */
static void print_r2(double x)
{
    if (isnan(x))
        (void)printf("  %8s", "-");
    else
        (void)printf("  %8.4f", x);
}

static void print_line(const char *name, const ub_latent_score *s)
{
    (void)printf("  %-*.*s", NAME_WIDTH, NAME_WIDTH, name);
    print_r2(s->r2_relevant);
    print_r2(s->r2_irrelevant);
    print_r2(s->r2_floor);
    (void)printf("  %6d  %4d  %s\n", (int)s->needed, (int)s->kept,
                 s->right_set      ? "right"
                 : s->right_number ? "other latents"
                                   : "wrong number");
}

static void print_latents(const ub_verdicts *v)
{
    (void)printf("disentangle  R2 relevant %.4f  irrelevant %.4f  (%d latents kept)\n"
                 "  %-*s  relevant  irrelev.     floor  needed  kept  latents\n",
                 v->latents.r2_relevant, v->latents.r2_irrelevant, (int)v->latents.kept, NAME_WIDTH,
                 "R2 by task");
    for (int32_t i = 0; i < v->tasks; i++)
        print_line(v->task_name[i], &v->task[i]);
    print_line("all tasks", &v->latents);
}

static void print_plain(const ub_verdicts *v)
{
    if (v->has_truth)
        (void)printf("structure    accuracy %.4f  MCC %.4f  average precision %.4f  ARI %.4f\n",
                     v->scores.accuracy, v->scores.mcc, v->scores.average_precision, v->scores.ari);
    else if (v->has_graph)
        (void)printf("structure    the corpus holds no truth to compare with\n");
    if (v->has_latents)
        print_latents(v);
    else if (v->has_model)
        (void)printf("disentangle  the corpus holds no true latents to compare with\n");
}

static ub_status write_csv(const char *path, const ub_verdicts *v)
{
    ub_bytes csv = {0};
    if (!v->has_latents)
        return UB_FAIL(UB_EINPUT,
                       "there are no scores of tasks for %s: the run has no model, or its "
                       "corpus no true latents",
                       path);
    ub_status st = ub_export_scores_csv(v->task_name, v->task, v->tasks, &csv);
    if (st == UB_OK)
        st = ub_file_write(path, csv.data, csv.len);
    ub_bytes_release(&csv);
    return st;
}

static ub_status tell(const ub_context *ctx, const ub_verdicts *v)
{
    const char *csv = ub_context_option(ctx, "csv");
    ub_bytes    json = {0};
    ub_status   st = UB_OK;
    if (csv != NULL)
        UB_TRY(write_csv(csv, v));
    if (!ctx->json) {
        print_plain(v);
        return UB_OK;
    }
    st = ub_verdicts_json(v, &json);
    if (st == UB_OK)
        (void)fputs((const char *)json.data, stdout);
    ub_bytes_release(&json);
    return st;
}

/* The run's own settings, with what was given here for the judge and the corpus. */
static ub_status run(ub_context *ctx)
{
    static ub_settings made; /* too large for some stacks */
    UB_TRY(ub_rundir_settings(&ctx->world, ctx->word[0], &made));
    if (ctx->settings.corpus.path[0] != '\0')
        memcpy(made.corpus.path, ctx->settings.corpus.path, sizeof made.corpus.path);
    ub_verdicts v = {0};
    UB_TRY(ub_stage_eval(&ctx->world, ctx->word[0], &made, &ctx->settings, &v));
    ub_status st = ctx->world.rank == 0 ? tell(ctx, &v) : UB_OK;
    ub_verdicts_release(&v);
    return ub_comm_agree(&ctx->world, st);
}

const ub_command ub_cmd_eval = {
    .name = "eval",
    .usage = "RUN [--json] [--csv FILE] [--set eval.key=value]...",
    .summary = "Score a run against the truth in its corpus",
    .sections = "eval",
    .options = "csv",
    .details =
        "accuracy, Matthews correlation, average precision and adjusted Rand index of the\n"
        "membership; R2 of the true latents from the task-relevant group on held-out\n"
        "episodes, by kernel ridge regression, and the same task by task: R2 of the latents\n"
        "the task needs and of the others, from those it keeps; floor: of the others, from the\n"
        "true ones it needs; whether it keeps the right number of latents, and the right\n"
        "ones (matched one to one by what each says of the truth). --csv FILE: a line a task.\n",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
