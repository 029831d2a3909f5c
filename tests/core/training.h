/* tests/core/training.h - a small corpus, its settings, and trainings of it. */
#ifndef UB_TESTS_CORE_TRAINING_H
#define UB_TESTS_CORE_TRAINING_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "core/trainer.h"
#include "tests/support/suite.h"

enum { SHARDS = 4, STEPS = 2, DIM = 5, TASKS = 2, TARGETS = 3, LATENTS = 3 };

/* Episodes first .. first + count - 1 of `episodes`; each from a stream of its own. */
static inline ub_corpus make_corpus(int64_t episodes, int64_t first, int64_t count)
{
    ub_corpus c = {.episodes = episodes,
                   .first = first,
                   .count = count,
                   .steps = STEPS,
                   .dim = DIM,
                   .tasks = TASKS,
                   .segment = 1};
    UB_CHECK(UB_ALLOC(c.task_offset, TASKS + 1));
    c.task_offset[1] = 2;
    c.task_offset[2] = TARGETS;
    UB_CHECK(ub_corpus_alloc(&c));
    for (int64_t e = 0; e < count; e++) {
        ub_rng  r = ub_rng_make(21, UB_RNG_TEST, (uint64_t)(first + e));
        double *g = c.targets + e * TARGETS;
        for (int t = 0; t < STEPS; t++) {
            double *x = c.states + (e * STEPS + t) * DIM, a = ub_rng_normal(&r);
            double  b = ub_rng_normal(&r);
            for (int k = 0; k < DIM; k++)
                x[k] = a * cos(k) + b * sin(k + 1) + tanh(a - b) + 0.1 * ub_rng_normal(&r);
            g[0] += a;
            g[1] += tanh(a + 1);
            g[2] += b;
        }
    }
    return c;
}

static inline ub_settings make_settings(void)
{
    ub_settings s;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &s));
    s.disentangle.latents = LATENTS;
    s.disentangle.hidden = 8;
    s.disentangle.head_hidden = 6;
    s.disentangle.batch = 22; /* no multiple of the shards */
    s.disentangle.jacobian_samples = 10;
    s.disentangle.shards = SHARDS;
    s.disentangle.epochs = 3;
    s.disentangle.restarts = 2;
    s.disentangle.learning_rate = 0.01;
    s.disentangle.beta = 0.01;
    s.disentangle.precision = UB_PRECISION_DOUBLE;
    return s;
}

static const double norm[] = {0, 0, 0, 0, 0, .5, 1, 0, 1, 1.5, 1, 1, 1, 1.4, 1, 1.4};

static inline ub_trainer *make(const ub_corpus *c, ub_range own, const ub_settings *s)
{
    ub_trainer *t = NULL;
    UB_CHECK(ub_trainer_create(c, own, NULL, norm, s, &t));
    return t;
}

static inline void add(const ub_trainer *t, void *sum, const void *part)
{
    for (int64_t k = 0; k < ub_trainer_width(t); k++)
        if (ub_trainer_number(t) == sizeof(float))
            ((float *)sum)[k] += ((const float *)part)[k];
        else
            ((double *)sum)[k] += ((const double *)part)[k];
}

static inline size_t bytes_of(const ub_trainer *t)
{
    return (size_t)ub_trainer_width(t) * ub_trainer_number(t);
}

/* One phase of a trainer that holds every shard. */
static inline void phase(ub_trainer *t, void *part, void *sum)
{
    memset(sum, 0, bytes_of(t));
    for (int64_t s = 0; s < SHARDS; s++) {
        UB_CHECK(ub_trainer_shard(t, s, part));
        add(t, sum, part);
    }
    UB_CHECK(ub_trainer_apply(t, sum));
}

static inline void train_until(ub_trainer *t, int64_t stop)
{
    double *part, *sum;
    UB_CHECK(UB_ALLOC(part, ub_trainer_width(t)));
    UB_CHECK(UB_ALLOC(sum, ub_trainer_width(t)));
    while (!ub_trainer_done(t) && ub_trainer_phase(t) < stop)
        phase(t, part, sum);
    ub_free(part);
    ub_free(sum);
}

/* Output o of head i at z, by its definition. */
static inline double head(const ub_model *m, int i, int o, const double *z)
{
    ub_layer l[10];
    (void)ub_model_layers(&m->shape, m->task_offset, l);
    const ub_layer *l1 = &l[6 + 2 * i], *l2 = l1 + 1;
    double          sum = m->w[l2->at + (int64_t)l2->in * l2->out + o];
    for (int k = 0; k < l1->out; k++) {
        double a = m->w[l1->at + (int64_t)l1->out * l1->in + k];
        for (int j = 0; j < l1->in; j++)
            a += m->w[l1->at + (int64_t)k * l1->in + j] * z[j];
        sum += m->w[l2->at + (int64_t)o * l2->in + k] * tanh(a);
    }
    return sum;
}

/* E|J| of task i and latent j over the held-out samples by differences, times the latent's sd;
 * task 1 counts at the second step only. */
static inline double strength_of(const ub_model *m, const ub_corpus *c, int i, int j)
{
    double s0 = 0, s1 = 0, s2 = 0, sum = 0, count = 0;
    for (int64_t s = 0; s < SHARDS; s++) {
        ub_range r = ub_part(c->episodes, SHARDS, s);
        int64_t  held = llround(0.1 * (double)r.count);
        for (int64_t row = (r.first + r.count - held) * STEPS; row < (r.first + r.count) * STEPS;
             row++) {
            double z[LATENTS], up, h = 1e-5;
            UB_CHECK(ub_model_encode(m, 1, c->states + row * DIM, z));
            s0 += 1;
            s1 += z[j];
            s2 += z[j] * z[j];
            if (i == 1 && row % STEPS == 0)
                continue;
            count++;
            z[j] += h;
            int width = m->task_offset[i + 1] - m->task_offset[i];
            for (int o = 0; o < width; o++) {
                up = head(m, i, o, z);
                z[j] -= 2 * h;
                sum += fabs(up - head(m, i, o, z)) / (2 * h) / width;
                z[j] += 2 * h;
            }
        }
    }
    return sum / count * sqrt(s2 / s0 - s1 / s0 * s1 / s0);
}

#endif /* UB_TESTS_CORE_TRAINING_H */
