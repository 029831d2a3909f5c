/* Stage 1 from plan to membership, on one process. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/membership.h"
#include "core/moments.h"
#include "core/rng.h"
#include "core/structure.h"
#include "core/synth.h"
#include "tests/support/suite.h"

/* A corpus, its moments, and the inverse of its step block. */
typedef struct world {
    ub_settings settings;
    ub_corpus   corpus;
    ub_moments  m;
    double     *precision;
} world;

static void configure(ub_settings *s, const char *path, const char *value)
{
    UB_CHECK(ub_schema_set(ub_settings_schema(), s, path, value, "test"));
}

/* The plain study: last step of a segment, no contrast; cases ask for more themselves. */
static void plain(ub_settings *s)
{
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), s));
    configure(s, "structure.representatives", "last");
    configure(s, "structure.contrast", "none");
}

/* Inverse by Gauss-Jordan elimination. */
static double *inverse_of_steps(const ub_moments *m, int32_t n)
{
    double *a;
    UB_CHECK(UB_ALLOC(a, n * n));
    for (int32_t i = 0; i < n; i++)
        for (int32_t j = 0; j < n; j++)
            a[i * n + j] = m->cov[i * m->columns + j];
    for (int32_t k = 0; k < n; k++) {
        double pivot = 1 / a[k * n + k];
        a[k * n + k] = 1;
        for (int32_t j = 0; j < n; j++)
            a[k * n + j] *= pivot;
        for (int32_t i = 0; i < n; i++) {
            double f = a[i * n + k];
            if (i == k)
                continue;
            a[i * n + k] = 0;
            for (int32_t j = 0; j < n; j++)
                a[i * n + j] -= f * a[k * n + j];
        }
    }
    return a;
}

static void finish_world(world *w)
{
    int32_t p = ub_corpus_columns(&w->corpus);
    int64_t n = w->corpus.episodes;
    ub_free(w->precision);
    ub_moments_release(&w->m);
    UB_CHECK(ub_moments_init(&w->m, n, p));
    ub_moments_sum_block(&w->corpus, 0, n, w->m.mean);
    for (int32_t j = 0; j < p; j++)
        w->m.mean[j] /= (double)n;
    double *sum, *strip;
    UB_CHECK(UB_ALLOC(strip, UB_MOMENTS_STRIP * p));
    UB_CHECK(UB_ALLOC(sum, p * (p + 1) / 2));
    UB_CHECK(ub_moments_square_block(&w->corpus, w->m.mean, 0, n, strip, sum));
    ub_moments_unpack(sum, &w->m);
    ub_free(sum);
    ub_free(strip);
    w->precision = inverse_of_steps(&w->m, w->corpus.steps * w->corpus.dim);
}

static void make_chain(world *w, int64_t steps, int64_t tasks, int64_t n, int64_t seed)
{
    memset(w, 0, sizeof *w);
    plain(&w->settings);
    w->settings.run.seed = seed;
    w->settings.synth.steps = steps;
    w->settings.synth.tasks = tasks;
    w->settings.synth.samples = n;
    UB_CHECK(ub_synth(&w->settings, 0, n, &w->corpus));
    finish_world(w);
}

/* States of two columns, three tasks of one, two and three columns, segments of three steps. */
static void make_vectors(world *w)
{
    enum { N = 300, T = 15, D = 2, M = 3 };
    static const int32_t offset[M + 1] = {0, 1, 3, 6};
    memset(w, 0, sizeof *w);
    plain(&w->settings);
    ub_corpus *c = &w->corpus;
    *c = (ub_corpus){.episodes = N, .count = N, .steps = T, .dim = D, .tasks = M, .segment = 3};
    UB_CHECK(UB_ALLOC(c->task_offset, M + 1));
    memcpy(c->task_offset, offset, sizeof offset);
    UB_CHECK(ub_corpus_alloc(c));
    for (int64_t e = 0; e < N; e++) {
        ub_rng  r = ub_rng_make(4, UB_RNG_TEST, (uint64_t)e);
        double *s = c->states + e * T * D, *g = c->targets + e * offset[M];
        for (int32_t j = 0; j < T * D; j++)
            s[j] = ub_rng_normal(&r) + (j >= D ? 0.5 * s[j - D] : 0);
        for (int32_t j = 0; j < offset[M]; j++)
            g[j] = ub_rng_normal(&r) + s[j] - s[2 * j + 7] + s[j + 20];
    }
    finish_world(w);
}

static void free_world(world *w)
{
    ub_free(w->precision);
    ub_moments_release(&w->m);
    ub_corpus_release(&w->corpus);
}

/* Run a study; `backwards` asks the items last to first, each of them twice. */
static void run(world *w, const ub_settings *settings, bool backwards, ub_task_graph *g)
{
    ub_structure *s = NULL;
    ub_solver    *v = NULL;
    ub_ci_data    data = {&w->m, NULL};
    UB_CHECK(ub_structure_create(&w->corpus, settings, true, &s));
    UB_CHECK(ub_solver_create(s, &data, w->precision, &v));
    int64_t items = ub_structure_items(s);
    for (int64_t i = 0; i < items; i++) {
        int64_t item = backwards ? items - 1 - i : i;
        for (int again = 0; again <= backwards; again++) {
            ub_bytes answer = {0};
            CU_ASSERT_EQUAL(ub_structure_has(s, item), again != 0);
            UB_CHECK(ub_structure_eval(s, v, item, &answer));
            UB_CHECK(ub_structure_absorb(s, item, answer.data, answer.len));
            ub_bytes_release(&answer);
        }
        CU_ASSERT_EQUAL(ub_structure_answered(s), i + 1);
    }
    UB_CHECK(ub_structure_decide(s, g));
    CU_ASSERT_EQUAL(g->tests, ub_structure_tests(s));
    ub_solver_destroy(&v);
    ub_structure_destroy(&s);
}

static int equal(const void *a, const void *b, int64_t bytes)
{
    return (a == NULL && b == NULL) || memcmp(a, b, (size_t)bytes) == 0;
}

static int same_graph(const ub_task_graph *a, const ub_task_graph *b)
{
    int64_t cells = (int64_t)a->segments * a->tasks, tests = a->pairs * a->tasks;
    return equal(a->member, b->member, cells) && equal(a->score, b->score, cells * 8) &&
           equal(a->p_value, b->p_value, cells * 8) &&
           equal(a->confidence, b->confidence, cells * 8) &&
           equal(a->pair_stat, b->pair_stat, tests * 8) && equal(a->pair_p, b->pair_p, tests * 8) &&
           equal(a->pair_llr, b->pair_llr, tests * 8) &&
           equal(a->pair_verdict, b->pair_verdict, tests) &&
           equal(a->direct_stat, b->direct_stat, cells * 8) &&
           equal(a->direct_llr, b->direct_llr, cells * 8) &&
           equal(a->direct_verdict, b->direct_verdict, cells) && a->undecided == b->undecided &&
           a->untestable == b->untestable;
}

static const char *const studies[][4] = {
    {"band", "paper", "last", "none"},       {"band", "llr_clique", "all", "marginal"},
    {"full", "llr_joint", "last", "none"},   {"full", "llr_clique", "all", "marginal"},
    {"direct", "bonferroni", "all", "none"}, {"direct", "llr_clique", "last", "none"},
    {"band", "llr_joint", "all", "none"},    {"full", "by", "last", "none"},
};

static ub_settings study(const ub_settings *base, size_t i, const char *tile)
{
    ub_settings s = *base;
    configure(&s, "structure.conditioning", studies[i][0]);
    configure(&s, "structure.rule", studies[i][1]);
    configure(&s, "structure.representatives", studies[i][2]);
    configure(&s, "structure.contrast", studies[i][3]);
    configure(&s, "structure.tile", tile);
    return s;
}

static void tile_and_order(void)
{
    world w[2];
    make_chain(&w[0], 18, 3, 500, 3);
    make_vectors(&w[1]);
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof studies / sizeof studies[0]; i++) {
            ub_task_graph want, g;
            ub_settings   one = study(&w[k].settings, i, "64");
            run(&w[k], &one, false, &want);
            const char *const tiles[] = {"1", "2", "4"};
            for (int t = 0; t < 3; t++) {
                ub_settings s = study(&w[k].settings, i, tiles[t]);
                run(&w[k], &s, true, &g);
                CU_ASSERT(same_graph(&want, &g));
                ub_task_graph_release(&g);
            }
            ub_task_graph_release(&want);
        }
    free_world(&w[0]);
    free_world(&w[1]);
}

/* Columns of a step, appended. */
static int32_t put(const world *w, int32_t step, int32_t *to, int32_t n)
{
    for (int32_t c = 0; c < w->corpus.dim; c++)
        to[n++] = step * w->corpus.dim + c;
    return n;
}

/* Each stored number against fisher_z with a conditioning set written out here. */
static void asks_what_it_says(void)
{
    world w;
    make_vectors(&w);
    const ub_ci_test *test = ub_ci_find("fisher_z");
    ub_ci_data        data = {&w.m, NULL};
    const ub_corpus  *c = &w.corpus;
    void             *state = NULL;
    UB_CHECK(test->open(&data, &w.settings, &state));
    for (int full = 0; full < 2; full++) {
        ub_settings   s = w.settings;
        ub_task_graph g;
        configure(&s, "structure.conditioning", full ? "full" : "band");
        configure(&s, "structure.rule", "llr_joint");
        run(&w, &s, false, &g);
        for (int32_t k = 0; k < g.segments; k++)
            for (int32_t v = k; v < g.segments; v++) /* v = k: the direct test */
                for (int32_t task = 0; task < g.tasks; task++) {
                    int32_t      x[9], y[9], z[99], nx, ny = 0, nz = 0;
                    int32_t      a = 3 * k + 2, b = v == k ? -9 : 3 * v + 2;
                    ub_ci_result r;
                    nx = put(&w, a, x, 0);
                    if (v > k)
                        ny = put(&w, b, y, 0);
                    for (int32_t t = 0; t < c->steps; t++) {
                        bool near = t == a - 1 || t == a + 1 || t == b - 1 || t == b + 1;
                        if ((full || near) && t != a && t != b)
                            nz = put(&w, t, z, nz);
                    }
                    for (int32_t j = c->task_offset[task]; j < c->task_offset[task + 1]; j++) {
                        if (v > k)
                            z[nz++] = c->steps * c->dim + j;
                        else
                            y[ny++] = c->steps * c->dim + j;
                    }
                    UB_CHECK(test->eval(state, &(ub_ci_query){0, x, y, z, nx, ny, nz, 0}, &r));
                    int64_t at = v > k ? task * g.pairs + ub_pair_index(g.segments, k, v)
                                       : (int64_t)k * g.tasks + task;
                    UB_CHECK_CLOSE(v > k ? g.pair_stat[at] : g.direct_stat[at], r.statistic, 1e-9);
                    UB_CHECK_CLOSE(v > k ? g.pair_p[at] : g.direct_p[at], r.p_value, 1e-9);
                    double rho = v > k ? 0.1 : 0.2, t2 = 1 + 300 * rho * rho;
                    double e = r.evidence < 60 ? r.evidence : 60;
                    UB_CHECK_CLOSE(v > k ? g.pair_llr[at] : g.direct_llr[at],
                                   e / 2 * (1 - 1 / t2) - log(t2) / 2, 1e-9);
                }
        ub_task_graph_release(&g);
    }
    test->close(state);
    free_world(&w);
}

/* All representatives: the mean llr, the p-value times their number, the strongest statistic. */
static void representatives(void)
{
    world         w;
    ub_task_graph g;
    make_chain(&w, 12, 1, 400, 4);
    const ub_ci_test *test = ub_ci_find("fisher_z");
    ub_ci_data        data = {&w.m, NULL};
    void             *state = NULL;
    ub_settings       s = w.settings;
    configure(&s, "structure.representatives", "all");
    run(&w, &s, false, &g);
    UB_CHECK(test->open(&data, &s, &state));
    for (int32_t k = 0; k < 6; k++)
        for (int32_t v = k + 1; v < 6; v++) {
            double sum = 0, p = 1, stat = 0, t2 = 1 + 400 * 0.01;
            int    asked = 0;
            for (int32_t x = 2 * k; x < 2 * k + 2; x++)
                for (int32_t y = 2 * v; y < 2 * v + 2; y++) {
                    int32_t      z[5], nz = 0, near[] = {x - 1, x + 1, y - 1, y + 1};
                    ub_ci_result r;
                    if (y - x == 1)
                        continue;
                    for (int i = 0; i < 4; i++)
                        if (near[i] >= 0 && near[i] < 12 && !(i == 2 && near[2] == x + 1))
                            z[nz++] = near[i];
                    z[nz++] = 12;
                    UB_CHECK(test->eval(state, &(ub_ci_query){0, &x, &y, z, 1, 1, nz, 0}, &r));
                    sum += fmin(r.evidence, 60) / 2 * (1 - 1 / t2) - log(t2) / 2;
                    asked++;
                    if (r.p_value < p) {
                        p = r.p_value;
                        stat = r.statistic;
                    }
                }
            int64_t at = ub_pair_index(6, k, v);
            CU_ASSERT_EQUAL(asked, v == k + 1 ? 3 : 4);
            UB_CHECK_CLOSE(g.pair_llr[at], sum / 4, 1e-10);
            UB_CHECK_CLOSE(g.pair_p[at], fmin(1, asked * p), 1e-10);
            UB_CHECK_CLOSE(g.pair_stat[at], stat, 1e-10);
        }
    test->close(state);
    ub_task_graph_release(&g);
    free_world(&w);
}

static void finds_the_truth(void)
{
    static const struct {
        size_t study;
        double accuracy;
    } table[] = {{1, 0.95}, {2, 0.97}, {3, 0.97}, {4, 0.95}, {6, 0.95}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        double sum = 0;
        for (int64_t seed = 1; seed <= 3; seed++) {
            world               w;
            ub_task_graph       g;
            ub_structure_scores scores;
            make_chain(&w, 16, 3, 4000, seed);
            ub_settings s = study(&w.settings, table[i].study, "3");
            run(&w, &s, false, &g);
            UB_CHECK(ub_task_graph_score(&g, w.corpus.truth, &scores));
            CU_ASSERT(scores.average_precision > 0.97);
            sum += scores.accuracy / 3;
            ub_task_graph_release(&g);
            free_world(&w);
        }
        CU_ASSERT(sum >= table[i].accuracy);
    }
}

/* The decisions of the p-value rules follow from the raw p-values in the graph. */
static void p_value_rules(void)
{
    static const char *const rules[] = {"paper", "raw", "bonferroni", "bh"};
    world                    w;
    make_chain(&w, 16, 3, 300, 9);
    for (int i = 0; i < 4; i++) {
        ub_settings   s = w.settings;
        ub_task_graph g;
        configure(&s, "structure.rule", rules[i]);
        run(&w, &s, false, &g);
        int64_t tests = g.pairs * g.tasks, small = 0;
        double  level = i == 2 ? 0.05 / (double)tests : 0.05;
        if (i == 3) { /* BH as a step-up level: the largest k with k p-values <= k a/m */
            level = 0;
            for (int64_t a = 0; a < tests; a++) {
                small = 0;
                for (int64_t b = 0; b < tests; b++)
                    small += g.pair_p[b] <= g.pair_p[a];
                if (g.pair_p[a] < (double)small * 0.05 / (double)tests)
                    level = fmax(level, nextafter(g.pair_p[a], 1));
            }
        }
        for (int32_t k = 0; k < g.segments; k++)
            for (int32_t task = 0; task < g.tasks; task++) {
                bool any = false;
                for (int32_t v = 0; v < g.segments; v++)
                    if (v != k)
                        any = any ||
                              g.pair_p[task * g.pairs + ub_pair_index(g.segments, k < v ? k : v,
                                                                      k < v ? v : k)] < level;
                CU_ASSERT_EQUAL(g.member[k * g.tasks + task], any);
            }
        ub_task_graph_release(&g);
    }
    free_world(&w);
}

/* Where the model holds, no pair is dependent without a task: a contrast changes nothing. */
static void contrast_is_idle(void)
{
    world         w;
    ub_task_graph with, without;
    make_chain(&w, 16, 2, 1000, 5);
    ub_settings s = w.settings;
    run(&w, &s, false, &without);
    configure(&s, "structure.contrast", "auto");
    run(&w, &s, false, &with);
    CU_ASSERT(with.tests == without.tests + with.pairs);
    CU_ASSERT_EQUAL(with.contrasted, 0);
    CU_ASSERT_EQUAL(
        memcmp(with.pair_llr, without.pair_llr, 2 * (size_t)with.pairs * sizeof(double)), 0);
    ub_task_graph_release(&with);
    ub_task_graph_release(&without);
    free_world(&w);
}

/* Segments 0, 3 and 6 of a recording share a hidden start: they are dependent whatever is known of
 * the task, and that is no evidence for any task. */
static void share_start(world *w, double strength, bool others_vary)
{
    for (size_t e = 0; e < 1000; e++) {
        ub_rng r = ub_rng_make(8, UB_RNG_TEST, e);
        double hidden = strength * ub_rng_normal(&r), *last = w->corpus.states + e * 16 + 1;
        for (size_t k = 0; k < 8; k++)
            last[2 * k] = k % 3 == 0 ? last[2 * k] + hidden : others_vary ? last[2 * k] : 0.25;
    }
    finish_world(w);
}

static void contrast_subtracts(void)
{
    world         w;
    ub_task_graph with, without;
    make_chain(&w, 16, 2, 1000, 5);
    share_start(&w, 2, true);
    ub_settings s = w.settings;
    run(&w, &s, false, &without);
    configure(&s, "structure.contrast", "marginal");
    run(&w, &s, false, &with);
    CU_ASSERT_EQUAL(with.contrasted, 3);
    for (int32_t k = 0; k < 8; k++)
        for (int32_t v = k + 1; v < 8; v++)
            for (int32_t i = 0; i < 2; i++) {
                int64_t cell = i * with.pairs + ub_pair_index(8, k, v);
                double  off = without.pair_llr[cell] - with.pair_llr[cell];
                CU_ASSERT(with.pair_stat[cell] == without.pair_stat[cell]);
                CU_ASSERT(k % 3 == 0 && v % 3 == 0 ? off > 20 : off == 0);
            }
    ub_task_graph_release(&with);
    ub_task_graph_release(&without);
    free_world(&w);
}

/* Only three of eight segments vary: three pairs are tested without a task, not 28. */
static void contrast_counts_tests(void)
{
    int64_t contrasted = 0, want = 0, among_all = 0;
    for (int i = 1; i <= 8; i++) {
        world         w;
        ub_task_graph g;
        double        p[2][28];
        make_chain(&w, 16, 1, 1000, 20 + i);
        share_start(&w, 0.1 * i, false);
        configure(&w.settings, "structure.contrast", "marginal");
        run(&w, &w.settings, false, &g);
        for (int k = 0; k < 28; k++) {
            p[0][k] = g.marginal_p[k];
            p[1][k] = p[0][k] < 1 ? p[0][k] : -1;
        }
        UB_CHECK(ub_membership_adjust(UB_ADJUST_BH, 28, p[0]));
        UB_CHECK(ub_membership_adjust(UB_ADJUST_BH, 28, p[1]));
        for (int k = 0; k < 28; k++) {
            among_all += p[0][k] < 0.05;
            want += p[1][k] >= 0 && p[1][k] < 0.05;
        }
        contrasted += g.contrasted;
        ub_task_graph_release(&g);
        free_world(&w);
    }
    CU_ASSERT(contrasted == want && want > among_all);
}

static void adjacent_is_untestable(void)
{
    world         w;
    ub_task_graph g;
    make_chain(&w, 16, 3, 200, 1);
    ub_settings s = w.settings;
    configure(&s, "structure.representatives", "all");
    run(&w, &s, false, &g);
    CU_ASSERT(g.undecided == 0 && g.untestable == (8 - 1) * 3); /* last of k, first of k + 1 */
    CU_ASSERT_EQUAL(g.tests, 28 * 4 * 3);
    for (int64_t i = 0; i < g.pairs * 3; i++)
        CU_ASSERT_EQUAL(g.pair_verdict[i], UB_CI_OK); /* other representatives speak */
    ub_task_graph_release(&g);
    free_world(&w);
}

/* A task that never varies is no collider; a step that never varies is undecided, not fatal. */
static void constants(void)
{
    world         w;
    ub_task_graph g;
    make_chain(&w, 12, 2, 400, 2);
    for (int64_t e = 0; e < 400; e++) {
        w.corpus.targets[e * 2 + 1] = 0.3;
        w.corpus.states[e * 12 + 5] = -7.7;
    }
    finish_world(&w);
    ub_settings s = w.settings;
    configure(&s, "structure.rule", "llr_joint");
    run(&w, &s, false, &g);
    for (int32_t k = 0; k < 6; k++) {
        CU_ASSERT_EQUAL(g.direct_verdict[k * 2 + 1], UB_CI_CONSTANT);
        CU_ASSERT(g.direct_llr[k * 2 + 1] == 0 && g.direct_p[k * 2 + 1] == 1);
        for (int32_t v = k + 1; v < 6; v++)
            CU_ASSERT_EQUAL(g.pair_verdict[ub_pair_index(6, k, v)],
                            k == 2 || v == 2 ? UB_CI_CONSTANT : UB_CI_OK);
    }
    CU_ASSERT_EQUAL(g.undecided, 5 * 2 + 6 + 1);
    ub_task_graph_release(&g);
    free_world(&w);
}

static void refuses(const ub_corpus *shape, ub_settings s, const char *path, const char *value,
                    const char *part)
{
    ub_structure *made = NULL;
    if (path != NULL)
        configure(&s, path, value);
    UB_CHECK_FAILS(ub_structure_create(shape, &s, false, &made), UB_EINPUT, part);
    CU_ASSERT_PTR_NULL(made);
}

static void refusals(void)
{
    world w;
    make_chain(&w, 16, 2, 17, 1);
    ub_corpus   c = w.corpus;
    ub_settings s = w.settings;
    refuses(&c, s, "structure.conditioning", "full", "17 episodes and 18 columns");
    c.segment = 16;
    refuses(&c, s, NULL, NULL, "one segment only");
    c.segment = 1;
    refuses(&c, s, NULL, NULL, "segments of one step");
    c.segment = 5;
    refuses(&c, s, NULL, NULL, "whole segments");
    c.segment = 2;
    configure(&s, "structure.contrast", "marginal");
    refuses(&c, s, "structure.rule", "bh", "structure.contrast");
    refuses(&c, s, "structure.conditioning", "direct", "structure.contrast");
    c.tasks = 0;
    refuses(&c, s, NULL, NULL, "0 tasks");
    free_world(&w);
}

static void strange_answers(void)
{
    world         w;
    ub_structure *s = NULL, *worker = NULL;
    ub_solver    *v = NULL;
    ub_task_graph g;
    ub_bytes      answer = {0};
    make_chain(&w, 16, 2, 300, 1);
    ub_ci_data data = {&w.m, NULL};
    configure(&w.settings, "structure.tile", "4");
    UB_CHECK(ub_structure_create(&w.corpus, &w.settings, true, &s));
    UB_CHECK(ub_structure_create(&w.corpus, &w.settings, false, &worker));
    UB_CHECK(ub_solver_create(s, &data, NULL, &v));
    UB_CHECK(ub_structure_eval(s, v, 1, &answer));
    UB_CHECK_FAILS(ub_structure_absorb(s, 0, answer.data, answer.len), UB_EFORMAT, "item");
    UB_CHECK_FAILS(ub_structure_absorb(s, 99, answer.data, answer.len), UB_EFORMAT, "item");
    UB_CHECK_FAILS(ub_structure_absorb(s, 1, answer.data, answer.len - 1), UB_EFORMAT, "bytes");
    UB_CHECK_FAILS(ub_structure_absorb(s, 1, answer.data, 3), UB_EFORMAT, "bytes");
    UB_CHECK_FAILS(ub_structure_absorb(worker, 1, answer.data, answer.len), UB_ESTATE, "");
    answer.data[answer.len - 1] = 77; /* verdict of the last test */
    UB_CHECK_FAILS(ub_structure_absorb(s, 1, answer.data, answer.len), UB_EFORMAT, "verdict 77");
    CU_ASSERT_EQUAL(ub_structure_answered(s), 0);
    UB_CHECK_FAILS(ub_structure_decide(s, &g), UB_ESTATE, "0 of 3 items");
    UB_CHECK_FAILS(ub_structure_eval(s, v, 3, &answer), UB_EARG, "item 3");
    ub_bytes_release(&answer);
    ub_solver_destroy(&v);
    ub_structure_destroy(&s);
    ub_structure_destroy(&worker);
    free_world(&w);
}

static void scores(void)
{
    static const uint8_t truth[] = {1, 0, 1, 0, 0, 1, 0, 1, 1, 1, 1, 0}; /* 6 steps, 2 tasks */
    static const uint8_t member[] = {1, 0, 0, 1, 1, 0};
    ub_task_graph        g = {.segments = 3, .length = 2, .tasks = 2};
    ub_structure_scores  s;
    UB_CHECK(ub_task_graph_alloc(&g, 0, 0));
    memcpy(g.member, member, sizeof member);
    for (int i = 0; i < 6; i++)
        g.score[i] = member[i];
    UB_CHECK(ub_task_graph_score(&g, truth, &s)); /* the last step's second task is a minority */
    UB_CHECK_CLOSE(s.accuracy, 1, 1e-15);
    UB_CHECK_CLOSE(s.mcc, 1, 1e-12);
    UB_CHECK_CLOSE(s.average_precision, 1, 1e-12);
    CU_ASSERT(s.ari > 0 && s.ari < 1); /* but its step has another task set */
    g.member[1] = 1;
    UB_CHECK(ub_task_graph_score(&g, truth, &s));
    UB_CHECK_CLOSE(s.accuracy, 5.0 / 6, 1e-15);
    ub_task_graph_release(&g);
}

UB_SUITE("structure", {"the same bytes for any tile and any order of items", tile_and_order},
         {"each test asks what the design says", asks_what_it_says},
         {"all representatives are heard, once each", representatives},
         {"membership is found on corpora with known truth", finds_the_truth},
         {"the p-value rules decide as published", p_value_rules},
         {"a contrast changes nothing where the model holds", contrast_is_idle},
         {"a contrast takes off what is there without the task", contrast_subtracts},
         {"a contrast adjusts for the tests there are", contrast_counts_tests},
         {"adjacent steps are untestable and counted", adjacent_is_untestable},
         {"constant steps and tasks are undecided, by name", constants},
         {"unusable studies are refused with a sentence", refusals},
         {"strange answers are refused", strange_answers},
         {"scores compare segments and steps with the truth", scores})
