/* mpi/comm.h - our communicator: a private duplicate, and the few collective
 * habits everything above relies on.
 *
 * Layer: mpi (may include core).  Markers used in every header from here up;
 * tools/check_layers.py insists on exactly one before each prototype:
 *   UB_COLLECTIVE  every rank of the object's communicator must call it
 *   UB_LOCAL       any rank may call it alone; it never communicates
 */
#ifndef UB_MPI_COMM_H
#define UB_MPI_COMM_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/status.h"

#define UB_COLLECTIVE
#define UB_LOCAL

typedef struct ub_comm {
    MPI_Comm mpi; /* owned duplicate; errors are returned, not fatal */
    int      rank, size;
    bool     wounded; /* ranks have died and this is what is left: see ub_comm_shrink() */
} ub_comm;

/* Duplicate `parent` (not kept) into *out and set MPI_ERRORS_RETURN on it. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_comm_init(ub_comm *out, MPI_Comm parent);
/* Free the duplicate (unless wounded); safe on a zeroed struct. */
UB_COLLECTIVE void ub_comm_release(ub_comm *c);

/* Those ranks of c that gave the same part (>= 0), in c's order; and those on the same node. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_comm_split(const ub_comm *c, int part, ub_comm *out);
UB_COLLECTIVE UB_NODISCARD ub_status ub_comm_node(const ub_comm *c, ub_comm *out);

enum { UB_NODE_NAME = 64 };

typedef struct ub_node_name {
    char text[UB_NODE_NAME]; /* cut off where it does not fit */
} ub_node_name;

/* The names of the ranks' nodes.
 *   out  rank 0: c->size names, owned by the caller; elsewhere NULL */
UB_COLLECTIVE UB_NODISCARD ub_status ub_comm_nodes(const ub_comm *c, ub_node_name **out);

/* Go on without ranks that have died: *c becomes the communicator of `count` of its ranks, in
 * ascending order.  Only those call it.  Stock MPI has no word for this, but MPI_Comm_create_group
 * speaks to the members of the group only, so it does not miss the dead (checked with Open MPI
 * 4.1, shared memory and TCP).  What was made from the old communicator (windows, files,
 * communicators) must be left as it is, not freed: that would wait for the dead.  The same holds
 * for MPI_Finalize: *c is marked as wounded, and the program ends by a barrier and _exit. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_comm_shrink(ub_comm *c, const int *ranks, int count);

/* The communication of ub_comm_agree(), which callers use. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_comm_verdict(const ub_comm *c, ub_status mine);

/* Make one verdict out of many: all ranks return the same status and hold the same sentence,
 * that of the lowest rank that failed (UB_ESTOP yields to any failure; UB_OK if nobody
 * failed).  Call it where a local step inside a collective function may have failed on some
 * ranks, before anybody returns.  UB_EMPI comes back at once: nothing collective is tried after it,
 * main() ends the job. */
UB_COLLECTIVE UB_NODISCARD static inline ub_status ub_comm_agree(const ub_comm *c, ub_status mine)
{
    ub_status all = ub_comm_verdict(c, mine);
    UB_ASSERT(mine == UB_OK || all != UB_OK); /* inline: analyzers know it, too */
    return all;
}

/* Broadcast a buffer from rank 0; others' content is replaced. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_comm_share(const ub_comm *c, ub_bytes *b);
/* Broadcast n bytes from rank 0, any n (sent in pieces that fit an int). */
UB_COLLECTIVE UB_NODISCARD ub_status ub_comm_bcast(const ub_comm *c, void *data, size_t n);

/* UB_ENOTSAME unless the n bytes are the same on all ranks. `what` names them. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_comm_same(const ub_comm *c, const void *data, size_t n,
                                                  const char *what);

/* Translate an MPI return code: UB_OK or UB_EMPI with MPI's own words. */
UB_LOCAL UB_NODISCARD ub_status ub_mpi_status(int mpi_rc, const char *what);
#define UB_TRY_MPI(call) UB_TRY(ub_mpi_status((call), #call))

#endif /* UB_MPI_COMM_H */
