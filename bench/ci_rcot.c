/* rcot: CPU time of a test, size and power.  x = tanh(z1) + z5 / 2 + noise, y = sin(z3) + z5^2 / 2
 * + s x^2 + noise, z1 .. z5 normal: independent given z for s = 0. */
#include <math.h>
#include <stdio.h>

#include "bench/support.h"
#include "core/ci_test.h"
#include "core/mem.h"
#include "core/moments.h"
#include "core/rng.h"
#include "core/settings.h"

enum { COLUMNS = 7, MOST_RUNS = 2000 };

static void fill(int64_t n, uint64_t item, double s, double *x)
{
    ub_rng r = ub_rng_make(1, UB_RNG_TEST, item);
    for (int64_t i = 0; i < n; i++) {
        double v[COLUMNS];
        for (int c = 0; c < COLUMNS; c++)
            v[c] = ub_rng_normal(&r);
        v[0] += tanh(v[2]) + 0.5 * v[6];
        v[1] += sin(v[4]) + 0.5 * v[6] * v[6] + s * v[0] * v[0];
        for (int c = 0; c < COLUMNS; c++)
            x[c * n + i] = v[c];
    }
}

typedef struct outcome {
    double low; /* share of p-values below .05 */
    double ms;  /* median of the second call of each state */
} outcome;

static outcome study(int64_t n, int runs, double s)
{
    static const int32_t side_x[] = {0}, side_y[] = {1}, z[] = {2, 3, 4, 5, 6};
    const ub_ci_test    *test = ub_ci_find("rcot");
    static ub_settings   settings;
    double              *x = NULL, ms[MOST_RUNS];
    outcome              o = {0};
    ub_bench_check(ub_schema_defaults(ub_settings_schema(), &settings));
    ub_bench_check(UB_ALLOC(x, n * COLUMNS));
    for (int i = 0; i < runs; i++) {
        ub_moments   m;
        void        *state = NULL;
        ub_ci_query  q = {i, side_x, side_y, z, 1, 1, COLUMNS - 2, 0};
        ub_ci_result r;
        fill(n, (uint64_t)i, s, x);
        ub_bench_check(ub_moments_of_columns(n, COLUMNS, x, &m));
        ub_ci_data data = {&m, x};
        ub_bench_check(test->open(&data, &settings, &state));
        ub_bench_check(test->eval(state, &q, &r));
        double start = ub_bench_cpu_ms();
        ub_bench_check(test->eval(state, &q, &r));
        ms[i] = ub_bench_cpu_ms() - start;
        o.low += (r.p_value < 0.05) / (double)runs;
        test->close(state);
        ub_moments_release(&m);
    }
    ub_free(x);
    o.ms = ub_bench_median(ms, runs);
    return o;
}

int main(void)
{
    const int64_t n[] = {500, 1000, 2000, 10000};
    const int     runs[] = {2000, 2000, 1000, 200};
    for (int i = 0; i < 4; i++) {
        outcome null = study(n[i], runs[i], 0);
        printf("rcot_ms_%lld=%.3f\nrcot_size_%lld=%.4f\n", (long long)n[i], null.ms,
               (long long)n[i], null.low);
    }
    printf("rcot_power_500=%.3f\n", study(500, 500, 0.1).low);
    printf("rcot_power_1000=%.3f\n", study(1000, 500, 0.1).low);
    return 0;
}
