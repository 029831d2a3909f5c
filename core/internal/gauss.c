#include "core/internal/gauss.h"

#include <math.h>

#include "core/special.h"

void ub_gauss_verdict(ub_ci_verdict v, ub_ci_result *out)
{
    *out = (ub_ci_result){.p_value = 1, .verdict = v};
}

void ub_gauss_scalar(double r, int64_t n, int32_t nz, ub_ci_result *out)
{
    double left = (double)(n - nz - 3);
    if (!isfinite(r)) {
        ub_gauss_verdict(UB_CI_NONFINITE, out);
    } else if (left < 1) {
        ub_gauss_verdict(UB_CI_TOO_FEW, out);
    } else {
        double z = sqrt(left) * ub_gauss_atanh(r);
        *out = (ub_ci_result){z, ub_normal_two_sided(z), z * z, 1, n, UB_CI_OK};
    }
}

double ub_gauss_inv_sd(const ub_moments *m, int32_t c)
{
    double var = m->cov[(int64_t)c * m->columns + c], sd = sqrt(var);
    if (!isfinite(var) || !isfinite(m->mean[c]))
        return NAN;
    return sd > UB_GAUSS_CONSTANT * fabs(m->mean[c]) ? 1 / sd : 0;
}

/* One step of an elimination: subtract what column k explains from columns k+1 .. m-1 of s
 * (leading dimension ld, both triangles).  A pivot of 0 explains nothing. */
static void eliminate(double *s, int32_t ld, int32_t m, int32_t k)
{
    double pivot = s[k * ld + k];
    for (int32_t i = k + 1; i < m && pivot > 0; i++) {
        double f = s[i * ld + k] / pivot;
        for (int32_t j = k + 1; j < m; j++)
            s[i * ld + j] -= f * s[k * ld + j];
    }
}

/* Remove row and column c of the leading m x m block. */
static void remove_column(double *s, int32_t ld, int32_t m, int32_t c)
{
    for (int32_t i = 0; i < m; i++)
        for (int32_t j = c; j + 1 < m; j++)
            s[i * ld + j] = s[i * ld + j + 1];
    for (int32_t i = c; i + 1 < m; i++)
        for (int32_t j = 0; j < m; j++)
            s[i * ld + j] = s[(i + 1) * ld + j];
}

/* Remove from s those of its columns [from, from + count), of m, that are determined by the
 * columns of the block before them; *log_det of the block that is left.  Returns its size. */
static int32_t reduce_side(double *s, int32_t ld, int32_t m, int32_t from, int32_t count,
                           double *work, double *log_det)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < count; i++)
        for (int32_t j = 0; j < count; j++)
            work[i * count + j] = s[(from + i) * ld + from + j];
    *log_det = 0;
    for (int32_t k = 0; k < count; k++) {
        double pivot = work[k * count + k];
        if (pivot <= UB_GAUSS_DETERMINED) {
            work[k * count + k] = 0;
            remove_column(s, ld, m--, from + kept);
            continue;
        }
        *log_det += log(pivot);
        eliminate(work, count, count, k);
        kept++;
    }
    return kept;
}

/* Divide by the roots of the diagonal, on both sides. */
static void scale_to_unit(double *s, int32_t ld, int32_t m)
{
    for (int32_t k = 0; k < m; k++) {
        double f = 1 / sqrt(s[k * ld + k]);
        for (int32_t j = 0; j < m; j++) {
            s[k * ld + j] *= f;
            s[j * ld + k] *= f;
        }
        s[k * ld + k] = 1;
    }
}

static void wilks(double log_lambda, int32_t p, int32_t q, int64_t n, int32_t nz, ub_ci_result *out)
{
    if (n - nz - p - q - 1 < 1) {
        ub_gauss_verdict(UB_CI_TOO_FEW, out);
        return;
    }
    double factor = (double)(n - nz - 1) - 0.5 * (p + q + 1);
    double chi2 = log_lambda < 0 ? -factor * log_lambda : 0, dof = (double)p * q;
    double log_p = ub_chi2_log_tail(chi2, dof);
    *out = (ub_ci_result){chi2, fmin(exp(log_p), 1), ub_evidence_of_log_p(log_p), dof, n, UB_CI_OK};
}

void ub_gauss_answer(double *s, int32_t p, int32_t q, double *work, int64_t n, int32_t nz,
                     ub_ci_result *out)
{
    int32_t ld = p + q;
    double  alone_x, alone_y = 0, joint = 0;
    for (int32_t i = 0; i < ld * ld; i++)
        if (!isfinite(s[i])) {
            ub_gauss_verdict(UB_CI_NONFINITE, out);
            return;
        }
    if (p > 1 || q > 1) {
        int32_t columns = ld, kept = reduce_side(s, ld, columns, 0, p, work, &alone_x);
        columns -= p - kept;
        p = kept;
        q = reduce_side(s, ld, columns, p, q, work, &alone_y);
    }
    double *yy = s + p * ld + p; /* where the Y block begins */
    if (p == 0 || q == 0 || (p == 1 && q == 1 && fmin(*s, *yy) <= UB_GAUSS_DETERMINED)) {
        ub_gauss_verdict(UB_CI_COLLINEAR, out);
        return;
    }
    if (p == 1 && q == 1) {
        ub_gauss_scalar(s[1] / sqrt(*s * *yy), n, nz, out);
        return;
    }
    for (int32_t i = 0; i < q; i++)
        alone_y -= log(yy[i * ld + i]);
    scale_to_unit(s, ld, p + q);
    /* lambda = det(Y given X) / det(Y) */
    for (int32_t k = 0; k < p + q; k++) {
        double *pivot = &s[k * ld + k];
        if (k >= p) {
            *pivot = fmax(*pivot, UB_GAUSS_DETERMINED);
            joint += log(*pivot);
        }
        eliminate(s, ld, p + q, k);
    }
    wilks(joint - alone_y, p, q, n, nz, out);
}
