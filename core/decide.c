/* ub_structure_decide: the answers of a study through the rule of its configuration. */
#include "core/structure.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/internal/structure.h"
#include "core/membership.h"
#include "core/mem.h"

static ub_adjustment adjustment(int rule)
{
    switch (rule) {
    case UB_RULE_PAPER:
    case UB_RULE_RAW:
        return UB_ADJUST_NONE;
    case UB_RULE_BH:
        return UB_ADJUST_BH;
    case UB_RULE_BY:
        return UB_ADJUST_BY;
    default: /* the LLR rules decide without p-values; theirs are the strict ones */
        return UB_ADJUST_BONFERRONI;
    }
}

static void copy_answers(const ub_structure *s, ub_task_graph *g)
{
    const ub_task_graph *a = &s->answers;
    size_t               cells = (size_t)s->segments * (size_t)s->tasks;
    size_t               tests = (size_t)a->pairs * (size_t)s->tasks;
    memcpy(g->task_name, s->task_name, (size_t)s->tasks * sizeof *g->task_name);
    if (s->pairs) {
        memcpy(g->pair_stat, a->pair_stat, tests * sizeof *g->pair_stat);
        memcpy(g->pair_p, a->pair_p, tests * sizeof *g->pair_p);
        memcpy(g->pair_llr, a->pair_llr, tests * sizeof *g->pair_llr);
        memcpy(g->pair_verdict, a->pair_verdict, tests);
    }
    if (s->direct) {
        memcpy(g->direct_stat, a->direct_stat, cells * sizeof *g->direct_stat);
        memcpy(g->direct_p, a->direct_p, cells * sizeof *g->direct_p);
        memcpy(g->direct_llr, a->direct_llr, cells * sizeof *g->direct_llr);
        memcpy(g->direct_verdict, a->direct_verdict, cells);
    }
    g->tests = s->tests;
    g->untestable = s->untestable;
    g->undecided = s->undecided;
}

/* Adjust over all tests of the study that have a number; p_value of a cell = the smallest of a test
 * that involves it, 1 if there is none. */
static ub_status fill_p_values(const ub_structure *s, ub_task_graph *g)
{
    int64_t cells = (int64_t)s->segments * s->tasks, of_pairs = s->pairs ? g->pairs * s->tasks : 0;
    double *p;
    UB_TRY(UB_ALLOC(p, of_pairs + (s->direct ? cells : 0)));
    for (int64_t i = 0; i < of_pairs; i++)
        p[i] = g->pair_verdict[i] == UB_CI_OK ? g->pair_p[i] : -1;
    for (int64_t i = 0; i < cells && s->direct; i++)
        p[of_pairs + i] = g->direct_verdict[i] == UB_CI_OK ? g->direct_p[i] : -1;
    ub_status st = ub_membership_adjust(adjustment(s->settings->structure.rule),
                                        of_pairs + (s->direct ? cells : 0), p);

    for (int64_t i = 0; i < cells; i++)
        g->p_value[i] = s->direct && p[of_pairs + i] >= 0 ? p[of_pairs + i] : 1;
    int64_t at = 0;
    for (int32_t i = 0; i < s->tasks && s->pairs; i++)
        for (int32_t k = 0; k < s->segments; k++)
            for (int32_t v = k + 1; v < s->segments; v++, at++) {
                double *a = &g->p_value[(int64_t)k * s->tasks + i];
                double *b = &g->p_value[(int64_t)v * s->tasks + i];
                if (p[at] >= 0) {
                    *a = fmin(*a, p[at]);
                    *b = fmin(*b, p[at]);
                }
            }
    ub_free(p);
    return st;
}

static void decide_by_p(const ub_structure *s, ub_task_graph *g)
{
    for (int64_t c = 0; c < (int64_t)s->segments * s->tasks; c++) {
        g->member[c] = g->p_value[c] < s->settings->structure.alpha;
        g->score[c] = -log10(fmax(g->p_value[c], DBL_TRUE_MIN));
        g->confidence[c] = g->member[c]; /* a p-value is no probability of membership */
    }
}

/* Segments of one recording stay dependent whatever the task variable says (a shared start, a
 * chain of higher order).  A pair that is dependent without any task, by Benjamini and Hochberg at
 * structure.alpha over all pairs that have a number, has only the evidence left that the task adds.
 * Where the model holds, no pair is dependent without a task, and with probability 1 - alpha
 * nothing changes. */
static ub_status contrast(const ub_structure *s, ub_task_graph *g)
{
    size_t  bytes = (size_t)g->pairs * sizeof(double);
    double *p;
    UB_TRY(UB_ALLOC(g->marginal_p, g->pairs));
    UB_TRY(UB_ALLOC(g->marginal_llr, g->pairs));
    memcpy(g->marginal_p, s->marginal_p, bytes);
    memcpy(g->marginal_llr, s->marginal_llr, bytes);
    UB_TRY(UB_ALLOC(p, g->pairs));
    for (int64_t pair = 0; pair < g->pairs; pair++)
        p[pair] = s->marginal_verdict[pair] == UB_CI_OK ? s->marginal_p[pair] : -1;
    ub_status st = ub_membership_adjust(UB_ADJUST_BH, g->pairs, p);
    for (int64_t pair = 0; pair < g->pairs && st == UB_OK; pair++) {
        if (p[pair] < 0 || p[pair] >= s->settings->structure.alpha || s->marginal_llr[pair] <= 0)
            continue;
        for (int32_t i = 0; i < s->tasks; i++)
            if (g->pair_verdict[i * g->pairs + pair] == UB_CI_OK)
                g->pair_llr[i * g->pairs + pair] -= s->marginal_llr[pair];
        g->contrasted++;
    }
    ub_free(p);
    return st;
}

static ub_status decide_by_llr(const ub_structure *s, ub_task_graph *g)
{
    int32_t   segments = s->segments;
    uint8_t  *member = NULL;
    double   *gain = NULL, *direct = NULL;
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(member, segments));
    UB_TRY_OUT(UB_ALLOC(gain, segments));
    if (s->direct)
        UB_TRY_OUT(UB_ALLOC(direct, segments));
    for (int32_t i = 0; i < s->tasks; i++) {
        for (int32_t k = 0; k < segments && s->direct; k++)
            direct[k] = g->direct_llr[(int64_t)k * s->tasks + i];
        UB_TRY_OUT(ub_membership_clique(segments, s->pairs ? g->pair_llr + i * g->pairs : NULL,
                                        direct, member, gain));
        for (int32_t k = 0; k < segments; k++) {
            int64_t cell = (int64_t)k * s->tasks + i;
            g->member[cell] = member[k];
            g->score[cell] = gain[k];
            g->confidence[cell] = 1 / (1 + exp(-gain[k]));
        }
    }
out:
    ub_free(direct);
    ub_free(gain);
    ub_free(member);
    return st;
}

ub_status ub_structure_decide(const ub_structure *s, ub_task_graph *graph)
{
    ub_task_graph g = {.segments = s->segments, .length = s->length, .tasks = s->tasks};
    int           rule = s->settings->structure.rule;
    ub_status     st = UB_OK;
    if (s->answered == NULL || s->answered_count < s->items)
        return UB_FAIL(UB_ESTATE, "%" PRId64 " of %" PRId64 " items are answered",
                       s->answered_count, s->items);
    UB_TRY(ub_task_graph_alloc(&g, s->pairs, s->direct));
    copy_answers(s, &g);
    UB_TRY_OUT(fill_p_values(s, &g));
    if (s->contrast)
        UB_TRY_OUT(contrast(s, &g));
    if (rule == UB_RULE_LLR_CLIQUE || rule == UB_RULE_LLR_JOINT)
        UB_TRY_OUT(decide_by_llr(s, &g));
    else
        decide_by_p(s, &g);
    *graph = g;
    return UB_OK;
out:
    ub_task_graph_release(&g);
    return st;
}
