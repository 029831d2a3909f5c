/* Spaces, designs and promotions of sweeps against published points, their definitions, and a plain
 * implementation of ASHA's algorithm. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/design.h"
#include "core/mem.h"
#include "core/promote.h"
#include "core/rng.h"
#include "core/settings.h"
#include "tests/support/suite.h"

static ub_settings base;

static ub_status parse(const char *parameters, const char *constraints, ub_space *out)
{
    UB_TRY(ub_schema_defaults(ub_settings_schema(), &base));
    return ub_space_parse(ub_settings_schema(), &base, sizeof base, parameters, constraints, out);
}

static const char cube[] = "disentangle.beta = 0 .. 1\n"
                           "disentangle.lambda = 0 .. 1\n"
                           "disentangle.group = 0 .. 1\n";

static ub_status points_of(const char *design, const char *lines, int64_t n, uint64_t seed,
                           int64_t first, int64_t count, double *u)
{
    ub_space s;
    UB_TRY(parse(lines, "", &s));
    ub_design_query q = {&s, n, seed};
    ub_status       st = ub_design_find(design)->points(&q, first, count, u);
    ub_space_release(&s);
    return st;
}

/* Joe and Kuo's page shows these ten in three dimensions. */
static void sobol_points_are_the_published_ones(void)
{
    static const double published[10][3] = {{0, 0, 0},
                                            {.5, .5, .5},
                                            {.75, .25, .25},
                                            {.25, .75, .75},
                                            {.375, .375, .625},
                                            {.875, .875, .125},
                                            {.625, .125, .875},
                                            {.125, .625, .375},
                                            {.1875, .3125, .9375},
                                            {.6875, .8125, .4375}};
    double              u[10][3];
    UB_CHECK(points_of("sobol", cube, 10, 0, 0, 10, u[0]));
    for (int i = 0; i < 10; i++)
        for (int p = 0; p < 3; p++)
            CU_ASSERT_DOUBLE_EQUAL(u[i][p], published[i][p], 0);
}

/* A (t, s)-sequence in base 2: of the first 2^m points every 2^-m-th of each axis has one; for 64
 * dimensions, and after a digital shift too. */
static void sobol_fills_every_axis_in_all_dimensions(void)
{
    ub_space s = {0};
    double  *u = NULL;
    s.count = UB_SPACE_PARAMETERS;
    enum { N = 256 };
    UB_CHECK(UB_ALLOC(u, N * UB_SPACE_PARAMETERS));
    for (uint64_t seed = 0; seed < 3; seed++) {
        ub_design_query q = {&s, N, seed};
        UB_CHECK(ub_design_find("sobol")->points(&q, 0, N, u));
        for (int p = 0; p < UB_SPACE_PARAMETERS; p++) {
            int seen[N] = {0};
            for (int i = 0; i < N; i++)
                seen[(int)(u[i * UB_SPACE_PARAMETERS + p] * N)]++;
            for (int i = 0; i < N; i++)
                CU_ASSERT(seen[i] == 1);
        }
    }
    ub_free(u);
}

static void lhs_visits_every_stratum_once(void)
{
    enum { N = 24 };
    double u[N][3], again[N][3];
    UB_CHECK(points_of("lhs", cube, N, 7, 0, N, u[0]));
    for (int p = 0; p < 3; p++) {
        int seen[N] = {0};
        for (int i = 0; i < N; i++)
            seen[(int)floor(u[i][p] * N)]++;
        for (int i = 0; i < N; i++)
            CU_ASSERT(seen[i] == 1);
    }
    UB_CHECK(points_of("lhs", cube, N, 8, 0, N, again[0]));
    CU_ASSERT(memcmp(u, again, sizeof u) != 0);
}

/* McKay et al.'s formula, written out with the same permutations and uniforms. */
static void lhs_is_the_published_formula(void)
{
    enum { N = 10 };
    double u[N][3];
    UB_CHECK(points_of("lhs", cube, N, 5, 0, N, u[0]));
    for (uint64_t p = 0; p < 3; p++) {
        int64_t pi[N];
        ub_rng  r = ub_rng_make(5, UB_RNG_DESIGN, p);
        ub_rng_permutation(&r, N, pi);
        for (int i = 0; i < N; i++)
            CU_ASSERT_DOUBLE_EQUAL(u[i][p], ((double)pi[i] + ub_rng_uniform(&r)) / N, 0);
    }
}

static void points_do_not_depend_on_how_many_are_asked_for_at_once(void)
{
    static const char *const names[] = {"random", "lhs", "sobol", "grid"};
    static const char        lines[] = "disentangle.beta = 0 .. 1 in 4\n"
                                       "disentangle.latents = 3 .. 7\n";
    for (int d = 0; d < 4; d++) {
        double all[20][2], part[20][2];
        UB_CHECK(points_of(names[d], lines, 20, 3, 0, 20, all[0]));
        for (int i = 0; i < 20; i += 4)
            UB_CHECK(points_of(names[d], lines, 20, 3, i, 4, part[i]));
        CU_ASSERT(memcmp(all, part, sizeof all) == 0);
        for (int i = 0; i < 20; i++)
            CU_ASSERT(all[i][0] >= 0 && all[i][0] < 1 && all[i][1] >= 0 && all[i][1] < 1);
    }
}

static void the_grid_has_every_combination_with_its_ends(void)
{
    static const char   lines[] = "disentangle.beta = 0.01 .. 1 log in 3\n"
                                  "disentangle.penalty = none, jacobian\n"
                                  "disentangle.latents = 4 .. 64 log in 3\n";
    static const double beta[] = {.01, .1, 1};
    static const int    penalty[] = {UB_PENALTY_NONE, UB_PENALTY_JACOBIAN}, latents[] = {4, 16, 64};
    ub_space            s;
    int64_t             n;
    UB_CHECK(parse(lines, "", &s));
    ub_design_query q = {&s, 99, 1};
    UB_CHECK(ub_design_find("grid")->length(&q, &n));
    CU_ASSERT_EQUAL(n, 18);
    for (int i = 0; i < 18; i++) {
        double      u[3];
        ub_settings at = base;
        UB_CHECK(ub_design_find("grid")->points(&q, i, 1, u));
        UB_CHECK(ub_space_set(&s, u, &at, NULL));
        CU_ASSERT_DOUBLE_EQUAL(at.disentangle.beta, beta[i / 6], 1e-6);
        CU_ASSERT_EQUAL(at.disentangle.penalty, penalty[i / 3 % 2]);
        CU_ASSERT_EQUAL(at.disentangle.latents, latents[i % 3]);
    }
    ub_space_release(&s);
    /* Without `in N` a range of whole numbers has every one of them, once, logarithmic or not. */
    UB_CHECK(parse("disentangle.latents = 4 .. 64 log\n", "", &s));
    q.space = &s;
    UB_CHECK(ub_design_find("grid")->length(&q, &n));
    CU_ASSERT_EQUAL(n, 61);
    for (int i = 0; i < 61; i++) {
        double      u[1];
        ub_settings at = base;
        UB_CHECK(ub_design_find("grid")->points(&q, i, 1, u));
        UB_CHECK(ub_space_set(&s, u, &at, NULL));
        CU_ASSERT_EQUAL(at.disentangle.latents, 4 + i);
    }
    ub_space_release(&s);
    UB_CHECK(parse("disentangle.beta = 0.01 .. 1\n", "", &s));
    CU_ASSERT_EQUAL(ub_design_find("grid")->length(&(ub_design_query){&s, 1, 1}, &n), UB_EINPUT);
    ub_space_release(&s);
}

static void ranges_reach_their_ends_and_whole_numbers_are_equally_likely(void)
{
    ub_space s;
    int      seen[5] = {0};
    UB_CHECK(parse("disentangle.latents = 3 .. 7\ndisentangle.beta = 0.5 .. 2 log", "", &s));
    for (int i = 0; i < 1000; i++) {
        double      u[2] = {(i + .5) / 1000, i / 1000.};
        ub_settings at = base;
        UB_CHECK(ub_space_set(&s, u, &at, NULL));
        seen[at.disentangle.latents - 3]++;
        CU_ASSERT_DOUBLE_EQUAL(at.disentangle.beta, .5 * pow(4, u[1]), 1e-5);
    }
    for (int k = 0; k < 5; k++)
        CU_ASSERT_EQUAL(seen[k], 200);
    ub_space_release(&s);
}

static void a_condition_leaves_a_parameter_at_its_value(void)
{
    static const char lines[] =
        "disentangle.penalty = none, jacobian, mask\n"
        "disentangle.lambda = 0.5 .. 1 when disentangle.penalty = jacobian, mask\n"
        "disentangle.group = 2 .. 3 when disentangle.lambda = 0.5\n";
    ub_space s;
    UB_CHECK(parse(lines, "", &s));
    ub_settings   at = base;
    unsigned char active[3];
    UB_CHECK(ub_space_set(&s, (double[]){0, .9, .5}, &at, active));
    CU_ASSERT_DOUBLE_EQUAL(at.disentangle.lambda, base.disentangle.lambda, 0);
    CU_ASSERT(active[0] && !active[1] && !active[2]);
    UB_CHECK(ub_space_set(&s, (double[]){.99, 0, .5}, &at, active));
    CU_ASSERT_DOUBLE_EQUAL(at.disentangle.lambda, .5, 0);
    CU_ASSERT_DOUBLE_EQUAL(at.disentangle.group, 2.5, 0);
    CU_ASSERT(active[0] && active[1] && active[2]);
    ub_space_release(&s);
}

static void constraints_compare_numbers_products_and_words(void)
{
    ub_space s;
    bool     yes;
    UB_CHECK(parse("disentangle.hidden = 8, 64, 512",
                   "disentangle.hidden * disentangle.layers <= 128\n"
                   "# a comment\n"
                   "disentangle.penalty != none\n",
                   &s));
    ub_settings at = base;
    at.disentangle.layers = 2;
    at.disentangle.hidden = 64;
    UB_CHECK(ub_space_meets(&s, &at, &yes));
    CU_ASSERT(yes);
    at.disentangle.hidden = 65;
    UB_CHECK(ub_space_meets(&s, &at, &yes));
    CU_ASSERT(!yes);
    at.disentangle.hidden = 64;
    at.disentangle.penalty = UB_PENALTY_NONE;
    UB_CHECK(ub_space_meets(&s, &at, &yes));
    CU_ASSERT(!yes);
    ub_space_release(&s);
}

static void wrong_lines_are_refused_with_their_line(void)
{
    static const struct {
        const char *parameters, *constraints, *says;
    } wrong[] = {
        {"", "", "nothing varies"},
        {"disentangle.lamda = 1, 2", "", "did you mean 'lambda'"},
        {"\n\ndisentangle.lambda", "", "line 3"},
        {"disentangle.lambda = 2 .. 1", "", "must rise"},
        {"disentangle.lambda = 0 .. 1 log", "", "begin above 0"},
        {"disentangle.lambda = 1, , 2", "", "a value is missing"},
        {"disentangle.latents = 1.5 .. 3", "", "whole number"},
        {"disentangle.latents = 1 .. 3 in 1", "", "from 2 on"},
        {"disentangle.lambda = 0.1 .. 1 log 5", "", "'5' behind 'log'"},
        {"disentangle.lambda = 0.1 .. 1 logarithmic", "", "'arithmic' behind 'log'"},
        {"disentangle.penalty = 1 .. 3", "", "list its values"},
        {"disentangle.penalty = jacobean", "", "did you mean 'jacobian'"},
        {"disentangle.lambda = 0.1 .. 99999", "", "outside"},
        {"disentangle.lambda = 1, 2\ndisentangle.lambda = 3", "", "given twice"},
        {"disentangle.lambda = 1, 2 when disentangle.beta = 1", "", "no line above"},
        {"disentangle.penalty = none, jacobian\n"
         "disentangle.lambda = 1, 2 when disentangle.penalty = none, mask",
         "", "never 'mask'"},
        {"disentangle.beta = 0 .. 1\ndisentangle.lambda = 1, 2 when disentangle.beta = 2", "",
         "never '2'"},
        {"disentangle.lambda = 1, 2", "disentangle.lambda", "no comparison"},
        {"disentangle.lambda = 1, 2", "disentangle.lamda < 1", "neither a key nor a number"},
        {"disentangle.lambda = 1, 2", "disentangle.penalty < 1", "by == and !="},
        {"disentangle.lambda = 1, 2", "disentangle.penalty != jacobean", "never 'jacobean'"},
        {"disentangle.lambda = 1, 2", "full == structure.rule", "never 'full'"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ub_space  s;
        ub_status st = parse(wrong[i].parameters, wrong[i].constraints, &s);
        CU_ASSERT_EQUAL(ub_status_exit_code(st), 2);
        CU_ASSERT(ub_test_fails(st, st, wrong[i].says, wrong[i].says, __FILE__, __LINE__));
    }
}

/* Promotion ------------------------------------------------------------------------------------*/

enum { POINTS = 40, JOBS = 200, RUNGS = 4 };

static double metric_of(uint64_t seed, int64_t point, int32_t rung)
{
    ub_rng r = ub_rng_make(seed, UB_RNG_TEST, (uint64_t)(point * RUNGS + rung));
    double x = ub_rng_uniform(&r);
    return x < .1 ? (double)NAN : x < .2 ? .5 : x; /* failures and ties */
}

/* Algorithm 2 as printed, over arrays: result[rung][point] (NaN: none yet), done[rung][point]. */
static bool plain_asha(double eta, double result[RUNGS][POINTS], bool done[RUNGS][POINTS],
                       bool promoted[RUNGS][POINTS], int begun, ub_job *next)
{
    for (int k = RUNGS - 2; k >= 0; k--) {
        int size = 0;
        for (int t = 0; t < POINTS; t++)
            size += done[k][t];
        int top = (int)(size / eta), best = -1;
        /* The t-th is in top_k when fewer than k beat it. */
        for (int t = 0; t < POINTS; t++) {
            if (!done[k][t] || isnan(result[k][t]))
                continue;
            int beat = 0;
            for (int o = 0; o < POINTS; o++)
                if (done[k][o] && !isnan(result[k][o]) &&
                    (result[k][o] > result[k][t] || (result[k][o] == result[k][t] && o < t)))
                    beat++;
            if (beat >= top || promoted[k][t])
                continue;
            if (best < 0 || result[k][t] > result[k][best])
                best = t;
        }
        if (best >= 0) {
            *next = (ub_job){.point = best, .rung = k + 1};
            return true;
        }
    }
    *next = (ub_job){.point = begun, .rung = 0};
    return begun < POINTS;
}

static void asha_decides_as_the_published_algorithm(void)
{
    static double result[RUNGS][POINTS];
    static bool   done[RUNGS][POINTS], up[RUNGS][POINTS];
    static ub_job jobs[JOBS];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        ub_promote p = {UB_PROMOTE_ASHA, false, POINTS, RUNGS, seed % 2 ? 3 : 2.5, 1};
        int        begun = 0;
        int64_t    n = 0;
        memset(done, 0, sizeof done);
        memset(up, 0, sizeof up);
        for (;; n++) {
            ub_job            ours, theirs;
            ub_promote_answer a;
            bool              more = plain_asha(p.eta, result, done, up, begun, &theirs);
            UB_CHECK(ub_promote_next(&p, jobs, n, &ours, &a));
            CU_ASSERT_EQUAL(a, more ? UB_PROMOTE_JOB : UB_PROMOTE_DONE);
            if (!more || a != UB_PROMOTE_JOB || n == JOBS)
                break;
            CU_ASSERT(ours.point == theirs.point && ours.rung == theirs.rung);
            jobs[n] = ours;
            jobs[n].known = true;
            jobs[n].result = result[ours.rung][ours.point] = metric_of(seed, ours.point, ours.rung);
            done[ours.rung][ours.point] = true;
            if (ours.rung > 0)
                up[ours.rung - 1][ours.point] = true;
            else
                begun++;
        }
        CU_ASSERT(n > POINTS && n < JOBS);
    }
}

/* `workers` take jobs as soon as they can be decided and end them in a random order: the list of
 * jobs is the same. */
static int64_t work(const ub_promote *p, uint64_t seed, int workers, ub_job *jobs)
{
    ub_rng  r = ub_rng_make(seed, UB_RNG_TEST, 1000000 + (uint64_t)workers);
    int64_t n = 0, open[8];
    int     busy = 0;
    for (;;) {
        ub_job            next;
        ub_promote_answer a = UB_PROMOTE_WAIT;
        if (busy < workers) {
            UB_CHECK(ub_promote_next(p, jobs, n, &next, &a));
            if (a == UB_PROMOTE_JOB) {
                jobs[n] = next;
                open[busy++] = n++;
                continue;
            }
        }
        if (busy == 0)
            return a == UB_PROMOTE_DONE ? n : -1;
        int     k = (int)ub_rng_below(&r, (uint64_t)busy);
        ub_job *j = &jobs[open[k]];
        j->result = metric_of(seed, j->point, j->rung);
        j->known = true;
        open[k] = open[--busy];
    }
}

static void jobs_do_not_depend_on_who_works_when(void)
{
    static ub_job one[JOBS], many[JOBS];
    for (int rule = UB_PROMOTE_NONE; rule <= UB_PROMOTE_MEDIAN; rule++)
        for (uint64_t seed = 1; seed <= 10; seed++) {
            ub_promote p = {rule, seed % 2 == 0, POINTS, rule == UB_PROMOTE_NONE ? 1 : RUNGS, 2, 4};
            memset(one, 0, sizeof one);
            int64_t n = work(&p, seed, 1, one);
            CU_ASSERT(rule == UB_PROMOTE_NONE ? n == POINTS : n > POINTS);
            for (int workers = 2; workers <= 8; workers++) {
                memset(many, 0, sizeof many);
                CU_ASSERT_EQUAL(work(&p, seed, workers, many), n);
                for (int64_t j = 0; j < n; j++)
                    CU_ASSERT(one[j].point == many[j].point && one[j].rung == many[j].rung);
            }
        }
}

static void as_many_jobs_as_the_lag_are_open_together(void)
{
    static ub_job     jobs[JOBS];
    ub_promote        p = {UB_PROMOTE_ASHA, false, POINTS, RUNGS, 2, 4};
    ub_promote_answer a;
    ub_job            next;
    memset(jobs, 0, sizeof jobs);
    for (int64_t n = 0; n < 4; n++) {
        UB_CHECK(ub_promote_next(&p, jobs, n, &next, &a));
        CU_ASSERT_EQUAL(a, UB_PROMOTE_JOB);
        jobs[n] = next;
    }
    UB_CHECK(ub_promote_next(&p, jobs, 4, &next, &a));
    CU_ASSERT(a == UB_PROMOTE_WAIT && next.point == 0);
}

/* Results 1 .. 5 on the lowest rung of three points so far: the median is 2, and 1 may not climb.
 */
static void median_promotes_the_better_half(void)
{
    ub_job            jobs[8] = {{0, 0, true, 1}, {1, 0, true, 3}, {2, 0, true, 2}};
    ub_promote        p = {UB_PROMOTE_MEDIAN, false, 3, 2, 2, 1};
    static const int  order[] = {1, 2};
    ub_promote_answer a;
    ub_job            next;
    for (int64_t n = 3; n < 5; n++) {
        UB_CHECK(ub_promote_next(&p, jobs, n, &next, &a));
        CU_ASSERT(a == UB_PROMOTE_JOB && next.point == order[n - 3] && next.rung == 1);
        jobs[n] = next;
        jobs[n].known = true;
    }
    UB_CHECK(ub_promote_next(&p, jobs, 5, &next, &a));
    CU_ASSERT_EQUAL(a, UB_PROMOTE_DONE);
}

UB_SUITE("design", {"Sobol' points are the published ones", sobol_points_are_the_published_ones},
         {"Sobol' fills every axis in all dimensions", sobol_fills_every_axis_in_all_dimensions},
         {"the Latin hypercube visits every stratum once", lhs_visits_every_stratum_once},
         {"the Latin hypercube is the published formula", lhs_is_the_published_formula},
         {"points do not depend on how many are asked for at once",
          points_do_not_depend_on_how_many_are_asked_for_at_once},
         {"the grid has every combination with its ends",
          the_grid_has_every_combination_with_its_ends},
         {"ranges reach their ends and whole numbers are equally likely",
          ranges_reach_their_ends_and_whole_numbers_are_equally_likely},
         {"a condition leaves a parameter at its value",
          a_condition_leaves_a_parameter_at_its_value},
         {"constraints compare numbers products and words",
          constraints_compare_numbers_products_and_words},
         {"wrong lines are refused with their line", wrong_lines_are_refused_with_their_line},
         {"ASHA decides as the published algorithm", asha_decides_as_the_published_algorithm},
         {"jobs do not depend on who works when", jobs_do_not_depend_on_who_works_when},
         {"as many jobs as the lag are open together", as_many_jobs_as_the_lag_are_open_together},
         {"median promotes the better half", median_promotes_the_better_half})
