/* Moments over ranks: against a plain sum, and the same bytes however the corpus is spread. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "mpi/moments.h"
#include "tests/support/corpus.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

enum { WIDE = UB_TEST_WIDE, P = UB_TEST_COLUMNS };

/* All columns of an episode: a slow mean far from zero, and dependence between columns. */
static void episode_row(int64_t episode, double *row)
{
    ub_rng r = ub_rng_make(3, UB_RNG_TEST, (uint64_t)episode);
    double common = ub_rng_normal(&r);
    for (int j = 0; j < P; j++)
        row[j] = 100 * j + common * (j % 3) + ub_rng_normal(&r);
}

static void plain_sums(int64_t n, long double *mean, long double *cov)
{
    double row[P];
    memset(mean, 0, P * sizeof *mean);
    memset(cov, 0, P * P * sizeof *cov);
    for (int64_t e = 0; e < n; e++) {
        episode_row(e, row);
        for (int j = 0; j < P; j++)
            mean[j] += row[j] / (long double)n;
    }
    for (int64_t e = 0; e < n; e++) {
        episode_row(e, row);
        for (int i = 0; i < P * P; i++)
            cov[i] +=
                (row[i / P] - mean[i / P]) * (row[i % P] - mean[i % P]) / (long double)(n - 1);
    }
}

static void one_shape(int64_t n, int64_t shards)
{
    ub_comm     alone = {0};
    ub_corpus   part = {0}, whole = {0};
    ub_moments  m = {0}, w = {0};
    long double mean[P], cov[P * P];
    UB_CHECK(ub_comm_init(&alone, MPI_COMM_SELF));
    UB_CHECK(ub_test_corpus(ub_world, n, shards, episode_row, &part));
    UB_CHECK(ub_test_corpus(&alone, n, shards, episode_row, &whole));
    int good =
        ub_test_ok(ub_moments_gather(ub_world, &part, shards, &m), "all", __FILE__, __LINE__);
    good &= ub_test_ok(ub_moments_gather(&alone, &whole, shards, &w), "alone", __FILE__, __LINE__);
    CU_ASSERT(good);
    if (good) {
        plain_sums(n, mean, cov);
        CU_ASSERT(m.n == n && m.columns == P);
        for (int i = 0; i < P; i++)
            UB_CHECK_CLOSE(m.mean[i], (double)mean[i], 1e-14);
        for (int i = 0; i < P * P; i++) {
            UB_CHECK_CLOSE(m.cov[i], (double)cov[i], 1e-12);
            CU_ASSERT(m.cov[i] == m.cov[i % P * P + i / P]);
        }
        CU_ASSERT_EQUAL(memcmp(m.mean, w.mean, P * sizeof *m.mean), 0);
        CU_ASSERT_EQUAL(memcmp(m.cov, w.cov, P * P * sizeof *m.cov), 0);
    }
    ub_moments_release(&m);
    ub_moments_release(&w);
    ub_corpus_release(&part);
    ub_corpus_release(&whole);
    ub_comm_release(&alone);
}

static void shapes(void)
{
    static const struct {
        int64_t n, shards;
    } table[] = {{53, 7}, {53, 1}, {53, 64}, {1000, 16}, {2, 3}, {3000, 7}, {3001, 64}, {4100, 8}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        one_shape(table[i].n, table[i].shards);
}

static void put_bad(ub_corpus *c, int64_t episode, int column, double value)
{
    double *at = ub_test_corpus_at(c, episode, column);
    if (at != NULL)
        *at = value;
}

static void not_finite(void)
{
    static const struct {
        int64_t     episode;
        int         column;
        double      value;
        const char *part;
    } table[] = {
        {52, WIDE, INFINITY, "episode 52, task 0 (task0), column 0 is inf"},
        {51, WIDE + 2, NAN, "episode 51, task 1 (task1), column 1 is"},
        {17, 2 * 3 + 1, NAN, "episode 17, step 3, component 1 is"},
        {17, 0, -INFINITY, "episode 17, step 0, component 0 is -inf"},
        {0, 4, NAN, "episode 0, step 2, component 0 is"},
    };
    ub_corpus c = {0};
    UB_CHECK(ub_test_corpus(ub_world, 53, 7, episode_row, &c));
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) { /* each before the last */
        ub_moments m = {0};
        put_bad(&c, table[i].episode, table[i].column, table[i].value);
        UB_CHECK_FAILS(ub_moments_gather(ub_world, &c, 7, &m), UB_EINPUT, table[i].part);
        CU_ASSERT_PTR_NULL(m.cov);
    }
    ub_corpus_release(&c);
}

static void unusable(void)
{
    ub_corpus  c = {0};
    ub_moments m = {0};
    UB_CHECK(ub_test_corpus(ub_world, 1, 4, episode_row, &c));
    UB_CHECK_FAILS(ub_moments_gather(ub_world, &c, 4, &m), UB_EINPUT, "1 episodes");
    ub_corpus_release(&c);
    UB_CHECK(ub_test_corpus(ub_world, 53, 7, episode_row, &c));
    UB_CHECK_FAILS(ub_moments_gather(ub_world, &c, 0, &m), UB_EARG, "0 shards");
    if (ub_world->size > 1) /* 2 x 26.5 episodes are not cut like 1 + 6 sevenths */
        UB_CHECK_FAILS(ub_moments_gather(ub_world, &c, 53, &m), UB_EARG, "its shards are");
    ub_corpus_release(&c);
}

static void digests(void)
{
    ub_comm   alone = {0};
    ub_corpus part = {0}, whole = {0};
    UB_CHECK(ub_comm_init(&alone, MPI_COMM_SELF));
    UB_CHECK(ub_test_corpus(ub_world, 53, 7, episode_row, &part));
    UB_CHECK(ub_test_corpus(&alone, 53, 7, episode_row, &whole));
    UB_CHECK(ub_corpus_digest(ub_world, &part));
    UB_CHECK(ub_corpus_digest(&alone, &whole));
    CU_ASSERT_EQUAL(memcmp(part.digest, whole.digest, sizeof part.digest), 0);
    put_bad(&part, 30, 3, 1.25);
    UB_CHECK(ub_corpus_digest(ub_world, &part));
    CU_ASSERT_NOT_EQUAL(memcmp(part.digest, whole.digest, sizeof part.digest), 0);
    ub_corpus_release(&part);
    ub_corpus_release(&whole);
    ub_comm_release(&alone);
}

UB_SUITE("moments", {"they equal plain sums, with the same bytes on one rank and all", shapes},
         {"the first value that is not finite is named", not_finite},
         {"a corpus that cannot be used is refused", unusable},
         {"the digest does not depend on the ranks but on the data", digests})
