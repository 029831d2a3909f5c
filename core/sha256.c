#include "core/sha256.h"

#include <stdio.h>
#include <string.h>

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotr(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

/* Round i: a .. h of the standard are v[-i mod 8] .. v[(7 - i) mod 8], so that nothing moves; eight
 * rounds with constant i stay in registers. */
static inline void turn(uint32_t v[8], unsigned i, uint32_t kw)
{
    uint32_t a = v[-i & 7], b = v[(1 - i) & 7], c = v[(2 - i) & 7], e = v[(4 - i) & 7];
    uint32_t f = v[(5 - i) & 7], g = v[(6 - i) & 7], *d = &v[(3 - i) & 7], *h = &v[(7 - i) & 7];
    uint32_t t1 = *h + kw + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g));
    *d += t1;
    *h = t1 + (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
}

static void compress(uint32_t h[8], const unsigned char *p)
{
    uint32_t w[64];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (rotr(a, 7) ^ rotr(a, 18) ^ a >> 3) +
               (rotr(b, 17) ^ rotr(b, 19) ^ b >> 10);
    }
    uint32_t v[8];
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i += 8) {
        turn(v, 0, K[i] + w[i]);
        turn(v, 1, K[i + 1] + w[i + 1]);
        turn(v, 2, K[i + 2] + w[i + 2]);
        turn(v, 3, K[i + 3] + w[i + 3]);
        turn(v, 4, K[i + 4] + w[i + 4]);
        turn(v, 5, K[i + 5] + w[i + 5]);
        turn(v, 6, K[i + 6] + w[i + 6]);
        turn(v, 7, K[i + 7] + w[i + 7]);
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

void ub_sha256_init(ub_sha256 *s)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(s->h, start, sizeof start);
    s->length = 0;
}

void ub_sha256_update(ub_sha256 *s, const void *data, size_t n)
{
    const unsigned char *p = data;
    size_t               fill = (size_t)(s->length % 64);
    s->length += n;
    if (fill > 0) {
        size_t take = 64 - fill < n ? 64 - fill : n;
        memcpy(s->buffer + fill, p, take);
        p += take;
        n -= take;
        if (fill + take < 64)
            return;
        compress(s->h, s->buffer);
    }
    for (; n >= 64; p += 64, n -= 64)
        compress(s->h, p);
    if (n > 0)
        memcpy(s->buffer, p, n);
}

void ub_sha256_final(ub_sha256 *s, unsigned char digest[UB_SHA256_BYTES])
{
    static const unsigned char pad[64] = {0x80};
    uint64_t                   bits = s->length * 8;
    size_t                     fill = (size_t)(s->length % 64);
    ub_sha256_update(s, pad, fill < 56 ? 56 - fill : 120 - fill);
    unsigned char tail[8];
    for (int i = 0; i < 8; i++)
        tail[i] = (unsigned char)(bits >> (56 - 8 * i));
    ub_sha256_update(s, tail, 8);
    for (int i = 0; i < 32; i++)
        digest[i] = (unsigned char)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

void ub_sha256_hex(const unsigned char digest[UB_SHA256_BYTES], char hex[UB_SHA256_HEX])
{
    for (int i = 0; i < UB_SHA256_BYTES; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

void ub_sha256_of(const void *data, size_t n, unsigned char digest[UB_SHA256_BYTES])
{
    ub_sha256 s;
    ub_sha256_init(&s);
    ub_sha256_update(&s, data, n);
    ub_sha256_final(&s, digest);
}

void ub_sha256_hex_of(const void *data, size_t n, char hex[UB_SHA256_HEX])
{
    unsigned char digest[UB_SHA256_BYTES];
    ub_sha256_of(data, n, digest);
    ub_sha256_hex(digest, hex);
}
