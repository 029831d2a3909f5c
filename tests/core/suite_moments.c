/* Corpora in memory: moments by blocks, digests by parts. */
#include <math.h>
#include <string.h>

#include "core/moments.h"
#include "core/rng.h"
#include "tests/support/suite.h"

enum { N = 301, T = 5, D = 2, M = 2, Q = 3, COLUMNS = T * D + Q };

static void make(ub_corpus *c)
{
    static const int32_t offset[] = {0, 1, Q};
    *c = (ub_corpus){.episodes = N, .count = N, .steps = T, .dim = D, .tasks = M, .segment = 1};
    UB_CHECK(UB_ALLOC(c->task_offset, M + 1));
    memcpy(c->task_offset, offset, sizeof offset);
    UB_CHECK(ub_corpus_alloc(c));
    ub_rng r = ub_rng_make(1, UB_RNG_TEST, 0);
    for (int i = 0; i < N * T * D; i++)
        c->states[i] = 1e3 + ub_rng_normal(&r);
    for (int i = 0; i < N * Q; i++)
        c->targets[i] = ub_rng_normal(&r);
    for (int i = 0; i < N; i++)
        c->states[i * T * D + 3] = 0.1; /* constant */
}

static void blocks_make_moments(void)
{
    static double        columns[COLUMNS * N], row[COLUMNS], sum[COLUMNS], mean[COLUMNS];
    static double        strip[UB_MOMENTS_STRIP * COLUMNS];
    static double        square[COLUMNS * (COLUMNS + 1) / 2], total[COLUMNS * (COLUMNS + 1) / 2];
    static const int64_t cut[] = {0, 1, 130, 290, N, N};
    ub_corpus            c;
    ub_moments           m, sums;
    make(&c);
    CU_ASSERT_EQUAL(ub_corpus_columns(&c), COLUMNS);
    for (int64_t e = 0; e < N; e++) {
        ub_corpus_row(&c, e, row);
        for (int j = 0; j < COLUMNS; j++)
            columns[j * N + e] = row[j];
    }
    UB_CHECK(ub_moments_of_columns(N, COLUMNS, columns, &m));
    for (int b = 0; b < 5; b++) {
        ub_moments_sum_block(&c, cut[b], cut[b + 1] - cut[b], sum);
        for (int j = 0; j < COLUMNS; j++)
            mean[j] += sum[j] / N;
    }
    for (int b = 0; b < 5; b++) {
        UB_CHECK(ub_moments_square_block(&c, mean, cut[b], cut[b + 1] - cut[b], strip, square));
        for (int j = 0; j < COLUMNS * (COLUMNS + 1) / 2; j++)
            total[j] += square[j];
    }
    UB_CHECK(ub_moments_init(&sums, N, COLUMNS));
    ub_moments_unpack(total, &sums);
    for (int i = 0; i < COLUMNS; i++) {
        UB_CHECK_CLOSE(mean[i], m.mean[i], 1e-13);
        for (int j = 0; j < COLUMNS; j++) {
            UB_CHECK_CLOSE(sums.cov[i * COLUMNS + j], m.cov[i * COLUMNS + j], 1e-12);
            CU_ASSERT_EQUAL(sums.cov[i * COLUMNS + j], sums.cov[j * COLUMNS + i]);
        }
    }
    CU_ASSERT(fabs(mean[3] - 0.1) < 1e-16 * 4 && m.cov[3 * COLUMNS + 3] == 0);
    UB_CHECK_FAILS(ub_moments_of_columns(1, 1, columns, &m), UB_EARG, "two samples");
    ub_moments_release(&sums);
    ub_moments_release(&m);
    ub_corpus_release(&c);
}

static void digests_combine(void)
{
    unsigned char whole[UB_SHA256_BYTES], part[UB_SHA256_BYTES], sum[UB_SHA256_BYTES] = {0};
    ub_corpus     c;
    make(&c);
    ub_corpus_digest_local(&c, whole);
    for (int64_t first = 0; first < N; first += 100) {
        ub_corpus share = c;
        share.first = first;
        share.count = N - first < 100 ? N - first : 100;
        share.states = c.states + first * T * D;
        share.targets = c.targets + first * Q;
        ub_corpus_digest_local(&share, part);
        for (int i = 0; i < UB_SHA256_BYTES; i++)
            sum[i] ^= part[i];
    }
    CU_ASSERT_EQUAL(memcmp(whole, sum, sizeof whole), 0);
    c.targets[7] = nextafter(c.targets[7], 1e9);
    ub_corpus_digest_local(&c, part);
    CU_ASSERT_NOT_EQUAL(memcmp(whole, part, sizeof whole), 0);
    c.targets[7] = nextafter(c.targets[7], -1e9);
    c.dim = 1;
    c.steps = T * D; /* the same bytes in another shape */
    ub_corpus_digest_local(&c, part);
    CU_ASSERT_NOT_EQUAL(memcmp(whole, part, sizeof whole), 0);
    ub_corpus_release(&c);
}

static void shapes(void)
{
    int32_t   offset[] = {0, 1};
    ub_corpus c = {
        .episodes = 3, .count = 4, .steps = 2, .dim = 1, .tasks = 1, .task_offset = offset};
    UB_CHECK_FAILS(ub_corpus_alloc(&c), UB_ESHAPE, "4 here");
    c = (ub_corpus){.episodes = 1,
                    .count = 1,
                    .steps = 2000000000,
                    .dim = 3,
                    .tasks = 1,
                    .task_offset = offset};
    UB_CHECK_FAILS(ub_corpus_alloc(&c), UB_ESHAPE, "columns");
    c.segment = 4;
    c.steps = 20;
    CU_ASSERT_EQUAL(ub_corpus_segments(&c), 5);
}

/* Mean and deviation of n numbers near x, added one to another. */
static bool constant(double x, double spread, int64_t n)
{
    double mean = 0, square = 0;
    for (int64_t i = 0; i < n; i++)
        mean += x + (i % 2 == 0 ? spread : -spread);
    mean /= (double)n;
    for (int64_t i = 0; i < n; i++) {
        double d = x + (i % 2 == 0 ? spread : -spread) - mean;
        square += d * d;
    }
    double sd = sqrt(square / (double)n);
    CU_ASSERT(x == 0 || spread > 0 || n < 3 || sd > 0); /* rounding, or this tests nothing */
    return ub_column_is_constant(mean, sd, n);
}

static void rounding(void)
{
    for (int64_t n = 10; n <= 1000000; n *= 10) {
        CU_ASSERT(constant(0.1, 0, n) && constant(-0.7, 0, n));
        CU_ASSERT(!constant(0.1, 1e-9, n) && !constant(0, 1e-140, n));
        CU_ASSERT(!constant(1e6, 1e-3, n));
    }
    CU_ASSERT(constant(0, 0, 10));
    CU_ASSERT(!ub_column_is_constant(0, 1e-300, 10));
}

UB_SUITE("moments", {"blocks of a corpus make the moments of its columns", blocks_make_moments},
         {"digests of parts make the digest of the whole", digests_combine},
         {"rounding is not taken for variance", rounding},
         {"impossible shapes are refused", shapes})
