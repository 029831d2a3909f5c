/* The gcm family against direct computations, and what it has to see and not to see. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ci_test.h"
#include "core/mem.h"
#include "core/moments.h"
#include "core/rng.h"
#include "core/settings.h"
#include "core/special.h"
#include "tests/support/suite.h"

static const char *const family[] = {"gcm_poly", "gcm_rff", "gcm_mlp"};
enum { FAMILY = 3 };

/* A table of normal scores, opened by a test. */
typedef struct table {
    int64_t           n;
    int               p;
    double           *x;
    ub_moments        m;
    ub_ci_data        data;
    ub_settings       set;
    const ub_ci_test *test;
    void             *state;
} table;

static double *column(const table *t, int c)
{
    return t->x + c * t->n;
}

static void alloc_table(table *t, int64_t n, int p)
{
    *t = (table){.n = n, .p = p};
    UB_CHECK(UB_ALLOC(t->x, n * p));
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &t->set));
}

static void open_table(table *t, const char *name)
{
    t->test = ub_ci_find(name);
    UB_CHECK(ub_ci_transform(t->test, t->n, t->p, t->x));
    UB_CHECK(ub_moments_of_columns(t->n, t->p, t->x, &t->m));
    t->data = (ub_ci_data){&t->m, t->x};
    UB_CHECK(t->test->open(&t->data, &t->set, &t->state));
}

static void close_table(table *t)
{
    t->test->close(t->state);
    ub_moments_release(&t->m);
    ub_free(t->x);
}

/* X = column 0, Y = column 1, Z = the others, the last `moderators` of them moderators. */
static ub_ci_result ask(table *t, int32_t moderators)
{
    static const int32_t c[] = {0, 1, 2, 3, 4, 5, 6, 7};
    ub_ci_query          q = {.x = c, .y = c + 1, .z = c + 2, .nx = 1, .ny = 1, .nz = t->p - 2};
    ub_ci_result         r = {.p_value = NAN};
    q.moderators = moderators;
    UB_CHECK(t->test->eval(t->state, &q, &r));
    return r;
}

static ub_ci_result ask_once(table *t, const char *name, int32_t moderators)
{
    open_table(t, name);
    ub_ci_result r = ask(t, moderators);
    close_table(t);
    return r;
}

/* ---- against direct computations ---- */

/* Solve the k x k system a x = b by elimination with row exchanges. */
static void solve(int k, double *a, double *b)
{
    for (int i = 0; i < k; i++) {
        int best = i;
        for (int r = i + 1; r < k; r++)
            best = fabs(a[r * k + i]) > fabs(a[best * k + i]) ? r : best;
        for (int j = 0; j < k; j++) {
            double swap = a[i * k + j];
            a[i * k + j] = a[best * k + j];
            a[best * k + j] = swap;
        }
        double swap = b[i];
        b[i] = b[best];
        b[best] = swap;
        for (int r = 0; r < k; r++) {
            double f = r == i ? 0 : a[r * k + i] / a[i * k + i];
            for (int j = 0; j < k; j++)
                a[r * k + j] -= f * a[i * k + j];
            b[r] -= f * b[i];
        }
    }
    for (int i = 0; i < k; i++)
        b[i] /= a[i * k + i];
}

/* Residual of sample `out` from the least-squares line through all the others: really left out. */
static double left_out(const table *t, int target, int64_t out)
{
    enum { MOST = 8 };
    int    k = t->p - 1; /* a constant and the columns of Z */
    double a[MOST * MOST] = {0}, b[MOST] = {0}, row[MOST], fit = 0;
    for (int64_t i = 0; i < t->n; i++) {
        row[0] = 1;
        for (int j = 1; j < k; j++)
            row[j] = column(t, j + 1)[i];
        for (int r = 0; r < k && i != out; r++) {
            b[r] += row[r] * column(t, target)[i];
            for (int j = 0; j < k; j++)
                a[r * k + j] += row[r] * row[j];
        }
    }
    solve(k, a, b);
    for (int j = 0; j < k; j++)
        fit += b[j] * (j == 0 ? 1 : column(t, j + 1)[out]);
    return column(t, target)[out] - fit;
}

/* Student's t of the products, with n - p in place of n and one less. */
static void product_form(void)
{
    for (uint64_t item = 0; item < 3; item++) {
        table  t;
        double sum = 0, square = 0;
        ub_rng r = ub_rng_make(21, UB_RNG_TEST, item);
        alloc_table(&t, 60, 4);
        t.set.ci.form = UB_FORM_PRODUCT;
        t.set.ci.degree = 1;
        for (int64_t i = 0; i < t.n; i++) {
            double z = ub_rng_normal(&r);
            column(&t, 2)[i] = z;
            column(&t, 3)[i] = ub_rng_normal(&r);
            column(&t, 0)[i] = z + ub_rng_normal(&r);
            column(&t, 1)[i] = 0.4 * column(&t, 0)[i] - z + ub_rng_normal(&r);
        }
        open_table(&t, "gcm_poly");
        ub_ci_result got = ask(&t, 0);
        for (int64_t i = 0; i < t.n; i++) {
            double u = left_out(&t, 0, i) * left_out(&t, 1, i);
            sum += u;
            square += u * u;
        }
        double left = (double)t.n - 3, share = sum * sum / square / (double)t.n;
        double statistic = (sum < 0 ? -1 : 1) * sqrt(left * share / (1 - share));
        UB_CHECK_CLOSE(got.statistic, statistic, 1e-10);
        UB_CHECK_CLOSE(got.p_value, exp(ub_f_log_tail(statistic * statistic, 1, left - 1)), 1e-10);
        CU_ASSERT_EQUAL(got.dof, 1);
        close_table(&t);
    }
}

/* Published percentage points of F, and chi-square as its limit. */
static void f_tail(void)
{
    UB_CHECK_CLOSE(exp(ub_f_log_tail(4.964602743730711, 1, 10)), 0.05, 1e-12);
    UB_CHECK_CLOSE(exp(ub_f_log_tail(3.098391224, 3, 20)), 0.05, 1e-8);
    UB_CHECK_CLOSE(ub_f_log_tail(2, 2, 8), -4 * log(1.5), 1e-13); /* (1 + 2 f / 8)^-4 */
    UB_CHECK_CLOSE(ub_f_log_tail(400, 2, 8), -4 * log(101), 1e-13);
    UB_CHECK_CLOSE(ub_f_log_tail(4, 3, 1e9), ub_chi2_log_tail(12, 3), 1e-6);
    CU_ASSERT_EQUAL(ub_f_log_tail(0, 3, 20), 0);
}

/* ---- what must not change ---- */

/* Any increasing function of a column, the order of Z: nothing but rounding. */
static void invariant(void)
{
    for (int f = 0; f < FAMILY; f++) {
        ub_ci_result r[2];
        for (int turned = 0; turned < 2; turned++) {
            table  t;
            ub_rng s = ub_rng_make(22, UB_RNG_TEST, 0);
            alloc_table(&t, 300, 5);
            for (int64_t i = 0; i < t.n; i++)
                for (int c = 0; c < t.p; c++)
                    column(&t, c)[i] = ub_rng_normal(&s) + (c > 0 ? 0.5 * column(&t, c - 1)[i] : 0);
            for (int64_t i = 0; i < t.n && turned; i++) {
                column(&t, 0)[i] = exp(column(&t, 0)[i]);
                column(&t, 3)[i] = 3 * pow(column(&t, 3)[i], 3) - 100;
            }
            r[turned] = ask_once(&t, family[f], 1);
        }
        CU_ASSERT_EQUAL(r[0].verdict, UB_CI_OK);
        CU_ASSERT_EQUAL(r[0].statistic, r[1].statistic);
        CU_ASSERT_EQUAL(r[0].p_value, r[1].p_value);
    }
}

/* ---- what must be seen ---- */

enum { SUM_OF_SQUARES, SQUARED_SUM };

/* X, Y, one column between them, the task g = x^2 + y^2 or (x + y)^2 plus noise; `effect` 0: g sees
 * X and a stranger instead of Y. */
static void fill(table *t, int64_t n, int link, int effect, uint64_t item)
{
    ub_rng r = ub_rng_make(23, UB_RNG_TEST, item);
    alloc_table(t, n, 4);
    for (int64_t i = 0; i < n; i++) {
        double x = ub_rng_normal(&r), z = 0.6 * x + ub_rng_normal(&r);
        double y = 0.6 * z + ub_rng_normal(&r), other = effect ? y : ub_rng_normal(&r);
        column(t, 0)[i] = x;
        column(t, 1)[i] = y;
        column(t, 2)[i] = z;
        column(t, 3)[i] = ub_rng_normal(&r);
        column(t, 3)[i] += link == SQUARED_SUM ? pow(x + other, 2) : x * x + other * other;
    }
}

static void seen(void)
{
    for (int link = 0; link < 2; link++)
        for (int f = 0; f < FAMILY; f++) {
            table t;
            fill(&t, 1000, link, 1, (uint64_t)link);
            ub_ci_result r = ask_once(&t, family[f], 1);
            CU_ASSERT_EQUAL(r.dof, 3);
            CU_ASSERT(r.evidence > 25);
        }
}

/* The plain covariance of residuals averages over the task: the squared sum cancels. */
static void blind(void)
{
    int few = 0;
    for (uint64_t item = 0; item < 20; item++) {
        table t;
        fill(&t, 1000, SQUARED_SUM, 1, 100 + item);
        few += ask_once(&t, "fisher_z", 1).evidence > 25;
    }
    CU_ASSERT(few <= 1);
}

/* ---- what must not be seen ---- */

/* 200 nulls with a collider in the condition, at .05: 10 expected; more than 22 or fewer than 2
 * have a probability of 2e-4 and 5e-4 each. */
static void size(void)
{
    for (int link = 0; link < 2; link++)
        for (int f = 0; f < FAMILY - 1; f++) {
            int hits = 0;
            for (uint64_t item = 0; item < 200; item++) {
                table t;
                fill(&t, 300, link, 0, 1000 + item);
                hits += ask_once(&t, family[f], 1).p_value < 0.05;
            }
            CU_ASSERT(hits >= 2 && hits <= 22);
        }
}

/* A task of two values: its powers are one feature, and nothing breaks. */
static void discrete(void)
{
    for (int f = 0; f < FAMILY; f++) {
        table  t;
        ub_rng r = ub_rng_make(24, UB_RNG_TEST, 0);
        alloc_table(&t, 1000, 4);
        for (int64_t i = 0; i < t.n; i++) {
            for (int c = 0; c < t.p; c++)
                column(&t, c)[i] = ub_rng_normal(&r);
            double x = column(&t, 0)[i], y = column(&t, 1)[i];
            column(&t, 3)[i] = x * y + 0.5 * ub_rng_normal(&r) > 0;
            column(&t, 2)[i] = rint(column(&t, 2)[i]);
        }
        ub_ci_result got = ask_once(&t, family[f], 1);
        CU_ASSERT_EQUAL(got.verdict, UB_CI_OK);
        CU_ASSERT(got.evidence > 25);
    }
}

UB_SUITE("gcm",
         {"product form with lines is the t of products of left-out residuals", product_form},
         {"the tail of F", f_tail},
         {"increasing functions of the columns change nothing", invariant},
         {"sums of squares and squares of sums are seen", seen},
         {"fisher_z does not see squares of sums", blind},
         {"a null with a collider keeps its size", size},
         {"tasks and conditions of few values", discrete})
