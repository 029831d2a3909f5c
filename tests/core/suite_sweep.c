/* Rows of pairs through vector lanes (core/band.h, core/full.h) against the tests one by one. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/band.h"
#include "core/ci_test.h"
#include "core/full.h"
#include "core/internal/gauss.h"
#include "core/internal/sides.h"
#include "core/internal/structure.h"
#include "core/internal/sweep.h"
#include "core/lapack.h"
#include "core/rng.h"
#include "core/structure.h"
#include "tests/support/suite.h"

enum { N = 200, MOST_STEPS = 40, MOST_TASKS = 33, ROOM = MOST_STEPS * (MOST_TASKS + 1) + UB_LANES };

static const int32_t task_counts[] = {1, 2, 4, 5, 7, 8, 9, 33};

/* A chain of steps with tasks that sum some of them; `left`: standard deviation of what a step has
 * of its own. */
static double *chain(int32_t steps, int32_t tasks, double left, uint64_t seed)
{
    double *x;
    UB_CHECK(UB_ALLOC(x, (int64_t)N * (steps + tasks)));
    for (int64_t e = 0; e < N; e++) {
        ub_rng r = ub_rng_make(seed, UB_RNG_TEST, (uint64_t)e);
        for (int32_t t = 0; t < steps; t++) {
            double before = t > 0 ? x[(t - 1) * N + e] : ub_rng_normal(&r);
            x[t * N + e] = sqrt(1 - left * left) * before + left * ub_rng_normal(&r);
        }
        for (int32_t j = 0; j < tasks; j++) {
            double g = ub_rng_normal(&r);
            for (int32_t t = j % 3; t < steps; t += 2 + j % 5)
                g += x[t * N + e];
            x[(steps + j) * N + e] = g;
        }
    }
    return x;
}

static ub_moments moments(const double *x, int32_t columns)
{
    ub_moments m;
    UB_CHECK(ub_moments_of_columns(N, columns, x, &m));
    return m;
}

/* The pair by fisher_z: every task, then none. */
static void one_by_one(const ub_moments *m, int32_t steps, int32_t x, int32_t y, ub_ci_result *out)
{
    static const ub_settings settings;
    const ub_ci_test        *test = ub_ci_find("fisher_z");
    ub_ci_data               data = {m, NULL};
    int32_t near[] = {x - 1, x + 1, y - 1, y + 1}, z[4], nz = 0, tasks = m->columns - steps;
    int32_t column[MOST_TASKS], offset[MOST_TASKS + 2] = {0};
    void   *state = NULL;
    for (int i = 0; i < 4; i++)
        if (near[i] >= 0 && near[i] < steps && (nz == 0 || near[i] != z[nz - 1]))
            z[nz++] = near[i];
    for (int32_t j = 0; j < tasks; j++) {
        column[j] = steps + j;
        offset[j + 1] = j + 1;
    }
    offset[tasks + 1] = tasks;
    ub_ci_query q = {0, &x, &y, z, 1, 1, nz, 0};
    UB_CHECK(test->open(&data, &settings, &state));
    UB_CHECK(test->eval_each(state, &q, tasks, column, offset, out));
    offset[1] = 0;
    UB_CHECK(test->eval_each(state, &q, 1, column, offset, &out[tasks]));
    test->close(state);
}

/* Every row of every stride of a study; returns how many tests had a number. */
static int64_t compare_band(const ub_moments *m, int32_t steps, int32_t stride, bool contrast)
{
    static double r[ROOM], root[ROOM];
    ub_band      *band = NULL;
    ub_ci_result  want[MOST_TASKS + 1];
    int32_t       tests = m->columns - steps + contrast;
    int64_t       numbers = 0;
    UB_CHECK(ub_band_create(m, steps, stride, contrast, &band));
    for (int32_t x = 0; x + 2 < steps; x++) {
        int32_t n = (steps - x - 3) / stride + 1;
        ub_band_row(band, x, x + 2, n, r, root);
        for (int32_t i = 0; i < n; i++) {
            one_by_one(m, steps, x, x + 2 + i * stride, want);
            for (int32_t j = 0; j < tests; j++) {
                double got = r[i * tests + j], dof = root[i * tests + j];
                if (isnan(got))
                    continue; /* asks for the other way */
                numbers++;
                CU_ASSERT_EQUAL(want[j].verdict, UB_CI_OK);
                UB_CHECK_CLOSE(got, tanh(want[j].statistic / dof), 1e-12);
                UB_CHECK_CLOSE(dof * atanh(got), want[j].statistic, 1e-9);
            }
        }
    }
    ub_band_destroy(&band);
    return numbers;
}

static void band_is_fisher_z(void)
{
    static const int32_t step_counts[] = {3, 4, 6, 21, MOST_STEPS};
    for (size_t t = 0; t < sizeof step_counts / sizeof step_counts[0]; t++)
        for (size_t k = 0; k < sizeof task_counts / sizeof task_counts[0]; k++) {
            int32_t steps = step_counts[t], tasks = task_counts[k],
                    stride = 1 + (int32_t)(t + k) % 3;
            if (steps > 21 && tasks > 9)
                stride = 5;
            bool       contrast = k % 2 == 0 && tasks < MOST_TASKS;
            double    *x = chain(steps, tasks, 0.8, 10 + t);
            ub_moments m = moments(x, steps + tasks);
            int64_t    pairs = 0;
            for (int32_t a = 0; a + 2 < steps; a++)
                pairs += (steps - a - 3) / stride + 1;
            CU_ASSERT_EQUAL(compare_band(&m, steps, stride, contrast), pairs * (tasks + contrast));
            ub_moments_release(&m);
            ub_free(x);
        }
}

/* Smooth recordings: neighbours determine a step up to 0.3 .. 1e-7 of its deviation, which lanes of
 * pairs decline from the third on, and lanes of tasks at the last. */
static void band_on_smooth_steps(void)
{
    enum { STEPS = 14, FEW = 6, MANY = 11 };
    static const double left[] = {0.3, 0.2, 0.1, 0.03, 1e-3, 1e-5, 1e-7};
    for (int i = 0; i < 14; i++) {
        int32_t    tasks = i < 7 ? FEW : MANY;
        double    *x = chain(STEPS, tasks, left[i % 7], 30 + (uint64_t)i);
        ub_moments m = moments(x, STEPS + tasks);
        int64_t    numbers = compare_band(&m, STEPS, 1, true), all = 12 * 13 / 2 * (tasks + 1);
        CU_ASSERT(numbers == (i % 7 < 6 ? all : 0));
        ub_moments_release(&m);
        ub_free(x);
    }
}

/* Lanes of pairs answer where they can, themselves, and say where they cannot. */
static void sides_decline(void)
{
    enum { STEPS = 14, TASKS = 2 };
    static const double left[] = {0.8, 0.5, 1e-2};
    for (int i = 0; i < 3; i++) {
        double *x = chain(STEPS, TASKS, left[i], 40 + (uint64_t)i), r[STEPS * TASKS],
               dof[STEPS * TASKS];
        double     root[5 * TASKS] = {0};
        ub_moments m = moments(x, STEPS + TASKS);
        ub_sides  *s = NULL;
        UB_CHECK(ub_sides_create(&m, STEPS, 1, false, true, &s));
        for (int32_t a = 0; a + 3 < STEPS; a++) {
            int32_t n = STEPS - a - 3;
            CU_ASSERT_EQUAL(ub_sides_usable(s, a), i < 2);
            CU_ASSERT_EQUAL(ub_sides_row(s, s, a, a + 3, n, root, r, dof), i < 2);
            for (int32_t k = 0; k < n * TASKS; k++)
                CU_ASSERT_EQUAL(!isnan(r[k]), i < 2);
        }
        ub_sides_destroy(&s);
        ub_moments_release(&m);
        ub_free(x);
    }
}

/* A row in pieces has the same bits. */
static void same_bits(void)
{
    static const int32_t task_count[] = {1, 3, 9};
    static double        whole[ROOM], part[ROOM], root[ROOM], root_part[ROOM];
    for (int32_t i = 0; i < 6; i++) {
        int32_t    tasks = task_count[i % 3], stride = 1 + i / 3;
        double    *x = chain(MOST_STEPS, tasks, i < 3 ? 0.7 : 0.17, 5);
        ub_moments m = moments(x, MOST_STEPS + tasks);
        ub_band   *band = NULL;
        UB_CHECK(ub_band_create(&m, MOST_STEPS, stride, false, &band));
        for (int32_t a = 0; a + 2 < MOST_STEPS; a++) {
            int32_t n = (MOST_STEPS - a - 3) / stride + 1;
            ub_band_row(band, a, a + 2, n, whole, root);
            for (int32_t first = 0, size = 1; first < n; first += size, size = size % 10 + 1) {
                int32_t count = n - first < size ? n - first : size;
                ub_band_row(band, a, a + 2 + first * stride, count, part, root_part);
                size_t bytes = (size_t)(count * tasks) * sizeof *part;
                CU_ASSERT(memcmp(part, whole + first * tasks, bytes) == 0);
                CU_ASSERT(memcmp(root_part, root + first * tasks, bytes) == 0);
            }
        }
        ub_band_destroy(&band);
        ub_moments_release(&m);
        ub_free(x);
    }
}

static void full_is_the_same(void)
{
    enum { STEPS = 21 };
    static double r[ROOM], root[ROOM];
    for (size_t k = 0; k < sizeof task_counts / sizeof task_counts[0]; k++)
        for (int smooth = 0; smooth < 2; smooth++) {
            int32_t  tasks = task_counts[k], offset[MOST_TASKS + 1], p = STEPS, info;
            double  *x = chain(STEPS, tasks, smooth ? 1e-5 : 0.8, 50 + k), a[STEPS * STEPS];
            ub_full *full = NULL;
            bool     contrast = k % 2 == 0;
            if (tasks > 4)
                memset(x + (STEPS + 2) * N, 0, N * sizeof *x); /* a task that never varies */
            ub_moments m = moments(x, STEPS + tasks);
            for (int32_t j = 0; j <= tasks; j++)
                offset[j] = j;
            for (int32_t i = 0; i < STEPS; i++)
                memcpy(a + i * STEPS, m.cov + (int64_t)i * m.columns, STEPS * sizeof *a);
            dpotrf_("L", &p, a, &p, &info);
            CU_ASSERT_EQUAL(info, 0);
            dpotri_("L", &p, a, &p, &info);
            for (int32_t i = 0; i < STEPS; i++)
                for (int32_t j = 0; j < i; j++)
                    a[i * STEPS + j] = a[j * STEPS + i];
            UB_CHECK(ub_full_create(&m, STEPS, 1, tasks, offset, a, &full));
            UB_CHECK(ub_full_prepare_rows(full));
            int32_t tests = tasks + contrast;
            int64_t numbers = 0;
            for (int32_t s = 0; s + 2 < STEPS; s++) {
                int32_t n = (STEPS - s - 3) / 2 + 1;
                ub_full_row(full, s, s + 2, 2, n, contrast, r, root);
                bool all = true;
                for (int32_t i = 0; i < n * tests; i++)
                    all = all && !isnan(r[i]);
                CU_ASSERT_EQUAL(ub_sweep_z((int64_t)n * tests, root, r), all);
                for (int32_t i = 0; i < n; i++)
                    for (int32_t j = 0; j < tests; j++) {
                        ub_ci_result want;
                        ub_full_pair(full, s, s + 2 + 2 * i, j < tasks ? j : -1, &want);
                        if (isnan(r[i * tests + j]))
                            continue;
                        numbers++;
                        CU_ASSERT_EQUAL(want.verdict, UB_CI_OK);
                        CU_ASSERT_EQUAL(r[i * tests + j], want.statistic);
                    }
            }
            CU_ASSERT(numbers > 0);
            ub_full_destroy(&full);
            ub_moments_release(&m);
            ub_free(x);
        }
}

/* Steps that are constant, repeated, sums of their neighbours, not finite, and tasks of each kind:
 * a study has the verdicts of the tests one by one, and their numbers. */
static void verdicts_stay(void)
{
    enum { STEPS = 26, TASKS = 6 };
    static const int32_t offset[TASKS + 1] = {0, 1, 2, 3, 4, 5, 6};
    double              *x = chain(STEPS, TASKS, 0.8, 77);
    int64_t              seen[UB_CI_VERDICT_COUNT] = {0};
    for (int64_t e = 0; e < N; e++) {
        x[4 * N + e] = 3;
        x[9 * N + e] = -2 * x[8 * N + e];
        x[13 * N + e] = x[12 * N + e] + x[14 * N + e];
        x[19 * N + e] = x[18 * N + e] - x[20 * N + e];
        x[(STEPS + 1) * N + e] = -7;
        x[(STEPS + 2) * N + e] = x[10 * N + e] + 1;
        x[(STEPS + 3) * N + e] = 2 * x[15 * N + e] - x[17 * N + e] + x[16 * N + e];
        x[(STEPS + 4) * N + e] = x[11 * N + e] + 1e-8 * x[2 * N + e];
    }
    x[23 * N + 7] = NAN;
    ub_moments  m = moments(x, STEPS + TASKS);
    ub_settings settings;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &settings));
    const char *const set[][2] = {{"structure.representatives", "last"}, {"structure.tile", "5"}};
    for (int i = 0; i < 2; i++)
        UB_CHECK(ub_schema_set(ub_settings_schema(), &settings, set[i][0], set[i][1], "test"));
    int32_t   task_offset[TASKS + 1];
    ub_corpus shape = {.episodes = N,
                       .count = N,
                       .steps = STEPS,
                       .dim = 1,
                       .tasks = TASKS,
                       .segment = 2,
                       .task_offset = task_offset};
    memcpy(task_offset, offset, sizeof offset);
    ub_structure *s = NULL;
    ub_solver    *v = NULL;
    ub_ci_data    data = {&m, NULL};
    ub_bytes      answer = {0};
    ub_task_graph g;
    UB_CHECK(ub_structure_create(&shape, &settings, true, &s));
    UB_CHECK(ub_solver_create(s, &data, NULL, &v));
    for (int64_t item = 0; item < ub_structure_items(s); item++) {
        ub_bytes_clear(&answer);
        UB_CHECK(ub_structure_eval(s, v, item, &answer));
        UB_CHECK(ub_structure_absorb(s, item, answer.data, answer.len));
    }
    UB_CHECK(ub_structure_decide(s, &g));
    for (int32_t k = 0; k < STEPS / 2; k++)
        for (int32_t w = k + 1; w < STEPS / 2; w++) {
            ub_ci_result want[MOST_TASKS + 1];
            one_by_one(&m, STEPS, 2 * k + 1, 2 * w + 1, want);
            for (int32_t j = 0; j < TASKS; j++) {
                int64_t at = j * g.pairs + ub_pair_index(g.segments, k, w);
                CU_ASSERT_EQUAL(g.pair_verdict[at], want[j].verdict);
                UB_CHECK_CLOSE(g.pair_stat[at], want[j].statistic, 1e-9);
                UB_CHECK_CLOSE(g.pair_p[at], want[j].p_value, 1e-9);
                seen[want[j].verdict]++;
            }
        }
    CU_ASSERT(seen[UB_CI_OK] > 100 && seen[UB_CI_COLLINEAR] > 10 && seen[UB_CI_NONFINITE] > 10);
    ub_task_graph_release(&g);
    ub_bytes_release(&answer);
    ub_solver_destroy(&v);
    ub_structure_destroy(&s);
    ub_moments_release(&m);
    ub_free(x);
}

static ub_status open_nothing(const ub_ci_data *data, const struct ub_settings *settings,
                              void **state)
{
    (void)data;
    (void)settings;
    *state = NULL;
    return UB_OK;
}

static void close_nothing(void *state)
{
    (void)state;
}

/* 30 steps; tasks of one, two and three; then the contrast. */
static ub_status look_at_moderators(void *state, const ub_ci_query *q, ub_ci_result *out)
{
    static const int32_t first[] = {30, 31, 33, 36}, width[] = {1, 2, 3, 0};
    int64_t              task = q->id % 4;
    (void)state;
    CU_ASSERT_EQUAL(q->moderators, width[task]);
    for (int32_t j = 0; j < q->nz; j++) {
        int32_t last = j - (q->nz - width[task]);
        CU_ASSERT(last < 0 ? q->z[j] < 30 : q->z[j] == first[task] + last);
    }
    *out = (ub_ci_result){.statistic = q->moderators, .p_value = 1};
    return UB_OK;
}

/* A test that is asked one set at a time is told which of its condition is the task. */
static void tasks_are_moderators(void)
{
    enum { STEPS = 30, WIDTH = 6 };
    static const ub_ci_test test = {.name = "look",
                                    .accepts = UB_CI_SCALAR | UB_CI_VECTOR,
                                    .open = open_nothing,
                                    .eval = look_at_moderators,
                                    .close = close_nothing};
    int32_t                 offset[] = {0, 1, 3, WIDTH};
    double                 *x = chain(STEPS, WIDTH, 0.8, 3);
    ub_moments              m = moments(x, STEPS + WIDTH);
    ub_corpus               shape = {.episodes = N,
                                     .count = N,
                                     .steps = STEPS,
                                     .dim = 1,
                                     .tasks = 3,
                                     .segment = 3,
                                     .task_offset = offset};
    ub_ci_data              data = {&m, NULL};
    ub_structure           *s = NULL;
    ub_solver              *v = NULL;
    ub_bytes                answer = {0};
    ub_settings             settings;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &settings));
    UB_CHECK(
        ub_schema_set(ub_settings_schema(), &settings, "structure.contrast", "marginal", "test"));
    UB_CHECK(ub_structure_create(&shape, &settings, true, &s));
    CU_ASSERT(s->pairs && s->contrast);
    s->test = &test;
    UB_CHECK(ub_solver_create(s, &data, NULL, &v));
    for (int64_t item = 0; item < s->pair_items; item++)
        UB_CHECK(ub_structure_eval(s, v, item, &answer));
    ub_bytes_release(&answer);
    ub_solver_destroy(&v);
    ub_structure_destroy(&s);
    ub_moments_release(&m);
    ub_free(x);
}

static void atanh_is_accurate(void)
{
    double worst = 0;
    for (int i = 0; i < 200000; i++) {
        ub_rng r = ub_rng_make(3, UB_RNG_TEST, (uint64_t)i);
        double u = ub_rng_uniform(&r), x = i % 2 ? u : 1 - pow(2, -39 * u);
        double want = atanh(x), got = ub_gauss_atanh(x);
        CU_ASSERT(ub_gauss_atanh(-x) == -got);
        worst = fmax(worst, fabs(got - want) / want);
    }
    CU_ASSERT(worst < 4 * DBL_EPSILON);
    CU_ASSERT(ub_gauss_atanh(0) == 0 && ub_gauss_atanh(1e-300) == 1e-300);
    CU_ASSERT(isnan(ub_gauss_atanh(NAN)) && ub_gauss_atanh(1.5) == ub_gauss_atanh(1));
    UB_CHECK_CLOSE(ub_gauss_atanh(1), atanh(sqrt(1 - UB_GAUSS_DETERMINED)), 1e-15);
}

static void odd_correlations(void)
{
    double r[] = {0.5, -1, NAN, 0.25, 3, -INFINITY, 1 + 1e-9}, root[] = {2, 2, 2, 2, 2, 2, 2};
    CU_ASSERT(!ub_sweep_z(7, root, r));
    CU_ASSERT(isnan(r[2]) && isnan(r[4]) && isnan(r[5]));
    CU_ASSERT(r[0] == 2 * ub_gauss_atanh(0.5) && r[6] == -r[1] && r[3] > 0);
    double fine[] = {0.1, -0.2};
    CU_ASSERT(ub_sweep_z(2, root, fine));
}

UB_SUITE("sweep", {"rows of band pairs are what fisher_z answers one by one", band_is_fisher_z},
         {"on smooth steps a lane agrees or declines", band_on_smooth_steps},
         {"lanes of pairs say where they cannot answer", sides_decline},
         {"a row in pieces has the same bits", same_bits},
         {"rows off one inverse have the bits of the single pair", full_is_the_same},
         {"degenerate columns keep their verdicts", verdicts_stay},
         {"a test is told which of its condition is the task", tasks_are_moderators},
         {"atanh for lanes is that of the library to 4 units", atanh_is_accurate},
         {"what is no correlation is marked", odd_correlations})
