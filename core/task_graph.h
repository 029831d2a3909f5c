/* core/task_graph.h - the result of stage 1: which segment belongs to which task.
 *
 * K segments, M tasks, T = K * L steps.  Pairs k < v are numbered
 * ub_pair_index(K, k, v) = 0 .. K(K-1)/2 - 1, row by row.
 *
 * Layer: core.
 */
#ifndef UB_CORE_TASK_GRAPH_H
#define UB_CORE_TASK_GRAPH_H

#include <stdint.h>

#include "core/corpus.h"
#include "core/status.h"

typedef struct ub_task_graph {
    int32_t segments;               /* K */
    int32_t length;                 /* L */
    int32_t tasks;                  /* M */
    char (*task_name)[UB_NAME_MAX]; /* M; owned */

    /* Decisions, K x M, row-major (segment, task). */
    uint8_t *member;     /* 1 = the segment belongs to the task */
    double  *score;      /* larger = more likely a member; ranks the cells (average precision) */
    double  *p_value;    /* smallest adjusted p-value of a test that speaks for membership */
    double  *confidence; /* of being a member, in [0, 1]: for the LLR rules 1/(1+exp(-score)), the
                            posterior given the other decisions, under the prior that
                            ub_membership_price stands for; else just the decision, 0 or 1 */

    /* The pair graph behind it: M x pairs, task-major; NULL without pair tests. */
    int64_t pairs;      /* K(K-1)/2 */
    int64_t contrasted; /* of them, found dependent without any task (structure.contrast) */
    double *pair_stat;  /* the test's statistic */
    double *pair_p;     /* p-value, times the number of representatives that had one (at most 1) */
    double *pair_llr;   /* log-likelihood ratio, dependent against independent; 0 if untested;
                           less what a contrasted pair has without any task */
    double *marginal_p,
        *marginal_llr;     /* pairs: the same without any task; NULL without a contrast */
    uint8_t *pair_verdict; /* ub_ci_verdict */

    /* Direct tests, K x M; NULL without them. */
    double  *direct_stat, *direct_p, *direct_llr;
    uint8_t *direct_verdict;

    int64_t tests;      /* number of tests asked */
    int64_t untestable; /* of them, of adjacent steps: nothing lies between them to condition on */
    int64_t undecided;  /* of them, with another verdict than ok or untestable */
} ub_task_graph;

/* Number of the pair (k, v), 0 <= k < v < segments. */
static inline int64_t ub_pair_index(int32_t segments, int32_t k, int32_t v)
{
    return (int64_t)k * segments - (int64_t)k * (k + 1) / 2 + (v - k - 1);
}

/* Allocate for segments, tasks, length set in *g; pair and direct arrays as asked. */
UB_NODISCARD ub_status ub_task_graph_alloc(ub_task_graph *g, int with_pairs, int with_direct);
void                   ub_task_graph_release(ub_task_graph *g);

/* Scores of a decision against the truth; see core/metrics.h for the formulas. */
typedef struct ub_structure_scores {
    double accuracy;          /* over the K x M cells */
    double mcc;               /* Matthews correlation over the cells */
    double average_precision; /* of `score` over the cells */
    double ari;               /* adjusted Rand index of the steps grouped by their task set */
} ub_structure_scores;

/* truth: T x M as in ub_corpus; a segment is a member if most of its steps are. */
UB_NODISCARD ub_status ub_task_graph_score(const ub_task_graph *g, const uint8_t *truth,
                                           ub_structure_scores *out);

#endif /* UB_CORE_TASK_GRAPH_H */
