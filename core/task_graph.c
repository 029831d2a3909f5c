#include "core/task_graph.h"

#include <string.h>

#include "core/mem.h"
#include "core/metrics.h"

ub_status ub_task_graph_alloc(ub_task_graph *g, int with_pairs, int with_direct)
{
    ub_task_graph made = {.segments = g->segments, .length = g->length, .tasks = g->tasks};
    int64_t       cells = (int64_t)g->segments * g->tasks;
    ub_status     st = UB_OK;
    made.pairs = (int64_t)g->segments * (g->segments - 1) / 2;
    int64_t tests = made.pairs * g->tasks;

    UB_TRY_OUT(UB_ALLOC(made.task_name, g->tasks));
    UB_TRY_OUT(UB_ALLOC(made.member, cells));
    UB_TRY_OUT(UB_ALLOC(made.score, cells));
    UB_TRY_OUT(UB_ALLOC(made.p_value, cells));
    UB_TRY_OUT(UB_ALLOC(made.confidence, cells));
    if (with_pairs) {
        UB_TRY_OUT(UB_ALLOC(made.pair_stat, tests));
        UB_TRY_OUT(UB_ALLOC(made.pair_p, tests));
        UB_TRY_OUT(UB_ALLOC(made.pair_llr, tests));
        UB_TRY_OUT(UB_ALLOC(made.pair_verdict, tests));
    }
    if (with_direct) {
        UB_TRY_OUT(UB_ALLOC(made.direct_stat, cells));
        UB_TRY_OUT(UB_ALLOC(made.direct_p, cells));
        UB_TRY_OUT(UB_ALLOC(made.direct_llr, cells));
        UB_TRY_OUT(UB_ALLOC(made.direct_verdict, cells));
    }
    *g = made;
    return UB_OK;
out:
    ub_task_graph_release(&made);
    return st;
}

void ub_task_graph_release(ub_task_graph *g)
{
    if (g == NULL)
        return;
    ub_free(g->task_name);
    ub_free(g->member);
    ub_free(g->score);
    ub_free(g->p_value);
    ub_free(g->confidence);
    ub_free(g->pair_stat);
    ub_free(g->pair_p);
    ub_free(g->pair_llr);
    ub_free(g->pair_verdict);
    ub_free(g->marginal_p);
    ub_free(g->marginal_llr);
    ub_free(g->direct_stat);
    ub_free(g->direct_p);
    ub_free(g->direct_llr);
    ub_free(g->direct_verdict);
    *g = (ub_task_graph){0};
}

/* A label for a set of tasks: steps with the same set get the same label (FNV-1a, 64 bits). */
static int64_t label(const uint8_t *set, int32_t tasks)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (int32_t i = 0; i < tasks; i++)
        h = (h ^ (set[i] != 0)) * UINT64_C(1099511628211);
    int64_t out;
    memcpy(&out, &h, sizeof out);
    return out;
}

ub_status ub_task_graph_score(const ub_task_graph *g, const uint8_t *truth,
                              ub_structure_scores *out)
{
    int32_t  tasks = g->tasks;
    int64_t  cells = (int64_t)g->segments * tasks, steps = (int64_t)g->segments * g->length;
    uint8_t *cell = NULL;
    int64_t *labels = NULL;
    ub_structure_scores s;
    ub_status           st = UB_OK;

    UB_TRY_OUT(UB_ALLOC(cell, cells));
    UB_TRY_OUT(UB_ALLOC(labels, 2 * steps));
    for (int64_t c = 0; c < cells; c++) {
        int64_t k = c / tasks, task = c % tasks, count = 0;
        for (int64_t t = k * g->length; t < (k + 1) * g->length; t++)
            count += truth[t * tasks + task] != 0;
        cell[c] = 2 * count > g->length;
    }
    for (int64_t t = 0; t < steps; t++) {
        labels[t] = label(truth + t * tasks, tasks);
        labels[steps + t] = label(g->member + t / g->length * tasks, tasks);
    }
    s.accuracy = ub_accuracy(cells, cell, g->member);
    s.mcc = ub_mcc(cells, cell, g->member);
    UB_TRY_OUT(ub_average_precision(cells, cell, g->score, &s.average_precision));
    UB_TRY_OUT(ub_ari(steps, labels, labels + steps, &s.ari));
    *out = s;
out:
    ub_free(labels);
    ub_free(cell);
    return st;
}
