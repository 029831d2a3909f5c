/* gauss_copula: scores against published values, and what monotone functions may not change. */
#include <math.h>
#include <string.h>

#include "core/ci_test.h"
#include "core/moments.h"
#include "core/rng.h"
#include "core/settings.h"
#include "tests/support/suite.h"

static ub_ci_result ask(const char *name, int64_t n, int32_t p, const double *x, ub_ci_query q)
{
    static ub_settings settings;
    const ub_ci_test  *test = ub_ci_find(name);
    double            *own = NULL;
    ub_moments         m = {0};
    ub_ci_result       r = {0};
    void              *state = NULL;
    UB_CHECK(UB_ALLOC(own, n * p));
    memcpy(own, x, (size_t)(n * p) * sizeof *x);
    UB_CHECK(ub_ci_transform(test, n, p, own));
    UB_CHECK(ub_moments_of_columns(n, p, own, &m));
    UB_CHECK(test->open(&(ub_ci_data){&m, own}, &settings, &state));
    UB_CHECK(test->eval(state, &q, &r));
    test->close(state);
    ub_moments_release(&m);
    ub_free(own);
    return r;
}

/* phi^-1(i / 10): R's qnorm((1:9)/10) to 16 digits; ties share their mean rank. */
static void scores(void)
{
    static const double q[] = {-1.2815515655446004, -0.8416212335729142, -0.5244005127080407,
                               -0.2533471031357997, 0};
    const ub_ci_test   *test = ub_ci_find("gauss_copula");
    double              a[] = {3, -7, 1e300, 5, 2, 4, -1e-300, 11, 8};
    static const int    rank[] = {4, 1, 9, 6, 3, 5, 2, 8, 7};
    UB_CHECK(test->transform(9, a));
    for (int i = 0; i < 9; i++)
        UB_CHECK_CLOSE(a[i], rank[i] <= 5 ? q[rank[i] - 1] : -q[9 - rank[i]], 1e-14);
    double           b[] = {2, 1, 2, 2, 5, 9, 5, 0, 1}; /* ranks 5 2.5 5 5 7.5 9 7.5 1 2.5 */
    static const int same[] = {0, 1, 0, 0, 4, 5, 4, 7, 1};
    UB_CHECK(test->transform(9, b));
    for (int i = 0; i < 9; i++)
        CU_ASSERT_EQUAL(b[i], b[same[i]]);
    UB_CHECK_CLOSE(b[0], 0, 1e-16);
    UB_CHECK_CLOSE(b[7], q[0], 1e-14);
    UB_CHECK_CLOSE(b[1], -0.6744897501960817, 1e-14); /* a quarter */
    UB_CHECK_CLOSE(b[4], 0.6744897501960817, 1e-14);
    double once[9];
    memcpy(once, b, sizeof b);
    UB_CHECK(test->transform(9, b));
    CU_ASSERT_EQUAL(memcmp(once, b, sizeof b), 0); /* scores of scores */
    double c[] = {1, 2, NAN};
    UB_CHECK(test->transform(3, c));
    CU_ASSERT(isnan(c[0]) && isnan(c[1]) && isnan(c[2]));
}

enum { N = 2000, P = 5 };

/* z1 z2 z3, x = z + noise, y = z + effect * x + noise, all Gaussian. */
static void gaussian(double *x, uint64_t item, double effect)
{
    ub_rng r = ub_rng_make(9, UB_RNG_TEST, item);
    for (int64_t i = 0; i < N; i++) {
        double z[3] = {ub_rng_normal(&r), ub_rng_normal(&r), ub_rng_normal(&r)};
        double own = ub_rng_normal(&r);
        for (int c = 0; c < 3; c++)
            x[c * N + i] = z[c];
        x[3 * N + i] = z[0] - 0.5 * z[1] + own;
        x[4 * N + i] = 0.7 * z[0] + z[2] + effect * own + ub_rng_normal(&r);
    }
}

static void monotone(void)
{
    static const int32_t x[] = {3}, y[] = {4}, z[] = {0, 1, 2};
    const ub_ci_query    q = {0, x, y, z, 1, 1, 3, 0};
    double              *a = NULL;
    UB_CHECK(UB_ALLOC(a, N * P));
    for (uint64_t item = 0; item < 4; item++) {
        gaussian(a, item, item < 2 ? 0 : 0.15);
        ub_ci_result linear = ask("fisher_z", N, P, a, q), score = ask("gauss_copula", N, P, a, q);
        CU_ASSERT(fabs(linear.statistic - score.statistic) < 0.35); /* both near the same normal */
        for (int64_t i = 0; i < N; i++) {
            a[0 * N + i] = exp(3 * a[0 * N + i]);
            a[1 * N + i] = pow(a[1 * N + i], 5);
            a[3 * N + i] = 1e9 + 1e5 * atan(a[3 * N + i]);
            a[4 * N + i] = exp(0.5 * a[4 * N + i]);
        }
        ub_ci_result bent = ask("gauss_copula", N, P, a, q);
        CU_ASSERT_EQUAL(bent.statistic, score.statistic);
        CU_ASSERT_EQUAL(bent.p_value, score.p_value);
        if (item < 2) { /* the confounder is bent, and fisher_z cannot take it out */
            CU_ASSERT(ask("fisher_z", N, P, a, q).p_value < 1e-6);
            CU_ASSERT(bent.p_value > 0.001);
        } else {
            CU_ASSERT(bent.p_value < 1e-6);
        }
    }
    ub_free(a);
}

/* One wild value makes or hides a linear dependence, not one of ranks. */
static void outlier(void)
{
    static const int32_t x[] = {3}, y[] = {4};
    const ub_ci_query    q = {0, x, y, NULL, 1, 1, 0, 0};
    double              *a = NULL;
    UB_CHECK(UB_ALLOC(a, N * P));
    gaussian(a, 7, 1);
    for (int64_t i = 0; i < N; i++)
        a[i] = a[4 * N + i] - 0.7 * a[i]; /* anything else */
    a[3 * N] = 1e6;
    a[4 * N] = -1e6;
    CU_ASSERT(ask("fisher_z", N, P, a, q).statistic < -30);
    CU_ASSERT(ask("gauss_copula", N, P, a, q).statistic > 10);
    ub_free(a);
}

UB_SUITE("gauss_copula", {"scores are the published quantiles, ties share one", scores},
         {"increasing functions of the columns change no bit", monotone},
         {"an outlier decides nothing", outlier})
