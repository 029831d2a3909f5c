/* The worker side of core/structure.h: asks the test what an item wants to know. */
#include "core/structure.h"

#include <inttypes.h>

#include "core/full.h"
#include "core/internal/structure.h"
#include "core/mem.h"

struct ub_solver {
    const ub_structure *s;           /* borrowed */
    ub_full            *full;        /* full conditioning by one inverse, or NULL */
    void               *state;       /* of the test, or NULL */
    int32_t            *z;           /* conditioning columns of a query, with room for a task */
    int32_t            *x, *y;       /* columns of the two sides */
    int32_t            *task_column; /* all task columns; with task_end: the sets of eval_each */
    int32_t      *task_end; /* M + 2: offsets into task_column, the last set (contrast) empty */
    ub_ci_result *result;   /* M + 1 */
};

void ub_solver_destroy(ub_solver **v)
{
    if (v == NULL || *v == NULL)
        return;
    if ((*v)->state != NULL)
        (*v)->s->test->close((*v)->state);
    ub_full_destroy(&(*v)->full);
    ub_free((*v)->z);
    ub_free((*v)->x);
    ub_free((*v)->y);
    ub_free((*v)->task_column);
    ub_free((*v)->task_end);
    ub_free((*v)->result);
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

static ub_status put_results(const ub_ci_result *r, int32_t n, ub_bytes *out)
{
    for (int32_t i = 0; i < n; i++) {
        double        x[3] = {r[i].statistic, r[i].p_value, r[i].evidence};
        unsigned char verdict = (unsigned char)r[i].verdict;
        UB_TRY(ub_bytes_put(out, x, sizeof x));
        UB_TRY(ub_bytes_put(out, &verdict, 1));
    }
    return UB_OK;
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

static ub_status eval_pairs_of(ub_solver *v, int32_t k, int32_t w, ub_bytes *out)
{
    const ub_structure *s = v->s;
    int32_t             per_pair = ub_structure_per_pair(s), reps = s->reps;
    int64_t             first = ub_pair_index(s->segments, k, w) * reps * reps;
    for (int32_t rep = 0; rep < reps * reps; rep++) {
        int32_t x = ub_structure_step(s, k, rep / reps), y = ub_structure_step(s, w, rep % reps);
        UB_TRY(eval_pair(v, x, y, (first + rep) * per_pair));
        UB_TRY(put_results(v->result, per_pair, out));
    }
    return UB_OK;
}

ub_status ub_structure_eval(const ub_structure *s, ub_solver *v, int64_t item, ub_bytes *out)
{
    if (item < 0 || item >= s->items || v->s != s)
        return UB_FAIL(UB_EARG, "item %" PRId64 " of a study of %" PRId64 " items", item, s->items);
    ub_tile t = ub_structure_tile(s, item);
    int64_t pair_tests =
        s->pairs ? s->tests - (int64_t)s->direct * s->segments * s->reps * s->tasks : 0;
    UB_TRY(ub_bytes_put(out, &item, sizeof item));
    for (int32_t k = t.r0; k < t.r1; k++) {
        if (item < s->pair_items) {
            for (int32_t w = t.c0 > k ? t.c0 : k + 1; w < t.c1; w++)
                UB_TRY(eval_pairs_of(v, k, w, out));
            continue;
        }
        for (int32_t rep = 0; rep < s->reps; rep++) {
            int64_t id = pair_tests + ((int64_t)k * s->reps + rep) * s->tasks;
            UB_TRY(eval_direct(v, ub_structure_step(s, k, rep), id));
            UB_TRY(put_results(v->result, s->tasks, out));
        }
    }
    return UB_OK;
}
