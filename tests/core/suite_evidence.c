/* Evidence against brute force, on initialisations whose latents are known rearrangements. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/evidence.h"
#include "core/rng.h"
#include "tests/support/suite.h"

enum { DIM = 3, LATENTS = 4, HIDDEN = 6, HEAD = 5, TASKS = 2, TARGETS = 3, RESTARTS = 4 };
enum { EPISODES = 90, STEPS = 2, SHARDS = 3, KEPT = 1 };
static const double  holdout = 0.4;
static const int32_t offset[] = {0, 1, 3};

static void fill(uint64_t item, int64_t n, double size, double *x)
{
    ub_rng r = ub_rng_make(17, UB_RNG_TEST, item);
    for (int64_t i = 0; i < n; i++)
        x[i] = size * ub_rng_normal(&r);
}

static ub_corpus make_corpus(void)
{
    ub_corpus c = {
        .episodes = EPISODES, .count = EPISODES, .steps = STEPS, .dim = DIM, .tasks = TASKS};
    UB_CHECK(UB_ALLOC(c.task_offset, TASKS + 1));
    memcpy(c.task_offset, offset, sizeof offset);
    UB_CHECK(ub_corpus_alloc(&c));
    fill(1, (int64_t)EPISODES * STEPS * DIM, 1, c.states);
    fill(2, (int64_t)EPISODES * TARGETS, 1, c.targets);
    return c;
}

/* The last encoder layer, which makes latent j from its rows j (mean) and LATENTS + j. */
static ub_layer top_layer(const ub_model *m)
{
    ub_layer layer[16];
    (void)ub_model_layers(&m->shape, m->task_offset, layer);
    return layer[m->shape.layers];
}

/* Latent j of `to` is sum_k turn[j][k] times latent k of `from`. */
static void turn_latents(const ub_model *m, double turn[LATENTS][LATENTS], const double *from,
                         double *to)
{
    ub_layer l = top_layer(m);
    memcpy(to, from, (size_t)m->weights * sizeof *to);
    for (int j = 0; j < LATENTS; j++)
        for (int c = 0; c <= l.in; c++) { /* the last one: the bias */
            double sum = 0;
            for (int k = 0; k < LATENTS; k++)
                sum += turn[j][k] *
                       (c < l.in ? from[l.at + k * l.in + c] : from[l.at + 2 * LATENTS * l.in + k]);
            if (c < l.in)
                to[l.at + j * l.in + c] = sum;
            else
                to[l.at + 2 * LATENTS * l.in + j] = sum;
        }
}

/* Initialisation 1 is the model; 0 has its latents in another order and turned round, 2 has
 * latents 0 and 1 mixed, 3 has nothing in common with it. */
static double order[LATENTS][LATENTS] = {{0, 0, -1, 0}, {0, 2, 0, 0}, {0, 0, 0, 1}, {-3, 0, 0, 0}};
static double mixed[LATENTS][LATENTS] = {
    {.8, .6, 0, 0}, {-.6, .8, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}};

static void keep(uint8_t *relevant, const char *task0, const char *task1)
{
    for (int j = 0; j < LATENTS; j++) {
        relevant[j] = task0[j] == '1';
        relevant[LATENTS + j] = task1[j] == '1';
    }
}

static ub_model make_model(void)
{
    ub_model             m;
    const ub_model_shape shape = {DIM, LATENTS, HIDDEN, 1, HEAD, TASKS, TARGETS, 0};
    UB_CHECK(ub_model_alloc(&shape, offset, &m));
    for (int k = 0; k < DIM + TARGETS; k++) {
        m.norm[k] = 0.1 * k;
        m.norm[DIM + TARGETS + k] = 1 + 0.2 * k;
    }
    UB_CHECK(ub_restarts_alloc(&m, RESTARTS, &m.restarts));
    m.restarts.kept = KEPT;
    fill(3, m.weights, 0.7, m.w);
    memcpy(m.restarts.w + KEPT * m.weights, m.w, (size_t)m.weights * sizeof *m.w);
    turn_latents(&m, order, m.w, m.restarts.w);
    turn_latents(&m, mixed, m.w, m.restarts.w + 2 * m.weights);
    fill(4, m.weights, 0.7, m.restarts.w + 3 * m.weights);
    keep(m.relevant, "1100", "0110");
    keep(m.restarts.relevant, "0101", "1100");                       /* the same latents */
    keep(m.restarts.relevant + 1 * TASKS * LATENTS, "1100", "0110"); /* itself */
    keep(m.restarts.relevant + 2 * TASKS * LATENTS, "1100", "1010"); /* task 1: another */
    keep(m.restarts.relevant + 3 * TASKS * LATENTS, "0000", "0000");
    for (int r = 0; r < RESTARTS; r++)
        m.restarts.objective[r] = 1 + r % 2;
    return m;
}

static ub_evidence look(const ub_model *m, const ub_corpus *c, const uint8_t *use)
{
    int64_t     width = ub_evidence_width(m);
    double     *sum, *part;
    ub_evidence e = {0};
    UB_CHECK(UB_ALLOC(sum, width));
    UB_CHECK(UB_ALLOC(part, width));
    for (int64_t s = 0; s < SHARDS; s++) {
        UB_CHECK(ub_evidence_shard(m, c, SHARDS, s, holdout, use, part));
        for (int64_t k = 0; k < width; k++)
            sum[k] += part[k];
    }
    UB_CHECK(ub_evidence_make(m, c, sum, &e));
    ub_free(part);
    ub_free(sum);
    return e;
}

static void initialisations_are_compared(void)
{
    ub_corpus   c = make_corpus();
    ub_model    m = make_model();
    ub_evidence e = look(&m, &c, NULL);
    CU_ASSERT_EQUAL(e.samples, SHARDS * 12 * STEPS); /* .4 of 30 episodes a shard */
    static const int partner[LATENTS] = {3, 1, 0, 2};
    for (int j = 0; j < LATENTS; j++) {
        CU_ASSERT_EQUAL(e.match[j], partner[j]);
        CU_ASSERT_EQUAL(e.match[KEPT * LATENTS + j], j);
        UB_CHECK_CLOSE(e.likeness[j], 1, 1e-9);
        CU_ASSERT(e.likeness[2 * LATENTS + j] > UB_EVIDENCE_MATCH);
    }
    CU_ASSERT(e.likeness[2 * LATENTS] < 0.999 && e.likeness[2 * LATENTS + 2] > 1 - 1e-9);
    /* 0 keeps the partners of both, 2 those of task 0 (mixed), 3 none: of task 1 it keeps latent
     * 2 and one of the mixed pair. */
    UB_CHECK_CLOSE(e.confidence[0], 2. / 3, 1e-12);
    UB_CHECK_CLOSE(e.confidence[1], 2. / 3, 1e-12);
    CU_ASSERT(e.confidence[3] == 0);
    UB_CHECK_CLOSE(e.confidence[LATENTS + 2], 2. / 3, 1e-12);
    UB_CHECK_CLOSE(e.confidence[LATENTS] + e.confidence[LATENTS + 1], 2. / 3, 1e-12);
    /* The mixture spans the same group: full agreement of 0 and 2, none of 3. */
    UB_CHECK_CLOSE(e.agreement[0], 2. / 3, 1e-6);
    CU_ASSERT(e.agreement[1] < 2. / 3 - 0.02 && e.agreement[1] > 1. / 3);
    ub_evidence_release(&e);
    /* Of the first two: who keeps more says all that the other does, but not the other way round.
     */
    m.restarts.count = 2;
    keep(m.restarts.relevant, "0101", "1101");
    e = look(&m, &c, NULL);
    UB_CHECK_CLOSE(e.agreement[0], 1, 1e-6);
    CU_ASSERT(e.agreement[1] > 0.5 && e.agreement[1] < 0.99);
    ub_evidence_release(&e);
    keep(m.restarts.relevant, "0101", "0100");
    e = look(&m, &c, NULL);
    CU_ASSERT(e.agreement[1] > 0.3 && e.agreement[1] < 0.99);
    ub_evidence_release(&e);
    ub_model_release(&m);
    ub_corpus_release(&c);
}

/* dg/dz of column `at` of task i, by differences. */
static double slope(const ub_model *m, int i, int at, const double *z, int j)
{
    double up[LATENTS], down[LATENTS], a[TARGETS], b[TARGETS], h = 1e-6;
    memcpy(up, z, sizeof up);
    memcpy(down, z, sizeof down);
    up[j] += h;
    down[j] -= h;
    UB_CHECK(ub_model_predict(m, i, 1, up, a));
    UB_CHECK(ub_model_predict(m, i, 1, down, b));
    return (a[at] - b[at]) / (2 * h) / m->norm[DIM + TARGETS + DIM + offset[i] + at];
}

/* Held-out samples one after another: `visit` of each. */
typedef void (*visitor)(const ub_model *m, const double *mu, const double *target, double *sums);
static int64_t each_held(const ub_model *m, const ub_corpus *c, visitor visit, double *sums)
{
    int64_t n = 0;
    for (int e = 0; e < EPISODES; e++)
        for (int t = 0; t < STEPS && e % 30 >= 18; t++, n++) {
            double mu[LATENTS];
            UB_CHECK(ub_model_encode(m, 1, c->states + (e * STEPS + t) * DIM, mu));
            visit(m, mu, c->targets + e * TARGETS, sums);
        }
    return n;
}

static void sum_moments(const ub_model *m, const double *mu, const double *target, double *sums)
{
    (void)m, (void)target;
    for (int a = 0; a < LATENTS; a++) {
        sums[LATENTS * LATENTS + a] += mu[a];
        for (int b = 0; b < LATENTS; b++)
            sums[a * LATENTS + b] += mu[a] * mu[b];
    }
}

/* Of task 1 (columns 1 and 2, latents 1 and 2): J'J, then y, y^2, error^2 of both columns. */
static void sum_task(const ub_model *m, const double *mu, const double *target, double *sums)
{
    double out[TARGETS];
    UB_CHECK(ub_model_predict(m, 1, 1, mu, out));
    for (int o = 0; o < 2; o++) {
        double j1 = slope(m, 1, o, mu, 1), j2 = slope(m, 1, o, mu, 2);
        double y = target[1 + o], off = y - out[o];
        sums[0] += j1 * j1;
        sums[1] += j1 * j2;
        sums[2] += j2 * j2;
        sums[3 + 3 * o] += y;
        sums[4 + 3 * o] += y * y;
        sums[5 + 3 * o] += off * off;
    }
}

static void figures_are_those_of_brute_force(void)
{
    ub_corpus   c = make_corpus();
    ub_model    m = make_model();
    ub_evidence e = look(&m, &c, NULL);
    double      moment[LATENTS * LATENTS + LATENTS] = {0}, cov[LATENTS][LATENTS], task[9] = {0};
    double      n = (double)each_held(&m, &c, sum_moments, moment);
    CU_ASSERT_EQUAL(n, (double)e.samples);
    for (int a = 0; a < LATENTS; a++)
        for (int b = 0; b < LATENTS; b++)
            cov[a][b] = moment[a * LATENTS + b] / n -
                        moment[LATENTS * LATENTS + a] / n * moment[LATENTS * LATENTS + b] / n;
    for (int a = 0; a < LATENTS; a++)
        for (int b = 0; b < LATENTS; b++)
            UB_CHECK_CLOSE(e.correlation[a * LATENTS + b], cov[a][b] / sqrt(cov[a][a] * cov[b][b]),
                           1e-10);
    (void)each_held(&m, &c, sum_task, task);
    /* Singular values of two columns: eigenvalues of a 2 x 2 matrix. */
    double a = task[0] / n * cov[1][1], b = task[1] / n * sqrt(cov[1][1] * cov[2][2]);
    double d = task[2] / n * cov[2][2], root = sqrt((a - d) * (a - d) / 4 + b * b);
    UB_CHECK_CLOSE(e.singular[LATENTS], sqrt((a + d) / 2 + root), 1e-6);
    UB_CHECK_CLOSE(e.singular[LATENTS + 1], sqrt((a + d) / 2 - root), 1e-6);
    CU_ASSERT(e.singular[LATENTS + 2] == 0 && e.singular[LATENTS + 3] == 0);
    double r2 = 0;
    for (int o = 0; o < 2; o++)
        r2 +=
            0.5 * (1 - task[5 + 3 * o] / (task[4 + 3 * o] - task[3 + 3 * o] * task[3 + 3 * o] / n));
    UB_CHECK_CLOSE(e.task_r2[1], r2, 1e-10);
    for (int j = 0; j < LATENTS; j++) {
        double kl = 0, both[2 * LATENTS];
        for (int k = 0; k < EPISODES; k++)
            for (int t = 0; t < STEPS && k % 30 >= 18; t++) {
                UB_CHECK(ub_model_posterior(&m, 1, c.states + (k * STEPS + t) * DIM, both));
                double v = both[LATENTS + j];
                kl += (both[j] * both[j] + exp(v) - 1 - v) / 2;
            }
        UB_CHECK_CLOSE(e.kl[j], kl / n, 1e-10);
    }
    ub_evidence_release(&e);
    ub_model_release(&m);
    ub_corpus_release(&c);
}

static void only_steps_in_use_count(void)
{
    ub_corpus     c = make_corpus();
    ub_model      m = make_model();
    const uint8_t use[STEPS * TASKS] = {1, 0, 0, 0}; /* task 1 never counts */
    ub_evidence   all = look(&m, &c, NULL), some = look(&m, &c, use);
    CU_ASSERT(isnan(some.task_r2[1]) && some.singular[LATENTS] == 0);
    CU_ASSERT(some.task_r2[0] != all.task_r2[0] && isfinite(some.task_r2[0]));
    CU_ASSERT_EQUAL(memcmp(some.kl, all.kl, LATENTS * sizeof *all.kl), 0);
    m.restarts.count = 1; /* one initialisation: nobody to compare with */
    m.restarts.kept = 0;
    ub_evidence one = look(&m, &c, NULL);
    CU_ASSERT(isnan(one.confidence[0]) && isnan(one.agreement[1]));
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)one.warnings.data, "there is one initialisation"));
    ub_evidence_release(&one);
    ub_evidence_release(&all);
    ub_evidence_release(&some);
    ub_model_release(&m);
    ub_corpus_release(&c);
}

/* Task 0 is a label of three classes: a column in the corpus, three outputs of the model. */
static void classes_are_probabilities(void)
{
    enum { CLASSES = 3 };
    static const int32_t classes[] = {0, CLASSES, CLASSES + 2};
    const ub_model_shape shape = {.dim = DIM,
                                  .latents = LATENTS,
                                  .hidden = HIDDEN,
                                  .layers = 1,
                                  .head_hidden = HEAD,
                                  .tasks = TASKS,
                                  .targets = CLASSES + 2};
    ub_corpus            c = make_corpus();
    ub_model             m;
    double               y[CLASSES] = {0}, off[CLASSES] = {0}, r2 = 0;
    UB_CHECK(ub_model_alloc(&shape, classes, &m));
    UB_CHECK(ub_restarts_alloc(&m, 1, &m.restarts));
    m.restarts.kept = 0;
    fill(5, m.weights, 0.7, m.w);
    memcpy(m.restarts.w, m.w, (size_t)m.weights * sizeof *m.w);
    for (int k = 0; k < DIM + CLASSES + 2; k++)
        m.norm[DIM + CLASSES + 2 + k] = 1;
    for (int e = 0; e < EPISODES; e++)
        c.targets[e * TARGETS] = (e * 7 % 10) % CLASSES;
    ub_evidence e = look(&m, &c, NULL);
    for (int k = 0; k < EPISODES; k++)
        for (int t = 0; t < STEPS && k % 30 >= 18; t++) {
            double mu[LATENTS], out[CLASSES], sum = 0;
            UB_CHECK(ub_model_encode(&m, 1, c.states + (k * STEPS + t) * DIM, mu));
            UB_CHECK(ub_model_predict(&m, 0, 1, mu, out));
            for (int o = 0; o < CLASSES; o++)
                sum += exp(out[o]);
            for (int o = 0; o < CLASSES; o++) {
                double is = (int)c.targets[k * TARGETS] == o;
                y[o] += is;
                off[o] += (is - exp(out[o]) / sum) * (is - exp(out[o]) / sum);
            }
        }
    for (int o = 0; o < CLASSES; o++)
        r2 += (1 - off[o] / (y[o] - y[o] * y[o] / (double)e.samples)) / CLASSES;
    UB_CHECK_CLOSE(e.task_r2[0], r2, 1e-10);
    CU_ASSERT(isfinite(e.task_r2[1]));
    ub_evidence_release(&e);
    ub_model_release(&m);
    ub_corpus_release(&c);
}

/* ---- warnings ---- */

/* Nothing to complain about. */
static ub_evidence make_evidence(const ub_model *m)
{
    ub_evidence e = {.tasks = TASKS, .latents = LATENTS, .restarts = 3, .samples = 1000};
    UB_CHECK(ub_evidence_alloc(&e));
    for (int i = 0; i < TASKS; i++) {
        (void)snprintf(e.task_name[i], UB_NAME_MAX, "t%d", i);
        e.agreement[i] = 1;
        e.task_r2[i] = 0.9;
        for (int j = 0; j < LATENTS; j++)
            e.confidence[i * LATENTS + j] = m->relevant[i * LATENTS + j];
        e.singular[i * LATENTS] = 1;
        e.singular[i * LATENTS + 1] = 0.5;
    }
    for (int j = 0; j < LATENTS; j++)
        e.kl[j] = e.correlation[j * LATENTS + j] = 1;
    return e;
}

/* The sentences, given one change to a sound model; says: what one of them holds, NULL = none. */
static void expect(void (*change)(ub_model *m, ub_evidence *e), const char *says)
{
    ub_model m = make_model();
    ub_bytes text = {0};
    m.task_offset[1] = 2; /* no scalar task */
    m.task_offset[2] = 4;
    ub_evidence e = make_evidence(&m);
    if (change != NULL)
        change(&m, &e);
    UB_CHECK(ub_evidence_warn(&m, &e, &text));
    const char *got = text.data == NULL ? "" : (const char *)text.data;
    int         lines = 0;
    for (const char *s = got; (s = strchr(s, '\n')) != NULL; s++)
        lines++;
    CU_ASSERT_EQUAL(lines, says != NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(got, says == NULL ? "" : says));
    if (says != NULL && strstr(got, says) == NULL)
        (void)printf("got: %s\n", got);
    ub_bytes_release(&text);
    ub_evidence_release(&e);
    ub_model_release(&m);
}

static void closed(ub_model *m, ub_evidence *e)
{
    (void)m;
    e->task_r2[1] = 0.12;
}
static void open(ub_model *m, ub_evidence *e)
{
    for (int j = 0; j < LATENTS; j++) {
        m->relevant[j] = 1;
        e->confidence[j] = e->singular[j] = 1;
    }
}
static void open_because_closed(ub_model *m, ub_evidence *e)
{
    open(m, e);
    e->task_r2[0] = 0.12;
}
static void scalar(ub_model *m, ub_evidence *e)
{
    (void)e;
    m->task_offset[1] = 1;
}
static void flat(ub_model *m, ub_evidence *e)
{
    (void)m;
    e->singular[LATENTS + 1] = 0.005;
}
static void tied(ub_model *m, ub_evidence *e)
{
    (void)m;
    e->correlation[2 * LATENTS + 3] = e->correlation[3 * LATENTS + 2] = -0.42;
}
static void tied_by_chance(ub_model *m, ub_evidence *e)
{
    tied(m, e);
    e->samples = 40;
}
static void idle(ub_model *m, ub_evidence *e)
{
    (void)m;
    e->kl[3] = 0.001;
    e->kl[1] = 0.001; /* kept by tasks: not idle */
}
static void doubtful(ub_model *m, ub_evidence *e)
{
    (void)m;
    e->confidence[1] = 0.4;
}
static void other_group(ub_model *m, ub_evidence *e)
{
    (void)m;
    e->agreement[0] = 0.7;
}

static void warnings_say_what_is_wrong(void)
{
    expect(NULL, NULL);
    expect(closed, "task 't1': hardly predicted");
    expect(open, "task 't0': every latent is kept");
    expect(open_because_closed, "task 't0': hardly predicted");
    expect(scalar, "task 't0': a scalar");
    expect(flat, "task 't1': keeps 2 latents but depends on them along 1 direction only");
    expect(tied, "latents 2 and 3 are correlated (0.42");
    expect(tied_by_chance, NULL);
    expect(idle, "1 latent (3) carries nothing");
    expect(doubtful, "task 't0': 1 of the 2 latents it keeps is confirmed by fewer than half");
    expect(other_group, "task 't0': other initialisations keep another group");
}

UB_SUITE("evidence",
         {"initialisations are compared by what their latents say", initialisations_are_compared},
         {"correlations, singular values, R2 and KL are those of brute force",
          figures_are_those_of_brute_force},
         {"classes are compared with their probabilities", classes_are_probabilities},
         {"steps that are not in use do not count", only_steps_in_use_count},
         {"each warning comes when it should, and only then", warnings_say_what_is_wrong})
