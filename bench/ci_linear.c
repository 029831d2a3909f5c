/* Rates of the linear tests of stage 1, one core, CPU time, median of several runs.
 *
 *   band_tests_per_s_32, _1    partial correlations given four neighbours and a task, 32 tasks or
 *                              one: the kernel (ub_band_row), r of every test stored
 *   full_tests_per_s           the same given all other steps and one of 32 tasks (ub_full_row),
 *                              off an inverse that is there
 *   *_engine_tests_per_s_*     items of work through ub_structure_eval: rows, Fisher's z,
 *                              verdicts, the bytes of the answer
 *   *_absorb_tests_per_s_*     taking the answers: p-values, log-likelihood ratios, tables
 *   full_stage_seconds         T = 1,000 steps, 32 tasks, N = 10,000: covariance, inverse and all
 *                              tests as the program makes them, the last step of each segment
 *   full_blas_seconds          dsyrk on the same columns, dpotrf, dpotri
 *   full_stage_vs_blas         their ratio
 *
 * Corpora of ub_synth (chain, segments of two steps), seed 1, N = 10,000, tiles as by default.
 * Every r is compared with the test asked one by one; a difference ends the program. */
#include <cblas.h>
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/support.h"
#include "core/band.h"
#include "core/full.h"
#include "core/internal/sweep.h"
#include "core/lapack.h"
#include "core/mem.h"
#include "core/structure.h"
#include "core/synth.h"
#include "mpi/dmatrix.h"
#include "mpi/moments.h"

enum { RUNS = 9, SAMPLES = 10000, STEPS = 400, FULL_STEPS = 1000, TASKS = 32 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

/* A corpus and what stage 1 makes of it first. */
typedef struct study {
    ub_comm     comm;
    ub_settings settings;
    ub_corpus   corpus;
    ub_moments  m;
    double     *precision; /* full only */
} study;

static void make_corpus(study *s, const char *conditioning, int64_t steps, int64_t tasks)
{
    const ub_schema *schema = ub_settings_schema();
    memset(s, 0, sizeof *s);
    ub_bench_check(ub_comm_init(&s->comm, MPI_COMM_SELF));
    ub_bench_check(ub_schema_defaults(schema, &s->settings));
    ub_bench_check(
        ub_schema_set(schema, &s->settings, "structure.conditioning", conditioning, "bench"));
    ub_bench_check(
        ub_schema_set(schema, &s->settings, "structure.representatives", "last", "bench"));
    ub_bench_check(ub_schema_set(schema, &s->settings, "structure.contrast", "none", "bench"));
    s->settings.synth.steps = steps;
    s->settings.synth.tasks = tasks;
    s->settings.synth.samples = SAMPLES;
    ub_bench_check(ub_synth(&s->settings, 0, SAMPLES, &s->corpus));
}

/* The covariance and, for full conditioning, the inverse, as jobs/stage_structure.c does it. */
static void make_moments(study *s)
{
    ub_bench_check(ub_moments_gather(&s->comm, &s->corpus, s->settings.run.shards, &s->m));
    if (s->settings.structure.conditioning != UB_COND_FULL)
        return;
    size_t          p = (size_t)s->corpus.steps;
    ub_inverse_plan plan = {(int32_t)s->settings.structure.serial_max, 1, 1, 64};
    ub_bench_check(UB_ALLOC_RAW(s->precision, p * p));
    for (size_t i = 0; i < p; i++)
        memcpy(s->precision + i * p, s->m.cov + i * (size_t)s->m.columns, p * sizeof(double));
    ub_bench_check(ub_spd_inverse(&s->comm, &plan, (int32_t)p, s->precision, "the covariance"));
}

static void free_moments(study *s)
{
    ub_moments_release(&s->m);
    ub_free(s->precision);
    s->precision = NULL;
}

static void free_study(study *s)
{
    free_moments(s);
    ub_corpus_release(&s->corpus);
    ub_comm_release(&s->comm);
}

/* A pass over the pairs of a study, tile by tile, row by row, as ub_structure_eval makes it. */
typedef void (*row_fn)(void *of, int32_t x, int32_t y, int32_t n, double *r, double *root);

static int64_t pass(const study *s, row_fn row, void *of, double *r, double *root)
{
    int32_t segments = ub_corpus_segments(&s->corpus), tile = (int32_t)s->settings.structure.tile;
    int64_t at = 0;
    for (int32_t r0 = 0; r0 < segments; r0 += tile)
        for (int32_t c0 = r0; c0 < segments; c0 += tile)
            for (int32_t k = r0; k < r0 + tile && k < segments; k++) {
                int32_t v = c0 > k ? c0 : k + 1, end = c0 + tile < segments ? c0 + tile : segments;
                if (v < end)
                    row(of, 2 * k + 1, 2 * v + 1, end - v, r + at, root);
                at += (int64_t)(v < end ? end - v : 0) * s->corpus.tasks;
            }
    return at;
}

static void band_row(void *of, int32_t x, int32_t y, int32_t n, double *r, double *root)
{
    ub_band_row(of, x, y, n, r, root);
}

static void full_row(void *of, int32_t x, int32_t y, int32_t n, double *r, double *root)
{
    ub_full_row(of, x, y, 2, n, false, r, root);
}

static double pass_rate(const study *s, row_fn row, void *of)
{
    int32_t tasks = s->corpus.tasks, segments = ub_corpus_segments(&s->corpus);
    int64_t tests = (int64_t)segments * (segments - 1) / 2 * tasks, done = 0;
    double *r, *root, rate[RUNS];
    ub_bench_check(UB_ALLOC(r, tests + UB_LANES));
    ub_bench_check(UB_ALLOC(root, s->settings.structure.tile * tasks));
    for (int i = 0; i < RUNS; i++) {
        double  start = 1e-3 * ub_bench_cpu_ms(), used = 0;
        int64_t count = 0;
        for (; used < 0.1; used = 1e-3 * ub_bench_cpu_ms() - start)
            count += done = pass(s, row, of, r, root);
        rate[i] = (double)count / used;
    }
    ub_free(r);
    ub_free(root);
    if (done != tests)
        exit(1);
    return median(rate, RUNS);
}

/* Each r of each row against the test by itself. */
static void compare(const study *s, row_fn row, void *of, ub_full *full)
{
    const ub_ci_test *test = ub_ci_find("fisher_z");
    ub_ci_data        data = {&s->m, NULL};
    int32_t           segments = ub_corpus_segments(&s->corpus), tasks = s->corpus.tasks;
    int32_t           steps = s->corpus.steps;
    double           *r, *root;
    void             *state = NULL;
    ub_bench_check(UB_ALLOC(r, segments * tasks + UB_LANES));
    ub_bench_check(UB_ALLOC(root, segments * tasks));
    ub_bench_check(test->open(&data, &s->settings, &state));
    for (int32_t k = 0; k + 1 < segments; k++) {
        row(of, 2 * k + 1, 2 * k + 3, segments - k - 1, r, root);
        for (int32_t i = 0; i < (segments - k - 1) * tasks; i++) {
            int32_t x = 2 * k + 1, y = x + 2 * (i / tasks + 1),
                    near[] = {x - 1, x + 1, y - 1, y + 1};
            int32_t      z[5], nz = 0, j = i % tasks;
            ub_ci_result want;
            for (int a = 0; a < 4; a++)
                if (near[a] < steps && (nz == 0 || near[a] != z[nz - 1]))
                    z[nz++] = near[a];
            z[nz++] = steps + j;
            if (full != NULL)
                ub_full_pair(full, x, y, j, &want);
            else
                ub_bench_check(test->eval(state, &(ub_ci_query){0, &x, &y, z, 1, 1, nz, 0}, &want));
            double got = root[i] * atanh(r[i]);
            if (want.verdict != UB_CI_OK || !(fabs(got - want.statistic) <= 1e-10)) {
                (void)fprintf(stderr, "steps %d and %d, task %d: z %.17g, one by one %.17g\n", x, y,
                              j, got, want.statistic);
                exit(1);
            }
        }
    }
    test->close(state);
    ub_free(r);
    ub_free(root);
}

/* Tests a second through ub_structure_eval and ub_structure_absorb. */
static void engine_rate(const study *s, double *eval, double *absorb)
{
    double        of_eval[RUNS], of_absorb[RUNS];
    ub_ci_data    data = {&s->m, NULL};
    ub_structure *plan = NULL;
    ub_solver    *solver = NULL;
    ub_bytes      answer = {0};
    for (int i = 0; i < RUNS; i++) {
        double in_eval = 0, in_absorb = 0, tests = 0;
        while (in_eval < 0.03) {
            ub_bench_check(ub_structure_create(&s->corpus, &s->settings, true, &plan));
            ub_bench_check(ub_solver_create(plan, &data, s->precision, &solver));
            for (int64_t item = 0; item < ub_structure_items(plan); item++) {
                ub_bytes_clear(&answer);
                double start = 1e-3 * ub_bench_cpu_ms();
                ub_bench_check(ub_structure_eval(plan, solver, item, &answer));
                double middle = 1e-3 * ub_bench_cpu_ms();
                ub_bench_check(ub_structure_absorb(plan, item, answer.data, answer.len));
                in_eval += middle - start;
                in_absorb += 1e-3 * ub_bench_cpu_ms() - middle;
            }
            tests += (double)ub_structure_tests(plan);
            ub_solver_destroy(&solver);
            ub_structure_destroy(&plan);
        }
        of_eval[i] = tests / in_eval;
        of_absorb[i] = tests / in_absorb;
    }
    ub_bytes_release(&answer);
    *eval = median(of_eval, RUNS);
    *absorb = median(of_absorb, RUNS);
}

static void print_rates(const char *name, int tasks, double kernel, const study *s)
{
    double eval, absorb;
    engine_rate(s, &eval, &absorb);
    if (strcmp(name, "full") == 0)
        printf("full_tests_per_s=%.4g\n", kernel);
    else
        printf("band_tests_per_s_%d=%.4g\n", tasks, kernel);
    printf("%s_engine_tests_per_s_%d=%.4g\n", name, tasks, eval);
    printf("%s_absorb_tests_per_s_%d=%.4g\n", name, tasks, absorb);
}

static void bench_band(int32_t tasks)
{
    study    s;
    ub_band *band = NULL;
    make_corpus(&s, "band", STEPS, tasks);
    make_moments(&s);
    ub_bench_check(ub_band_create(&s.m, s.corpus.steps, 2, false, &band));
    compare(&s, band_row, band, NULL);
    print_rates("band", tasks, pass_rate(&s, band_row, band), &s);
    ub_band_destroy(&band);
    free_study(&s);
}

static void bench_full(void)
{
    study    s;
    ub_full *full = NULL;
    make_corpus(&s, "full", STEPS, TASKS);
    make_moments(&s);
    ub_bench_check(
        ub_full_create(&s.m, s.corpus.steps, 1, TASKS, s.corpus.task_offset, s.precision, &full));
    ub_bench_check(ub_full_prepare_rows(full));
    compare(&s, full_row, full, full);
    print_rates("full", TASKS, pass_rate(&s, full_row, full), &s);
    ub_full_destroy(&full);
    free_study(&s);
}

/* From the samples to the answers. */
static double stage_s(study *s)
{
    double        start = 1e-3 * ub_bench_cpu_ms();
    ub_structure *plan = NULL;
    ub_solver    *solver = NULL;
    ub_bytes      answer = {0};
    make_moments(s);
    ub_ci_data data = {&s->m, NULL};
    ub_bench_check(ub_structure_create(&s->corpus, &s->settings, false, &plan));
    ub_bench_check(ub_solver_create(plan, &data, s->precision, &solver));
    for (int64_t item = 0; item < ub_structure_items(plan); item++) {
        ub_bytes_clear(&answer);
        ub_bench_check(ub_structure_eval(plan, solver, item, &answer));
    }
    double used = 1e-3 * ub_bench_cpu_ms() - start;
    ub_bytes_release(&answer);
    ub_solver_destroy(&solver);
    ub_structure_destroy(&plan);
    free_moments(s);
    return used;
}

/* What the libraries alone take for it: centred samples, N x p, are given; a and inverse have
 * been touched before. */
static double blas_s(int p, int steps, const double *centred, double *a, double *inverse)
{
    double start = 1e-3 * ub_bench_cpu_ms();
    int    info = 0;
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, p, SAMPLES, 1.0 / (SAMPLES - 1), centred, p,
                0, a, p);
    double used = 1e-3 * ub_bench_cpu_ms() - start;
    for (int i = 0; i < steps; i++)
        memcpy(inverse + (size_t)i * (size_t)steps, a + (size_t)i * (size_t)p,
               (size_t)steps * sizeof *a);
    start = 1e-3 * ub_bench_cpu_ms();
    dpotrf_("U", &steps, inverse, &steps, &info);
    if (info == 0)
        dpotri_("U", &steps, inverse, &steps, &info);
    if (info != 0)
        exit(1);
    return used + 1e-3 * ub_bench_cpu_ms() - start;
}

static void bench_stage(void)
{
    study   s;
    double *centred, *a, *inverse, stage[RUNS], blas[RUNS], ratio[RUNS];
    make_corpus(&s, "full", FULL_STEPS, TASKS);
    make_moments(&s);
    int p = s.m.columns;
    ub_bench_check(UB_ALLOC(centred, SAMPLES * p));
    ub_bench_check(UB_ALLOC(a, p * p));
    ub_bench_check(UB_ALLOC(inverse, FULL_STEPS * FULL_STEPS));
    for (int64_t e = 0; e < SAMPLES; e++) {
        ub_corpus_row(&s.corpus, e, centred + e * p);
        for (int j = 0; j < p; j++)
            centred[e * p + j] -= s.m.mean[j];
    }
    free_moments(&s);
    for (int i = 0; i < RUNS; i++) {
        blas[i] = blas_s(p, FULL_STEPS, centred, a, inverse);
        stage[i] = stage_s(&s);
        ratio[i] = stage[i] / blas[i];
    }
    printf("full_stage_seconds=%.4f\n", median(stage, RUNS));
    printf("full_blas_seconds=%.4f\n", median(blas, RUNS));
    printf("full_stage_vs_blas=%.3f\n", median(ratio, RUNS));
    ub_free(centred);
    ub_free(a);
    ub_free(inverse);
    free_study(&s);
}

int main(int argc, char **argv)
{
    if (MPI_Init(&argc, &argv) != MPI_SUCCESS)
        return 1;
    bench_band(TASKS);
    bench_band(1);
    bench_full();
    bench_stage();
    (void)MPI_Finalize();
    return 0;
}
