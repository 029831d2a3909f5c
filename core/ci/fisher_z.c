/* fisher_z - partial correlation by Cholesky factorisation, the reference member of the family.
 *
 * Scalar X and Y: r = partial correlation given Z, statistic z = sqrt(n - |Z| - 3) atanh(r),
 * two-sided p-value by erfc (Fisher 1924; Anderson, "An Introduction to Multivariate
 * Statistical Analysis", 4.3).  Vectors: Wilks' lambda with Bartlett's correction.
 *
 * The factor of the correlation matrix grows one column at a time: the columns of Z, then
 * those of an extra set; X and Y are rows below it, and their residual covariance is the
 * answer.  A column of Z that is constant or determined by those before it is left out and
 * does not count in |Z|: conditioning twice on one thing is conditioning on it once. */
#include "core/ci_test.h"

#include <math.h>
#include <string.h>

#include "core/internal/gauss.h"
#include "core/mem.h"

typedef struct state {
    const ub_moments *m;
    double           *inv_sd; /* 1 / sd of each column; 0 if constant, NaN if not finite */
    int32_t           rows;   /* room for the columns of Z, an extra set, X and Y together */
    double  *factor; /* rows x rows: row i = column i of (Z, extra) on the columns before it */
    double  *inv;    /* rows: 1 / diagonal of the factor; 0 if the column is left out */
    double  *xy;     /* rows x rows: rows of X and Y below the factor */
    double  *base;   /* rows x rows: residual covariance of X and Y given Z */
    double  *joint;  /* rows x rows: the same given Z and the extra set */
    double  *work;   /* rows x rows */
    int32_t *column; /* rows: column numbers of (Z, extra) */
} state;

static void close_state(void *self)
{
    state *s = self;
    if (s == NULL)
        return;
    ub_free(s->inv_sd);
    ub_free(s->factor);
    ub_free(s->inv);
    ub_free(s->xy);
    ub_free(s->base);
    ub_free(s->joint);
    ub_free(s->work);
    ub_free(s->column);
    ub_free(s);
}

static ub_status open_state(const ub_ci_data *data, const struct ub_settings *settings, void **out)
{
    (void)settings;
    const ub_moments *m = data->moments;
    state            *s = NULL;
    ub_status         st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(s, 1));
    s->m = m;
    UB_TRY_OUT(UB_ALLOC(s->inv_sd, m->columns));
    for (int32_t c = 0; c < m->columns; c++)
        s->inv_sd[c] = ub_gauss_inv_sd(m, c);
    *out = s;
    return UB_OK;
out:
    close_state(s);
    return st;
}

/* Scratch for `rows` columns in one test; grows only. */
static ub_status reserve(state *s, int32_t rows)
{
    if (rows <= s->rows)
        return UB_OK;
    double **square[] = {&s->factor, &s->xy, &s->base, &s->joint, &s->work};
    s->rows = 0;
    for (size_t i = 0; i < sizeof square / sizeof square[0]; i++) {
        ub_free(*square[i]);
        UB_TRY(UB_ALLOC(*square[i], (int64_t)rows * rows));
    }
    ub_free(s->inv);
    UB_TRY(UB_ALLOC(s->inv, rows));
    ub_free(s->column);
    UB_TRY(UB_ALLOC(s->column, rows));
    s->rows = rows;
    return UB_OK;
}

static double correlation(const state *s, int32_t a, int32_t b)
{
    return s->m->cov[(int64_t)a * s->m->columns + b] * (s->inv_sd[a] * s->inv_sd[b]);
}

static double dot(const double *a, const double *b, int32_t from, int32_t to)
{
    double sum = 0;
    for (int32_t k = from; k < to; k++)
        sum += a[k] * b[k];
    return sum;
}

/* Entries [from, to) of the row of column c below the factor. */
static void project(const state *s, int32_t c, int32_t from, int32_t to, double *row)
{
    for (int32_t j = from; j < to; j++) {
        const double *f = s->factor + (int64_t)j * s->rows;
        row[j] = (correlation(s, c, s->column[j]) - dot(row, f, 0, j)) * s->inv[j];
    }
}

/* Add column c as number j of the factor; 1 if it brings something new, else 0. */
static int32_t grow(state *s, int32_t c, int32_t j)
{
    double *row = s->factor + (int64_t)j * s->rows;
    s->column[j] = c;
    s->inv[j] = 0;
    if (s->inv_sd[c] == 0) {
        memset(row, 0, (size_t)j * sizeof *row); /* nothing of the query before */
        return 0;
    }
    project(s, c, 0, j, row);
    double pivot = 1 - dot(row, row, 0, j);
    if (pivot <= UB_GAUSS_DETERMINED)
        return 0;
    s->inv[j] = 1 / sqrt(pivot); /* NaN stays NaN and ends in the verdict */
    return 1;
}

static ub_ci_verdict check_side(const state *s, const int32_t *c, int32_t n)
{
    bool varies = false;
    for (int32_t i = 0; i < n; i++) {
        if (isnan(s->inv_sd[c[i]]))
            return UB_CI_NONFINITE;
        varies = varies || s->inv_sd[c[i]] > 0;
    }
    return varies ? UB_CI_OK : UB_CI_CONSTANT;
}

/* What can be said before any arithmetic; nz counts the columns of Z that vary. */
static ub_ci_verdict check(const state *s, const ub_ci_query *q, const int32_t *extra, int32_t ne)
{
    int32_t nz = 0;
    for (int32_t i = 0; i < q->nz + ne; i++) {
        double inv_sd = s->inv_sd[i < q->nz ? q->z[i] : extra[i - q->nz]];
        if (isnan(inv_sd))
            return UB_CI_NONFINITE;
        nz += inv_sd > 0;
    }
    ub_ci_verdict x = check_side(s, q->x, q->nx), y = check_side(s, q->y, q->ny);
    if (x == UB_CI_NONFINITE || y == UB_CI_NONFINITE)
        return UB_CI_NONFINITE;
    if (x != UB_CI_OK || y != UB_CI_OK)
        return UB_CI_CONSTANT;
    return s->m->n - nz - q->nx - q->ny - 1 < 1 ? UB_CI_TOO_FEW : UB_CI_OK;
}

/* out = in minus what entries [from, to) of the rows of X and Y explain. */
static void residual(const state *s, int32_t m, int32_t from, int32_t to, const double *in,
                     double *out)
{
    for (int32_t i = 0; i < m; i++)
        for (int32_t j = 0; j <= i; j++) {
            const double *a = s->xy + (int64_t)i * s->rows, *b = s->xy + (int64_t)j * s->rows;
            out[i * m + j] = out[j * m + i] = in[i * m + j] - dot(a, b, from, to);
        }
}

/* X is the side with the smaller first column, so that exchanging X and Y changes no bit. */
static ub_ci_query ordered(const ub_ci_query *q)
{
    ub_ci_query o = *q;
    if (q->y[0] < q->x[0]) {
        o.x = q->y;
        o.nx = q->ny;
        o.y = q->x;
        o.ny = q->nx;
    }
    return o;
}

static int32_t side(const ub_ci_query *q, int32_t i)
{
    return i < q->nx ? q->x[i] : q->y[i - q->nx];
}

static ub_status eval_each(void *self, const ub_ci_query *query, int32_t sets, const int32_t *extra,
                           const int32_t *offset, ub_ci_result *out)
{
    state            *s = self;
    const ub_ci_query q = ordered(query);
    int32_t           m = q.nx + q.ny, widest = 0, kept = 0;
    for (int32_t i = 0; i < sets; i++)
        widest = offset[i + 1] - offset[i] > widest ? offset[i + 1] - offset[i] : widest;
    UB_TRY(reserve(s, q.nz + widest + m));

    for (int32_t j = 0; j < q.nz; j++)
        kept += grow(s, q.z[j], j);
    for (int32_t i = 0; i < m; i++) {
        project(s, side(&q, i), 0, q.nz, s->xy + (int64_t)i * s->rows);
        for (int32_t j = 0; j < m; j++)
            s->joint[i * m + j] = correlation(s, side(&q, i), side(&q, j));
    }
    residual(s, m, 0, q.nz, s->joint, s->base);

    for (int32_t i = 0; i < sets; i++) {
        const int32_t *e = extra + offset[i];
        int32_t        ne = offset[i + 1] - offset[i], nz = kept;
        ub_ci_verdict  v = check(s, &q, e, ne);
        if (v != UB_CI_OK) {
            ub_gauss_verdict(v, &out[i]);
            continue;
        }
        for (int32_t j = 0; j < ne; j++)
            nz += grow(s, e[j], q.nz + j);
        for (int32_t j = 0; j < m; j++)
            project(s, side(&q, j), q.nz, q.nz + ne, s->xy + (int64_t)j * s->rows);
        residual(s, m, q.nz, q.nz + ne, s->base, s->joint);
        ub_gauss_answer(s->joint, q.nx, q.ny, s->work, s->m->n, nz, &out[i]);
    }
    return UB_OK;
}

static ub_status eval(void *self, const ub_ci_query *q, ub_ci_result *out)
{
    static const int32_t none[2] = {0, 0};
    return eval_each(self, q, 1, none, none, out);
}

const ub_ci_test ub_ci_fisher_z = {
    .name = "fisher_z",
    .summary = "partial correlation, Fisher's z; Wilks' lambda for vectors",
    .cost = "O(|Z|^3) a pair of steps, shared by all tasks",
    .reference = "Fisher 1924; Bartlett 1938; Anderson, Multivariate Statistical Analysis",
    .accepts = UB_CI_SCALAR | UB_CI_VECTOR | UB_CI_MOMENTS | UB_CI_PARTIAL,
    .open = open_state,
    .eval = eval,
    .eval_each = eval_each,
    .close = close_state,
};
