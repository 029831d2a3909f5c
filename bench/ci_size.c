/* Size and power of a conditional independence test on chains, non-linear or linear.
 *
 *   ci_size TEST N REPLICATIONS FIRST_SEED [CHAIN|all [LINK|all [STEPS]]]
 *
 * CHAIN: tanh, sine, fold (all), linear; LINK: linear, squared_sum, quadratic (all), tanh, signs:
 * discrete variables, s_t = sign(a s_{t-1} + noise), g = sign(sum w s + noise), whatever the chain.
 *
 * Replication i makes, for every chain and kind of task, a corpus of N episodes, each with a seed
 * of its own (FIRST_SEED + 9 i + 3 chain + kind): `unbraid synth` with synth.transition,
 * synth.link, synth.edge = 1, T = STEPS (10), L = 2, eight tasks that every segment joins with
 * probability 1/2.  In each corpus eight questions are asked, one a cell: neither step in the task,
 * only the earlier, only the later, both; segments adjacent or not.  Step and task are drawn at
 * random among those of the cell, so that the runs of a cell are independent of each other (cells
 * share corpora).  The question is that of `conditioning: band`, last steps of the segments, alpha
 * = .05.
 *
 * Output: a line a cell, then seconds of CPU time a test. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/support.h"
#include "core/ci_test.h"
#include "core/mem.h"
#include "core/moments.h"
#include "core/rng.h"
#include "core/settings.h"
#include "core/synth.h"

enum { TASKS = 8, KINDS = 4, CELLS = 2 * KINDS, MOST_OTHERS = 16, MOST_STEPS = 32 };
/* `all` is the first three of either. */
enum { ALL = 3, CHAINS = 4, LINKS = 5, SIGNS = LINKS - 1 };
static const char *const chains[CHAINS] = {"tanh", "sine", "fold", "linear"};
static const char *const links[LINKS] = {"linear", "squared_sum", "quadratic", "tanh", "signs"};
static const int transition[CHAINS] = {UB_TRANSITION_TANH, UB_TRANSITION_SINE, UB_TRANSITION_FOLD,
                                       UB_TRANSITION_LINEAR};
static const int kind[LINKS] = {UB_LINK_LINEAR, UB_LINK_SQUARED_SUM, UB_LINK_QUADRATIC,
                                UB_LINK_TANH, UB_LINK_LINEAR};
static const char *const kinds[] = {"neither", "x", "y", "both"};

typedef struct tally {
    int runs, rejected, unanswered;
    int others_runs[MOST_OTHERS], others_rejected[MOST_OTHERS]; /* by further members of the task */
} tally;

static double sign(double v)
{
    return v < 0 ? -1 : 1;
}

/* +-U(low, high) */
static double slope(ub_rng *r, double low, double high)
{
    double size = low + (high - low) * ub_rng_uniform(r);
    return ub_rng_below(r, 2) == 0 ? size : -size;
}

/* Other values for the same truth: slopes, weights and noise as core/synth.h has them, but every
 * variable is a sign as soon as it is made, so that neighbours are all that a step depends on. */
static void make_signs(ub_corpus *c, uint64_t seed)
{
    double a[MOST_STEPS], w[MOST_STEPS * TASKS];
    ub_rng r = ub_rng_make(seed, UB_RNG_TEST, 1);
    for (int32_t t = 0; t < c->steps; t++) {
        a[t] = slope(&r, 0.3, 0.9);
        for (int32_t g = 0; g < TASKS; g++)
            w[t * TASKS + g] = c->truth[t * TASKS + g] ? slope(&r, 0.5, 1.5) : 0;
    }
    for (int64_t i = 0; i < c->count; i++) {
        double *s = c->states + i * c->steps, *target = c->targets + i * TASKS;
        for (int32_t t = 0; t < c->steps; t++)
            s[t] = sign((t > 0 ? a[t] * s[t - 1] : 0) + ub_rng_normal(&r));
        for (int32_t g = 0; g < TASKS; g++) {
            double sum = 0.5 * ub_rng_normal(&r);
            for (int32_t t = 0; t < c->steps; t++)
                sum += w[t * TASKS + g] * s[t];
            target[g] = sign(sum);
        }
    }
}

/* Columns of steps, then of tasks, after the test's transform. */
static double *columns_of(const ub_corpus *c, const ub_ci_test *test)
{
    double *x = NULL;
    int64_t n = c->count;
    ub_bench_check(UB_ALLOC(x, n * (c->steps + TASKS)));
    for (int64_t i = 0; i < n; i++) {
        for (int32_t t = 0; t < c->steps; t++)
            x[t * n + i] = c->states[i * c->steps + t];
        for (int32_t g = 0; g < TASKS; g++)
            x[(c->steps + g) * n + i] = c->targets[i * TASKS + g];
    }
    ub_bench_check(ub_ci_transform(test, n, c->steps + TASKS, x));
    return x;
}

/* A question of the cell, drawn at random; 0 if the corpus has none. */
static int draw(const ub_corpus *c, int cell, ub_rng *r, int32_t *x, int32_t *y, int32_t *task)
{
    uint64_t seen = 0;
    for (int32_t k = 1; k < c->steps; k += 2)
        for (int32_t v = k + 2; v < c->steps; v += 2)
            for (int32_t g = 0; g < TASKS; g++) {
                int members = c->truth[k * TASKS + g] + 2 * c->truth[v * TASKS + g];
                if (members + KINDS * (v > k + 2) != cell)
                    continue;
                if (ub_rng_below(r, ++seen) == 0) { /* the i-th replaces with probability 1/i */
                    *x = k;
                    *y = v;
                    *task = g;
                }
            }
    return seen > 0;
}

static void ask(const ub_ci_test *test, void *state, const ub_corpus *c, int64_t id, int32_t x,
                int32_t y, int32_t task, tally *t)
{
    int32_t      near[] = {x - 1, x + 1, y - 1, y + 1}, z[5], nz = 0, g = c->steps + task;
    int          others = 0;
    ub_ci_result r;
    for (int i = 0; i < 4; i++)
        if (near[i] < c->steps && (nz == 0 || near[i] > z[nz - 1]))
            z[nz++] = near[i];
    z[nz++] = g;
    ub_ci_query q = {id, &x, &y, z, 1, 1, nz, 1};
    ub_bench_check(test->eval(state, &q, &r));
    for (int32_t k = 1; k < c->steps; k += 2)
        others += k != x && k != y && c->truth[k * TASKS + task];
    t->runs++;
    t->unanswered += r.verdict != UB_CI_OK;
    t->rejected += r.p_value <= 0.05;
    t->others_runs[others]++;
    t->others_rejected[others] += r.p_value <= 0.05;
}

/* The eight questions of one corpus; returns the seconds they took. */
static double replicate(const ub_ci_test *test, ub_settings *s, bool signs, tally *t)
{
    ub_corpus  c;
    ub_moments m;
    void      *state = NULL;
    ub_rng     r = ub_rng_make((uint64_t)s->run.seed, UB_RNG_TEST, 0);
    ub_bench_check(ub_synth(s, 0, s->synth.samples, &c));
    if (signs)
        make_signs(&c, (uint64_t)s->run.seed);
    double *x = columns_of(&c, test);
    ub_bench_check(ub_moments_of_columns(c.count, c.steps + TASKS, x, &m));
    ub_ci_data data = {&m, x};
    double     start = 1e-3 * ub_bench_cpu_ms();
    ub_bench_check(test->open(&data, s, &state));
    for (int cell = 0; cell < CELLS; cell++) {
        int32_t a, b, task;
        if (draw(&c, cell, &r, &a, &b, &task))
            ask(test, state, &c, cell, a, b, task, &t[cell]);
    }
    double took = 1e-3 * ub_bench_cpu_ms() - start;
    test->close(state);
    ub_moments_release(&m);
    ub_free(x);
    ub_corpus_release(&c);
    return took;
}

static void print(const char *chain, const char *link, const tally *t)
{
    for (int cell = 0; cell < CELLS; cell++) {
        const tally *v = &t[cell];
        double       p = v->runs > 0 ? (double)v->rejected / v->runs : 0;
        printf("%-5s %-12s %-8s %-9s %4d/%-4d %.3f se %.3f unanswered %d by_others", chain, link,
               kinds[cell % KINDS], cell < KINDS ? "adjacent" : "far", v->rejected, v->runs, p,
               v->runs > 0 ? sqrt(p * (1 - p) / v->runs) : 0, v->unanswered);
        for (int o = 0; o < MOST_OTHERS; o++)
            if (v->others_runs[o] > 0)
                printf(" %d:%d/%d", o, v->others_rejected[o], v->others_runs[o]);
        printf("\n");
    }
    (void)fflush(stdout);
}

static bool wanted(const char *asked, const char *name, int number)
{
    return strcmp(asked, "all") == 0 ? number < ALL : strcmp(asked, name) == 0;
}

int main(int argc, char **argv)
{
    static ub_settings s;
    const ub_ci_test  *test = argc > 4 ? ub_ci_find(argv[1]) : NULL;
    long long          steps = argc > 7 ? atoll(argv[7]) : 10;
    if (test == NULL || steps > MOST_STEPS) {
        (void)fprintf(stderr,
                      "usage: ci_size TEST N REPLICATIONS FIRST_SEED [CHAIN [LINK [T <= 32]]]\n");
        return 2;
    }
    int         runs = atoi(argv[3]), asked = 0;
    double      seconds = 0;
    const char *chain = argc > 5 ? argv[5] : "all", *link = argc > 6 ? argv[6] : "all";
    ub_bench_check(ub_schema_defaults(ub_settings_schema(), &s));
    s.synth.samples = atoll(argv[2]);
    s.synth.steps = steps;
    s.synth.tasks = TASKS;
    s.synth.edge = 1;
    for (int c = 0; c < CHAINS; c++)
        for (int l = 0; l < LINKS; l++) {
            tally t[CELLS] = {0};
            if (!wanted(chain, chains[c], c) || !wanted(link, links[l], l))
                continue;
            s.synth.transition = transition[c];
            s.synth.link = kind[l];
            for (int i = 0; i < runs; i++) {
                s.run.seed = atoll(argv[4]) + 9 * i + 3 * c + l;
                seconds += replicate(test, &s, l == SIGNS, t);
            }
            for (int i = 0; i < CELLS; i++)
                asked += t[i].runs;
            print(chains[c], links[l], t);
        }
    printf("seconds_a_test=%.4f test=%s n=%s\n", asked > 0 ? seconds / asked : 0, argv[1], argv[2]);
    return 0;
}
