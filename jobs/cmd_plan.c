/* What a study will cost, before it is submitted. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "io/file.h"
#include "io/rundir.h"
#include "jobs/plan.h"
#include "jobs/study.h"

static ub_status count_ranks(const ub_context *ctx, int *ranks)
{
    const char *text = ub_context_option(ctx, "ranks");
    char       *end;
    if (text == NULL)
        return ub_plan_ranks(&ctx->settings, ranks);
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || n < 1 || n > UB_PLAN_RANKS)
        return UB_FAIL(UB_ERANGE, "--ranks %s: not a number from 1 to %d", text,
                       (int)UB_PLAN_RANKS);
    *ranks = (int)n;
    return UB_OK;
}

/* ---- as text ---- */

static const char *volume(double bytes, char *text, size_t size)
{
    if (bytes < 1e9)
        (void)snprintf(text, size, "%.3g MB", bytes / 1e6);
    else
        (void)snprintf(text, size, "%.3g GB", bytes / 1e9);
    return text;
}

static void print_work(const ub_plan_costs *m, const ub_plan_forecast *f)
{
    char one[32];
    if (m->stages & UB_STAGE_STRUCTURE) {
        (void)printf("stage 1      %lld tests in %lld items of %s (cv %.2f, %lld tried)\n",
                     (long long)m->tests, (long long)m->items,
                     ub_plan_span(m->item_mean, one, sizeof one), m->item_cv,
                     (long long)m->sampled);
        if (f->pick.policy != NULL)
            (void)printf("  the farm   %s\n", f->pick.why);
    }
    if (m->stages & UB_STAGE_DISENTANGLE)
        (void)printf("stage 2      %lld steps an initialisation, %s each on one rank "
                     "(cv %.2f, %lld tried); teams: %d\n",
                     (long long)m->steps,
                     ub_plan_span(m->pass_s + m->sum_s + m->update_s + m->rest_s, one, sizeof one),
                     m->step_cv, (long long)m->timed, f->teams);
}

static void print_text(const ub_settings *s, const ub_plan_costs *m, const ub_plan_forecast *f)
{
    char a[32], b[32], c[32];
    (void)printf("ranks        %d on %d nodes\n", f->ranks, f->nodes);
    print_work(m, f);
    for (int i = 0; i < UB_PLAN_STAGES; i++)
        if (f->stage_s[i] > 0)
            (void)printf("%-12s %s\n", ub_plan_stage(i), ub_plan_span(f->stage_s[i], a, sizeof a));
    (void)printf("in all       %s, between %s and %s\n", ub_plan_span(f->seconds, a, sizeof a),
                 ub_plan_span(f->low, b, sizeof b), ub_plan_span(f->high, c, sizeof c));
    (void)printf("node-hours   %.4g\n", f->node_hours);
    (void)printf("memory       %.0f MiB a rank\n", f->memory_mb);
    (void)printf("written      about %s\n", volume(f->bytes, a, sizeof a));
    if (f->jobs > 0)
        (void)printf("jobs         %lld of %lld min, each stopping %.0f s before its end\n",
                     (long long)f->jobs, (long long)s->slurm.time_min, f->lead_s);
    else
        (void)printf("jobs         none would get to work: %s pass before it; raise "
                     "slurm.time_min\n",
                     ub_plan_span(f->again_s, a, sizeof a));
    if (s->disentangle.patience > 0 && (m->stages & UB_STAGE_DISENTANGLE) != 0)
        (void)printf("disentangle.patience may end trainings earlier: this is the most\n");
    if (m->wall > 1.25 * m->busy)
        (void)printf("this machine was busy with other work (%.0f %% of a core was ours): the plan "
                     "is for ranks that have a core each\n",
                     100 * m->busy / m->wall);
}

static void print_against(const ub_plan_forecast *f, const ub_plan_past *past)
{
    double foretold = 0, took = 0, cpu = 0;
    (void)printf("\n%-12s  planned s   actual s  of them CPU  planned / actual\n",
                 past->ranks == 1 ? "one rank" : "rank 0");
    for (int i = 0; i < UB_PLAN_STAGES; i++) {
        foretold += f->stage_s[i];
        took += past->stage_s[i];
        cpu += past->cpu_s[i];
        if (past->stage_s[i] > 0)
            (void)printf("%-12s %10.2f %10.2f %12.2f %17.2f\n", ub_plan_stage(i), f->stage_s[i],
                         past->stage_s[i], past->cpu_s[i], f->stage_s[i] / past->stage_s[i]);
    }
    (void)printf("%-12s %10.2f %10.2f %12.2f %17.2f\n", "in all", foretold, took, cpu,
                 foretold / took);
}

/* ---- as JSON ---- */

static void print_json(const ub_plan_costs *m, const ub_plan_forecast *f, const ub_plan_past *past)
{
    static const char *const key[UB_PLAN_STAGES] = {"stage1", "stage2", "evaluation"};
    (void)printf(
        "{\"ranks\": %d, \"nodes\": %d, \"node_hours\": %.9g, \"seconds\": %.9g, "
        "\"seconds_low\": %.9g, \"seconds_high\": %.9g, \"stage1_s\": %.9g, "
        "\"stage2_s\": %.9g, \"evaluation_s\": %.9g, \"memory_mb_per_rank\": %.3f, "
        "\"bytes_written\": %.0f, \"jobs\": %lld, \"again_s\": %.9g, \"tests\": %lld, "
        "\"items\": %lld, \"item_s\": %.9g, \"item_cv\": %.4f, \"items_tried\": %lld, "
        "\"farm_efficiency\": %.6f, \"steps\": %lld, \"step_s\": %.9g, "
        "\"steps_tried\": %lld, \"teams\": %d, "
        "\"regressions\": %lld, \"regression_s\": %.9g, \"files_s\": %.9g, \"machine_share\": %.4f",
        f->ranks, f->nodes, f->node_hours, f->seconds, f->low, f->high,
        f->stage_s[UB_PLAN_STRUCTURE], f->stage_s[UB_PLAN_DISENTANGLE],
        f->stage_s[UB_PLAN_EVALUATION], f->memory_mb, f->bytes, (long long)f->jobs, f->again_s,
        (long long)m->tests, (long long)m->items, m->item_mean, m->item_cv, (long long)m->sampled,
        f->efficiency, (long long)m->steps, m->pass_s + m->sum_s + m->update_s + m->rest_s,
        (long long)m->timed, f->teams, (long long)m->full, m->full_s, f->files_s,
        m->wall > 0 ? m->busy / m->wall : 1.0);
    for (int i = 0; i < UB_PLAN_STAGES && past != NULL; i++)
        (void)printf(", \"actual_%s_s\": %.3f, \"actual_%s_cpu_s\": %.3f", key[i], past->stage_s[i],
                     key[i], past->cpu_s[i]);
    (void)printf("}\n");
}

/* Into the run folder, whose report will set it beside what the run took. */
static ub_status keep(const ub_context *ctx, const ub_plan_costs *m, const ub_plan_forecast *f)
{
    ub_plan_kept kept;
    if (ctx->out[0] == '\0')
        return UB_OK;
    UB_TRY(ub_plan_keep(&ctx->settings, m, f, &kept));
    UB_TRY(ub_dir_make(ctx->out));
    return ub_plan_write(ctx->out, &kept);
}

static ub_status plan(ub_context *ctx)
{
    const char      *against = ub_context_option(ctx, "against");
    ub_plan_past     past;
    int              ranks;
    ub_plan_costs    m = {0};
    ub_plan_forecast f;
    ub_status        st;
    UB_TRY(count_ranks(ctx, &ranks));
    if (ctx->out[0] != '\0')
        UB_TRY(ub_rundir_check(ctx->out));
    if (against != NULL) {
        UB_TRY(ub_plan_against(against, &past));
        ranks = past.ranks;
    }
    UB_TRY_OUT(ub_plan_make(&ctx->settings, ranks, &m, &f));
    UB_TRY_OUT(keep(ctx, &m, &f));
    if (ctx->json)
        print_json(&m, &f, against == NULL ? NULL : &past);
    else
        print_text(&ctx->settings, &m, &f);
    if (against != NULL && !ctx->json)
        print_against(&f, &past);
    if (ctx->out[0] != '\0' && !ctx->json)
        (void)printf("\nwritten: %s/plan.yaml, for the report of the run\n", ctx->out);
out:
    ub_plan_costs_release(&m);
    return st;
}

static ub_status run(ub_context *ctx)
{
    return ub_comm_agree(&ctx->world, ctx->world.rank == 0 ? plan(ctx) : UB_OK);
}

const ub_command ub_cmd_plan = {
    .name = "plan",
    .usage =
        "-c FILE [--ranks R] [--out RUN] [--against RUN] [--set section.key=value]... [--json]",
    .summary = "What a study will cost: time, node-hours, memory and jobs, before it is submitted",
    .sections = "run corpus segment structure ci farm rehearse disentangle eval slurm",
    .options = "ranks against",
    .details =
        "Does a few seconds of the study's own work on one rank here, and from that foretells\n"
        "the time of each stage on R ranks (slurm.nodes * slurm.tasks_per_node), node-hours,\n"
        "memory of a rank, bytes written, and how many jobs of slurm.time_min follow each other.\n"
        "slurm.command says which stages.  --out RUN: kept there as plan.yaml; the report of the\n"
        "run sets it beside what it took.  --against RUN: beside what a finished run took, with "
        "as\n"
        "many ranks.  docs/plan.md says what is assumed.\n",
    .run = run,
};
