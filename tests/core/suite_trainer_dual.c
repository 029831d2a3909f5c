/* The steps of a training against the reference in dual numbers (dual.h): which samples, how
 * standardised, in which tasks, and how shards and penalty are weighed, from core/trainer.h and
 * core/internal/sampler.h.  The summed gradient of every step, the log, the held-out objective. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "core/trainer.h"
#include "tests/core/dual.h"
#include "tests/support/suite.h"

/* Shards of 3, 3 and 4 episodes, one of each held out, so that a batch of 14 takes 4, 5 and 5
 * samples of them and starts the second one's again; an initialisation is one epoch of three
 * steps, then its evaluation. */
enum { EPISODES = 10, STEPS = 6, SHARDS = 3, HELD = 1, BATCH = 14, MOST = 5, AN_EPOCH = 3 };
enum { DIM = 5, TASKS = 3, COLUMNS = 5, TARGETS = 7, LATENTS = 3, SEED = 23 };

/* Tasks of 3 columns, of one, and of one of labels; step 2 belongs to none. */
static const int32_t columns[] = {0, 3, 4, 5}, offset[] = {0, 3, 4, 7}, classes[] = {0, 0, 3};
static const uint8_t used[STEPS][TASKS] = {{1, 0, 1}, {0, 1, 1}, {0, 0, 0},
                                           {1, 1, 0}, {1, 1, 1}, {0, 0, 1}};
/* Component 3 is constant; the last column is not standardised. */
static const double mean[DIM + COLUMNS] = {.1, -.2, .3, 4, .5, 1, .2, -.3, .4, 9};
static const double sd[DIM + COLUMNS] = {2, .5, 1, 0, 1.5, .7, 1, 2, 1.2, 9};

/* Samples of one shard, of which the first `jacobian` have `share` of the penalty. */
typedef struct piece {
    double       obs[MOST * DIM], target[MOST * TARGETS], use[MOST * TASKS], noise[MOST * LATENTS];
    ub_batch     batch;
    ub_weighting weighting;
} piece;

typedef struct course {
    char        name[64];
    ub_corpus   corpus;
    ub_settings s;
    ub_trainer *t;
    dual_model  model;
    int64_t     parameters;
    double     *w, *part, *sum; /* w: of the trainer */
    dual       *dual;
    int         pieces;
    piece       piece[2 * SHARDS];
    double      logged[UB_TERMS]; /* of the steps of this epoch, added up */
} course;

static void fill(uint64_t item, double scale, int64_t n, double *x)
{
    ub_rng r = ub_rng_make(SEED, UB_RNG_TEST, item);
    for (int64_t i = 0; i < n; i++)
        x[i] = scale * ub_rng_normal(&r);
}

static void make_corpus(ub_corpus *c)
{
    *c = (ub_corpus){.episodes = EPISODES,
                     .count = EPISODES,
                     .steps = STEPS,
                     .dim = DIM,
                     .tasks = TASKS,
                     .segment = 1};
    UB_CHECK(UB_ALLOC(c->task_offset, TASKS + 1));
    memcpy(c->task_offset, columns, sizeof columns);
    UB_CHECK(ub_corpus_alloc(c));
    fill(1, 1, (int64_t)EPISODES * STEPS * DIM, c->states);
    fill(2, 1, (int64_t)EPISODES * COLUMNS, c->targets);
    for (int e = 0; e < EPISODES; e++)
        c->targets[e * COLUMNS + COLUMNS - 1] = e % 3;
}

static void make_settings(ub_settings *s, int penalty, int64_t jacobian)
{
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), s));
    s->run.seed = SEED;
    s->disentangle.penalty = penalty;
    s->disentangle.precision = UB_PRECISION_DOUBLE;
    s->disentangle.activation = UB_HIDDEN_ELU;
    s->disentangle.latents = LATENTS;
    s->disentangle.hidden = 4;
    s->disentangle.head_hidden = 3;
    s->disentangle.layers = 1;
    s->disentangle.batch = BATCH;
    s->disentangle.jacobian_samples = jacobian;
    s->disentangle.shards = SHARDS;
    s->disentangle.holdout = 0.3;
    s->disentangle.epochs = 1;
    s->disentangle.restarts = 2;
    s->disentangle.ramp = 0.5;
    s->disentangle.lambda = 0.3;
    s->disentangle.beta = 0.4;
    s->disentangle.group = 0.8;
    (void)snprintf(s->disentangle.classes, sizeof s->disentangle.classes, "task2=3");
}

/* False: dual.h does not know the penalty. */
static bool setup(course *c, int penalty, int64_t jacobian)
{
    double both[2 * (DIM + COLUMNS)];
    void  *vectors[UB_TRAINER_VECTORS];
    *c = (course){0};
    const char *word = ub_penalty_at((size_t)penalty)->name;
    (void)snprintf(c->name, sizeof c->name, "%s, %d rows", word, (int)jacobian);
    if (dual_penalty_find(word) == NULL)
        return false;
    make_corpus(&c->corpus);
    make_settings(&c->s, penalty, jacobian);
    memcpy(both, mean, sizeof mean);
    memcpy(both + DIM + COLUMNS, sd, sizeof sd);
    UB_CHECK(ub_trainer_create(&c->corpus, (ub_range){0, SHARDS}, &used[0][0], both, &c->s, &c->t));
    c->model = (dual_model){.shape = {DIM, LATENTS, 4, 1, 3, TASKS, TARGETS, UB_HIDDEN_ELU},
                            .offset = offset,
                            .classes = classes,
                            .activation = dual_activation_find("elu"),
                            .penalty = dual_penalty_find(word),
                            .beta = c->s.disentangle.beta,
                            .group = c->s.disentangle.group};
    c->parameters = dual_parameters(&c->model);
    UB_CHECK(UB_ALLOC(c->part, ub_trainer_width(c->t)));
    UB_CHECK(UB_ALLOC(c->sum, ub_trainer_width(c->t)));
    UB_CHECK(UB_ALLOC(c->dual, c->parameters));
    ub_trainer_vectors(c->t, vectors);
    c->w = vectors[0];
    fill(3, 0.5, c->parameters, c->w); /* biases, too */
    return true;
}

static void release(course *c)
{
    ub_trainer_destroy(&c->t);
    ub_corpus_release(&c->corpus);
    ub_free(c->part);
    ub_free(c->sum);
    ub_free(c->dual);
}

static double standard(double x, int k)
{
    return sd[k] > 0 ? (x - mean[k]) / sd[k] : 0;
}

/* Sample number `sample` of the episodes from `first` on becomes row r. */
static void put_row(const course *c, piece *p, int64_t first, int64_t sample, int64_t r)
{
    int64_t       episode = first + sample / STEPS, step = sample % STEPS;
    const double *x = c->corpus.states + (episode * STEPS + step) * DIM;
    const double *g = c->corpus.targets + episode * COLUMNS;
    for (int k = 0; k < DIM; k++)
        p->obs[r * DIM + k] = standard(x[k], k);
    for (int k = 0; k < 4; k++)
        p->target[r * TARGETS + k] = standard(g[k], DIM + k);
    for (int k = 0; k < 3; k++)
        p->target[r * TARGETS + 4 + k] = g[4] == k;
    for (int i = 0; i < TASKS; i++)
        p->use[r * TASKS + i] = used[step][i];
}

static void put_batch(course *c, int64_t n, int64_t jacobian, bool noisy, ub_weighting weighting)
{
    piece *p = &c->piece[c->pieces++];
    p->batch = (ub_batch){n, jacobian, p->obs, p->target, p->use, noisy ? p->noise : NULL};
    p->weighting = weighting;
}

/* The batch of a step; epochs and phases are counted over all initialisations. */
static void put_step(course *c, int64_t epoch, int64_t step, int64_t phase, double lambda)
{
    int64_t jacobian = c->s.disentangle.jacobian_samples, all = jacobian < BATCH ? jacobian : BATCH;
    c->pieces = 0;
    for (int64_t s = 0; s < SHARDS; s++) {
        int64_t order[EPISODES * STEPS], n = ub_part(BATCH, SHARDS, s).count;
        int64_t first = ub_part(EPISODES, SHARDS, s).first,
                own = ub_part(jacobian, SHARDS, s).count;
        int64_t samples = (ub_part(EPISODES, SHARDS, s).count - HELD) * STEPS;
        piece  *p = &c->piece[c->pieces];
        ub_rng  shuffle = ub_rng_make(SEED, UB_RNG_SHUFFLE, (uint64_t)(epoch * SHARDS + s));
        ub_rng  noise = ub_rng_make(SEED, UB_RNG_LATENT_NOISE, (uint64_t)(phase * SHARDS + s));
        ub_rng_permutation(&shuffle, samples, order);
        for (int64_t r = 0; r < n; r++)
            put_row(c, p, first, order[(step * n + r) % samples], r);
        for (int64_t k = 0; k < n * LATENTS; k++)
            p->noise[k] = ub_rng_normal(&noise);
        own = own < n ? own : n;
        put_batch(c, n, own, true, (ub_weighting){1.0 / BATCH, (double)own / (double)all, lambda});
    }
}

/* The held-out samples: of every shard MOST at a time, all of which enter the penalty. */
static void put_held_out(course *c)
{
    const double held = SHARDS * HELD * STEPS;
    c->pieces = 0;
    for (int64_t s = 0; s < SHARDS; s++)
        for (int64_t at = 0; at < HELD * STEPS; at += MOST) {
            ub_range all = ub_part(EPISODES, SHARDS, s);
            int64_t  n = HELD * STEPS - at < MOST ? HELD * STEPS - at : MOST;
            for (int64_t r = 0; r < n; r++)
                put_row(c, &c->piece[c->pieces], all.first + all.count - HELD, at + r, r);
            put_batch(c, n, n, false,
                      (ub_weighting){1.0 / held, (double)n / held, c->s.disentangle.lambda});
        }
}

static dual objective(const course *c, double term[UB_TERMS])
{
    dual sum = dual_of(0), own[UB_TERMS];
    memset(term, 0, UB_TERMS * sizeof *term);
    for (int k = 0; k < c->pieces; k++) {
        const piece *p = &c->piece[k];
        sum = dual_add(sum, dual_objective(&c->model, c->dual, &p->batch, &p->weighting, own));
        for (int n = 0; n < UB_TERMS; n++)
            term[n] += own[n].v;
    }
    return sum;
}

/* The sum of the shards' gradients, as ranks make it. */
static void add_shards(course *c)
{
    const int64_t *at;
    int32_t        ranges = ub_trainer_ranges(c->t, &at);
    memset(c->sum, 0, (size_t)ub_trainer_width(c->t) * sizeof *c->sum);
    ub_trainer_pass(c->t);
    for (int64_t s = 0; s < SHARDS; s++)
        for (int32_t k = 0; k < ranges; k++) {
            ub_trainer_part(c->t, s, k, c->part, false);
            for (int64_t n = at[k]; n < at[k + 1]; n++)
                c->sum[n] += c->part[n - at[k]];
        }
}

/* Returns the length of the gradient. */
static double check_gradient(course *c, double term[UB_TERMS])
{
    dual_tally tally = {0};
    double     square = 0;
    for (int64_t k = 0; k < c->parameters; k++) {
        c->dual[k].d = 1;
        double want = objective(c, term).d;
        c->dual[k].d = 0;
        square += want * want;
        dual_count(&tally, k, c->sum[k], want);
    }
    dual_tally_check(c->name, &tally);
    return sqrt(square);
}

/* The last row of the log: of an epoch whose last step had this lambda and length of gradient. */
static void check_log(course *c, double lambda, double length)
{
    int64_t               rows;
    const ub_trainer_row *row = ub_trainer_log(c->t, &rows) + rows - 1;
    const double logged[UB_TERMS] = {row->reconstruction, row->kl, row->task, row->penalty};
    double      *mean_of = c->logged;
    for (int k = 0; k < UB_TERMS; k++) {
        mean_of[k] /= AN_EPOCH;
        dual_check(c->name, "a term of the log", logged[k], mean_of[k]);
    }
    dual_check(c->name, "lambda of the log", row->lambda, lambda);
    dual_check(c->name, "the objective of the log", row->objective,
               mean_of[UB_TERM_RECONSTRUCTION] + c->model.beta * mean_of[UB_TERM_KL] +
                   mean_of[UB_TERM_TASK] + lambda * mean_of[UB_TERM_PENALTY]);
    dual_check(c->name, "the length of the gradient", row->gradient_norm, length);
    memset(c->logged, 0, sizeof c->logged);
}

static void evaluate(course *c, int64_t restart)
{
    double term[UB_TERMS], want;
    put_held_out(c);
    want = objective(c, term).v;
    memset(c->sum, 0, (size_t)ub_trainer_width(c->t) * sizeof *c->sum);
    for (int64_t s = 0; s < SHARDS; s++) {
        UB_CHECK(ub_trainer_shard(c->t, s, c->part));
        for (int64_t k = 0; k < ub_trainer_width(c->t); k++)
            c->sum[k] += c->part[k];
    }
    UB_CHECK(ub_trainer_apply(c->t, c->sum));
    dual_check(c->name, "the held-out objective", ub_trainer_restarts(c->t)->objective[restart],
               want);
}

static void make_step(course *c, int64_t restart, int64_t step, int64_t phase)
{
    double term[UB_TERMS] = {0}, ramp = c->s.disentangle.ramp * AN_EPOCH;
    double lambda = c->s.disentangle.lambda * fmin((double)step / ramp, 1);
    put_step(c, restart, step, phase, lambda);
    add_shards(c);
    double length = check_gradient(c, term);
    for (int k = 0; k < UB_TERMS; k++)
        c->logged[k] += term[k];
    UB_CHECK(ub_trainer_apply(c->t, c->sum));
    if (step == AN_EPOCH - 1)
        check_log(c, lambda, length);
}

static void train(int penalty, int64_t jacobian)
{
    static course c;
    if (!setup(&c, penalty, jacobian)) {
        (void)printf("\ntests/core/dual.h lacks the penalty of: %s\n", c.name);
        CU_FAIL("a registered penalty without a reference");
        return;
    }
    for (int64_t phase = 0; !ub_trainer_done(c.t); phase++) {
        int64_t restart = phase / (AN_EPOCH + 1), step = phase % (AN_EPOCH + 1);
        CU_ASSERT_EQUAL(ub_trainer_phase(c.t), phase);
        CU_ASSERT_EQUAL(ub_trainer_evaluates(c.t), step == AN_EPOCH);
        for (int64_t k = 0; k < c.parameters; k++)
            c.dual[k] = dual_of(c.w[k]);
        if (step == AN_EPOCH)
            evaluate(&c, restart);
        else
            make_step(&c, restart, step, phase);
    }
    release(&c);
}

static void every_step(void)
{
    for (int penalty = 0; ub_penalty_at((size_t)penalty) != NULL; penalty++)
        train(penalty, 7);
}

static void more_rows_than_there_are(void)
{
    train(UB_PENALTY_JACOBIAN_GROUP, 2 * BATCH);
}

UB_SUITE("trainer_dual",
         {"gradient, log and held-out objective of every step of two initialisations", every_step},
         {"with a penalty on more rows than a batch has", more_rows_than_there_are})
