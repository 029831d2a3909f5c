/* The report as one page. */
#include <math.h>
#include <string.h>

#include "io/export.h"
#include "io/internal/pen.h"
#include "io/internal/words.h"

enum { TABLE_TASKS = 64, RANGES = 160 };

static const char head[] =
    "<meta charset='utf-8'/>\n"
    "<meta name='viewport' content='width=device-width, initial-scale=1'/>\n"
    "<meta name='color-scheme' content='light dark'/>\n"
    "<style>\n"
    "body{margin:0;background:#f3f5f7;color:#1f2328;font:15px/1.55 system-ui,-apple-system,"
    "'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}\n"
    "main{max-width:1140px;margin:0 auto;padding:28px 20px 60px}\n"
    "h1{font-size:26px;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:19px;margin:36px 0 8px}\n"
    "p{margin:8px 0;max-width:75ch}.note{color:#57606a}ul{margin:8px 0;padding-left:20px}\n"
    "figure,.card{margin:12px 0;background:#fff;border:1px solid #d9dde2;border-radius:8px;"
    "overflow:auto}\n"
    "figure svg{display:block;width:100%;height:auto;min-width:720px}.card{padding:4px 16px}\n"
    "table{border-collapse:collapse;width:100%;font-size:14px}\n"
    "th,td{text-align:left;vertical-align:top;padding:7px 14px 7px 0;"
    "border-bottom:1px solid #e3e6ea;overflow-wrap:anywhere}\n"
    "tr:last-child td{border-bottom:0}th{font-weight:600;white-space:nowrap}\n"
    ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    "td.name{min-width:9em;max-width:24em}\n"
    "pre{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;margin:12px 0;"
    "white-space:pre-wrap;overflow-wrap:anywhere}\n"
    "code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}\n"
    "@media screen and (prefers-color-scheme:dark){body{background:#0e1114;color:#e6e8eb}"
    "figure,.card{background:#16191d;border-color:#333a43}.note{color:#9aa4af}"
    "th,td{border-color:#2b3139}}\n"
    "@media print{body{background:#fff}main{max-width:none;padding:0}"
    "figure,tr{break-inside:avoid}h2{break-after:avoid}figure svg{min-width:0}}\n"
    "</style>\n";

static void put_text(ub_pen *p, const char *tag, const char *text)
{
    ub_pen_printf(p, "<%s>", tag);
    ub_pen_escape(p, text, 0);
    ub_pen_printf(p, "</%s>\n", tag);
}

static void put_tasks(ub_pen *p, const ub_task_graph *g)
{
    ub_pen_put(p, "<div class='card'><table><thead><tr><th>task</th><th>segments</th><th>steps</th>"
                  "<th class='n'>least confident</th><th class='n'>no answer</th></tr></thead>"
                  "<tbody>\n");
    for (int32_t i = 0; i < g->tasks && i < TABLE_TASKS; i++) {
        char         buf[UB_NAME_MAX];
        ub_task_view v = ub_task_look(g, i);
        ub_pen_put(p, "<tr><td class='name'>");
        ub_pen_escape(p, ub_task_label(g->task_name, i, buf), 0);
        ub_pen_put(p, "</td><td>");
        ub_pen_ranges(p, g->segments, g->member + i, g->tasks, 1, "\xe2\x80\x93", RANGES);
        ub_pen_put(p, "</td><td>");
        ub_pen_ranges(p, g->segments, g->member + i, g->tasks, g->length, "\xe2\x80\x93", RANGES);
        if (v.members > 0)
            ub_pen_printf(p, "</td><td class='n'>segment %lld: %.4g", (long long)v.least_at,
                          v.least);
        else
            ub_pen_put(p, "</td><td class='n'>\xe2\x80\x93");
        ub_pen_printf(p, "</td><td class='n'>%lld</td></tr>\n", (long long)v.undecided);
    }
    ub_pen_put(p, "</tbody></table></div>\n");
    if (g->tasks > TABLE_TASKS)
        ub_pen_printf(p, "<p class='note'>and %d more in <code>membership.csv</code></p>\n",
                      g->tasks - TABLE_TASKS);
}

static void put_structure(ub_pen *p, const ub_report *r)
{
    const ub_task_graph *g = r->graph;
    ub_pen_put(p, "<h2>Time line</h2>\n<p>One lane a task: a block says that these steps belong to "
                  "it, the fuller its colour the surer.");
    if (r->truth != NULL)
        ub_pen_put(p, " The grey strip below a lane is the truth; a hatched block is not in the "
                      "truth, a dashed empty one was missed.");
    ub_pen_put(p, "</p>\n<figure>\n");
    ub_pen_note(p, ub_draw_timeline(g, r->truth, p->out));
    ub_pen_put(p, "</figure>\n<h2>Tasks</h2>\n<p>Segments and steps count from 0, ranges include "
                  "both ends. Least confident: the segment to check first. No answer: tests that "
                  "could not be made, for example of adjacent steps.</p>\n");
    put_tasks(p, g);
    ub_pen_put(p, "<h2>Evidence of pairs</h2>\n");
    if (g->pair_llr == NULL || g->segments < 2) {
        ub_pen_put(p, "<p>This run tested no pairs of segments.</p>\n");
        return;
    }
    ub_pen_put(p, "<p>Two segments of one task depend on each other once the task is known. A cell "
                  "shows how strongly: the fuller the colour, the stronger the evidence that its "
                  "row and its column "
                  "belong to the task of that colour.");
    if (g->tasks > 1 && g->tasks <= 16)
        ub_pen_put(p, " The small squares show each task alone; the strip below marks the segments "
                      "that were decided to belong.");
    ub_pen_put(p, "</p>\n<figure>\n");
    ub_pen_note(p, ub_draw_pairs(g, p->out));
    ub_pen_put(p, "</figure>\n");
}

static void put_warnings(ub_pen *p, const ub_evidence *e)
{
    if (e == NULL || e->warnings.len == 0)
        return;
    ub_pen_put(p, "<p><b>Look out</b></p>\n<ul>\n");
    ub_words_warn(p, e, false);
    ub_pen_put(p, "</ul>\n");
}

/* Cells of one task: confidence, agreement, R^2 of its head, range of its singular values. */
static void put_evidence(ub_pen *p, const ub_model *m, const ub_evidence *e, int32_t i, int kept)
{
    const double *s = e->singular + (int64_t)i * e->latents;
    char          least[40];
    ub_least_sure(m, e, i, least, sizeof least);
    ub_pen_printf(p, "<td class='n'>%s</td>", least);
    for (int k = 0; k < 2; k++) {
        double x = k == 0 ? e->agreement[i] : e->task_r2[i];
        if (isfinite(x))
            ub_pen_printf(p, "<td class='n'>%.3f</td>", x);
        else
            ub_pen_put(p, "<td class='n'>\xe2\x80\x93</td>");
    }
    if (kept > 0)
        ub_pen_printf(p, "<td class='n'>%.3g to %.2g</td>", s[0], s[kept - 1]);
    else
        ub_pen_put(p, "<td class='n'>\xe2\x80\x93</td>");
}

static void put_latents(ub_pen *p, const ub_report *r)
{
    const ub_model    *m = r->model;
    const ub_evidence *e = r->evidence;
    ub_pen_put(p, "<h2>Latents</h2>\n<p>A row a task, a column a latent: how much the task changes "
                  "when the latent does, relative to its strongest one. Framed latents are kept "
                  "as the task's own.");
    if (e != NULL && e->restarts > 1)
        ub_pen_put(p, " Latents of the other initialisations are paired with these by the "
                      "correlation of what they say of held-out samples; a bar shows in how many "
                      "of them the task keeps the partner too.");
    ub_pen_put(p, "</p>\n");
    put_warnings(p, e);
    ub_pen_put(p, "<figure>\n");
    ub_pen_note(p, ub_draw_latents(m, e, ub_report_names(r), p->out));
    ub_pen_put(p, "</figure>\n<div class='card'><table><thead><tr><th>task</th>"
                  "<th>latents it needs</th><th class='n'>how many</th>");
    if (e != NULL)
        ub_pen_put(p, "<th class='n'>least sure</th><th class='n'>same group elsewhere</th>"
                      "<th class='n'>held-out R2</th><th class='n'>singular values</th>");
    ub_pen_put(p, "</tr></thead><tbody>\n");
    for (int32_t i = 0; i < m->shape.tasks && i < TABLE_TASKS; i++) {
        char           buf[UB_NAME_MAX];
        const uint8_t *kept = m->relevant + (int64_t)i * m->shape.latents;
        int            count = 0;
        for (int32_t j = 0; j < m->shape.latents; j++)
            count += kept[j] != 0;
        ub_pen_put(p, "<tr><td class='name'>");
        ub_pen_escape(p, ub_task_label(ub_report_names(r), i, buf), 0);
        ub_pen_put(p, "</td><td>");
        ub_pen_ranges(p, m->shape.latents, kept, 1, 1, "\xe2\x80\x93", RANGES);
        ub_pen_printf(p, "</td><td class='n'>%d</td>", count);
        if (e != NULL)
            put_evidence(p, m, e, i, count);
        ub_pen_put(p, "</tr>\n");
    }
    ub_pen_put(p, "</tbody></table></div>\n");
    if (m->shape.tasks > TABLE_TASKS)
        ub_pen_printf(p, "<p class='note'>and %d more in <code>model.h5</code></p>\n",
                      m->shape.tasks - TABLE_TASKS);
}

static void put_training(ub_pen *p, const ub_report *r)
{
    ub_pen_put(
        p, "<h2>Training</h2>\n<p>Left, the objective of every initialisation; right, what "
           "it is made of in the one that ended lowest. Curves should be flat at the end; "
           "restarts that end apart say that initialisation matters. Parts are shown before their "
           "weights. Below, the norm of the gradient, and how many latents each task "
           "depends on.</p>\n<figure>\n");
    ub_pen_note(p, ub_draw_training(r->log, ub_report_names(r), p->out));
    ub_pen_put(p, "</figure>\n");
}

/* What it cost; beside the plan, if there was one. */
static void put_cost(ub_pen *p, const ub_report_cost *c)
{
    ub_pen_put(p, "<h2>What it cost</h2>\n<p>");
    ub_pen_escape(p, c->note, 0);
    ub_pen_put(p, "</p>\n<div class='card'><table><thead><tr><th></th>");
    if (c->planned)
        ub_pen_put(p, "<th class='n'>planned</th>");
    ub_pen_put(p, "<th class='n'>actual</th>");
    if (c->planned)
        ub_pen_put(p, "<th class='n'>planned / actual</th>");
    ub_pen_put(p, "</tr></thead><tbody>\n");
    for (int i = 0; i < c->rows; i++) {
        const ub_report_cost_row *row = &c->row[i];
        ub_pen_printf(p, "<tr><td>%s</td>", row->what);
        if (c->planned)
            ub_pen_printf(p, "<td class='n'>%s</td>", row->planned);
        ub_pen_printf(p, "<td class='n'>%s</td>", row->actual);
        if (c->planned && isfinite(row->ratio))
            ub_pen_printf(p, "<td class='n'>%.2f</td>", row->ratio);
        else if (c->planned)
            ub_pen_put(p, "<td class='n'>\xe2\x80\x93</td>");
        ub_pen_put(p, "</tr>\n");
    }
    ub_pen_put(p, "</tbody></table></div>\n");
}

/* What lies beside the page; a row is left out where the run has nothing of the kind. */
static void put_files(ub_pen *p, const ub_report *r)
{
    const struct {
        const char *name, *what;
        int         here;
    } files[] = {
        {"structure.h5", "the result of stage 1: decisions, scores, every test", r->graph != NULL},
        {"membership.csv", "a line a segment and task: member or not, score, p-value, confidence",
         r->graph != NULL},
        {"steps.csv", "a line a step, a column a task: 1 where it belongs", r->graph != NULL},
        {"pairs.csv", "a line a tested pair of segments: statistic, p-value, evidence, verdict",
         r->graph != NULL && r->graph->pair_p != NULL},
        {"graph.graphml", "segments and tasks as a graph, for Gephi, networkx or igraph",
         r->graph != NULL},
        {"timeline.svg", "the time line above", r->graph != NULL},
        {"pairs.svg", "the evidence of pairs above", r->graph != NULL && r->graph->pair_p != NULL},
        {"model.h5", "the result of stage 2: weights, strengths, kept latents", r->model != NULL},
        {"latents.csv", "a line a task and latent: kept or not, strength, confidence",
         r->model != NULL},
        {"latents.svg", "the latents above", r->model != NULL},
        {"training.csv", "a line an epoch and restart", r->log != NULL && r->log->rows > 0},
        {"training.svg", "the training curves above", r->log != NULL && r->log->rows > 0},
    };
    ub_pen_put(p, "<h2>Files beside this page</h2>\n<div class='card'><table><tbody>\n");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (files[i].here)
            ub_pen_printf(p, "<tr><td><code>%s</code></td><td>%s</td></tr>\n", files[i].name,
                          files[i].what);
    ub_pen_put(p, "</tbody></table></div>\n");
}

static void put_pre(ub_pen *p, const char *title, const char *text)
{
    if (text == NULL || *text == 0)
        return;
    put_text(p, "h2", title);
    ub_pen_put(p, "<div class='card'><pre>");
    ub_pen_escape(p, text, 0);
    ub_pen_put(p, "</pre></div>\n");
}

ub_status ub_export_html(const ub_report *r, ub_bytes *out)
{
    ub_pen      p;
    const char *title = r->title != NULL && *r->title != 0 ? r->title : "unbraid report";
    ub_pen_begin(&p, out);
    ub_pen_put(&p, "<!DOCTYPE html>\n<html lang='en'>\n<head>\n");
    put_text(&p, "title", title);
    ub_pen_put(&p, head);
    ub_pen_put(&p, "</head>\n<body>\n<main>\n");
    put_text(&p, "h1", title);
    ub_pen_put(&p, "<p class='note'>Which time steps belong to which task, and which latents each "
                   "task needs.</p>\n<h2>What this run found</h2>\n<ul>\n");
    ub_words(&p, r, "<li>", "</li>\n");
    ub_pen_put(&p, "</ul>\n");
    if (r->graph != NULL)
        put_structure(&p, r);
    if (r->model != NULL)
        put_latents(&p, r);
    if (r->log != NULL && r->log->rows > 0)
        put_training(&p, r);
    if (r->cost != NULL)
        put_cost(&p, r->cost);
    if (r->graph != NULL || r->model != NULL)
        put_files(&p, r);
    put_pre(&p, "Settings", r->config);
    put_pre(&p, "Where it comes from", r->provenance);
    ub_pen_put(&p, "</main>\n</body>\n</html>\n");
    return ub_pen_end(&p);
}
