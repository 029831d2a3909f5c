/* Optimisers against their publications, and schedules of the step size. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/optimizer.h"
#include "core/rng.h"
#include "tests/support/suite.h"

enum { STEPS = 60, N = 37 };

static const ub_optimizer *named(const char *name)
{
    size_t i = 0;
    while (ub_optimizer_at(i) != NULL && strcmp(ub_optimizer_at(i)->name, name) != 0)
        i++;
    CU_ASSERT_PTR_NOT_NULL(ub_optimizer_at(i));
    return ub_optimizer_at(i);
}

/* The gradient of a made-up function at w. */
static double pull(double w, int t)
{
    return 2 * w + sin(t) + 0.3 * w * w * w;
}

/* Adam (algorithm 1 of the paper) is AdamW (algorithm 2) without decay. */
static void check_adam(const char *name, double decay)
{
    double w = 2, m = 0, v = 0, theta = 2, m1 = 0, v1 = 0;
    for (int t = 1; t <= STEPS; t++) {
        double g = pull(theta, t), alpha = 0.1 / t;
        m1 = 0.9 * m1 + 0.1 * g;
        v1 = 0.999 * v1 + 0.001 * g * g;
        theta -= alpha * ((m1 / (1 - pow(0.9, t))) / (sqrt(v1 / (1 - pow(0.999, t))) + 1e-8) +
                          decay * theta);
        g = pull(w, t) / 4;
        named(name)->update(&(ub_update){.number = t, .rate = alpha, .scale = 4, .decay = 0.7}, 1,
                            &g, &w, &m, &v);
        UB_CHECK_CLOSE(w, theta, 1e-12);
    }
}

static void adam_is_published(void)
{
    check_adam("adam", 0);
}

static void adamw_is_published(void)
{
    check_adam("adamw", 0.7);
}

/* Polyak's heavy ball, in his own two-term form. */
static void momentum_is_polyaks(void)
{
    double w = 2, m = 0, v = 0, now = 2, before = 2;
    for (int t = 1; t <= STEPS; t++) {
        double next = now + 0.8 * (now - before) - 0.05 * pull(now, t), g = pull(w, t) / 4;
        before = now;
        now = next;
        named("sgd")->update(&(ub_update){.number = t, .rate = 0.05, .scale = 4, .momentum = 0.8},
                             1, &g, &w, &m, &v);
        UB_CHECK_CLOSE(w, now, 1e-12);
        CU_ASSERT_EQUAL(v, 0);
    }
}

/* Sutskever et al., equations 3 and 4: velocity' = mu velocity - rate gradient(theta + mu
 * velocity); ours are the weights at which the gradient is taken. */
static void nesterov_is_published(void)
{
    double w = 2, m = 0, v = 0, theta = 2, velocity = 0;
    for (int t = 1; t <= STEPS; t++) {
        double g = pull(w, t) / 4;
        velocity = 0.8 * velocity - 0.05 * pull(theta + 0.8 * velocity, t);
        theta += velocity;
        named("sgd")->update(
            &(ub_update){.number = t, .rate = 0.05, .scale = 4, .momentum = 0.8, .nesterov = true},
            1, &g, &w, &m, &v);
        UB_CHECK_CLOSE(w, theta + 0.8 * velocity, 1e-12);
    }
}

/* Any part of the weights may be updated apart: the same bits. */
static void parts_are_the_whole(void)
{
    for (size_t o = 0; ub_optimizer_at(o) != NULL; o++) {
        double a[3][N] = {0}, b[3][N] = {0}, g[N];
        ub_rng r = ub_rng_make(6, UB_RNG_TEST, o);
        for (int t = 1; t <= 5; t++) {
            ub_update u = {t, 0.01, 0.5, 0.1, 0.9, t % 2 == 0};
            for (int k = 0; k < N; k++)
                g[k] = ub_rng_normal(&r);
            ub_optimizer_at(o)->update(&u, N, g, a[0], a[1], a[2]);
            for (int at = 0, n = 1; at < N; at += n, n = at + 2 * n < N ? 2 * n : N - at)
                ub_optimizer_at(o)->update(&u, n, g + at, b[0] + at, b[1] + at, b[2] + at);
        }
        CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
    }
}

static void all_descend(void)
{
    for (size_t o = 0; ub_optimizer_at(o) != NULL; o++) {
        double w[2] = {3, -2}, m[2] = {0}, v[2] = {0};
        for (int t = 1; t <= 3000; t++) {
            double g[] = {w[0] - 1, 10 * (w[1] - 0.5)};
            ub_optimizer_at(o)->update(&(ub_update){t, 0.01, 1, 0, 0.9, false}, 2, g, w, m, v);
        }
        UB_CHECK_CLOSE(w[0], 1, 1e-3);
        UB_CHECK_CLOSE(w[1], 0.5, 1e-3);
        CU_ASSERT(ub_optimizer_at(o)->summary != NULL && ub_optimizer_at(o)->reference != NULL);
    }
}

static void registry_matches_the_choices(void)
{
    const ub_field *f = ub_schema_find(ub_settings_schema(), "disentangle.optimizer");
    char            choice[64];
    size_t          n = 0;
    CU_ASSERT_PTR_NOT_NULL(f);
    for (; f != NULL && ub_schema_choice(f, n, choice, sizeof choice); n++)
        CU_ASSERT(ub_optimizer_at(n) != NULL && strcmp(ub_optimizer_at(n)->name, choice) == 0);
    CU_ASSERT_PTR_NULL(ub_optimizer_at(n));
}

/* Of 100 steps, at rate 2: values worked out by hand. */
static void schedules_are_their_formulas(void)
{
    static const struct {
        int    kind, drops;
        double from, to, warm;
        int    step;
        double want;
    } row[] = {
        {UB_SCHEDULE_LINEAR, 3, 0.7, 0.01, 0, 0, 2},
        {UB_SCHEDULE_LINEAR, 3, 0.7, 0.01, 0, 70, 2},
        {UB_SCHEDULE_LINEAR, 3, 0.7, 0.01, 0, 85, 2 * 0.505},
        {UB_SCHEDULE_LINEAR, 3, 0.7, 0.01, 0, 99, 2 * (1 - 0.99 * 29 / 30)},
        {UB_SCHEDULE_LINEAR, 3, 1, 0.01, 0, 99, 2},
        {UB_SCHEDULE_COSINE, 3, 0, 0, 0, 0, 2},
        {UB_SCHEDULE_COSINE, 3, 0, 0, 0, 25, 1 + 0.70710678118654752},
        {UB_SCHEDULE_COSINE, 3, 0, 0, 0, 50, 1},
        {UB_SCHEDULE_COSINE, 3, 0, 0.5, 0, 50, 1.5},
        {UB_SCHEDULE_COSINE, 3, 0.5, 0.5, 0, 75, 1.5},
        {UB_SCHEDULE_STEP, 2, 0.5, 0.01, 0, 49, 2},
        {UB_SCHEDULE_STEP, 2, 0.5, 0.01, 0, 50, 0.2},
        {UB_SCHEDULE_STEP, 2, 0.5, 0.01, 0, 74, 0.2},
        {UB_SCHEDULE_STEP, 2, 0.5, 0.01, 0, 75, 0.02},
        {UB_SCHEDULE_STEP, 2, 0.5, 0.01, 0, 99, 0.02},
        {UB_SCHEDULE_LINEAR, 3, 1, 0.01, 0.1, 0, 0.2},
        {UB_SCHEDULE_LINEAR, 3, 1, 0.01, 0.1, 4, 1},
        {UB_SCHEDULE_LINEAR, 3, 1, 0.01, 0.1, 9, 2},
        {UB_SCHEDULE_COSINE, 3, 0, 0, 1, 49, 0.5 * (1 + 0.03141075907812829)},
    };
    ub_settings s;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &s));
    s.disentangle.learning_rate = 2;
    for (size_t k = 0; k < sizeof row / sizeof row[0]; k++) {
        s.disentangle.schedule = row[k].kind;
        s.disentangle.drops = row[k].drops;
        s.disentangle.decay_from = row[k].from;
        s.disentangle.decay_to = row[k].to;
        s.disentangle.warmup = row[k].warm;
        UB_CHECK_CLOSE(ub_schedule_at(&s, row[k].step, 100), row[k].want, 1e-12);
    }
}

UB_SUITE("optimizer", {"Adam is the published algorithm", adam_is_published},
         {"AdamW is the published algorithm", adamw_is_published},
         {"momentum is Polyak's heavy ball", momentum_is_polyaks},
         {"Nesterov's form is the published one", nesterov_is_published},
         {"weights may be updated in parts, to the bit", parts_are_the_whole},
         {"every optimiser finds the bottom of a bowl", all_descend},
         {"the registry has the order of the configuration", registry_matches_the_choices},
         {"schedules are their formulas", schedules_are_their_formulas})
