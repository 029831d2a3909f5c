#include "core/internal/vector.h"

#include <math.h>
#include <string.h>

#include "core/internal/simd.h"

#ifndef UB_SINGLE

void ub_vector_tanh(int64_t n, double *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = tanh(x[i]);
}

void ub_vector_exp(int64_t n, double *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = exp(x[i]);
}

void ub_vector_elu(int64_t n, double *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = x[i] > 0 ? x[i] : expm1(x[i]);
}

void ub_vector_normal(ub_rng stream, int64_t n, double *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = ub_rng_normal(&stream);
}

#else

/* The polynomials are those of Moshier's Cephes library, single precision; what is selected
 * between is computed on both sides, so that a loop of them becomes vector code. */

UB_INLINE float from_bits(int32_t i)
{
    float x;
    memcpy(&x, &i, sizeof x);
    return x;
}

UB_INLINE int32_t to_bits(float x)
{
    int32_t i;
    memcpy(&i, &x, sizeof i);
    return i;
}

UB_INLINE float exp_of(float x)
{
    static const float big = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    x = x > 88.0f ? 88.0f : x;
    x = x < -87.0f ? -87.0f : x;
    float shifted = x * 1.44269504f + big, k = shifted - big;
    float r = x - k * 0.693359375f + k * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    /* 2^k by its exponent, k in -126 .. 127; a NaN passes through p. */
    return p * from_bits((int32_t)(((uint32_t)to_bits(shifted) + 127u) << 23));
}

UB_INLINE float tanh_of(float x)
{
    float magnitude = fabsf(x), z = x * x;
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    p = p * z * x + x;
    float far = copysignf(1.0f - 2.0f / (exp_of(2.0f * magnitude) + 1.0f), x);
    return magnitude < 0.625f ? p : far;
}

UB_SIMD void ub_vector_tanh(int64_t n, float *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = tanh_of(x[i]);
}

UB_SIMD void ub_vector_exp(int64_t n, float *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = exp_of(x[i]);
}

UB_SIMD void ub_vector_elu(int64_t n, float *x)
{
    for (int64_t i = 0; i < n; i++) {
        float below = exp_of(x[i]) - 1.0f;
        x[i] = x[i] > 0.0f ? x[i] : below;
    }
}

/* log of a normal positive number. */
UB_INLINE float log_of(float x)
{
    /* mantissa in [sqrt(1/2), sqrt(2)) and its exponent */
    int32_t bits = to_bits(x) - 0x3f3504f3;
    float   e = (float)(bits >> 23), m = from_bits((bits & 0x7fffff) + 0x3f3504f3) - 1.0f;
    float   p = 7.0376836292e-2f, z = m * m;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    p = p * m * z - 2.12194440e-4f * e - 0.5f * z;
    return m + p + 0.693359375f * e;
}

/* Cosine and sine of a turn's part turn / 2^32. */
UB_INLINE void rotate(uint32_t turn, float *c, float *s)
{
    /* The nearest quarter, and what is left in -1/8 .. 1/8 of a turn. */
    uint32_t quarter = (turn + 0x20000000u) >> 30;
    float a = (float)(int32_t)(turn - (quarter << 30)) * 1.46291807926715968e-9f; /* 2 pi 2^-32 */
    float z = a * a;
    float sine = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * a + a;
    float cosine =
        ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z -
        0.5f * z + 1.0f;
    float x = quarter & 1 ? -sine : cosine, y = quarter & 1 ? cosine : sine;
    *c = quarter & 2 ? -x : x;
    *s = quarter & 2 ? -y : y;
}

enum { LANES = 16 };

/* Blocks first .. first + LANES - 1 of the stream; block b's numbers at out[4 b'].  The rounds are
 * those of ub_philox4x32. */
UB_INLINE void philox(const ub_rng *stream, uint32_t first, uint32_t out[4][LANES])
{
    uint32_t k0 = stream->key[0], k1 = stream->key[1];
    for (int l = 0; l < LANES; l++) {
        out[0][l] = first + (uint32_t)l;
        out[1][l] = stream->counter[1];
        out[2][l] = stream->counter[2];
        out[3][l] = stream->counter[3];
    }
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
        for (int l = 0; l < LANES; l++) {
            uint64_t a = (uint64_t)0xD2511F53u * out[0][l], b = (uint64_t)0xCD9E8D57u * out[2][l];
            out[0][l] = (uint32_t)(b >> 32) ^ out[1][l] ^ k0;
            out[1][l] = (uint32_t)b;
            out[2][l] = (uint32_t)(a >> 32) ^ out[3][l] ^ k1;
            out[3][l] = (uint32_t)a;
        }
}

/* The normal numbers of LANES blocks: four a block, kind by kind. */
UB_SIMD static void normals(const ub_rng *stream, uint32_t first, float out[4][LANES])
{
    uint32_t u[4][LANES];
    philox(stream, first, u);
    for (int pair = 0; pair < 4; pair += 2)
        for (int l = 0; l < LANES; l++) {
            float uniform = ((float)(int32_t)(u[pair][l] >> 9) + 0.5f) * 0x1p-23f;
            float c, s, radius = sqrtf(-2.0f * log_of(uniform));
            rotate(u[pair + 1][l], &c, &s);
            out[pair][l] = radius * c;
            out[pair + 1][l] = radius * s;
        }
}

void ub_vector_normal(ub_rng stream, int64_t n, float *x)
{
    float block[4][LANES];
    for (int64_t at = 0; at < n; at += 4 * LANES) {
        normals(&stream, (uint32_t)(at / 4), block);
        int64_t count = n - at < 4 * LANES ? n - at : 4 * LANES;
        memcpy(x + at, block, (size_t)count * sizeof *x);
    }
}

#endif
