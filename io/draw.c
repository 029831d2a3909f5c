/* Drawings of stage 1: the time line and the pair matrices. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/ci_test.h"
#include "core/mem.h"
#include "io/export.h"
#include "io/internal/svg.h"
#include "io/internal/words.h"

enum { LANES = 64, COLUMNS = 600, PANEL_MAX = 16 };

/* --- time line --------------------------------------------------------------------------- */

/* What one column (one segment, or several when there are many) of one lane shows. */
typedef struct column {
    uint8_t level; /* 0 = no member, else shade by confidence (and by share of members) */
    uint8_t truth; /* the same for the truth */
    uint8_t extra; /* 1 = holds a segment wrongly taken for a member */
    uint8_t miss;  /* 1 = holds a member that was missed */
} column;

typedef struct lanes {
    const ub_task_graph *g;
    const uint8_t       *truth;
    int64_t              columns;
    double               x, y, width, pitch, block, strip;
    int64_t              extra, missed; /* wrong cells, of all tasks */
} lanes;

static int level_of(double v)
{
    return v <= 0 ? 0 : v < .35 ? 1 : v < .575 ? 2 : v < .85 ? 3 : 4;
}

/* Confidence of a member as opacity; the thresholds are in the legend. */
static double opacity_of(double confidence)
{
    return ub_svg_opacity[confidence >= .99 ? 4 : confidence >= .9 ? 3 : confidence >= .7 ? 2 : 1];
}

static void fill_lane(const lanes *d, int32_t task, column *c)
{
    const ub_task_graph *g = d->g;
    for (int64_t b = 0; b < d->columns; b++) {
        int64_t first = b * g->segments / d->columns, end = (b + 1) * g->segments / d->columns;
        double  shade = 0, share = 0;
        c[b] = (column){0};
        for (int64_t k = first; k < end; k++) {
            bool member = g->member[k * g->tasks + task] != 0;
            bool real = d->truth != NULL && ub_truth_member(g, d->truth, k, task);
            if (member)
                shade += opacity_of(g->confidence[k * g->tasks + task]);
            share += real;
            if (d->truth != NULL && member != real)
                *(member ? &c[b].extra : &c[b].miss) = 1;
        }
        c[b].level = (uint8_t)level_of(shade / (double)(end - first));
        c[b].truth = (uint8_t)level_of(share / (double)(end - first));
    }
}

static void count_wrong(lanes *d)
{
    for (int64_t k = 0; d->truth != NULL && k < d->g->segments; k++)
        for (int32_t i = 0; i < d->g->tasks; i++) {
            bool real = ub_truth_member(d->g, d->truth, k, i);
            bool member = d->g->member[k * d->g->tasks + i] != 0;
            d->extra += member && !real;
            d->missed += !member && real;
        }
}

/* Draw the runs of equal value of one byte of the columns. */
static void draw_runs(ub_pen *p, const lanes *d, const column *c, size_t field, int32_t task,
                      double y, double h, const char *class)
{
    double unit = d->width / (double)d->columns;
    for (int64_t b = 0, end; b < d->columns; b = end) {
        uint8_t v = ((const uint8_t *)(c + b))[field];
        for (end = b + 1; end < d->columns && ((const uint8_t *)(c + end))[field] == v;)
            end++;
        if (v == 0)
            continue;
        double x = d->x + unit * (double)b, w = unit * (double)(end - b);
        if (class == NULL)
            ub_svg_block(p, task, v, x, y, w, h);
        else if (field == offsetof(column, truth))
            ub_pen_printf(p,
                          "<rect class='%s' fill-opacity='%g' x='%g' y='%g' width='%g' "
                          "height='%g'/>\n",
                          class, ub_svg_opacity[v], x, y, w, h);
        else
            ub_svg_rect(p, class, x + .8, y + .8, fmax(w - 1.6, .8), h - 1.6);
    }
}

/* Thin gaps between segments that are wide enough to be told apart. */
static void draw_gaps(ub_pen *p, const lanes *d, double y)
{
    double unit = d->width / (double)d->columns;
    if (unit < 8 || d->columns < 2)
        return;
    ub_pen_put(p, "<path class='gap' d='");
    for (int64_t b = 1; b < d->columns; b++)
        ub_pen_printf(p, "M%g %gv%g", d->x + unit * (double)b, y, d->block);
    ub_pen_put(p, "'/>\n");
}

static void draw_lane(ub_pen *p, const lanes *d, int32_t task, column *c)
{
    double      y = d->y + d->pitch * task;
    char        buf[UB_NAME_MAX];
    const char *name = ub_task_label(d->g->task_name, task, buf);
    fill_lane(d, task, c);
    ub_svg_name(p, "e", d->x - 10, y + d->block / 2 + 4, name, 22);
    ub_svg_rect(p, "lane", d->x, y, d->width, d->block);
    draw_runs(p, d, c, offsetof(column, level), task, y, d->block, NULL);
    if (d->truth != NULL)
        draw_runs(p, d, c, offsetof(column, truth), task, y + d->block + 1, d->strip, "truth");
    draw_gaps(p, d, y);
    draw_runs(p, d, c, offsetof(column, extra), task, y, d->block, "extra");
    draw_runs(p, d, c, offsetof(column, miss), task, y, d->block, "miss");
}

static void draw_steps_axis(ub_pen *p, const lanes *d, double top, double bottom)
{
    double steps = (double)d->g->segments * d->g->length;
    double tick = ub_svg_tick(steps, 20, 1);
    for (int k = 0; k * tick < steps; k++) {
        double t = k * tick, x = d->x + d->width * t / steps;
        ub_svg_line(p, "grid", x, top, x, bottom + 4);
        ub_svg_text(p, "c m", x + d->width / steps / 2, bottom + 16, "%.0f", t);
    }
    ub_svg_line(p, "axis", d->x, bottom, d->x + d->width, bottom);
    ub_svg_text(p, "e m", d->x - 10, bottom + 16, "step");
}

static void draw_timeline_legend(ub_pen *p, const lanes *d, double y)
{
    static const char *const words[] = {"below .7", ".7 to .9", ".9 to .99", ".99 or more"};
    double                   x = d->x;
    ub_svg_text(p, "m", x, y + 10, "member, confidence");
    x += 150;
    for (int level = 1; level <= UB_SVG_LEVELS; level++, x += 88) {
        ub_svg_block(p, 0, level, x, y, 18, 12);
        ub_svg_text(p, "m", x + 23, y + 10, "%s", words[level - 1]);
    }
    if (d->truth == NULL)
        return;
    x += 24;
    ub_pen_printf(p, "<rect class='truth' x='%g' y='%g' width='18' height='5'/>\n", x, y + 4);
    ub_svg_text(p, "m", x + 23, y + 10, "truth");
    ub_svg_rect(p, "extra", x + 70, y, 18, 12);
    ub_svg_text(p, "m", x + 93, y + 10, "not in the truth (%lld)", (long long)d->extra);
    ub_svg_rect(p, "miss", x + 220, y, 18, 12);
    ub_svg_text(p, "m", x + 243, y + 10, "missed (%lld)", (long long)d->missed);
}

ub_status ub_draw_timeline(const ub_task_graph *g, const uint8_t *truth, ub_bytes *svg)
{
    ub_pen  p;
    int32_t shown = g->tasks < LANES ? g->tasks : LANES;
    int64_t per = (g->segments + COLUMNS - 1) / COLUMNS;
    lanes   d = {.g = g, .truth = truth, .x = 180, .y = 66, .width = UB_SVG_WIDTH - 180 - 24};
    column *c = NULL;
    d.columns = (g->segments + per - 1) / per;
    d.pitch = fmin(44, fmax(16, floor(520. / shown)));
    d.strip = truth != NULL ? fmax(3, floor(d.pitch / 7)) : 0;
    d.block = d.pitch - fmax(3, floor(d.pitch / 6)) - (truth != NULL ? d.strip + 1 : 0);
    double bottom = d.y + d.pitch * shown, extra = g->tasks > shown ? 20 : 0;
    UB_TRY(UB_ALLOC(c, d.columns));
    count_wrong(&d);
    ub_pen_begin(&p, svg);
    ub_svg_begin(
        &p, bottom + 62 + extra, "Which steps belong to which task",
        "%d segment%s of %d step%s, %d task%s; time runs to the right, steps count from 0%s",
        g->segments, g->segments == 1 ? "" : "s", g->length, g->length == 1 ? "" : "s", g->tasks,
        g->tasks == 1 ? "" : "s",
        per > 1 ? "; a column joins several segments, its shade their share" : "");
    draw_steps_axis(&p, &d, d.y, bottom);
    for (int32_t i = 0; i < shown; i++)
        draw_lane(&p, &d, i, c);
    if (g->tasks > shown)
        ub_svg_text(&p, "m", d.x, bottom + 34, "and %d more tasks", g->tasks - shown);
    draw_timeline_legend(&p, &d, bottom + 34 + extra);
    ub_svg_end(&p);
    ub_free(c);
    return ub_pen_end(&p);
}

/* --- pair matrices ----------------------------------------------------------------------- */

enum { UNTESTED = UB_SVG_LEVELS + 1 };

/* A square picture of the pairs: n x n cells, each with a shade and the task it is of. */
typedef struct matrix {
    int32_t  n;
    uint8_t *level; /* n x n; 0 nothing, 1.. by evidence, UNTESTED */
    int32_t *task;  /* n x n */
    double  *llr;   /* n x n: largest so far */
} matrix;

static int evidence_level(double llr)
{
    return llr <= 0 ? 0 : llr < 1 ? 1 : llr < 3 ? 2 : llr < 10 ? 3 : 4;
}

/* Largest evidence over the pairs of a cell and over tasks first .. end - 1. */
static void fill_matrix(const ub_task_graph *g, int32_t first, int32_t end, matrix *m)
{
    size_t cells = (size_t)m->n * (size_t)m->n;
    memset(m->level, UNTESTED, cells);
    for (size_t i = 0; i < cells; i++) {
        m->llr[i] = 0;
        m->task[i] = first;
    }
    for (int32_t i = first; i < end; i++)
        for (int32_t k = 0; k < g->segments; k++)
            for (int32_t v = k + 1; v < g->segments; v++) {
                int64_t pair = i * g->pairs + ub_pair_index(g->segments, k, v);
                if (g->pair_verdict[pair] != UB_CI_OK)
                    continue;
                int64_t row = (int64_t)k * m->n / g->segments;
                int64_t at = row * m->n + (int64_t)v * m->n / g->segments;
                if (m->level[at] == UNTESTED)
                    m->level[at] = 0;
                if (g->pair_llr[pair] > m->llr[at]) {
                    m->llr[at] = g->pair_llr[pair];
                    m->task[at] = i;
                    m->level[at] = (uint8_t)evidence_level(m->llr[at]);
                }
            }
    for (int32_t r = 0; r < m->n; r++)
        for (int32_t c = 0; c < r; c++) {
            m->level[r * m->n + c] = m->level[c * m->n + r];
            m->task[r * m->n + c] = m->task[c * m->n + r];
        }
    for (int32_t r = 0; r < m->n && m->n == g->segments; r++)
        m->level[r * m->n + r] = 0; /* a segment with itself is no pair */
}

/* One path of all cells of a task with a shade, rows merged into runs; nothing if there are none.
 */
static void draw_cells(ub_pen *p, const matrix *m, int32_t task, int level)
{
    bool any = false;
    for (int32_t r = 0; r < m->n; r++)
        for (int32_t c = 0, end; c < m->n; c = end) {
            for (end = c; end < m->n && m->level[r * m->n + end] == level &&
                          (level == UNTESTED || m->task[r * m->n + end] == task);)
                end++;
            if (end == c) {
                end++;
                continue;
            }
            if (!any && level == UNTESTED) {
                ub_pen_put(p, "<path class='none' d='");
            } else if (!any) {
                char hex[8];
                ub_svg_color(task, hex);
                ub_pen_printf(p, "<path fill='%s' fill-opacity='%g' d='", hex,
                              ub_svg_opacity[level]);
            }
            any = true;
            ub_pen_printf(p, "M%d %dh%dv1h-%dz", c, r, end - c, end - c);
        }
    if (any)
        ub_pen_put(p, "'/>\n");
}

static void draw_matrix(ub_pen *p, const matrix *m, int32_t first, int32_t end, double x, double y,
                        double size)
{
    double scale = size / m->n;
    ub_svg_rect(p, "lane", x, y, size, size);
    ub_pen_printf(p, "<g transform='translate(%g %g) scale(%.9g)' shape-rendering='crispEdges'>\n",
                  x, y, scale);
    draw_cells(p, m, first, UNTESTED);
    for (int32_t i = first; i < end; i++)
        for (int level = 1; level <= UB_SVG_LEVELS; level++)
            draw_cells(p, m, i, level);
    ub_pen_put(p, "</g>\n");
}

/* Ticks along the top and the left edge of a matrix. */
static void draw_segment_axes(ub_pen *p, int32_t segments, double x, double y, double size)
{
    double unit = size / segments, tick = ub_svg_tick(segments, size > 300 ? 12 : 5, 1);
    for (int i = 0; i * tick < segments; i++) {
        double k = i * tick, at = unit * (k + .5);
        ub_svg_text(p, "c m", x + at, y - 5, "%.0f", k);
        ub_svg_text(p, "e m", x - 5, y + at + 4, "%.0f", k);
    }
}

/* Where segments were decided to belong to the task: a strip under its matrix. */
static void draw_members(ub_pen *p, const ub_task_graph *g, int32_t task, double x, double y,
                         double size)
{
    double unit = size / g->segments;
    ub_svg_rect(p, "lane", x, y, size, 5);
    for (int32_t k = 0, end; k < g->segments; k = end) {
        bool member = g->member[(int64_t)k * g->tasks + task] != 0;
        for (end = k + 1;
             end < g->segments && (g->member[(int64_t)end * g->tasks + task] != 0) == member;)
            end++;
        if (member)
            ub_svg_block(p, task, UB_SVG_LEVELS, x + unit * k, y, unit * (end - k), 5);
    }
}

static void draw_pairs_legend(ub_pen *p, const ub_task_graph *g, double x, double y, double largest)
{
    static const char *const words[] = {"0 to 1", "1 to 3", "3 to 10", "10 and more"};
    ub_svg_text(p, "h", x, y, "Evidence (log-likelihood ratio)");
    for (int level = 1; level <= UB_SVG_LEVELS; level++) {
        ub_svg_block(p, 0, level, x, y + 20 * level - 8, 22, 14);
        ub_svg_text(p, NULL, x + 30, y + 20 * level + 3, "%s", words[level - 1]);
    }
    ub_svg_rect(p, "lane", x, y + 92, 22, 14);
    ub_svg_text(p, NULL, x + 30, y + 103, "none");
    ub_svg_rect(p, "none", x, y + 112, 22, 14);
    ub_svg_text(p, NULL, x + 30, y + 123, "not tested, or no answer");
    ub_svg_text(p, "m", x, y + 146, "largest: %.3g; 3: the data are 20 times likelier if dependent",
                largest);
    ub_svg_text(p, "h", x, y + 180, "Task with the largest evidence");
    for (int32_t i = 0; i < g->tasks && i < 24; i++) {
        char    buf[UB_NAME_MAX];
        int32_t across = i / 12, down = i % 12;
        double  cx = x + 230 * across, cy = y + 200 + 19 * down;
        ub_svg_block(p, i, UB_SVG_LEVELS, cx, cy - 11, 22, 14);
        ub_svg_name(p, NULL, cx + 30, cy, ub_task_label(g->task_name, i, buf), 26);
    }
    if (g->tasks > 24)
        ub_svg_text(p, "m", x, y + 200 + 19 * 12, "and %d more tasks", g->tasks - 24);
}

/* One small matrix per task, four in a row. */
static void draw_small(ub_pen *p, const ub_task_graph *g, matrix *m, double top)
{
    double size = 222, step_x = 265, step_y = 290;
    m->n = g->segments < 100 ? g->segments : 100;
    for (int32_t i = 0; i < g->tasks; i++) {
        int32_t across = i % 4, down = i / 4;
        double  x = 44 + step_x * across, y = top + step_y * down + 36;
        char    buf[UB_NAME_MAX];
        fill_matrix(g, i, i + 1, m);
        ub_svg_name(p, "h", x, y - 22, ub_task_label(g->task_name, i, buf), 30);
        draw_segment_axes(p, g->segments, x, y, size);
        draw_matrix(p, m, i, i + 1, x, y, size);
        draw_members(p, g, i, x, y + size + 4, size);
    }
}

static ub_status draw_no_pairs(const ub_task_graph *g, ub_bytes *svg)
{
    ub_pen p;
    ub_pen_begin(&p, svg);
    ub_svg_begin(&p, 70, "Evidence of pairs of segments", "%s",
                 g->segments < 2 ? "there is one segment, hence no pair"
                                 : "no pairs were tested in this run");
    ub_svg_end(&p);
    return ub_pen_end(&p);
}

ub_status ub_draw_pairs(const ub_task_graph *g, ub_bytes *svg)
{
    if (g->pair_llr == NULL || g->pair_verdict == NULL || g->segments < 2)
        return draw_no_pairs(g, svg);
    ub_pen    p;
    ub_status st = UB_OK;
    bool      small = g->tasks > 1 && g->tasks <= PANEL_MAX;
    double    size = 480, top = 100, largest = 0;
    matrix    m = {.n = g->segments < 200 ? g->segments : 200};
    size_t    cells = (size_t)m.n * (size_t)m.n;
    UB_TRY_OUT(UB_ALLOC(m.level, cells));
    UB_TRY_OUT(UB_ALLOC(m.task, cells));
    UB_TRY_OUT(UB_ALLOC(m.llr, cells));
    fill_matrix(g, 0, g->tasks, &m);
    for (size_t i = 0; i < cells; i++)
        largest = fmax(largest, m.llr[i]);
    ub_pen_begin(&p, svg);
    ub_svg_begin(&p, top + size + (small ? 40 + 290 * ((g->tasks + 3) / 4) : 30),
                 "Evidence of pairs of segments",
                 "segment against segment, counted from 0; the fuller the colour, the surer that "
                 "both belong to "
                 "that task%s",
                 m.n < g->segments ? "; cells join several segments (largest shown)" : "");
    draw_segment_axes(&p, g->segments, 60, top, size);
    draw_matrix(&p, &m, 0, g->tasks, 60, top, size);
    draw_pairs_legend(&p, g, 60 + size + 50, top + 12, largest);
    if (small)
        draw_small(&p, g, &m, top + size + 20);
    ub_svg_end(&p);
    st = ub_pen_end(&p);
out:
    ub_free(m.llr);
    ub_free(m.task);
    ub_free(m.level);
    return st;
}
