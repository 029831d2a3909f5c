/* What core/ci_test.h promises, for every test of the registry. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ci_test.h"
#include "core/moments.h"
#include "core/rng.h"
#include "core/settings.h"
#include "tests/support/suite.h"

/* Columns of the table: z1 z2 z3, x and y (a vector of two each), independent given z under
 * the null, with y = ... + effect * x otherwise; then e1 e2, further conditions on their own.
 * Tests of discrete variables see a few values a column, and so many times the samples. */
enum { Z = 0, X = 3, Y = 5, E = 7, P = 9, MORE = 24, MOST_N = 400 * MORE };

static const int32_t zs[] = {0, 1, 2}, xs[] = {3, 4}, ys[] = {5, 6};

typedef struct table {
    double            x[P * MOST_N];
    ub_moments        m;
    ub_ci_data        data;
    ub_settings       settings;
    const ub_ci_test *test;
    void             *state;
    int64_t           more;      /* 1, or MORE for a test of discrete variables */
    int               levels[P]; /* distinct values of each column, 2 or 3; 0: real numbers */
} table;

/* The columns z1 z2, then z3, then all others have so many values; at least two where the test is
 * of discrete variables. */
static void coarsen(table *t, int z, int last, int others)
{
    for (int c = 0; c < P; c++) {
        int levels = c < X - 1 ? z : c < X ? last : others;
        t->levels[c] = levels == 0 && t->more > 1 ? 2 : levels;
    }
}

static bool begin(table *t, const ub_ci_test *test)
{
    t->more = test->accepts & UB_CI_DISCRETE ? MORE : 1;
    coarsen(t, 0, 0, 0);
    return true;
}

static double rounded(double v, int levels)
{
    double third = v < -0.5 ? -1 : v > 0.5 ? 1 : 0;
    return levels == 0 ? v : levels == 3 ? third : v < 0 ? -1 : 1;
}

static void fill(table *t, int64_t n, uint64_t item, double effect)
{
    ub_rng r = ub_rng_make(3, UB_RNG_TEST, item);
    bool   discrete = t->more > 1;
    double part = discrete ? 0.3 : 1; /* so that no cell becomes rare */
    n *= t->more;
    for (int64_t i = 0; i < n; i++) {
        double v[P];
        for (int c = 0; c < P; c++)
            v[c] = ub_rng_normal(&r);
        for (int c = 0; c < X; c++)
            v[c] = rounded(v[c], t->levels[c]);
        for (int k = 0; k < 2; k++) {
            double own = v[X + k];
            v[X + k] += part * (0.8 * v[k] - 0.5 * v[2]);
            v[Y + k] += part * (0.6 * v[k] + 0.7 * v[2]) + effect * own;
        }
        for (int c = 0; c < P; c++)
            t->x[c * n + i] = rounded(v[c], t->levels[c]);
    }
}

/* Sample i of a column of a table of n samples. */
static double *cell(table *t, int64_t n, int column, int64_t i)
{
    return &t->x[column * n * t->more + i];
}

static void open_table(table *t, const ub_ci_test *test, int64_t n)
{
    t->test = test;
    n *= t->more;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &t->settings));
    UB_CHECK(ub_ci_transform(test, n, P, t->x));
    UB_CHECK(ub_moments_of_columns(n, P, t->x, &t->m));
    t->data = (ub_ci_data){&t->m, t->x};
    UB_CHECK(test->open(&t->data, &t->settings, &t->state));
}

static void close_table(table *t)
{
    t->test->close(t->state);
    ub_moments_release(&t->m);
}

static ub_ci_query query(const ub_ci_test *test, int64_t id, int32_t nz)
{
    int32_t sides = test->accepts & UB_CI_VECTOR ? 2 : 1;
    if (id % 2 == 0 && (test->accepts & UB_CI_SCALAR))
        sides = 1;
    return (ub_ci_query){id, xs, ys, zs, sides, sides, nz, 0};
}

static ub_ci_result ask(table *t, ub_ci_query q)
{
    ub_ci_result r = {.p_value = NAN};
    UB_CHECK(t->test->eval(t->state, &q, &r));
    CU_ASSERT(r.p_value >= 0 && r.p_value <= 1);
    CU_ASSERT(isfinite(r.evidence) && r.evidence >= 0 && isfinite(r.statistic));
    if (r.verdict != UB_CI_OK)
        CU_ASSERT(r.p_value == 1 && r.evidence == 0 && r.statistic == 0 && r.n_used == 0);
    return r;
}

static int same(const ub_ci_result *a, const ub_ci_result *b)
{
    return a->statistic == b->statistic && a->p_value == b->p_value && a->evidence == b->evidence &&
           a->verdict == b->verdict && a->n_used == b->n_used;
}

static table shared; /* large; one suite, one thread */

#define EACH_TEST(test)                                                                            \
    size_t at_ = 0;                                                                                \
    for (const ub_ci_test *test; (test = ub_ci_at(at_)) != NULL && begin(&shared, test); at_++)

static void registry(void)
{
    EACH_TEST(test)
    {
        CU_ASSERT_PTR_EQUAL(ub_ci_find(test->name), test);
        CU_ASSERT(test->open != NULL && test->eval != NULL && test->close != NULL);
        CU_ASSERT(strlen(test->summary) > 0 && strlen(test->cost) > 0);
        CU_ASSERT(strlen(test->reference) > 0);
        CU_ASSERT(test->accepts & (UB_CI_SCALAR | UB_CI_VECTOR));
        CU_ASSERT(test->accepts & (UB_CI_MOMENTS | UB_CI_SAMPLES));
        test->close(NULL);
    }
    CU_ASSERT_PTR_NULL(ub_ci_find("no such test"));
}

static void symmetric_and_repeatable(void)
{
    EACH_TEST(test)
    {
        for (int64_t id = 0; id < 8; id++) {
            fill(&shared, 150, (uint64_t)id, id < 4 ? 0.0 : 0.3);
            open_table(&shared, test, 150);
            ub_ci_query q = query(test, id, 3), turned = q;
            turned.x = q.y;
            turned.y = q.x;
            ub_ci_result a = ask(&shared, q), b = ask(&shared, turned);
            (void)ask(&shared, query(test, id + 1, 1)); /* another question between */
            ub_ci_result again = ask(&shared, q);
            CU_ASSERT(same(&a, &b));
            CU_ASSERT(same(&a, &again));
            CU_ASSERT(a.verdict == UB_CI_OK && a.n_used == 150 * shared.more);
            close_table(&shared);
        }
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov-Smirnov at the .001 level (1.95 / sqrt(n)) with fixed seeds, scalars and vectors
 * apart.  Permutation p-values are discrete: they are compared where they can fall.  Tests that go
 * through the samples are slow, and get fewer runs. */
static void uniform_under_the_null(void)
{
    enum { MOST_RUNS = 600, SLOW_RUNS = 200 };
    static double p[2][MOST_RUNS];
    EACH_TEST(test)
    {
        int runs = test->accepts & UB_CI_MOMENTS ? MOST_RUNS : SLOW_RUNS;
        for (int64_t id = 0; id < 2 * runs; id++) {
            fill(&shared, 120, 1000 + (uint64_t)id, 0);
            open_table(&shared, test, 120);
            p[id % 2][id / 2] = ask(&shared, query(test, id, 3)).p_value;
            close_table(&shared);
        }
        for (int kind = 0; kind < 2; kind++) {
            double far = 0;
            qsort(p[kind], (size_t)runs, sizeof(double), by_value);
            for (int i = 0; i < runs; i++)
                if (i == runs - 1 || p[kind][i] < p[kind][i + 1])
                    far = fmax(far, fabs(p[kind][i] - (i + 1.0) / runs));
            CU_ASSERT(far < 1.95 / sqrt((double)runs));
        }
    }
}

static void power(void)
{
    EACH_TEST(test)
    {
        for (int64_t id = 0; id < 4; id++) {
            fill(&shared, 400, 5000 + (uint64_t)id, 0.5);
            open_table(&shared, test, 400);
            ub_ci_result r = ask(&shared, query(test, id, 3));
            CU_ASSERT(r.p_value < 0.01 && r.evidence > 6.6);
            close_table(&shared);
        }
    }
}

/* Whatever the columns are: the verdict is ok, or where `lawful` another that is meant for them; no
 * number counts as p = 1.  P(p <= a) <= a under the null (one-sided Kolmogorov-Smirnov at the .001
 * level with fixed seeds: p may be too large), dependent pairs with a number are found. */
static void holds(const ub_ci_test *test, ub_ci_query q, bool lawful)
{
    enum { RUNS = 100, DEPENDENT = 4 };
    static double p[RUNS + DEPENDENT];
    double        above = 0;
    for (q.id = 0; q.id < RUNS + DEPENDENT; q.id++) {
        bool        null = q.id < RUNS;
        int64_t     n = null ? 120 : 400;
        ub_ci_query turned = q;
        turned.x = q.y, turned.nx = q.ny;
        turned.y = q.x, turned.ny = q.nx;
        fill(&shared, n, 20000 + (uint64_t)q.id, null ? 0 : 1);
        open_table(&shared, test, n);
        ub_ci_result r = ask(&shared, q), b = q.id % 10 ? r : ask(&shared, turned);
        CU_ASSERT(same(&r, &b));
        CU_ASSERT(r.verdict == UB_CI_OK ||
                  (lawful && (r.verdict == UB_CI_TIES || r.verdict == UB_CI_TOO_FEW)));
        CU_ASSERT(null || r.verdict != UB_CI_OK || r.p_value < 0.01);
        p[q.id] = r.p_value;
        close_table(&shared);
    }
    qsort(p, RUNS, sizeof(double), by_value);
    for (int i = 0; i < RUNS; i++)
        above = fmax(above, (i + 1.0) / RUNS - p[i]);
    CU_ASSERT(above < 1.858 / sqrt(RUNS));
}

/* Three values a column: numbers that hold, or the verdict that there is none. */
static void heavy_ties(void)
{
    EACH_TEST(test)
    {
        coarsen(&shared, 3, 3, 3);
        holds(test, (ub_ci_query){0, xs, ys, zs, 1, 1, 3, 0}, true);
        if (test->accepts & UB_CI_VECTOR)
            holds(test, (ub_ci_query){0, xs, ys, zs, 2, 2, 3, 0}, true);
    }
}

/* A step of one column and one of two given a task of two columns, or of three values. */
static void task_variables(void)
{
    EACH_TEST(test)
    {
        int32_t ny = test->accepts & UB_CI_VECTOR ? 2 : 1;
        holds(test, (ub_ci_query){0, xs, ys, zs, 1, ny, 3, 2}, false);
        coarsen(&shared, 0, 3, 0);
        holds(test, (ub_ci_query){0, xs, ys, zs, 1, ny, 3, 1}, false);
    }
}

/* The evidence is the chi-square(1) quantile with that p-value: P(|N(0,1)| > sqrt(evidence)). */
static void evidence_is_a_quantile(void)
{
    EACH_TEST(test)
    {
        for (int64_t id = 0; id < 20; id++) {
            fill(&shared, 100, 7000 + (uint64_t)id, 0.05 * (double)id);
            open_table(&shared, test, 100);
            ub_ci_result r = ask(&shared, query(test, id, 2));
            UB_CHECK_CLOSE(erfc(sqrt(r.evidence / 2)), r.p_value, 1e-10);
            close_table(&shared);
        }
    }
}

static void each_is_eval(void)
{
    static const int32_t extra[] = {7, 8, 7, 8}, offset[] = {0, 1, 2, 2, 4};
    EACH_TEST(test)
    {
        if (test->eval_each == NULL)
            continue;
        for (int64_t id = 0; id < 6; id++) {
            ub_ci_result many[4];
            ub_ci_query  q = query(test, id, (int32_t)(id % 4));
            fill(&shared, 200, 8000 + (uint64_t)id, 0.2);
            open_table(&shared, test, 200);
            UB_CHECK(test->eval_each(shared.state, &q, 4, extra, offset, many));
            for (int i = 0; i < 4; i++) {
                int32_t z[P], nz = 0;
                while (nz < q.nz) {
                    z[nz] = zs[nz];
                    nz++;
                }
                for (int32_t j = offset[i]; j < offset[i + 1]; j++)
                    z[nz++] = extra[j];
                ub_ci_query whole = q;
                whole.id = q.id + i;
                whole.z = z;
                whole.nz = nz;
                whole.moderators = offset[i + 1] - offset[i];
                ub_ci_result one = ask(&shared, whole);
                CU_ASSERT_EQUAL(one.verdict, many[i].verdict);
                UB_CHECK_CLOSE(one.statistic, many[i].statistic, 1e-11);
                UB_CHECK_CLOSE(one.p_value, many[i].p_value, 1e-11);
            }
            close_table(&shared);
        }
    }
}

static ub_ci_verdict verdict_of(const ub_ci_test *test, int64_t n, int64_t id, int32_t nz)
{
    open_table(&shared, test, n);
    ub_ci_verdict v = ask(&shared, query(test, id, nz)).verdict;
    close_table(&shared);
    return v;
}

/* id 0 asks with one column a side, id 1 with two where the test takes them. */
static void verdicts(void)
{
    EACH_TEST(test)
    {
        for (int64_t id = 0; id < 2; id++) {
            const double  values[] = {0, 0.1, -3e7};
            const int64_t n = 100 * shared.more;
            for (int v = 0; v < 3; v++) {
                fill(&shared, 100, 9000, 0);
                for (int64_t i = 0; i < 2 * n; i++)
                    *cell(&shared, 100, v == 1 ? Y : X, i) = values[v];
                CU_ASSERT_EQUAL(verdict_of(test, 100, id, 3), UB_CI_CONSTANT);
            }
            for (int v = 0; v < 3; v++) { /* X, Y and Z in turn */
                fill(&shared, 100, 9001, 0);
                *cell(&shared, 100, v == 0 ? X : v == 1 ? Y : Z, 17) = v == 1 ? INFINITY : NAN;
                CU_ASSERT_EQUAL(verdict_of(test, 100, id, 3), UB_CI_NONFINITE);
            }
            fill(&shared, 100, 9002, 0); /* Z determines X */
            for (int k = 0; k < 2; k++)
                for (int64_t i = 0; i < n; i++)
                    *cell(&shared, 100, X + k, i) = 1e3 - 3 * *cell(&shared, 100, k, i);
            CU_ASSERT_EQUAL(verdict_of(test, 100, id, 3), UB_CI_COLLINEAR);
            shared.more = 1;
            coarsen(&shared, 0, 0, 0);
            fill(&shared, 5, 9003, 0);
            CU_ASSERT_EQUAL(verdict_of(test, 5, id, 3), UB_CI_TOO_FEW);
            begin(&shared, test);
        }
    }
}

/* A value of the field that is not its preset. */
static void change(ub_settings *s, const ub_field *f, const char *path)
{
    char   text[64];
    double preset = f->type == UB_FIELD_CHOICE ? 0 : strtod(f->preset, NULL);
    if (f->type == UB_FIELD_CHOICE) {
        for (size_t i = 0; ub_schema_choice(f, i, text, sizeof text); i++)
            if (strcmp(text, f->preset) != 0)
                break;
    } else {
        (void)snprintf(text, sizeof text, "%g", preset + 1 <= f->max ? preset + 1 : preset / 2);
    }
    UB_CHECK(ub_schema_set(ub_settings_schema(), s, path, text, "test"));
}

static ub_ci_result answer_with(const ub_ci_test *test, const char *path, const ub_field *f)
{
    open_table(&shared, test, 150);
    test->close(shared.state);
    if (f != NULL)
        change(&shared.settings, f, path);
    UB_CHECK(test->open(&shared.data, &shared.settings, &shared.state));
    ub_ci_result r = ask(&shared, query(test, 2, 3));
    close_table(&shared);
    return r;
}

/* The settings that a test names are what a number is quoted with: no other changes it. */
static void settings_are_named(void)
{
    const ub_schema *all = ub_settings_schema();
    EACH_TEST(test)
    {
        fill(&shared, 150, 8500, 0.1);
        const ub_ci_result plain = answer_with(test, NULL, NULL);
        for (size_t k = 0; k < all->count; k++)
            for (size_t i = 0; i < all->sections[k].count; i++) {
                char            path[128];
                const ub_field *f = &all->sections[k].fields[i];
                bool            seed = strcmp(f->key, "seed") == 0;
                (void)snprintf(path, sizeof path, "%s.%s", all->sections[k].name, f->key);
                if ((strcmp(all->sections[k].name, "ci") != 0 && !seed) ||
                    (test->settings != NULL && ub_schema_listed(test->settings, path)))
                    continue;
                ub_ci_result other = answer_with(test, path, f);
                CU_ASSERT(same(&plain, &other));
            }
    }
}

UB_SUITE("ci_contract", {"every test has what the registry needs", registry},
         {"the same answer with X and Y exchanged, and twice", symmetric_and_repeatable},
         {"p-values are uniform under the null", uniform_under_the_null},
         {"a dependent pair is found", power},
         {"the evidence is the quantile of the p-value", evidence_is_a_quantile},
         {"all tasks at once is each task alone", each_is_eval},
         {"no setting changes an answer but those it names", settings_are_named},
         {"ties in every column: a number that holds, or a verdict", heavy_ties},
         {"given a task of several columns, or of three values", task_variables},
         {"unusable data has a verdict, not a number", verdicts})
