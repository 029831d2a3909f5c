/* The float versions of tanh, exp and normal numbers. */
#define UB_SINGLE
#include "core/internal/vector.h"

#include <math.h>
#include <string.h>

#include "tests/support/suite.h"

/* Every STRIDE-th of all floats; 997 is prime, so every exponent and sign is met. */
enum { STRIDE = 997, BATCH = 4096 };

/* Distance in units of the last place of the true value, from 2^-149 on. */
static double ulps(float got, double want)
{
    int exponent = 0;
    (void)frexp(want, &exponent);
    exponent = exponent < -125 ? -125 : exponent;
    return fabs((double)got - want) / ldexp(1, exponent - 24);
}

/* The largest error over the floats in [-limit, limit]. */
static double worst(void (*ours)(int64_t, float *), double (*theirs)(double), float limit)
{
    static float x[BATCH], y[BATCH];
    double       largest = 0;
    uint64_t     bits = 0;
    while (bits <= UINT32_MAX) {
        int n = 0;
        for (; n < BATCH && bits <= UINT32_MAX; bits += STRIDE) {
            uint32_t word = (uint32_t)bits;
            memcpy(&x[n], &word, sizeof word);
            n += fabsf(x[n]) <= limit; /* NaN is not */
        }
        memcpy(y, x, sizeof y);
        ours(n, y);
        for (int i = 0; i < n; i++)
            largest = fmax(largest, ulps(y[i], theirs(x[i])));
    }
    return largest;
}

static void tanh_is_close(void)
{
    CU_ASSERT(worst(ub_vector_tanh, tanh, INFINITY) <= 2);
}

static void exp_is_close(void)
{
    CU_ASSERT(worst(ub_vector_exp, exp, 86) <= 2);
}

static void elu_is_close(void)
{
    for (float x = -100; x < 3; x += 0.0037f) {
        float y = x;
        ub_vector_elu(1, &y);
        UB_CHECK_CLOSE(y, x > 0 ? x : expm1(x), 2e-7);
    }
}

static void ends_are_kept(void)
{
    float x[] = {NAN, INFINITY, -INFINITY, 200, -200, 0}, y[6];
    memcpy(y, x, sizeof x);
    ub_vector_exp(6, y);
    CU_ASSERT(isnan(y[0]) && y[5] == 1);
    for (int i = 1; i < 5; i++)
        UB_CHECK_CLOSE(log(y[i]), x[i] > 0 ? 88 : -87, 1e-6);
    memcpy(y, x, sizeof x);
    ub_vector_tanh(6, y);
    CU_ASSERT(isnan(y[0]) && y[1] == 1 && y[2] == -1 && y[3] == 1 && y[4] == -1 && y[5] == 0);
}

/* Box and Muller's formula on the words of the generator, in double. */
static void normals_are_the_formula(void)
{
    enum { BLOCKS = 100, ROUND = 64 };
    ub_rng       r = ub_rng_make(3, UB_RNG_TEST, 1ull << 40 | 7), words = r;
    float        x[4 * BLOCKS];
    static float want[BLOCKS / 16 + 1][4][16];
    for (int b = 0; b < BLOCKS; b++)
        for (int pair = 0; pair < 4; pair += 2) {
            double u = (ub_rng_u32(&words) / 512 + 0.5) / 8388608, v = ub_rng_u32(&words) / 0x1p32;
            double radius = sqrt(-2 * log(u));
            want[b / 16][pair][b % 16] = (float)(radius * cos(2 * M_PI * v));
            want[b / 16][pair + 1][b % 16] = (float)(radius * sin(2 * M_PI * v));
        }
    for (int n = 4 * BLOCKS / ROUND * ROUND; n > 0; n -= 37) { /* a shorter array is a prefix */
        ub_vector_normal(r, n, x);
        for (int i = 0; i < n; i++)
            UB_CHECK_CLOSE(x[i], (&want[0][0][0])[i], 2e-6);
    }
}

/* Five standard errors of the first four moments, of neighbours, and of the share beyond 3. */
static void normals_are_normal(void)
{
    enum { N = 1 << 20 };
    float *x;
    double sum[5] = {0}, next = 0, tail = 0, n = N;
    UB_CHECK(UB_ALLOC(x, N));
    ub_vector_normal(ub_rng_make(8, UB_RNG_TEST, 2), N, x);
    for (int i = 0; i < N; i++) {
        double p = 1;
        for (int k = 1; k <= 4; k++)
            sum[k] += p *= x[i];
        next += x[i] * x[(i + 1) % N];
        tail += fabsf(x[i]) > 3;
    }
    CU_ASSERT(fabs(sum[1]) < 5 * sqrt(n));
    CU_ASSERT(fabs(sum[2] - n) < 5 * sqrt(2 * n));
    CU_ASSERT(fabs(sum[3]) < 5 * sqrt(15 * n));
    CU_ASSERT(fabs(sum[4] - 3 * n) < 5 * sqrt(96 * n));
    CU_ASSERT(fabs(next) < 5 * sqrt(n));
    CU_ASSERT(fabs(tail - 0.0026997960632602 * n) < 5 * sqrt(0.0027 * n));
    ub_free(x);
}

UB_SUITE("vector", {"tanh is within 2 ulp for all floats", tanh_is_close},
         {"exp is within 2 ulp where it is a normal number", exp_is_close},
         {"elu is within the rounding of numbers about 1", elu_is_close},
         {"ends and NaN are as documented", ends_are_kept},
         {"normal numbers are Box and Muller's formula", normals_are_the_formula},
         {"normal numbers are normal and independent", normals_are_normal})
