#include "core/generate.h"

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "core/metrics.h"

/* An own latent matters so many times as much to its task as to any other. */
static const double dominance = 2;

/* Strength of each latent of a task relative to its strongest. */
static double relative(const ub_model *m, int32_t task, int32_t latent)
{
    const double *s = m->strength + (int64_t)task * m->shape.latents;
    double        most = 0;
    for (int32_t j = 0; j < m->shape.latents; j++)
        most = s[j] > most ? s[j] : most;
    return most > 0 ? s[latent] / most : 0;
}

int32_t ub_generate_moved(const ub_model *m, const uint8_t *chosen, bool own, uint8_t *moved)
{
    int32_t count = 0;
    for (int32_t j = 0; j < m->shape.latents; j++) {
        double in = 0, out = 0;
        moved[j] = 0;
        for (int32_t i = 0; i < m->shape.tasks; i++) {
            double r = relative(m, i, j);
            if (chosen[i] && m->relevant[(int64_t)i * m->shape.latents + j])
                moved[j] = 1;
            in = chosen[i] && r > in ? r : in;
            out = !chosen[i] && r > out ? r : out;
        }
        if (own && in < dominance * out)
            moved[j] = 0;
        count += moved[j];
    }
    return count;
}

void ub_generate_blend(int64_t rows, int32_t latents, const uint8_t *moved, const double *from,
                       const double *to, double t, double *out)
{
    for (int64_t i = 0; i < rows * latents; i++) {
        double a = from[i];
        if (moved[i % latents])
            a = t == 0 ? a : t == 1 ? to[i] : a + t * (to[i] - a);
        out[i] = a;
    }
}

/* ---- leakage ---- */

typedef struct meter {
    const ub_model     *m;
    const ub_leak_data *d;
    uint8_t            *chosen, *moved;
    double             *z;      /* pairs x latents, swapped */
    double             *column; /* pairs x widest task */
    double             *obs;    /* (tasks + 2) x pairs x dim, decoded */
    double             *read;   /* (tasks + 2) x pairs x factors */
    double             *target; /* (tasks + 2) x pairs x targets */
} meter;

static ub_status meter_init(const ub_model *m, const ub_leak_data *d, meter *t)
{
    int64_t rows = (m->shape.tasks + 2) * d->pairs;
    *t = (meter){.m = m, .d = d};
    UB_TRY(UB_ALLOC(t->chosen, m->shape.tasks));
    UB_TRY(UB_ALLOC(t->moved, m->shape.latents));
    UB_TRY(UB_ALLOC(t->z, d->pairs * m->shape.latents));
    UB_TRY(UB_ALLOC(t->column, d->pairs * m->shape.targets));
    UB_TRY(UB_ALLOC(t->target, rows * m->shape.targets));
    if (d->factors == 0)
        return UB_OK;
    UB_TRY(UB_ALLOC(t->obs, rows * m->shape.dim));
    return UB_ALLOC(t->read, rows * d->factors);
}

static void meter_release(meter *t)
{
    ub_free(t->chosen);
    ub_free(t->moved);
    ub_free(t->z);
    ub_free(t->column);
    ub_free(t->target);
    ub_free(t->obs);
    ub_free(t->read);
}

/* Outcome `place` (0: of z^a, 1: of z^b, 2 + i: task i swapped) of these latents. */
static ub_status meter_fill(meter *t, int32_t place, const double *z)
{
    const ub_model_shape *s = &t->m->shape;
    int64_t               n = t->d->pairs;
    double               *out = t->target + place * n * s->targets;
    for (int32_t i = 0; i < s->tasks; i++) {
        int32_t       first = t->m->task_offset[i], width = t->m->task_offset[i + 1] - first;
        const double *sd = t->m->norm + 2 * s->dim + s->targets + first;
        UB_TRY(ub_model_predict(t->m, i, n, z, t->column));
        for (int64_t r = 0; r < n; r++)
            for (int32_t c = 0; c < width; c++)
                out[r * s->targets + first + c] = sd[c] > 0 ? t->column[r * width + c] / sd[c] : 0;
    }
    return t->d->factors > 0 ? ub_model_decode(t->m, n, z, t->obs + place * n * s->dim) : UB_OK;
}

/* c of columns [first, first + width) of a table of `stride` columns. */
static double change(const meter *t, const double *table, int32_t stride, int32_t first,
                     int32_t width, int32_t place, int32_t task)
{
    int64_t       n = t->d->pairs;
    const double *a = table, *b = table + n * stride, *swapped = table + place * n * stride;
    double        moved = 0, full = 0;
    for (int64_t r = 0; r < n; r++) {
        if (task >= 0 && t->d->use != NULL && !t->d->use[r * t->m->shape.tasks + task])
            continue;
        for (int64_t c = r * stride + first; c < r * stride + first + width; c++) {
            moved += (swapped[c] - a[c]) * (swapped[c] - a[c]);
            full += (b[c] - a[c]) * (b[c] - a[c]);
        }
    }
    return full > 0 ? moved / full : 0;
}

/* c_i of everything, after everything has been read: tasks, then factors. */
static void changes_of(const meter *t, int32_t i, double *out)
{
    int32_t tasks = t->m->shape.tasks;
    for (int32_t k = 0; k < tasks; k++) {
        int32_t first = t->m->task_offset[k], width = t->m->task_offset[k + 1] - first;
        out[k] = change(t, t->target, t->m->shape.targets, first, width, 2 + i, k);
    }
    for (int32_t f = 0; f < t->d->factors; f++)
        out[tasks + f] = change(t, t->read, t->d->factors, f, 1, 2 + i, -1);
}

/* The numbers of task i. */
static void sum_up(const ub_leak_data *d, int32_t tasks, int32_t i, const double *c, ub_leak *l)
{
    int32_t others = tasks - 1, idle = 0;
    double  into_tasks = 0, into_factors = 0;
    for (int32_t k = 0; k < tasks; k++)
        into_tasks += k == i ? 0 : c[k];
    for (int32_t f = 0; f < d->factors; f++) {
        if (d->needed[(int64_t)f * tasks + i])
            continue;
        into_factors += c[tasks + f];
        idle++;
    }
    l->effect = c[i];
    l->into_tasks = others > 0 ? into_tasks / others : NAN;
    l->into_factors = idle > 0 ? into_factors / idle : NAN;
    l->leakage = l->effect > 0 && others + idle > 0
                     ? (into_tasks + into_factors) / (others + idle) / l->effect
                     : NAN;
}

/* Swap the own latents of task i. */
static ub_status swap_task(meter *t, int32_t i, ub_leak *l)
{
    memset(t->chosen, 0, (size_t)t->m->shape.tasks);
    t->chosen[i] = 1;
    l->own = l->moved = ub_generate_moved(t->m, t->chosen, true, t->moved);
    if (l->own == 0)
        l->moved = ub_generate_moved(t->m, t->chosen, false, t->moved);
    ub_generate_blend(t->d->pairs, t->m->shape.latents, t->moved, t->d->a, t->d->b, 1, t->z);
    return meter_fill(t, 2 + i, t->z);
}

void ub_leakage_release(ub_leakage *l)
{
    ub_free(l->task);
    ub_free(l->change);
    ub_free(l->r2);
    *l = (ub_leakage){.overall = NAN};
}

static ub_status leakage_alloc(int32_t tasks, int32_t factors, ub_leakage *out)
{
    *out = (ub_leakage){.tasks = tasks, .factors = factors, .overall = NAN};
    UB_TRY(UB_ALLOC(out->task, tasks));
    UB_TRY(UB_ALLOC(out->change, (int64_t)tasks * (tasks + factors)));
    return UB_ALLOC(out->r2, factors);
}

ub_status ub_leakage_measure(const ub_model *m, const ub_leak_data *d, ub_leakage *out)
{
    if (d->pairs < 1)
        return UB_FAIL(UB_EARG, "leakage is measured on pairs of samples, and there are none");
    ub_status  st;
    meter      t = {0};
    ub_leakage l = {0};
    double     sum = 0;
    int32_t    counted = 0, tasks = m->shape.tasks;
    UB_TRY_OUT(leakage_alloc(tasks, d->factors, &l));
    UB_TRY_OUT(meter_init(m, d, &t));
    UB_TRY_OUT(meter_fill(&t, 0, d->a));
    UB_TRY_OUT(meter_fill(&t, 1, d->b));
    for (int32_t i = 0; i < tasks; i++)
        UB_TRY_OUT(swap_task(&t, i, &l.task[i]));
    if (d->factors > 0) {
        UB_TRY_OUT(ub_judge_predict(d->train, (tasks + 2) * d->pairs, m->shape.dim, d->factors,
                                    d->obs, d->truth, t.obs, d->ridge, t.read));
        ub_r2(d->pairs, d->factors, d->known, t.read, l.r2);
    }
    for (int32_t i = 0; i < tasks; i++) {
        double *c = l.change + (int64_t)i * (tasks + d->factors);
        changes_of(&t, i, c);
        sum_up(d, tasks, i, c, &l.task[i]);
        if (!isnan(l.task[i].leakage)) {
            sum += l.task[i].leakage;
            counted++;
        }
    }
    l.overall = counted > 0 ? sum / counted : NAN;
    *out = l;
    l = (ub_leakage){0};
out:
    meter_release(&t);
    ub_leakage_release(&l);
    return st;
}
