/* The worker side of core/structure.h: asks the test what an item wants to know. */
#include "core/structure.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/band.h"
#include "core/full.h"
#include "core/internal/structure.h"
#include "core/internal/sweep.h"
#include "core/mem.h"

struct ub_solver {
    const ub_structure *s;           /* borrowed */
    ub_full            *full;        /* full conditioning by one inverse, or NULL */
    ub_band            *band;        /* rows of pairs given their neighbours, or NULL */
    bool                rows;        /* pairs go by rows: derived, and enough samples */
    void               *state;       /* of the test, or NULL */
    int32_t            *z;           /* conditioning columns of a query, with room for a task */
    int32_t            *x, *y;       /* columns of the two sides */
    int32_t            *task_column; /* all task columns; with task_end: the sets of eval_each */
    int32_t      *task_end; /* M + 2: offsets into task_column, the last set (contrast) empty */
    ub_ci_result *result;   /* M + 1 */

    int64_t        room;    /* tests of the largest item so far */
    double        *value;   /* its columns of doubles */
    unsigned char *verdict; /* its last column */
    double        *root;    /* of a row of pairs */
};

void ub_solver_destroy(ub_solver **v)
{
    if (v == NULL || *v == NULL)
        return;
    if ((*v)->state != NULL)
        (*v)->s->test->close((*v)->state);
    ub_full_destroy(&(*v)->full);
    ub_band_destroy(&(*v)->band);
    ub_free((*v)->z);
    ub_free((*v)->x);
    ub_free((*v)->y);
    ub_free((*v)->task_column);
    ub_free((*v)->task_end);
    ub_free((*v)->result);
    ub_free((*v)->value);
    ub_free((*v)->verdict);
    ub_free((*v)->root);
    ub_free(*v);
    *v = NULL;
}

static ub_status alloc_scratch(ub_solver *v)
{
    const ub_structure *s = v->s;
    int32_t width = s->task_offset[s->tasks], states = s->steps * s->dim, widest = s->dim;
    int32_t most = s->settings->structure.conditioning == UB_COND_FULL ? states : 4 * s->dim;
    for (int32_t i = 0; i < s->tasks; i++)
        if (s->task_offset[i + 1] - s->task_offset[i] > widest)
            widest = s->task_offset[i + 1] - s->task_offset[i];
    UB_TRY(UB_ALLOC(v->z, most + width));
    UB_TRY(UB_ALLOC(v->x, s->dim));
    UB_TRY(UB_ALLOC(v->y, widest));
    UB_TRY(UB_ALLOC(v->task_column, width));
    UB_TRY(UB_ALLOC(v->task_end, s->tasks + 2));
    UB_TRY(UB_ALLOC(v->result, s->tasks + 1));
    for (int32_t j = 0; j < width; j++)
        v->task_column[j] = states + j;
    for (int32_t i = 0; i <= s->tasks; i++)
        v->task_end[i] = s->task_offset[i];
    v->task_end[s->tasks + 1] = width;
    return UB_OK;
}

/* Scalar steps and tasks of a linear test go by rows. */
static ub_status prepare_rows(ub_solver *v, const ub_ci_data *data)
{
    const ub_structure *s = v->s;
    int32_t             most = v->full != NULL ? s->steps - 1 : 5; /* columns conditioned on */
    if (!s->derived || !s->pairs || s->n - most - 3 < 1)
        return UB_OK;
    v->rows = true;
    UB_TRY(UB_ALLOC(v->root, (int64_t)s->tile * ub_structure_per_pair(s)));
    if (v->full != NULL)
        return ub_full_prepare_rows(v->full);
    return ub_band_create(data->moments, s->steps, s->length, s->contrast, &v->band);
}

ub_status ub_solver_create(const ub_structure *s, const ub_ci_data *data, const double *precision,
                           ub_solver **out)
{
    ub_solver *v = NULL;
    ub_status  st = UB_OK;
    int32_t    columns = s->steps * s->dim + s->task_offset[s->tasks];
    if (data->moments->columns != columns || data->moments->n != s->n)
        return UB_FAIL(UB_ESHAPE,
                       "moments of %" PRId64 " samples and %d columns for a study of %" PRId64
                       " and %d",
                       data->moments->n, data->moments->columns, s->n, columns);
    if (s->precision && precision == NULL)
        return UB_FAIL(UB_EARG, "full conditioning needs the inverse covariance of the steps");
    if ((s->test->accepts & UB_CI_SAMPLES) && data->samples == NULL)
        return UB_FAIL(UB_EARG, "structure.test: %s needs the samples", s->test->name);
    UB_TRY_OUT(UB_ALLOC(v, 1));
    v->s = s;
    UB_TRY_OUT(alloc_scratch(v));
    if (s->precision)
        UB_TRY_OUT(ub_full_create(data->moments, s->steps, s->dim, s->tasks, s->task_offset,
                                  precision, &v->full));
    else
        UB_TRY_OUT(s->test->open(data, s->settings, &v->state));
    UB_TRY_OUT(prepare_rows(v, data));
    *out = v;
    return UB_OK;
out:
    ub_solver_destroy(&v);
    return st;
}

/* Append the columns of a step. */
static int32_t put_step(const ub_structure *s, int32_t step, int32_t *to, int32_t n)
{
    for (int32_t c = 0; c < s->dim; c++)
        to[n++] = step * s->dim + c;
    return n;
}

/* Conditioning columns of steps x and y (y < 0: of x alone), ascending, without the task. */
static int32_t conditioning_set(const ub_structure *s, int32_t x, int32_t y, int32_t *z)
{
    int32_t n = 0;
    bool    full = s->settings->structure.conditioning == UB_COND_FULL;
    int32_t near[] = {x - 1, x + 1, y - 1, y + 1};
    int32_t last = -1; /* they ascend, x + 1 = y - 1 is one step, and y - x = 1 is not asked */
    if (full) {
        for (int32_t t = 0; t < s->steps; t++)
            if (t != x && t != y)
                n = put_step(s, t, z, n);
        return n;
    }
    for (int i = 0; i < (y < 0 ? 2 : 4); i++) {
        int32_t t = near[i];
        if (t <= last || t >= s->steps)
            continue;
        n = put_step(s, t, z, n);
        last = t;
    }
    return n;
}

/* One pair of steps, every task and the contrast; id = number of its first test. */
static ub_status eval_pair(ub_solver *v, int32_t x, int32_t y, int64_t id)
{
    const ub_structure *s = v->s;
    int32_t             m = ub_structure_per_pair(s);
    if (y - x == 1) {
        for (int32_t i = 0; i < m; i++)
            v->result[i] = (ub_ci_result){.p_value = 1, .verdict = UB_CI_UNTESTABLE};
        return UB_OK;
    }
    if (v->full != NULL) {
        for (int32_t i = 0; i < m; i++)
            ub_full_pair(v->full, x, y, i < s->tasks ? i : -1, &v->result[i]);
        return UB_OK;
    }
    ub_ci_query q = {.id = id, .x = v->x, .y = v->y, .z = v->z};
    q.nx = put_step(s, x, v->x, 0);
    q.ny = put_step(s, y, v->y, 0);
    q.nz = conditioning_set(s, x, y, v->z);
    if (s->test->eval_each != NULL)
        return s->test->eval_each(v->state, &q, m, v->task_column, v->task_end, v->result);
    int32_t shared = q.nz;
    for (int32_t i = 0; i < m; i++) {
        q.id = id + i;
        q.nz = shared;
        for (int32_t j = v->task_end[i]; j < v->task_end[i + 1]; j++)
            v->z[q.nz++] = v->task_column[j];
        q.moderators = q.nz - shared;
        UB_TRY(s->test->eval(v->state, &q, &v->result[i]));
    }
    return UB_OK;
}

/* Step x against every task; id = number of its first test. */
static ub_status eval_direct(ub_solver *v, int32_t x, int64_t id)
{
    const ub_structure *s = v->s;
    ub_ci_query         q = {.x = v->x, .y = v->y, .z = v->z};
    if (v->full == NULL) {
        q.nx = put_step(s, x, v->x, 0);
        q.nz = conditioning_set(s, x, -2, v->z);
    }
    for (int32_t i = 0; i < s->tasks; i++) {
        if (v->full != NULL) {
            ub_full_direct(v->full, x, i, &v->result[i]);
            continue;
        }
        q.id = id + i;
        q.ny = 0;
        for (int32_t j = v->task_end[i]; j < v->task_end[i + 1]; j++)
            v->y[q.ny++] = v->task_column[j];
        UB_TRY(s->test->eval(v->state, &q, &v->result[i]));
    }
    return UB_OK;
}

/* Room for the answer of an item; grows only. */
static ub_status reserve(ub_solver *v, int64_t tests)
{
    if (tests <= v->room && v->verdict != NULL)
        return UB_OK;
    v->room = 0;
    ub_free(v->value);
    ub_free(v->verdict);
    UB_TRY(UB_ALLOC(v->value, tests * ub_structure_doubles(v->s) + UB_LANES));
    UB_TRY(UB_ALLOC(v->verdict, tests));
    v->room = tests;
    return UB_OK;
}

/* v->result as tests at .. at + n - 1 of an item of `tests`. */
static void store(ub_solver *v, int64_t tests, int64_t at, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        const ub_ci_result *r = &v->result[i];
        v->value[at + i] = r->statistic;
        v->verdict[at + i] = (unsigned char)r->verdict;
        if (!v->s->derived) {
            v->value[tests + at + i] = r->p_value;
            v->value[2 * tests + at + i] = r->evidence;
        }
    }
}

/* Tests of the pairs (k, w) .. (k, end - 1), one by one. */
static ub_status eval_pairs(ub_solver *v, int32_t k, int32_t rep, int32_t w, int32_t end,
                            int64_t tests, int64_t at)
{
    const ub_structure *s = v->s;
    int32_t per_pair = ub_structure_per_pair(s), x = ub_structure_step(s, k, rep / s->reps);
    for (; w < end; w++, at += per_pair) {
        int64_t id = ub_pair_index(s->segments, k, w) * s->reps * s->reps + rep;
        UB_TRY(eval_pair(v, x, ub_structure_step(s, w, rep % s->reps), id * per_pair));
        store(v, tests, at, per_pair);
    }
    return UB_OK;
}

/* The same through vector lanes; a pair of which a test has no number, or needs care, goes the
 * other way. */
static ub_status eval_row(ub_solver *v, int32_t k, int32_t rep, int32_t w, int32_t end,
                          int64_t tests, int64_t at)
{
    const ub_structure *s = v->s;
    int32_t per_pair = ub_structure_per_pair(s), x = ub_structure_step(s, k, rep / s->reps);
    if (!v->rows)
        return eval_pairs(v, k, rep, w, end, tests, at);
    if (w < end && ub_structure_step(s, w, rep % s->reps) - x == 1) {
        UB_TRY(eval_pairs(v, k, rep, w, w + 1, tests, at));
        at += per_pair;
        w++;
    }
    if (w >= end)
        return UB_OK;
    int32_t y = ub_structure_step(s, w, rep % s->reps);
    double *z = v->value + at;
    if (v->full != NULL)
        ub_full_row(v->full, x, y, s->length, end - w, s->contrast, z, v->root);
    else
        ub_band_row(v->band, x, y, end - w, z, v->root);
    if (ub_sweep_z((int64_t)(end - w) * per_pair, v->root, z))
        return UB_OK;
    for (; w < end; w++, at += per_pair)
        for (int32_t i = 0; i < per_pair; i++)
            if (isnan(v->value[at + i])) {
                UB_TRY(eval_pairs(v, k, rep, w, w + 1, tests, at));
                break;
            }
    return UB_OK;
}

static ub_status eval_tile(ub_solver *v, const ub_tile *t)
{
    const ub_structure *s = v->s;
    int64_t             at = 0;
    for (int32_t k = t->r0; k < t->r1; k++) {
        int32_t w = t->c0 > k ? t->c0 : k + 1;
        for (int32_t rep = 0; rep < s->reps * s->reps && w < t->c1; rep++) {
            UB_TRY(eval_row(v, k, rep, w, t->c1, t->tests, at));
            at += (int64_t)(t->c1 - w) * ub_structure_per_pair(s);
        }
    }
    return UB_OK;
}

static ub_status eval_block(ub_solver *v, const ub_tile *t)
{
    const ub_structure *s = v->s;
    int64_t             of_direct = (int64_t)s->direct * s->segments * s->reps * s->tasks;
    int64_t             first = s->tests - of_direct, at = 0;
    for (int32_t k = t->r0; k < t->r1; k++)
        for (int32_t rep = 0; rep < s->reps; rep++, at += s->tasks) {
            int64_t id = first + ((int64_t)k * s->reps + rep) * s->tasks;
            UB_TRY(eval_direct(v, ub_structure_step(s, k, rep), id));
            store(v, t->tests, at, s->tasks);
        }
    return UB_OK;
}

ub_status ub_structure_eval(const ub_structure *s, ub_solver *v, int64_t item, ub_bytes *out)
{
    if (item < 0 || item >= s->items || v->s != s)
        return UB_FAIL(UB_EARG, "item %" PRId64 " of a study of %" PRId64 " items", item, s->items);
    ub_tile t = ub_structure_tile(s, item);
    UB_TRY(reserve(v, t.tests));
    memset(v->verdict, UB_CI_OK, (size_t)t.tests);
    UB_TRY(item < s->pair_items ? eval_tile(v, &t) : eval_block(v, &t));
    UB_TRY(ub_bytes_put(out, &item, sizeof item));
    UB_TRY(ub_bytes_put(out, v->value,
                        (size_t)(t.tests * ub_structure_doubles(s)) * sizeof *v->value));
    return ub_bytes_put(out, v->verdict, (size_t)t.tests);
}
