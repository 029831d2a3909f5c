/* The computing half of the trainer: float against double. */
#include <math.h>
#include <string.h>

#include "core/internal/learner.h"
#include "core/objective.h"
#include "core/rng.h"
#include "tests/support/suite.h"

enum { EPISODES = 80, DIM = 5, TASKS = 2, TARGETS = 3, LATENTS = 3, SHARDS = 2 };

static const ub_model_shape shape = {.dim = DIM,
                                     .latents = LATENTS,
                                     .hidden = 9,
                                     .layers = 2,
                                     .head_hidden = 6,
                                     .tasks = TASKS,
                                     .targets = TARGETS};
static const double         unit[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
static const uint8_t        use[] = {1, 0, 1, 1};

typedef struct pair {
    ub_corpus   corpus;
    ub_targets  targets;
    ub_learner *a, *b; /* double and single */
    int64_t     n;     /* parameters */
    double     *state, *wide;
    double     *x; /* a part in double, and in single */
    float      *y;
} pair;

static void setup(pair *p, int penalty)
{
    ub_settings s;
    *p = (pair){.corpus = {.episodes = EPISODES,
                           .count = EPISODES,
                           .steps = 2,
                           .dim = DIM,
                           .tasks = TASKS,
                           .segment = 1}};
    UB_CHECK(UB_ALLOC(p->corpus.task_offset, TASKS + 1));
    p->corpus.task_offset[1] = 2;
    p->corpus.task_offset[2] = TARGETS;
    UB_CHECK(ub_corpus_alloc(&p->corpus));
    ub_rng r = ub_rng_make(4, UB_RNG_TEST, 0);
    for (int k = 0; k < EPISODES * 2 * DIM; k++)
        p->corpus.states[k] = ub_rng_normal(&r);
    for (int k = 0; k < EPISODES * TARGETS; k++)
        p->corpus.targets[k] = ub_rng_normal(&r);
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &s));
    s.disentangle.penalty = penalty;
    s.disentangle.shards = SHARDS;
    s.disentangle.batch = 60;
    ub_range own = {0, SHARDS};
    UB_CHECK(ub_targets_init(&p->corpus, &s, &p->targets));
    UB_CHECK(ub_learner_double.create(&p->corpus, &p->targets, own, use, unit, &s, &shape, &p->a));
    UB_CHECK(ub_learner_single.create(&p->corpus, &p->targets, own, use, unit, &s, &shape, &p->b));
    p->n = ub_learner_double.facts(p->a).parameters;
    CU_ASSERT_EQUAL(p->n, ub_learner_single.facts(p->b).parameters);
    UB_CHECK(UB_ALLOC(p->state, 3 * p->n));
    UB_CHECK(UB_ALLOC(p->wide, 3 * p->n));
    UB_CHECK(UB_ALLOC(p->x, p->n + ub_learner_double.facts(p->a).terms));
    UB_CHECK(UB_ALLOC(p->y, p->n + ub_learner_double.facts(p->a).terms));
}

static void release(pair *p)
{
    ub_learner_double.destroy(&p->a);
    ub_learner_single.destroy(&p->b);
    ub_corpus_release(&p->corpus);
    ub_targets_release(&p->targets);
    ub_free(p->state);
    ub_free(p->wide);
    ub_free(p->x);
    ub_free(p->y);
}

/* The same weights for both, with latents almost without noise: the two draw different numbers. */
static void start_quietly(pair *p)
{
    ub_layer layer[16];
    int32_t  count = ub_model_layers(&shape, p->corpus.task_offset, layer);
    CU_ASSERT(count <= 16);
    ub_learner_single.start(p->b, 1);
    ub_learner_single.get(p->b, p->state);
    const ub_layer *last = &layer[shape.layers]; /* of the encoder */
    double         *bias = p->state + last->at + (int64_t)last->in * last->out;
    for (int j = 0; j < LATENTS; j++)
        bias[LATENTS + j] = -40;
    ub_learner_double.set(p->a, p->state);
    ub_learner_single.set(p->b, p->state);
}

/* Gradient and terms of a shard into x, and into y. */
static void train_double(pair *p, const ub_learner_step *step, int64_t s)
{
    ub_learner_double.pass(p->a, step, (ub_range){s, 1});
    for (int32_t k = 0; k < ub_learner_double.facts(p->a).ranges; k++)
        ub_learner_double.part(p->a, s, k, p->x + ub_learner_double.facts(p->a).at[k], false);
}

static void train_single(pair *p, const ub_learner_step *step, int64_t s)
{
    ub_learner_single.pass(p->b, step, (ub_range){s, 1});
    for (int32_t k = 0; k < ub_learner_single.facts(p->b).ranges; k++)
        ub_learner_single.part(p->b, s, k, p->y + ub_learner_single.facts(p->b).at[k], false);
}

/* |x - y| over |x|, of the first n numbers. */
static double apart(const double *x, const float *y, int64_t n)
{
    double square = 0, difference = 0;
    for (int64_t k = 0; k < n; k++) {
        square += x[k] * x[k];
        difference += (x[k] - y[k]) * (x[k] - y[k]);
    }
    return sqrt(difference / square);
}

static void precisions_agree(void)
{
    for (int penalty = UB_PENALTY_NONE; penalty <= UB_PENALTY_JACOBIAN_GROUP; penalty++) {
        pair            p;
        ub_learner_step step = {.epoch = 3, .step = 1, .phase = 9, .lambda = 0.2};
        setup(&p, penalty);
        start_quietly(&p);
        for (int64_t s = 0; s < SHARDS; s++) {
            train_double(&p, &step, s);
            train_single(&p, &step, s);
            CU_ASSERT(apart(p.x, p.y, p.n) < 3e-6);
            CU_ASSERT(apart(p.x, p.y, p.n) > 1e-9); /* they are two */
            UB_CHECK_CLOSE(sqrt(ub_learner_single.square(p.y, p.n)),
                           sqrt(ub_learner_double.square(p.x, p.n)), 1e-5);
            for (int k = 0; k < UB_TERMS; k++)
                UB_CHECK_CLOSE(p.y[p.n + k], p.x[p.n + k], 1e-5);
            ub_learner_double.evaluate(p.a, 0.2, s, p.x);
            ub_learner_single.evaluate(p.b, 0.2, s, p.y);
            for (int k = 0; k < UB_TERMS + (2 + TASKS) * LATENTS; k++)
                UB_CHECK_CLOSE(p.y[k], p.x[k], 1e-5);
        }
        release(&p);
    }
}

/* A hundred updates with the same gradients. */
static void updates_agree(void)
{
    pair   p;
    ub_rng r = ub_rng_make(4, UB_RNG_TEST, 1);
    setup(&p, UB_PENALTY_MASK);
    start_quietly(&p);
    for (int t = 1; t <= 100; t++) {
        for (int64_t k = 0; k < p.n; k++)
            p.x[k] = p.y[k] = (float)ub_rng_normal(&r);
        ub_update u = {.number = t, .rate = 1e-3, .scale = 1};
        for (int32_t k = 0; k < ub_learner_double.facts(p.a).ranges; k++) {
            int64_t at = ub_learner_double.facts(p.a).at[k];
            ub_learner_double.update(p.a, k, &u, p.x + at);
            ub_learner_single.update(p.b, k, &u, p.y + at);
        }
    }
    ub_learner_double.get(p.a, p.state);
    ub_learner_single.get(p.b, p.wide);
    for (int64_t k = 0; k < 3 * p.n; k++)
        UB_CHECK_CLOSE(p.wide[k], p.state[k], 2e-6);
    ub_learner_double.fold(p.a, p.state);
    ub_learner_single.fold(p.b, p.wide);
    for (int64_t k = 0; k < p.n - TASKS * LATENTS; k++)
        UB_CHECK_CLOSE(p.wide[k], p.state[k], 2e-6);
    release(&p);
}

static void state_is_exact(void)
{
    pair p;
    setup(&p, UB_PENALTY_MASK);
    ub_learner_single.start(p.b, 2);
    train_single(&p, &(ub_learner_step){.lambda = 0.1}, 0);
    for (int32_t k = 0; k < ub_learner_single.facts(p.b).ranges; k++)
        ub_learner_single.update(p.b, k, &(ub_update){.number = 1, .rate = 1e-3, .scale = 1},
                                 p.y + ub_learner_single.facts(p.b).at[k]);
    ub_learner_single.get(p.b, p.state);
    ub_learner_single.start(p.b, 3);
    ub_learner_single.set(p.b, p.state);
    ub_learner_single.get(p.b, p.wide);
    CU_ASSERT_EQUAL(memcmp(p.state, p.wide, 3 * (size_t)p.n * sizeof *p.state), 0);
    ub_learner_single.widen(p.y, p.n, p.wide);
    double square = 0;
    for (int64_t k = 0; k < p.n; k++) {
        CU_ASSERT_EQUAL(p.wide[k], (double)p.y[k]);
        square += p.wide[k] * p.wide[k];
    }
    UB_CHECK_CLOSE(ub_learner_single.square(p.y, p.n), square, 1e-13);
    release(&p);
}

UB_SUITE("learner", {"gradient, terms and evaluation are those of double", precisions_agree},
         {"updates are those of double", updates_agree},
         {"the state in doubles is exact", state_is_exact})
