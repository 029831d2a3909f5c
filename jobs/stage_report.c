/* The page and the words a run ends with. */
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "io/export.h"
#include "io/file.h"
#include "jobs/study.h"

/* Everything a report shows, read back from the run folder. */
typedef struct material {
    ub_task_graph   graph;
    uint8_t        *truth;
    ub_model        model;
    ub_trainer_row *log;
    int64_t         rows;
    ub_bytes        provenance;
} material;

static void release(material *m)
{
    ub_task_graph_release(&m->graph);
    ub_free(m->truth);
    ub_model_release(&m->model);
    ub_free(m->log);
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
        UB_TRY(ub_results_read_log(path, &m->log, &m->rows));
    }
    return ub_file_read(ub_rundir_file(&s->dir, "provenance.json", path, sizeof path),
                        &m->provenance);
}

static ub_status put_verdicts(const ub_study *s, const ub_verdicts *v)
{
    ub_bytes json = {0};
    return ub_study_write(s, "eval.json", ub_verdicts_json(v, &json), &json);
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
        .task_name = v->has_graph ? m->graph.task_name : NULL,
        .log = m->log,
        .rows = m->rows,
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
    ub_status st = UB_OK;
    if (s->ctx->world.rank == 0) {
        material m = {0};
        st = collect(s, v, &m);
        if (st == UB_OK)
            st = report(s, v, &m);
        release(&m);
    }
    return ub_comm_agree(&s->ctx->world, st);
}
