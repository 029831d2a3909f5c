#include "core/internal/krr.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "core/lapack.h"
#include "core/mem.h"

/* What counts as a direction: of the kernel over its landmarks (its diagonal is 1), of the plain
 * features (of unit length), and among the samples. */
static const double kernel_tol = 1e-8, plain_tol = 1e-9, variance_tol = 1e-11,
                    least_variance = 1e-20;

/* GCV with the degrees of freedom counted 1.2 times: GCV proper is known to undersmooth wildly at
 * times (Cummins, Filloon, Nychka 2001). */
static const double gcv_inflation = 1.2;

void ub_krr_release(ub_krr *k)
{
    double *all[] = {k->q, k->u, k->w, k->k, k->gram, k->work, k->point, k->coefficient};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        ub_free(all[i]);
    ub_free(k->pivot);
    *k = (ub_krr){0};
}

static ub_status reserve(ub_krr *k, int64_t n, int32_t plain, int32_t landmarks)
{
    if (n <= k->room_n && plain <= k->room_plain && landmarks <= k->room_landmarks)
        return UB_OK;
    n = n > k->room_n ? n : k->room_n;
    plain = plain > k->room_plain ? plain : k->room_plain;
    landmarks = landmarks > k->room_landmarks ? landmarks : k->room_landmarks;
    int64_t most = plain > 2 * landmarks ? plain : 2 * landmarks; /* landmarks have candidates */
    double *q = NULL;
    UB_TRY(UB_ALLOC(q, n * plain));
    if (k->q != NULL && k->plain > 0)
        memcpy(q, k->q, (size_t)(k->n * k->plain) * sizeof *q);
    int64_t kept_n = k->n;
    int32_t kept = k->plain;
    ub_krr_release(k);
    *k = (ub_krr){.n = kept_n, .plain = kept, .q = q};
    UB_TRY(UB_ALLOC(k->u, n * landmarks));
    UB_TRY(UB_ALLOC(k->k, n * landmarks));
    UB_TRY(UB_ALLOC(k->w, most));
    UB_TRY(UB_ALLOC(k->gram, most * most));
    UB_TRY(UB_ALLOC(k->work, 1 + 3 * most + most * most));
    UB_TRY(UB_ALLOC(k->point, most));
    UB_TRY(UB_ALLOC(k->coefficient, most + plain));
    UB_TRY(UB_ALLOC(k->pivot, 3 + 5 * most));
    k->room_n = n;
    k->room_plain = plain;
    k->room_landmarks = landmarks;
    return UB_OK;
}

ub_status ub_krr_plain(ub_krr *k, int64_t n, int32_t p, double *feature)
{
    int    rows = (int)n, info, rank = p;
    double tol = plain_tol;
    k->plain = 0; /* nothing to keep */
    UB_TRY(reserve(k, n, p, k->room_landmarks));
    k->n = n;
    k->rank = 0;
    for (int pass = 0; pass < 2 && p > 0; pass++) { /* twice: once leaves sqrt(condition) */
        for (int32_t j = 0; j < p && pass == 0; j++) {
            double size = cblas_dnrm2(rows, feature + j * n, 1);
            cblas_dscal(rows, size > 1e-6 ? 1 / size : 0, feature + j * n, 1);
        }
        cblas_dsyrk(CblasColMajor, CblasLower, CblasTrans, p, rows, 1, feature, rows, 0, k->gram,
                    p);
        dpstrf_("L", &p, k->gram, &p, k->pivot, &rank, &tol, k->work, &info);
        for (int32_t j = 0; j < rank; j++)
            memcpy(k->q + j * n, feature + (k->pivot[j] - 1) * n, (size_t)n * sizeof *k->q);
        if (rank > 0)
            cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, rows, rank,
                        1, k->gram, p, k->q, rows);
        p = rank;
        if (pass == 0)
            memcpy(feature, k->q, (size_t)n * (size_t)rank * sizeof *feature);
    }
    k->plain = p;
    return UB_OK;
}

static double kernel(double du, double dv, double factor)
{
    return exp(-(du * du + dv * dv) * factor);
}

/* Landmarks and the Cholesky factor of the kernel among them (k->gram, leading dimension c, how
 * many candidates there are); returns how many. */
static int32_t choose_landmarks(ub_krr *k, const double *a, const double *b, double factor,
                                const int32_t *order, int32_t c, int32_t landmarks)
{
    int    rank, info;
    double tol = kernel_tol;
    for (int32_t j = 0; j < c; j++)
        for (int32_t i = j; i < c; i++)
            k->gram[(int64_t)j * c + i] = kernel(a[order[i]] - a[order[j]],
                                                 b == NULL ? 0 : b[order[i]] - b[order[j]], factor);
    dpstrf_("L", &c, k->gram, &c, k->pivot, &rank, &tol, k->work, &info);
    rank = rank < landmarks ? rank : landmarks;
    for (int32_t j = 0; j < rank; j++) {
        int32_t at = order[k->pivot[j] - 1];
        k->point[2 * j] = a[at];
        k->point[2 * j + 1] = b == NULL ? 0 : b[at];
    }
    return rank;
}

ub_status ub_krr_kernel(ub_krr *k, const double *a, const double *b, double scale,
                        const int32_t *order, int32_t landmarks)
{
    int64_t n = k->n;
    int     rows = (int)n, info;
    double  factor = 0.5 / (scale * scale);
    k->rank = 0;
    if (landmarks < 1)
        return UB_OK;
    UB_TRY(reserve(k, n, k->room_plain, landmarks));
    int32_t candidates = 2 * landmarks < n ? 2 * landmarks : (int32_t)n;
    int     m = choose_landmarks(k, a, b, factor, order, candidates, landmarks);
    for (int32_t j = 0; j < m; j++)
        for (int64_t i = 0; i < n; i++)
            k->k[j * n + i] = kernel(a[i] - k->point[2 * j],
                                     (b == NULL ? 0 : b[i]) - k->point[2 * j + 1], factor);
    cblas_dtrsm(CblasColMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, rows, m, 1,
                k->gram, candidates, k->k, rows);
    if (k->plain > 0) {
        cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, k->plain, m, rows, 1, k->q, rows, k->k,
                    rows, 0, k->u, k->plain);
        cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, rows, m, k->plain, -1, k->q, rows,
                    k->u, k->plain, 1, k->k, rows);
    }
    cblas_dsyrk(CblasColMajor, CblasLower, CblasTrans, m, rows, 1 / (double)n, k->k, rows, 0,
                k->gram, m);
    int room = 1 + 6 * m + 2 * m * m, whole = 3 + 5 * m;
    dsyevd_("V", "L", &m, k->gram, &m, k->w, k->work, &room, k->pivot, &whole, &info);
    int first = 0;
    while (first < m && !(k->w[first] > fmax(variance_tol * k->w[m - 1], least_variance)))
        first++;
    if (info != 0)
        first = m;
    k->rank = m - first;
    memmove(k->w, k->w + first, (size_t)k->rank * sizeof *k->w);
    memmove(k->gram, k->gram + (int64_t)first * m, (size_t)k->rank * (size_t)m * sizeof(double));
    for (int32_t j = 0; j < k->rank; j++)
        cblas_dscal(m, 1 / sqrt((double)n * k->w[j]), k->gram + (int64_t)j * m, 1);
    k->landmarks = m;
    k->rotated = false;
    return UB_OK;
}

/* The orthonormal basis itself; only residuals need it. */
static void rotate(ub_krr *k)
{
    int n = (int)k->n;
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, k->rank, k->landmarks, 1, k->k, n,
                k->gram, k->landmarks, 0, k->u, n);
    k->rotated = true;
}

double ub_krr_choose(const ub_krr *k, const double *y, double *penalty)
{
    int     n = (int)k->n;
    double *c = k->coefficient, rss = cblas_ddot(n, y, 1, y, 1), best = INFINITY;
    if (k->plain > 0)
        cblas_dgemv(CblasColMajor, CblasTrans, n, k->plain, 1, k->q, n, y, 1, 0, c, 1);
    rss -= cblas_ddot(k->plain, c, 1, c, 1);
    if (k->rank > 0) {
        cblas_dgemv(CblasColMajor, CblasTrans, n, k->landmarks, 1, k->k, n, y, 1, 0, k->point, 1);
        cblas_dgemv(CblasColMajor, CblasTrans, k->landmarks, k->rank, 1, k->gram, k->landmarks,
                    k->point, 1, 0, c, 1);
    }
    *penalty = INFINITY;
    for (int step = 0; step <= 20 && (step == 0 || k->rank > 0); step++) {
        /* none of the kernel, then penalties of 3 .. 1e-9 times the largest variance */
        double l = step == 0 ? INFINITY : k->w[k->rank - 1] * pow(10, 0.5 - 0.5 * (step - 1));
        double left = rss, dof = k->plain;
        for (int32_t j = 0; j < k->rank && step > 0; j++) {
            double shrink = k->w[j] / (k->w[j] + l);
            left -= c[j] * c[j] * shrink * (2 - shrink);
            dof += shrink;
        }
        double share = 1 - gcv_inflation * dof / n, score = fmax(left, 0) / n / (share * share);
        if (share > 0 && score < best) {
            best = score;
            *penalty = l;
        }
    }
    return best;
}

double ub_krr_residual(ub_krr *k, const double *y, double penalty, double *residual,
                       double *leverage)
{
    int     n = (int)k->n;
    double *c = k->coefficient, trace = k->plain;
    if (residual != y)
        memcpy(residual, y, (size_t)n * sizeof *y);
    if (k->plain > 0) {
        cblas_dgemv(CblasColMajor, CblasTrans, n, k->plain, 1, k->q, n, y, 1, 0, c, 1);
        cblas_dgemv(CblasColMajor, CblasNoTrans, n, k->plain, -1, k->q, n, c, 1, 1, residual, 1);
    }
    for (int32_t j = 0; j < k->plain; j++)
        for (int64_t i = 0; i < n; i++)
            leverage[i] += k->q[j * (int64_t)n + i] * k->q[j * (int64_t)n + i];
    if (!isfinite(penalty) || k->rank == 0)
        return trace;
    if (!k->rotated)
        rotate(k);
    cblas_dgemv(CblasColMajor, CblasTrans, n, k->rank, 1, k->u, n, residual, 1, 0, c, 1);
    for (int32_t j = 0; j < k->rank; j++) {
        double        shrink = k->w[j] / (k->w[j] + penalty);
        const double *u = k->u + j * (int64_t)n;
        c[j] *= shrink;
        trace += shrink;
        for (int64_t i = 0; i < n; i++)
            leverage[i] += shrink * u[i] * u[i];
    }
    cblas_dgemv(CblasColMajor, CblasNoTrans, n, k->rank, -1, k->u, n, c, 1, 1, residual, 1);
    return trace;
}
