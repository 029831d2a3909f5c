/* Controllable generation: what moves, what stays, and what leaks in models made by hand. */
#include <math.h>
#include <string.h>

#include "core/generate.h"
#include "core/rng.h"
#include "tests/support/suite.h"

enum { LATENTS = 4, TASKS = 2, DIM = 4, PAIRS = 200, TRAIN = 500 };

static const ub_model_shape shape = {.dim = DIM,
                                     .latents = LATENTS,
                                     .hidden = DIM,
                                     .layers = 1,
                                     .head_hidden = 2,
                                     .tasks = TASKS,
                                     .targets = 3};
static const int32_t        offset[] = {0, 2, 3};

/* Weight [out][in] of a layer. */
static double *weight(ub_model *m, int layer, int out, int in)
{
    ub_layer l[16];
    (void)ub_model_layers(&shape, offset, l);
    return &m->w[l[layer].at + (int64_t)out * l[layer].in + in];
}

/* Layers of this shape: encoder 0 and 1, decoder 2 and 3, head 0: 4 and 5, head 1: 6 and 7.  The
 * decoder copies the latents (they are above 0, where a leaky rectifier does nothing); a head is
 * tanh(eps x) / eps, nearly linear, so that shares can be computed by hand.
 *   mix  how much latent 0 enters task 1, beside latent 2 */
static void make_model(double mix, ub_model *m)
{
    UB_CHECK(ub_model_alloc(&shape, offset, m));
    for (int j = 0; j < DIM; j++) {
        *weight(m, 2, j, j) = *weight(m, 3, j, j) = 1;
        m->norm[j] = 0.5;
    }
    for (int j = 0; j < DIM + 3; j++)
        m->norm[DIM + 3 + j] = 1 + j;
    *weight(m, 4, 0, 0) = *weight(m, 4, 1, 1) = 1e-5;
    *weight(m, 5, 0, 0) = *weight(m, 5, 1, 1) = 1e5;
    *weight(m, 6, 0, 2) = 1e-5;
    *weight(m, 6, 0, 0) = mix * 1e-5;
    *weight(m, 7, 0, 0) = 1e5;
    for (int i = 0; i < TASKS; i++)
        for (int j = 0; j < LATENTS; j++) {
            double s = i == 0 ? (j < 2 ? 1 : 0) : j == 2 ? 1 : j == 0 ? mix : 0;
            m->strength[i * LATENTS + j] = 0.3 * s;
            m->relevant[i * LATENTS + j] = s > 0.1;
        }
}

/* Positive latents; every coordinate of b - a is +-1 independently of the others, and in the first
 * 16 * k pairs in every combination, so that cross terms cancel. */
static void make_pairs(double *a, double *b)
{
    ub_rng r = ub_rng_make(5, UB_RNG_TEST, 0);
    for (int p = 0; p < PAIRS / 16 * 16; p++)
        for (int j = 0; j < LATENTS; j++) {
            int up = p >> j & 1;
            a[p * LATENTS + j] = 2 + ub_rng_uniform(&r) - up;
            b[p * LATENTS + j] = a[p * LATENTS + j] + 2 * up - 1;
        }
}

static void own_latents(void)
{
    static const struct {
        uint8_t chosen[TASKS];
        double  mix;
        bool    own;
        uint8_t moved[LATENTS];
    } table[] = {
        {{1, 0}, 0, true, {1, 1, 0, 0}},    {{0, 1}, 0, true, {0, 0, 1, 0}},
        {{1, 1}, 0, true, {1, 1, 1, 0}},    {{0, 0}, 0, false, {0, 0, 0, 0}},
        {{1, 0}, 0.3, true, {1, 1, 0, 0}},  {{0, 1}, 0.3, false, {1, 0, 1, 0}},
        {{0, 1}, 0.3, true, {0, 0, 1, 0}},  {{1, 0}, 0.7, true, {0, 1, 0, 0}},
        {{1, 0}, 0.7, false, {1, 1, 0, 0}}, {{1, 1}, 0.7, true, {1, 1, 1, 0}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        ub_model m;
        uint8_t  moved[LATENTS];
        int32_t  want = 0;
        make_model(table[i].mix, &m);
        int32_t count = ub_generate_moved(&m, table[i].chosen, table[i].own, moved);
        for (int j = 0; j < LATENTS; j++)
            want += table[i].moved[j];
        CU_ASSERT_EQUAL(count, want);
        CU_ASSERT_EQUAL(memcmp(moved, table[i].moved, sizeof moved), 0);
        ub_model_release(&m);
    }
}

static void blend_touches_nothing_else(void)
{
    static const uint8_t moved[] = {0, 1, 0, 1};
    double               a[6 * LATENTS], b[6 * LATENTS], x[6 * LATENTS], y[6 * LATENTS];
    ub_rng               r = ub_rng_make(6, UB_RNG_TEST, 0);
    for (int i = 0; i < 6 * LATENTS; i++) {
        a[i] = ub_rng_normal(&r);
        b[i] = 1e3 * ub_rng_normal(&r);
    }
    a[0] = -0.0;
    for (int k = 0; k <= 10; k++) {
        ub_generate_blend(6, LATENTS, moved, a, b, k / 10.0, x);
        for (int i = 0; i < 6 * LATENTS; i++)
            if (!moved[i % LATENTS] || k == 0)
                CU_ASSERT_EQUAL(memcmp(&x[i], &a[i], sizeof *x), 0)
            else
                UB_CHECK_CLOSE(x[i], a[i] + k / 10.0 * (b[i] - a[i]), 1e-12);
    }
    for (int i = 1; i < 6 * LATENTS; i += 2) /* t = 1 is b, to the bit */
        CU_ASSERT_EQUAL(memcmp(&x[i], &b[i], sizeof *x), 0);
    /* Swapped into each other, and once more: what was there before, to the bit. */
    double x2[6 * LATENTS], y2[6 * LATENTS];
    ub_generate_blend(6, LATENTS, moved, b, a, 1, y);
    ub_generate_blend(6, LATENTS, moved, x, y, 1, x2);
    ub_generate_blend(6, LATENTS, moved, y, x, 1, y2);
    CU_ASSERT_EQUAL(memcmp(x2, a, sizeof a), 0);
    CU_ASSERT_EQUAL(memcmp(y2, b, sizeof b), 0);
}

/* Nothing leaks out of a perfectly separated model; with task 1 = z2 + mix z0 and steps of +-1 in
 * every combination, moving latents 0 and 1 changes it by mix^2 / (1 + mix^2) of a full swap. */
static void leakage_is_the_formula(void)
{
    static double       a[PAIRS * LATENTS], b[PAIRS * LATENTS];
    static const double mixes[] = {0, 0.3, 0.45};
    make_pairs(a, b);
    for (size_t i = 0; i < 3; i++) {
        ub_model     m;
        ub_leakage   l;
        double       c = mixes[i] * mixes[i] / (1 + mixes[i] * mixes[i]);
        ub_leak_data d = {.pairs = PAIRS / 16 * 16, .a = a, .b = b};
        make_model(mixes[i], &m);
        UB_CHECK(ub_leakage_measure(&m, &d, &l));
        CU_ASSERT(l.task[0].own == 2 && l.task[0].moved == 2 && l.task[1].own == 1);
        UB_CHECK_CLOSE(l.task[0].effect, 1, 1e-6);
        UB_CHECK_CLOSE(l.task[0].into_tasks, c, 1e-6);
        UB_CHECK_CLOSE(l.task[0].leakage, c, 1e-6);
        UB_CHECK_CLOSE(l.task[1].effect, 1 - c, 1e-6);
        CU_ASSERT_EQUAL(l.task[1].leakage, 0);
        CU_ASSERT(isnan(l.task[0].into_factors));
        UB_CHECK_CLOSE(l.overall, c / 2, 1e-6);
        ub_leakage_release(&l);
        ub_model_release(&m);
    }
}

/* All latents shared: there is no own one, everything moves, and the leakage is 1. */
static void shared_latents_leak_all(void)
{
    static double a[PAIRS * LATENTS], b[PAIRS * LATENTS];
    ub_model      m;
    ub_leakage    l;
    ub_leak_data  d = {.pairs = PAIRS / 16 * 16, .a = a, .b = b};
    make_pairs(a, b);
    make_model(0.3, &m);
    for (int i = 0; i < TASKS * LATENTS; i++) {
        m.strength[i] = 1;
        m.relevant[i] = 1;
    }
    UB_CHECK(ub_leakage_measure(&m, &d, &l));
    CU_ASSERT(l.task[0].own == 0 && l.task[0].moved == LATENTS);
    CU_ASSERT(l.task[0].effect == 1 && l.task[1].into_tasks == 1 && l.overall == 1);
    memset(m.relevant, 0, TASKS * LATENTS);
    ub_leakage_release(&l);
    UB_CHECK(ub_leakage_measure(&m, &d, &l));
    CU_ASSERT(l.task[0].effect == 0 && isnan(l.task[0].leakage) && isnan(l.overall));
    d.pairs = 0;
    ub_leakage_release(&l);
    UB_CHECK_FAILS(ub_leakage_measure(&m, &d, &l), UB_EARG, "none");
    ub_model_release(&m);
}

/* Pairs in which a task does not count say nothing about it. */
static void use_is_heeded(void)
{
    static double  a[PAIRS * LATENTS], b[PAIRS * LATENTS];
    static uint8_t use[PAIRS * TASKS];
    ub_model       m;
    ub_leakage     l;
    ub_leak_data   d = {.pairs = PAIRS / 16 * 16, .a = a, .b = b, .use = use};
    make_pairs(a, b);
    make_model(0.45, &m);
    for (int p = 0; p < PAIRS; p++) {
        use[p * TASKS] = 1;
        use[p * TASKS + 1] = (p & 1) == 0; /* where z0 falls ... */
        if (p & 1)
            continue;
        b[p * LATENTS] = a[p * LATENTS]; /* ... but here it stays */
    }
    UB_CHECK(ub_leakage_measure(&m, &d, &l));
    CU_ASSERT_EQUAL(l.task[0].into_tasks, 0);
    CU_ASSERT(l.task[0].effect > 0.99);
    d.use = NULL;
    ub_leakage_release(&l);
    UB_CHECK(ub_leakage_measure(&m, &d, &l));
    CU_ASSERT(l.task[0].into_tasks > 0.05);
    ub_leakage_release(&l);
    ub_model_release(&m);
}

/* Factors are the decoded observations themselves.  Latent 3 is nobody's: with it mixed into what
 * latent 0 draws, moving task 0 moves factor 3 by a share that can be computed. */
static void factors_are_judged(void)
{
    static double        a[PAIRS * LATENTS], b[PAIRS * LATENTS], obs[TRAIN * DIM];
    static double        truth[TRAIN * DIM];
    static const uint8_t needed[] = {1, 0, 1, 0, 0, 1, 0, 0}; /* factors x tasks */
    ub_rng               r = ub_rng_make(7, UB_RNG_TEST, 0);
    make_pairs(a, b);
    for (int i = 0; i < TRAIN * DIM; i++) {
        truth[i] = 5 * ub_rng_uniform(&r); /* wherever a and b are */
        obs[i] = 0.5 + (1 + i % DIM) * truth[i];
    }
    for (int mixed = 0; mixed <= 1; mixed++) {
        ub_model     m;
        ub_leakage   l;
        ub_leak_data d = {.pairs = PAIRS / 16 * 16,
                          .a = a,
                          .b = b,
                          .factors = DIM,
                          .needed = needed,
                          .train = TRAIN,
                          .obs = obs,
                          .truth = truth,
                          .known = a,
                          .ridge = 1e-6};
        make_model(0, &m);
        *weight(&m, 3, 3, 0) = mixed ? 0.5 : 0; /* factor 3 = z3 + z0 / 2 */
        UB_CHECK(ub_leakage_measure(&m, &d, &l));
        for (int f = 0; f < DIM - mixed; f++)
            CU_ASSERT(l.r2[f] > 0.98);
        /* of factors 2 and 3 that task 0 does not need, one moves by .25 / 1.25 */
        double want = mixed ? 0.1 : 0;
        CU_ASSERT_DOUBLE_EQUAL(l.task[0].into_factors, want, 0.02);
        CU_ASSERT_DOUBLE_EQUAL(l.task[0].leakage, 2 * want / 3, 0.02);
        CU_ASSERT_DOUBLE_EQUAL(l.task[1].into_factors, 0, 0.02);
        CU_ASSERT(l.tasks == TASKS && l.factors == DIM);
        CU_ASSERT_DOUBLE_EQUAL(l.change[TASKS + 0], 1, 0.02); /* of task 0: what it needs ... */
        CU_ASSERT_DOUBLE_EQUAL(l.change[TASKS + 3], 2 * want, 0.03);
        CU_ASSERT_DOUBLE_EQUAL(l.change[(TASKS + DIM) + TASKS + 2], 1, 0.02); /* ... and of 1 */
        ub_leakage_release(&l);
        ub_model_release(&m);
    }
}

UB_SUITE("generate", {"a task's own latents are those no other task is near", own_latents},
         {"a blend moves what it is told, and a swap undoes a swap", blend_touches_nothing_else},
         {"leakage is 0 when separated and the known share when mixed", leakage_is_the_formula},
         {"a model whose tasks share every latent leaks everything", shared_latents_leak_all},
         {"a prediction is looked at where its task counts", use_is_heeded},
         {"factors are read from decoded observations", factors_are_judged})
