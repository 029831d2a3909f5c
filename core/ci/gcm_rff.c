/* gcm_rff - generalised covariance measure with ridge regression on random Fourier features.
 *
 * Features of v = (Z, G), d columns: the columns themselves, three times as large so that the
 * penalty spares them, and cos(w'v / sqrt(d) + b), w ~ N(0, I), b ~ U(0, 2 pi): a Gaussian kernel
 * of the width sqrt(d), d being half the mean squared distance of normal scores (Rahimi, Recht
 * 2007).  The w of a column belong to (run.seed, column): every query sees the same functions of
 * it.  Each target has the penalty with the least generalised cross-validation (Golub, Heath,
 * Wahba 1979) on a grid; residuals are exact leave-one-out ones, e_i / (1 - h_ii). */
#include "core/ci_test.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "core/internal/gcm.h"
#include "core/internal/scores.h"
#include "core/lapack.h"
#include "core/mem.h"
#include "core/rng.h"
#include "core/settings.h"

static const double linear_scale = 3, penalty_least = 1e-6, penalty_step = 10;
enum { PENALTIES = 7, PHASES = INT32_MAX }; /* item of the phases: no column has it */

typedef struct rff {
    int64_t  n, features;
    uint64_t seed;
    int32_t  room;     /* features in all there is room for */
    double  *phi, *v;  /* n x room: features; eigenvectors of phi phi' */
    double  *gram, *s; /* room^2; room: eigenvalues of phi' phi / n */
    double  *c, *work; /* room; n: the fit of one target */
} rff;

static void close_rff(void *self)
{
    rff *r = self;
    if (r == NULL)
        return;
    double *all[] = {r->phi, r->v, r->gram, r->s, r->c, r->work};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        ub_free(all[i]);
    ub_free(r);
}

static ub_status open_rff(int64_t n, const struct ub_settings *settings, void **self)
{
    rff      *r = NULL;
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(r, 1));
    r->n = n;
    r->features = settings->ci.features;
    r->seed = (uint64_t)settings->run.seed;
    UB_TRY_OUT(UB_ALLOC(r->work, n));
    *self = r;
    return UB_OK;
out:
    close_rff(r);
    return st;
}

static ub_status reserve(rff *r, int32_t count)
{
    if (count <= r->room)
        return UB_OK;
    double **all[] = {&r->phi, &r->v, &r->gram, &r->s, &r->c};
    int64_t  size[] = {r->n * count, r->n * count, (int64_t)count * count, count, 4 * count};
    r->room = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        ub_free(*all[i]);
        UB_TRY(UB_ALLOC(*all[i], size[i]));
    }
    r->room = count;
    return UB_OK;
}

static const double *input(const ub_gcm_job *job, int32_t j)
{
    return j < job->nz ? job->z + (int64_t)j * job->n : job->g + (int64_t)(j - job->nz) * job->n;
}

/* phi: the columns, then the cosines; each centred. */
static void put_features(rff *r, const ub_gcm_job *job, int32_t cosines)
{
    int32_t d = job->nz + job->ng;
    int     n = (int)r->n;
    if (d == 0) /* nothing to condition on, and no features */
        return;
    double *wave = r->phi + (int64_t)d * n;
    memset(wave, 0, (size_t)cosines * (size_t)n * sizeof *wave);
    for (int32_t j = 0; j < d; j++) {
        ub_rng        own = ub_rng_make(r->seed, UB_RNG_REGRESSION, (uint64_t)job->column[j]);
        const double *v = input(job, j);
        for (int32_t f = 0; f < cosines; f++)
            cblas_daxpy(n, ub_rng_normal(&own) / sqrt(d), v, 1, wave + (int64_t)f * n, 1);
        for (int64_t i = 0; i < n; i++)
            r->phi[(int64_t)j * n + i] = linear_scale * v[i];
    }
    ub_rng phase = ub_rng_make(r->seed, UB_RNG_REGRESSION, PHASES);
    for (int32_t f = 0; f < cosines; f++) {
        double b = 2 * M_PI * ub_rng_uniform(&phase);
        for (int64_t i = 0; i < n; i++)
            wave[(int64_t)f * n + i] = M_SQRT2 * cos(wave[(int64_t)f * n + i] + b);
    }
    for (int32_t j = 0; j < d + cosines; j++) {
        double *x = r->phi + (int64_t)j * n, mean = 0;
        for (int64_t i = 0; i < n; i++)
            mean += x[i];
        for (int64_t i = 0; i < n; i++)
            x[i] -= mean / n;
    }
}

/* v = orthonormal columns and s > 0 with phi phi' / n = v diag(s) v'; returns how many. */
static ub_status rotate(rff *r, int32_t count, int32_t *rank)
{
    int     n = (int)r->n, info, lwork = 4 * count;
    int32_t first = 0;
    cblas_dsyrk(CblasColMajor, CblasLower, CblasTrans, count, n, 1.0 / n, r->phi, n, 0, r->gram,
                count);
    dsyev_("V", "L", &count, r->gram, &count, r->s, r->c, &lwork, &info);
    if (info != 0)
        return UB_FAIL(UB_ENUMERIC, "eigenvalues of %d random features did not converge", count);
    while (first < count && r->s[first] <= 1e-10 * r->s[count - 1])
        first++;
    *rank = count - first;
    memmove(r->s, r->s + first, (size_t)*rank * sizeof *r->s);
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, *rank, count, 1, r->phi, n,
                r->gram + (int64_t)first * count, count, 0, r->v, n);
    for (int32_t j = 0; j < *rank; j++)
        cblas_dscal(n, 1 / sqrt(n * r->s[j]), r->v + (int64_t)j * n, 1);
    return UB_OK;
}

/* The penalty of least GCV for a centred target with coefficients c; *dof its trace. */
static double choose_penalty(const rff *r, int32_t rank, double total, double *dof)
{
    double best = INFINITY, chosen = 0, penalty = penalty_least;
    for (int32_t l = 0; l < PENALTIES; l++, penalty *= penalty_step) {
        double rss = total, trace = 1;
        for (int32_t j = 0; j < rank; j++) {
            double d = r->s[j] / (r->s[j] + penalty);
            rss -= r->c[j] * r->c[j] * (2 - d) * d;
            trace += d;
        }
        double left = (double)r->n - trace, score = rss / (left * left);
        if (left > 0 && score < best) {
            best = score;
            chosen = penalty;
            *dof = trace;
        }
    }
    return chosen;
}

static void fit_target(rff *r, int32_t rank, const double *target, double *residual, double *dof)
{
    int    n = (int)r->n;
    double mean = 0;
    for (int64_t i = 0; i < n; i++)
        mean += target[i];
    for (int64_t i = 0; i < n; i++)
        residual[i] = target[i] - mean / n;
    cblas_dgemv(CblasColMajor, CblasTrans, n, rank, 1, r->v, n, residual, 1, 0, r->c, 1);
    double penalty = choose_penalty(r, rank, cblas_ddot(n, residual, 1, residual, 1), dof);
    for (int64_t i = 0; i < n; i++)
        r->work[i] = 1 - 1.0 / n;
    for (int32_t j = 0; j < rank; j++) {
        const double *v = r->v + (int64_t)j * n;
        double        d = r->s[j] / (r->s[j] + penalty), c = d * r->c[j];
        for (int64_t i = 0; i < n; i++) {
            residual[i] -= c * v[i];
            r->work[i] -= d * v[i] * v[i];
        }
    }
    for (int64_t i = 0; i < n; i++)
        residual[i] = r->work[i] > 1e-9 ? residual[i] / r->work[i] : 0;
}

static ub_status residuals(void *self, ub_gcm_job *job)
{
    rff    *r = self;
    int32_t d = job->nz + job->ng, rank = 0;
    int32_t cosines = d > 0 ? (int32_t)fmin((double)r->features, (double)job->n / 4) : 0;
    job->dof = d;
    if (2 * d >= job->n)
        return UB_OK;
    UB_TRY(reserve(r, d + cosines));
    put_features(r, job, cosines);
    if (d > 0)
        UB_TRY(rotate(r, d + cosines, &rank));
    job->dof = 0;
    for (int32_t t = 0; t < job->m; t++) {
        double dof = 1;
        fit_target(r, rank, job->target + t * job->n, job->residual + t * job->n, &dof);
        job->dof = fmax(job->dof, dof);
    }
    return UB_OK;
}

static const ub_gcm_method method = {"gcm_rff", open_rff, residuals, close_rff, false};

static ub_status open_state(const ub_ci_data *data, const struct ub_settings *settings,
                            void **state)
{
    return ub_gcm_open(&method, data, settings, state);
}

const ub_ci_test ub_ci_gcm_rff = {
    .name = "gcm_rff",
    .summary = "generalised covariance measure, ridge regression on random Fourier features",
    .cost = "O(n D^2) a test, D features",
    .reference = "Shah and Peters 2020; Rahimi and Recht 2007; Golub, Heath, Wahba 1979",
    .accepts = UB_CI_SCALAR | UB_CI_VECTOR | UB_CI_SAMPLES,
    .settings = "ci.form ci.features run.seed",
    .transform = ub_normal_scores,
    .open = open_state,
    .eval = ub_gcm_eval,
    .eval_each = ub_gcm_eval_each,
    .close = ub_gcm_close,
};
