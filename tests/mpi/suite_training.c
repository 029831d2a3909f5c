/* Training on all ranks: the weights, log and model that one rank finds, to the bit. */
#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "mpi/training.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

enum { EPISODES = 60, DIM = 5, TARGETS = 3, SHARDS = 5, HALF = 9 };

static const double norm[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};

/* The rows of own shards of a corpus of one step an episode. */
static ub_corpus make_corpus(int64_t first, int64_t count)
{
    ub_corpus c = {.episodes = EPISODES, .first = first, .count = count, .steps = 1};
    c.dim = DIM;
    c.tasks = 2;
    c.segment = 1;
    UB_CHECK(UB_ALLOC(c.task_offset, 3));
    c.task_offset[1] = 2;
    c.task_offset[2] = TARGETS;
    UB_CHECK(ub_corpus_alloc(&c));
    for (int64_t e = 0; e < count; e++) {
        ub_rng r = ub_rng_make(31, UB_RNG_TEST, (uint64_t)(first + e));
        for (int k = 0; k < DIM; k++)
            c.states[e * DIM + k] = ub_rng_normal(&r);
        for (int k = 0; k < TARGETS; k++)
            c.targets[e * TARGETS + k] = c.states[e * DIM + k] * c.states[e * DIM + k + 1];
    }
    return c;
}

static ub_settings make_settings(int precision, int64_t hidden)
{
    ub_settings s;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &s));
    s.disentangle.precision = precision;
    s.disentangle.latents = 3;
    s.disentangle.hidden = hidden;
    s.disentangle.head_hidden = 6;
    s.disentangle.batch = 23; /* no multiple of the shards */
    s.disentangle.shards = SHARDS;
    s.disentangle.epochs = 4;
    s.disentangle.restarts = 2;
    return s;
}

/* The state after `phases` phases (all: -1) on this communicator; halfway, it goes through a state
 * as a restarted run does. */
static double *train(const ub_comm *c, const ub_settings *s, int64_t phases, int64_t *width)
{
    ub_range    own = ub_part(SHARDS, c->size, c->rank);
    ub_range    rows = ub_rows_of_rank(EPISODES, SHARDS, c->size, c->rank);
    ub_corpus   corpus = make_corpus(rows.first, rows.count);
    ub_trainer *t = NULL;
    ub_training x = {0};
    bool        stop = false;
    double     *state;
    (void)snprintf(corpus.task_name[1], UB_NAME_MAX, "kind");
    for (int64_t e = 0; e < rows.count && s->disentangle.classes[0] != '\0'; e++)
        corpus.targets[e * TARGETS + 2] = corpus.targets[e * TARGETS + 2] > 0;
    UB_CHECK(ub_trainer_create(&corpus, own, NULL, norm, s, &t));
    UB_CHECK(ub_training_init(c, t, SHARDS, &x));
    *width = ub_trainer_state_width(t);
    UB_CHECK(UB_ALLOC(state, *width));
    while (!ub_trainer_done(t) && ub_trainer_phase(t) != phases) {
        if (ub_trainer_phase(t) == HALF) {
            UB_CHECK(ub_training_gather(&x));
            ub_trainer_state_get(t, state);
            UB_CHECK(ub_trainer_state_set(t, state));
        }
        UB_CHECK(ub_training_phase(&x, &stop));
        CU_ASSERT(!stop);
    }
    UB_CHECK(ub_training_gather(&x));
    ub_trainer_state_get(t, state);
    ub_training_release(&x);
    ub_trainer_destroy(&t);
    ub_corpus_release(&corpus);
    return state;
}

static void as_alone(const ub_settings *s, int64_t phases)
{
    ub_comm self;
    int64_t width, same;
    UB_CHECK(ub_comm_init(&self, MPI_COMM_SELF));
    double *all = train(ub_world, s, phases, &width), *alone = train(&self, s, phases, &same);
    CU_ASSERT_EQUAL(width, same);
    CU_ASSERT_EQUAL(memcmp(all, alone, (size_t)width * sizeof *all), 0);
    CU_ASSERT(all[0] > HALF);
    ub_free(all);
    ub_free(alone);
    ub_comm_release(&self);
}

static void same_as_alone(int precision, int64_t hidden, int64_t phases)
{
    ub_settings s = make_settings(precision, hidden);
    as_alone(&s, phases);
}

static void whole_training(void)
{
    same_as_alone(UB_PRECISION_SINGLE, 8, -1);
    same_as_alone(UB_PRECISION_DOUBLE, 8, -1);
}

/* 300 x 300 weights are several ranges, and so are 320 x 320, whose products are joined where the
 * library lets them. */
static void layers_in_parts(void)
{
    same_as_alone(UB_PRECISION_SINGLE, 300, HALF + 2);
    same_as_alone(UB_PRECISION_SINGLE, 320, HALF + 2);
    for (int precision = UB_PRECISION_SINGLE; precision <= UB_PRECISION_DOUBLE; precision++) {
        ub_settings s = make_settings(precision, 64);
        s.disentangle.batch = 32 * SHARDS;
        as_alone(&s, -1);
    }
}

/* Clipped gradients travel whole; initialisations end early; heads of classes. */
static void other_ways(void)
{
    for (int o = UB_OPTIMIZER_ADAM; o <= UB_OPTIMIZER_SGD; o++) {
        ub_settings s = make_settings(o % 2, 8);
        s.disentangle.optimizer = o;
        s.disentangle.schedule = o;
        s.disentangle.activation = o;
        s.disentangle.warmup = 0.1;
        s.disentangle.nesterov = true;
        s.disentangle.epochs = 12;
        s.disentangle.learning_rate = 0.03;
        s.disentangle.patience = o == UB_OPTIMIZER_ADAMW ? 0 : 2;
        s.disentangle.clip = o == UB_OPTIMIZER_ADAM ? 0 : 0.5;
        if (o != UB_OPTIMIZER_ADAM)
            (void)snprintf(s.disentangle.classes, UB_TEXT_MAX, "kind=2");
        as_alone(&s, -1);
    }
}

/* The plain way of core/trainer.h: whole vectors, one copy. */
static void plain_way(void)
{
    ub_settings s = make_settings(UB_PRECISION_DOUBLE, 8);
    ub_corpus   corpus = make_corpus(0, EPISODES);
    ub_trainer *t = NULL;
    ub_comm     self;
    int64_t     width;
    double     *part[SHARDS], *state;
    UB_CHECK(ub_comm_init(&self, MPI_COMM_SELF));
    double *want = train(&self, &s, HALF, &width);
    UB_CHECK(ub_trainer_create(&corpus, (ub_range){0, SHARDS}, NULL, norm, &s, &t));
    UB_CHECK(UB_ALLOC(state, width));
    int64_t n = ub_trainer_width(t);
    for (int k = 0; k < SHARDS; k++)
        UB_CHECK(UB_ALLOC(part[k], n));
    while (ub_trainer_phase(t) < HALF) {
        for (int k = 0; k < SHARDS; k++)
            UB_CHECK(ub_trainer_shard(t, k, part[k]));
        for (int64_t i = 0; i < n; i++) /* the tree over five leaves */
            part[0][i] = (part[0][i] + part[1][i]) + (part[2][i] + part[3][i]) + part[4][i];
        UB_CHECK(ub_trainer_apply(t, part[0]));
    }
    ub_trainer_state_get(t, state);
    CU_ASSERT_EQUAL(memcmp(state, want, (size_t)width * sizeof *state), 0);
    for (int k = 0; k < SHARDS; k++)
        ub_free(part[k]);
    ub_free(state);
    ub_free(want);
    ub_trainer_destroy(&t);
    ub_corpus_release(&corpus);
    ub_comm_release(&self);
}

/* One by one and adopted in order: the model that a trainer of all finds. */
static void one_by_one(void)
{
    ub_settings s = make_settings(UB_PRECISION_SINGLE, 8);
    ub_corpus   corpus = make_corpus(0, EPISODES);
    ub_trainer *all = NULL, *whole = NULL;
    ub_model    want = {0}, got = {0};
    ub_comm     self;
    int64_t     rows[2];
    ub_range    own = {0, SHARDS};
    UB_CHECK(ub_comm_init(&self, MPI_COMM_SELF));
    UB_CHECK(ub_trainer_create(&corpus, own, NULL, norm, &s, &whole));
    UB_CHECK(ub_trainer_create(&corpus, (ub_range){0, 0}, NULL, norm, &s, &all));
    for (int64_t r = -1; r < s.disentangle.restarts; r++) {
        ub_trainer *one = whole;
        ub_training x;
        bool        stop = false;
        if (r >= 0)
            UB_CHECK(ub_trainer_create_one(&corpus, own, NULL, norm, &s, r, &one));
        UB_CHECK(ub_training_init(&self, one, SHARDS, &x));
        if (r >= 0)
            UB_CHECK_FAILS(ub_trainer_adopt(all, one), UB_ESTATE, "is not what follows");
        while (!ub_trainer_done(one))
            UB_CHECK(ub_training_phase(&x, &stop));
        ub_training_release(&x);
        if (r < 0)
            continue;
        UB_CHECK(ub_trainer_adopt(all, one));
        UB_CHECK_FAILS(ub_trainer_adopt(all, one), UB_ESTATE, "is not what follows");
        ub_trainer_destroy(&one);
    }
    UB_CHECK(ub_trainer_model(whole, &want));
    UB_CHECK(ub_trainer_model(all, &got));
    const ub_trainer_row *a = ub_trainer_log(whole, &rows[0]), *b = ub_trainer_log(all, &rows[1]);
    CU_ASSERT_EQUAL(rows[0], rows[1]);
    CU_ASSERT_EQUAL(memcmp(a, b, (size_t)rows[0] * sizeof *a), 0);
    CU_ASSERT_EQUAL(memcmp(want.w, got.w, (size_t)want.weights * sizeof *want.w), 0);
    CU_ASSERT_EQUAL(want.objective, got.objective);
    ub_model_release(&want);
    ub_model_release(&got);
    ub_trainer_destroy(&all);
    ub_trainer_destroy(&whole);
    ub_corpus_release(&corpus);
    ub_comm_release(&self);
}

static void stops_together(void)
{
    ub_settings s = make_settings(UB_PRECISION_SINGLE, 8);
    ub_range    rows = ub_rows_of_rank(EPISODES, SHARDS, ub_world->size, ub_world->rank);
    ub_corpus   corpus = make_corpus(rows.first, rows.count);
    ub_trainer *t = NULL;
    ub_training x;
    UB_CHECK(ub_trainer_create(&corpus, ub_part(SHARDS, ub_world->size, ub_world->rank), NULL, norm,
                               &s, &t));
    UB_CHECK(ub_training_init(ub_world, t, SHARDS, &x));
    int64_t each = ub_trainer_phases(t) / 2;
    for (int64_t phase = 0; phase < each; phase++) { /* the last is an evaluation */
        bool mine = phase > 1 && phase % ub_world->size == ub_world->rank, stop = mine;
        UB_CHECK(ub_training_phase(&x, &stop));
        CU_ASSERT_EQUAL(stop, phase > 1);
    }
    ub_training_release(&x);
    ub_trainer_destroy(&t);
    ub_corpus_release(&corpus);
}

UB_SUITE("training",
         {"all ranks find the state that one finds, in float and double", whole_training},
         {"also where a layer is cut into ranges", layers_in_parts},
         {"other optimisers, clipping, early ends and classes, too", other_ways},
         {"ranges and the plain way are the same", plain_way},
         {"initialisations trained apart and adopted give the model of all", one_by_one},
         {"one rank's wish stops all at the same phase", stops_together})
