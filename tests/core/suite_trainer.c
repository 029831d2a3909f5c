/* Training: what it promises about shards, state, samples and errors. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/internal/sampler.h"
#include "core/rng.h"
#include "tests/core/training.h"
#include "tests/support/suite.h"

static void objective_falls(void)
{
    ub_corpus   c = make_corpus(203, 0, 203);
    ub_settings s = make_settings();
    s.disentangle.epochs = 15;
    s.disentangle.ramp = 0;
    for (int penalty = UB_PENALTY_NONE; penalty <= UB_PENALTY_JACOBIAN_GROUP; penalty++) {
        s.disentangle.penalty = penalty;
        s.disentangle.precision = penalty % 2 ? UB_PRECISION_SINGLE : UB_PRECISION_DOUBLE;
        ub_trainer           *t = make(&c, (ub_range){0, SHARDS}, &s);
        int64_t               rows;
        const ub_trainer_row *row = ub_trainer_log(t, &rows);
        CU_ASSERT_EQUAL(rows, 0);
        train_until(t, INT64_MAX);
        row = ub_trainer_log(t, &rows);
        CU_ASSERT_EQUAL(rows, 30);
        for (int r = 0; r < 2; r++) {
            CU_ASSERT(row[15 * r].restart == r && row[15 * r + 14].epoch == 14);
            CU_ASSERT(row[15 * r + 14].objective < 0.5 * row[15 * r].objective);
            CU_ASSERT(row[15 * r + 14].task < 0.7 * row[15 * r].task);
            CU_ASSERT(row[15 * r + 14].reconstruction < 0.7 * row[15 * r].reconstruction);
        }
        ub_trainer_destroy(&t);
    }
    ub_corpus_release(&c);
}

static void schedules_are_as_documented(void)
{
    ub_corpus   c = make_corpus(203, 0, 203);
    ub_settings s = make_settings();
    s.disentangle.epochs = 10;
    s.disentangle.restarts = 1;
    s.disentangle.ramp = 0.5;
    ub_trainer *t = make(&c, (ub_range){0, SHARDS}, &s);
    train_until(t, INT64_MAX);
    int64_t               rows, steps = 10 * ((203 - 20) * STEPS / 22);
    const ub_trainer_row *row = ub_trainer_log(t, &rows);
    CU_ASSERT_EQUAL(ub_trainer_phases(t), steps + 1);
    for (int e = 0; e < 10; e++) {
        double at = (e + 1) / 10.0 - 1.0 / (double)steps; /* rows are of the last step */
        UB_CHECK_CLOSE(row[e].lambda, 0.2 * fmin(1, at / 0.5), 1e-12);
        UB_CHECK_CLOSE(row[e].learning_rate, 0.01 * (1 - 0.99 * fmax(0, at - 0.7) / 0.3), 1e-12);
    }
    ub_trainer_destroy(&t);
    ub_corpus_release(&c);
}

/* Sums of mu, mu^2 and |dg/dz| of the epoch's last step (22 rows), keep .6. */
static void check_support(const ub_trainer_row *row, const int32_t *support, const double *sum)
{
    int cells = 0;
    for (int i = 0; i < TASKS; i++) {
        double strength[LATENTS], largest = 0;
        int    above = 0;
        for (int j = 0; j < LATENTS; j++) {
            double mean = sum[j] / 22, raw = sum[2 * LATENTS + i * LATENTS + j];
            strength[j] = raw * sqrt(sum[LATENTS + j] / 22 - mean * mean);
            CU_ASSERT(raw > 0);
            largest = fmax(largest, strength[j]);
        }
        for (int j = 0; j < LATENTS; j++)
            above += strength[j] > 0.6 * largest;
        CU_ASSERT(above >= 1 && above == support[i]);
        cells += above;
    }
    UB_CHECK_CLOSE(row->sparsity, 1 - (double)cells / (TASKS * LATENTS), 1e-14);
}

/* A log row is the mean of the terms over its epoch, and the length of the last gradient. */
static void log_is_the_mean_of_the_steps(void)
{
    ub_corpus   c = make_corpus(203, 0, 203);
    ub_settings s = make_settings();
    s.disentangle.keep = 0.6;
    ub_trainer *t = make(&c, (ub_range){0, SHARDS}, &s);
    double     *part, *sum, mean[UB_TERMS] = {0}, square = 0;
    int64_t     steps = (203 - 20) * STEPS / 22, rows;
    int64_t     layers = ub_trainer_width(t) - UB_TERMS - (2 + TASKS) * LATENTS;
    UB_CHECK(UB_ALLOC(part, ub_trainer_width(t)));
    UB_CHECK(UB_ALLOC(sum, ub_trainer_width(t)));
    for (int epoch = 0; epoch < 2; epoch++) {
        memset(mean, 0, sizeof mean);
        for (int64_t k = 0; k < steps; k++) {
            phase(t, part, sum);
            for (int i = 0; i < UB_TERMS; i++)
                mean[i] += sum[layers + i] / (double)steps;
        }
        square = 0;
        for (int64_t k = 0; k < layers; k++)
            square += sum[k] * sum[k];
        const ub_trainer_row *row = &ub_trainer_log(t, &rows)[epoch];
        CU_ASSERT_EQUAL(rows, epoch + 1);
        UB_CHECK_CLOSE(row->reconstruction, mean[UB_TERM_RECONSTRUCTION], 1e-13);
        UB_CHECK_CLOSE(row->kl, mean[UB_TERM_KL], 1e-13);
        UB_CHECK_CLOSE(row->task, mean[UB_TERM_TASK], 1e-13);
        UB_CHECK_CLOSE(row->penalty, mean[UB_TERM_PENALTY], 1e-13);
        UB_CHECK_CLOSE(
            row->objective,
            row->reconstruction + 0.01 * row->kl + row->task + row->lambda * row->penalty, 1e-13);
        UB_CHECK_CLOSE(row->gradient_norm, sqrt(square), 1e-13);
        check_support(row, ub_trainer_past(t).support + (ptrdiff_t)epoch * TASKS,
                      sum + layers + UB_TERMS);
    }
    ub_free(part);
    ub_free(sum);
    ub_trainer_destroy(&t);
    ub_corpus_release(&c);
}

/* Two trainers with half of the shards and half of the data each, and one with everything. */
static void check_ownership(int precision)
{
    ub_settings s = make_settings();
    s.disentangle.precision = precision;
    ub_range    low = {0, 1}, high = {1, 3};
    int64_t     cut = ub_part(203, SHARDS, 1).first;
    ub_corpus   all = make_corpus(203, 0, 203), a = make_corpus(203, 0, cut);
    ub_corpus   b = make_corpus(203, cut, 203 - cut);
    ub_trainer *whole = make(&all, (ub_range){0, SHARDS}, &s), *one = make(&a, low, &s);
    ub_trainer *two = make(&b, high, &s);
    int64_t     width = ub_trainer_width(whole);
    size_t      bytes = bytes_of(whole);
    double     *part, *other, *sum; /* room enough */
    UB_CHECK(UB_ALLOC(part, width));
    UB_CHECK(UB_ALLOC(other, width));
    UB_CHECK(UB_ALLOC(sum, width));
    while (!ub_trainer_done(whole)) {
        memset(sum, 0, bytes);
        for (int64_t k = 0; k < SHARDS; k++) {
            int64_t shard = SHARDS - 1 - k; /* nor does the order */
            UB_CHECK(ub_trainer_shard(whole, shard, part));
            UB_CHECK(ub_trainer_shard(shard < 1 ? one : two, shard, other));
            CU_ASSERT_EQUAL(memcmp(part, other, bytes), 0);
            add(whole, sum, part);
        }
        UB_CHECK(ub_trainer_apply(whole, sum));
        UB_CHECK(ub_trainer_apply(one, sum));
        UB_CHECK(ub_trainer_apply(two, sum));
    }
    ub_model x, y;
    UB_CHECK(ub_trainer_model(whole, &x));
    UB_CHECK(ub_trainer_model(two, &y));
    CU_ASSERT_EQUAL(memcmp(x.w, y.w, (size_t)x.weights * sizeof *x.w), 0);
    UB_CHECK_FAILS(ub_trainer_shard(one, 0, part), UB_ESTATE, "over");
    ub_model_release(&x);
    ub_model_release(&y);
    ub_trainer_destroy(&whole);
    ub_trainer_destroy(&one);
    ub_trainer_destroy(&two);
    ub_corpus_release(&all);
    ub_corpus_release(&a);
    ub_corpus_release(&b);
    ub_free(part);
    ub_free(other);
    ub_free(sum);
}

static void ownership_does_not_matter(void)
{
    check_ownership(UB_PRECISION_DOUBLE);
    check_ownership(UB_PRECISION_SINGLE);
}

/* Stopped at any phase and continued in a new trainer: the same bits to the end. */
static void state_round_trip(void)
{
    ub_corpus   c = make_corpus(60, 0, 60);
    ub_settings s = make_settings();
    for (int penalty = UB_PENALTY_MASK; penalty <= UB_PENALTY_JACOBIAN_GROUP; penalty++) {
        s.disentangle.penalty = penalty;
        s.disentangle.precision =
            penalty == UB_PENALTY_JACOBIAN ? UB_PRECISION_SINGLE : UB_PRECISION_DOUBLE;
        ub_trainer *t = make(&c, (ub_range){0, SHARDS}, &s);
        int64_t     width = ub_trainer_state_width(t), last = ub_trainer_phases(t);
        double     *state, *end, *want;
        ub_model    m, n;
        UB_CHECK(UB_ALLOC(state, width));
        UB_CHECK(UB_ALLOC(end, width));
        UB_CHECK(UB_ALLOC(want, width));
        train_until(t, INT64_MAX);
        ub_trainer_state_get(t, want);
        UB_CHECK(ub_trainer_model(t, &m));
        ub_trainer_destroy(&t);
        for (int64_t stop = 0; stop <= last; stop++) {
            ub_trainer *before = make(&c, (ub_range){0, SHARDS}, &s);
            train_until(before, stop);
            ub_trainer_state_get(before, state);
            ub_trainer_destroy(&before);
            ub_trainer *after = make(&c, (ub_range){0, SHARDS}, &s);
            if (stop % 2 == 1) /* a trainer that was somewhere else before */
                train_until(after, 3);
            UB_CHECK(ub_trainer_state_set(after, state));
            CU_ASSERT_EQUAL(ub_trainer_phase(after), stop);
            train_until(after, INT64_MAX);
            ub_trainer_state_get(after, end);
            CU_ASSERT_EQUAL(memcmp(end, want, (size_t)width * sizeof *end), 0);
            UB_CHECK(ub_trainer_model(after, &n));
            CU_ASSERT_EQUAL(memcmp(m.w, n.w, (size_t)m.weights * sizeof *m.w), 0);
            CU_ASSERT_EQUAL(memcmp(m.strength, n.strength, TASKS * LATENTS * sizeof(double)), 0);
            CU_ASSERT_EQUAL(m.objective, n.objective);
            CU_ASSERT_EQUAL(m.restarts.kept, n.restarts.kept);
            CU_ASSERT_EQUAL(memcmp(m.restarts.relevant, n.restarts.relevant, 2 * TASKS * LATENTS),
                            0);
            ub_model_release(&n);
            ub_trainer_destroy(&after);
        }
        ub_model_release(&m);
        ub_free(state);
        ub_free(end);
        ub_free(want);
    }
    ub_corpus_release(&c);
}

static void foreign_state_is_refused(void)
{
    ub_corpus   c = make_corpus(60, 0, 60);
    ub_settings s = make_settings();
    ub_trainer *t = make(&c, (ub_range){0, SHARDS}, &s);
    double     *state;
    UB_CHECK(UB_ALLOC(state, ub_trainer_state_width(t)));
    train_until(t, 7);
    ub_trainer_state_get(t, state);
    state[0] += 1000;
    UB_CHECK_FAILS(ub_trainer_state_set(t, state), UB_EFORMAT, "phase 1007");
    state[0] = NAN;
    UB_CHECK_FAILS(ub_trainer_state_set(t, state), UB_EFORMAT, "no state");
    state[0] = 0;
    UB_CHECK_FAILS(ub_trainer_state_set(t, state), UB_EFORMAT, "with 1 log rows");
    CU_ASSERT_EQUAL(ub_trainer_phase(t), 7);
    ub_free(state);
    ub_trainer_destroy(&t);
    ub_corpus_release(&c);
}

/* Spoil the last `count` episodes of shard 2: which parts of the next phase change? */
static void spoil(ub_corpus *c, int64_t from_end, int64_t count)
{
    ub_range r = ub_part(c->episodes, SHARDS, 2);
    int64_t  first = r.first + r.count - from_end;
    for (int64_t k = first * STEPS * DIM; k < (first + count) * STEPS * DIM; k++)
        c->states[k] += 1;
}

static void held_out_is_never_trained_on(void)
{
    ub_corpus   c = make_corpus(200, 0, 200), d = make_corpus(200, 0, 200);
    ub_settings s = make_settings();
    s.disentangle.restarts = 1;
    spoil(&d, 5, 5); /* a tenth of fifty */
    ub_trainer *t = make(&c, (ub_range){0, SHARDS}, &s), *u = make(&d, (ub_range){0, SHARDS}, &s);
    int64_t     width = ub_trainer_width(t);
    double     *a, *b;
    UB_CHECK(UB_ALLOC(a, width));
    UB_CHECK(UB_ALLOC(b, width));
    train_until(t, ub_trainer_phases(t) - 1);
    train_until(u, ub_trainer_phases(t) - 1);
    /* The weights are equal, and only the evaluation of the spoilt shard differs. */
    for (int64_t k = 0; k < SHARDS; k++) {
        UB_CHECK(ub_trainer_shard(t, k, a));
        UB_CHECK(ub_trainer_shard(u, k, b));
        CU_ASSERT_EQUAL(memcmp(a, b, (size_t)width * sizeof *a) == 0, k != 2);
    }
    ub_trainer_destroy(&u);
    spoil(&c, 6, 1); /* the episode before them is trained on: `t` has been, a new one differs */
    u = make(&c, (ub_range){0, SHARDS}, &s);
    train_until(u, ub_trainer_phases(t) - 1);
    UB_CHECK(ub_trainer_shard(u, 0, b));
    UB_CHECK(ub_trainer_shard(t, 0, a));
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, (size_t)width * sizeof *a), 0);
    ub_free(a);
    ub_free(b);
    ub_trainer_destroy(&t);
    ub_trainer_destroy(&u);
    ub_corpus_release(&c);
    ub_corpus_release(&d);
}

/* Rows are told apart by their first component: every training sample comes once an epoch (its
 * shard's size permitting) in an order that changes, with noise that no shard shares. */
static void epochs_visit_the_samples(void)
{
    static const double unit[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
    ub_corpus           c = make_corpus(200, 0, 200);
    ub_settings         s = make_settings();
    ub_sampler          p;
    double              orders[2][90], noise[SHARDS];
    s.disentangle.batch = 4 * 9; /* ten steps take 45 training episodes of two steps */
    for (int64_t e = 0; e < 200 * STEPS; e++)
        c.states[e * DIM] = (double)e;
    ub_targets targets;
    UB_CHECK(ub_targets_init(&c, &s, &targets));
    UB_CHECK(ub_sampler_init(&c, &targets, (ub_range){0, SHARDS}, NULL, unit, &s, LATENTS, &p));
    CU_ASSERT(p.train == 4 * 90 && p.held == 4 * 10 && p.rows == 9);
    for (int64_t shard = 0; shard < SHARDS; shard++) {
        for (int epoch = 0; epoch < 2; epoch++) {
            char seen[90] = {0};
            for (int step = 0; step < 10; step++) {
                ub_batch b = ub_sampler_train(&p, shard, epoch, step, 10 * epoch + step, LATENTS);
                CU_ASSERT_EQUAL(b.n, 9);
                for (int r = 0; r < 9; r++) {
                    double sample = b.obs[r * DIM] - 100.0 * (double)shard;
                    CU_ASSERT(sample >= 0 && sample < 90 && seen[(int)sample] == 0);
                    seen[(int)sample] = 1;
                    orders[epoch][9 * step + r] = sample;
                    CU_ASSERT_EQUAL(b.target[r * TARGETS],
                                    c.targets[(int64_t)b.obs[r * DIM] / STEPS * TARGETS]);
                }
                noise[shard] = b.noise[0];
            }
        }
        CU_ASSERT_NOT_EQUAL(memcmp(orders[0], orders[1], sizeof orders[0]), 0);
        for (int64_t other = 0; other < shard; other++)
            CU_ASSERT_NOT_EQUAL(noise[other], noise[shard]);
    }
    ub_sampler_release(&p);
    ub_targets_release(&targets);
    ub_corpus_release(&c);
}

/* An initialisation has just ended with these sums. */
static void check_end(const ub_trainer *t, const double *sum, double *objective, double *best)
{
    const ub_restarts *r = ub_trainer_restarts(t);
    *objective = sum[UB_TERM_RECONSTRUCTION] + 0.01 * sum[UB_TERM_KL] + sum[UB_TERM_TASK] +
                 0.2 * sum[UB_TERM_PENALTY];
    UB_CHECK_CLOSE(r->objective[r->count - 1], *objective, 1e-14);
    CU_ASSERT_EQUAL(r->kept == r->count - 1, *objective < *best);
    *best = fmin(*best, *objective);
}

/* The model knows how all four ended; the kept one is the best and its figures are the model's. */
static void check_ends(const ub_model *m, const double *objective, double best)
{
    const ub_restarts *r = &m->restarts;
    enum { CELLS = TASKS * LATENTS };
    CU_ASSERT_EQUAL(r->count, 4);
    UB_CHECK_CLOSE(m->objective, best, 1e-14);
    for (int k = 0; k < 4; k++) {
        UB_CHECK_CLOSE(r->objective[k], objective[k], 1e-14);
        bool kept = k == r->kept;
        CU_ASSERT_EQUAL(kept, r->objective[k] == m->objective);
        CU_ASSERT_EQUAL(
            memcmp(r->strength + (ptrdiff_t)k * CELLS, m->strength, CELLS * sizeof(double)) == 0,
            kept);
        for (int i = 0; i < TASKS; i++) {
            double  largest = 0;
            int64_t row = (int64_t)k * CELLS + i * LATENTS;
            for (int j = 0; j < LATENTS; j++)
                largest = fmax(largest, r->strength[row + j]);
            for (int j = 0; j < LATENTS; j++)
                CU_ASSERT_EQUAL(r->relevant[row + j], r->strength[row + j] > 0.6 * largest);
        }
    }
}

static void best_initialisation_is_kept(void)
{
    static const uint8_t use[] = {1, 0, 1, 1};
    ub_corpus            c = make_corpus(203, 0, 203);
    ub_settings          s = make_settings();
    s.disentangle.restarts = 4;
    s.disentangle.keep = 0.6;
    for (int penalty = UB_PENALTY_MASK; penalty <= UB_PENALTY_JACOBIAN_GROUP; penalty++) {
        s.disentangle.penalty = penalty;
        ub_trainer *t = NULL;
        ub_model    m;
        double     *part, *sum, best = INFINITY, all[4];
        UB_CHECK(ub_trainer_create(&c, (ub_range){0, SHARDS}, use, norm, &s, &t));
        UB_CHECK(UB_ALLOC(part, ub_trainer_width(t)));
        UB_CHECK(UB_ALLOC(sum, ub_trainer_width(t)));
        UB_CHECK_FAILS(ub_trainer_model(t, &m), UB_ESTATE, "phase 0");
        int64_t each = ub_trainer_phases(t) / 4;
        while (!ub_trainer_done(t)) {
            phase(t, part, sum);
            if (ub_trainer_phase(t) % each == 0) /* that was an evaluation */
                check_end(t, sum, &all[ub_trainer_phase(t) / each - 1], &best);
        }
        UB_CHECK(ub_trainer_model(t, &m));
        check_ends(&m, all, best);
        for (int i = 0; i < TASKS; i++) {
            double largest = 0;
            for (int j = 0; j < LATENTS; j++) {
                UB_CHECK_CLOSE(m.strength[i * LATENTS + j], strength_of(&m, &c, i, j), 1e-8);
                largest = fmax(largest, m.strength[i * LATENTS + j]);
            }
            CU_ASSERT(largest > 0);
            for (int j = 0; j < LATENTS; j++)
                CU_ASSERT_EQUAL(m.relevant[i * LATENTS + j],
                                m.strength[i * LATENTS + j] > 0.6 * largest);
        }
        ub_model_release(&m);
        ub_trainer_destroy(&t);
        ub_free(part);
        ub_free(sum);
    }
    ub_corpus_release(&c);
}

static void unused_task_keeps_no_latent(void)
{
    static const uint8_t use[] = {1, 0, 1, 0};
    ub_corpus            c = make_corpus(60, 0, 60);
    ub_settings          s = make_settings();
    ub_trainer          *t = NULL;
    ub_model             m;
    UB_CHECK(ub_trainer_create(&c, (ub_range){0, SHARDS}, use, norm, &s, &t));
    train_until(t, INT64_MAX);
    UB_CHECK(ub_trainer_model(t, &m));
    for (int j = 0; j < LATENTS; j++) {
        CU_ASSERT_EQUAL(m.strength[LATENTS + j], 0);
        CU_ASSERT_EQUAL(m.relevant[LATENTS + j], 0);
    }
    CU_ASSERT(m.relevant[0] || m.relevant[1] || m.relevant[2]);
    ub_model_release(&m);
    ub_trainer_destroy(&t);
    ub_corpus_release(&c);
}

static void refuse(const ub_corpus *c, const ub_settings *s, const uint8_t *use, const char *part)
{
    ub_trainer *t = NULL;
    UB_CHECK_FAILS(ub_trainer_create(c, (ub_range){0, s->disentangle.shards}, use, norm, s, &t),
                   UB_EINPUT, part);
    CU_ASSERT_PTR_NULL(t);
}

static void bad_input_is_refused(void)
{
    static const uint8_t none[STEPS * TASKS] = {0};
    ub_corpus            c = make_corpus(9, 0, 9);
    ub_settings          s = make_settings();
    refuse(&c, &s, none, "no step belongs to any of the 2 tasks");
    s.disentangle.shards = 9;
    refuse(&c, &s, NULL, "9 episodes in 9 shards");
    s.disentangle.shards = 10;
    refuse(&c, &s, NULL, "9 episodes, fewer than the 10 shards");
    s.disentangle.batch = 3;
    refuse(&c, &s, NULL, "disentangle.batch is 3");
    ub_corpus_release(&c);
}

static void divergence_is_said(void)
{
    ub_corpus   c = make_corpus(60, 0, 60);
    ub_settings s = make_settings();
    c.states[7] = NAN;
    s.disentangle.batch = 200; /* every sample in every batch */
    ub_trainer *t = make(&c, (ub_range){0, SHARDS}, &s);
    double     *part;
    UB_CHECK(UB_ALLOC(part, ub_trainer_width(t)));
    UB_CHECK(ub_trainer_shard(t, 0, part));
    UB_CHECK_FAILS(ub_trainer_apply(t, part), UB_ENUMERIC, "diverged: initialisation 0, step 0");
    CU_ASSERT_EQUAL(ub_trainer_phase(t), 0);
    UB_CHECK_FAILS(ub_trainer_shard(t, SHARDS, part), UB_EARG, "shard 4");
    ub_free(part);
    ub_trainer_destroy(&t);
    ub_corpus_release(&c);
}

UB_SUITE("trainer", {"the objective falls with every penalty", objective_falls},
         {"learning rate and lambda follow their schedules", schedules_are_as_documented},
         {"the log is the mean of an epoch's steps", log_is_the_mean_of_the_steps},
         {"who holds which shards makes no difference to the bit", ownership_does_not_matter},
         {"stopped at any phase and continued, the same bits", state_round_trip},
         {"a state of another training is refused", foreign_state_is_refused},
         {"an epoch visits every training sample once, each shard with noise of its own",
          epochs_visit_the_samples},
         {"held-out episodes are never trained on", held_out_is_never_trained_on},
         {"the best initialisation is kept, with the strength of its latents",
          best_initialisation_is_kept},
         {"a task that no step uses keeps no latent", unused_task_keeps_no_latent},
         {"unusable input is refused with a sentence", bad_input_is_refused},
         {"a training that diverges says so", divergence_is_said})
