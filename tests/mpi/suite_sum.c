/* Standing sums: the bytes of the documented tree for every range, whoever holds and owns what. */
#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "mpi/sum.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

typedef struct source {
    int64_t        leaves, calls, strangers;
    const int64_t *at;
    size_t         size;
    int32_t        ranges, last; /* the last range that was done */
    bool           descending;
    int            round;
    char          *vector; /* sums of the own ranges */
} source;

static void put(void *x, size_t size, int64_t i, double value)
{
    if (size == sizeof(float))
        ((float *)x)[i] = (float)value;
    else
        ((double *)x)[i] = value;
}

/* Values of all sizes and signs, so that another order gives other bytes. */
static void fill(const source *s, int64_t leaf, int32_t k, void *out)
{
    ub_rng r = ub_rng_make(13, UB_RNG_TEST, (uint64_t)((s->round * 100 + leaf) * s->ranges + k));
    for (int64_t i = 0; i < s->at[k + 1] - s->at[k]; i++)
        put(out, s->size, i, ub_rng_normal(&r) * exp(4 * ub_rng_normal(&r)));
}

static void add_to(const source *s, int32_t k, void *out, const void *x)
{
    for (int64_t i = 0; i < s->at[k + 1] - s->at[k]; i++)
        if (s->size == sizeof(float))
            ((float *)out)[i] += ((const float *)x)[i];
        else
            ((double *)out)[i] += ((const double *)x)[i];
}

static void part(void *self, int64_t leaf, int32_t k, void *out, bool add)
{
    source  *s = self;
    ub_range own = ub_part(s->leaves, ub_world->size, ub_world->rank);
    void    *x = ub_alloc((size_t)(s->at[k + 1] - s->at[k]), s->size);
    s->calls++;
    s->strangers += leaf < own.first || leaf >= own.first + own.count;
    fill(s, leaf, k, add ? x : out);
    if (add)
        add_to(s, k, out, x);
    ub_free(x);
}

static void done(void *self, int32_t k, const void *sum)
{
    source *s = self;
    s->descending = s->descending || k <= s->last;
    s->last = k;
    memcpy(s->vector + (size_t)s->at[k] * s->size, sum,
           (size_t)(s->at[k + 1] - s->at[k]) * s->size);
}

static const ub_sum_ops ops = {part, done};

/* The tree of mpi/reduce.h, done plainly. */
static void reference(const source *s, int64_t a, int64_t b, int32_t k, void *out)
{
    int64_t n = s->at[k + 1] - s->at[k], m = a + 1;
    if (b - a == 1) {
        fill(s, a, k, out);
        return;
    }
    while (m + (m - a) < b)
        m += m - a;
    void *right = ub_alloc((size_t)n, s->size);
    reference(s, a, m, k, out);
    reference(s, m, b, k, right);
    add_to(s, k, out, right);
    ub_free(right);
}

static void check_sums(int64_t leaves, int32_t ranges, const int64_t *at, size_t size, int node)
{
    source      s = {.leaves = leaves, .at = at, .size = size, .ranges = ranges};
    ub_sum_plan plan = {.leaves = leaves, .ranges = ranges, .at = at, .size = size, .node = node};
    ub_sum     *sum = NULL;
    char       *want, *own;
    int64_t     bytes = at[ranges] * (int64_t)size;
    UB_CHECK(UB_ALLOC(own, bytes));
    UB_CHECK(UB_ALLOC(want, bytes));
    UB_CHECK(ub_sum_create(ub_world, &plan, &sum));
    for (s.round = 0; s.round < 4; s.round++) { /* the second finds old content everywhere */
        s.last = -1;
        s.vector = s.round % 2 == 0 && ub_sum_vector(sum) != NULL ? ub_sum_vector(sum) : own;
        s.calls = 0;
        UB_CHECK(ub_sum_run(sum, &ops, &s));
        UB_CHECK(ub_sum_share(sum, s.vector));
        for (int32_t k = 0; k < ranges; k++)
            reference(&s, 0, leaves, k, want + (size_t)at[k] * size);
        CU_ASSERT_EQUAL(memcmp(s.vector, want, (size_t)bytes), 0);
        CU_ASSERT_EQUAL(s.calls, ranges * ub_part(leaves, ub_world->size, ub_world->rank).count);
        CU_ASSERT_EQUAL(s.strangers, 0);
        CU_ASSERT(!s.descending);
    }
    ub_sum_destroy(&sum);
    ub_free(own);
    ub_free(want);
}

static void tree_bytes(void)
{
    static const int64_t at[] = {0, 7, 8, 40, 41, 73, 90};
    for (int64_t leaves = 1; leaves <= 13; leaves++)
        check_sums(leaves, 6, at, leaves % 2 == 0 ? sizeof(double) : sizeof(float), 0);
}

static void placements(void)
{
    static const int64_t at[] = {0, 7, 8, 40, 41, 73, 90}, leaves[] = {1, 5, 8};
    for (int placement = 0; placement < UB_TEST_PLACEMENTS; placement++)
        for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++)
            check_sums(leaves[i], 6, at, i % 2 == 0 ? sizeof(float) : sizeof(double),
                       ub_test_place(placement));
}

static void odd_ranges(void)
{
    static const int64_t one[] = {0, 11}, lopsided[] = {0, 1, 2, 3, 1000}, flat[] = {0, 0, 5, 5, 9};
    check_sums(8, 1, one, sizeof(double), 0);
    check_sums(8, 4, lopsided, sizeof(float), 0);
    check_sums(8, 4, flat, sizeof(double), 0);
}

static void long_ranges(void)
{
    static const int64_t at[] = {0, 60001, 60002, 150000};
    check_sums(6, 3, at, sizeof(float), 0);
}

static void shares(void)
{
    static const int64_t at[] = {0, 10, 20, 30, 40, 50, 60, 70, 80};
    ub_sum              *sum = NULL;
    int64_t              total = 0;
    ub_sum_plan          plan = {.leaves = 4, .ranges = 8, .at = at, .size = sizeof(double)};
    UB_CHECK(ub_sum_create(ub_world, &plan, &sum));
    ub_range own = ub_sum_own(sum);
    (void)MPI_Allreduce(&own.count, &total, 1, MPI_INT64_T, MPI_SUM, ub_world->mpi);
    CU_ASSERT_EQUAL(total, 8);
    CU_ASSERT(own.count <= (8 + ub_world->size - 1) / ub_world->size + 1);
    ub_sum_destroy(&sum);
    plan.leaves = 0;
    UB_CHECK_FAILS(ub_sum_create(ub_world, &plan, &sum), UB_EARG, "0 leaves");
    plan = (ub_sum_plan){.leaves = 4, .at = at, .size = sizeof(double)};
    UB_CHECK_FAILS(ub_sum_create(ub_world, &plan, &sum), UB_EARG, "0 ranges");
}

UB_SUITE("sum",
         {"every range has the bytes of the documented tree, in float and double", tree_bytes},
         {"whoever shares memory with whom", placements},
         {"one range, empty and lopsided ones too", odd_ranges}, {"long ranges too", long_ranges},
         {"the ranges are shared out evenly; nothing to add is refused", shares})
