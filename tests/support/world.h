/* tests/support/world.h - the communicator of an MPI suite. */
#ifndef UB_TESTS_WORLD_H
#define UB_TESTS_WORLD_H

#include "mpi/comm.h"

extern const ub_comm *ub_world;

/* Who shares memory with whom: the node of this rank in one of UB_TEST_PLACEMENTS; 0: as MPI sees
 * it, which is one node; then pairs of neighbours, every second, one node a rank. */
enum { UB_TEST_PLACEMENTS = 4 };
static inline int ub_test_place(int placement)
{
    int rank = ub_world->rank;
    return placement == 0   ? 0
           : placement == 1 ? 1 + rank / 2
           : placement == 2 ? 1 + rank % 2
                            : 1 + rank;
}

#endif /* UB_TESTS_WORLD_H */
