/* mpi/shared.h - memory of a rank that the others of its node read and write.
 *
 * A shared-memory window of MPI-3 in which every rank has a segment of its own.  Who writes what
 * and when is the callers' affair; what was written is sure to be seen by others after both have
 * called ub_shared_meet(), or when the writer's ub_shared_fence() came before a message and the
 * reader's after its receipt (MPI-3.1, 11.5 and 11.7: the unified memory model).
 *
 * Layer: mpi.
 */
#ifndef UB_MPI_SHARED_H
#define UB_MPI_SHARED_H

#include <stddef.h>

#include "mpi/comm.h"

/* Zero-initialise. */
typedef struct ub_shared {
    ub_comm node;   /* the ranks that share; owned */
    MPI_Win window; /* owned */
    void  **base;   /* of every rank of the node: its segment; NULL: nothing is shared */
} ub_shared;

/* Who shares: the ranks of c on this node.  node > 0: the node this rank shall belong to, to try
 * several on one; 0: nodes as MPI sees them. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_shared_join(const ub_comm *c, int node, ub_shared *s);
/* Then a segment of so many bytes (0 is fine) on every rank of the node, aligned to 64 bytes, of
 * any content.  Open MPI keeps them in /dev/shm and may fill nine tenths of what is free there.
 * Errors: UB_ENOMEM, on all ranks of the node (more than that). */
UB_COLLECTIVE UB_NODISCARD ub_status ub_shared_open(ub_shared *s, size_t bytes);
/* Every rank of the node calls it; safe on a zeroed struct, and after an error. */
UB_COLLECTIVE void ub_shared_release(ub_shared *s);

/* The ranks of the node wait for each other and see what the others have written. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_shared_meet(const ub_shared *s);
/* Let others see, after a message from here, what was written here; and the other way round. */
UB_LOCAL UB_NODISCARD ub_status ub_shared_fence(const ub_shared *s);

#endif /* UB_MPI_SHARED_H */
