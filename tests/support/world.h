/* tests/support/world.h - the communicator of an MPI suite. */
#ifndef UB_TESTS_WORLD_H
#define UB_TESTS_WORLD_H

#include "mpi/comm.h"

extern const ub_comm *ub_world;

#endif /* UB_TESTS_WORLD_H */
