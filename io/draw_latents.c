/* The matrix of tasks and latents. */
#include <math.h>
#include <stdbool.h>

#include "io/export.h"
#include "io/internal/svg.h"

enum { MATRIX_TASKS = 64, MATRIX_LATENTS = 128 };

/* Largest strength of a row, at least a tiny number so that a row of zeros divides. */
static double row_top(const ub_model *m, int32_t task)
{
    double top = 1e-300;
    for (int32_t j = 0; j < m->shape.latents; j++)
        top = fmax(top, m->strength[(int64_t)task * m->shape.latents + j]);
    return top;
}

/* How many of the other initialisations keep the latent too: a bar below a kept cell. */
static void draw_confidence(ub_pen *p, const ub_evidence *e, int64_t at, double x, double y,
                            double cell, double high)
{
    double c = e == NULL ? (double)NAN : e->confidence[at];
    if (!(c >= 0))
        return;
    ub_pen_printf(p, "<g><title>confirmed by %.0f%% of the other initialisations</title>\n",
                  100 * c);
    ub_svg_rect(p, "none", x + 4, y + high - 7, cell - 8, 4);
    if (c > 0)
        ub_svg_rect(p, "truth", x + 4, y + high - 7, (cell - 8) * fmin(1, c), 4);
    ub_pen_put(p, "</g>\n");
}

static void draw_latent_row(ub_pen *p, const ub_model *m, const ub_evidence *e, int32_t task,
                            int32_t shown, double x, double y, double cell, double high)
{
    char   hex[8];
    double top = row_top(m, task), inset = cell > 8 ? 1 : 0;
    bool   bars = e != NULL && e->restarts > 1 && cell >= 20;
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
            ub_svg_text(p, v > .8 ? "c v" : "c", cx + cell / 2, y + high / 2 + (bars ? 1 : 4),
                        "%.2f", v);
        if (bars && m->relevant[at])
            draw_confidence(p, e, at, cx, y, cell, high);
    }
}

ub_status ub_draw_latents(const ub_model *m, const ub_evidence *e, char (*task_name)[UB_NAME_MAX],
                          ub_bytes *svg)
{
    ub_pen  p;
    int32_t rows = m->shape.tasks < MATRIX_TASKS ? m->shape.tasks : MATRIX_TASKS;
    int32_t cols = m->shape.latents < MATRIX_LATENTS ? m->shape.latents : MATRIX_LATENTS;
    bool    cut = rows < m->shape.tasks || cols < m->shape.latents;
    double  x = 180, y = 100, cell = fmin(64, floor(890. / cols)), high = rows > 24 ? 20 : 36;
    double  bottom = y + high * rows;
    ub_pen_begin(&p, svg);
    ub_svg_begin(&p, bottom + (cut ? 64 : 44), "Which latents each task needs",
                 "mean |dg/dz| of the task's head, relative to the task's largest; framed: kept%s",
                 e != NULL && e->restarts > 1
                     ? "; bar: the share of the other initialisations that keep it too"
                     : "");
    ub_svg_text(&p, "e m", x - 10, y - 8, "latent");
    double tick = cell >= 20 ? 1 : ub_svg_tick(cols, 24, 1);
    for (int k = 0; k * tick < cols; k++)
        ub_svg_text(&p, "c m", x + cell * (k * tick + .5), y - 8, "%.0f", k * tick);
    for (int32_t i = 0; i < rows; i++) {
        char buf[UB_NAME_MAX];
        ub_svg_name(&p, "e", x - 10, y + high * i + high / 2 + 4, ub_task_label(task_name, i, buf),
                    22);
        draw_latent_row(&p, m, e, i, cols, x, y + high * i, cell, high);
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
