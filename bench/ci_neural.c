/* What cmi_neural finds, beside cmi_knn and fisher_z, how often it errs, and what it costs.
 * Made-up data: d columns a side, dz in Z, n samples; x and y linear in Z (nulls `wind`, `swell`:
 * not linear) and dependent as `kind` says.  One line each: mean and standard deviation of the
 * statistic over RUNS data sets, how often p <= .05, CPU seconds a test; 199 permutations, stop as
 * by default.
 *   bench_ci_neural [RUNS [SEED]]  (40, 104) */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/support.h"
#include "core/ci_test.h"
#include "core/mem.h"
#include "core/rng.h"
#include "core/settings.h"

enum { MOST_D = 32, MOST_DZ = 32 };

typedef struct setup {
    const char *kind;
    int64_t     n;
    int32_t     d, dz;
    double      effect;
    const char *tests[3];
} setup;

/* Dependence of y on x given z. */
static double depend(const setup *s, int32_t c, const double *x, const double *z, double y)
{
    double e = s->effect, sum = 0;
    for (int32_t i = 0; i < s->d; i++)
        sum += x[i] / sqrt((double)s->d);
    if (strcmp(s->kind, "correlated") == 0)
        return e * x[c] + sqrt(1 - e * e) * y;
    if (strcmp(s->kind, "one_correlated") == 0)
        return c > 0 ? y : e * x[c] + sqrt(1 - e * e) * y;
    if (strcmp(s->kind, "square") == 0)
        return y + e * (x[c] * x[c] - 1);
    if (strcmp(s->kind, "squared_sum") == 0)
        return y + e * (sum * sum - 1);
    if (strcmp(s->kind, "sine") == 0)
        return y + e * sin(3 * x[c]);
    if (strcmp(s->kind, "product") == 0)
        return y + e * x[c] * x[(c + 1) % s->d];
    if (strcmp(s->kind, "spread") == 0)
        return y * exp(e * x[c]);
    if (strcmp(s->kind, "moderated") == 0)
        return y + e * x[c] * z[0];
    return y;
}

static void explain(const setup *s, double *x, double *y, const double *z)
{
    double swell = strcmp(s->kind, "swell") == 0 ? exp(0.5 * z[0]) : 1;
    int    wind = swell != 1 || strcmp(s->kind, "wind") == 0;
    for (int32_t c = 0; c < s->d && s->dz > 0; c++) {
        double a = z[c % s->dz], b = z[(c + 1) % s->dz];
        x[c] = swell * x[c] + (wind ? 1.5 * sin(2 * a) + b * b : 0.8 * a - 0.5 * b);
        y[c] = swell * y[c] + (wind ? 1.5 * cos(2 * a) + (b > 0 ? 1 : -1) : 0.6 * a + 0.7 * b);
    }
}

/* Columns x, y, z. */
static void fill(const setup *s, uint64_t seed, uint64_t run, double *out)
{
    ub_rng  r = ub_rng_make(seed, UB_RNG_TEST, run);
    int64_t n = s->n;
    for (int64_t i = 0; i < n; i++) {
        double x[MOST_D], y[MOST_D], z[MOST_DZ] = {0}, depends[MOST_D];
        for (int32_t c = 0; c < s->dz; c++)
            z[c] = ub_rng_normal(&r);
        for (int32_t c = 0; c < s->d; c++) {
            x[c] = ub_rng_normal(&r);
            y[c] = ub_rng_normal(&r);
        }
        for (int32_t c = 0; c < s->d; c++)
            depends[c] = depend(s, c, x, z, y[c]);
        explain(s, x, depends, z);
        for (int32_t c = 0; c < s->d; c++) {
            out[c * n + i] = x[c];
            out[(s->d + c) * n + i] = depends[c];
        }
        for (int32_t c = 0; c < s->dz; c++)
            out[(2 * s->d + c) * n + i] = z[c];
    }
}

static void measure(const setup *s, const ub_ci_test *test, int64_t runs, uint64_t seed)
{
    static ub_settings set;
    int32_t            columns = 2 * s->d + s->dz, at[2 * MOST_D + MOST_DZ];
    double            *x = NULL, sum = 0, squares = 0, seconds = 0;
    int64_t            below = 0;
    ub_bench_check(ub_schema_defaults(ub_settings_schema(), &set));
    set.ci.permutations = 199;
    ub_bench_check(UB_ALLOC(x, s->n * columns));
    for (int32_t c = 0; c < columns; c++)
        at[c] = c;
    for (int64_t run = 0; run < runs; run++) {
        ub_moments   m;
        ub_ci_result r;
        void        *state = NULL;
        ub_ci_query  q = {run, at, at + s->d, at + 2 * (ptrdiff_t)s->d, s->d, s->d, s->dz, 0};
        fill(s, seed, (uint64_t)run, x);
        ub_bench_check(ub_ci_transform(test, s->n, columns, x));
        ub_bench_check(ub_moments_of_columns(s->n, columns, x, &m));
        ub_ci_data data = {&m, x};
        double     start = 1e-3 * ub_bench_cpu_ms();
        ub_bench_check(test->open(&data, &set, &state));
        ub_bench_check(test->eval(state, &q, &r));
        seconds += 1e-3 * ub_bench_cpu_ms() - start;
        sum += r.statistic;
        squares += r.statistic * r.statistic;
        below += r.p_value <= 0.05;
        test->close(state);
        ub_moments_release(&m);
    }
    double n = (double)runs, mean = sum / n;
    printf("kind=%s n=%lld d=%d dz=%d effect=%g test=%s statistic=%.4f sd=%.4f below_05=%.3f "
           "cpu_s=%.4f\n",
           s->kind, (long long)s->n, s->d, s->dz, s->effect, test->name, mean,
           sqrt(fmax(squares / n - mean * mean, 0)), (double)below / n, seconds / n);
    ub_free(x);
}

int main(int argc, char **argv)
{
#define ALL                                                                                        \
    {                                                                                              \
        "cmi_neural", "cmi_knn", "fisher_z"                                                        \
    }
    static const setup setups[] = {
        {"squared_sum", 1000, 8, 5, 0.3, ALL},
        {"product", 1000, 8, 5, 0.3, ALL},
        {"spread", 1000, 8, 5, 0.2, ALL},
        {"correlated", 1000, 8, 5, 0.1, ALL},
        {"one_correlated", 1000, 8, 5, 0.15, ALL},
        {"sine", 1000, 8, 5, 0.5, ALL},
        {"square", 1000, 1, 1, 0.15, ALL},
        {"squared_sum", 1000, 32, 32, 0.6, ALL},
        {"none", 120, 2, 3, 0, ALL},
        {"none", 1000, 32, 32, 0, ALL},
        {"wind", 1000, 4, 5, 0, ALL},
        {"swell", 1000, 2, 3, 0, ALL},
        {"correlated", 1000, 1, 0, 0.5, ALL},
        {"correlated", 1000, 1, 0, 0.8, ALL},
        {"none", 1000, 1, 5, 0, ALL},
        {"none", 10000, 1, 5, 0, {"cmi_neural"}},
    };
    int64_t  runs = argc > 1 ? atoll(argv[1]) : 40;
    uint64_t seed = argc > 2 ? (uint64_t)atoll(argv[2]) : 104;
    for (size_t i = 0; i < sizeof setups / sizeof setups[0]; i++)
        for (int t = 0; t < 3 && setups[i].tests[t] != NULL; t++)
            measure(&setups[i], ub_ci_find(setups[i].tests[t]), runs, seed);
    return 0;
}
