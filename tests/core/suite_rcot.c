/* rcot: its parts against closed forms and the C library, the whole where features span all there
 * is to know, and size and power where they do not. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/ci_test.h"
#include "core/internal/cosine.h"
#include "core/moments.h"
#include "core/rng.h"
#include "core/settings.h"
#include "core/special.h"
#include "tests/support/suite.h"

enum { MOST_N = 2000, MOST_P = 8 };

typedef struct table {
    int64_t     n;
    double      x[MOST_P * MOST_N];
    ub_settings settings;
} table;

static table t; /* large; one suite, one thread */

static double *column(int c)
{
    return t.x + c * t.n;
}

static void begin(int64_t n)
{
    t.n = n;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &t.settings));
}

/* Columns 0 .. nx-1 against the next ny given the next nz. */
static ub_ci_result ask(int64_t id, int32_t nx, int32_t ny, int32_t nz)
{
    static const int32_t at[] = {0, 1, 2, 3, 4, 5, 6, 7};
    const ub_ci_test    *test = ub_ci_find("rcot");
    ub_ci_query          q = {id, at, at + nx, at + nx + ny, nx, ny, nz, 0};
    ub_moments           m = {0};
    ub_ci_result         r = {.p_value = NAN};
    void                *state = NULL;
    UB_CHECK(ub_moments_of_columns(t.n, MOST_P, t.x, &m));
    ub_ci_data data = {&m, t.x};
    UB_CHECK(test->open(&data, &t.settings, &state));
    UB_CHECK(test->eval(state, &q, &r));
    test->close(state);
    ub_moments_release(&m);
    return r;
}

/* x0 = tanh(z1) + z5 / 2 + noise, x1 = sin(z3) + z5^2 / 2 + square x0^2 + noise, z1 .. z5 from
 * column 2 on: independent given z unless square > 0. */
static void fill(int64_t n, uint64_t item, double square)
{
    ub_rng r = ub_rng_make(11, UB_RNG_TEST, item);
    begin(n);
    for (int64_t i = 0; i < n; i++) {
        for (int c = 0; c < MOST_P; c++)
            column(c)[i] = ub_rng_normal(&r);
        double z5 = column(6)[i];
        column(0)[i] += tanh(column(2)[i]) + 0.5 * z5;
        column(1)[i] += sin(column(4)[i]) + 0.5 * z5 * z5;
        column(1)[i] += square * column(0)[i] * column(0)[i];
    }
}

static void cosines(void)
{
    enum { N = 20011 };
    static double turns[N], value[N];
    ub_rng        r = ub_rng_make(1, UB_RNG_TEST, 0);
    const double  edge[] = {0, -0.0, 0.25, 0.5, -0.5, 0.75, 1, 1e9 + 0.125, -0.24999999999999997};
    double        far = 0;
    for (int i = 0; i < N; i++)
        turns[i] = i < 9 ? edge[i] : ub_rng_normal(&r) * pow(10, i % 7);
    for (int i = 0; i < N; i++)
        value[i] = turns[i];
    ub_cosine_turns(N, value);
    for (int i = 0; i < N; i++) {
        long double rest = (long double)turns[i] - rintl((long double)turns[i]);
        long double exact = cosl(6.283185307179586476925286766559L * rest);
        far = fmax(far, fabs((double)((long double)value[i] - exact)));
    }
    CU_ASSERT(far < 1e-15);
    CU_ASSERT(value[0] == value[1] && fabs(value[2]) < 1e-16);
    double few[3] = {turns[100], turns[101], turns[102]}; /* no matter how many at a time */
    ub_cosine_turns(3, few);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(few[i], value[100 + i]);
}

/* Weights in pairs: a sum of exponentials, P(> x) = sum_i prod_j w_i / (w_i - w_j) e^(-x / 2 w_i);
 * and Imhof, Biometrika 48 (1961), table 1, Q1. */
static void mixtures(void)
{
    const double w[][6] = {{1, 1, .3, .3, .1, .1}, {1, 1, .9, .9, .8, .8}, {4, 4, .2, .2, .1, .1}};
    for (int k = 0; k < 3; k++)
        for (int at = 0; at < 36; at++) {
            double x = 0.02 * pow(1.3, at), p = 0, got = exp(ub_chi2_mixture_log_tail(x, 6, w[k]));
            for (int i = 0; i < 6; i += 2) {
                double part = exp(-x / (2 * w[k][i]));
                for (int j = 0; j < 6; j += 2)
                    part *= i == j ? 1 : w[k][i] / (w[k][i] - w[k][j]);
                p += part;
            }
            CU_ASSERT(fabs(got - p) < 0.01);
            if (p < 0.5)
                CU_ASSERT(fabs(got / p - 1) < (p > 0.01 ? 0.03 : 0.17));
        }
    const double imhof[] = {.6, .3, .1}, point[] = {.1, .7, 2}, tail[] = {.9458, .5064, .1240};
    for (int i = 0; i < 3; i++)
        UB_CHECK_CLOSE(exp(ub_chi2_mixture_log_tail(point[i], 3, imhof)), tail[i], 0.015);
    const double one = 2.5, same[] = {2, 2, 2, 2};
    UB_CHECK_CLOSE(ub_chi2_mixture_log_tail(7, 1, &one), ub_chi2_log_tail(2.8, 1), 1e-14);
    double before = 0; /* falls through the mean, 8, where the formula is 0 / 0 */
    for (int i = -100; i < 100; i++) {
        double x = 8 + 1e-4 * i;
        double log_p = ub_chi2_mixture_log_tail(x, 4, same);
        CU_ASSERT(log_p < before && fabs(log_p - ub_chi2_log_tail(x / 2, 4)) < 0.01);
        before = log_p;
    }
    CU_ASSERT(isfinite(ub_chi2_mixture_log_tail(1e5, 4, same)));
    CU_ASSERT_EQUAL(ub_chi2_mixture_log_tail(0, 4, same), 0);
}

/* With two values a column every feature is a multiple of its column and all of Z's span its
 * groups: the residuals are distances from group means, and one weight is left.  p is that of
 * (sum r s)^2 (n - groups) / (n sum (r s)^2), chi-square(1). */
static void two_values(void)
{
    for (uint64_t item = 0; item < 12; item++) {
        int32_t groups = item % 3 == 0 ? 1 : 2;
        ub_rng  r = ub_rng_make(5, UB_RNG_TEST, item);
        double  mean[2][2] = {{0}}, count[2] = {0}, sum = 0, squares = 0;
        begin(300 + 700 * (int64_t)(item % 2) + (int64_t)item);
        for (int64_t i = 0; i < t.n; i++) {
            for (int c = 0; c < MOST_P; c++)
                column(c)[i] = ub_rng_normal(&r);
            int g = groups == 2 && column(2)[i] > 0.4;
            column(0)[i] = column(0)[i] + 0.5 * g > 0 ? 3 : -1;
            column(1)[i] = column(1)[i] + 0.1 * column(0)[i] - 0.7 * g > 0.3;
            column(2)[i] = g ? 7 : 5;
            count[g] += 1;
            mean[0][g] += column(0)[i];
            mean[1][g] += column(1)[i];
        }
        for (int64_t i = 0; i < t.n; i++) {
            int    g = groups == 2 && column(2)[i] > 6;
            double product =
                (column(0)[i] - mean[0][g] / count[g]) * (column(1)[i] - mean[1][g] / count[g]);
            sum += product;
            squares += product * product;
        }
        double chi2 = sum * sum / squares * (double)(t.n - groups) / (double)t.n;
        UB_CHECK_CLOSE(ask((int64_t)item, 1, 1, groups - 1).evidence, chi2, 1e-6 * (1 + chi2));
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Smooth, non-linear regressions, one of them shared.  Of 500 p-values at level .05: 25 +- 4.9. */
static void size(void)
{
    static const struct {
        int64_t n;
        int     runs;
    } study[] = {{500, 500}, {2000, 150}};
    for (int k = 0; k < 2; k++) {
        double p[500], far = 0;
        int    runs = study[k].runs, low = 0;
        for (int i = 0; i < runs; i++) {
            fill(study[k].n, (uint64_t)(1000 * k + i), 0);
            p[i] = ask(i, 1, 1, 5).p_value;
            low += p[i] < 0.05;
        }
        qsort(p, (size_t)runs, sizeof *p, by_value);
        for (int i = 0; i < runs; i++)
            far = fmax(far, fabs(p[i] - (i + 0.5) / runs));
        CU_ASSERT(low < 0.05 * runs + 2.6 * sqrt(0.0475 * runs));
        CU_ASSERT(far < 1.63 / sqrt((double)runs));
    }
}

/* A quadratic dependence without linear part; of a vector, in one component. */
static void power(void)
{
    for (int i = 0; i < 10; i++) {
        fill(500, 5000 + (uint64_t)i, 0.5);
        CU_ASSERT(ask(i, 1, 1, 5).p_value < 1e-3);
        for (int64_t k = 0; k < t.n; k++) { /* (0 1) against (2 3) given (4 5) */
            column(3)[k] += column(4)[k];
            column(1)[k] = column(7)[k] + 0.8 * column(3)[k] * column(3)[k] + column(5)[k];
        }
        CU_ASSERT(ask(i, 2, 2, 2).p_value < 1e-3);
    }
}

/* The same bits for the same question, other numbers for another question or seed; the
 * unit of a column changes nothing. */
static void streams(void)
{
    fill(400, 1, 0.1);
    ub_ci_result a = ask(3, 1, 1, 5), again = ask(3, 1, 1, 5), other = ask(4, 1, 1, 5);
    CU_ASSERT(a.statistic == again.statistic && a.p_value == again.p_value);
    CU_ASSERT(a.statistic != other.statistic);
    t.settings.run.seed++;
    CU_ASSERT(a.statistic != ask(3, 1, 1, 5).statistic);
    t.settings.run.seed--;
    for (int64_t i = 0; i < t.n; i++) {
        column(0)[i] *= 4;
        column(5)[i] *= 0.125;
    }
    ub_ci_result scaled = ask(3, 1, 1, 5);
    CU_ASSERT(a.statistic == scaled.statistic && a.p_value == scaled.p_value);
    CU_ASSERT(a.n_used == 400 && a.dof > 1 && a.dof < 25);
}

/* Columns x, y, z1 .. z5, y0: x depends on y, not on y0. */
static void golden(void)
{
    const struct {
        const char *name;
        int64_t     n;
    } file[] = {{"golden/lin_n1000.csv", 1000}, {"golden/nonlin_n1000.csv", 1000}};
    for (int k = 0; k < 2; k++) {
        const char *path = ub_test_shared(file[k].name);
        FILE       *in = path == NULL ? NULL : fopen(path, "r");
        char        line[1024];
        if (in == NULL)
            return;
        begin(file[k].n);
        CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof line, in));
        for (int64_t i = 0; i < t.n; i++)
            for (int c = 0; c < MOST_P; c++)
                CU_ASSERT_EQUAL(fscanf(in, c < MOST_P - 1 ? "%lf," : "%lf", &column(c)[i]), 1);
        (void)fclose(in);
        for (int64_t id = 0; id < 20; id++)
            CU_ASSERT(ask(id, 1, 1, 5).p_value < 1e-9);
        for (int64_t i = 0; i < t.n; i++)
            column(1)[i] = column(7)[i];
        for (int64_t id = 0; id < 20; id++)
            CU_ASSERT(ask(id, 1, 1, 5).p_value > 0.005);
    }
}

static void verdicts(void)
{
    fill(24, 2, 0);
    CU_ASSERT_EQUAL(ask(0, 1, 1, 5).verdict, UB_CI_TOO_FEW);
    CU_ASSERT_EQUAL(ask(0, 1, 1, 0).verdict, UB_CI_OK);
    fill(300, 3, 0); /* a function of a Z of three values, not linear */
    for (int64_t i = 0; i < t.n; i++) {
        column(2)[i] = (double)(i % 3);
        column(0)[i] = i % 3 == 1;
    }
    CU_ASSERT_EQUAL(ask(0, 1, 1, 1).verdict, UB_CI_COLLINEAR);
    column(0)[5] = 1 - column(0)[5];
    CU_ASSERT_EQUAL(ask(0, 1, 1, 1).verdict, UB_CI_OK);
    for (int64_t i = 0; i < t.n; i++) { /* x varies in one group, y in the other */
        column(2)[i] = (double)(i % 2);
        column(0)[i] = i % 4 == 0;
        column(1)[i] = i % 4 == 1;
    }
    CU_ASSERT_EQUAL(ask(0, 1, 1, 1).verdict, UB_CI_COLLINEAR);
    fill(300, 3, 0);
    t.settings.ci.features_z = 0; /* linear regressions on Z */
    CU_ASSERT_EQUAL(ask(0, 1, 1, 5).verdict, UB_CI_OK);
}

UB_SUITE("rcot", {"cosines of turns are those of the C library", cosines},
         {"tails of sums of chi-squares are near the exact ones", mixtures},
         {"with two values a column the answer has a closed form", two_values},
         {"p-values are uniform under a non-linear null", size},
         {"dependence without correlation is found", power},
         {"random features belong to seed and question", streams},
         {"golden files: dependent pairs are found, null pairs are not", golden},
         {"what Z determines, linearly or not, has a verdict", verdicts})
