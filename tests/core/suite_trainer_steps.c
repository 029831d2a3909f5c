/* Training: long gradients are clipped, and initialisations may end early. */
#include <math.h>
#include <string.h>

#include "core/internal/trainer.h"
#include "tests/core/training.h"
#include "tests/support/suite.h"

/* The weights of a trainer, from its state. */
static double *weights_of(const ub_trainer *t)
{
    double *state;
    UB_CHECK(UB_ALLOC(state, ub_trainer_state_width(t)));
    ub_trainer_state_get(t, state);
    memmove(state, state + sizeof(ub_trainer_counters) / sizeof(double),
            (size_t)t->facts.parameters * sizeof *state);
    return state;
}

/* Plain descent with a gradient cut to length 1/8 moves by rate / 8, against the gradient. */
static void long_gradients_are_clipped(void)
{
    ub_corpus   c = make_corpus(60, 0, 60);
    ub_settings s = make_settings();
    s.disentangle.optimizer = UB_OPTIMIZER_SGD;
    s.disentangle.momentum = 0;
    s.disentangle.clip = 0.125;
    ub_trainer *t = make(&c, (ub_range){0, SHARDS}, &s);
    double     *part, *sum, *before = weights_of(t), square = 0, along = 0, length = 0;
    UB_CHECK(UB_ALLOC(part, ub_trainer_width(t)));
    UB_CHECK(UB_ALLOC(sum, ub_trainer_width(t)));
    phase(t, part, sum);
    double *after = weights_of(t);
    for (int64_t k = 0; k < t->facts.parameters; k++) {
        square += (after[k] - before[k]) * (after[k] - before[k]);
        along -= (after[k] - before[k]) * sum[k];
        length += sum[k] * sum[k];
    }
    CU_ASSERT(length > 0.125 * 0.125);
    UB_CHECK_CLOSE(sqrt(square), 0.01 * 0.125, 1e-10);
    UB_CHECK_CLOSE(along, 0.01 * 0.125 * sqrt(length), 1e-10);
    UB_CHECK_CLOSE(t->at.gradient_norm, sqrt(length), 1e-13); /* the log says how long it was */
    ub_free(part);
    ub_free(sum);
    ub_free(before);
    ub_free(after);
    ub_trainer_destroy(&t);
    ub_corpus_release(&c);
}

static void short_gradients_are_left_alone(void)
{
    ub_corpus   c = make_corpus(60, 0, 60);
    ub_settings s = make_settings();
    s.disentangle.precision = UB_PRECISION_SINGLE;
    ub_trainer *t = make(&c, (ub_range){0, SHARDS}, &s);
    s.disentangle.clip = 1e9;
    ub_trainer *u = make(&c, (ub_range){0, SHARDS}, &s);
    train_until(t, INT64_MAX);
    train_until(u, INT64_MAX);
    double *a = weights_of(t), *b = weights_of(u);
    CU_ASSERT_EQUAL(memcmp(a, b, (size_t)t->facts.parameters * sizeof *a), 0);
    ub_free(a);
    ub_free(b);
    ub_trainer_destroy(&t);
    ub_trainer_destroy(&u);
    ub_corpus_release(&c);
}

enum { EPOCHS = 30, PATIENCE = 2 };

static ub_settings impatient(void)
{
    ub_settings s = make_settings();
    s.disentangle.epochs = EPOCHS;
    s.disentangle.patience = PATIENCE;
    s.disentangle.learning_rate = 0.03;
    s.disentangle.restarts = 3;
    s.disentangle.penalty = UB_PENALTY_JACOBIAN_GROUP;
    return s;
}

/* Told again from the evaluations alone: when each initialisation ends, and with which objective.
 */
static void patience_ends_early(void)
{
    ub_corpus   c = make_corpus(60, 0, 60);
    ub_settings s = impatient();
    ub_trainer *t = make(&c, (ub_range){0, SHARDS}, &s);
    double     *part, *sum, least[3], best = INFINITY;
    int         epochs[3] = {0}, quiet = 0, early = 0;
    UB_CHECK(UB_ALLOC(part, ub_trainer_width(t)));
    UB_CHECK(UB_ALLOC(sum, ub_trainer_width(t)));
    for (int r = 0; r < 3; r++) {
        least[r] = INFINITY;
        for (quiet = 0; epochs[r] < EPOCHS && quiet < PATIENCE; epochs[r]++) {
            CU_ASSERT_EQUAL(ub_trainer_restarts(t)->count, r);
            while (!ub_trainer_evaluates(t))
                phase(t, part, sum);
            phase(t, part, sum);
            double o = sum[UB_TERM_RECONSTRUCTION] + 0.01 * sum[UB_TERM_KL] + sum[UB_TERM_TASK] +
                       0.2 * sum[UB_TERM_PENALTY];
            quiet = o < least[r] ? 0 : quiet + 1;
            least[r] = fmin(least[r], o);
        }
        early += epochs[r] < EPOCHS;
        CU_ASSERT_EQUAL(ub_trainer_restarts(t)->count, r + 1);
        UB_CHECK_CLOSE(ub_trainer_restarts(t)->objective[r], least[r], 1e-14);
        best = fmin(best, least[r]);
    }
    CU_ASSERT(early > 0);
    CU_ASSERT(ub_trainer_done(t));
    int64_t rows;
    (void)ub_trainer_log(t, &rows);
    CU_ASSERT_EQUAL(rows, epochs[0] + epochs[1] + epochs[2]);
    ub_model m;
    UB_CHECK(ub_trainer_model(t, &m));
    UB_CHECK_CLOSE(m.objective, best, 1e-14);
    for (int j = 0; j < LATENTS; j++) /* the weights are those of the best epoch, too */
        UB_CHECK_CLOSE(m.strength[j], strength_of(&m, &c, 0, j), 1e-8);
    ub_model_release(&m);
    ub_free(part);
    ub_free(sum);
    ub_trainer_destroy(&t);
    ub_corpus_release(&c);
}

/* Stopped anywhere and continued, with every optimiser. */
static void early_ends_survive_a_stop(void)
{
    ub_corpus   c = make_corpus(60, 0, 60);
    ub_settings s = impatient();
    s.disentangle.epochs = 8;
    for (int o = UB_OPTIMIZER_ADAM; o <= UB_OPTIMIZER_SGD; o++) {
        s.disentangle.optimizer = o;
        s.disentangle.clip = o == UB_OPTIMIZER_SGD ? 1 : 0;
        ub_trainer *t = make(&c, (ub_range){0, SHARDS}, &s);
        int64_t     width = ub_trainer_state_width(t);
        double     *want, *state;
        UB_CHECK(UB_ALLOC(want, width));
        UB_CHECK(UB_ALLOC(state, width));
        train_until(t, INT64_MAX);
        ub_trainer_state_get(t, want);
        for (int64_t stop = 1; stop < ub_trainer_phases(t); stop += 11) {
            ub_trainer *u = make(&c, (ub_range){0, SHARDS}, &s);
            train_until(u, stop);
            ub_trainer_state_get(u, state);
            ub_trainer_destroy(&u);
            u = make(&c, (ub_range){0, SHARDS}, &s);
            UB_CHECK(ub_trainer_state_set(u, state));
            train_until(u, INT64_MAX);
            ub_trainer_state_get(u, state);
            CU_ASSERT_EQUAL(memcmp(state, want, (size_t)width * sizeof *want), 0);
            ub_trainer_destroy(&u);
        }
        ub_free(want);
        ub_free(state);
        ub_trainer_destroy(&t);
    }
    ub_corpus_release(&c);
}

/* Two tasks of the made-up corpus and one of three classes: the quarter its signs are in. */
static ub_corpus with_classes(void)
{
    ub_corpus c = make_corpus(203, 0, 203);
    CU_ASSERT_EQUAL(c.task_offset[2] - c.task_offset[1], 1);
    (void)snprintf(c.task_name[0], UB_NAME_MAX, "pair");
    (void)snprintf(c.task_name[1], UB_NAME_MAX, "kind");
    for (int64_t e = 0; e < 203; e++) {
        double *g = c.targets + e * TARGETS;
        g[2] = g[2] > 0.8 ? 2 : g[2] < -0.8 ? 0 : 1;
    }
    return c;
}

/* The head learns them, in both precisions: far better than their frequencies. */
static void classes_are_learnt(void)
{
    ub_corpus   c = with_classes();
    ub_settings s = make_settings();
    double      frequency[3] = {0}, entropy = 0, z[LATENTS], right = 0, rows = 203 * STEPS;
    (void)snprintf(s.disentangle.classes, UB_TEXT_MAX, "kind=3");
    s.disentangle.epochs = 40;
    s.disentangle.restarts = 1;
    s.disentangle.lambda = 0.01;
    for (int64_t e = 0; e < 203; e++)
        frequency[(int)c.targets[e * TARGETS + 2]] += 1.0 / 203;
    for (int k = 0; k < 3; k++) {
        CU_ASSERT(frequency[k] > 0.1);
        entropy = fmax(entropy, frequency[k]);
    }
    for (int precision = UB_PRECISION_SINGLE; precision <= UB_PRECISION_DOUBLE; precision++) {
        s.disentangle.precision = precision;
        ub_trainer *t = make(&c, (ub_range){0, SHARDS}, &s);
        ub_model    m;
        train_until(t, INT64_MAX);
        UB_CHECK(ub_trainer_model(t, &m));
        CU_ASSERT(m.shape.targets == 5 && m.task_offset[2] == 5);
        right = 0;
        for (int64_t r = 0; r < 203 * STEPS; r++) {
            double best = -INFINITY;
            int    said = 0;
            UB_CHECK(ub_model_encode(&m, 1, c.states + r * DIM, z));
            for (int o = 0; o < 3; o++)
                if (head(&m, 1, o, z) > best) {
                    best = head(&m, 1, o, z);
                    said = o;
                }
            right += said == (int)c.targets[r / STEPS * TARGETS + 2];
        }
        CU_ASSERT(right / rows > entropy + 0.1);
        for (int o = 2; o < 5; o++) /* logits have no units of the corpus */
            CU_ASSERT(m.norm[DIM + o] == 0 && m.norm[2 * DIM + 5 + o] == 1);
        CU_ASSERT_EQUAL(m.norm[DIM + 1], norm[DIM + 1]);
        CU_ASSERT_EQUAL(m.norm[2 * DIM + 5 + 1], norm[DIM + TARGETS + DIM + 1]);
        ub_model_release(&m);
        ub_trainer_destroy(&t);
    }
    ub_corpus_release(&c);
}

static void refuse_classes(const ub_corpus *c, const char *setting, const char *sentence)
{
    ub_settings s = make_settings();
    ub_trainer *t = NULL;
    (void)snprintf(s.disentangle.classes, UB_TEXT_MAX, "%s", setting);
    UB_CHECK_FAILS(ub_trainer_create(c, (ub_range){0, SHARDS}, NULL, norm, &s, &t), UB_EINPUT,
                   sentence);
    UB_CHECK_FAILS(ub_trainer_check(c, &s), UB_EINPUT, sentence);
}

static void wrong_classes_are_refused(void)
{
    ub_corpus c = with_classes();
    refuse_classes(&c, "kind", "'kind' is not TASK=NUMBER");
    refuse_classes(&c, "kind=1", "'kind=1' is not TASK=NUMBER");
    refuse_classes(&c, "kind=3x", "'kind=3x' is not");
    refuse_classes(&c, "kind=3, sort=2", "no task is called 'sort'");
    refuse_classes(&c, "pair=3", "task 'pair' has 2 columns");
    refuse_classes(&c, "kind=2", "is 2, none of its classes 0 .. 1");
    c.targets[5 * TARGETS + 2] = 0.5;
    refuse_classes(&c, "kind=3", "task 'kind' of episode 5 is 0.5");
    ub_corpus_release(&c);
}

UB_SUITE("trainer_steps",
         {"a gradient longer than allowed is shortened", long_gradients_are_clipped},
         {"a shorter one changes no bit", short_gradients_are_left_alone},
         {"an initialisation that stops falling ends early, with its best epoch",
          patience_ends_early},
         {"early ends are the same after a stop, with every optimiser", early_ends_survive_a_stop},
         {"classes are learnt", classes_are_learnt},
         {"classes that do not fit the corpus are refused", wrong_classes_are_refused})
