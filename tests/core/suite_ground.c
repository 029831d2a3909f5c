/* The ground floor: bytes, memory, random numbers, hashes, shards. */
#include <string.h>

#include "core/bytes.h"
#include "core/rng.h"
#include "core/sha256.h"
#include "core/shard.h"
#include "tests/support/suite.h"

static void sha256_vectors(void)
{
    static const struct {
        const char *text, *hex;
    } table[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char hex[UB_SHA256_HEX];
        ub_sha256_hex_of(table[i].text, strlen(table[i].text), hex);
        CU_ASSERT_STRING_EQUAL(hex, table[i].hex);
    }
}

static void sha256_pieces(void)
{
    unsigned char data[1000], whole[UB_SHA256_BYTES], pieces[UB_SHA256_BYTES];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 7);
    ub_sha256_of(data, sizeof data, whole);
    for (size_t step = 1; step < 200; step += 13) {
        ub_sha256 s;
        ub_sha256_init(&s);
        for (size_t at = 0; at < sizeof data; at += step)
            ub_sha256_update(&s, data + at, at + step < sizeof data ? step : sizeof data - at);
        ub_sha256_final(&s, pieces);
        CU_ASSERT_EQUAL(memcmp(whole, pieces, sizeof whole), 0);
    }
}

/* Known answers published with the generator (Random123, kat_vectors). */
static void philox_vectors(void)
{
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } table[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint32_t out[4];
        ub_philox4x32(table[i].counter, table[i].key, out);
        CU_ASSERT_EQUAL(memcmp(out, table[i].out, sizeof out), 0);
    }
}

static void normals_are_normal(void)
{
    ub_rng r = ub_rng_make(1, UB_RNG_TEST, 5);
    double s1 = 0, s2 = 0, s4 = 0;
    int    n = 100000;
    for (int i = 0; i < n; i++) {
        double x = ub_rng_normal(&r);
        s1 += x;
        s2 += x * x;
        s4 += x * x * x * x;
    }
    CU_ASSERT_DOUBLE_EQUAL(s1 / n, 0, 0.015);
    CU_ASSERT_DOUBLE_EQUAL(s2 / n, 1, 0.025);
    CU_ASSERT_DOUBLE_EQUAL(s4 / n, 3, 0.15);
}

static void streams_are_keyed(void)
{
    ub_rng   a = ub_rng_make(3, UB_RNG_TEST, 9), b = ub_rng_make(3, UB_RNG_TEST, 9);
    ub_rng   c = ub_rng_make(3, UB_RNG_INIT, 9), d = ub_rng_make(3, UB_RNG_TEST, 10);
    uint64_t x = ub_rng_u64(&a);
    CU_ASSERT_EQUAL(x, ub_rng_u64(&b));
    CU_ASSERT_NOT_EQUAL(x, ub_rng_u64(&c));
    CU_ASSERT_NOT_EQUAL(x, ub_rng_u64(&d));
}

static void permutation_is_one(void)
{
    enum { N = 1000 };
    int64_t p[N];
    char    seen[N] = {0};
    ub_rng  r = ub_rng_make(1, UB_RNG_TEST, 0);
    ub_rng_permutation(&r, N, p);
    int64_t fixed = 0;
    for (int i = 0; i < N; i++) {
        seen[p[i]] = 1;
        fixed += p[i] == i;
    }
    for (int i = 0; i < N; i++)
        CU_ASSERT_EQUAL(seen[i], 1);
    CU_ASSERT(fixed < 10);
}

static void shards_tile(void)
{
    static const int64_t sizes[] = {0, 1, 7, 64, 1000, 10007, INT64_C(3000000000000000000)};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int ranks = 1; ranks < 9; ranks++) {
            int64_t at = 0;
            for (int r = 0; r < ranks; r++) {
                ub_range g = ub_rows_of_rank(sizes[i], 6, ranks, r);
                CU_ASSERT_EQUAL(g.first, at);
                at += g.count;
            }
            CU_ASSERT_EQUAL(at, sizes[i]);
        }
}

static void bytes_round_trip(void)
{
    ub_bytes b = {0};
    int64_t  in = 77, out = 0;
    size_t   at = 0;
    for (int i = 0; i < 100; i++)
        UB_CHECK(ub_bytes_put(&b, &in, sizeof in));
    UB_CHECK(ub_bytes_printf(&b, "%d-%s", 12, "x"));
    for (int i = 0; i < 100; i++) {
        UB_CHECK(ub_bytes_take(b.data, b.len, &at, &out, sizeof out));
        CU_ASSERT_EQUAL(out, 77);
    }
    CU_ASSERT_STRING_EQUAL((char *)b.data + at, "12-x");
    UB_CHECK_FAILS(ub_bytes_take(b.data, b.len, &at, &out, sizeof out), UB_EFORMAT, "ends before");
    ub_bytes_release(&b);
}

static void allocation_refuses_overflow(void)
{
    double *x = NULL;
    UB_CHECK_FAILS(UB_ALLOC(x, SIZE_MAX / 4), UB_ENOMEM, "no memory");
    UB_CHECK(UB_ALLOC(x, 0));
    CU_ASSERT_PTR_NOT_NULL(x);
    ub_free(x);
}

UB_SUITE("ground", {"SHA-256 gives the published digests", sha256_vectors},
         {"SHA-256 does not depend on the pieces", sha256_pieces},
         {"Philox gives the published numbers", philox_vectors},
         {"normals have the moments of a normal", normals_are_normal},
         {"streams depend on seed, purpose and item", streams_are_keyed},
         {"a permutation holds every number once", permutation_is_one},
         {"shards tile the rows for every rank count", shards_tile},
         {"bytes come back in order and not past the end", bytes_round_trip},
         {"an allocation that overflows is refused", allocation_refuses_overflow})
