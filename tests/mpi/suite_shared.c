/* Memory that the ranks of a node share: what one writes, the others read. */
#include <stdint.h>

#include "mpi/shared.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

static int64_t length(int r)
{
    return r == 1 ? 0 : 1000 + 10 * r; /* the second of a node has none */
}

/* Every rank fills its own segment, reads all, and writes into the next one's. */
static void check_node(int node)
{
    ub_shared s = {0};
    int64_t   wrong = 0;
    UB_CHECK(ub_shared_join(ub_world, node, &s));
    int rank = s.node.rank, size = s.node.size;
    UB_CHECK(ub_shared_open(&s, (size_t)length(rank) * sizeof(int64_t)));
    for (int64_t i = 0; i < length(rank); i++)
        ((int64_t *)s.base[rank])[i] = 10000 * rank + i;
    UB_CHECK(ub_shared_meet(&s));
    for (int r = 0; r < size; r++)
        for (int64_t i = 0; i < length(r); i++)
            wrong += ((int64_t *)s.base[r])[i] != 10000 * r + i;
    UB_CHECK(ub_shared_meet(&s));
    int next = (rank + 1) % size, before = (rank + size - 1) % size;
    for (int64_t i = 0; i < length(next); i++)
        ((int64_t *)s.base[next])[i] = -rank - i;
    UB_CHECK(ub_shared_meet(&s));
    for (int64_t i = 0; i < length(rank); i++)
        wrong += ((int64_t *)s.base[rank])[i] != -before - i;
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL((uintptr_t)s.base[rank] % 64, 0);
    ub_shared_release(&s);
    CU_ASSERT_PTR_NULL(s.base);
}

static void nodes(void)
{
    for (int placement = 0; placement < UB_TEST_PLACEMENTS; placement++)
        check_node(ub_test_place(placement));
}

/* Refused before Open MPI tries, on all ranks, though only the last wants so much. */
static void no_room(void)
{
    ub_shared s = {0};
    UB_CHECK(ub_shared_join(ub_world, 0, &s));
    UB_CHECK_FAILS(ub_shared_open(&s, ub_world->rank == ub_world->size - 1 ? (size_t)1 << 50 : 8),
                   UB_ENOMEM, "/dev/shm can give");
    ub_shared_release(&s);
    ub_shared_release(&s);
}

UB_SUITE("shared", {"the ranks of a node read and write each other's segments", nodes},
         {"more than /dev/shm has is refused on all ranks", no_room})
