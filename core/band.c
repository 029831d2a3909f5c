#include "core/band.h"

#include <math.h>
#include <string.h>

#include "core/internal/gauss.h"
#include "core/internal/sides.h"
#include "core/internal/sweep.h"
#include "core/mem.h"

enum {
    FEW = 4, /* tests a pair up to which pairs fill the lanes */
    NEAR = 4 /* neighbours */
};

/* Tables by step have one more entry, or row, before step 0 and after the last: zeros, the
 * neighbour that is not there.  It has correlation 0 with everything, and takes part in the
 * arithmetic without changing a bit. */
struct ub_band {
    const ub_moments *m;                   /* borrowed */
    int32_t           steps, tests, width; /* tests of a pair; in whole vectors */
    int32_t           stride;
    double           *inv_sd;                /* steps + 2 */
    double           *var, *before, *across; /* steps + 2: cov(t, t), (t, t - 1), (t - 1, t + 1) */
    double           *task;                  /* (steps + 2) x width: correlations with the tasks */
    bool             *varies;                /* tests: the task counts as a column of Z */
    double           *root;                  /* (NEAR + 1) x tests, by the neighbours that vary */
    ub_sides         *sides, *later;         /* if tests <= FEW; without the neighbour before */
    ub_band_block     block;
};

void ub_band_destroy(ub_band **b)
{
    if (b == NULL || *b == NULL)
        return;
    ub_free((*b)->inv_sd);
    ub_free((*b)->var);
    ub_free((*b)->before);
    ub_free((*b)->across);
    ub_free((*b)->task);
    ub_free((*b)->varies);
    ub_free((*b)->root);
    ub_sides_destroy(&(*b)->sides);
    ub_sides_destroy(&(*b)->later);
    ub_free(*b);
    *b = NULL;
}

static ub_status alloc_tables(ub_band *b)
{
    int64_t t = b->steps + 2;
    UB_TRY(UB_ALLOC(b->inv_sd, t));
    UB_TRY(UB_ALLOC(b->var, t));
    UB_TRY(UB_ALLOC(b->before, t));
    UB_TRY(UB_ALLOC(b->across, t));
    UB_TRY(UB_ALLOC(b->task, t * b->width));
    UB_TRY(UB_ALLOC(b->varies, b->tests));
    return UB_ALLOC(b->root, (int64_t)(NEAR + 1) * b->tests);
}

static void fill_tables(ub_band *b)
{
    const ub_moments *m = b->m;
    int64_t           p = m->columns, tasks = p - b->steps;
    for (int64_t j = 0; j < tasks; j++)
        b->varies[j] = ub_gauss_inv_sd(m, (int32_t)(b->steps + j)) != 0;
    for (int64_t t = 0; t < b->steps; t++) {
        const double *row = m->cov + t * p;
        b->inv_sd[t + 1] = ub_gauss_inv_sd(m, (int32_t)t);
        b->var[t + 1] = row[t];
        b->before[t + 1] = t > 0 ? row[t - 1] : 0;
        b->across[t + 1] = t > 0 && t + 1 < b->steps ? row[t + 1 - p] : 0;
        for (int64_t j = 0; j < tasks; j++) {
            double inv_sd = ub_gauss_inv_sd(m, (int32_t)(b->steps + j));
            b->task[(t + 1) * b->width + j] = row[b->steps + j] * (b->inv_sd[t + 1] * inv_sd);
        }
    }
    for (int32_t nz = 0; nz <= NEAR; nz++)
        for (int32_t j = 0; j < b->tests; j++)
            b->root[nz * b->tests + j] = sqrt((double)(m->n - nz - b->varies[j] - 3));
}

ub_status ub_band_create(const ub_moments *m, int32_t steps, int32_t stride, bool contrast,
                         ub_band **out)
{
    ub_band  *b = NULL;
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(b, 1));
    b->m = m;
    b->steps = steps;
    b->tests = m->columns - steps + contrast;
    b->width = ub_lanes(b->tests);
    UB_TRY_OUT(alloc_tables(b));
    fill_tables(b);
    b->block.left = (double)(m->n - 3);
    b->stride = stride;
    if (b->tests <= FEW) {
        UB_TRY_OUT(ub_sides_create(m, steps, stride, contrast, true, &b->sides));
        UB_TRY_OUT(ub_sides_create(m, steps, stride, contrast, false, &b->later));
    }
    *out = b;
    return UB_OK;
out:
    ub_band_destroy(&b);
    return st;
}

/* Pairs (x, y), (x, y + stride) ..; shared: y - 1 is b = x + 1. */
static void load_block(ub_band *b, int32_t x, int64_t y, int32_t n, bool shared)
{
    ub_band_block *k = &b->block;
    int64_t        p = b->m->columns, t = y;
    const double  *of_x = b->m->cov + x * p, *of_b = of_x + p, *of_a = x > 0 ? of_x - p : of_x;
    const double  *s = b->inv_sd;
    k->sa = s[x];
    k->sx = s[x + 1];
    k->sb = s[x + 2];
    k->xa = b->before[x + 1];
    k->xb = b->before[x + 2];
    k->ba = b->across[x + 1];
    k->var_x = b->var[x + 1];
    for (int32_t l = 0; l < n; l++, t += b->stride) {
        k->sc[l] = s[t];
        k->sy[l] = s[t + 1];
        k->sd[l] = s[t + 2];
        k->ca[l] = of_a[t - 1];
        k->ya[l] = of_a[t];
        k->da[l] = of_a[t + 1]; /* behind the last step: a task's, times 0 */
        k->cb[l] = of_b[t - 1];
        k->yb[l] = of_b[t];
        k->db[l] = of_b[t + 1];
        k->xc[l] = of_x[t - 1];
        k->xy[l] = of_x[t];
        k->xd[l] = of_x[t + 1];
        k->yc[l] = b->before[t + 1];
        k->yd[l] = b->before[t + 2];
        k->dc[l] = b->across[t + 1];
        k->yy[l] = b->var[t + 1];
    }
    if (shared)
        k->sc[0] = 0;
    for (int32_t l = n; l < UB_BAND_PAIRS; l++)
        k->sc[l] = k->sy[l] = k->sd[l] = 0;
}

/* At most UB_BAND_PAIRS pairs, one at a time, tasks in the lanes.  What is written past the tests
 * of one, the next overwrites. */
static void tasks_in_lanes(ub_band *b, int32_t x, int32_t y, int32_t n, double *r, double *root)
{
    const double *at = b->task;
    int64_t       w = b->width, tests = b->tests;
    bool          shared = y - 1 == x + 1;
    load_block(b, x, y, n, shared);
    ub_sweep_factor(&b->block);
    for (int32_t l = 0; l < n; l++, y += b->stride, r += tests, root += tests) {
        const double *c = at + (shared && l == 0 ? 0 : y * w), *of_y = at + (y + 1) * w;
        ub_band_tasks g = {at + x * w, at + (x + 2) * w, c, of_y + w, at + (x + 1) * w, of_y};
        ub_sweep_tasks(&b->block, l, b->width, &g, r);
        int64_t neighbours = (int64_t)(b->block.left - b->block.dof[l]);
        memcpy(root, b->root + neighbours * tests, (size_t)tests * sizeof *root);
    }
}

/* The same, pairs in the lanes; where that declines, tasks. */
static void pairs_in_lanes(ub_band *b, int32_t x, int32_t y, int32_t n, double *r, double *root)
{
    int64_t tests = b->tests;
    int32_t shared = y - 1 == x + 1;
    bool    fine = !shared || ub_sides_row(b->sides, b->later, x, y, 1, b->root, r, root);
    if (n > shared)
        fine &= ub_sides_row(b->sides, b->sides, x, y + shared * b->stride, n - shared, b->root,
                             r + shared * tests, root + shared * tests);
    if (fine)
        return;
    double again[UB_BAND_PAIRS * FEW + UB_LANES], roots[UB_BAND_PAIRS * FEW];
    tasks_in_lanes(b, x, y, n, again, roots);
    for (int64_t i = 0; i < n * tests; i++)
        r[i] = isnan(r[i]) ? again[i] : r[i];
}

void ub_band_row(ub_band *b, int32_t x, int32_t y, int32_t n, double *r, double *root)
{
    bool few = b->sides != NULL && ub_sides_usable(b->sides, x);
    for (int32_t used; n > 0; n -= used) {
        used = n < UB_BAND_PAIRS ? n : UB_BAND_PAIRS;
        (few ? pairs_in_lanes : tasks_in_lanes)(b, x, y, used, r, root);
        y += used * b->stride;
        r += (int64_t)used * b->tests;
        root += (int64_t)used * b->tests;
    }
}
