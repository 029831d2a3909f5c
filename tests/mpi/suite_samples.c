/* Samples in shared memory: against the corpus itself, on one node and on several made-up ones. */
#include <math.h>
#include <string.h>

#include "mpi/moments.h"
#include "mpi/samples.h"
#include "tests/support/corpus.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

enum { WIDE = UB_TEST_WIDE, P = UB_TEST_COLUMNS };

static double value(int64_t episode, int column)
{
    return (double)((episode * 7919 + column * 104729) % 65537) + 0.5;
}

static void episode_row(int64_t episode, double *row)
{
    for (int j = 0; j < P; j++)
        row[j] = value(episode, j);
}

/* A transform that needs the whole column: running sums. */
static ub_status running_sum(int64_t n, double *column)
{
    for (int64_t e = 1; e < n; e++)
        column[e] += column[e - 1];
    return UB_OK;
}

static const ub_ci_test summing = {.name = "summing", .transform = running_sum};

/* Every value as it must be; the ranks of a node look at one memory. */
static void check_columns(const ub_samples *s, int64_t n, bool sums)
{
    int64_t wrong = 0;
    CU_ASSERT(s->n == n && s->columns == P);
    for (int j = 0; j < P && s->x != NULL; j++) {
        double sum = 0;
        for (int64_t e = 0; e < n; e++) {
            sum = sums && e > 0 ? sum + value(e, j) : value(e, j);
            wrong += s->x[j * n + e] != (sums ? sum : value(e, j));
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void one_shape(int64_t n, int64_t shards)
{
    ub_corpus c = {0};
    UB_CHECK(ub_test_corpus(ub_world, n, shards, episode_row, &c));
    for (int placement = 0; placement < UB_TEST_PLACEMENTS; placement++)
        for (int sums = 0; sums < 2; sums++) {
            ub_samples      s = {0};
            ub_samples_plan plan = {.test = sums ? &summing : NULL,
                                    .node = ub_test_place(placement)};
            UB_CHECK(ub_samples_gather(ub_world, &c, shards, &plan, &s));
            check_columns(&s, n, sums);
            ub_samples_release(&s);
            CU_ASSERT_PTR_NULL(s.x);
        }
    ub_corpus_release(&c);
}

static void shapes(void)
{
    static const struct {
        int64_t n, shards;
    } table[] = {{53, 7}, {53, 1}, {300, 64}, {2, 3}, {70000, 1}, {30000, 5}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        one_shape(table[i].n, table[i].shards);
}

/* One memory: what the first rank of the node writes, all of it read. */
static void shared(void)
{
    ub_corpus  c = {0};
    ub_samples s = {0};
    UB_CHECK(ub_test_corpus(ub_world, 53, 7, episode_row, &c));
    UB_CHECK(ub_samples_gather(ub_world, &c, 7, &(ub_samples_plan){.node = 1}, &s));
    CU_ASSERT_EQUAL(s.shared.node.size, ub_world->size);
    if (s.shared.node.rank == 0 && s.x != NULL)
        *(double *)(uintptr_t)s.x = -1234.5;
    UB_CHECK(ub_shared_meet(&s.shared));
    CU_ASSERT(s.x != NULL && s.x[0] == -1234.5);
    ub_samples_release(&s);
    ub_corpus_release(&c);
}

/* The same bytes as on one rank alone, and without a transform those of the corpus. */
static void moments(void)
{
    for (int sums = 0; sums < 2; sums++) {
        ub_comm         alone = {0};
        ub_corpus       part = {0}, whole = {0};
        ub_samples      s = {0}, w = {0};
        ub_moments      m = {0}, v = {0}, raw = {0};
        ub_samples_plan plan = {.test = sums ? &summing : NULL};
        UB_CHECK(ub_comm_init(&alone, MPI_COMM_SELF));
        UB_CHECK(ub_test_corpus(ub_world, 53, 7, episode_row, &part));
        UB_CHECK(ub_test_corpus(&alone, 53, 7, episode_row, &whole));
        UB_CHECK(ub_samples_gather(ub_world, &part, 7, &plan, &s));
        UB_CHECK(ub_samples_gather(&alone, &whole, 7, &plan, &w));
        UB_CHECK(ub_samples_moments(ub_world, &s, &part, 7, &m));
        UB_CHECK(ub_samples_moments(&alone, &w, &whole, 7, &v));
        UB_CHECK(ub_moments_gather(ub_world, &part, 7, &raw));
        CU_ASSERT(m.cov != NULL && v.cov != NULL && raw.cov != NULL);
        if (m.cov != NULL && v.cov != NULL && raw.cov != NULL) {
            CU_ASSERT_EQUAL(memcmp(m.mean, v.mean, P * sizeof *m.mean), 0);
            CU_ASSERT_EQUAL(memcmp(m.cov, v.cov, P * P * sizeof *m.cov), 0);
            CU_ASSERT_EQUAL(memcmp(m.cov, raw.cov, P * P * sizeof *m.cov) != 0, sums);
        }
        ub_moments_release(&m);
        ub_moments_release(&v);
        ub_moments_release(&raw);
        ub_samples_release(&s);
        ub_samples_release(&w);
        ub_corpus_release(&part);
        ub_corpus_release(&whole);
        ub_comm_release(&alone);
    }
}

static ub_status fails_on_one(int64_t n, double *column)
{
    if (n > 0 && column[0] == value(0, 3))
        return UB_FAIL(UB_ENUMERIC, "column 3 is not to its taste");
    return UB_OK;
}

static void refused(void)
{
    static const ub_ci_test picky = {.name = "picky", .transform = fails_on_one};
    ub_corpus               c = {0};
    ub_samples              s = {0};
    UB_CHECK(ub_test_corpus(ub_world, 20000, 7, episode_row, &c));
    UB_CHECK_FAILS(ub_samples_gather(ub_world, &c, 7, &(ub_samples_plan){.max_bytes = 1 << 20}, &s),
                   UB_EINPUT,
                   "20000 episodes of 11 columns take 1.67847 MiB of every node, at most 1 may");
    UB_CHECK_FAILS(ub_samples_gather(ub_world, &c, 7, &(ub_samples_plan){.test = &picky}, &s),
                   UB_ENUMERIC, "not to its taste");
    if (c.count > 0 && c.first == 0)
        c.states[3] = NAN;
    UB_CHECK_FAILS(ub_samples_gather(ub_world, &c, 7, &(ub_samples_plan){0}, &s), UB_EINPUT,
                   "episode 0, step 1, component 1 is");
    CU_ASSERT_PTR_NULL(s.x);
    ub_corpus_release(&c);
}

UB_SUITE("samples", {"every rank sees every column, however the nodes lie", shapes},
         {"the ranks of a node share one memory", shared},
         {"moments of transformed columns do not depend on the ranks", moments},
         {"too much memory, values that are not finite and failures are said on all ranks",
          refused})
