/* Objective and gradient of stage 2 against an independent reference in dual numbers (dual.h): the
 * value to 1e-12, the derivative with respect to every single weight to 1e-10, both relative. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/objective.h"
#include "core/rng.h"
#include "tests/core/dual.h"
#include "tests/support/suite.h"

enum { DIM = 5, LATENTS = 3, ROWS = 8, SMALL = 7, WIDE = 190 };

/* Kinds of heads: columns of the tasks, and the number of classes of categorical ones. */
typedef struct layout {
    const char *name;
    int32_t     tasks, offset[DUAL_TASKS + 1], classes[DUAL_TASKS];
} layout;

static const layout layouts[] = {
    {"scalars", 2, {0, 1, 2}, {0, 0}},
    {"vectors", 2, {0, 3, 5}, {0, 0}},
    {"classes", 2, {0, 3, 5}, {3, 2}},
    {"one of each", 3, {0, 3, 4, 7}, {0, 0, 3}},
};
enum { CLASSES = 2, EACH = 3, LAYOUTS = sizeof layouts / sizeof layouts[0] };

/* Columns are tasks: rows 2 and 6 belong to none, and no task has all rows. */
static const double used[ROWS][DUAL_TASKS] = {{1, 0, 1}, {0, 1, 1}, {0, 0, 0}, {1, 1, 0},
                                              {1, 1, 1}, {0, 0, 1}, {0, 0, 0}, {1, 0, 1}};

typedef struct problem {
    char         name[256];
    ub_objective o;
    dual_model   model;
    ub_batch     batch;
    ub_weighting weighting;
    double       obs[ROWS * DIM], target[ROWS * DUAL_TARGETS], use[ROWS * DUAL_TASKS];
    double       noise[ROWS * LATENTS];
    double      *w, *grad;
    dual        *dual; /* w, in dual numbers */
} problem;

static void fill(uint64_t item, double scale, int64_t n, double *x)
{
    ub_rng r = ub_rng_make(17, UB_RNG_TEST, item);
    for (int64_t i = 0; i < n; i++)
        x[i] = scale * ub_rng_normal(&r);
}

static void fill_batch(problem *p, const layout *l)
{
    int32_t targets = l->offset[l->tasks];
    fill(1, 1, ROWS * DIM, p->obs);
    fill(2, 1, ROWS * targets, p->target);
    fill(3, 1, ROWS * LATENTS, p->noise);
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < l->tasks; i++) {
            p->use[r * l->tasks + i] = used[r][i];
            for (int c = 0; c < l->classes[i]; c++)
                p->target[r * targets + l->offset[i] + c] = (5 * r + i) % l->classes[i] == c;
        }
    p->batch = (ub_batch){ROWS, 5, p->obs, p->target, p->use, p->noise};
    p->weighting = (ub_weighting){.row = 0.11, .penalty = 0.7, .lambda = 0.3};
}

/* The model by the numbers of its parts in the registries.  False past the end of either; what is
 * registered and not in dual.h is a failure. */
static bool name_parts(int activation, int penalty, problem *p)
{
    const ub_field *f = ub_schema_find(ub_settings_schema(), "disentangle.activation");
    char            act[64] = "";
    if (!ub_schema_choice(f, (size_t)activation, act, sizeof act) ||
        ub_penalty_at((size_t)penalty) == NULL)
        return false;
    const char *word = ub_penalty_at((size_t)penalty)->name;
    p->model.activation = dual_activation_find(act);
    p->model.penalty = dual_penalty_find(word);
    (void)snprintf(p->name, sizeof p->name, "%s, %s", act, word);
    if (p->model.activation == NULL || p->model.penalty == NULL) {
        (void)printf("\ntests/core/dual.h lacks one of: %s\n", p->name);
        CU_FAIL("a registered activation or penalty without a reference");
    }
    return p->model.activation != NULL && p->model.penalty != NULL;
}

static bool setup(problem *p, int activation, int penalty, const layout *l, int32_t layers,
                  int32_t hidden)
{
    ub_settings s;
    *p = (problem){0};
    if (!name_parts(activation, penalty, p))
        return false;
    (void)snprintf(p->name + strlen(p->name), sizeof p->name - strlen(p->name), ", %s", l->name);
    p->model.shape = (ub_model_shape){.dim = DIM,
                                      .latents = LATENTS,
                                      .hidden = hidden,
                                      .layers = layers,
                                      .head_hidden = 4,
                                      .tasks = l->tasks,
                                      .targets = l->offset[l->tasks],
                                      .activation = activation};
    p->model.offset = l->offset;
    p->model.classes = l->classes;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &s));
    p->model.beta = s.disentangle.beta = 0.4;
    p->model.group = s.disentangle.group = 0.8;
    s.disentangle.penalty = penalty;
    UB_CHECK(ub_objective_init(&p->model.shape, l->offset, l->classes, &s, ROWS, 1, &p->o));
    CU_ASSERT_EQUAL(p->o.parameters, dual_parameters(&p->model));
    UB_CHECK(UB_ALLOC(p->w, p->o.parameters));
    UB_CHECK(UB_ALLOC(p->grad, p->o.parameters));
    UB_CHECK(UB_ALLOC(p->dual, p->o.parameters));
    fill(4, hidden == WIDE ? 0.1 : 0.5, p->o.parameters, p->w);
    fill_batch(p, l);
    return true;
}

static void release(problem *p)
{
    ub_objective_release(&p->o);
    ub_free(p->w);
    ub_free(p->grad);
    ub_free(p->dual);
}

static const char *const term_name[UB_TERMS] = {"reconstruction", "KL", "task loss", "penalty"};

/* Terms and objective; and the gradient's numbers k for which probed(k). */
static void check(problem *p, bool (*probed)(const problem *, int64_t))
{
    double       term[UB_TERMS];
    dual         want[UB_TERMS];
    dual_tally   t = {0};
    const double lambda = p->weighting.lambda;
    for (int64_t k = 0; k < p->o.parameters; k++) {
        p->dual[k] = dual_of(p->w[k]);
        p->grad[k] = NAN;
    }
    ub_objective_batch(&p->o, p->w, &p->batch, &p->weighting, term, p->grad);
    double loss = term[UB_TERM_RECONSTRUCTION] + p->model.beta * term[UB_TERM_KL] +
                  term[UB_TERM_TASK] + lambda * term[UB_TERM_PENALTY];
    dual all = dual_objective(&p->model, p->dual, &p->batch, &p->weighting, want);
    dual_check(p->name, "the objective", loss, all.v);
    for (int k = 0; k < UB_TERMS; k++)
        dual_check(p->name, term_name[k], term[k], want[k].v);
    for (int64_t k = 0; k < p->o.parameters; k++)
        if (probed == NULL || probed(p, k)) {
            p->dual[k].d = 1;
            all = dual_objective(&p->model, p->dual, &p->batch, &p->weighting, want);
            p->dual[k].d = 0;
            dual_count(&t, k, p->grad[k], all.d);
        }
    dual_tally_check(p->name, &t);
}

static void everything_registered(void)
{
    problem p;
    int     seen = 0;
    for (int act = 0; name_parts(act, 0, &p); act++)
        for (int penalty = 0; name_parts(act, penalty, &p); penalty++)
            for (int l = 0; l < LAYOUTS; l++, seen++) {
                CU_ASSERT(setup(&p, act, penalty, &layouts[l], 2, SMALL));
                check(&p, NULL);
                release(&p);
            }
    CU_ASSERT(seen >= 3 * 4 * LAYOUTS);
}

/* What is not as above, one thing at a time. */
enum {
    NO_NOISE,
    NO_ROWS,
    ALL_ROWS,
    NO_LAMBDA,
    NO_SHARE,
    NO_TASK,
    EVERY_TASK,
    ONE_ROW,
    CLOSED,
    VARIED
};

static void vary(problem *p, int what)
{
    static const char *const name[VARIED] = {"z = mu",
                                             "no row for the penalty",
                                             "all rows for it",
                                             "lambda 0",
                                             "its share 0",
                                             "no row of any task",
                                             "all rows of all tasks",
                                             "a single row",
                                             "a latent all but closed to a task"};
    const ub_layer          *head = &p->o.layer[2 * (p->model.shape.layers + 1)];
    (void)snprintf(p->name + strlen(p->name), sizeof p->name - strlen(p->name), ", %s", name[what]);
    if (what == NO_NOISE)
        p->batch.noise = NULL;
    if (what == NO_ROWS || what == ALL_ROWS)
        p->batch.jacobian = what == NO_ROWS ? 0 : ROWS;
    if (what == NO_LAMBDA)
        p->weighting.lambda = 0;
    if (what == NO_SHARE)
        p->weighting.penalty = 0;
    for (int k = 0; k < ROWS * DUAL_TASKS && (what == NO_TASK || what == EVERY_TASK); k++)
        p->use[k] = what == EVERY_TASK;
    if (what == ONE_ROW)
        p->batch.n = p->batch.jacobian = 1;
    for (int32_t k = 0; k < head->out && what == CLOSED; k++) /* to where roots are smoothed */
        p->w[head->at + (int64_t)k * head->in] *= 1e-6;
}

static void whatever_the_batch(void)
{
    problem p;
    for (int penalty = 0; name_parts(0, penalty, &p); penalty++)
        for (int what = 0; what < VARIED; what++) {
            CU_ASSERT(setup(&p, 0, penalty, &layouts[EACH], 2, SMALL));
            vary(&p, what);
            check(&p, NULL);
            release(&p);
        }
}

static void however_deep(void)
{
    problem p;
    for (int act = 0; name_parts(act, 0, &p); act++)
        for (int32_t layers = 1; layers <= 3; layers += 2) {
            CU_ASSERT(setup(&p, act, 0, &layouts[EACH], layers, SMALL));
            check(&p, NULL);
            release(&p);
        }
}

/* Beside the borders of the gradient's ranges, and a few between them. */
static bool probed(const problem *p, int64_t k)
{
    bool yes = k % 2503 == 0;
    for (int32_t r = 0; r < p->o.ranges; r++)
        yes = yes || k + 1 == p->o.at[r] || k == p->o.at[r];
    return yes;
}

static void however_wide(void)
{
    problem p;
    CU_ASSERT(setup(&p, 0, UB_PENALTY_JACOBIAN_GROUP, &layouts[EACH], 2, WIDE));
    CU_ASSERT(p.o.ranges > 2 * 3 + 1); /* a layer of encoder and decoder is cut */
    p.batch.n = 3;
    p.batch.jacobian = 2;
    check(&p, probed);
    release(&p);
}

/* Logits, of which exp says infinity or 0: the last task's first class is sure. */
static void classes_far_apart(void)
{
    problem p;
    double  t[UB_TERMS];
    CU_ASSERT(setup(&p, 0, UB_PENALTY_NONE, &layouts[CLASSES], 2, SMALL));
    p.w[p.o.parameters - 2] += 800;
    check(&p, NULL);
    ub_objective_batch(&p.o, p.w, &p.batch, &p.weighting, t, NULL);
    CU_ASSERT(t[UB_TERM_TASK] > 80);
    release(&p);
}

/* Of the reference itself: the J of its heads is what duals say of outputs when a latent moves. */
static void slopes_are_derivatives(void)
{
    problem    p;
    dual_heads h = {0};
    dual       z[LATENTS], y[DUAL_TARGETS], j[DUAL_TARGETS][DUAL_LATENTS];
    dual_tally t = {0};
    CU_ASSERT(setup(&p, 0, UB_PENALTY_JACOBIAN, &layouts[CLASSES], 2, SMALL));
    for (int64_t k = 0; k < p.o.parameters; k++)
        p.dual[k] = dual_of(p.w[k]);
    for (int32_t moved = 0; moved < LATENTS; moved++) {
        for (int32_t l = 0; l < LATENTS; l++)
            z[l] = (dual){p.noise[l], l == moved};
        (void)dual_head(&p.model, &h, 0, p.dual, z, y, j);
        for (int32_t o = 0; o < p.model.offset[1]; o++)
            dual_count(&t, moved, j[o][moved].v, y[o].d);
    }
    dual_tally_check("J of the reference", &t);
    release(&p);
}

UB_SUITE("objective_dual",
         {"every activation, penalty and kind of head that is registered", everything_registered},
         {"whatever rows, noise, memberships and weights the batch has", whatever_the_batch},
         {"one hidden layer, and three", however_deep},
         {"layers so wide that their gradient comes in ranges", however_wide},
         {"classes whose logits are far apart", classes_far_apart},
         {"the slopes of the reference are derivatives", slopes_are_derivatives})
