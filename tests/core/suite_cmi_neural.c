/* cmi_neural and its rooms: cells, residuals and critics against plain definitions, the bound
 * against closed forms, and what the test sees that others do not. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ci_test.h"
#include "core/internal/cells.h"
#include "core/internal/critic.h"
#include "core/internal/ridge.h"
#include "core/moments.h"
#include "core/rng.h"
#include "core/settings.h"
#include "tests/support/suite.h"

/* n x p normal numbers by columns. */
static double *samples(int64_t n, int p, uint64_t item)
{
    ub_rng  r = ub_rng_make(11, UB_RNG_TEST, item);
    double *x;
    UB_CHECK(UB_ALLOC(x, n * p));
    for (int64_t i = 0; i < n * p; i++)
        x[i] = ub_rng_normal(&r);
    return x;
}

static ub_settings defaults(void)
{
    static ub_settings s;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &s));
    return s;
}

/* ---- cells ---- */

static double spread(const double *v, const int64_t *order, int64_t from, int64_t to)
{
    double least = INFINITY, most = -INFINITY;
    for (int64_t i = from; i < to; i++) {
        least = fmin(least, v[order[i]]);
        most = fmax(most, v[order[i]]);
    }
    return most - least;
}

static void cells_are_a_partition_of_neighbours(void)
{
    static const int64_t ns[] = {1, 7, 100, 1003}, count[] = {1, 3, 12, 125};
    for (int t = 0; t < 4; t++) {
        int64_t       n = ns[t], cells = count[t], *order;
        double       *x = samples(n, 2, (uint64_t)t), inside = 0;
        const double *column[] = {x, x + n};
        char         *seen;
        UB_CHECK(UB_ALLOC(order, n));
        UB_CHECK(UB_ALLOC(seen, n));
        for (int64_t i = 0; i < n; i++)
            order[i] = n - 1 - i;
        UB_CHECK(ub_cells_cut(n, 2, column, cells, order));
        for (int64_t i = 0; i < n; i++)
            CU_ASSERT(order[i] >= 0 && order[i] < n && seen[order[i]]++ == 0);
        for (int64_t c = 0; c < cells; c++)
            for (int k = 0; k < 2; k++)
                inside += spread(column[k], order, c * n / cells, (c + 1) * n / cells);
        if (t == 3) /* 125 cells of a plane 6 wide: sides of about 6 / sqrt(125) */
            CU_ASSERT(inside / (double)(2 * cells) < 1);
        ub_free(seen);
        ub_free(order);
        ub_free(x);
    }
    double        line[] = {5, 1, 4, 2, 3, 0};
    const double *one[] = {line};
    int64_t       order[] = {0, 1, 2, 3, 4, 5};
    UB_CHECK(ub_cells_cut(6, 1, one, 3, order)); /* {5, 1, 3, 4, 2, 0} by value, cut at 2 and 4 */
    for (int64_t i = 0; i < 6; i++)
        CU_ASSERT_EQUAL((int)line[order[i]] / 2, i / 2);
    int64_t kept[] = {2, 0, 1};
    UB_CHECK(ub_cells_cut(3, 0, NULL, 2, kept));
    CU_ASSERT(kept[0] == 2 && kept[1] == 0 && kept[2] == 1);
}

/* ---- residuals ---- */

static double variance(const double *v, int64_t n)
{
    double mean = 0, sum = 0;
    for (int64_t i = 0; i < n; i++)
        mean += v[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        sum += (v[i] - mean) * (v[i] - mean);
    return sum / (double)n;
}

/* Without random features and one column in Z: the line through the other points. */
static void residuals_leave_one_out(void)
{
    enum { N = 40 };
    double       *x = samples(N, 2, 20), *v = x + N, by_hand[N];
    const double *z[] = {x};
    ub_rng        r = ub_rng_make(1, UB_RNG_TEST, 0);
    for (int out = 0; out < N; out++) {
        double n = 0, a = 0, b = 0, aa = 0, ab = 0;
        for (int i = 0; i < N; i++)
            if (i != out) {
                n += 1;
                a += x[i];
                b += v[i];
                aa += x[i] * x[i];
                ab += x[i] * v[i];
            }
        double slope = (ab - a * b / n) / (aa - a * a / n);
        by_hand[out] = v[out] - (b - slope * a) / n - slope * x[out];
    }
    UB_CHECK(ub_ridge_residuals(N, 1, z, 0, &r, 1, N, v));
    for (int i = 0; i < N; i++)
        UB_CHECK_CLOSE(v[i], by_hand[i], 1e-7);
    ub_free(x);
}

/* Rough functions of single columns and smooth ones of both go; noise stays what it is. */
static void residuals_are_what_z_does_not_say(void)
{
    enum { N = 1500 };
    double       *x = samples(N, 4, 21), *v = x + 2 * (size_t)N;
    const double *z[] = {x, x + N};
    ub_rng        r = ub_rng_make(1, UB_RNG_TEST, 1);
    for (int i = 0; i < N; i++)
        v[i] = 0.1 * v[i] + sin(3 * x[i]) + x[N + i] * x[N + i] + x[i] * x[N + i];
    UB_CHECK(ub_ridge_residuals(N, 2, z, 200, &r, 2, N, v));
    CU_ASSERT(variance(v, N) < 0.04);
    CU_ASSERT(fabs(variance(v + N, N) - 1) < 0.15);
    ub_free(x);
}

/* ---- critics ---- */

enum { CELLS = 60, CELL = 5, ROWS = CELLS * CELL };

typedef struct pairs {
    double         left[ROWS * 2], right[ROWS * 2];
    int64_t        first[CELLS + 1];
    ub_critic_rows rows;
} pairs;

/* Rows of two columns, of which the second of the right is the first of the left, `noise` added. */
static void make_pairs(double noise, uint64_t item, pairs *p)
{
    ub_rng r = ub_rng_make(12, UB_RNG_TEST, item);
    for (int64_t i = 0; i < ROWS; i++) {
        p->left[2 * i] = ub_rng_normal(&r);
        p->left[2 * i + 1] = ub_rng_normal(&r);
        p->right[2 * i] = ub_rng_normal(&r);
        p->right[2 * i + 1] = p->left[2 * i] + noise * ub_rng_normal(&r);
    }
    for (int64_t c = 0; c <= CELLS; c++)
        p->first[c] = c * CELL;
    p->rows = (ub_critic_rows){p->left, p->right, p->first};
}

/* The bounds by definition, from any scores. */
static void bounds_by_definition(void)
{
    pairs   p;
    double *f = samples(ROWS, CELL, 30), paired = 0, rows = 0, others = 0;
    make_pairs(1, 0, &p);
    for (int c = 0; c < CELLS; c++)
        for (int j = 0; j < CELL; j++) {
            const double *cell = f + c * CELL * CELL;
            double        sum = 0;
            paired += cell[j * CELL + j] / ROWS;
            for (int i = 0; i < CELL; i++) {
                sum += exp(cell[i * CELL + j]) / CELL;
                others += i == j ? 0 : exp(cell[i * CELL + j]) / (ROWS * (CELL - 1));
            }
            rows += log(sum) / ROWS;
        }
    UB_CHECK_CLOSE(ub_critic_bound(UB_CRITIC_INFONCE, &p.rows, 0, CELLS, f), paired - rows, 1e-13);
    UB_CHECK_CLOSE(ub_critic_bound(UB_CRITIC_MINE, &p.rows, 0, CELLS, f), paired - log(others),
                   1e-13);
    ub_free(f);
}

static double trained_bound(int kind, const pairs *p, int64_t epochs)
{
    const ub_critic_options o = {kind, 2, 2, 16, 8, 0.003, 0.01, ROWS};
    double                  f[ROWS * CELL] = {0};
    ub_critic              *critic = NULL;
    ub_rng                  r = ub_rng_make(13, UB_RNG_TEST, 0);
    UB_CHECK(ub_critic_create(&o, &r, &critic));
    UB_CHECK(ub_critic_train(critic, &p->rows, CELLS / 2, 4, epochs, &r));
    ub_critic_score(critic, &p->rows, CELLS / 2, CELLS, 1, f);
    ub_critic_destroy(&critic);
    return ub_critic_bound(kind, &p->rows, CELLS / 2, CELLS, f);
}

/* On cells it has not seen: more than before training, less than the closed form, and nothing
 * where there is nothing. */
static void critics_learn(void)
{
    for (int kind = UB_CRITIC_INFONCE; kind <= UB_CRITIC_MINE; kind++) {
        double before = 0, after = 0, none = 0, truth = 0.5 * log(1 + 1 / (0.5 * 0.5));
        for (uint64_t item = 0; item < 4; item++) {
            pairs p;
            make_pairs(0.5, item, &p);
            before += trained_bound(kind, &p, 0) / 4;
            after += trained_bound(kind, &p, 60) / 4;
            make_pairs(100, item, &p); /* all noise */
            none += trained_bound(kind, &p, 5) / 4;
        }
        CU_ASSERT(after > before + 0.3 && after > 0.35);
        CU_ASSERT(after < truth + 0.05);
        CU_ASSERT(none < 0.05);
    }
}

/* ---- the test ---- */

/* x, y of d columns and z of dz, in this order: ask for x against y given z. */
static ub_ci_result ask(int64_t n, int32_t d, int32_t dz, const double *x, const char *name,
                        const ub_settings *set)
{
    const ub_ci_test *test = ub_ci_find(name);
    ub_moments        m;
    ub_ci_result      out = {.p_value = NAN};
    int32_t           column[64];
    void             *state = NULL;
    for (int32_t c = 0; c < 64; c++)
        column[c] = c;
    UB_CHECK(ub_moments_of_columns(n, 2 * d + dz, x, &m));
    ub_ci_data  data = {&m, x};
    ub_ci_query q = {5, column, column + d, column + 2 * (ptrdiff_t)d, d, d, dz, 0};
    UB_CHECK(test->open(&data, set, &state));
    UB_CHECK(test->eval(state, &q, &out));
    test->close(state);
    ub_moments_release(&m);
    return out;
}

/* Correlation rho given z: -log(1 - rho^2) / 2 nats.  Found: more than half of it, never more
 * than the truth and what its sampling allows (sd of the mean of three below .02). */
static void bound_stays_below_the_closed_form(void)
{
    enum { N = 800, RUNS = 3 };
    static const double rho[] = {0.5, 0.8};
    for (int kind = UB_CRITIC_INFONCE; kind <= UB_CRITIC_MINE; kind++)
        for (int t = 0; t < 2; t++) {
            ub_settings set = defaults();
            double      mean = 0, truth = -0.5 * log(1 - rho[t] * rho[t]);
            set.ci.critic = kind;
            for (uint64_t run = 0; run < RUNS; run++) {
                double *x = samples(N, 3, 100 + run);
                for (int i = 0; i < N; i++) {
                    double z = x[2 * N + i];
                    x[N + i] = rho[t] * x[i] + sqrt(1 - rho[t] * rho[t]) * x[N + i] - 0.5 * z;
                    x[i] += sin(2 * z);
                }
                mean += ask(N, 1, 1, x, "cmi_neural", &set).statistic / RUNS;
                ub_free(x);
            }
            CU_ASSERT(mean > 0.5 * truth && mean < truth + 0.04);
        }
}

/* y = noise + the square of the sum of x: eight columns a side, five in z. */
static void sees_what_covariances_do_not(void)
{
    enum { N = 600, D = 8, DZ = 5 };
    ub_settings set = defaults();
    set.ci.critic_members = 1;
    for (uint64_t run = 0; run < 3; run++) {
        double *x = samples(N, 2 * D + DZ, 200 + run);
        for (int i = 0; i < N; i++) {
            double sum = 0;
            for (int c = 0; c < D; c++)
                sum += x[c * N + i] / sqrt(D);
            for (int c = 0; c < D; c++)
                x[(D + c) * N + i] += 0.8 * sum * sum + x[(2 * D + c % DZ) * N + i];
        }
        ub_ci_result r = ask(N, D, DZ, x, "cmi_neural", &set);
        CU_ASSERT(r.verdict == UB_CI_OK && r.p_value < 0.01);
        ub_free(x);
    }
}

/* x and y wind around z, each in its own way: dependent for a linear test, not given z. */
static void does_not_see_what_z_explains(void)
{
    enum { N = 500, RUNS = 40 };
    ub_settings set = defaults();
    int         neural = 0, linear = 0;
    set.ci.critic_members = 1;
    set.ci.permutations = 99;
    for (uint64_t run = 0; run < RUNS; run++) {
        double *x = samples(N, 4, 300 + run);
        for (int i = 0; i < N; i++) {
            double z = x[2 * N + i], other = x[3 * N + i];
            x[i] = 0.7 * x[i] + sin(2 * z) + other * other;
            x[N + i] = 0.7 * x[N + i] + cos(3 * z) + other * other;
        }
        neural += ask(N, 1, 2, x, "cmi_neural", &set).p_value <= 0.05;
        linear += ask(N, 1, 2, x, "fisher_z", &set).p_value <= 0.05;
        ub_free(x);
    }
    CU_ASSERT(linear > RUNS / 2);
    CU_ASSERT(neural <= 7); /* of 40 at .05: P(more) = .0005 */
}

/* The seed decides, and every setting is read. */
static void settings_matter(void)
{
    enum { N = 200 };
    double      *x = samples(N, 5, 400);
    ub_settings  base = defaults(), s;
    ub_ci_result first;
    for (int i = 0; i < N; i++)
        x[N + i] += 0.3 * x[i];
    first = ask(N, 1, 3, x, "cmi_neural", &base);
    CU_ASSERT_EQUAL(ask(N, 1, 3, x, "cmi_neural", &base).statistic, first.statistic);
    for (int change = 0; change < 9; change++) {
        s = base;
        s.run.seed += change == 0;
        s.ci.critic = change == 1 ? UB_CRITIC_MINE : s.ci.critic;
        s.ci.critic_cell += change == 2;
        s.ci.critic_folds += change == 3;
        s.ci.critic_members += change == 4;
        s.ci.critic_hidden += change == 5;
        s.ci.critic_epochs += change == 6;
        s.ci.critic_rate *= change == 7 ? 1.1 : 1;
        s.ci.critic_decay *= change == 8 ? 1.1 : 1;
        ub_ci_result r = ask(N, 1, 3, x, "cmi_neural", &s);
        CU_ASSERT(r.verdict == UB_CI_OK && r.statistic != first.statistic);
    }
    s = base;
    s.ci.permutations = 9;
    s.ci.stop_after = 0;
    double p = 10 * ask(N, 1, 3, x, "cmi_neural", &s).p_value;
    UB_CHECK_CLOSE(p, rint(p), 1e-12);
    ub_free(x);
}

/* Stopped at the third surrogate that reaches the statistic, the d-th of all, p = 3 / d: of exactly
 * d surrogates without a stop as many reach it, (3 + 1) / (d + 1). */
static void an_early_stop_says_what_it_saw(void)
{
    enum { N = 120 };
    double     *x = samples(N, 3, 401);
    ub_settings set = defaults();
    set.ci.permutations = 60;
    set.ci.stop_after = 3;
    set.ci.critic_epochs = 5;
    double p = ask(N, 1, 1, x, "cmi_neural", &set).p_value, drawn = 3 / p;
    UB_CHECK_CLOSE(drawn, rint(drawn), 1e-9);
    CU_ASSERT(drawn < 60);
    set.ci.permutations = (int64_t)rint(drawn);
    set.ci.stop_after = 0;
    UB_CHECK_CLOSE(ask(N, 1, 1, x, "cmi_neural", &set).p_value, 4 / (drawn + 1), 1e-12);
    ub_free(x);
}

/* Tails without a variance, a column of Z twice, one constant: a number all the same. */
static void hard_columns_have_a_number(void)
{
    enum { N = 300 };
    double     *x = samples(N, 6, 500);
    ub_settings set = defaults();
    for (int i = 0; i < N; i++) {
        x[i] = x[i] / x[2 * N + i];
        x[N + i] = pow(x[N + i], 9);
        x[3 * N + i] = x[2 * N + i];
        x[4 * N + i] = 7;
    }
    for (int kind = UB_CRITIC_INFONCE; kind <= UB_CRITIC_MINE; kind++) {
        set.ci.critic = kind;
        ub_ci_result r = ask(N, 1, 4, x, "cmi_neural", &set);
        CU_ASSERT(r.verdict == UB_CI_OK && isfinite(r.statistic) && r.p_value > 0);
    }
    ub_free(x);
}

static void refusals(void)
{
    ub_settings   set = defaults();
    double       *x = samples(200, 3, 600);
    ub_moments    m;
    void         *state = NULL;
    const int32_t n = 200;
    CU_ASSERT_EQUAL(ask(44, 1, 1, x, "cmi_neural", &set).verdict, UB_CI_TOO_FEW);
    CU_ASSERT_EQUAL(ask(45, 1, 1, x, "cmi_neural", &set).verdict, UB_CI_OK);
    for (int i = 0; i < n; i++)
        x[i] = x[2 * n + i] * x[2 * n + i]; /* Z says all, but not linearly */
    ub_ci_result r = ask(n, 1, 1, x, "cmi_neural", &set);
    CU_ASSERT(r.verdict == UB_CI_OK && r.p_value > 0.001);
    UB_CHECK(ub_moments_of_columns(n, 3, x, &m));
    ub_ci_data data = {&m, NULL};
    UB_CHECK_FAILS(ub_ci_find("cmi_neural")->open(&data, &set, &state), UB_EINPUT,
                   "needs the samples");
    ub_moments_release(&m);
    ub_free(x);
}

UB_SUITE("cmi_neural",
         {"cells are a partition into neighbours", cells_are_a_partition_of_neighbours},
         {"residuals are those of the line through the other points", residuals_leave_one_out},
         {"residuals are what Z does not say", residuals_are_what_z_does_not_say},
         {"bounds are what their definitions say", bounds_by_definition},
         {"critics learn what is there, on samples they have not seen", critics_learn},
         {"the bound stays below the closed form", bound_stays_below_the_closed_form},
         {"sees what covariances do not", sees_what_covariances_do_not},
         {"does not see what Z explains", does_not_see_what_z_explains},
         {"the seed decides, and every setting is read", settings_matter},
         {"an early stop says what it saw", an_early_stop_says_what_it_saw},
         {"tails without a variance and useless conditions still have a number",
          hard_columns_have_a_number},
         {"too few samples, and none at all", refusals})
