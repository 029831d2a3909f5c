/* Drawings of stage 2: training curves and the matrix of tasks and latents. */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "io/export.h"
#include "io/internal/svg.h"

/* --- training curves --------------------------------------------------------------------- */

enum { CURVE_POINTS = 500, CURVES = 64, NAMED = 8, PARTS = 5 };

static const struct {
    const char *name;
    size_t      at;
} parts[PARTS] = {{"objective", offsetof(ub_trainer_row, objective)},
                  {"reconstruction", offsetof(ub_trainer_row, reconstruction)},
                  {"task", offsetof(ub_trainer_row, task)},
                  {"KL", offsetof(ub_trainer_row, kl)},
                  {"penalty", offsetof(ub_trainer_row, penalty)}};

static double value_of(const ub_trainer_row *row, int part)
{
    return *(const double *)(const void *)((const char *)row + parts[part].at);
}

/* One set of axes; the range holds every finite value that was shown to `stretch`. */
typedef struct plot {
    double x, y, w, h;
    double low, high, last_epoch;
    bool   logarithmic;
} plot;

static void stretch(plot *a, const ub_trainer_row *log, int64_t first, int64_t end, int part)
{
    for (int64_t i = first; i < end; i++) {
        double v = value_of(log + i, part);
        if (!isfinite(v))
            continue;
        a->low = fmin(a->low, v);
        a->high = fmax(a->high, v);
        a->last_epoch = fmax(a->last_epoch, (double)log[i].epoch);
    }
}

/* Settle the scale: logarithmic where positive values span more than two decades. */
static void settle(plot *a)
{
    if (!(a->low <= a->high)) {
        a->low = 0;
        a->high = 1;
    }
    a->logarithmic = a->low > 0 && a->high > 100 * a->low;
    if (a->logarithmic) {
        a->low = log10(a->low);
        a->high = log10(a->high);
    }
    double room = a->high > a->low ? .04 * (a->high - a->low) : fmax(.5, fabs(a->low) * .1);
    a->low -= room;
    a->high += room;
}

static double at_y(const plot *a, double v)
{
    v = a->logarithmic ? log10(v) : v;
    return a->y + a->h * (a->high - v) / (a->high - a->low);
}

static double at_x(const plot *a, double epoch)
{
    return a->x + a->w * epoch / fmax(1, a->last_epoch);
}

static void draw_axes(ub_pen *p, const plot *a, const char *title)
{
    double tick = ub_svg_tick(a->high - a->low, 7, a->logarithmic ? 1 : 0);
    ub_svg_text(p, "h", a->x, a->y - 14, "%s%s", title, a->logarithmic ? " (log scale)" : "");
    ub_svg_rect(p, "lane", a->x, a->y, a->w, a->h);
    for (double n = ceil(a->low / tick); n * tick <= a->high; n++) {
        double v = n * tick, y = a->y + a->h * (a->high - v) / (a->high - a->low);
        ub_svg_line(p, "grid", a->x, y, a->x + a->w, y);
        ub_svg_text(p, "e m", a->x - 7, y + 4, "%g", a->logarithmic ? pow(10, v) : v);
    }
    tick = ub_svg_tick(fmax(1, a->last_epoch), 8, 1);
    for (int k = 0; k * tick <= a->last_epoch; k++)
        ub_svg_text(p, "c m", at_x(a, k * tick), a->y + a->h + 17, "%g", k * tick);
    ub_svg_line(p, "axis", a->x, a->y + a->h, a->x + a->w, a->y + a->h);
    ub_svg_text(p, "c m", a->x + a->w / 2, a->y + a->h + 34, "epoch");
}

/* A line through rows first .. end - 1, thinned to some hundred points, the last one kept. */
static void draw_curve(ub_pen *p, const plot *a, const ub_trainer_row *log, int64_t first,
                       int64_t end, int part, int32_t color, const char *look)
{
    int64_t step = (end - first + CURVE_POINTS - 1) / CURVE_POINTS;
    bool    pen_down = false;
    char    hex[8];
    double  x = 0, y = 0;
    ub_svg_color(color, hex);
    ub_pen_printf(p, "<path class='curve' stroke='%s' %s d='", hex, look);
    for (int64_t i = first; i < end; i = i + step < end || i == end - 1 ? i + step : end - 1) {
        double v = value_of(log + i, part);
        if (!isfinite(v) || (a->logarithmic && v <= 0)) {
            pen_down = false;
            continue;
        }
        x = at_x(a, (double)log[i].epoch);
        y = at_y(a, v);
        ub_pen_printf(p, "%s%.2f %.2f", pen_down ? "L" : "M", x, y);
        pen_down = true;
    }
    ub_pen_put(p, "'/>\n");
    if (pen_down) /* so that a single epoch shows too */
        ub_pen_printf(p, "<circle fill='%s' cx='%.2f' cy='%.2f' r='3'/>\n", hex, x, y);
}

static void draw_key(ub_pen *p, int32_t color, const char *look, double x, double y)
{
    char hex[8];
    ub_svg_color(color, hex);
    ub_pen_printf(p, "<path class='curve' stroke='%s' %s d='M%g %gh24'/>\n", hex, look, x, y - 4);
}

/* Rows of the restart that starts at `first`. */
static int64_t restart_end(const ub_trainer_row *log, int64_t rows, int64_t first)
{
    int64_t end = first + 1;
    while (end < rows && log[end].restart == log[first].restart)
        end++;
    return end;
}

/* First row of the restart whose last objective is lowest; *count is the number of restarts. */
static int64_t best_restart(const ub_trainer_row *log, int64_t rows, int64_t *count)
{
    int64_t best = 0;
    double  low = INFINITY;
    *count = 0;
    for (int64_t i = 0, end; i < rows; i = end, ++*count) {
        end = restart_end(log, rows, i);
        double v = log[end - 1].objective;
        if (isfinite(v) && v < low) {
            low = v;
            best = i;
        }
    }
    return best;
}

static void draw_restarts(ub_pen *p, const ub_trainer_row *log, int64_t rows, int64_t best)
{
    plot    a = {.x = 76, .y = 96, .w = 410, .h = 270, .low = INFINITY, .high = -INFINITY};
    int64_t n = 0;
    double  y = a.y + a.h + 60;
    stretch(&a, log, 0, rows, 0);
    settle(&a);
    draw_axes(p, &a, "Objective, every restart");
    for (int64_t i = 0, end; i < rows; i = end, n++) {
        bool        marked = i == best;
        const char *look =
            marked ? "stroke-width='3'" : "stroke-width='1.6' stroke-dasharray='5 3'";
        end = restart_end(log, rows, i);
        if (n < CURVES || marked)
            draw_curve(p, &a, log, i, end, 0, (int32_t)(n % 4096), look);
        if (n >= NAMED && !marked)
            continue;
        double row = n < NAMED ? (double)n : NAMED;
        double x = a.x + 205 * fmod(row, 2), ky = y + 18 * floor(row / 2);
        draw_key(p, (int32_t)(n % 4096), look, x, ky);
        ub_svg_text(p, NULL, x + 32, ky, "restart %lld: %.5g%s", (long long)log[i].restart,
                    log[end - 1].objective, marked ? " (lowest)" : "");
    }
    if (n > NAMED)
        ub_svg_text(p, "m", a.x + 205, y + 18 * (NAMED / 2.), "%lld restarts in all", (long long)n);
}

static void draw_parts(ub_pen *p, const ub_trainer_row *log, int64_t first, int64_t end)
{
    plot a = {.x = 610, .y = 96, .w = 450, .h = 270, .low = INFINITY, .high = -INFINITY};
    char title[64];
    for (int i = 0; i < PARTS; i++)
        stretch(&a, log, first, end, i);
    settle(&a);
    (void)snprintf(title, sizeof title, "Parts of restart %lld", (long long)log[first].restart);
    draw_axes(p, &a, title);
    for (int i = 0; i < PARTS; i++) {
        const char *look = i == 0 ? "stroke-width='3'" : "stroke-width='2'";
        double      x = a.x + 225 * (i % 2), y = a.y + a.h + 60 + 18 * floor(i / 2.);
        draw_curve(p, &a, log, first, end, i, i == 0 ? 6 : i - 1, look);
        draw_key(p, i == 0 ? 6 : i - 1, look, x, y);
        ub_svg_text(p, NULL, x + 32, y, "%s: %.5g", parts[i].name, value_of(log + end - 1, i));
    }
}

ub_status ub_draw_training(const ub_trainer_row *log, int64_t rows, ub_bytes *svg)
{
    ub_pen  p;
    int64_t restarts = 0, best = best_restart(log, rows, &restarts);
    double  lines = fmax(3, ceil(fmin((double)restarts, NAMED + 1.) / 2));
    ub_pen_begin(&p, svg);
    if (rows < 1) {
        ub_svg_begin(&p, 70, "Training", "no epoch is finished yet");
    } else {
        ub_svg_begin(&p, 430 + 18 * lines, "Training",
                     "averages over each epoch on the training samples; numbers below are those of "
                     "the last epoch");
        draw_restarts(&p, log, rows, best);
        draw_parts(&p, log, best, restart_end(log, rows, best));
    }
    ub_svg_end(&p);
    return ub_pen_end(&p);
}

/* --- tasks x latents --------------------------------------------------------------------- */

enum { MATRIX_TASKS = 64, MATRIX_LATENTS = 128 };

/* Largest strength of a row, at least a tiny number so that a row of zeros divides. */
static double row_top(const ub_model *m, int32_t task)
{
    double top = 1e-300;
    for (int32_t j = 0; j < m->shape.latents; j++)
        top = fmax(top, m->strength[(int64_t)task * m->shape.latents + j]);
    return top;
}

static void draw_latent_row(ub_pen *p, const ub_model *m, int32_t task, int32_t shown, double x,
                            double y, double cell, double high)
{
    char   hex[8];
    double top = row_top(m, task), inset = cell > 8 ? 1 : 0;
    ub_svg_color(0, hex);
    for (int32_t j = 0; j < shown; j++) {
        int64_t at = (int64_t)task * m->shape.latents + j;
        double  v = m->strength[at] / top, cx = x + cell * j;
        v = v > 0 ? fmin(1, v) : 0; /* NaN shows as nothing */
        ub_svg_rect(p, "lane", cx + inset, y + inset, cell - 2 * inset, high - 2 * inset);
        if (v > 0)
            ub_pen_printf(p,
                          "<rect fill='%s' fill-opacity='%.3f' x='%g' y='%g' width='%g' "
                          "height='%g'/>\n",
                          hex, v, cx + inset, y + inset, cell - 2 * inset, high - 2 * inset);
        if (m->relevant[at])
            ub_svg_rect(p, "keep", cx + 1.5, y + 1.5, cell - 3, high - 3);
        if (cell >= 34)
            ub_svg_text(p, v > .8 ? "c v" : "c", cx + cell / 2, y + high / 2 + 4, "%.2f", v);
    }
}

ub_status ub_draw_latents(const ub_model *m, char (*task_name)[UB_NAME_MAX], ub_bytes *svg)
{
    ub_pen  p;
    int32_t rows = m->shape.tasks < MATRIX_TASKS ? m->shape.tasks : MATRIX_TASKS;
    int32_t cols = m->shape.latents < MATRIX_LATENTS ? m->shape.latents : MATRIX_LATENTS;
    bool    cut = rows < m->shape.tasks || cols < m->shape.latents;
    double  x = 180, y = 100, cell = fmin(64, floor(890. / cols)), high = rows > 24 ? 20 : 32;
    double  bottom = y + high * rows;
    ub_pen_begin(&p, svg);
    ub_svg_begin(&p, bottom + (cut ? 64 : 44), "Which latents each task needs",
                 "mean |dg/dz| of the task's head, relative to the task's largest; framed: kept");
    ub_svg_text(&p, "e m", x - 10, y - 8, "latent");
    double tick = cell >= 20 ? 1 : ub_svg_tick(cols, 24, 1);
    for (int k = 0; k * tick < cols; k++)
        ub_svg_text(&p, "c m", x + cell * (k * tick + .5), y - 8, "%.0f", k * tick);
    for (int32_t i = 0; i < rows; i++) {
        char buf[UB_NAME_MAX];
        ub_svg_name(&p, "e", x - 10, y + high * i + high / 2 + 4, ub_task_label(task_name, i, buf),
                    22);
        draw_latent_row(&p, m, i, cols, x, y + high * i, cell, high);
    }
    ub_svg_text(
        &p, "m", x, bottom + 22,
        "0 (empty): the task does not depend on the latent; 1 (full): the one it depends on most");
    if (cut)
        ub_svg_text(&p, "m", x, bottom + 42, "shown: %d of %d tasks, %d of %d latents", rows,
                    m->shape.tasks, cols, m->shape.latents);
    ub_svg_end(&p);
    return ub_pen_end(&p);
}
