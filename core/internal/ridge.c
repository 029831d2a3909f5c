#include "core/internal/ridge.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "core/lapack.h"
#include "core/mem.h"

/* Rows 1, z, cos(w'z + b) of the n x p matrix phi. */
static void make_features(int64_t n, int32_t nz, const double *const *z, int32_t features,
                          ub_rng *rng, double *phi)
{
    int32_t p = 1 + nz + features;
    for (int64_t i = 0; i < n; i++) {
        phi[i * p] = 1;
        for (int32_t c = 0; c < nz; c++)
            phi[i * p + 1 + c] = z[c][i];
    }
    for (int32_t f = 0; f < features; f++) {
        for (int64_t i = 0; i < n; i++)
            phi[i * p + 1 + nz + f] = 0;
        for (int32_t c = 0; c < nz; c++) {
            double w = ub_rng_normal(rng);
            w = f % 2 == 0 ? w / sqrt((double)nz) : c == f / 2 % nz ? 2 * w : 0;
            for (int64_t i = 0; i < n; i++)
                phi[i * p + 1 + nz + f] += w * z[c][i];
        }
        double b = 2 * M_PI * ub_rng_uniform(rng);
        for (int64_t i = 0; i < n; i++)
            phi[i * p + 1 + nz + f] = sqrt(2) * cos(phi[i * p + 1 + nz + f] + b);
    }
}

typedef struct fit {
    int64_t n;
    int32_t p, free, columns;                /* features, how many unpenalised, targets */
    double *phi, *gram, *factor, *rotated;   /* n x p, p x p, p x p, n x p */
    double *right, *beta, *residual, *least; /* p x columns twice, columns x n, columns */
} fit;

/* Leave-one-out residuals of all columns at one penalty; false if the system is singular. */
static int solve(fit *f, double penalty, int64_t stride, const double *v)
{
    int     info, p = f->p, columns = f->columns;
    int64_t n = f->n;
    memcpy(f->factor, f->gram, (size_t)p * (size_t)p * sizeof *f->factor);
    for (int32_t i = 0; i < p; i++)
        f->factor[i * p + i] += (double)n * (i < f->free ? 1e-9 : penalty);
    dpotrf_("U", &p, f->factor, &p, &info); /* column-major upper is row-major lower */
    if (info != 0)
        return 0;
    memcpy(f->beta, f->right, (size_t)p * (size_t)columns * sizeof *f->beta);
    dpotrs_("U", &p, &columns, f->factor, &p, f->beta, &p, &info);
    memcpy(f->rotated, f->phi, (size_t)n * (size_t)p * sizeof *f->rotated);
    cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, (int)n, p, 1.0,
                f->factor, p, f->rotated, p);
    for (int32_t c = 0; c < columns; c++)
        memcpy(f->residual + c * n, v + c * stride, (size_t)n * sizeof *v);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, columns, (int)n, p, -1.0, f->beta, p,
                f->phi, p, 1.0, f->residual, (int)n);
    for (int64_t i = 0; i < n; i++) {
        double hat = 0;
        for (int32_t c = 0; c < p; c++)
            hat += f->rotated[i * p + c] * f->rotated[i * p + c];
        for (int32_t c = 0; c < columns; c++)
            f->residual[c * n + i] /= fmax(1 - hat, 1e-6);
    }
    return 1;
}

static ub_status allocate(fit *f)
{
    int64_t n = f->n, p = f->p, columns = f->columns;
    UB_TRY(UB_ALLOC(f->phi, n * p));
    UB_TRY(UB_ALLOC(f->gram, p * p));
    UB_TRY(UB_ALLOC(f->factor, p * p));
    UB_TRY(UB_ALLOC(f->rotated, n * p));
    UB_TRY(UB_ALLOC(f->right, p * columns));
    UB_TRY(UB_ALLOC(f->beta, p * columns));
    UB_TRY(UB_ALLOC(f->residual, n * columns));
    UB_TRY(UB_ALLOC(f->least, columns));
    return UB_OK;
}

static void release(fit *f)
{
    double *owned[] = {f->phi,   f->gram, f->factor,   f->rotated,
                       f->right, f->beta, f->residual, f->least};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        ub_free(owned[i]);
}

ub_status ub_ridge_residuals(int64_t n, int32_t nz, const double *const *z, int32_t features,
                             ub_rng *rng, int32_t columns, int64_t stride, double *v)
{
    static const double penalty[] = {1e3, 1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5};
    int32_t             p = 1 + nz + features;
    double             *best = NULL;
    fit                 f = {.n = n, .p = p, .free = 1 + nz, .columns = columns};
    ub_status           st = UB_OK;
    UB_TRY_OUT(allocate(&f));
    UB_TRY_OUT(UB_ALLOC(best, n * columns));
    make_features(n, nz, z, features, rng, f.phi);
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, p, p, (int)n, 1.0, f.phi, p, f.phi, p, 0.0,
                f.gram, p);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, columns, p, (int)n, 1.0, v, (int)stride,
                f.phi, p, 0.0, f.right, p);
    for (int32_t c = 0; c < columns; c++)
        f.least[c] = INFINITY;
    for (size_t l = 0; l < sizeof penalty / sizeof penalty[0] && solve(&f, penalty[l], stride, v);
         l++)
        for (int32_t c = 0; c < columns; c++) {
            double sum = cblas_ddot((int)n, f.residual + c * n, 1, f.residual + c * n, 1);
            if (sum < f.least[c]) {
                f.least[c] = sum;
                memcpy(best + c * n, f.residual + c * n, (size_t)n * sizeof *best);
            }
        }
    for (int32_t c = 0; c < columns; c++)
        memcpy(v + c * stride, best + c * n, (size_t)n * sizeof *v);
out:
    ub_free(best);
    release(&f);
    return st;
}
