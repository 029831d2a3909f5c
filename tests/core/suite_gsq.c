/* gsq against published tables, a brute-force count, all permutations, and what cannot be tested.
 */
#include <math.h>
#include <string.h>

#include "core/ci_test.h"
#include "core/moments.h"
#include "core/rng.h"
#include "core/settings.h"
#include "core/special.h"
#include "tests/support/suite.h"

enum { MOST = 4, MOST_N = 5000 };

typedef struct table {
    int64_t     n;
    int32_t     p;
    double      x[MOST * MOST_N]; /* as given: rows appended */
    double      by_column[MOST * MOST_N];
    ub_settings settings;
} table;

static table shared;

/* An empty table of p columns; p-values as others print them. */
static void start(int32_t p)
{
    shared.n = 0;
    shared.p = p;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &shared.settings));
    shared.settings.ci.correction = UB_CORRECTION_NONE;
}

static void add(int64_t times, const double *row)
{
    for (; times > 0; times--, shared.n++)
        memcpy(shared.x + shared.n * shared.p, row, (size_t)shared.p * sizeof *row);
}

static ub_ci_result ask(ub_ci_query q)
{
    const ub_ci_test *test = ub_ci_find("gsq");
    ub_moments        m = {.n = shared.n, .columns = shared.p}; /* nothing else is read */
    ub_ci_data        data = {&m, shared.by_column};
    ub_ci_result      r = {0};
    void             *state = NULL;
    for (int64_t i = 0; i < shared.n; i++)
        for (int32_t c = 0; c < shared.p; c++)
            shared.by_column[c * shared.n + i] = shared.x[i * shared.p + c];
    UB_CHECK(ub_ci_transform(test, shared.n, shared.p, shared.by_column));
    UB_CHECK(test->open(&data, &shared.settings, &state));
    UB_CHECK(test->eval(state, &q, &r));
    test->close(state);
    return r;
}

static ub_ci_result ask3(int32_t x, int32_t y, int32_t z)
{
    return ask((ub_ci_query){0, &x, &y, &z, 1, 1, z >= 0, 0});
}

/* Berkeley admissions 1973 (Bickel, Hammel, O'Connell, Science 187, 1975), columns department,
 * gender, admitted.  G^2 of admission against gender given department is 21.7355 with 6 degrees of
 * freedom, p = .001352 (Agresti, Categorical Data Analysis; R's loglin), marginally 93.449 with 1.
 */
static void berkeley(void)
{
    static const int counts[6][4] = {{512, 313, 89, 19},   {353, 207, 17, 8},  {120, 205, 202, 391},
                                     {138, 279, 131, 244}, {53, 138, 94, 299}, {22, 351, 24, 317}};
    start(3);
    for (int d = 0; d < 6; d++)
        for (int k = 0; k < 4; k++)
            add(counts[d][k], (double[]){d, k / 2, k % 2});
    CU_ASSERT_EQUAL(shared.n, 4526);
    ub_ci_result given = ask3(1, 2, 0), alone = ask3(1, 2, -1);
    CU_ASSERT(fabs(given.statistic - 21.73551) < 5e-6 && given.dof == 6);
    CU_ASSERT(fabs(given.p_value - 0.001351993) < 5e-10);
    CU_ASSERT(fabs(alone.statistic - 93.449) < 5e-4 && alone.dof == 1);
    CU_ASSERT(given.verdict == UB_CI_OK && given.n_used == 4526);
}

/* Lizards (Schoener 1968; Edwards 2000), columns species, height, diameter; bnlearn's "mi" prints
 * 2.0256, df 2, p 0.3632 and 14.024, df 2, p 0.0009009. */
static void lizards(void)
{
    static const int counts[2][4] = {{32, 11, 86, 35}, {61, 41, 73, 70}};
    start(3);
    for (int s = 0; s < 2; s++)
        for (int k = 0; k < 4; k++)
            add(counts[s][k], (double[]){7 - s, 0.5 * (k / 2), 100 + k % 2});
    ub_ci_result height = ask3(1, 2, 0), species = ask3(0, 2, 1);
    CU_ASSERT(fabs(height.statistic - 2.0256) < 5e-5 && height.dof == 2);
    CU_ASSERT(fabs(height.p_value - 0.3632) < 5e-5);
    CU_ASSERT(fabs(species.statistic - 14.024) < 5e-4 && species.dof == 2);
    CU_ASSERT(fabs(species.p_value - 0.0009009) < 5e-8);
}

/* Sums over all values, without codes or strata. */
static void brute(int levels, double *g, double *dof)
{
    *g = *dof = 0;
    for (int z = 0; z < levels * levels; z++) {
        double n = 0, row[8] = {0}, column[8] = {0}, cell[8][8] = {{0}}, rows = 0, columns = 0;
        for (int64_t i = 0; i < shared.n; i++) {
            const double *v = shared.x + i * 4;
            if ((int)v[2] * levels + (int)v[3] != z)
                continue;
            n++;
            row[(int)v[0]]++;
            column[(int)v[1]]++;
            cell[(int)v[0]][(int)v[1]]++;
        }
        for (int a = 0; a < levels; a++) {
            rows += row[a] > 0;
            columns += column[a] > 0;
            for (int b = 0; b < levels; b++)
                if (cell[a][b] > 0)
                    *g += 2 * cell[a][b] * log(cell[a][b] * n / (row[a] * column[b]));
        }
        if (n > 0)
            *dof += (rows - 1) * (columns - 1);
    }
}

static void brute_force(void)
{
    static const int32_t x[] = {0}, y[] = {1}, z[] = {2, 3};
    int                  smaller = 0;
    for (uint64_t item = 0; item < 12; item++) {
        ub_rng r = ub_rng_make(6, UB_RNG_TEST, item);
        int    levels = 2 + (int)(item % 3);
        double g, dof;
        start(4);
        shared.settings.ci.cell_samples = 0;
        for (int64_t i = 0; i < 40 + 100 * (int64_t)item; i++) {
            double row[4];
            for (int c = 3; c >= 0; c--) {
                int k = (int)ub_rng_below(&r, (uint64_t)levels);
                row[c] = ub_rng_uniform(&r) < 0.4 && c < 3 ? row[3] : k * (k == levels - 1);
            }
            add(1, row);
        }
        ub_ci_result a = ask((ub_ci_query){0, x, y, z, 1, 1, 2, 0});
        brute(levels, &g, &dof);
        CU_ASSERT_EQUAL(a.verdict, UB_CI_OK);
        UB_CHECK_CLOSE(a.statistic, g, 1e-11);
        CU_ASSERT_EQUAL(a.dof, dof);
        UB_CHECK_CLOSE(a.p_value, ub_chi2_tail(g, dof), 1e-9);
        smaller += dof < (levels - 1) * (levels - 1) * pow(levels, 2);
    }
    CU_ASSERT(smaller > 0); /* empty rows and columns did occur */
}

/* Two columns together are one variable with their combinations. */
static void vectors(void)
{
    static const int32_t pair[] = {0, 1}, y[] = {2};
    double               apart[3];
    for (int joined = 0; joined < 2; joined++) {
        ub_rng r = ub_rng_make(7, UB_RNG_TEST, 0);
        start(joined ? 2 : 3);
        for (int i = 0; i < 500; i++) {
            double a = (double)ub_rng_below(&r, 2), b = (double)ub_rng_below(&r, 3);
            double c = ub_rng_uniform(&r) < 0.2 ? a : (double)ub_rng_below(&r, 2);
            add(1, joined ? (double[]){10 * a + b, c} : (double[]){a, b, c});
        }
        ub_ci_result q = joined ? ask3(0, 1, -1) : ask((ub_ci_query){0, pair, y, NULL, 2, 1, 0, 0});
        CU_ASSERT(q.verdict == UB_CI_OK && q.dof == 5);
        if (joined)
            UB_CHECK_CLOSE(q.statistic, apart[0], 1e-12);
        apart[0] = q.statistic;
    }
}

/* Sum of G^2 over all orders of y[at ..], and how many they are. */
static double all_orders(int n, const int *x, int *y, int at, double *orders)
{
    double sum = 0;
    if (at == n) {
        for (int a = 0; a < n; a++) { /* 2 log(n_xy n / (n_x n_y)) a sample */
            double row = 0, column = 0, cell = 0;
            for (int b = 0; b < n; b++) {
                row += x[b] == x[a];
                column += y[b] == y[a];
                cell += x[b] == x[a] && y[b] == y[a];
            }
            sum += 2 * log(cell * n / (row * column));
        }
        ++*orders;
    }
    for (int i = at; i < n; i++) {
        int t = y[at];
        y[at] = y[i];
        y[i] = t;
        sum += all_orders(n, x, y, at + 1, orders);
        y[i] = y[at];
        y[at] = t;
    }
    return sum;
}

/* Two strata: the p-value is that of G^2 dof / mean, the mean over all orders of y. */
static void mean_of_all_orders(void)
{
    static const int x[2][7] = {{0, 0, 0, 1, 1, 1, 1}, {0, 0, 1, 2, 2, 2, 2}};
    int              y[2][7] = {{0, 0, 1, 0, 1, 1, 1}, {1, 1, 1, 0, 0, 0, 2}};
    double           mean = 0;
    start(3);
    shared.settings.ci.cell_samples = 0;
    shared.settings.ci.correction = UB_CORRECTION_MEAN;
    for (int z = 0; z < 2; z++) {
        double orders = 0;
        for (int i = 0; i < 7; i++)
            add(1, (double[]){x[z][i], y[z][i], z});
        double sum = all_orders(7, x[z], y[z], 0, &orders);
        CU_ASSERT_EQUAL(orders, 5040);
        mean += sum / orders;
    }
    ub_ci_result a = ask3(0, 1, 2), b = ask3(1, 0, 2);
    CU_ASSERT(a.verdict == UB_CI_OK && a.dof == 1 + 4);
    UB_CHECK_CLOSE(a.p_value, ub_chi2_tail(a.statistic * a.dof / mean, a.dof), 1e-10);
    CU_ASSERT(a.p_value == b.p_value && a.statistic == b.statistic);
}

/* Independent given three signs, four values a side, five samples a cell. */
static void small_counts(void)
{
    enum { RUNS = 500 };
    int below[2] = {0, 0};
    for (uint64_t run = 0; run < RUNS; run++) {
        ub_rng r = ub_rng_make(9, UB_RNG_TEST, run);
        start(3);
        for (int i = 0; i < 640; i++) {
            int    z = (int)ub_rng_below(&r, 8);
            double pull = 0.3 * (z % 2 + z / 2 % 2 + z / 4 - 1.5), v[2];
            for (int k = 0; k < 2; k++)
                v[k] = (ub_rng_normal(&r) + pull > 0) + 2 * (ub_rng_normal(&r) + pull > 0);
            add(1, (double[]){v[0], v[1], z});
        }
        for (int how = 0; how < 2; how++) {
            shared.settings.ci.correction = how;
            ub_ci_result a = ask3(0, 1, 2);
            CU_ASSERT_EQUAL(a.verdict, UB_CI_OK);
            below[how] += a.p_value < 0.05;
        }
    }
    CU_ASSERT(below[UB_CORRECTION_MEAN] > 0.02 * RUNS && below[UB_CORRECTION_MEAN] < 0.08 * RUNS);
    CU_ASSERT(below[UB_CORRECTION_NONE] > 0.09 * RUNS);
}

static void not_testable(void)
{
    ub_rng r = ub_rng_make(8, UB_RNG_TEST, 0);
    start(4);
    for (int i = 0; i < 1000; i++) {
        double a = (double)ub_rng_below(&r, 2), b = (double)ub_rng_below(&r, 2);
        add(1, (double[]){a, b, ub_rng_normal(&r), (double)ub_rng_below(&r, 60)});
    }
    CU_ASSERT_EQUAL(ask3(0, 2, -1).verdict, UB_CI_TOO_MANY); /* a real number */
    CU_ASSERT_EQUAL(ask3(2, 0, -1).verdict, UB_CI_TOO_MANY);
    CU_ASSERT_EQUAL(ask3(0, 1, 2).verdict, UB_CI_TOO_MANY);
    CU_ASSERT_EQUAL(ask3(0, 1, 3).verdict, UB_CI_TOO_FEW); /* 1000 samples for 240 cells */
    CU_ASSERT_EQUAL(ask3(0, 3, -1).verdict, UB_CI_OK);
    CU_ASSERT_EQUAL(
        ask((ub_ci_query){0, (int32_t[]){0, 1}, (int32_t[]){3}, NULL, 2, 1, 0, 0}).verdict,
        UB_CI_TOO_FEW);
    shared.settings.ci.cell_samples = 4;
    CU_ASSERT_EQUAL(ask3(0, 1, 3).verdict, UB_CI_OK);
    shared.settings.ci.max_levels = 59;
    CU_ASSERT_EQUAL(ask3(0, 3, -1).verdict, UB_CI_TOO_MANY);
}

UB_SUITE("gsq", {"Berkeley admissions as published", berkeley},
         {"lizards as bnlearn prints them", lizards},
         {"statistic and degrees of freedom of a brute-force count", brute_force},
         {"several columns are one variable", vectors},
         {"the correction is the mean over all orders", mean_of_all_orders},
         {"corrected, small counts keep the level", small_counts},
         {"real numbers and sparse tables have a verdict", not_testable})
