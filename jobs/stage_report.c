/* The page and the words a run ends with. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "core/log.h"
#include "core/mem.h"
#include "io/export.h"
#include "io/file.h"
#include "jobs/plan.h"
#include "jobs/study.h"

/* Everything a report shows, read back from the run folder. */
typedef struct material {
    ub_task_graph      graph;
    uint8_t           *truth;
    ub_model           model;
    ub_evidence        evidence;
    ub_trainer_history log;
    ub_bytes           provenance;
    ub_report_cost     cost;
    bool               has_cost;
} material;

static void release(material *m)
{
    ub_task_graph_release(&m->graph);
    ub_free(m->truth);
    ub_model_release(&m->model);
    ub_evidence_release(&m->evidence);
    ub_free(m->log.row);
    ub_free(m->log.support);
    ub_bytes_release(&m->provenance);
}

static ub_status collect(const ub_study *s, const ub_verdicts *v, material *m)
{
    char path[UB_TEXT_MAX];
    if (v->has_graph)
        UB_TRY(ub_results_read_graph(ub_rundir_file(&s->dir, "structure.h5", path, sizeof path),
                                     &m->graph, &m->truth));
    if (v->has_model) {
        (void)ub_rundir_file(&s->dir, "model.h5", path, sizeof path);
        UB_TRY(ub_results_read_model(path, &m->model));
        UB_TRY(ub_results_read_evidence(path, &m->evidence));
        UB_TRY(ub_results_read_log(path, &m->log));
    }
    return ub_file_read(ub_rundir_file(&s->dir, "provenance.json", path, sizeof path),
                        &m->provenance);
}

/* What ranks know only together. */
typedef struct use {
    double memory_mb; /* peak of the rank that used most */
    int    nodes;
} use;

static ub_status count_use(const ub_comm *c, use *out)
{
    struct rusage r = {.ru_maxrss = 0};
    ub_comm       node = {0};
    UB_TRY(ub_comm_node(c, &node));
    out->nodes = node.rank == 0;
    ub_comm_release(&node);
    (void)getrusage(RUSAGE_SELF, &r);
    out->memory_mb = (double)r.ru_maxrss / 1024;
    UB_TRY_MPI(MPI_Allreduce(MPI_IN_PLACE, &out->memory_mb, 1, MPI_DOUBLE, MPI_MAX, c->mpi));
    UB_TRY_MPI(MPI_Allreduce(MPI_IN_PLACE, &out->nodes, 1, MPI_INT, MPI_SUM, c->mpi));
    return UB_OK;
}

/* A log without the lines, as run.log_level may leave it, or a plan of something else: the page
 * does without; that is no reason to fail a run that is all but over. */
static void compare(const ub_study *s, const use *u, material *m)
{
    ub_plan_past past;
    ub_plan_kept kept;
    bool         there = false;
    if (ub_plan_against(s->dir.path, &past) != UB_OK)
        goto out;
    if (ub_plan_read(s->dir.path, &kept, &there) != UB_OK) {
        ub_log_warn("plan-lost", "%s", ub_err_message());
        there = false;
    } else if (there && strcmp(kept.identity, s->dir.identity) != 0) {
        ub_log_warn("plan-other",
                    "folder='%s' why='plan.yaml is of other settings, another "
                    "command or corpus: not compared'",
                    s->dir.path);
        there = false;
    }
    ub_plan_compare(there ? &kept : NULL, &past, u->memory_mb, u->nodes, &m->cost);
    m->has_cost = true;
out:
    ub_err_clear();
}

static ub_status put_verdicts(const ub_study *s, const ub_verdicts *v)
{
    ub_bytes text = {0};
    if (v->has_latents)
        UB_TRY(ub_study_write(s, "eval.csv",
                              ub_export_scores_csv(v->task_name, v->task, v->tasks, &text), &text));
    return ub_study_write(s, "eval.json", ub_verdicts_json(v, &text), &text);
}

static ub_status report(ub_study *s, const ub_verdicts *v, const material *m)
{
    ub_bytes  text = {0};
    ub_status st = UB_OK;
    ub_report r = {
        .title = s->dir.path,
        .graph = v->has_graph ? &m->graph : NULL,
        .truth = m->truth,
        .scores = v->has_truth ? &v->scores : NULL,
        .model = v->has_model ? &m->model : NULL,
        .task_name = v->has_graph ? m->graph.task_name : m->evidence.task_name,
        .evidence = m->evidence.latents > 0 ? &m->evidence : NULL,
        .log = v->has_model ? &m->log : NULL,
        .cost = m->has_cost ? &m->cost : NULL,
        .config = s->origin.config,
        .provenance = (const char *)m->provenance.data,
    };
    UB_TRY(ub_study_write(s, "report.html", ub_export_html(&r, &text), &text));
    UB_TRY(put_verdicts(s, v));
    UB_TRY_OUT(ub_export_summary(&r, &text));
    if (!s->ctx->json && !s->ctx->quiet)
        (void)fputs((const char *)text.data, stdout);
    ub_bytes_clear(&text);
    UB_TRY_OUT(ub_verdicts_json(v, &text));
    if (s->ctx->json)
        (void)fputs((const char *)text.data, stdout);
out:
    ub_bytes_release(&text);
    return st;
}

ub_status ub_stage_report(ub_study *s, const ub_verdicts *v)
{
    ub_status       st = UB_OK;
    use             u;
    static material m; /* too large for some stacks */
    UB_TRY(count_use(&s->ctx->world, &u));
    if (s->ctx->world.rank == 0) {
        m = (material){0};
        st = collect(s, v, &m);
        if (st == UB_OK) {
            compare(s, &u, &m);
            st = report(s, v, &m);
        }
        release(&m);
    }
    return ub_comm_agree(&s->ctx->world, st);
}
