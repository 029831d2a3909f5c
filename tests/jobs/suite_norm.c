/* Means and deviations that stage 2 divides by (jobs/study.h). */
#include <math.h>

#include "jobs/study.h"
#include "tests/support/corpus.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

enum { N = 1000, SHARDS = 4, WIDTH = UB_TEST_DIM + UB_TEST_WIDTH };

/* Odd columns are constant, the others +-1 about 3, one of them by very little. */
static void fill(int64_t episode, double *row)
{
    double sign = episode % 2 == 0 ? 1 : -1;
    for (int j = 0; j < UB_TEST_WIDE; j++)
        row[j] = j % UB_TEST_DIM == 1 ? 0.1 : 3 + sign;
    row[UB_TEST_WIDE] = 3 + 1e-9 * sign;
    row[UB_TEST_WIDE + 1] = -0.7;
    row[UB_TEST_WIDE + 2] = 0;
}

static void constants(void)
{
    static const double mean[WIDTH] = {3, 0.1, 3, -0.7, 0}, sd[WIDTH] = {1, 1, 1e-9, 1, 1};
    double              norm[2 * WIDTH];
    ub_corpus           c = {0};
    UB_CHECK(ub_test_corpus(ub_world, N, SHARDS, fill, &c));
    UB_CHECK(ub_stage_norm(ub_world, &c, SHARDS, norm));
    for (int j = 0; j < WIDTH; j++) {
        CU_ASSERT_DOUBLE_EQUAL(norm[j], mean[j], 1e-12);
        CU_ASSERT_DOUBLE_EQUAL(norm[WIDTH + j], sd[j], 1e-5 * sd[j]);
    }
    ub_corpus_release(&c);
}

UB_SUITE("norm", {"a constant column is divided by 1, not by its rounding", constants})
