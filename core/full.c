#include "core/full.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "core/internal/gauss.h"
#include "core/internal/sweep.h"
#include "core/mem.h"

struct ub_full {
    int64_t       n;
    int32_t       steps, dim, columns; /* T, d, T d */
    int32_t       tasks, width;        /* M, all task columns */
    const double *precision;           /* borrowed */
    int32_t      *offset;              /* M + 1 */
    int32_t      *rank; /* M: columns of the task that bring something of their own */
    int32_t      *kept; /* width: which columns those are, within their task */
    double       *b;    /* columns x width: beta L^-T of each task, v = L L'; first rank[i] used */
    double       *sd;   /* columns: before conditioning */
    double       *joint, *work; /* (d + max(d, q))^2 */
    /* Of rows, or NULL: tests by lane, tasks and then the contrast, in whole vectors. */
    int32_t lanes;
    double *lane_b;    /* steps x lanes: b, 0 for the contrast */
    double *lane_i;    /* steps x lanes: 1 / sqrt(precision); NaN if it may be determined */
    double *lane_root; /* tasks + 1 */
};

void ub_full_destroy(ub_full **f)
{
    if (f == NULL || *f == NULL)
        return;
    ub_free((*f)->offset);
    ub_free((*f)->rank);
    ub_free((*f)->kept);
    ub_free((*f)->b);
    ub_free((*f)->sd);
    ub_free((*f)->joint);
    ub_free((*f)->work);
    ub_free((*f)->lane_b);
    ub_free((*f)->lane_i);
    ub_free((*f)->lane_root);
    ub_free(*f);
    *f = NULL;
}

/* From beta to beta L^-T in the columns of one task, where L L' = v, leaving out task columns
 * that are constant or repeat those before them.  c = cov(S, g), columns x width. */
static ub_status whiten_task(ub_full *f, const ub_moments *m, int32_t task, const double *c)
{
    int32_t at = f->offset[task], q = f->offset[task + 1] - at, w = f->width, kept = 0;
    double *b = f->b + at, *explained, *l;
    UB_TRY(UB_ALLOC(explained, 2 * (int64_t)q * q));
    l = explained + (int64_t)q * q; /* row k: kept column k on those before it, then its pivot */
    if (q > 0)
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, q, q, f->columns, 1, c + at, w, b, w,
                    0, explained, q);
    for (int32_t j = 0; j < q; j++) {
        const double *cov = m->cov + (int64_t)(f->columns + at + j) * m->columns;
        double        var = cov[f->columns + at + j], *row = l + kept * q;
        if (sqrt(var) <= UB_GAUSS_CONSTANT * fabs(m->mean[f->columns + at + j]))
            continue;
        double floor_of_v = UB_GAUSS_DETERMINED * var, pivot = var - explained[j * q + j];
        bool   determined = pivot <= floor_of_v; /* by the steps */
        if (determined)
            pivot = floor_of_v;
        for (int32_t k = 0; k < kept; k++) {
            int32_t g = f->kept[at + k];
            row[k] = cov[f->columns + at + g] - explained[j * q + g];
            for (int32_t t = 0; t < k; t++)
                row[k] -= row[t] * l[k * q + t];
            row[k] /= l[k * q + k];
            pivot -= row[k] * row[k];
        }
        if (pivot <= floor_of_v && !determined)
            continue;
        row[kept] = sqrt(fmax(pivot, floor_of_v));
        for (int64_t i = 0; i < f->columns; i++) {
            double sum = b[i * w + j];
            for (int32_t k = 0; k < kept; k++)
                sum -= row[k] * b[i * w + k];
            b[i * w + kept] = sum / row[kept];
        }
        f->kept[at + kept++] = j;
    }
    f->rank[task] = kept;
    ub_free(explained);
    return UB_OK;
}

/* One step of iterative refinement, b += P (c - cov b): an explicit inverse of ill-conditioned
 * steps (smooth recordings: condition 1e11) otherwise costs the statistic its third digit. */
static ub_status refine(ub_full *f, const ub_moments *m, const double *c, int64_t w)
{
    int     p = (int)f->columns;
    double *residual;
    UB_TRY(UB_ALLOC(residual, p * w));
    memcpy(residual, c, (size_t)(p * w) * sizeof *c);
    cblas_dsymm(CblasRowMajor, CblasLeft, CblasLower, p, (int)w, -1, m->cov, m->columns, f->b,
                (int)w, 1, residual, (int)w);
    cblas_dsymm(CblasRowMajor, CblasLeft, CblasLower, p, (int)w, 1, f->precision, p, residual,
                (int)w, 1, f->b, (int)w);
    ub_free(residual);
    return UB_OK;
}

/* beta = P cov(S, g) for all tasks at once, then the part of each task. */
static ub_status solve_tasks(ub_full *f, const ub_moments *m)
{
    int64_t   p = f->columns, w = f->width;
    double   *c = NULL;
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(c, p * w));
    for (int64_t i = 0; i < p; i++)
        for (int64_t j = 0; j < w; j++)
            c[i * w + j] = m->cov[i * m->columns + p + j];
    if (w > 0)
        cblas_dsymm(CblasRowMajor, CblasLeft, CblasLower, (int)p, (int)w, 1, f->precision, (int)p,
                    c, (int)w, 0, f->b, (int)w);
    if (w > 0)
        UB_TRY_OUT(refine(f, m, c, w));
    for (int32_t i = 0; i < f->tasks; i++)
        UB_TRY_OUT(whiten_task(f, m, i, c));
out:
    ub_free(c);
    return st;
}

ub_status ub_full_create(const ub_moments *m, int32_t steps, int32_t dim, int32_t tasks,
                         const int32_t *task_offset, const double *precision, ub_full **out)
{
    ub_full  *f = NULL;
    ub_status st = UB_OK;
    int32_t   largest = dim;
    UB_TRY_OUT(UB_ALLOC(f, 1));
    f->n = m->n;
    f->steps = steps;
    f->dim = dim;
    f->columns = steps * dim;
    f->tasks = tasks;
    f->width = task_offset[tasks];
    f->precision = precision;
    UB_TRY_OUT(UB_ALLOC(f->offset, tasks + 1));
    for (int32_t i = 0; i <= tasks; i++)
        f->offset[i] = task_offset[i];
    for (int32_t i = 0; i < tasks; i++)
        if (task_offset[i + 1] - task_offset[i] > largest)
            largest = task_offset[i + 1] - task_offset[i];
    UB_TRY_OUT(UB_ALLOC(f->rank, tasks));
    UB_TRY_OUT(UB_ALLOC(f->kept, f->width));
    UB_TRY_OUT(UB_ALLOC(f->b, (int64_t)f->columns * f->width));
    UB_TRY_OUT(UB_ALLOC(f->sd, f->columns));
    UB_TRY_OUT(UB_ALLOC(f->joint, (int64_t)(dim + largest) * (dim + largest)));
    UB_TRY_OUT(UB_ALLOC(f->work, (int64_t)largest * largest));
    for (int64_t i = 0; i < f->columns; i++)
        f->sd[i] = sqrt(m->cov[i * m->columns + i]);
    UB_TRY_OUT(solve_tasks(f, m));
    *out = f;
    return UB_OK;
out:
    ub_full_destroy(&f);
    return st;
}

/* Entry (i, j) of the precision matrix of the steps given the task too. */
static double entry(const ub_full *f, int64_t i, int64_t j, int32_t task)
{
    double q = f->precision[i * f->columns + j];
    if (task >= 0) {
        const double *bi = f->b + i * f->width + f->offset[task];
        const double *bj = f->b + j * f->width + f->offset[task];
        for (int32_t k = 0; k < f->rank[task]; k++)
            q += bi[k] * bj[k];
    }
    return q;
}

/* Precision block of steps a and b at (row, col) of the joint matrix of order m. */
static void put_block(ub_full *f, int32_t m, int32_t row, int32_t col, int32_t a, int32_t b,
                      int32_t task)
{
    for (int32_t i = 0; i < f->dim; i++)
        for (int32_t j = 0; j < f->dim; j++) {
            double q = entry(f, (int64_t)a * f->dim + i, (int64_t)b * f->dim + j, task);
            f->joint[(row + i) * m + col + j] = q;
            f->joint[(col + j) * m + row + i] = q;
        }
}

/* Inverse of the positive definite a in place, by Gauss-Jordan elimination. */
static void invert(double *a, int32_t m)
{
    for (int32_t k = 0; k < m; k++) {
        double pivot = 1 / a[k * m + k];
        a[k * m + k] = 1;
        for (int32_t j = 0; j < m; j++)
            a[k * m + j] *= pivot;
        for (int32_t i = 0; i < m; i++) {
            double factor = i == k ? 0 : a[i * m + k];
            if (i == k)
                continue;
            a[i * m + k] = 0;
            for (int32_t j = 0; j < m; j++)
                a[i * m + j] -= factor * a[k * m + j];
        }
    }
}

/* From the joint precision of step x (first) and of step y or a whitened task to the answer: the
 * inverse is their covariance given everything else, and in units of the variances before
 * conditioning it says what Z determines. */
static void answer(ub_full *f, int32_t x, int32_t y, int32_t q, int32_t nz, ub_ci_result *out)
{
    int32_t d = f->dim, m = d + q;
    double *s = f->joint;
    if (m == 2) { /* the common case, without the inverse: r of a precision is -r */
        double r = -s[1] * (1 / sqrt(s[0]) * (1 / sqrt(s[3]))),
               rest = UB_GAUSS_DETERMINED * (1 - r * r);
        bool free_x = s[0] * rest * f->sd[x] * f->sd[x] < 1;
        bool free_y = y < 0 || s[3] * rest * f->sd[y] * f->sd[y] < 1;
        if (free_x && free_y)
            ub_gauss_scalar(r, f->n, nz, out);
        else
            ub_gauss_verdict(isnan(r) ? UB_CI_NONFINITE : UB_CI_COLLINEAR, out);
        return;
    }
    invert(s, m);
    for (int32_t i = 0; i < m; i++)
        for (int32_t j = 0; j < m; j++) {
            double unit_i = i < d ? f->sd[x * d + i] : y < 0 ? 1 : f->sd[y * d + i - d];
            double unit_j = j < d ? f->sd[x * d + j] : y < 0 ? 1 : f->sd[y * d + j - d];
            s[i * m + j] /= unit_i * unit_j;
        }
    ub_gauss_answer(s, d, q, f->work, f->n, nz, out);
}

void ub_full_pair(ub_full *f, int32_t x, int32_t y, int32_t task, ub_ci_result *out)
{
    int32_t d = f->dim, a = x < y ? x : y, b = x < y ? y : x;
    int32_t nz = (f->steps - 2) * d + (task >= 0 ? f->rank[task] : 0);
    put_block(f, 2 * d, 0, 0, a, a, task);
    put_block(f, 2 * d, d, d, b, b, task);
    put_block(f, 2 * d, 0, d, a, b, task);
    answer(f, a, b, d, nz, out);
}

/* The task enters whitened, g L^-T, which changes neither |r| nor lambda nor the sign of r:
 * its precision given the steps is then I and its block with step x is -(beta L^-T)_x. */
void ub_full_direct(ub_full *f, int32_t x, int32_t task, ub_ci_result *out)
{
    int32_t d = f->dim, q = f->rank[task], m = d + q;
    if (q == 0) {
        ub_gauss_verdict(UB_CI_CONSTANT, out);
        return;
    }
    put_block(f, m, 0, 0, x, x, task);
    for (int32_t j = 0; j < q; j++)
        for (int32_t i = 0; i < m; i++) {
            const double *b = f->b + (int64_t)(x * d + i) * f->width + f->offset[task];
            double        value = i < d ? -b[j] : (i == d + j ? 1.0 : 0.0);
            f->joint[(d + j) * m + i] = f->joint[i * m + d + j] = value;
        }
    answer(f, x, -1, q, (f->steps - 1) * d, out);
}

ub_status ub_full_prepare_rows(ub_full *f)
{
    f->lanes = ub_lanes(f->tasks + 1);
    UB_TRY(UB_ALLOC(f->lane_b, (int64_t)f->steps * f->lanes));
    UB_TRY(UB_ALLOC(f->lane_i, (int64_t)f->steps * f->lanes));
    UB_TRY(UB_ALLOC(f->lane_root, f->tasks + 1));
    for (int32_t j = 0; j <= f->tasks; j++) {
        int32_t nz = f->steps - 2 + (j < f->tasks ? f->rank[j] : 0);
        f->lane_root[j] = sqrt((double)(f->n - nz - 3));
    }
    for (int32_t t = 0; t < f->steps; t++) {
        double *b = f->lane_b + (int64_t)t * f->lanes, *inv = f->lane_i + (int64_t)t * f->lanes;
        for (int32_t j = 0; j < f->lanes; j++) {
            if (j < f->tasks && f->rank[j] > 0)
                b[j] = f->b[(int64_t)t * f->width + j];
            double q = f->precision[(int64_t)t * f->columns + t] + b[j] * b[j];
            /* the bound of `answer` for r = 0, where it is sharpest */
            bool free_t = q * UB_GAUSS_DETERMINED * f->sd[t] * f->sd[t] < 1;
            inv[j] = free_t ? 1 / sqrt(q) : NAN;
        }
    }
    return UB_OK;
}

void ub_full_row(const ub_full *f, int32_t x, int32_t y, int32_t stride, int32_t n, bool contrast,
                 double *r, double *root)
{
    int32_t tests = f->tasks + contrast;
    ub_sweep_full(f->precision + (int64_t)x * f->columns, x, y, stride, n, f->lanes, tests,
                  f->lane_b, f->lane_i, r);
    for (int32_t i = 0; i < n; i++, root += tests)
        memcpy(root, f->lane_root, (size_t)tests * sizeof *root);
}
