/* Scores: the task graph against the truth, and the latents of the model against the true ones. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "io/corpus_h5.h"
#include "io/file.h"
#include "jobs/judge_latents.h"
#include "jobs/study.h"

static ub_status judge_tasks(const ub_comm *c, const ub_corpus *corpus, const ub_model *m,
                             const ub_settings *run, const ub_settings *judge, ub_verdicts *v)
{
    v->tasks = corpus->tasks;
    ub_status st = UB_ALLOC(v->task, v->tasks);
    if (st == UB_OK)
        st = UB_ALLOC(v->task_name, v->tasks);
    UB_TRY(ub_comm_agree(c, st));
    memcpy(v->task_name, corpus->task_name, (size_t)v->tasks * sizeof *v->task_name);
    UB_TRY(ub_judge_latents(c, corpus, m, run, judge, &v->latents, v->task));
    v->has_latents = true;
    return UB_OK;
}

/* Every rank reads the model file: it is small, and only rank 0's verdict on it counts. */
static ub_status score_model(const ub_comm *c, const char *path, const ub_settings *run,
                             const ub_settings *judge, ub_verdicts *v)
{
    ub_model  m = {0};
    ub_corpus corpus = {0};
    ub_status st = UB_OK;
    UB_TRY_OUT(ub_comm_agree(c, ub_results_read_model(path, &m)));
    UB_TRY_OUT(ub_corpus_read(c, run, run->disentangle.shards, &corpus));
    UB_TRY_OUT(ub_comm_agree(c, ub_study_made_from(path, run, &corpus)));
    if (corpus.latents != NULL && corpus.latent_relevant == NULL)
        ub_log0_warn("eval-latents",
                     "path=%s: true latents without truth/latent_relevant, not judged",
                     run->corpus.path);
    else if (corpus.latents != NULL)
        UB_TRY_OUT(judge_tasks(c, &corpus, &m, run, judge, v));
out:
    ub_corpus_release(&corpus);
    ub_model_release(&m);
    return st;
}

static ub_status score_graph(const char *path, ub_verdicts *v)
{
    ub_task_graph g = {0};
    uint8_t      *truth = NULL;
    UB_TRY(ub_results_read_graph(path, &g, &truth));
    ub_status st = UB_OK;
    if (truth != NULL) {
        st = ub_task_graph_score(&g, truth, &v->scores);
        v->has_truth = st == UB_OK;
    }
    ub_task_graph_release(&g);
    ub_free(truth);
    return st;
}

ub_status ub_stage_eval(const ub_comm *c, const char *folder, const ub_settings *run,
                        const ub_settings *judge, ub_verdicts *out)
{
    char        graph[2 * UB_TEXT_MAX], model[2 * UB_TEXT_MAX];
    ub_verdicts v = {.scores = {NAN, NAN, NAN, NAN}};
    ub_status   st = UB_OK;
    (void)snprintf(graph, sizeof graph, "%s/structure.h5", folder);
    (void)snprintf(model, sizeof model, "%s/model.h5", folder);
    if (c->rank == 0) {
        v.has_graph = ub_file_exists(graph);
        v.has_model = ub_file_exists(model);
        if (!v.has_graph && !v.has_model)
            st = UB_FAIL(UB_EINPUT,
                         "%s holds neither structure.h5 nor model.h5: not a run folder, "
                         "or its first stage has not finished",
                         folder);
        else if (v.has_graph)
            st = score_graph(graph, &v);
    }
    UB_TRY(ub_comm_agree(c, st));
    UB_TRY(ub_comm_bcast(c, &v, sizeof v)); /* no pointer in it yet */
    if (v.has_model)
        st = score_model(c, model, run, judge, &v);
    if (st == UB_OK)
        *out = v;
    else
        ub_verdicts_release(&v);
    return st;
}

void ub_verdicts_release(ub_verdicts *v)
{
    ub_free(v->task);
    ub_free(v->task_name);
    *v = (ub_verdicts){0};
}

/* ---- as JSON ---- */

static ub_status put_number(ub_bytes *out, const char *name, double x)
{
    if (isnan(x))
        return UB_OK;
    return ub_bytes_printf(out, ", \"%s\": %.6f", name, x);
}

static ub_status put_latents(ub_bytes *out, const ub_latent_score *s)
{
    UB_TRY(put_number(out, "r2_relevant", s->r2_relevant));
    UB_TRY(put_number(out, "r2_irrelevant", s->r2_irrelevant));
    UB_TRY(put_number(out, "r2_irrelevant_floor", s->r2_floor));
    return ub_bytes_printf(out,
                           ", \"latents_needed\": %d, \"latents_kept\": %d, \"right_number\": %s, "
                           "\"right_set\": %s",
                           (int)s->needed, (int)s->kept, s->right_number ? "true" : "false",
                           s->right_set ? "true" : "false");
}

static int32_t count_right(const ub_verdicts *v, bool set)
{
    int32_t right = 0;
    for (int32_t i = 0; i < v->tasks; i++)
        right += set ? v->task[i].right_set : v->task[i].right_number;
    return right;
}

static const struct {
    const char *section, *name, *sure;
} numbers[] = {
    {"structure", "accuracy", "accuracy"},
    {"structure", "mcc", "accuracy"},
    {"structure", "average_precision", "accuracy"},
    {"structure", "ari", "accuracy"},
    {"disentangle", "r2_relevant", "latents_kept"},
    {"disentangle", "r2_irrelevant", "latents_kept"},
    {"disentangle", "r2_irrelevant_floor", "latents_kept"},
    {"disentangle", "latents_needed", "latents_kept"},
    {"disentangle", "latents_kept", "latents_kept"},
    {"disentangle", "tasks_right_number", "latents_kept"},
    {"disentangle", "tasks_right_set", "latents_kept"},
};

const char *ub_verdicts_number(const char *sections, size_t i, const char **sure)
{
    for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++)
        if (ub_schema_listed(sections, numbers[k].section) && i-- == 0) {
            if (sure != NULL)
                *sure = numbers[k].sure;
            return numbers[k].name;
        }
    return NULL;
}

/* The numbers of a run come last, so that even a line-based reader finds them and not a task's. */
ub_status ub_verdicts_json(const ub_verdicts *v, ub_bytes *out)
{
    UB_TRY(ub_bytes_printf(out, "{"));
    if (v->has_latents) {
        UB_TRY(ub_bytes_printf(out, "\"tasks\": ["));
        for (int32_t i = 0; i < v->tasks; i++) {
            UB_TRY(ub_bytes_printf(out, i == 0 ? "{" : ", {"));
            UB_TRY(ub_bytes_put_json(out, "task", v->task_name[i], ""));
            UB_TRY(put_latents(out, &v->task[i]));
            UB_TRY(ub_bytes_printf(out, "}"));
        }
        UB_TRY(ub_bytes_printf(out, "], "));
    }
    UB_TRY(ub_bytes_printf(out, "\"structure\": %s, \"truth\": %s, \"disentangle\": %s",
                           v->has_graph ? "true" : "false", v->has_truth ? "true" : "false",
                           v->has_model ? "true" : "false"));
    UB_TRY(put_number(out, "accuracy", v->scores.accuracy));
    UB_TRY(put_number(out, "mcc", v->scores.mcc));
    UB_TRY(put_number(out, "average_precision", v->scores.average_precision));
    UB_TRY(put_number(out, "ari", v->scores.ari));
    if (v->has_latents) {
        UB_TRY(put_latents(out, &v->latents));
        UB_TRY(ub_bytes_printf(out, ", \"tasks_right_number\": %d, \"tasks_right_set\": %d",
                               (int)count_right(v, false), (int)count_right(v, true)));
    }
    return ub_bytes_printf(out, "}\n");
}
