/* Every rank's part: its episodes, brought to common steps.  Survey: ragged.c. */
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "io/internal/h5.h"
#include "io/internal/ragged.h"

enum { PIECE = 1 << 20 }; /* doubles read at a time */

typedef struct reader {
    hid_t          file;
    const ub_plan *plan;
    ub_corpus     *out;
    ub_h5_rows    *rows;  /* a dataset a column; stays open while episodes share it */
    double        *piece; /* PIECE doubles, or the widest row */
    int64_t        e;     /* local index of the episode */
    char           name[UB_H5_NAME_MAX];  /* for sentences */
    char           group[UB_H5_NAME_MAX]; /* of its datasets */
    int64_t        base, steps;           /* first row and number of rows, T_n */
    int64_t        cut;                   /* the first of them, that segments are cut from */
} reader;

/* Row of kept step j, 0-based: the last step of a segment is the last row of its part. */
static int64_t kept_row(const reader *r, int64_t j)
{
    return (j + 1) * r->cut / r->out->steps - 1;
}

static int64_t rows_at_once(int64_t width)
{
    return PIECE / width > 0 ? PIECE / width : 1;
}

/* The rows of a column's dataset that are this episode's. */
static ub_range own_rows(const reader *r, const ub_h5_rows *x)
{
    return r->plan->range != NULL ? (ub_range){r->base, r->steps} : (ub_range){0, x->rows};
}

static ub_status open_column(reader *r, int64_t i)
{
    char full[UB_H5_NAME_MAX];
    UB_TRY(ub_h5_join(r->group, r->plan->column[i].path, full));
    return ub_h5_rows_open(r->file, full, &r->rows[i]);
}

/* Name the episode, count its steps and check that they are enough. */
static ub_status begin_episode(reader *r)
{
    const ub_plan *p = r->plan;
    int64_t        e = r->out->first + r->e;
    if (p->range != NULL) {
        (void)snprintf(r->name, sizeof r->name, "%lld", (long long)e);
        UB_TRY(ub_h5_join(p->head.group, "", r->group));
        r->base = p->range[e].first;
        r->steps = p->range[e].count;
    } else {
        (void)snprintf(r->name, sizeof r->name, "%s", p->episode.at[e]);
        UB_TRY(ub_h5_join(p->head.group, p->episode.at[e], r->group));
        UB_TRY(open_column(r, 0));
        r->base = 0;
        r->steps = r->rows[0].rows - p->head.extra;
    }
    bool   found = false;
    double says = 0;
    if (p->head.length[0] != '\0')
        UB_TRY(ub_h5_number(r->file, r->group, p->head.length, &found, &says));
    if (found && says != (double)r->steps)
        return ub_format_refuse(r->file,
                                "episode %s has observations for %lld steps, but its "
                                "attribute '%s' says %g",
                                r->name, (long long)r->steps, p->head.length, says);
    r->cut = r->steps - p->head.spent;
    if (r->cut >= r->out->steps)
        return UB_OK;
    int64_t length = p->head.segment, count = r->out->steps / length;
    return ub_format_refuse(
        r->file,
        "episode %s has %lld steps%s, fewer than segment.count x segment.length "
        "= %lld x %lld: lower segment.count to %lld, or segment.length",
        r->name, (long long)r->cut,
        p->head.spent > 0 ? " before the last, which is the task variable" : "", (long long)count,
        (long long)length, (long long)(r->cut / length));
}

/* Columns at .. at + width - 1 of the states of this episode. */
static ub_status read_states(reader *r, int64_t i, int64_t at)
{
    const ub_column *k = &r->plan->column[i];
    ub_corpus       *out = r->out;
    UB_TRY(open_column(r, i));
    const ub_h5_rows *x = &r->rows[i];
    int64_t           width = k->width, most = rows_at_once(width), next;
    double           *to = out->states + r->e * out->steps * out->dim + at;
    if (x->width != width)
        return ub_format_refuse(r->file, "dataset '%s' has %lld columns, the first episode %lld",
                                x->name, (long long)x->width, (long long)width);
    if (r->plan->range == NULL && x->rows - r->plan->head.extra != r->steps)
        return ub_format_refuse(r->file, "dataset '%s' has %lld rows, the episode's others %lld",
                                x->name, (long long)x->rows,
                                (long long)(r->steps + r->plan->head.extra));
    for (int64_t j = 0; j < out->steps; j = next) {
        int64_t first = kept_row(r, j);
        for (next = j + 1; next < out->steps && kept_row(r, next) < first + most;)
            next++;
        UB_TRY(ub_h5_rows_get(x, r->base + first, kept_row(r, next - 1) - first + 1, r->piece));
        for (int64_t t = j; t < next; t++) {
            const double *row = r->piece + (kept_row(r, t) - first) * width;
            UB_TRY(ub_format_finite(r->file, x->name, r->name, kept_row(r, t), row, width));
            memcpy(to + t * out->dim, row, (size_t)width * sizeof *to);
        }
    }
    return UB_OK;
}

/* Sum of all values, or whether any is > 0. */
static ub_status read_fold(reader *r, const ub_h5_rows *x, ub_take take, double *to)
{
    ub_range own = own_rows(r, x);
    int64_t  most = rows_at_once(x->width > 0 ? x->width : 1);
    double   sum = 0;
    bool     any = false;
    for (int64_t at = 0; at < own.count; at += most) {
        int64_t n = own.count - at < most ? own.count - at : most;
        UB_TRY(ub_h5_rows_get(x, own.first + at, n, r->piece));
        for (int64_t i = 0; i < n; i++)
            UB_TRY(ub_format_finite(r->file, x->name, r->name, at + i, r->piece + i * x->width,
                                    x->width));
        for (int64_t i = 0; i < n * x->width; i++) {
            sum += r->piece[i];
            any = any || r->piece[i] > 0;
        }
    }
    *to = take == UB_TAKE_SUM ? sum : any;
    return UB_OK;
}

/* Values of a dataset of this episode. */
static ub_status read_values(reader *r, int64_t i, double *to)
{
    const ub_column *k = &r->plan->column[i];
    UB_TRY(open_column(r, i));
    const ub_h5_rows *x = &r->rows[i];
    ub_range          own = own_rows(r, x);
    if (k->take == UB_TAKE_SUM || k->take == UB_TAKE_ANY)
        return read_fold(r, x, k->take, to);
    int64_t have = k->take == UB_TAKE_WHOLE ? own.count * x->width : x->width;
    if (have != k->width || own.count < 1)
        return ub_format_refuse(r->file,
                                "dataset '%s' has %lld values, in the first episode %d: "
                                "a task variable has one shape",
                                x->name, (long long)have, k->width);
    int64_t first = k->take == UB_TAKE_WHOLE ? own.first : own.first + own.count - 1;
    UB_TRY(ub_h5_rows_get(x, first, own.first + own.count - first, to));
    return ub_format_finite(r->file, x->name, r->name, first - own.first, to, k->width);
}

static ub_status read_target(reader *r, int64_t i, double *to)
{
    const ub_column *k = &r->plan->column[i];
    char             full[UB_H5_NAME_MAX];
    bool             found = false;
    double           value = 0;
    UB_TRY(ub_h5_join(r->group, k->path, full));
    if (r->plan->range == NULL && ub_h5_look(r->file, full) == UB_H5_NOTHING)
        UB_TRY(ub_h5_number(r->file, r->group, k->path, &found, &value));
    if (!found)
        return read_values(r, i, to);
    if (k->width != 1)
        return ub_format_refuse(r->file,
                                "'%s' is one number, in the first episode %d: a task "
                                "variable has one shape",
                                full, k->width);
    UB_TRY(ub_format_finite(r->file, full, r->name, 0, &value, 1));
    *to = k->take == UB_TAKE_ANY ? value > 0 : value;
    return UB_OK;
}

static ub_status read_episode(reader *r)
{
    int64_t state = 0, all = r->out->task_offset[r->out->tasks], target = r->e * all;
    UB_TRY(begin_episode(r));
    for (int64_t i = 0; i < r->plan->head.columns; i++) {
        const ub_column *k = &r->plan->column[i];
        if (k->task < 0) {
            UB_TRY(read_states(r, i, state));
            state += k->width;
        } else {
            UB_TRY(read_target(r, i, r->out->targets + target));
            target += k->width;
        }
    }
    return UB_OK;
}

ub_status ub_ragged_read(hid_t file, const ub_plan *plan, ub_corpus *out)
{
    reader    r = {.file = file, .plan = plan, .out = out};
    int64_t   widest = PIECE;
    ub_status st = UB_OK;
    for (int64_t i = 0; i < plan->head.columns; i++)
        widest = plan->column[i].width > widest ? plan->column[i].width : widest;
    UB_TRY_OUT(UB_ALLOC(r.rows, plan->head.columns));
    UB_TRY_OUT(UB_ALLOC(r.piece, widest));
    for (r.e = 0; r.e < out->count; r.e++)
        UB_TRY_OUT(read_episode(&r));
out:
    for (int64_t i = 0; r.rows != NULL && i < plan->head.columns; i++)
        ub_h5_rows_close(&r.rows[i]);
    ub_free(r.piece);
    ub_free(r.rows);
    return st;
}
