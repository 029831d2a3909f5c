/* Made corpora: the same whoever makes which part, and distributed as the header says. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/metrics.h"
#include "core/synth.h"
#include "tests/support/suite.h"

static ub_settings settings_of(int kind)
{
    ub_settings s;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &s));
    s.synth.kind = kind;
    return s;
}

/* Correlation of x[i * dx] and y[i * dy]. */
static double correlation(int64_t n, const double *x, int64_t dx, const double *y, int64_t dy)
{
    double sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0, m = (double)n;
    for (int64_t i = 0; i < n; i++) {
        double a = x[i * dx], b = y[i * dy];
        sx += a;
        sy += b;
        sxx += a * a;
        syy += b * b;
        sxy += a * b;
    }
    return (sxy - sx * sy / m) / sqrt((sxx - sx * sx / m) * (syy - sy * sy / m));
}

static void compare_part(const ub_corpus *all, const ub_corpus *part)
{
    int64_t state = (int64_t)all->steps * all->dim, target = all->task_offset[all->tasks];
    int64_t at = part->first;
    CU_ASSERT_EQUAL(part->episodes, all->episodes);
    CU_ASSERT_EQUAL(memcmp(part->states, all->states + at * state,
                           (size_t)(part->count * state) * sizeof(double)),
                    0);
    CU_ASSERT_EQUAL(memcmp(part->targets, all->targets + at * target,
                           (size_t)(part->count * target) * sizeof(double)),
                    0);
    CU_ASSERT_EQUAL(memcmp(part->truth, all->truth, (size_t)all->steps * (size_t)all->tasks), 0);
    if (all->latent_dim == 0)
        return;
    CU_ASSERT_EQUAL(memcmp(part->latents, all->latents + at * all->latent_dim,
                           (size_t)(part->count * all->latent_dim) * sizeof(double)),
                    0);
    CU_ASSERT_EQUAL(memcmp(part->latent_relevant, all->latent_relevant,
                           (size_t)all->latent_dim * (size_t)all->tasks),
                    0);
}

static void any_split(void)
{
    static const int64_t cuts[] = {0, 1, 1, 18, 30, 31}; /* an empty part among them */
    for (int kind = UB_SYNTH_CHAIN; kind <= UB_SYNTH_SPRITES; kind++) {
        ub_settings s = settings_of(kind);
        ub_corpus   all = {0}, part = {0};
        s.synth.samples = 31;
        UB_CHECK(ub_synth(&s, 0, 31, &all));
        for (size_t i = 5; i > 0; i--) {
            UB_CHECK(ub_synth(&s, cuts[i - 1], cuts[i] - cuts[i - 1], &part));
            compare_part(&all, &part);
            ub_corpus_release(&part);
        }
        s.run.seed = 2;
        UB_CHECK(ub_synth(&s, 0, 31, &part));
        CU_ASSERT_NOT_EQUAL(memcmp(part.states, all.states, 31 * sizeof(double)), 0);
        ub_corpus_release(&part);
        ub_corpus_release(&all);
    }
}

static int32_t members(const ub_corpus *c, int32_t task)
{
    int32_t n = 0;
    for (int32_t t = 0; t < c->steps; t++) {
        int32_t first = t / c->segment * c->segment;
        CU_ASSERT_EQUAL(c->truth[t * c->tasks + task], c->truth[first * c->tasks + task]);
        n += t == first && c->truth[t * c->tasks + task];
    }
    return n;
}

static void memberships(void)
{
    static const double probability[] = {0, 0.3, 1};
    for (int p = 0; p < 3; p++) {
        ub_settings s = settings_of(UB_SYNTH_CHAIN);
        ub_corpus   c = {0};
        s.synth.membership = probability[p];
        s.synth.steps = 60;
        s.synth.segment_length = 3;
        s.synth.tasks = 200;
        s.synth.samples = 2;
        UB_CHECK(ub_synth(&s, 0, 0, &c));
        CU_ASSERT_EQUAL(ub_corpus_segments(&c), 20);
        CU_ASSERT_STRING_EQUAL(c.task_name[199], "task199");
        double mean = 0;
        for (int32_t i = 0; i < 200; i++) {
            int32_t n = members(&c, i);
            CU_ASSERT(n >= 2);
            mean += n / 200.0;
        }
        CU_ASSERT_DOUBLE_EQUAL(mean, p == 0 ? 2 : 20 * probability[p], p == 1 ? 0.6 : 1e-9);
        ub_corpus_release(&c);
    }
}

/* s_t = alpha s_{t-1} + N(0,1): slope 0 or .3 .. .9, residual variance 1. */
static void chain_of_states(void)
{
    enum { T = 100, N = 4000 };
    ub_settings s = settings_of(UB_SYNTH_CHAIN);
    ub_corpus   c = {0};
    s.synth.steps = T;
    s.synth.samples = N;
    UB_CHECK(ub_synth(&s, 0, N, &c));
    int edges = 0, positive = 0;
    for (int t = 1; t < T; t++) {
        double xx = 0, xy = 0, yy = 0;
        for (int64_t n = 0; n < N; n++) {
            double x = c.states[n * T + t - 1], y = c.states[n * T + t];
            xx += x * x;
            xy += x * y;
            yy += y * y;
        }
        double slope = xy / xx, bar = 4.5 / sqrt(xx);
        CU_ASSERT_DOUBLE_EQUAL((yy - slope * xy) / N, 1, 0.1); /* 4.5 sd of a chi^2 */
        if (fabs(slope) < bar)
            continue;
        CU_ASSERT(fabs(slope) > 0.3 - bar && fabs(slope) < 0.9 + bar);
        edges++;
        positive += slope > 0;
    }
    CU_ASSERT(edges > 50 && edges < 90); /* .7 of 99, +-4 sd */
    CU_ASSERT(positive > edges / 4 && positive < 3 * edges / 4);
    ub_corpus_release(&c);
}

/* Without edges the steps are independent, so a task correlates with a step (quadratic: with its
 * square) if and only if the step is a member. */
static void tasks_hear_members(void)
{
    enum { T = 12, N = 20000 };
    const double bar = 4.5 / sqrt(N);
    double      *square = NULL;
    UB_CHECK(UB_ALLOC(square, N * T));
    for (int link = UB_LINK_LINEAR; link <= UB_LINK_TANH; link++) {
        ub_settings s = settings_of(UB_SYNTH_CHAIN);
        ub_corpus   c = {0};
        s.synth.steps = T;
        s.synth.samples = N;
        s.synth.edge = 0;
        s.synth.link = link;
        UB_CHECK(ub_synth(&s, 0, N, &c));
        for (int64_t j = 0; j < (int64_t)N * T; j++)
            square[j] = c.states[j] * c.states[j];
        for (int32_t i = 0; i < c.tasks; i++)
            for (int32_t t = 0; t < T; t++) {
                double r = correlation(N, c.states + t, T, c.targets + i, c.tasks);
                double r2 = correlation(N, square + t, T, c.targets + i, c.tasks);
                bool   heard = c.truth[t * c.tasks + i] != 0, quadratic = link == UB_LINK_QUADRATIC;
                CU_ASSERT_EQUAL(fabs(r) > bar, heard && !quadratic);
                CU_ASSERT_EQUAL(fabs(r2) > bar, heard && quadratic);
            }
        ub_corpus_release(&c);
    }
    ub_free(square);
}

/* What a step adds to the function of the step before is N(0, 1) and independent of it. */
static void non_linear_edges_follow_their_formulas(void)
{
    enum { T = 6, N = 5000 };
    double *noise = NULL;
    UB_CHECK(UB_ALLOC(noise, N));
    for (int kind = UB_TRANSITION_TANH; kind <= UB_TRANSITION_FOLD; kind++) {
        ub_settings s = settings_of(UB_SYNTH_CHAIN);
        ub_corpus   c = {0};
        s.synth.steps = T;
        s.synth.samples = N;
        s.synth.edge = 1;
        s.synth.transition = kind;
        UB_CHECK(ub_synth(&s, 0, N, &c));
        double square = 0;
        for (int64_t n = 0; n < N; n++) {
            double x = c.states[n * T + T - 2], next = c.states[n * T + T - 1];
            double f = kind == UB_TRANSITION_TANH   ? tanh(1.5 * x)
                       : kind == UB_TRANSITION_SINE ? x + sin(2 * x)
                                                    : 0.5 * x * x / (1 + fabs(x));
            noise[n] = next - f;
            square += noise[n] * noise[n] / N;
        }
        CU_ASSERT_DOUBLE_EQUAL(square, 1, 5 * sqrt(2.0 / N));
        CU_ASSERT(fabs(correlation(N, c.states + T - 2, T, noise, 1)) < 4.5 / sqrt(N));
        ub_corpus_release(&c);
    }
    ub_free(noise);
}

/* (sum w a)^2 correlates with no step, but with products of two members' steps. */
static void a_squared_sum_hears_products_of_members(void)
{
    enum { T = 8, N = 20000 };
    double     *product = NULL;
    ub_settings s = settings_of(UB_SYNTH_CHAIN);
    ub_corpus   c = {0};
    UB_CHECK(UB_ALLOC(product, N));
    s.synth.steps = T;
    s.synth.samples = N;
    s.synth.edge = 0;
    s.synth.link = UB_LINK_SQUARED_SUM;
    UB_CHECK(ub_synth(&s, 0, N, &c));
    for (int32_t i = 0; i < c.tasks; i++)
        for (int32_t t = 0; t + 1 < T; t++) {
            for (int64_t n = 0; n < N; n++)
                product[n] = c.states[n * T + t] * c.states[n * T + t + 1];
            double r = correlation(N, product, 1, c.targets + i, c.tasks);
            bool   both = c.truth[t * c.tasks + i] != 0 && c.truth[(t + 1) * c.tasks + i] != 0;
            CU_ASSERT_EQUAL(fabs(r) > 5 / sqrt(N), both);
        }
    ub_corpus_release(&c);
    ub_free(product);
}

/* Partial correlation of the first two of p variables given the others, from their covariance
 * (destroyed): sweep out the others, last to first. */
static double partial(int p, double *cov)
{
    for (int k = p - 1; k >= 2; k--)
        for (int i = 0; i < k; i++)
            for (int j = 0; j < k; j++)
                cov[i * p + j] -= cov[i * p + k] * cov[k * p + j] / cov[k * p + k];
    return cov[1] / sqrt(cov[0] * cov[p + 1]);
}

/* |z| of steps x < y given their neighbours and task i. */
static double pair_z(const ub_corpus *c, int x, int y, int i)
{
    int list[6] = {x, y}, p = 2;
    for (int t = 0; t < c->steps; t++)
        if (t != x && t != y && (abs(t - x) == 1 || abs(t - y) == 1))
            list[p++] = t;
    double mean[7] = {0}, cov[49] = {0}, row[7];
    for (int pass = 0; pass < 2; pass++)
        for (int64_t n = 0; n < c->count; n++) {
            for (int a = 0; a <= p; a++)
                row[a] =
                    (a < p ? c->states[n * c->steps + list[a]] : c->targets[n * c->tasks + i]) -
                    (pass ? mean[a] : 0);
            for (int a = 0; a <= p; a++) {
                mean[a] += pass ? 0 : row[a] / (double)c->count;
                for (int b = 0; pass && b <= p; b++)
                    cov[a * (p + 1) + b] += row[a] * row[b];
            }
        }
    return fabs(atanh(partial(p + 1, cov))) * sqrt((double)c->count - (p - 1) - 3);
}

/* The theorem the method rests on, on the corpus made for it. */
static void colliders(void)
{
    int pairs[2] = {0}, rejected[2] = {0};
    for (int seed = 1; seed <= 2; seed++) {
        ub_settings s = settings_of(UB_SYNTH_CHAIN);
        ub_corpus   c = {0};
        s.run.seed = seed;
        UB_CHECK(ub_synth(&s, 0, 10000, &c));
        for (int i = 0; i < c.tasks; i++)
            for (int y = 3; y < c.steps; y += 2)
                for (int x = 1; x < y; x += 2) {
                    int both = c.truth[x * c.tasks + i] && c.truth[y * c.tasks + i];
                    pairs[both]++;
                    rejected[both] += pair_z(&c, x, y, i) > 1.96;
                }
        ub_corpus_release(&c);
    }
    CU_ASSERT(pairs[0] > 100 && pairs[1] > 30);
    CU_ASSERT(rejected[0] < 0.09 * pairs[0]);
    CU_ASSERT(rejected[1] > 0.8 * pairs[1]);
}

/* R^2 of `q` columns of y from the listed columns of x, first n rows against the rest. */
static double found(const ub_corpus *c, const int *columns, int p, const double *y, int q)
{
    int64_t n = c->count / 2;
    double *x = NULL, *r2 = NULL, mean = 0;
    UB_CHECK(UB_ALLOC(x, c->count * (p + 1)));
    UB_CHECK(UB_ALLOC(r2, q));
    for (int64_t i = 0; i < c->count; i++)
        for (int j = 0; j < p; j++)
            x[i * p + j] = c->latents[i * c->latent_dim + columns[j]];
    UB_CHECK(ub_judge_r2(n, n, p, q, x, y, x + n * p, y + n * q, 1e-3, r2));
    for (int j = 0; j < q; j++)
        mean += r2[j] / q;
    ub_free(x);
    ub_free(r2);
    return mean;
}

/* A task is told by its own latents, all of them, and by no other. */
static void tasks_need_their_latents(void)
{
    ub_settings s = settings_of(UB_SYNTH_LATENT);
    ub_corpus   c = {0};
    double     *y = NULL;
    s.synth.tasks = 2;
    s.synth.samples = 1000;
    UB_CHECK(ub_synth(&s, 0, 1000, &c));
    CU_ASSERT_EQUAL(c.latent_dim, 6);
    CU_ASSERT_EQUAL(memcmp(c.latent_relevant, "\1\0\1\1\0\1\0\0\0\0\0\0", 12), 0);
    UB_CHECK(UB_ALLOC(y, 4000));
    for (int i = 0; i < 2; i++) {
        int own[2] = {i, i + 1}, other[4] = {2 - 2 * i, 3, 4, 5};
        for (int64_t n = 0; n < 1000; n++)
            memcpy(y + 4 * n, c.targets + 8 * n + 4 * i, 4 * sizeof *y);
        CU_ASSERT(found(&c, own, 2, y, 4) > 0.96);
        CU_ASSERT(found(&c, own, 1, y, 4) < 0.8);
        CU_ASSERT(found(&c, own + 1, 1, y, 4) < 0.8);
        double none = found(&c, other, 4, y, 4);
        CU_ASSERT(none < 0.01 && none > -0.1);
    }
    ub_free(y);
    ub_corpus_release(&c);
}

static void observation_holds_all_latents(void)
{
    ub_settings s = settings_of(UB_SYNTH_LATENT);
    ub_corpus   c = {0};
    double      r2[6];
    s.synth.samples = 1600;
    UB_CHECK(ub_synth(&s, 0, 1600, &c));
    CU_ASSERT(c.steps == 1 && c.dim == 12 && c.segment == 1 && ub_corpus_segments(&c) == 1);
    for (int i = 0; i < c.tasks; i++)
        CU_ASSERT_EQUAL(c.truth[i], 1);
    UB_CHECK(ub_judge_r2(800, 800, 12, 6, c.states, c.latents, c.states + 800 * 12,
                         c.latents + 800 * 6, 1e-4, r2));
    for (int j = 0; j < 6; j++) {
        CU_ASSERT(r2[j] > 0.95);
        for (int h = 0; h < j; h++)
            CU_ASSERT(fabs(correlation(1600, c.latents + j, 6, c.latents + h, 6)) < 0.11);
    }
    ub_corpus_release(&c);
}

static void every_relevant_latent_is_needed(void)
{
    for (int relevant = 1; relevant < 9; relevant++)
        for (int tasks = 1; tasks < 8; tasks++) {
            ub_settings s = settings_of(UB_SYNTH_LATENT);
            ub_corpus   c = {0};
            s.synth.relevant = relevant;
            s.synth.irrelevant = 2;
            s.synth.tasks = tasks;
            s.synth.task_dim = 1 + relevant % 5;
            UB_CHECK(ub_synth(&s, 3, 4, &c));
            for (int j = 0; j < relevant + 2; j++) {
                int users = 0;
                for (int i = 0; i < tasks; i++)
                    users += c.latent_relevant[j * tasks + i];
                CU_ASSERT_EQUAL(users > 0, j < relevant);
            }
            for (int64_t j = 0; j < 4 * c.task_offset[tasks]; j++)
                CU_ASSERT(isfinite(c.targets[j]));
            ub_corpus_release(&c);
        }
}

static void refusals(void)
{
    ub_corpus   c = {0};
    ub_settings s = settings_of(UB_SYNTH_CHAIN);
    UB_CHECK_FAILS(ub_synth(&s, 9999, 2, &c), UB_EARG, "among the 10000");
    UB_CHECK_FAILS(ub_synth(&s, -1, 2, &c), UB_EARG, "-1 .. 0");
    s.synth.steps = 21;
    UB_CHECK_FAILS(ub_synth(&s, 0, 1, &c), UB_ERANGE, "21 is not a multiple");
    s.synth.segment_length = 21;
    UB_CHECK_FAILS(ub_synth(&s, 0, 1, &c), UB_ERANGE, "at least two");
    s = settings_of(UB_SYNTH_LATENT);
    s.synth.obs_dim = 5;
    UB_CHECK_FAILS(ub_synth(&s, 0, 1, &c), UB_ERANGE, "less than the 6 latents");
    CU_ASSERT_PTR_NULL(c.states);
}

UB_SUITE("synth", {"the same corpus whoever makes which part", any_split},
         {"memberships have their probability and at least two segments", memberships},
         {"states are a chain with the stated edges", chain_of_states},
         {"a task hears its members and nobody else", tasks_hear_members},
         {"non-linear edges follow their formulas", non_linear_edges_follow_their_formulas},
         {"a squared sum hears products of members", a_squared_sum_hears_products_of_members},
         {"two steps depend given band and task if both are members", colliders},
         {"a task needs all of its latents and no other", tasks_need_their_latents},
         {"an observation holds all latents", observation_holds_all_latents},
         {"every relevant latent is needed by a task", every_relevant_latent_is_needed},
         {"a corpus that cannot be made is refused", refusals})
