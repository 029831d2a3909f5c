/* The farm of a study on ranks that do not exist. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/rehearse.h"
#include "core/structure.h"
#include "jobs/study.h"

enum { ITEMS_A_RANK = 1000, MOST_RANKS = 1000000, MOST_ITEMS = 200000000 };

static ub_status count_ranks(const ub_context *ctx, int *ranks)
{
    const char *text = ub_context_option(ctx, "ranks");
    char       *end;
    if (text == NULL)
        return UB_FAIL(UB_EARG, "rehearse wants --ranks: how many to simulate");
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || n < 1 || n > MOST_RANKS)
        return UB_FAIL(UB_ERANGE, "--ranks %s: not a number from 1 to %d", text, (int)MOST_RANKS);
    *ranks = (int)n;
    return UB_OK;
}

/* Items of the settings, of the study of the corpus, or a round number.  Collective. */
static ub_status count_items(const ub_context *ctx, int ranks, int64_t *items)
{
    *items = ctx->settings.rehearse.items;
    if (*items == 0 && ctx->settings.corpus.path[0] != '\0') {
        ub_corpus     corpus = {0};
        ub_structure *plan = NULL;
        UB_TRY(ub_study_corpus(&ctx->world, ctx, ctx->settings.run.shards, &corpus));
        ub_status st = ub_structure_create(&corpus, &ctx->settings, false, &plan);
        if (st == UB_OK)
            *items = ub_structure_items(plan);
        ub_structure_destroy(&plan);
        ub_corpus_release(&corpus);
        UB_TRY(ub_comm_agree(&ctx->world, st));
    } else if (*items == 0) {
        *items = (int64_t)ITEMS_A_RANK * ranks;
    }
    if (*items > MOST_ITEMS)
        return UB_FAIL(UB_ERANGE,
                       "%lld items are too many to simulate; set rehearse.items to at "
                       "most %d",
                       (long long)*items, (int)MOST_ITEMS);
    return UB_OK;
}

static ub_rehearsal make_plan(const ub_settings *s, int ranks, int64_t items)
{
    return (ub_rehearsal){
        .seed = (uint64_t)s->run.seed,
        .items = items,
        .ranks = ranks,
        .policy = ub_sched_policy_find(s->farm.policy), /* NULL: auto */
        .floor = s->farm.floor,
        .group = s->farm.group == 0   ? -1
                 : s->farm.group == 1 ? 0
                                      : (int)s->farm.group,
        .retry = (int)s->farm.retry,
        .overdue = s->farm.overdue,
        .times = (ub_times)s->rehearse.times,
        .item_s = s->rehearse.item_ms * 1e-3,
        .item_cv = s->rehearse.item_cv,
        .message_s = s->rehearse.message_us * 1e-6,
        .request_s = s->rehearse.request_us * 1e-6,
        .answer_s = s->rehearse.answer_us * 1e-6,
        .slow_fraction = s->rehearse.slow_fraction,
        .slow_factor = s->rehearse.slow_factor,
        .slow_nodes = s->rehearse.slow_by == UB_SLOW_NODE,
        .fail_fraction = s->rehearse.fail_fraction,
        .deaths = (int)s->rehearse.deaths,
        .rank_mtbf_s = s->rehearse.rank_mtbf_h * 3600,
        .node_mtbf_s = s->rehearse.node_mtbf_h * 3600,
        .node_ranks = (int)s->rehearse.node_ranks,
        .detect_s = s->rehearse.detect_s,
        .preempt_s = s->rehearse.preempt_s,
        .restart_s = s->rehearse.restart_s,
    };
}

/* A number that may be unknown, for JSON. */
static const char *number(double v, char *text, size_t size)
{
    (void)snprintf(text, size, isfinite(v) ? "%.6f" : "null", v);
    return text;
}

static void print_json(const ub_rehearsal *p, const ub_sched_pick *k, const ub_rehearsed *r)
{
    char expected[32];
    (void)printf("{\"efficiency\": %.6f, \"ranks\": %d, \"policy\": \"%s\", \"floor\": %lld, "
                 "\"sub_masters\": %d, \"items\": %lld, \"expected\": %s, \"makespan_s\": %.9g, "
                 "\"work_s\": %.9g, \"lost_s\": %.9g, \"master_busy\": %.6f, \"messages\": %lld, "
                 "\"chunks\": %lld, \"reissued\": %lld, \"duplicates\": %lld, \"aside\": %lld, "
                 "\"deaths\": %lld, \"restarts\": %lld, \"why\": \"%s\"}\n",
                 r->efficiency, p->ranks, p->policy->name, (long long)p->floor, r->groups,
                 (long long)p->items, number(k->expected, expected, sizeof expected), r->makespan,
                 r->work, r->lost, r->master, (long long)r->messages, (long long)r->chunks,
                 (long long)r->reissued, (long long)r->duplicates, (long long)r->aside,
                 (long long)r->deaths, (long long)r->restarts, k->why);
}

static void print_table(const ub_rehearsal *p, const ub_sched_pick *k, const ub_rehearsed *r)
{
    (void)printf("chosen       %s\n", k->why);
    (void)printf("ranks        %d, %d sub-masters; rank 0 %s\n", p->ranks, r->groups,
                 p->works && r->groups == 0 ? "works too" : "only hands out");
    (void)printf("items        %lld of %g ms (cv %g), %.6g s of work\n", (long long)p->items,
                 p->item_s * 1e3, p->item_cv, r->work);
    (void)printf("efficiency   %.2f %%\n", 100 * r->efficiency);
    (void)printf("makespan     %.6g s\n", r->makespan);
    (void)printf(
        "masters      the busiest spends %.1f %% of its time on messages, rank 0 %.1f %%\n",
        100 * r->master, 100 * r->top);
    (void)printf("messages     %lld, %lld chunks\n", (long long)r->messages, (long long)r->chunks);
    (void)printf("given again  %lld items, %lld answers came second; %.3g s of work lost\n",
                 (long long)r->reissued, (long long)r->duplicates, r->lost);
    (void)printf("mishaps      %lld deaths, %lld restarts, %lld items set aside\n",
                 (long long)r->deaths, (long long)r->restarts, (long long)r->aside);
}

/* The choice is made on other item times than those of the rehearsal: it cannot know them. */
static ub_status rehearse(const ub_context *ctx, int ranks, int64_t items)
{
    ub_rehearsal  plan = make_plan(&ctx->settings, ranks, items), guess;
    ub_sched_pick pick;
    ub_rehearsed  result;
    guess = plan;
    guess.seed = ~plan.seed;
    UB_TRY(ub_sched_choose(&guess, ctx->settings.farm.simulate, &pick));
    plan.policy = pick.policy;
    plan.floor = pick.floor;
    plan.group = pick.group;
    plan.works = pick.works;
    UB_TRY(ub_rehearse(&plan, &result));
    if (ctx->json)
        print_json(&plan, &pick, &result);
    else
        print_table(&plan, &pick, &result);
    return UB_OK;
}

static ub_status run(ub_context *ctx)
{
    int     ranks;
    int64_t items;
    UB_TRY(count_ranks(ctx, &ranks));
    UB_TRY(count_items(ctx, ranks, &items));
    return ub_comm_agree(&ctx->world, ctx->world.rank == 0 ? rehearse(ctx, ranks, items) : UB_OK);
}

const ub_command ub_cmd_rehearse = {
    .name = "rehearse",
    .usage = "[-c FILE] --ranks R [--set section.key=value]... [--json]",
    .summary = "How the farm of a study would run on R ranks: real decisions, simulated time",
    .sections = "run corpus segment structure ci farm rehearse",
    .options = "ranks",
    .details =
        "Simulates the scheduler of the farm, its messages and the times of the items, and\n"
        "prints the efficiency: work / (ranks x time). With farm.policy auto, policy, smallest\n"
        "chunk and sub-masters are chosen first, as a run does. The same result for the same\n"
        "settings and seed. docs/scheduling.md says what is assumed.\n",
    .run = run,
};
