#include "io/draw_leakage.h"

#include <math.h>

#include "io/internal/svg.h"

enum { ROWS = 40, COLUMNS = 40, LEFT = 200, TOP = 64, HIGH = 30, HEAD = 66 };

/* What is shown of each model. */
typedef struct matrix {
    ub_pen           *p;
    const ub_leakage *l;
    const uint8_t    *needed;
    int32_t           rows, tasks, factors; /* that fit */
    double            cell;
} matrix;

static double column_x(const matrix *m, int32_t column)
{
    return LEFT + m->cell * column + (column >= m->tasks ? 14 : 0);
}

static void draw_cell(const matrix *m, int32_t row, int32_t column, double y)
{
    char    hex[8];
    bool    factor = column >= m->tasks;
    int32_t q = factor ? m->l->tasks + column - m->tasks : column;
    double  v = m->l->change[(int64_t)row * (m->l->tasks + m->l->factors) + q];
    double  x = column_x(m, column), shade = v > 0 ? fmin(1, v) : 0;
    bool meant = factor ? m->needed[(int64_t)(q - m->l->tasks) * m->l->tasks + row] != 0 : q == row;
    ub_svg_color(meant ? 0 : 1, hex);
    ub_svg_rect(m->p, "lane", x + 1, y + 1, m->cell - 2, HIGH - 2);
    if (shade > 0)
        ub_pen_printf(m->p,
                      "<rect fill='%s' fill-opacity='%.3f' x='%g' y='%g' width='%g' "
                      "height='%d'/>\n",
                      hex, shade, x + 1, y + 1, m->cell - 2, HIGH - 2);
    if (meant)
        ub_svg_rect(m->p, "keep", x + 1.5, y + 1.5, m->cell - 3, HIGH - 3);
    if (m->cell >= 34)
        ub_svg_text(m->p, meant && shade > .8 ? "c v" : "c", x + m->cell / 2, y + HIGH / 2.0 + 4,
                    v < 9.995 ? "%.2f" : "%.0f", v);
}

static void draw_panel(const matrix *m, const ub_leakage_panel *panel,
                       char (*task_name)[UB_NAME_MAX], double   y)
{
    char buf[UB_NAME_MAX];
    ub_svg_name(m->p, "h", 20, y + 16, panel->name, 60);
    if (!isnan(panel->leakage->overall))
        ub_svg_text(m->p, "m", LEFT + 300, y + 16, "leakage %.3f", panel->leakage->overall);
    ub_svg_text(m->p, "e m", LEFT - 10, y + HEAD - 8, "changed task");
    for (int32_t k = 0; k < m->tasks; k++)
        ub_svg_name(m->p, "c m", column_x(m, k) + m->cell / 2, y + HEAD - 8,
                    ub_task_label(task_name, k, buf), (size_t)(m->cell / 7) + 1);
    for (int32_t f = 0; f < m->factors; f++)
        ub_svg_text(m->p, "c m", column_x(m, m->tasks + f) + m->cell / 2, y + HEAD - 8, "%d", f);
    ub_svg_text(m->p, "m", LEFT, y + HEAD - 26, "prediction of");
    if (m->factors > 0)
        ub_svg_text(m->p, "m", column_x(m, m->tasks), y + HEAD - 26, "true factor");
    for (int32_t i = 0; i < m->rows; i++) {
        ub_svg_name(m->p, "e", LEFT - 10, y + HEAD + HIGH * i + HIGH / 2.0 + 4,
                    ub_task_label(task_name, i, buf), 24);
        for (int32_t k = 0; k < m->tasks + m->factors; k++)
            draw_cell(m, i, k, y + HEAD + HIGH * i);
    }
}

ub_status ub_draw_leakage(const ub_leakage_panel *panel, int panels, char (*task_name)[UB_NAME_MAX],
                          const uint8_t *needed, ub_bytes *svg)
{
    ub_pen            p;
    const ub_leakage *l = panel[0].leakage;
    matrix            m = {.p = &p, .needed = needed};
    m.rows = l->tasks < ROWS ? l->tasks : ROWS;
    m.tasks = l->tasks < COLUMNS ? l->tasks : COLUMNS;
    m.factors = l->factors < COLUMNS ? l->factors : COLUMNS;
    m.cell = fmin(80, floor((UB_SVG_WIDTH - LEFT - 40.0) / (m.tasks + m.factors)));
    double high = HEAD + HIGH * m.rows + 18, bottom = TOP + panels * high;
    bool   cut = m.rows < l->tasks || m.factors < l->factors;
    ub_pen_begin(&p, svg);
    ub_svg_begin(&p, bottom + (cut ? 44 : 24), "What moves when a task's own latents are swapped",
                 "as a part of what swapping everything moves; framed: meant to move, the rest is "
                 "leakage");
    for (int k = 0; k < panels; k++) {
        m.l = panel[k].leakage;
        draw_panel(&m, &panel[k], task_name, TOP + k * high);
    }
    if (cut)
        ub_svg_text(&p, "m", LEFT, bottom + 20, "shown: %d of %d tasks, %d of %d factors", m.rows,
                    l->tasks, m.factors, l->factors);
    ub_svg_end(&p);
    return ub_pen_end(&p);
}
