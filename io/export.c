/* Results as tables (CSV), a graph (GraphML) and words. */
#include "io/export.h"

#include <stdio.h>
#include <string.h>

#include "core/ci_test.h"
#include "io/internal/pen.h"
#include "io/internal/words.h"

/* A text as a CSV field (RFC 4180): quoted where it holds a comma, a quote or a line end. */
static void put_field(ub_pen *p, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        ub_pen_put(p, text);
        return;
    }
    ub_pen_put(p, "\"");
    for (const char *quote; (quote = strchr(text, '"')) != NULL; text = quote + 1)
        ub_pen_printf(p, "%.*s\"\"", (int)(quote - text), text);
    ub_pen_printf(p, "%s\"", text);
}

static void put_name(ub_pen *p, const ub_task_graph *g, int32_t task)
{
    char buf[UB_NAME_MAX];
    put_field(p, ub_task_label(g->task_name, task, buf));
}

/* ",1.5,.25": numbers after the first field of a line. */
static void put_numbers(ub_pen *p, int count, const double *v)
{
    for (int i = 0; i < count; i++) {
        ub_pen_put(p, ",");
        ub_pen_number(p, v[i]);
    }
}

ub_status ub_export_membership_csv(const ub_task_graph *g, const uint8_t *truth, ub_bytes *out)
{
    ub_pen p;
    ub_pen_begin(&p, out);
    ub_pen_put(&p, "segment,first_step,last_step,task,member,score,p_value,confidence");
    if (g->direct_p != NULL)
        ub_pen_put(&p, ",direct_statistic,direct_p_value,direct_llr");
    ub_pen_put(&p, truth != NULL ? ",truth\n" : "\n");
    for (int64_t k = 0; k < g->segments; k++)
        for (int32_t i = 0; i < g->tasks; i++) {
            int64_t at = k * g->tasks + i;
            ub_pen_printf(&p, "%lld,%lld,%lld,", (long long)k, (long long)(k * g->length),
                          (long long)((k + 1) * g->length - 1));
            put_name(&p, g, i);
            ub_pen_printf(&p, ",%d", g->member[at] != 0);
            put_numbers(&p, 3, (double[]){g->score[at], g->p_value[at], g->confidence[at]});
            if (g->direct_p != NULL)
                put_numbers(&p, 3,
                            (double[]){g->direct_stat[at], g->direct_p[at], g->direct_llr[at]});
            if (truth != NULL)
                ub_pen_printf(&p, ",%d", ub_truth_member(g, truth, k, i));
            ub_pen_put(&p, "\n");
        }
    return ub_pen_end(&p);
}

ub_status ub_export_steps_csv(const ub_task_graph *g, ub_bytes *out)
{
    ub_pen p;
    ub_pen_begin(&p, out);
    ub_pen_put(&p, "step");
    for (int32_t i = 0; i < g->tasks; i++) {
        ub_pen_put(&p, ",");
        put_name(&p, g, i);
    }
    ub_pen_put(&p, "\n");
    for (int64_t t = 0; t < (int64_t)g->segments * g->length; t++) {
        ub_pen_printf(&p, "%lld", (long long)t);
        for (int32_t i = 0; i < g->tasks; i++)
            ub_pen_put(&p, g->member[t / g->length * g->tasks + i] ? ",1" : ",0");
        ub_pen_put(&p, "\n");
    }
    return ub_pen_end(&p);
}

ub_status ub_export_pairs_csv(const ub_task_graph *g, ub_bytes *out)
{
    ub_pen p;
    ub_pen_begin(&p, out);
    ub_pen_put(&p, "segment_a,segment_b,task,statistic,p_value,llr,verdict\n");
    for (int32_t i = 0; g->pair_p != NULL && i < g->tasks; i++)
        for (int32_t k = 0; k < g->segments; k++)
            for (int32_t v = k + 1; v < g->segments; v++) {
                int64_t at = i * g->pairs + ub_pair_index(g->segments, k, v);
                ub_pen_printf(&p, "%d,%d,", k, v);
                put_name(&p, g, i);
                put_numbers(&p, 3, (double[]){g->pair_stat[at], g->pair_p[at], g->pair_llr[at]});
                ub_pen_printf(&p, ",%s\n", ub_ci_verdict_name((ub_ci_verdict)g->pair_verdict[at]));
            }
    return ub_pen_end(&p);
}

ub_status ub_export_training_csv(const ub_trainer_history *log, ub_bytes *out)
{
    ub_pen  p;
    int32_t tasks = log->support == NULL ? 0 : log->tasks;
    ub_pen_begin(&p, out);
    ub_pen_put(&p, "restart,epoch,learning_rate,lambda,reconstruction,kl,task,penalty,objective,"
                   "gradient_norm,sparsity");
    for (int32_t i = 0; i < tasks; i++)
        ub_pen_printf(&p, ",support_%d", (int)i);
    ub_pen_put(&p, "\n");
    for (int64_t k = 0; k < log->rows; k++) {
        const ub_trainer_row *r = log->row + k;
        ub_pen_printf(&p, "%lld,%lld", (long long)r->restart, (long long)r->epoch);
        put_numbers(&p, 9,
                    (double[]){r->learning_rate, r->lambda, r->reconstruction, r->kl, r->task,
                               r->penalty, r->objective, r->gradient_norm, r->sparsity});
        for (int32_t i = 0; i < tasks; i++)
            ub_pen_printf(&p, ",%d", (int)log->support[k * tasks + i]);
        ub_pen_put(&p, "\n");
    }
    return ub_pen_end(&p);
}

/* Mean |correlation| of a latent with its partners in the other initialisations. */
static double likeness_of(const ub_evidence *e, int32_t latent)
{
    double sum = 0;
    for (int64_t r = 0; r < e->restarts; r++)
        if (r != e->kept)
            sum += e->likeness[r * e->latents + latent];
    return sum / (double)(e->restarts - 1); /* nan with one initialisation */
}

ub_status ub_export_latents_csv(const ub_model *m, const ub_evidence     *e,
                                char (*task_name)[UB_NAME_MAX], ub_bytes *out)
{
    ub_pen  p;
    int32_t n = m->shape.latents;
    ub_pen_begin(&p, out);
    ub_pen_put(&p, "task,latent,kept,strength,relative_strength");
    ub_pen_put(&p, e != NULL ? ",confidence,likeness,kl\n" : "\n");
    for (int32_t i = 0; i < m->shape.tasks; i++) {
        const double *strength = m->strength + (int64_t)i * n;
        double        top = 0;
        for (int32_t j = 0; j < n; j++)
            top = strength[j] > top ? strength[j] : top;
        for (int32_t j = 0; j < n; j++) {
            char buf[UB_NAME_MAX];
            put_field(&p, ub_task_label(task_name, i, buf));
            ub_pen_printf(&p, ",%d,%d", (int)j, m->relevant[(int64_t)i * n + j] != 0);
            put_numbers(&p, 2, (double[]){strength[j], top > 0 ? strength[j] / top : 0});
            if (e != NULL)
                put_numbers(
                    &p, 3,
                    (double[]){e->confidence[(int64_t)i * n + j], likeness_of(e, j), e->kl[j]});
            ub_pen_put(&p, "\n");
        }
    }
    return ub_pen_end(&p);
}

ub_status ub_export_scores_csv(char (*task_name)[UB_NAME_MAX], const ub_latent_score *score,
                               int32_t tasks, ub_bytes *out)
{
    ub_pen p;
    ub_pen_begin(&p, out);
    ub_pen_put(&p, "task,latents_needed,latents_kept,right_number,right_set,r2_relevant,"
                   "r2_irrelevant,r2_irrelevant_floor\n");
    for (int32_t i = 0; i < tasks; i++) {
        const ub_latent_score *s = score + i;
        char                   buf[UB_NAME_MAX];
        put_field(&p, ub_task_label(task_name, i, buf));
        ub_pen_printf(&p, ",%d,%d,%d,%d", (int)s->needed, (int)s->kept, s->right_number,
                      s->right_set);
        put_numbers(&p, 3, (double[]){s->r2_relevant, s->r2_irrelevant, s->r2_floor});
        ub_pen_put(&p, "\n");
    }
    return ub_pen_end(&p);
}

/* --- GraphML ----------------------------------------------------------------------------- */

static void put_keys(ub_pen *p)
{
    static const char *const keys[][3] = {
        {"node", "kind", "string"},    {"node", "name", "string"},
        {"node", "index", "int"},      {"node", "first_step", "int"},
        {"node", "last_step", "int"},  {"edge", "relation", "string"},
        {"edge", "task", "int"},       {"edge", "score", "double"},
        {"edge", "p_value", "double"}, {"edge", "confidence", "double"},
        {"edge", "llr", "double"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        ub_pen_printf(p, "  <key id=\"%s\" for=\"%s\" attr.name=\"%s\" attr.type=\"%s\"/>\n",
                      keys[i][1], keys[i][0], keys[i][1], keys[i][2]);
}

static void put_data(ub_pen *p, const char *key, double v)
{
    ub_pen_printf(p, "<data key=\"%s\">", key);
    ub_pen_number(p, v);
    ub_pen_put(p, "</data>");
}

static void put_nodes(ub_pen *p, const ub_task_graph *g)
{
    for (int64_t k = 0; k < g->segments; k++)
        ub_pen_printf(p,
                      "    <node id=\"s%lld\"><data key=\"kind\">segment</data>"
                      "<data key=\"name\">segment %lld</data><data key=\"index\">%lld</data>"
                      "<data key=\"first_step\">%lld</data><data key=\"last_step\">%lld</data>"
                      "</node>\n",
                      (long long)k, (long long)k, (long long)k, (long long)(k * g->length),
                      (long long)((k + 1) * g->length - 1));
    for (int32_t i = 0; i < g->tasks; i++) {
        char buf[UB_NAME_MAX];
        ub_pen_printf(p, "    <node id=\"t%d\"><data key=\"kind\">task</data><data key=\"name\">",
                      i);
        ub_pen_escape(p, ub_task_label(g->task_name, i, buf), 0);
        ub_pen_printf(p, "</data><data key=\"index\">%d</data></node>\n", i);
    }
}

/* Tested pairs whose two segments both belong to task i. */
static void put_pairs(ub_pen *p, const ub_task_graph *g, int32_t i)
{
    for (int32_t k = 0; k < g->segments; k++)
        for (int32_t v = k + 1; g->member[(int64_t)k * g->tasks + i] && v < g->segments; v++) {
            int64_t at = i * g->pairs + ub_pair_index(g->segments, k, v);
            if (!g->member[(int64_t)v * g->tasks + i] || g->pair_verdict[at] != UB_CI_OK)
                continue;
            ub_pen_printf(p,
                          "    <edge id=\"p%d_%d_%d\" source=\"s%d\" target=\"s%d\">"
                          "<data key=\"relation\">pair</data><data key=\"task\">%d</data>",
                          i, k, v, k, v, i);
            put_data(p, "p_value", g->pair_p[at]);
            put_data(p, "llr", g->pair_llr[at]);
            ub_pen_put(p, "</edge>\n");
        }
}

ub_status ub_export_graphml(const ub_task_graph *g, ub_bytes *out)
{
    ub_pen p;
    ub_pen_begin(&p, out);
    ub_pen_put(&p, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                   "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n");
    put_keys(&p);
    ub_pen_put(&p, "  <graph id=\"tasks\" edgedefault=\"undirected\">\n");
    put_nodes(&p, g);
    for (int64_t k = 0; k < g->segments; k++)
        for (int32_t i = 0; i < g->tasks; i++) {
            int64_t at = k * g->tasks + i;
            if (!g->member[at])
                continue;
            ub_pen_printf(&p,
                          "    <edge id=\"m%lld_%d\" source=\"s%lld\" target=\"t%d\">"
                          "<data key=\"relation\">member</data><data key=\"task\">%d</data>",
                          (long long)k, i, (long long)k, i, i);
            put_data(&p, "score", g->score[at]);
            put_data(&p, "p_value", g->p_value[at]);
            put_data(&p, "confidence", g->confidence[at]);
            ub_pen_put(&p, "</edge>\n");
        }
    for (int32_t i = 0; g->pair_llr != NULL && i < g->tasks; i++)
        put_pairs(&p, g, i);
    ub_pen_put(&p, "  </graph>\n</graphml>\n");
    return ub_pen_end(&p);
}

/* --- in words ---------------------------------------------------------------------------- */

enum { SUMMARY_TASKS = 12 };

static void put_task_lines(ub_pen *p, const ub_task_graph *g)
{
    ub_pen_put(p, "task                 segments  least sure    steps\n");
    for (int32_t i = 0; i < g->tasks && i < SUMMARY_TASKS; i++) {
        char         name[UB_NAME_MAX], least[40] = "-";
        ub_task_view v = ub_task_look(g, i);
        if (v.members > 0)
            (void)snprintf(least, sizeof least, "%.3g (%lld)", v.least, (long long)v.least_at);
        ub_pen_column(p, ub_task_label(g->task_name, i, name), 20);
        ub_pen_printf(p, " %8lld  %-12s  ", (long long)v.members, least);
        ub_pen_ranges(p, g->segments, g->member + i, g->tasks, g->length, "-", 10);
        ub_pen_put(p, "\n");
    }
    if (g->tasks > SUMMARY_TASKS)
        ub_pen_printf(p, "and %d more tasks in membership.csv\n", g->tasks - SUMMARY_TASKS);
}

static void put_model_lines(ub_pen *p, const ub_report *r)
{
    const ub_model    *m = r->model;
    const ub_evidence *e = r->evidence;
    int32_t            n = m->shape.latents;
    ub_pen_put(p, e != NULL ? "\ntask                 held-out R2  least sure  latents it needs\n"
                            : "\ntask                  latents it needs\n");
    for (int32_t i = 0; i < m->shape.tasks && i < SUMMARY_TASKS; i++) {
        char buf[UB_NAME_MAX];
        ub_pen_column(p, ub_task_label(ub_report_names(r), i, buf), 20);
        if (e != NULL) {
            char least[40];
            ub_least_sure(m, e, i, least, sizeof least);
            ub_pen_printf(p, " %11.3f  %-10s", e->task_r2[i], least);
        }
        ub_pen_put(p, "  ");
        ub_pen_ranges(p, n, m->relevant + (int64_t)i * n, 1, 1, "-", e != NULL ? 14 : 34);
        ub_pen_put(p, "\n");
    }
    if (m->shape.tasks > SUMMARY_TASKS)
        ub_pen_printf(p, "and %d more tasks in model.h5\n", m->shape.tasks - SUMMARY_TASKS);
    ub_words_warn(p, e, true);
}

ub_status ub_export_summary(const ub_report *r, ub_bytes *out)
{
    ub_pen p;
    ub_pen_begin(&p, out);
    if (r->title != NULL) {
        ub_pen_column(&p, r->title, 80);
        while (p.st == UB_OK && out->len > p.start && out->data[out->len - 1] == ' ')
            out->len--;
        ub_pen_put(&p, "\n\n");
    }
    ub_words(&p, r, "", "\n");
    if (r->graph != NULL) {
        ub_pen_put(&p, "\n");
        put_task_lines(&p, r->graph);
    }
    if (r->model != NULL)
        put_model_lines(&p, r);
    return ub_pen_end(&p);
}
