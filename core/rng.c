#include "core/rng.h"

#include <math.h>

static void multiply(uint32_t a, uint32_t b, uint32_t *hi, uint32_t *lo)
{
    uint64_t p = (uint64_t)a * b;
    *hi = (uint32_t)(p >> 32);
    *lo = (uint32_t)p;
}

void ub_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint32_t hi0, lo0, hi1, lo1;
        multiply(0xD2511F53u, c0, &hi0, &lo0);
        multiply(0xCD9E8D57u, c2, &hi1, &lo1);
        uint32_t n0 = hi1 ^ c1 ^ k0, n2 = hi0 ^ c3 ^ k1;
        c0 = n0;
        c1 = lo1;
        c2 = n2;
        c3 = lo0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* counter[0] runs within a stream, [1] is the purpose, [2..3] the item: streams
 * of one seed can never meet before 2^34 numbers of one of them are used. */
ub_rng ub_rng_make(uint64_t seed, ub_rng_purpose purpose, uint64_t item)
{
    return (ub_rng){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, (uint32_t)purpose, (uint32_t)item, (uint32_t)(item >> 32)},
        .used = 4,
    };
}

uint32_t ub_rng_u32(ub_rng *r)
{
    if (r->used == 4) {
        ub_philox4x32(r->counter, r->key, r->block);
        r->counter[0]++;
        r->used = 0;
    }
    return r->block[r->used++];
}

uint64_t ub_rng_u64(ub_rng *r)
{
    uint64_t hi = ub_rng_u32(r);
    return hi << 32 | ub_rng_u32(r);
}

double ub_rng_uniform(ub_rng *r)
{
    return ((double)(ub_rng_u64(r) >> 12) + 0.5) * 0x1p-52;
}

double ub_rng_normal(ub_rng *r)
{
    double u = ub_rng_uniform(r), v = ub_rng_uniform(r);
    return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}

uint64_t ub_rng_below(ub_rng *r, uint64_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n;
    uint64_t u;
    do
        u = ub_rng_u64(r);
    while (u >= limit);
    return u % n;
}

void ub_rng_permutation(ub_rng *r, int64_t n, int64_t *p)
{
    for (int64_t i = 0; i < n; i++)
        p[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)ub_rng_below(r, (uint64_t)i + 1), t = p[i];
        p[i] = p[j];
        p[j] = t;
    }
}
