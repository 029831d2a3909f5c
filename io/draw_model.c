/* Training curves. */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "io/export.h"
#include "io/internal/svg.h"

/* --- training curves --------------------------------------------------------------------- */

/* What a curve shows: a number of a row, or (SUPPORT + i) the support of task i. */
enum { CURVE_POINTS = 500, CURVES = 64, NAMED = 8, PARTS = 5, GRADIENT = PARTS, SUPPORT };

static const struct {
    const char *name;
    size_t      at;
} parts[SUPPORT] = {{"objective", offsetof(ub_trainer_row, objective)},
                    {"reconstruction", offsetof(ub_trainer_row, reconstruction)},
                    {"task", offsetof(ub_trainer_row, task)},
                    {"KL", offsetof(ub_trainer_row, kl)},
                    {"penalty", offsetof(ub_trainer_row, penalty)},
                    {"gradient norm", offsetof(ub_trainer_row, gradient_norm)}};

static double value_of(const ub_trainer_history *log, int64_t row, int part)
{
    if (part >= SUPPORT)
        return log->support[row * log->tasks + part - SUPPORT];
    return *(const double *)(const void *)((const char *)(log->row + row) + parts[part].at);
}

/* One set of axes; the range holds every finite value that was shown to `stretch`. */
typedef struct plot {
    double x, y, w, h;
    double low, high, last_epoch;
    bool   logarithmic;
} plot;

static void stretch(plot *a, const ub_trainer_history *log, int64_t first, int64_t end, int part)
{
    for (int64_t i = first; i < end; i++) {
        double v = value_of(log, i, part);
        if (!isfinite(v))
            continue;
        a->low = fmin(a->low, v);
        a->high = fmax(a->high, v);
        a->last_epoch = fmax(a->last_epoch, (double)log->row[i].epoch);
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
    double room =
        ub_svg_is_range(a->low, a->high) ? .04 * (a->high - a->low) : fmax(.5, fabs(a->low) * .1);
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
        double v = n * tick + 0. /* not -0 */, y = a->y + a->h * (a->high - v) / (a->high - a->low);
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
static void draw_curve(ub_pen *p, const plot *a, const ub_trainer_history *log, int64_t first,
                       int64_t end, int part, int32_t color, const char *look)
{
    int64_t step = (end - first + CURVE_POINTS - 1) / CURVE_POINTS;
    bool    pen_down = false;
    char    hex[8];
    double  x = 0, y = 0;
    ub_svg_color(color, hex);
    ub_pen_printf(p, "<path class='curve' stroke='%s' %s d='", hex, look);
    for (int64_t i = first; i < end; i = i + step < end || i == end - 1 ? i + step : end - 1) {
        double v = value_of(log, i, part);
        if (!isfinite(v) || (a->logarithmic && v <= 0)) {
            pen_down = false;
            continue;
        }
        x = at_x(a, (double)log->row[i].epoch);
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
static int64_t restart_end(const ub_trainer_history *log, int64_t first)
{
    int64_t end = first + 1;
    while (end < log->rows && log->row[end].restart == log->row[first].restart)
        end++;
    return end;
}

/* First row of the restart whose last objective is lowest; *count is the number of restarts. */
static int64_t best_restart(const ub_trainer_history *log, int64_t *count)
{
    int64_t best = 0;
    double  low = INFINITY;
    *count = 0;
    for (int64_t i = 0, end; i < log->rows; i = end, ++*count) {
        end = restart_end(log, i);
        double v = log->row[end - 1].objective;
        if (isfinite(v) && v < low) {
            low = v;
            best = i;
        }
    }
    return best;
}

/* One part, a curve a restart; the key (with the last value) only for the objective. */
static void draw_restarts(ub_pen *p, const ub_trainer_history *log, int64_t best, int part, plot a,
                          const char *title)
{
    int64_t n = 0;
    double  y = a.y + a.h + 60;
    stretch(&a, log, 0, log->rows, part);
    settle(&a);
    draw_axes(p, &a, title);
    for (int64_t i = 0, end; i < log->rows; i = end, n++) {
        bool        marked = i == best;
        const char *look =
            marked ? "stroke-width='3'" : "stroke-width='1.6' stroke-dasharray='5 3'";
        end = restart_end(log, i);
        if (n < CURVES || marked)
            draw_curve(p, &a, log, i, end, part, (int32_t)(n % 4096), look);
        if (part != 0 || (n >= NAMED && !marked))
            continue;
        double row = n < NAMED ? (double)n : NAMED;
        double x = a.x + 205 * fmod(row, 2), ky = y + 18 * floor(row / 2);
        draw_key(p, (int32_t)(n % 4096), look, x, ky);
        ub_svg_text(p, NULL, x + 32, ky, "restart %lld: %.5g%s", (long long)log->row[i].restart,
                    log->row[end - 1].objective, marked ? " (lowest)" : "");
    }
    if (part == 0 && n > NAMED)
        ub_svg_text(p, "m", a.x + 205, y + 18 * (NAMED / 2.), "%lld restarts in all", (long long)n);
}

static void draw_parts(ub_pen *p, const ub_trainer_history *log, int64_t first, int64_t end, plot a)
{
    char title[64];
    for (int i = 0; i < PARTS; i++)
        stretch(&a, log, first, end, i);
    settle(&a);
    (void)snprintf(title, sizeof title, "Parts of restart %lld",
                   (long long)log->row[first].restart);
    draw_axes(p, &a, title);
    for (int i = 0; i < PARTS; i++) {
        const char *look = i == 0 ? "stroke-width='3'" : "stroke-width='2'";
        double      x = a.x + 225 * (i % 2), y = a.y + a.h + 60 + 18 * floor(i / 2.);
        draw_curve(p, &a, log, first, end, i, i == 0 ? 6 : i - 1, look);
        draw_key(p, i == 0 ? 6 : i - 1, look, x, y);
        ub_svg_text(p, NULL, x + 32, y, "%s: %.5g", parts[i].name, value_of(log, end - 1, i));
    }
}

/* How many latents each task depends on, in one restart; the first tasks have names. */
static void draw_support(ub_pen *p, const ub_trainer_history *log, int64_t first, int64_t end,
                         char (*task_name)[UB_NAME_MAX], plot a)
{
    int32_t shown = log->tasks < CURVES ? log->tasks : CURVES, turns = shown < 4 ? shown : 4;
    char    title[96];
    a.low = 0;
    for (int32_t i = 0; i < shown; i++)
        stretch(&a, log, first, end, SUPPORT + i);
    settle(&a);
    a.logarithmic = false;
    (void)snprintf(title, sizeof title,
                   "Latents each task depends on, restart %lld (sparsity %.3g)",
                   (long long)log->row[first].restart, log->row[end - 1].sparsity);
    draw_axes(p, &a, title);
    for (int32_t i = 0; i < shown; i++) {
        char   buf[UB_NAME_MAX];
        double x = a.x + 225 * (i % 2), y = a.y + a.h + 60 + 18 * floor(i / 2.);
        char   look[96];
        /* Lines on top of each other share the way: all of them show. */
        (void)snprintf(look, sizeof look,
                       "stroke-width='2.5' stroke-dasharray='12 %d' stroke-dashoffset='%d'",
                       12 * (turns - 1), -12 * (i % turns));
        draw_curve(p, &a, log, first, end, SUPPORT + i, i, turns > 1 ? look : "stroke-width='2.5'");
        if (i >= NAMED)
            continue;
        draw_key(p, i, "stroke-width='2'", x, y);
        ub_svg_name(p, "", x + 32, y, ub_task_label(task_name, i, buf), 18);
        ub_svg_text(p, "e", x + 205, y, "%.0f", value_of(log, end - 1, SUPPORT + i));
    }
    if (log->tasks > NAMED)
        ub_svg_text(p, "m", a.x, a.y + a.h + 60 + 18 * (NAMED / 2.), "%d tasks in all", log->tasks);
}

enum { TOP = 96, HIGH = 270, LEFT = 76, RIGHT = 610 };

static double key_lines(int64_t entries)
{
    return fmax(3, ceil(fmin((double)entries, NAMED + 1.) / 2));
}

static plot axes_at(double x, double y)
{
    return (plot){
        .x = x, .y = y, .w = x < RIGHT ? 410 : 450, .h = HIGH, .low = INFINITY, .high = -INFINITY};
}

ub_status ub_draw_training(const ub_trainer_history *log, char (*task_name)[UB_NAME_MAX],
                           ub_bytes                 *svg)
{
    ub_pen  p;
    int64_t restarts = 0, best = best_restart(log, &restarts);
    ub_pen_begin(&p, svg);
    if (log->rows < 1) {
        ub_svg_begin(&p, 70, "Training", "no epoch is finished yet");
    } else {
        int64_t end = restart_end(log, best);
        double  second = TOP + HIGH + 110 + 18 * key_lines(restarts);
        double  height = second + HIGH + 64;
        if (log->support != NULL)
            height += 18 * key_lines(log->tasks);
        ub_svg_begin(&p, height, "Training",
                     "averages over each epoch on the training samples; numbers below are those of "
                     "the last epoch");
        draw_restarts(&p, log, best, 0, axes_at(LEFT, TOP), "Objective, every restart");
        draw_parts(&p, log, best, end, axes_at(RIGHT, TOP));
        draw_restarts(&p, log, best, GRADIENT, axes_at(LEFT, second),
                      "Norm of the gradient at the end of each epoch, every restart");
        if (log->support != NULL)
            draw_support(&p, log, best, end, task_name, axes_at(RIGHT, second));
    }
    ub_svg_end(&p);
    return ub_pen_end(&p);
}
