#include "io/draw_sweep.h"

#include <math.h>
#include <stdbool.h>

#include "io/internal/svg.h"

enum { COLOR = 0, BEST = 5, ROW = 3, CURVE_POINTS = 300 };

static const double OFF = -0.09;

/* A panel: its frame and the range of the vertical axis. */
typedef struct panel {
    double x, y, w, h, low, high;
} panel;

static void settle(panel *a, double low, double high)
{
    if (!(low <= high)) {
        low = 0;
        high = 1;
    }
    double room = ub_svg_is_range(low, high) ? .05 * (high - low) : fmax(.05, fabs(low) * .05);
    a->low = low - room;
    a->high = high + room;
}

static void range_of(const double *x, int64_t n, double *low, double *high)
{
    for (int64_t i = 0; i < n; i++)
        if (isfinite(x[i])) {
            *low = fmin(*low, x[i]);
            *high = fmax(*high, x[i]);
        }
}

static double at_y(const panel *a, double v)
{
    return a->y + a->h * (a->high - v) / (a->high - a->low);
}

static void frame(ub_pen *p, const panel *a, const char *title, int ticks)
{
    double tick = ub_svg_tick(a->high - a->low, ticks, 0);
    ub_svg_text(p, "h", a->x, a->y - 12, "%s", title);
    ub_svg_rect(p, "lane", a->x, a->y, a->w, a->h);
    for (double n = ceil(a->low / tick); n * tick <= a->high; n++) {
        ub_svg_line(p, "grid", a->x, at_y(a, n * tick), a->x + a->w, at_y(a, n * tick));
        ub_svg_text(p, "e m", a->x - 6, at_y(a, n * tick) + 4, "%.6g",
                    fabs(n * tick) < 1e-12 ? 0.0 : n * tick);
    }
    ub_svg_line(p, "axis", a->x, a->y + a->h, a->x + a->w, a->y + a->h);
}

/* The fewer jobs, the stronger each; the best stands out. */
static void look_of(const ub_sweep_plot *s, int64_t j, char hex[8], double *opacity, double *width)
{
    bool best = j == s->best;
    ub_svg_color(best ? BEST : COLOR, hex);
    *opacity = best ? 1 : fmax(.12, fmin(.6, 12. / (double)(s->jobs + 1)));
    *width = best ? 3 : 1.4;
}

/* A line a job through its values; below the axis where a parameter does not apply. */
static void draw_path(ub_pen *p, const ub_sweep_plot *s, const panel *a, int64_t j)
{
    char   hex[8];
    double opacity, width, step = a->w / s->axes;
    if (!isfinite(s->value[j]))
        return;
    look_of(s, j, hex, &opacity, &width);
    ub_pen_printf(p, "<path class='curve' stroke='%s' stroke-opacity='%.2f' stroke-width='%g' d='",
                  hex, opacity, width);
    for (int32_t k = 0; k < s->axes; k++) {
        double u = isfinite(s->axis[k].at[j]) ? s->axis[k].at[j] : OFF;
        ub_pen_printf(p, "%s%.1f %.1f", k > 0 ? "L" : "M", a->x + k * step, a->y + a->h * (1 - u));
    }
    ub_pen_printf(p, "L%.1f %.1f'/>\n", a->x + a->w, at_y(a, s->value[j]));
}

static void draw_parallel(ub_pen *p, const ub_sweep_plot *s, panel *a)
{
    double low = INFINITY, high = -INFINITY, step = a->w / s->axes;
    range_of(s->value, s->jobs, &low, &high);
    settle(a, low, high);
    ub_svg_text(
        p, "h", 20, a->y - 36,
        "Parallel coordinates: a line is a job; below an axis: the parameter does not apply");
    for (int64_t j = 0; j < s->jobs; j++)
        if (j != s->best)
            draw_path(p, s, a, j);
    if (s->best >= 0)
        draw_path(p, s, a, s->best);
    for (int32_t k = 0; k <= s->axes; k++) {
        double x = a->x + k * step;
        ub_svg_line(p, "axis", x, a->y, x, a->y + a->h);
        /* Names are long: every second one a line lower. */
        ub_svg_name(p, k < s->axes ? "c" : "c h", x, a->y + a->h + (k % 2 == 0 ? 40 : 56),
                    k < s->axes ? s->axis[k].name : s->metric, 30);
        for (int32_t t = 0; k < s->axes && t < s->axis[k].ticks; t++)
            ub_svg_name(p, "m", x + 5, a->y + a->h * (1 - s->axis[k].tick[t]) + 4,
                        s->axis[k].label[t], 16);
    }
    double tick = ub_svg_tick(a->high - a->low, 6, 0);
    for (double n = ceil(a->low / tick); n * tick <= a->high; n++)
        ub_svg_text(p, "m", a->x + a->w + 6, at_y(a, n * tick) + 4, "%.6g",
                    fabs(n * tick) < 1e-12 ? 0.0 : n * tick);
}

static void draw_points(ub_pen *p, const ub_sweep_plot *s, int32_t k, panel *a)
{
    double               low = INFINITY, high = -INFINITY;
    const ub_sweep_axis *q = &s->axis[k];
    range_of(s->value, s->jobs, &low, &high);
    settle(a, low, high);
    frame(p, a, "", 5);
    ub_svg_name(p, "h", a->x, a->y - 12, q->name, 40);
    for (int32_t t = 0; t < q->ticks; t++)
        ub_svg_name(p,
                    t == 0              ? "m"
                    : t + 1 == q->ticks ? "e m"
                                        : "c m",
                    a->x + a->w * q->tick[t], a->y + a->h + 16, q->label[t], 14);
    for (int pass = 0; pass < 2; pass++) /* the best on top */
        for (int64_t j = 0; j < s->jobs; j++) {
            char   hex[8];
            double opacity, width;
            if ((j == s->best) != (pass == 1) || !isfinite(q->at[j]) || !isfinite(s->value[j]))
                continue;
            look_of(s, j, hex, &opacity, &width);
            ub_pen_printf(p, "<circle fill='%s' fill-opacity='%.2f' cx='%.1f' cy='%.1f' r='%g'/>\n",
                          hex, fmax(.35, opacity), a->x + a->w * q->at[j], at_y(a, s->value[j]),
                          pass == 1 ? 6. : 4.);
        }
}

static void draw_curve(ub_pen *p, const ub_sweep_plot *s, const panel *a, double last, int64_t j)
{
    const ub_sweep_curve *c = &s->curve[j];
    int64_t               step = (c->length + CURVE_POINTS - 1) / CURVE_POINTS;
    char                  hex[8];
    double                opacity, width;
    bool                  down = false;
    if (c->length == 0)
        return;
    look_of(s, j, hex, &opacity, &width);
    ub_pen_printf(p, "<path class='curve' stroke='%s' stroke-opacity='%.2f' stroke-width='%g' d='",
                  hex, fmax(.25, opacity), width);
    for (int64_t e = 0; e < c->length; e += step) {
        bool shown = isfinite(c->value[e]) && c->value[e] > 0;
        if (shown)
            ub_pen_printf(p, "%s%.1f %.1f", down ? "L" : "M",
                          a->x + a->w * (double)e / fmax(1, last), at_y(a, log10(c->value[e])));
        down = shown;
    }
    ub_pen_put(p, "'/>\n");
}

static void draw_curves(ub_pen *p, const ub_sweep_plot *s, panel *a)
{
    double low = INFINITY, high = -INFINITY, last = 0;
    for (int64_t j = 0; j < s->jobs; j++)
        for (int64_t e = 0; e < s->curve[j].length; e++)
            if (s->curve[j].value[e] > 0 && isfinite(s->curve[j].value[e])) {
                low = fmin(low, log10(s->curve[j].value[e]));
                high = fmax(high, log10(s->curve[j].value[e]));
                last = fmax(last, (double)e);
            }
    settle(a, low, high);
    frame(p, a, "Learning curves: log10 of the objective, each job's kept initialisation", 6);
    double tick = ub_svg_tick(fmax(1, last), 10, 1);
    for (int k = 0; k * tick <= last; k++)
        ub_svg_text(p, "c m", a->x + a->w * k * tick / fmax(1, last), a->y + a->h + 17, "%g",
                    k * tick);
    ub_svg_text(p, "c m", a->x + a->w / 2, a->y + a->h + 34, "epoch");
    for (int64_t j = 0; j < s->jobs; j++)
        if (j != s->best)
            draw_curve(p, s, a, last, j);
    if (s->best >= 0)
        draw_curve(p, s, a, last, s->best);
}

ub_status ub_draw_sweep(const ub_sweep_plot *s, ub_bytes *svg)
{
    ub_pen  p;
    bool    curves = false;
    int32_t rows = (s->axes + ROW - 1) / ROW;
    for (int64_t j = 0; j < s->jobs; j++)
        curves = curves || s->curve[j].length > 0;
    double top = 500, bottom = top + 250. * rows;
    ub_pen_begin(&p, svg);
    ub_svg_begin(&p, bottom + (curves ? 370 : 20), "Sweep",
                 "%lld jobs; the best by %s (%s) stands out", (long long)s->jobs, s->metric,
                 s->minimise ? "smallest" : "largest");
    draw_parallel(&p, s, &(panel){.x = 100, .y = 122, .w = 900, .h = 250});
    ub_svg_text(&p, "h", 20, top - 16, "The metric against each parameter");
    for (int32_t k = 0; k < s->axes; k++) {
        int32_t row = k / ROW;
        draw_points(
            &p, s, k,
            &(panel){.x = 72 + 350. * (k % ROW), .y = top + 34 + 250. * row, .w = 270, .h = 150});
    }
    if (curves)
        draw_curves(&p, s, &(panel){.x = 72, .y = bottom + 40, .w = 970, .h = 250});
    ub_svg_end(&p);
    return ub_pen_end(&p);
}
