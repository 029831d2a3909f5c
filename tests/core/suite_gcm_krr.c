/* Kernel ridge regression against the equations of its exact form, and gcm_krr where it is meant to
 * work: chains whose steps depend on their neighbours in any smooth form. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ci_test.h"
#include "core/internal/krr.h"
#include "core/moments.h"
#include "core/rng.h"
#include "core/settings.h"
#include "tests/support/suite.h"

/* ---- the regression ---- */

enum { N = 40, P = 3, ROWS = N + P };

static double normal_at(ub_rng *r, double scale)
{
    return scale * ub_rng_normal(r);
}

/* The minimiser of |y - B b - K a|^2 / n + l a' K a solves (K + n l I) a + B b = y, B' a = 0, and
 * leaves n l a (Wahba 1990, 1.3.16): independent of factors, landmarks and eigenvectors. */
static void exact_residual(const double *plain, const double *a, const double *b, double scale,
                           double penalty, const double *y, double *residual)
{
    static double m[ROWS * ROWS];
    double        x[ROWS] = {0};
    memset(m, 0, sizeof m);
    for (int j = 0; j < N; j++)
        for (int i = 0; i < N; i++) {
            double du = a[i] - a[j], dv = b == NULL ? 0 : b[i] - b[j];
            m[j * ROWS + i] = exp(-(du * du + dv * dv) / (2 * scale * scale));
            m[j * ROWS + i] += i == j ? N * penalty : 0;
        }
    for (int p = 0; p < P; p++)
        for (int i = 0; i < N; i++)
            m[(N + p) * ROWS + i] = m[i * ROWS + N + p] = plain[p * N + i];
    for (int i = 0; i < N; i++)
        x[i] = y[i];
    for (int c = 0; c < ROWS; c++) { /* Gauss and Jordan, pivots of the column */
        int best = c;
        for (int r = c; r < ROWS; r++)
            best = fabs(m[c * ROWS + r]) > fabs(m[c * ROWS + best]) ? r : best;
        for (int k = 0; k < ROWS; k++) {
            double t = m[k * ROWS + c];
            m[k * ROWS + c] = m[k * ROWS + best];
            m[k * ROWS + best] = t;
        }
        double t = x[c];
        x[c] = x[best];
        x[best] = t;
        for (int r = 0; r < ROWS; r++) {
            double f = r == c ? 0 : m[c * ROWS + r] / m[c * ROWS + c];
            for (int k = c; k < ROWS && f != 0; k++)
                m[k * ROWS + r] -= f * m[k * ROWS + c];
            x[r] -= f * x[c];
        }
    }
    for (int i = 0; i < N; i++)
        residual[i] = N * penalty * x[i] / m[i * ROWS + i];
}

typedef struct problem {
    double  plain[P * N], a[N], b[N], y[N];
    int32_t order[N];
} problem;

static void make_problem(problem *p, uint64_t item)
{
    ub_rng r = ub_rng_make(11, UB_RNG_TEST, item);
    for (int i = 0; i < N; i++) {
        p->a[i] = normal_at(&r, 1);
        p->b[i] = normal_at(&r, 1);
        p->plain[i] = 1;
        p->plain[N + i] = p->a[i];
        p->plain[2 * N + i] = normal_at(&r, 1);
        p->y[i] = sin(2 * p->a[i]) * p->b[i] + normal_at(&r, 0.3);
        p->order[i] = N - 1 - i;
    }
}

static void exact_when_every_sample_is_a_landmark(void)
{
    for (int two = 0; two < 2; two++) {
        problem p;
        ub_krr  k = {0};
        double  feature[P * N], want[N], got[N], leverage[N] = {0}, trace = 0;
        make_problem(&p, (uint64_t)two);
        const double *b = two ? p.b : NULL;
        memcpy(feature, p.plain, sizeof feature);
        UB_CHECK(ub_krr_plain(&k, N, P, feature));
        UB_CHECK(ub_krr_kernel(&k, p.a, b, 0.8, p.order, N));
        double dof = ub_krr_residual(&k, p.y, 1e-3, got, leverage);
        exact_residual(p.plain, p.a, b, 0.8, 1e-3, p.y, want);
        for (int i = 0; i < N; i++)
            UB_CHECK_CLOSE(got[i], want[i], 1e-5);
        for (int i = 0; i < N; i++) { /* the diagonal of H, one sample at a time */
            double unit[N] = {0};
            unit[i] = 1;
            exact_residual(p.plain, p.a, b, 0.8, 1e-3, unit, want);
            UB_CHECK_CLOSE(leverage[i], 1 - want[i], 1e-5);
            trace += 1 - want[i];
        }
        UB_CHECK_CLOSE(dof, trace, 1e-4);
        ub_krr_release(&k);
    }
}

/* The score of the penalty chosen, recomputed from residual and trace, and smaller than others'. */
static void generalised_cross_validation(void)
{
    problem p;
    ub_krr  k = {0};
    double  feature[P * N], e[N], leverage[N], best;
    make_problem(&p, 5);
    memcpy(feature, p.plain, sizeof feature);
    UB_CHECK(ub_krr_plain(&k, N, P, feature));
    UB_CHECK(ub_krr_kernel(&k, p.a, p.b, 0.8, p.order, N / 2));
    double score = ub_krr_choose(&k, p.y, &best);
    for (int step = -2; step <= 2; step++) {
        double trace = ub_krr_residual(&k, p.y, best * pow(10, step), e, leverage), rss = 0;
        for (int i = 0; i < N; i++)
            rss += e[i] * e[i];
        double share = 1 - 1.2 * trace / N, here = rss / N / (share * share);
        if (step == 0) {
            UB_CHECK_CLOSE(here, score, 1e-9);
        } else {
            CU_ASSERT(share <= 0 || here > score);
        }
    }
    ub_krr_release(&k);
}

/* A plain feature twice, none of the kernel, and a kernel that the plain features contain. */
static void nothing_new_is_nothing(void)
{
    problem p;
    ub_krr  k = {0};
    double  feature[P * N], e[N], leverage[N] = {0}, penalty;
    make_problem(&p, 6);
    memcpy(feature, p.plain, sizeof feature);
    memcpy(feature + 2 * N, p.plain + N, N * sizeof(double));
    UB_CHECK(ub_krr_plain(&k, N, P, feature));
    UB_CHECK(ub_krr_kernel(&k, p.a, NULL, 0.8, p.order, 0));
    CU_ASSERT(isfinite(ub_krr_choose(&k, p.y, &penalty)) && isinf(penalty));
    UB_CHECK_CLOSE(ub_krr_residual(&k, p.y, penalty, e, leverage), 2, 1e-12);
    double sum = 0, with_a = 0;
    for (int i = 0; i < N; i++) {
        sum += e[i];
        with_a += e[i] * p.a[i];
    }
    CU_ASSERT(fabs(sum) < 1e-10 && fabs(with_a) < 1e-10);
    double constant[N] = {0};
    UB_CHECK(ub_krr_kernel(&k, constant, NULL, 0.8, p.order, N / 2));
    CU_ASSERT_EQUAL(k.rank, 0);
    ub_krr_release(&k);
}

/* ---- the test ---- */

/* A chain s + sin(2 s) of six steps and a task (sum of the steps of `members`); columns: steps,
 * task. */
enum { STEPS = 6, TASK = STEPS, COLUMNS = STEPS + 1, MOST = 2000 };

typedef struct chain {
    double      x[COLUMNS * MOST];
    ub_moments  m;
    ub_ci_data  data;
    ub_settings settings;
} chain;

static void make_chain(chain *c, int64_t n, uint64_t item, unsigned members)
{
    ub_rng r = ub_rng_make(12, UB_RNG_TEST, item);
    for (int64_t i = 0; i < n; i++) {
        double s = 0, g = 0;
        for (int t = 0; t < STEPS; t++) {
            s = s + sin(2 * s) + ub_rng_normal(&r);
            c->x[t * n + i] = s;
            g += members >> t & 1u ? s + normal_at(&r, 0.5) : 0;
        }
        c->x[TASK * n + i] = g + normal_at(&r, 0.5);
    }
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &c->settings));
}

/* Step 1 against step 3 given 0, 2, 4 and the task. */
static ub_ci_result ask(chain *c, const char *name, int64_t n)
{
    static const int32_t x = 1, y = 3, z[] = {0, 2, 4, TASK};
    const ub_ci_test    *test = ub_ci_find(name);
    ub_ci_query          q = {0, &x, &y, z, 1, 1, 4, 1};
    ub_ci_result         r = {0};
    void                *state = NULL;
    UB_CHECK(ub_ci_transform(test, n, COLUMNS, c->x));
    UB_CHECK(ub_moments_of_columns(n, COLUMNS, c->x, &c->m));
    c->data = (ub_ci_data){&c->m, c->x};
    UB_CHECK(test->open(&c->data, &c->settings, &state));
    UB_CHECK(test->eval(state, &q, &r));
    test->close(state);
    ub_moments_release(&c->m);
    CU_ASSERT_EQUAL(r.verdict, UB_CI_OK);
    return r;
}

static chain shared; /* large; one suite, one thread */

/* Of 40 runs a right test rejects more than 8 with probability 2e-4; polynomials of degree 3, which
 * cannot follow the sine, reject far more often: the data are not easy. */
static void size_on_a_chain_polynomials_fail_on(void)
{
    enum { RUNS = 40, SAMPLES = MOST };
    int krr = 0, poly = 0;
    for (uint64_t i = 0; i < RUNS; i++) {
        make_chain(&shared, SAMPLES, i, 3u << 4); /* steps 4 and 5 */
        krr += ask(&shared, "gcm_krr", SAMPLES).p_value <= 0.05;
        make_chain(&shared, SAMPLES, i, 3u << 4);
        poly += ask(&shared, "gcm_poly", SAMPLES).p_value <= 0.05;
    }
    CU_ASSERT(krr <= 8);
    CU_ASSERT(poly > 12);
}

static void power_on_the_same_chain(void)
{
    for (uint64_t i = 0; i < 3; i++) {
        make_chain(&shared, MOST, 100 + i, 15); /* steps 0 .. 3 */
        CU_ASSERT(ask(&shared, "gcm_krr", MOST).p_value < 0.001);
    }
}

UB_SUITE("gcm_krr",
         {"with every sample a landmark it is kernel ridge regression",
          exact_when_every_sample_is_a_landmark},
         {"the penalty has the smallest GCV score", generalised_cross_validation},
         {"features that add nothing change nothing", nothing_new_is_nothing},
         {"a sine chain keeps the size", size_on_a_chain_polynomials_fail_on},
         {"a sine chain shows a shared task", power_on_the_same_chain})
