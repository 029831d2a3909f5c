#include "core/special.h"

#include <float.h>
#include <math.h>

enum { MOST_TERMS = 10000000 }; /* of a series or a continued fraction */

static const double log_two = 0.69314718055994530942;
static const double log_sqrt_two_pi = 0.91893853320467274178;

double ub_normal_tail(double z)
{
    return 0.5 * erfc(z * M_SQRT1_2);
}

double ub_normal_two_sided(double z)
{
    return erfc(fabs(z) * M_SQRT1_2);
}

/* Mills' ratio P(Z > z) / phi(z) for z >= 20 by its continued fraction
 * 1/(z + 1/(z + 2/(z + 3/(z + ...)))), evaluated from the back. */
static double mills(double z)
{
    double f = z;
    for (int i = 30; i >= 1; i--)
        f = z + i / f;
    return 1 / f;
}

double ub_normal_log_tail(double z)
{
    if (z < 0)
        return log1p(-ub_normal_tail(-z));
    if (z < 20)
        return log(ub_normal_tail(z));
    return -0.5 * z * z - log_sqrt_two_pi + log(mills(z));
}

double ub_normal_tail_quantile(double log_p)
{
    if (!(log_p < 0))
        return log_p == 0 ? -INFINITY : NAN;
    if (log_p > -log_two) /* the upper half, by symmetry: log(1 - p) without cancellation */
        return -ub_normal_tail_quantile(log(-expm1(log_p)));
    if (isinf(log_p))
        return INFINITY;
    /* Newton on the logarithm of the tail, which is concave and falls: after at most one
     * overshoot the steps are monotone, from any start. */
    double z = log_p < -3 ? sqrt(-2 * log_p - log(-2 * log_p) - 2 * log_sqrt_two_pi + 0.3) : 0.0;
    for (int i = 0; i < 60; i++) {
        double tail = ub_normal_log_tail(z);
        double hazard = exp(-0.5 * z * z - log_sqrt_two_pi - tail);
        double step = (tail - log_p) / hazard;
        z += step;
        if (fabs(step) <= 4 * DBL_EPSILON * fabs(z) || fabs(step) < 1e-17)
            break;
    }
    return z;
}

double ub_normal_quantile(double p)
{
    if (p == 0)
        return -INFINITY;
    return p <= 0.5 ? -ub_normal_tail_quantile(log(p)) : ub_normal_tail_quantile(log1p(-p));
}

/* log of x^a e^-x / Gamma(a). */
static double log_prefix(double a, double x)
{
    int sign;
    return a * log(x) - x - lgamma_r(a, &sign);
}

/* P(a, x) / (x^a e^-x / Gamma(a)) = sum x^k / (a (a+1) ... (a+k)). */
static double lower_series(double a, double x)
{
    double term = 1 / a, sum = term;
    for (int k = 1; term > sum * 1e-17 && k < MOST_TERMS; k++) {
        term *= x / (a + k);
        sum += term;
    }
    return sum;
}

/* Q(a, x) / (x^a e^-x / Gamma(a)), Lentz's method; for x >= a + 1. */
static double upper_fraction(double a, double x)
{
    double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
    for (int i = 1; i < MOST_TERMS; i++) {
        double an = -i * (i - a);
        b += 2;
        d = 1 / (an * d + b);
        c = b + an / c;
        double ratio = d * c;
        h *= ratio;
        if (fabs(ratio - 1) < DBL_EPSILON)
            break;
    }
    return h;
}

double ub_chi2_log_tail(double x, double dof)
{
    if (isnan(x) || x <= 0)
        return isnan(x) ? x : 0;
    if (dof == 1) /* exact, and the common case */
        return log_two + ub_normal_log_tail(sqrt(x));
    double a = dof / 2, y = x / 2;
    if (isinf(y))
        return -INFINITY;
    if (y < a + 1)
        return log1p(-exp(log_prefix(a, y)) * lower_series(a, y));
    return log_prefix(a, y) + log(upper_fraction(a, y));
}

/* K(s) = -1/2 sum_k log(1 - 2 s w_k), the cumulant generating function, and its derivatives. */
static void mixture_cumulants(double s, int32_t count, const double *weight, double k[4])
{
    k[0] = k[1] = k[2] = k[3] = 0;
    for (int32_t i = 0; i < count; i++) {
        double u = weight[i] / (1 - 2 * s * weight[i]);
        k[0] -= 0.5 * log1p(-2 * s * weight[i]);
        k[1] += u;
        k[2] += 2 * u * u;
        k[3] += 8 * u * u * u;
    }
}

double ub_chi2_mixture_log_tail(double x, int32_t count, const double *weight)
{
    double most = 0, k[4];
    for (int32_t i = 0; i < count; i++)
        most = fmax(most, weight[i]);
    if (count == 1 || !(x > 0))
        return ub_chi2_log_tail(x / most, 1);
    /* K'(s) = x: Newton's method between bounds that most / (1 - 2 s most) <= K'(s) (always) and
     * K'(s) <= -count / (2 s) (for s < 0) imply. */
    double high = (1 - most / x) / (2 * most), low = fmin(-0.5 * count / x, high), s = 0;
    for (int i = 0; i < 100; i++) {
        s = s > low && s < high ? s : 0.5 * (low + high);
        mixture_cumulants(s, count, weight, k);
        *(k[1] > x ? &high : &low) = s;
        double step = (x - k[1]) / k[2];
        if (fabs(step) <= 1e-13 * fabs(s) || fabs(k[1] - x) <= 1e-14 * x)
            break;
        s += step;
    }
    double w = copysign(sqrt(2 * fmax(s * x - k[0], 0)), s), bend = k[3] / (6 * pow(k[2], 1.5));
    if (fabs(w) > 1e-3)
        bend = log(s * sqrt(k[2]) / w) / w;
    return ub_normal_log_tail(w + bend);
}

double ub_chi2_tail(double x, double dof)
{
    double p = exp(ub_chi2_log_tail(x, dof));
    return p > 1 ? 1 : p;
}

/* I_x(a, b) / (x^a (1 - x)^b / (a B(a, b))), Lentz's method; for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 / (1 - (a + b) / (a + 1) * x), h = d;
    for (int i = 1; i < MOST_TERMS; i++) {
        double even = i * (b - i) * x / ((a + 2 * i - 1) * (a + 2 * i));
        double odd = -(a + i) * (a + b + i) * x / ((a + 2 * i) * (a + 2 * i + 1));
        d = 1 / (1 + even * d);
        c = 1 + even / c;
        h *= d * c;
        d = 1 / (1 + odd * d);
        c = 1 + odd / c;
        h *= d * c;
        if (fabs(d * c - 1) < DBL_EPSILON)
            break;
    }
    return h;
}

double ub_f_log_tail(double f, double d1, double d2)
{
    int sign;
    if (isnan(f) || f <= 0)
        return isnan(f) ? f : 0;
    if (isinf(f))
        return -INFINITY;
    double a = d2 / 2, b = d1 / 2, odds = d1 / d2 * f; /* (1 - x) / x */
    double log_x = -log1p(odds), log_y = -log1p(1 / odds), x = 1 / (1 + odds);
    double prefix =
        a * log_x + b * log_y + lgamma_r(a + b, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign);
    if (x < (a + 1) / (a + b + 2))
        return prefix - log(a) + log(beta_fraction(a, b, x));
    return log1p(-exp(prefix - log(b)) * beta_fraction(b, a, odds / (1 + odds)));
}

double ub_evidence_of_log_p(double log_p)
{
    if (log_p >= 0)
        return 0;
    double z = ub_normal_tail_quantile(log_p - log_two);
    return z > 0 ? z * z : 0;
}

double ub_evidence_of_p(double p)
{
    return ub_evidence_of_log_p(log(p < DBL_TRUE_MIN ? DBL_TRUE_MIN : p));
}

double ub_digamma(double x)
{
    double below = 0;
    while (x < 12)
        below += 1 / x++;
    double u = 1 / (x * x);
    double series =
        u * (1.0 / 12 - u * (1.0 / 120 - u * (1.0 / 252 - u * (1.0 / 240 - u * (1.0 / 132)))));
    return log(x) - 0.5 / x - series - below;
}
