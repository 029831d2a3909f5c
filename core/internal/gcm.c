#include "core/internal/gcm.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/internal/gauss.h"
#include "core/lapack.h"
#include "core/internal/sampled.h"
#include "core/mem.h"
#include "core/settings.h"
#include "core/special.h"

/* Functions of a column: x, and x^2 clipped at |x| = SQUARE_CLIP, so that a few samples far out do
 * not decide (normal scores: 1.2 % are beyond it). */
enum { FUNCTIONS = 2 };
static const double square_clip = 2.5, index_clip = 3;

/* A product r_f(x) r_h(y) q^w: f, h = 0: x, 1: x^2; q a moderator. */
typedef struct product {
    int f, h, w;
} product;

/* What is asked with moderators and without, the most important first: as many as the samples
 * bear, see product_count().  With them: what is dependent everywhere (sums), the squares (sums of
 * squares, where x y cancels), and what changes its sign along the task (squares of sums).  More
 * orders cost more power in degrees of freedom than they add: docs/ci-tests.md. */
static const product with[] = {{0, 0, 0}, {1, 1, 0}, {0, 0, 1}};
static const product without[] = {{0, 0, 0}, {1, 1, 0}, {0, 1, 0}, {1, 0, 0}};

enum { MOST_PRODUCTS = 64, SAMPLES_A_PRODUCT = 10 };

typedef struct buffer {
    double *x;
    int64_t room;
} buffer;

typedef struct state {
    ub_sampled           sampled;
    const ub_gcm_method *method;
    void                *self;
    int32_t              functions; /* of a column: 1 (form product) or 2 */
    buffer               z, target, base, residual, index, u, gram;
    int32_t             *column;
    int32_t              columns; /* room in it */
} state;

void ub_gcm_close(void *self)
{
    state *s = self;
    if (s == NULL)
        return;
    ub_sampled_close(&s->sampled);
    if (s->method->close != NULL)
        s->method->close(s->self);
    buffer *all[] = {&s->z, &s->target, &s->base, &s->residual, &s->index, &s->u, &s->gram};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        ub_free(all[i]->x);
    ub_free(s->column);
    ub_free(s);
}

ub_status ub_gcm_open(const ub_gcm_method *method, const ub_ci_data *data,
                      const struct ub_settings *settings, void **out)
{
    state    *s = NULL;
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(s, 1));
    s->method = method;
    UB_TRY_OUT(ub_sampled_open(method->name, data, settings, &s->sampled));
    s->functions = settings->ci.form == UB_FORM_PRODUCT ? 1 : FUNCTIONS;
    if (method->open != NULL)
        UB_TRY_OUT(method->open(data->moments->n, settings, &s->self));
    *out = s;
    return UB_OK;
out:
    ub_gcm_close(s);
    return st;
}

static ub_status reserve(buffer *b, int64_t count)
{
    if (count <= b->room)
        return UB_OK;
    ub_free(b->x);
    b->room = 0;
    UB_TRY(UB_ALLOC(b->x, count));
    b->room = count;
    return UB_OK;
}

static const double *column(const state *s, int32_t c)
{
    return s->sampled.data->samples + c * s->sampled.data->moments->n;
}

/* The functions of a column, one after another. */
static void put_functions(const state *s, int32_t c, double *out)
{
    int64_t       n = s->sampled.data->moments->n;
    const double *x = column(s, c);
    memcpy(out, x, (size_t)n * sizeof *out);
    for (int64_t i = 0; i < n && s->functions > 1; i++)
        out[n + i] = fmin(x[i] * x[i], square_clip * square_clip);
}

static double mean_square(int64_t n, const double *x)
{
    return cblas_ddot((int)n, x, 1, x, 1) / (double)n;
}

/* Regress the moderators of all sets on Z, and if `also` the functions of X and Y.  The targets are
 * laid out functions first; what is left of them is in s->base at the same places. */
static ub_status regress_on_z(state *s, const ub_ci_query *q, int32_t moderators,
                              const int32_t *extra, bool also, ub_gcm_job *job)
{
    int64_t n = s->sampled.data->moments->n;
    int32_t own = (q->nx + q->ny) * s->functions;
    UB_TRY(reserve(&s->z, n * q->nz));
    UB_TRY(reserve(&s->target, n * (own + moderators)));
    UB_TRY(reserve(&s->base, n * (own + moderators)));
    if (s->columns < q->nz + moderators) {
        ub_free(s->column);
        s->columns = 0;
        UB_TRY(UB_ALLOC(s->column, q->nz + moderators));
        s->columns = q->nz + moderators;
    }
    for (int32_t j = 0; j < q->nz; j++) {
        memcpy(s->z.x + j * n, column(s, q->z[j]), (size_t)n * sizeof(double));
        s->column[j] = q->z[j];
    }
    for (int32_t i = 0; i < q->nx + q->ny; i++)
        put_functions(s, i < q->nx ? q->x[i] : q->y[i - q->nx],
                      s->target.x + (int64_t)i * s->functions * n);
    for (int32_t j = 0; j < moderators; j++) {
        const double *v = column(s, extra[j]);
        double       *to = s->target.x + (own + j) * n;
        bool          usable = isfinite(s->sampled.data->moments->mean[extra[j]]);
        for (int64_t i = 0; i < n; i++)
            to[i] = usable ? v[i] : 0;
    }
    *job = (ub_gcm_job){.n = n,
                        .nz = q->nz,
                        .m = moderators + (also ? own : 0),
                        .z = s->z.x,
                        .target = s->target.x + (also ? 0 : own * n),
                        .column = s->column,
                        .residual = s->base.x + (also ? 0 : own * n)};
    return s->method->residuals(s->self, job);
}

/* What Z leaves of a moderator, with variance 1 and clipped: the index. */
static void put_index(int64_t n, const double *residual, double *index)
{
    double sd = sqrt(mean_square(n, residual));
    for (int64_t i = 0; i < n; i++)
        index[i] = sd > 0 ? fmax(-index_clip, fmin(index_clip, residual[i] / sd)) : 0;
}

/* How many of the `most` products of a pair of columns there may be: as many as leave
 * SAMPLES_A_PRODUCT samples a product, one at least. */
static int32_t product_count(int32_t most, int32_t pairs, int32_t ng, double left)
{
    double bear = fmin(left / SAMPLES_A_PRODUCT, MOST_PRODUCTS);
    while (most > 1 && (double)most * pairs * (ng > 1 ? ng : 1) > bear)
        most--;
    return most;
}

/* The products of one set of moderators into u; returns how many. */
static ub_status make_products(state *s, const ub_ci_query *q, int32_t ng, double left,
                               const double *residual, int32_t *count)
{
    int64_t        n = s->sampled.data->moments->n;
    const product *table = ng > 0 ? with : without;
    int32_t most = ng > 0 ? sizeof with / sizeof with[0] : sizeof without / sizeof without[0];
    int32_t f = s->functions, k = 0;
    most = product_count(f == 1 ? 1 : most, q->nx * q->ny, ng, left);
    UB_TRY(reserve(&s->u, n * q->nx * q->ny * most * (ng > 1 ? ng : 1)));
    for (int32_t x = 0; x < q->nx; x++)
        for (int32_t y = 0; y < q->ny; y++)
            for (int32_t t = 0; t < most; t++)
                for (int32_t g = 0; g < (table[t].w == 0 ? 1 : ng); g++) {
                    const double *a = residual + (x * f + table[t].f) * n;
                    const double *b = residual + ((q->nx + y) * f + table[t].h) * n;
                    const double *w = table[t].w == 0 ? NULL : s->index.x + g * n;
                    double       *u = s->u.x + k++ * n;
                    for (int64_t i = 0; i < n; i++)
                        u[i] = a[i] * b[i] * (w == NULL ? 1 : w[i]);
                }
    *count = k;
    return UB_OK;
}

/* S' A^-1 S / n of k columns of u, *rank of A; the sign of S if k = 1. */
static ub_status r_square(state *s, int32_t k, double *value, int32_t *rank, double *sign)
{
    int64_t n = s->sampled.data->moments->n;
    int     info, *pivot;
    UB_TRY(reserve(&s->gram, ((int64_t)k + 4) * k));
    UB_TRY(UB_ALLOC(pivot, k));
    double *a = s->gram.x, *sum = a + (int64_t)k * k, *sorted = sum + k, *work = sorted + k;
    double  tol = 1e-10;
    for (int32_t j = 0; j < k; j++) { /* columns of unit length: A a correlation matrix */
        double *u = s->u.x + j * n, size = sqrt(mean_square(n, u) * (double)n);
        cblas_dscal((int)n, size > 0 ? 1 / size : 0, u, 1);
        sum[j] = 0;
        for (int64_t i = 0; i < n; i++)
            sum[j] += u[i];
    }
    *sign = sum[0] < 0 ? -1 : 1;
    cblas_dsyrk(CblasColMajor, CblasLower, CblasTrans, k, (int)n, 1, s->u.x, (int)n, 0, a, k);
    dpstrf_("L", &k, a, &k, pivot, rank, &tol, work, &info);
    for (int32_t j = 0; j < *rank; j++)
        sorted[j] = sum[pivot[j] - 1];
    if (*rank > 0)
        cblas_dtrsv(CblasColMajor, CblasLower, CblasNoTrans, CblasNonUnit, *rank, a, k, sorted, 1);
    ub_free(pivot);
    *value = cblas_ddot(*rank, sorted, 1, sorted, 1) / (double)n;
    return UB_OK;
}

static ub_status answer(state *s, const ub_ci_query *q, int32_t ng, double dof, double *residual,
                        ub_ci_result *out)
{
    int64_t n = s->sampled.data->moments->n;
    int32_t own = (q->nx + q->ny) * s->functions, k, rank;
    double  left = (double)n - dof, r2, sign;
    for (int32_t j = 0; j < own; j++) { /* nothing but rounding left: no information */
        const double *t = s->target.x + j * n;
        double       *r = residual + j * n;
        if (mean_square(n, r) <= UB_GAUSS_DETERMINED * mean_square(n, t))
            memset(r, 0, (size_t)n * sizeof *r);
    }
    UB_TRY(make_products(s, q, ng, left, residual, &k));
    UB_TRY(r_square(s, k, &r2, &rank, &sign));
    if (dof >= 0.5 * (double)n || left - rank < SAMPLES_A_PRODUCT) {
        ub_gauss_verdict(UB_CI_TOO_FEW, out);
    } else if (rank == 0) {
        ub_gauss_verdict(UB_CI_COLLINEAR, out);
    } else {
        double t2 = left * r2 / fmax(1 - r2, UB_GAUSS_DETERMINED);
        double log_p = ub_f_log_tail(t2 * (left - rank) / (rank * (left - 1)), rank, left - rank);
        double statistic = k == 1 ? sign * sqrt(t2) : t2;
        *out = (ub_ci_result){statistic, fmin(exp(log_p), 1), ub_evidence_of_log_p(log_p), rank, n,
                              UB_CI_OK};
    }
    return UB_OK;
}

/* One set of moderators, columns from .. from + ng - 1 of the targets after the functions. */
static ub_status eval_set(state *s, const ub_ci_query *q, const ub_gcm_job *base, int32_t from,
                          int32_t ng, const int32_t *extra, ub_ci_result *out)
{
    int64_t n = base->n;
    int32_t own = (q->nx + q->ny) * s->functions;
    UB_TRY(reserve(&s->residual, n * own));
    if (ng == 0) {
        memcpy(s->residual.x, s->base.x, (size_t)(n * own) * sizeof(double));
        return answer(s, q, 0, base->dof, s->residual.x, out);
    }
    UB_TRY(reserve(&s->index, n * ng));
    for (int32_t j = 0; j < ng; j++) {
        put_index(n, s->base.x + (own + from + j) * n, s->index.x + j * n);
        s->column[q->nz + j] = extra[from + j];
    }
    ub_gcm_job job = *base;
    job.ng = ng;
    job.g = s->index.x;
    job.m = own;
    job.target = s->target.x;
    job.again = true;
    job.residual = s->residual.x;
    UB_TRY(s->method->residuals(s->self, &job));
    return answer(s, q, ng, job.dof, s->residual.x, out);
}

ub_status ub_gcm_eval_each(void *self, const ub_ci_query *query, int32_t sets, const int32_t *extra,
                           const int32_t *offset, ub_ci_result *out)
{
    state            *s = self;
    const ub_ci_query q = ub_sampled_ordered(query);
    ub_gcm_job        base = {0};
    bool              any = false, also = s->method->together;
    UB_TRY(s->sampled.linear->eval_each(s->sampled.linear_state, &q, sets, extra, offset, out));
    for (int32_t i = 0; i < sets; i++) {
        any = any || out[i].verdict == UB_CI_OK;
        also = also || offset[i + 1] == offset[i];
    }
    if (!any)
        return UB_OK;
    UB_TRY(regress_on_z(s, &q, offset[sets] - offset[0], extra + offset[0], also, &base));
    for (int32_t i = 0; i < sets; i++)
        if (out[i].verdict == UB_CI_OK)
            UB_TRY(eval_set(s, &q, &base, offset[i] - offset[0], offset[i + 1] - offset[i],
                            extra + offset[0], &out[i]));
    return UB_OK;
}

ub_status ub_gcm_eval(void *self, const ub_ci_query *q, ub_ci_result *out)
{
    int32_t     shared = q->nz - q->moderators, none = 0;
    int32_t     offset[2] = {0, q->moderators};
    ub_ci_query base = *q;
    base.nz = shared;
    base.moderators = 0;
    return ub_gcm_eval_each(self, &base, 1, q->moderators > 0 ? q->z + shared : &none, offset, out);
}
