/* The objective and every penalty against central differences and their formulas. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/objective.h"
#include "core/rng.h"
#include "tests/support/suite.h"

enum { DIM = 5, LATENTS = 3, TASKS = 2, TARGETS = 5, ROWS = 9, JACOBIAN = 6, HIDDEN = 6 };

static const int32_t        offset[] = {0, 3, 5};
static const ub_model_shape shape = {.dim = DIM,
                                     .latents = LATENTS,
                                     .hidden = 7,
                                     .layers = 2,
                                     .head_hidden = HIDDEN,
                                     .tasks = TASKS,
                                     .targets = TARGETS};
static const ub_weighting   weighting = {.row = 0.11, .penalty = 0.7, .lambda = 0.3};
static const double         beta = 0.4, group = 0.8;

typedef struct problem {
    ub_objective o;
    ub_batch     batch;
    double       obs[ROWS * DIM], target[ROWS * TARGETS], use[ROWS * TASKS], noise[ROWS * LATENTS];
    double       w[1000], grad[1000];
} problem;

static void fill(uint64_t item, int64_t n, double *x)
{
    ub_rng r = ub_rng_make(5, UB_RNG_TEST, item);
    for (int64_t i = 0; i < n; i++)
        x[i] = ub_rng_normal(&r);
}

/* What of the model is not as always: the activation, and tasks whose outputs are classes. */
typedef struct kind {
    int     activation;
    int32_t classes[TASKS];
} kind;

static const kind usual = {.activation = UB_HIDDEN_LEAKY};

static ub_status setup_kind(problem *p, int penalty, const kind *k)
{
    ub_model_shape own = shape;
    own.activation = k->activation;
    ub_settings s;
    UB_TRY(ub_schema_defaults(ub_settings_schema(), &s));
    s.disentangle.beta = beta;
    s.disentangle.group = group;
    s.disentangle.penalty = penalty;
    *p = (problem){0};
    UB_TRY(ub_objective_init(&own, offset, k->classes, &s, ROWS, 1, &p->o));
    CU_ASSERT(p->o.parameters <= 1000);
    ub_objective_start(&p->o, 3, 1, p->w);
    for (int64_t n = 0; n < p->o.parameters; n++) { /* biases and masks away from 0 and 1 */
        double nudge;
        fill(100 + (uint64_t)n, 1, &nudge);
        p->w[n] += 0.2 * nudge;
    }
    fill(1, ROWS * DIM, p->obs);
    fill(2, ROWS * TARGETS, p->target);
    fill(3, ROWS * LATENTS, p->noise);
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < TASKS; i++)
            for (int c = offset[i]; c < offset[i + 1] && k->classes[i] > 0; c++)
                p->target[r * TARGETS + c] = (r * 7 + i) % k->classes[i] == c - offset[i];
    for (int n = 0; n < ROWS * TASKS; n++)
        p->use[n] = n % 3 != 0;
    p->batch = (ub_batch){ROWS, JACOBIAN, p->obs, p->target, p->use, p->noise};
    return UB_OK;
}

static ub_status setup(problem *p, int penalty)
{
    return setup_kind(p, penalty, &usual);
}

static double loss(problem *p)
{
    double t[UB_TERMS];
    ub_objective_batch(&p->o, p->w, &p->batch, &weighting, t, NULL);
    return t[UB_TERM_RECONSTRUCTION] + beta * t[UB_TERM_KL] + t[UB_TERM_TASK] +
           weighting.lambda * t[UB_TERM_PENALTY];
}

/* Central differences of h and 2 h, extrapolated (Richardson): error h^4, so that h may be large
 * against rounding. */
static double slope(problem *p, int64_t k)
{
    double keep = p->w[k], h = 2e-5, at[4], step[] = {-2 * h, -h, h, 2 * h};
    for (int i = 0; i < 4; i++) {
        p->w[k] = keep + step[i];
        at[i] = loss(p);
    }
    p->w[k] = keep;
    return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h);
}

/* Memcheck is slow and looks for something else: it sees every seventh number. */
static int64_t thin(void)
{
    return getenv("UB_THIN") != NULL ? 7 : 1;
}

/* Of the numbers from `first` to `last`, the layer of what is there: |gradient - differences| over
 * |gradient|, both as lengths; and each number by itself. */
static double error_of(problem *p, int64_t first, int64_t last)
{
    double square = 0, wrong = 0;
    for (int64_t k = first; k < last; k += thin()) {
        double s = slope(p, k), d = p->grad[k] - s;
        square += p->grad[k] * p->grad[k];
        wrong += d * d;
        UB_CHECK_CLOSE(p->grad[k], s, 1e-8);
    }
    CU_ASSERT(square > 0);
    return sqrt(wrong / square);
}

static void check_kind(int penalty, const kind *k)
{
    static problem p;
    double         terms[UB_TERMS];
    UB_CHECK(setup_kind(&p, penalty, k));
    for (int noisy = 0; noisy < 2; noisy++) {
        p.batch.noise = noisy ? p.noise : NULL;
        memset(p.grad, 0, sizeof p.grad);
        ub_objective_batch(&p.o, p.w, &p.batch, &weighting, terms, p.grad);
        for (int n = 0; n < UB_TERMS; n++)
            CU_ASSERT(terms[n] > 0 || (n == UB_TERM_PENALTY && penalty == UB_PENALTY_NONE));
        for (int32_t l = 0; l < p.o.layers; l++) {
            int64_t last = l + 1 < p.o.layers ? p.o.layer[l + 1].at : p.o.weights;
            CU_ASSERT(error_of(&p, p.o.layer[l].at, last) <= 1e-7);
        }
        if (p.o.parameters > p.o.weights)
            CU_ASSERT(error_of(&p, p.o.weights, p.o.parameters) <= 1e-7);
    }
    ub_objective_release(&p.o);
}

/* Every activation, tasks of numbers, of classes, and of both. */
static void check_gradient(int penalty)
{
    static const int32_t classes[][TASKS] = {{0, 0}, {3, 0}, {3, 2}};
    for (int activation = UB_HIDDEN_LEAKY; activation <= UB_HIDDEN_ELU; activation++)
        for (int c = 0; c < 3; c++)
            check_kind(penalty, &(kind){activation, {classes[c][0], classes[c][1]}});
}

static void gradient_none(void)
{
    check_gradient(UB_PENALTY_NONE);
}

static void gradient_mask(void)
{
    check_gradient(UB_PENALTY_MASK);
}

static void gradient_jacobian(void)
{
    check_gradient(UB_PENALTY_JACOBIAN);
}

static void gradient_group(void)
{
    check_gradient(UB_PENALTY_JACOBIAN_GROUP);
}

/* Output o of head i at z. */
static double head(const problem *p, int i, int o, const double *z)
{
    const ub_layer *l1 = &p->o.layer[6 + 2 * i], *l2 = l1 + 1;
    double          sum = p->w[l2->at + (int64_t)l2->in * l2->out + o];
    for (int k = 0; k < HIDDEN; k++) {
        double a = p->w[l1->at + (int64_t)HIDDEN * LATENTS + k];
        for (int j = 0; j < LATENTS; j++)
            a += p->w[l1->at + (int64_t)k * LATENTS + j] * z[j];
        sum += p->w[l2->at + (int64_t)o * HIDDEN + k] * tanh(a);
    }
    return sum;
}

/* All terms by their definitions, from the layers' outputs. */
static void terms_are_the_formulas(void)
{
    static problem p;
    double         t[UB_TERMS], reconstruction = 0, kl = 0, task = 0;
    UB_CHECK(setup(&p, UB_PENALTY_NONE));
    ub_objective_batch(&p.o, p.w, &p.batch, &weighting, t, NULL);
    for (int r = 0; r < ROWS; r++) {
        for (int c = 0; c < DIM; c++)
            reconstruction += pow(p.o.out[5][r * DIM + c] - p.obs[r * DIM + c], 2) / DIM;
        for (int j = 0; j < LATENTS; j++) {
            double mu = p.o.out[2][r * 6 + j], v = p.o.out[2][r * 6 + 3 + j];
            kl += 0.5 * (mu * mu + exp(v) - 1 - v);
            UB_CHECK_CLOSE(p.o.z[r * 3 + j], mu + exp(v / 2) * p.noise[r * 3 + j], 1e-14);
        }
        for (int i = 0; i < TASKS; i++)
            for (int c = offset[i]; c < offset[i + 1]; c++)
                task += p.use[r * TASKS + i] *
                        pow(head(&p, i, c - offset[i], p.o.z + r * 3) - p.target[r * 5 + c], 2);
    }
    UB_CHECK_CLOSE(t[UB_TERM_RECONSTRUCTION], weighting.row * reconstruction, 1e-13);
    UB_CHECK_CLOSE(t[UB_TERM_KL], weighting.row * kl, 1e-13);
    UB_CHECK_CLOSE(t[UB_TERM_TASK], weighting.row * task, 1e-13);
    CU_ASSERT_EQUAL(t[UB_TERM_PENALTY], 0);
    ub_objective_release(&p.o);
}

static double head_slope(const problem *p, int i, int o, int r, int j)
{
    double z[LATENTS], h = 1e-5, up;
    memcpy(z, p->o.z + r * LATENTS, sizeof z);
    z[j] += h;
    up = head(p, i, o, z);
    z[j] -= 2 * h;
    return (up - head(p, i, o, z)) / (2 * h);
}

/* l1, group term and strength from numerical derivatives of the heads. */
static void check_jacobian(int penalty)
{
    static problem p;
    double         t[UB_TERMS], l1 = 0, square[LATENTS] = {0}, own[TASKS * LATENTS] = {0},
                        strength[TASKS * LATENTS] = {0};
    double want[TASKS * LATENTS] = {0}, value;
    UB_CHECK(setup(&p, penalty));
    ub_objective_batch(&p.o, p.w, &p.batch, &weighting, t, NULL);
    ub_objective_strength(&p.o, 0, p.w, strength);
    for (int r = 0; r < JACOBIAN; r++)
        for (int i = 0; i < TASKS; i++)
            for (int o = 0; o < offset[i + 1] - offset[i]; o++)
                for (int j = 0; j < LATENTS; j++) {
                    double d = p.use[r * TASKS + i] * head_slope(&p, i, o, r, j);
                    l1 += fabs(d) / JACOBIAN;
                    square[j] += d * d / JACOBIAN;
                    own[i * LATENTS + j] += d * d / JACOBIAN;
                    want[i * LATENTS + j] += fabs(d) / (offset[i + 1] - offset[i]);
                }
    value = penalty == UB_PENALTY_JACOBIAN ? l1 : 0;
    for (int k = 0; k < TASKS * LATENTS && penalty != UB_PENALTY_JACOBIAN; k++)
        value += sqrt(k < LATENTS ? 3 : 2) * sqrt(own[k] + 1e-6);
    for (int j = 0; j < LATENTS; j++)
        value += group * sqrt(square[j] + 1e-6);
    UB_CHECK_CLOSE(t[UB_TERM_PENALTY], weighting.penalty * value, 1e-9);
    for (int k = 0; k < TASKS * LATENTS; k++)
        UB_CHECK_CLOSE(strength[k], want[k], 1e-9);
    ub_objective_release(&p.o);
}

static void jacobian_is_the_formula(void)
{
    check_jacobian(UB_PENALTY_JACOBIAN);
    check_jacobian(UB_PENALTY_JACOBIAN_GROUP);
}

/* The softmax written out, for a row; rows that do not count add nothing. */
static void classes_are_the_formula(void)
{
    static const kind k = {.activation = UB_HIDDEN_ELU, .classes = {3, 2}};
    static problem    p;
    double            t[UB_TERMS], want = 0;
    UB_CHECK(setup_kind(&p, UB_PENALTY_NONE, &k));
    for (int large = 0; large < 2; large++) {
        ub_objective_batch(&p.o, p.w, &p.batch, &weighting, t, NULL);
        want = 0;
        for (int r = 0; r < ROWS; r++)
            for (int i = 0; i < TASKS; i++) {
                double logit[3], most = -INFINITY, sum = 0, chosen = 0;
                for (int o = 0; o < k.classes[i]; o++) {
                    logit[o] = head(&p, i, o, p.o.z + r * LATENTS);
                    most = fmax(most, logit[o]);
                    chosen += p.target[r * TARGETS + offset[i] + o] * logit[o];
                }
                for (int o = 0; o < k.classes[i]; o++)
                    sum += exp(logit[o] - most);
                want -= p.use[r * TASKS + i] * (chosen - most - log(sum));
            }
        UB_CHECK_CLOSE(t[UB_TERM_TASK], weighting.row * want, 1e-12);
        /* Again with logits beyond what exp can say in double. */
        int64_t bias = p.o.layer[7].at + (int64_t)3 * HIDDEN;
        p.w[bias] += 800;
    }
    CU_ASSERT(want > 100);
    ub_objective_release(&p.o);
}

/* A task that never counts leaves no trace in its head, whatever the penalty on J. */
static void unused_task_is_left_alone(void)
{
    static problem p;
    double         t[UB_TERMS];
    UB_CHECK(setup(&p, UB_PENALTY_JACOBIAN));
    for (int r = 0; r < ROWS; r++)
        p.use[r * TASKS + 1] = 0;
    ub_objective_batch(&p.o, p.w, &p.batch, &weighting, t, p.grad);
    double sum0 = 0, sum1 = 0;
    for (int64_t k = p.o.layer[6].at; k < p.o.parameters; k++)
        *(k < p.o.layer[8].at ? &sum0 : &sum1) += fabs(p.grad[k]);
    CU_ASSERT(sum0 > 0);
    CU_ASSERT_EQUAL(sum1, 0);
    ub_objective_release(&p.o);
}

static void no_rows_no_penalty(void)
{
    static problem p;
    double         t[UB_TERMS];
    UB_CHECK(setup(&p, UB_PENALTY_JACOBIAN));
    p.batch.jacobian = 0;
    ub_objective_batch(&p.o, p.w, &p.batch, &weighting, t, p.grad);
    CU_ASSERT_EQUAL(t[UB_TERM_PENALTY], 0);
    for (int64_t k = 0; k < p.o.parameters; k++)
        UB_CHECK_CLOSE(p.grad[k], slope(&p, k), 1e-8);
    ub_objective_release(&p.o);
}

/* The exported model (mask multiplied in) predicts what the masked one does; and moving scale
 * from the mask to the first layer changes neither loss nor penalty. */
static void mask_folds_and_has_no_first_loophole(void)
{
    static problem p, plain;
    double         masked[UB_TERMS], folded[UB_TERMS], moved[UB_TERMS];
    UB_CHECK(setup(&p, UB_PENALTY_MASK));
    UB_CHECK(setup(&plain, UB_PENALTY_NONE));
    CU_ASSERT_EQUAL(p.o.parameters, plain.o.parameters + TASKS * LATENTS);
    ub_objective_batch(&p.o, p.w, &p.batch, &weighting, masked, NULL);
    ub_objective_fold(&p.o, p.w, plain.w);
    ub_objective_batch(&plain.o, plain.w, &plain.batch, &weighting, folded, NULL);
    for (int k = 0; k < UB_TERM_PENALTY; k++)
        UB_CHECK_CLOSE(folded[k], masked[k], 1e-14);
    for (int64_t k = p.o.weights; k < p.o.parameters; k++)
        p.w[k] *= 0.25;
    for (int i = 0; i < TASKS; i++)
        for (int k = 0; k < HIDDEN * LATENTS; k++)
            p.w[p.o.layer[6 + 2 * i].at + k] *= 4;
    ub_objective_batch(&p.o, p.w, &p.batch, &weighting, moved, NULL);
    for (int k = 0; k < UB_TERMS; k++)
        UB_CHECK_CLOSE(moved[k], masked[k], 1e-14);
    ub_objective_release(&p.o);
    ub_objective_release(&plain.o);
}

/* No two layers or initialisations start with the same numbers, and they have the stated sd. */
static void starts_differ(void)
{
    static problem p;
    double         w[1000], first[2][10], sum = 0, count = 0;
    UB_CHECK(setup(&p, UB_PENALTY_MASK));
    for (int restart = 0; restart < 2; restart++) {
        ub_objective_start(&p.o, 3, restart, w);
        for (int l = 0; l < 10; l++) {
            const ub_layer *y = &p.o.layer[l];
            int             leaky = l < 6 && l % 3 < 2;
            double          sd = leaky ? sqrt(2.0 / y->in) : sqrt(2.0 / (y->in + y->out));
            for (int k = 0; k < y->in * y->out; k++, count++)
                sum += w[y->at + k] * w[y->at + k] / (sd * sd);
            for (int k = 0; k < y->out; k++)
                CU_ASSERT_EQUAL(w[y->at + (int64_t)y->in * y->out + k], 0);
            first[restart][l] = w[y->at] / sd;
            for (int r = 0; r <= restart; r++)
                for (int m = 0; m < (r == restart ? l : 10); m++)
                    CU_ASSERT(fabs(first[r][m] - first[restart][l]) > 1e-9);
        }
        for (int64_t k = p.o.weights; k < p.o.parameters; k++)
            CU_ASSERT_EQUAL(w[k], 1);
    }
    CU_ASSERT(fabs(sum / count - 1) < 4 * sqrt(2 / count));
    ub_objective_release(&p.o);
}

/* The registry has the order of the configuration's choices. */
static void registry_matches_the_choices(void)
{
    const ub_field *f = ub_schema_find(ub_settings_schema(), "disentangle.penalty");
    char            choice[64];
    size_t          n = 0;
    CU_ASSERT_PTR_NOT_NULL(f);
    for (; f != NULL && ub_schema_choice(f, n, choice, sizeof choice); n++)
        CU_ASSERT(ub_penalty_at(n) != NULL && strcmp(ub_penalty_at(n)->name, choice) == 0);
    CU_ASSERT_PTR_NULL(ub_penalty_at(n));
}

UB_SUITE("penalty", {"the gradient without penalty is the derivative", gradient_none},
         {"the gradient with the mask is the derivative", gradient_mask},
         {"the gradient with the Jacobian penalty is the derivative", gradient_jacobian},
         {"the gradient with the group penalty is the derivative", gradient_group},
         {"the terms are their formulas", terms_are_the_formulas},
         {"the Jacobian penalty and the strength are their formulas", jacobian_is_the_formula},
         {"the loss of classes is minus the logarithm of their softmax", classes_are_the_formula},
         {"a task that does not count leaves its head alone", unused_task_is_left_alone},
         {"without rows for the penalty it is zero", no_rows_no_penalty},
         {"the mask folds into the model and its scale cannot hide in the first layer",
          mask_folds_and_has_no_first_loophole},
         {"initialisations and layers start differently, with the stated spread", starts_differ},
         {"the registry has the order of the configuration", registry_matches_the_choices})
