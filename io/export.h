/* io/export.h - results as text that other programs and people read: CSV, GraphML, SVG, HTML.
 *
 * Everything is made in memory and depends on the result only (no times, no hosts), so equal
 * results give equal bytes; but for the page, which says where it comes from and what it cost.
 *
 * Layer: io.  Rank 0 alone.
 */
#ifndef UB_IO_EXPORT_H
#define UB_IO_EXPORT_H

#include "core/bytes.h"
#include "core/evidence.h"
#include "core/latent_score.h"
#include "core/metrics.h"
#include "core/model.h"
#include "core/task_graph.h"
#include "core/trainer.h"
#include "mpi/comm.h"

/* segment,first_step,last_step,task,member,score,p_value,confidence
 * [,direct_statistic,direct_p_value,direct_llr][,truth] */
UB_LOCAL UB_NODISCARD ub_status ub_export_membership_csv(const ub_task_graph *g,
                                                         const uint8_t *truth, ub_bytes *out);
/* step,task1,task2,...: the T x M membership */
UB_LOCAL UB_NODISCARD ub_status ub_export_steps_csv(const ub_task_graph *g, ub_bytes *out);
/* segment_a,segment_b,task,statistic,p_value,llr,verdict */
UB_LOCAL UB_NODISCARD ub_status ub_export_pairs_csv(const ub_task_graph *g, ub_bytes *out);
/* restart,epoch,learning_rate,...,sparsity,support_0,...: the training log; support_i: latents that
 * task i depends on */
UB_LOCAL UB_NODISCARD ub_status ub_export_training_csv(const ub_trainer_history *log,
                                                       ub_bytes                 *out);
/* task,latent,kept,strength,relative_strength[,confidence,likeness,kl]: a line a task and latent.
 * likeness: mean |correlation| with its partners in the other initialisations.  e may be NULL */
UB_LOCAL UB_NODISCARD ub_status ub_export_latents_csv(const ub_model *m, const ub_evidence *e,
                                                      char (*task_name)[UB_NAME_MAX],
                                                      ub_bytes *out);
/* task,latents_needed,latents_kept,right_number,right_set,r2_relevant,r2_irrelevant,
 * r2_irrelevant_floor: a line a task; nan: there is no latent of that kind */
UB_LOCAL UB_NODISCARD ub_status ub_export_scores_csv(char (*task_name)[UB_NAME_MAX],
                                                     const ub_latent_score *score, int32_t tasks,
                                                     ub_bytes *out);
/* Bipartite graph: segment nodes, task nodes, membership edges with score, p_value,
 * confidence; plus one edge per pair inside a task with its llr.  Opens in Gephi, networkx,
 * igraph. */
UB_LOCAL UB_NODISCARD ub_status ub_export_graphml(const ub_task_graph *g, ub_bytes *out);

/* Time line: a lane per task, time to the right, blocks where it is a member, opacity by
 * confidence; below each lane the truth where known, mismatches marked. */
UB_LOCAL UB_NODISCARD ub_status ub_draw_timeline(const ub_task_graph *g, const uint8_t *truth,
                                                 ub_bytes *svg);
/* Segments x segments: each cell coloured by the task with the largest pair evidence, shaded by
 * it; one small matrix per task when there are several. */
UB_LOCAL UB_NODISCARD ub_status ub_draw_pairs(const ub_task_graph *g, ub_bytes *svg);
/* Objective, its parts, gradient norm and the support of every task against the epoch. */
UB_LOCAL UB_NODISCARD ub_status ub_draw_training(const ub_trainer_history *log,
                                                 char (*task_name)[UB_NAME_MAX], ub_bytes *svg);
/* Tasks x latents: strength of dependence, kept ones framed, with a bar of confidence where there
 * are several initialisations (e may be NULL). */
UB_LOCAL UB_NODISCARD ub_status ub_draw_latents(const ub_model *m, const ub_evidence     *e,
                                                char (*task_name)[UB_NAME_MAX], ub_bytes *svg);

/* What the run cost, beside its plan: rows of text. */
typedef struct ub_report_cost_row {
    const char *what;
    char        planned[32], actual[32];
    double      ratio; /* planned / actual; NaN: there is none */
} ub_report_cost_row;
typedef struct ub_report_cost {
    int                rows;
    ub_report_cost_row row[8];
    bool               planned; /* else only what it took is shown */
    char               note[UB_TEXT_MAX];
} ub_report_cost;

/* What the report shows; every pointer may be NULL. */
typedef struct ub_report {
    const char                *title;
    const ub_task_graph       *graph;
    const uint8_t             *truth;
    const ub_structure_scores *scores;
    const ub_model            *model;
    char (*task_name)[UB_NAME_MAX];
    const ub_evidence        *evidence; /* of the model */
    const ub_trainer_history *log;
    const ub_report_cost     *cost;
    const char               *config;     /* resolved YAML */
    const char               *provenance; /* lines key: value */
} ub_report;
/* One self-contained HTML page (inline SVG, no script, no outside reference), light and dark,
 * readable on paper. */
UB_LOCAL UB_NODISCARD ub_status ub_export_html(const ub_report *r, ub_bytes *out);
/* The same in words, for standard output: shapes, membership per task as ranges of steps, scores.
 */
UB_LOCAL UB_NODISCARD ub_status ub_export_summary(const ub_report *r, ub_bytes *out);

#endif /* UB_IO_EXPORT_H */
