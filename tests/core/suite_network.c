/* Dense layers, the model's layout and encoder. */
#include <math.h>
#include <string.h>

#include "core/network.h"
#include "core/rng.h"
#include "tests/support/suite.h"

enum { ROWS = 5, IN = 4, OUT = 3, WEIGHTS = (IN + 1) * OUT };

static const ub_layer layer = {.at = 2, .in = IN, .out = OUT};

static void fill(uint64_t item, int64_t n, double *x)
{
    ub_rng r = ub_rng_make(11, UB_RNG_TEST, item);
    for (int64_t i = 0; i < n; i++)
        x[i] = ub_rng_normal(&r);
}

static double apply(ub_activation act, double x)
{
    return act == UB_ACT_TANH             ? tanh(x)
           : act == UB_ACT_ELU && x < 0   ? exp(x) - 1
           : act == UB_ACT_LEAKY && x < 0 ? 0.01 * x
                                          : x;
}

/* One unit by its definition. */
static double unit(const ub_layer *l, ub_activation act, const double *w, const double *x, int o)
{
    double sum = w[l->at + (int64_t)l->in * l->out + o];
    for (int k = 0; k < l->in; k++)
        sum += w[l->at + (int64_t)o * l->in + k] * x[k];
    return apply(act, sum);
}

static void forward_is_the_formula(void)
{
    double w[2 + WEIGHTS], x[ROWS * IN], y[ROWS * OUT];
    fill(1, 2 + WEIGHTS, w);
    fill(2, ROWS * IN, x);
    for (int act = UB_ACT_LINEAR; act <= UB_ACT_ELU; act++) {
        ub_dense_forward(&layer, (ub_activation)act, w, ROWS, x, y);
        for (int r = 0; r < ROWS; r++)
            for (int o = 0; o < OUT; o++)
                UB_CHECK_CLOSE(y[r * OUT + o], unit(&layer, (ub_activation)act, w, x + r * IN, o),
                               1e-14);
    }
}

/* sum of c * y */
static double loss(ub_activation act, const double *w, const double *x, const double *c)
{
    double sum = 0;
    for (int r = 0; r < ROWS; r++)
        for (int o = 0; o < OUT; o++)
            sum += c[r * OUT + o] * unit(&layer, act, w, x + r * IN, o);
    return sum;
}

static double slope(ub_activation act, double *place, const double *w, const double *x,
                    const double *c)
{
    double keep = *place, h = 1e-5, up, down;
    *place = keep + h;
    up = loss(act, w, x, c);
    *place = keep - h;
    down = loss(act, w, x, c);
    *place = keep;
    return (up - down) / (2 * h);
}

static void backward_is_the_derivative(void)
{
    double w[2 + WEIGHTS], x[ROWS * IN], y[ROWS * OUT], c[ROWS * OUT], delta[ROWS * OUT];
    fill(3, 2 + WEIGHTS, w);
    fill(4, ROWS * IN, x);
    fill(5, ROWS * OUT, c);
    for (int a = UB_ACT_LINEAR; a <= UB_ACT_ELU; a++) {
        ub_activation act = (ub_activation)a;
        double        grad[2 + WEIGHTS], dx[ROWS * IN];
        for (int k = 0; k < 2 + WEIGHTS; k++)
            grad[k] = k; /* is set, not added to, and nothing before the layer is touched */
        ub_dense_forward(&layer, act, w, ROWS, x, y);
        memcpy(delta, c, sizeof delta);
        ub_dense_unact(act, ROWS * OUT, y, delta);
        ub_dense_backward(&layer, w, ROWS, x, delta, grad, dx, 0);
        CU_ASSERT_EQUAL(grad[0], 0);
        CU_ASSERT_EQUAL(grad[1], 1);
        for (int k = 0; k < WEIGHTS; k++)
            UB_CHECK_CLOSE(grad[2 + k], slope(act, &w[2 + k], w, x, c), 1e-8);
        for (int k = 0; k < ROWS * IN; k++)
            UB_CHECK_CLOSE(dx[k], slope(act, &x[k], w, x, c), 1e-8);
    }
}

static void backward_adds_up(void)
{
    double w[2 + WEIGHTS], x[ROWS * IN], delta[ROWS * OUT], dx[ROWS * IN], twice[ROWS * IN];
    double grad[2 + WEIGHTS] = {0}, first[2 + WEIGHTS];
    fill(6, 2 + WEIGHTS, w);
    fill(7, ROWS * IN, x);
    fill(8, ROWS * OUT, delta);
    ub_dense_backward(&layer, w, ROWS, x, delta, grad, dx, 0);
    memcpy(first, grad, sizeof first);
    memcpy(twice, dx, sizeof twice);
    ub_dense_backward(&layer, w, ROWS, x, delta, grad, twice, UB_ADD_GRAD | UB_ADD_DX);
    for (int k = 0; k < 2 + WEIGHTS; k++)
        UB_CHECK_CLOSE(grad[k], 2 * first[k], 1e-14);
    for (int k = 0; k < ROWS * IN; k++)
        UB_CHECK_CLOSE(twice[k], 2 * dx[k], 1e-14);
}

static const ub_model_shape shape = {
    .dim = 5, .latents = 3, .hidden = 7, .layers = 2, .head_hidden = 6, .tasks = 2, .targets = 3};
static const int32_t offset[] = {0, 2, 3};

static void layers_tile_the_weights(void)
{
    ub_layer l[10];
    ub_model m;
    int64_t  at = 0;
    CU_ASSERT_EQUAL(ub_model_layers(&shape, offset, NULL), 10);
    CU_ASSERT_EQUAL(ub_model_layers(&shape, offset, l), 10);
    for (int k = 0; k < 10; k++) {
        CU_ASSERT_EQUAL(l[k].at, at);
        at += ((int64_t)l[k].in + 1) * l[k].out;
    }
    UB_CHECK(ub_model_alloc(&shape, offset, &m));
    CU_ASSERT_EQUAL(m.weights, at);
    CU_ASSERT_STRING_EQUAL(l[0].name, "encoder.0");
    CU_ASSERT_STRING_EQUAL(l[5].name, "decoder.2");
    CU_ASSERT_STRING_EQUAL(l[9].name, "head.1.1");
    CU_ASSERT(l[2].out == 6 && l[3].in == 3 && l[5].out == 5 && l[7].out == 2 && l[9].out == 1);
    ub_model_release(&m);
}

static void bad_shapes_are_refused(void)
{
    ub_model       m;
    ub_model_shape s = shape;
    int32_t        gap[] = {0, 2, 2};
    s.latents = 0;
    UB_CHECK_FAILS(ub_model_alloc(&s, offset, &m), UB_ESHAPE, "latents 0");
    s = shape;
    s.targets = 4;
    UB_CHECK_FAILS(ub_model_alloc(&s, offset, &m), UB_ESHAPE, "the model has 4");
    UB_CHECK_FAILS(ub_model_alloc(&shape, gap, &m), UB_ESHAPE, "task 1");
    s = shape;
    s.activation = 3;
    UB_CHECK_FAILS(ub_model_alloc(&s, offset, &m), UB_ESHAPE, "activation number 3");
}

/* Mean of the latents of one observation by the definition. */
static void encode_one(const ub_model *m, const double *obs, double *mu)
{
    ub_layer l[10];
    double   a[8], b[8];
    (void)ub_model_layers(&m->shape, m->task_offset, l);
    for (int c = 0; c < shape.dim; c++)
        a[c] = (obs[c] - m->norm[c]) / m->norm[8 + c];
    for (int k = 0; k < 3; k++) {
        for (int o = 0; o < l[k].out; o++)
            b[o] = unit(&l[k], k < 2 ? UB_ACT_LEAKY : UB_ACT_LINEAR, m->w, a, o);
        memcpy(a, b, sizeof a);
    }
    memcpy(mu, a, 3 * sizeof *mu);
}

static void encode_is_the_formula(void)
{
    enum { N = 150 };
    static double obs[N * 5], mu[N * 3], shifted[N * 3];
    double        want[3];
    ub_model      m;
    UB_CHECK(ub_model_alloc(&shape, offset, &m));
    fill(9, m.weights, m.w);
    fill(10, N * 5, obs);
    for (int c = 0; c < 8; c++) {
        m.norm[c] = 0.1 * c;
        m.norm[8 + c] = 1 + c;
    }
    UB_CHECK(ub_model_encode(&m, N, obs, mu));
    for (int r = 0; r < N; r++) {
        encode_one(&m, obs + r * 5, want);
        for (int j = 0; j < 3; j++)
            UB_CHECK_CLOSE(mu[r * 3 + j], want[j], 1e-13);
    }
    /* A row's bits do not depend on the rows around it. */
    for (int from = 1; from < 70; from += 17) {
        UB_CHECK(ub_model_encode(&m, N - from, obs + from * 5, shifted));
        CU_ASSERT_EQUAL(memcmp(shifted, mu + from * 3, (size_t)(N - from) * 3 * sizeof *mu), 0);
    }
    /* A column without variance says nothing. */
    m.norm[8] = 0;
    UB_CHECK(ub_model_encode(&m, 1, obs, mu));
    obs[0] = 1e9;
    UB_CHECK(ub_model_encode(&m, 1, obs, shifted));
    CU_ASSERT_EQUAL(memcmp(mu, shifted, 3 * sizeof *mu), 0);
    ub_model_release(&m);
}

/* Decoder and heads by their definitions. */
static void decode_is_the_formula(void)
{
    enum { N = 70 };
    static double z[N * 3], obs[N * 5], task[N], again[5];
    ub_layer      l[10];
    ub_model      m;
    double        a[8], b[8];
    UB_CHECK(ub_model_alloc(&shape, offset, &m));
    (void)ub_model_layers(&shape, offset, l);
    fill(12, m.weights, m.w);
    fill(13, N * 3, z);
    for (int c = 0; c < 8; c++) {
        m.norm[c] = 0.1 * c;
        m.norm[8 + c] = 1 + c;
    }
    UB_CHECK(ub_model_decode(&m, N, z, obs));
    UB_CHECK(ub_model_predict(&m, 1, N, z, task));
    for (int r = 0; r < N; r++) {
        memcpy(a, z + r * 3, 3 * sizeof *a);
        for (int k = 3; k < 6; k++) {
            for (int o = 0; o < l[k].out; o++)
                b[o] = unit(&l[k], k < 5 ? UB_ACT_LEAKY : UB_ACT_LINEAR, m.w, a, o);
            memcpy(a, b, sizeof a);
        }
        for (int c = 0; c < 5; c++)
            UB_CHECK_CLOSE(obs[r * 5 + c], m.norm[c] + m.norm[8 + c] * a[c], 1e-12);
        for (int o = 0; o < l[8].out; o++)
            b[o] = unit(&l[8], UB_ACT_TANH, m.w, z + r * 3, o);
        UB_CHECK_CLOSE(task[r], m.norm[7] + m.norm[15] * unit(&l[9], UB_ACT_LINEAR, m.w, b, 0),
                       1e-12);
    }
    UB_CHECK(ub_model_decode(&m, 1, z + 65 * 3, again)); /* another block: the same bits */
    CU_ASSERT_EQUAL(memcmp(again, obs + 65 * 5, sizeof again), 0);
    ub_model_release(&m);
}

UB_SUITE("network", {"a layer computes act(x W' + b)", forward_is_the_formula},
         {"the backward pass is the derivative", backward_is_the_derivative},
         {"gradients are added to what is there", backward_adds_up},
         {"the layers tile the weights and have names", layers_tile_the_weights},
         {"impossible shapes are refused with a sentence", bad_shapes_are_refused},
         {"the encoder is its formula, row by row to the bit", encode_is_the_formula},
         {"decoder and heads are their formulas, row by row", decode_is_the_formula})
