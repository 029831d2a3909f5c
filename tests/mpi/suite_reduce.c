/* Sums over leaves: the bytes of the documented tree, on any number of ranks. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "core/shard.h"
#include "mpi/reduce.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

typedef struct source {
    int64_t  count, leaves, calls, strangers;
    uint64_t bad;  /* bit l: leaf l fails */
    double  *wide; /* scratch of float_leaf */
} source;

/* Values of all sizes and signs, so that another order gives other bytes. */
static void fill(int64_t leaf, int64_t count, double *out)
{
    ub_rng r = ub_rng_make(11, UB_RNG_TEST, (uint64_t)leaf);
    for (int64_t i = 0; i < count; i++)
        out[i] = ub_rng_normal(&r) * exp(4 * ub_rng_normal(&r));
}

static ub_status leaf(void *self, int64_t l, double *out)
{
    source  *s = self;
    ub_range own = ub_part(s->leaves, ub_world->size, ub_world->rank);
    s->calls++;
    s->strangers += l < own.first || l >= own.first + own.count;
    if (l < 64 && (s->bad >> l & 1) != 0)
        return UB_FAIL(UB_ENUMERIC, "leaf %lld is rotten", (long long)l);
    fill(l, s->count, out);
    return UB_OK;
}

/* The tree of the header, done plainly. */
static void reference(int64_t a, int64_t b, int64_t count, double *out)
{
    if (b - a == 1) {
        fill(a, count, out);
        return;
    }
    int64_t m = a + 1;
    while (m + (m - a) < b)
        m += m - a;
    double *right = ub_alloc((size_t)count, sizeof *right);
    reference(a, m, count, out);
    reference(m, b, count, right);
    for (int64_t i = 0; i < count; i++)
        out[i] += right[i];
    ub_free(right);
}

static void check_sum(int64_t leaves, int64_t count)
{
    source  s = {.count = count, .leaves = leaves};
    double *got, *want;
    UB_CHECK(UB_ALLOC(got, count));
    UB_CHECK(UB_ALLOC(want, count));
    got[0] = 17; /* old content must not matter */
    UB_CHECK(ub_reduce_leaves(ub_world, leaves, count, leaf, &s, got));
    reference(0, leaves, count, want);
    CU_ASSERT_EQUAL(memcmp(got, want, (size_t)count * sizeof *got), 0);
    CU_ASSERT_EQUAL(s.calls, ub_part(leaves, ub_world->size, ub_world->rank).count);
    CU_ASSERT_EQUAL(s.strangers, 0);
    ub_free(got);
    ub_free(want);
}

/* Floats are added as floats, in the same tree. */
static ub_status float_leaf(void *self, int64_t l, void *out)
{
    source *s = self;
    float  *x = out;
    fill(l, s->count, s->wide);
    for (int64_t i = 0; i < s->count; i++)
        x[i] = (float)s->wide[i];
    return UB_OK;
}

static float float_sum(int64_t a, int64_t b, int64_t i, int64_t count, double *wide)
{
    if (b - a == 1) {
        fill(a, count, wide);
        return (float)wide[i];
    }
    int64_t m = a + 1;
    while (m + (m - a) < b)
        m += m - a;
    float left = float_sum(a, m, i, count, wide);
    return left + float_sum(m, b, i, count, wide);
}

static void floats_too(void)
{
    enum { COUNT = 5 };
    double wide[COUNT];
    float  got[COUNT];
    for (int64_t leaves = 1; leaves <= 20; leaves++) {
        source s = {.count = COUNT, .leaves = leaves, .wide = wide};
        UB_CHECK(ub_reduce_numbers(ub_world, UB_NUMBER_FLOAT, leaves, COUNT, float_leaf, &s, got));
        for (int64_t i = 0; i < COUNT; i++)
            CU_ASSERT_EQUAL(got[i], float_sum(0, leaves, i, COUNT, wide));
    }
}

static void tree_bytes(void)
{
    for (int64_t leaves = 1; leaves <= 40; leaves++)
        check_sum(leaves, 37);
    check_sum(64, 1);
    check_sum(1000, 3);
}

static void long_vectors(void)
{
    check_sum(6, 200003);
}

static int one_sentence(const char *want)
{
    int mine = strcmp(ub_err_message(), want) == 0, all = 0;
    (void)MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MIN, ub_world->mpi);
    return all;
}

static void rotten_leaf(void)
{
    for (int64_t leaves = 1; leaves <= 9; leaves++)
        for (int64_t bad = 0; bad < leaves; bad++) {
            source s = {.count = 5, .leaves = leaves, .bad = UINT64_C(1) << bad};
            double out[5];
            char   words[64];
            (void)snprintf(words, sizeof words, "leaf %lld is rotten", (long long)bad);
            UB_CHECK_FAILS(ub_reduce_leaves(ub_world, leaves, 5, leaf, &s, out), UB_ENUMERIC,
                           words);
            CU_ASSERT(one_sentence(words));
        }
    check_sum(9, 5);
}

static void lowest_leaf_speaks(void)
{
    for (uint64_t bad = 1; bad < 128; bad++) {
        source s = {.count = 2, .leaves = 7, .bad = bad};
        double out[2];
        int    lowest = 0;
        char   words[64];
        while ((bad >> lowest & 1) == 0)
            lowest++;
        (void)snprintf(words, sizeof words, "leaf %d is rotten", lowest);
        UB_CHECK_FAILS(ub_reduce_leaves(ub_world, 7, 2, leaf, &s, out), UB_ENUMERIC, words);
        CU_ASSERT(one_sentence(words));
    }
}

static void nothing_is_refused(void)
{
    source s = {0};
    double out = 0;
    UB_CHECK_FAILS(ub_reduce_leaves(ub_world, 0, 1, leaf, &s, &out), UB_EARG, "0 leaves");
    UB_CHECK_FAILS(ub_reduce_leaves(ub_world, 1, 0, leaf, &s, &out), UB_EARG, "of 0 values");
}

UB_SUITE("reduce", {"the sum has the bytes of the documented tree", tree_bytes},
         {"long vectors too", long_vectors},
         {"floats are added as floats in the same tree", floats_too},
         {"a leaf that fails gives its sentence to all and nobody hangs", rotten_leaf},
         {"of several bad leaves the lowest is told", lowest_leaf_speaks},
         {"no leaves or no values are refused", nothing_is_refused})
