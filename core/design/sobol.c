/* Sobol' sequence: low discrepancy, and more points keep the earlier ones.
 *
 * x_i = the bits of the Gray code of i times the direction numbers, by exclusive or (Sobol' 1967;
 * Antonov and Saleev 1979).  Primitive polynomials and initial direction numbers of Joe and Kuo,
 * "Constructing Sobol' sequences with better two-dimensional projections", SIAM Journal on
 * Scientific Computing 30 (2008), their set D(6) ("new-joe-kuo-6.21201"), the first 64 dimensions.
 * Seed 0 gives the published points; another seed adds a random digital shift: exclusive or with
 * 32 random bits a dimension. */
#include "core/design.h"
#include "core/rng.h"

enum { BITS = 32, DEGREE = 9 };

/* Dimensions 2 and up: degree s and inner coefficients a of the polynomial, m_1 .. m_s. */
static const struct {
    int      degree;
    uint32_t a, m[DEGREE];
} table[UB_SPACE_PARAMETERS - 1] = {
    {1, 0, {1}},
    {2, 1, {1, 3}},
    {3, 1, {1, 3, 1}},
    {3, 2, {1, 1, 1}},
    {4, 1, {1, 1, 3, 3}},
    {4, 4, {1, 3, 5, 13}},
    {5, 2, {1, 1, 5, 5, 17}},
    {5, 4, {1, 1, 5, 5, 5}},
    {5, 7, {1, 1, 7, 11, 19}},
    {5, 11, {1, 1, 5, 1, 1}},
    {5, 13, {1, 1, 1, 3, 11}},
    {5, 14, {1, 3, 5, 5, 31}},
    {6, 1, {1, 3, 3, 9, 7, 49}},
    {6, 13, {1, 1, 1, 15, 21, 21}},
    {6, 16, {1, 3, 1, 13, 27, 49}},
    {6, 19, {1, 1, 1, 15, 7, 5}},
    {6, 22, {1, 3, 1, 15, 13, 25}},
    {6, 25, {1, 1, 5, 5, 19, 61}},
    {7, 1, {1, 3, 7, 11, 23, 15, 103}},
    {7, 4, {1, 3, 7, 13, 13, 15, 69}},
    {7, 7, {1, 1, 3, 13, 7, 35, 63}},
    {7, 8, {1, 3, 5, 9, 1, 25, 53}},
    {7, 14, {1, 3, 1, 13, 9, 35, 107}},
    {7, 19, {1, 3, 1, 5, 27, 61, 31}},
    {7, 21, {1, 1, 5, 11, 19, 41, 61}},
    {7, 28, {1, 3, 5, 3, 3, 13, 69}},
    {7, 31, {1, 1, 7, 13, 1, 19, 1}},
    {7, 32, {1, 3, 7, 5, 13, 19, 59}},
    {7, 37, {1, 1, 3, 9, 25, 29, 41}},
    {7, 41, {1, 3, 5, 13, 23, 1, 55}},
    {7, 42, {1, 3, 7, 3, 13, 59, 17}},
    {7, 50, {1, 3, 1, 3, 5, 53, 69}},
    {7, 55, {1, 1, 5, 5, 23, 33, 13}},
    {7, 56, {1, 1, 7, 7, 1, 61, 123}},
    {7, 59, {1, 1, 7, 9, 13, 61, 49}},
    {7, 62, {1, 3, 3, 5, 3, 55, 33}},
    {8, 14, {1, 3, 1, 15, 31, 13, 49, 245}},
    {8, 21, {1, 3, 5, 15, 31, 59, 63, 97}},
    {8, 22, {1, 3, 1, 11, 11, 11, 77, 249}},
    {8, 38, {1, 3, 1, 11, 27, 43, 71, 9}},
    {8, 47, {1, 1, 7, 15, 21, 11, 81, 45}},
    {8, 49, {1, 3, 7, 3, 25, 31, 65, 79}},
    {8, 50, {1, 3, 1, 1, 19, 11, 3, 205}},
    {8, 52, {1, 1, 5, 9, 19, 21, 29, 157}},
    {8, 56, {1, 3, 7, 11, 1, 33, 89, 185}},
    {8, 67, {1, 3, 3, 3, 15, 9, 79, 71}},
    {8, 70, {1, 3, 7, 11, 15, 39, 119, 27}},
    {8, 84, {1, 1, 3, 1, 11, 31, 97, 225}},
    {8, 97, {1, 1, 1, 3, 23, 43, 57, 177}},
    {8, 103, {1, 3, 7, 7, 17, 17, 37, 71}},
    {8, 115, {1, 3, 1, 5, 27, 63, 123, 213}},
    {8, 122, {1, 1, 3, 5, 11, 43, 53, 133}},
    {9, 8, {1, 3, 5, 5, 29, 17, 47, 173, 479}},
    {9, 13, {1, 3, 3, 11, 3, 1, 109, 9, 69}},
    {9, 16, {1, 1, 1, 5, 17, 39, 23, 5, 343}},
    {9, 22, {1, 3, 1, 5, 25, 15, 31, 103, 499}},
    {9, 25, {1, 1, 1, 11, 11, 17, 63, 105, 183}},
    {9, 44, {1, 1, 5, 11, 9, 29, 97, 231, 363}},
    {9, 47, {1, 1, 5, 15, 19, 45, 41, 7, 383}},
    {9, 52, {1, 3, 7, 7, 31, 19, 83, 137, 221}},
    {9, 55, {1, 1, 1, 3, 23, 15, 111, 223, 83}},
    {9, 59, {1, 1, 5, 13, 31, 15, 55, 25, 161}},
    {9, 62, {1, 1, 3, 13, 25, 47, 39, 87, 257}},
};

/* v_k of a dimension, scaled by 2^32: m_k / 2^k, continued by the polynomial's recurrence. */
static void directions(int32_t dimension, uint32_t v[BITS])
{
    if (dimension == 0) {
        for (int k = 0; k < BITS; k++)
            v[k] = UINT32_C(1) << (BITS - 1 - k);
        return;
    }
    int s = table[dimension - 1].degree;
    for (int k = 0; k < BITS; k++) {
        if (k < s) {
            v[k] = table[dimension - 1].m[k] << (BITS - 1 - k);
            continue;
        }
        v[k] = v[k - s] ^ (v[k - s] >> s);
        for (int j = 1; j < s; j++)
            if ((table[dimension - 1].a >> (s - 1 - j)) & 1u)
                v[k] ^= v[k - j];
    }
}

static ub_status length(const ub_design_query *q, int64_t *out)
{
    (void)q;
    *out = INT64_C(1) << BITS;
    return UB_OK;
}

static ub_status points(const ub_design_query *q, int64_t first, int64_t count, double *u)
{
    uint32_t v[BITS];
    for (int32_t p = 0; p < q->space->count; p++) {
        ub_rng   r = ub_rng_make(q->seed, UB_RNG_DESIGN, (uint64_t)p);
        uint32_t shift = q->seed == 0 ? 0 : ub_rng_u32(&r);
        directions(p, v);
        for (int64_t i = 0; i < count; i++) {
            uint64_t gray = (uint64_t)(first + i) ^ ((uint64_t)(first + i) >> 1);
            uint32_t x = shift;
            for (int k = 0; gray != 0; k++, gray >>= 1)
                if (gray & 1u)
                    x ^= v[k];
            u[i * q->space->count + p] = (double)x / 4294967296.0;
        }
    }
    return UB_OK;
}

const ub_design ub_design_sobol = {
    .name = "sobol",
    .summary = "Sobol' points, evenly spread; more of them keep the earlier ones",
    .reference = "Joe and Kuo (2008)",
    .extends = true,
    .length = length,
    .points = points,
};
