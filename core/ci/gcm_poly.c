/* gcm_poly - generalised covariance measure with polynomial regression.
 *
 * Features of (Z, G): Hermite polynomials of each column up to ci.degree, products of two
 * columns of Z, and of a moderator (order 1 and 2) with a column of Z.  The features of Z are
 * orthogonalised once for all sets of moderators, and those of G against them; a feature
 * determined by others is left out.  Residuals are exact leave-one-out ones, e_i / (1 - h_ii). */
#include "core/ci_test.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "core/internal/poly.h"
#include "core/internal/scores.h"
#include "core/lapack.h"
#include "core/mem.h"
#include "core/settings.h"

/* Samples a feature must have; with fewer the products go, then the higher degrees. */
enum { SAMPLES_A_FEATURE = 5 };

typedef struct poly {
    int64_t  n;
    int64_t  degree;
    double  *feature, *q; /* n x room: features, and their orthonormal basis */
    int32_t  room;
    int32_t  rank_z;      /* columns of q that span the features of Z */
    double  *gram, *work; /* room^2; room (m + 2) */
    int32_t *pivot;
    int32_t  targets;               /* room for */
    double  *fit;                   /* room x targets */
    double  *leverage_z, *leverage; /* n */
} poly;

static void close_poly(void *self)
{
    poly *p = self;
    if (p == NULL)
        return;
    ub_free(p->feature);
    ub_free(p->q);
    ub_free(p->gram);
    ub_free(p->work);
    ub_free(p->pivot);
    ub_free(p->fit);
    ub_free(p->leverage_z);
    ub_free(p->leverage);
    ub_free(p);
}

static ub_status open_poly(int64_t n, const struct ub_settings *settings, void **self)
{
    poly     *p = NULL;
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(p, 1));
    p->n = n;
    p->degree = settings->ci.degree;
    UB_TRY_OUT(UB_ALLOC(p->leverage_z, n));
    UB_TRY_OUT(UB_ALLOC(p->leverage, n));
    *self = p;
    return UB_OK;
out:
    close_poly(p);
    return st;
}

/* Room for `count` features, the first `keep` columns of q kept. */
static ub_status reserve(poly *p, int32_t count, int32_t keep, int32_t targets)
{
    if (count > p->room) {
        double *q = NULL;
        UB_TRY(UB_ALLOC(q, p->n * count));
        if (keep > 0)
            memcpy(q, p->q, (size_t)(p->n * keep) * sizeof *q);
        ub_free(p->q);
        p->q = q;
        ub_free(p->feature);
        ub_free(p->gram);
        ub_free(p->work);
        ub_free(p->pivot);
        p->room = p->targets = 0;
        UB_TRY(UB_ALLOC(p->feature, p->n * count));
        UB_TRY(UB_ALLOC(p->gram, (int64_t)count * count));
        UB_TRY(UB_ALLOC(p->work, 2 * count));
        UB_TRY(UB_ALLOC(p->pivot, count));
        p->room = count;
    }
    if (targets > p->targets) {
        ub_free(p->fit);
        p->targets = 0;
        UB_TRY(UB_ALLOC(p->fit, (int64_t)p->room * targets));
        p->targets = targets;
    }
    return UB_OK;
}

/* Features of degree 1 .. `degree` of a column, by the recurrence of Hermite polynomials. */
static double *put_powers(int64_t n, const double *x, int64_t degree, double *to)
{
    for (int64_t d = 1; d <= degree; d++, to += n)
        for (int64_t i = 0; i < n; i++)
            to[i] =
                d == 1 ? x[i] : x[i] * to[i - n] - (double)(d - 1) * (d == 2 ? 1 : to[i - 2 * n]);
    return to;
}

static double *put_product(int64_t n, const double *a, const double *b, double *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = a[i] * b[i];
    return to + n;
}

/* Which features the samples bear: the degree, and whether products. */
typedef struct plan {
    int64_t degree;
    bool    products;
} plan;

static int64_t count_z(const plan *p, int64_t nz)
{
    return 1 + nz * p->degree + (p->products ? nz * (nz - 1) / 2 : 0);
}

static int64_t count_g(const plan *p, int64_t nz, int64_t ng)
{
    return ng * p->degree + (p->products ? 2 * ng * nz : 0);
}

/* By the features of Z and one moderator, so that all sets of a query share the features of Z. */
static plan make_plan(const poly *p, int64_t nz)
{
    plan use = {p->degree, p->degree > 1};
    while (use.degree > 1 && count_z(&use, nz) + count_g(&use, nz, 1) > p->n / SAMPLES_A_FEATURE) {
        if (use.products)
            use.products = false;
        else
            use.degree--;
    }
    return use;
}

static void put_features_of_z(const poly *p, const plan *use, const ub_gcm_job *job, double *to)
{
    int64_t n = job->n;
    for (int64_t i = 0; i < n; i++)
        to[i] = 1;
    to += n;
    for (int32_t j = 0; j < job->nz; j++)
        to = put_powers(n, job->z + j * n, use->degree, to);
    for (int32_t j = 0; j < job->nz && use->products; j++)
        for (int32_t k = 0; k < j; k++)
            to = put_product(n, job->z + j * n, job->z + k * n, to);
    (void)p;
}

static void put_features_of_g(const plan *use, const ub_gcm_job *job, double *to)
{
    int64_t n = job->n;
    for (int32_t g = 0; g < job->ng; g++) {
        double *powers = to;
        to = put_powers(n, job->g + g * n, use->degree, to);
        for (int32_t j = 0; j < job->nz && use->products; j++)
            for (int d = 0; d < 2; d++)
                to = put_product(n, powers + (d < use->degree ? d : 0) * n, job->z + j * n, to);
    }
}

/* Orthonormal basis of `count` features, given that of the first `from` columns of q, behind them;
 * twice, because once leaves sqrt(condition) of the orthogonality (Stathopoulos, Wu 2002).
 * Returns its size. */
static int32_t orthogonalise(poly *p, int32_t count, int32_t from)
{
    int     n = (int)p->n, info, rank = count;
    double *f = p->feature, *q = p->q + (int64_t)from * n;
    for (int pass = 0; pass < 2 && count > 0; pass++) {
        if (from > 0) {
            cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, from, count, n, 1, p->q, n, f, n,
                        0, p->gram, from);
            cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, count, from, -1, p->q, n,
                        p->gram, from, 1, f, n);
        }
        for (int32_t j = 0; j < count && pass == 0; j++) {
            double size = cblas_dnrm2(n, f + (int64_t)j * n, 1);
            cblas_dscal(n, size > 1e-6 ? 1 / size : 0, f + (int64_t)j * n, 1);
        }
        double tol = 1e-9;
        cblas_dsyrk(CblasColMajor, CblasLower, CblasTrans, count, n, 1, f, n, 0, p->gram, count);
        dpstrf_("L", &count, p->gram, &count, p->pivot, &rank, &tol, p->work, &info);
        for (int32_t j = 0; j < rank; j++)
            memcpy(q + (int64_t)j * n, f + (int64_t)(p->pivot[j] - 1) * n,
                   (size_t)n * sizeof(double));
        if (rank > 0)
            cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, n, rank, 1,
                        p->gram, count, q, n);
        count = rank;
        if (pass == 0)
            memcpy(f, q, (size_t)n * (size_t)rank * sizeof(double));
    }
    return rank;
}

static void add_leverage(int64_t n, int32_t count, const double *q, double *h)
{
    for (int32_t j = 0; j < count; j++, q += n)
        for (int64_t i = 0; i < n; i++)
            h[i] += q[i] * q[i];
}

static ub_status residuals(void *self, ub_gcm_job *job)
{
    poly   *p = self;
    plan    use = make_plan(p, job->nz);
    int64_t nz = count_z(&use, job->nz), ng = count_g(&use, job->nz, job->ng);
    int     n = (int)job->n;
    job->dof = (double)(nz + ng);
    if (2 * (nz + ng) >= n)
        return UB_OK;
    UB_TRY(reserve(p, (int32_t)(nz + ng), job->again ? p->rank_z : 0, job->m));
    if (!job->again) {
        put_features_of_z(p, &use, job, p->feature);
        p->rank_z = orthogonalise(p, (int32_t)nz, 0);
        memset(p->leverage_z, 0, (size_t)n * sizeof(double));
        add_leverage(n, p->rank_z, p->q, p->leverage_z);
    }
    put_features_of_g(&use, job, p->feature);
    int32_t rank_g = orthogonalise(p, (int32_t)ng, p->rank_z), rank = p->rank_z + rank_g;
    memcpy(p->leverage, p->leverage_z, (size_t)n * sizeof(double));
    add_leverage(n, rank_g, p->q + (int64_t)p->rank_z * n, p->leverage);

    memcpy(job->residual, job->target, (size_t)n * (size_t)job->m * sizeof(double));
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, rank, job->m, n, 1, p->q, n, job->target,
                n, 0, p->fit, rank);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, job->m, rank, -1, p->q, n, p->fit,
                rank, 1, job->residual, n);
    for (int64_t i = 0; i < n; i++) { /* a sample alone on its feature leaves nothing */
        double factor = 1 - p->leverage[i] > 1e-9 ? 1 / (1 - p->leverage[i]) : 0;
        for (int32_t j = 0; j < job->m; j++)
            job->residual[(int64_t)j * n + i] *= factor;
    }
    job->dof = rank;
    return UB_OK;
}

const ub_gcm_method ub_gcm_polynomials = {"gcm_poly", open_poly, residuals, close_poly, false};

static ub_status open_state(const ub_ci_data *data, const struct ub_settings *settings,
                            void **state)
{
    return ub_gcm_open(&ub_gcm_polynomials, data, settings, state);
}

const ub_ci_test ub_ci_gcm_poly = {
    .name = "gcm_poly",
    .summary = "generalised covariance measure, polynomial regression: interactions and squares",
    .cost = "O(n p^2) a pair of steps, p = |Z| degree + |Z|^2 / 2, and O(n p |Z|) a task",
    .reference = "Shah and Peters 2020; Scheidegger, Hoerrmann, Buehlmann 2022",
    .accepts = UB_CI_SCALAR | UB_CI_VECTOR | UB_CI_SAMPLES,
    .settings = "ci.form ci.degree",
    .transform = ub_normal_scores,
    .open = open_state,
    .eval = ub_gcm_eval,
    .eval_each = ub_gcm_eval_each,
    .close = ub_gcm_close,
};
