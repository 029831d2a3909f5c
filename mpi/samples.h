/* mpi/samples.h - all columns of a corpus, one copy a node, for tests that need the samples.
 *
 * The columns lie in a shared-memory window of MPI-3, so that the ranks of a node read the same
 * bytes; the corpus itself stays spread over the ranks.  Every rank writes its own episodes; with
 * several nodes the first rank of each broadcasts what its node wrote to the others, in pieces.
 *
 * Memory: episodes * columns * 8 bytes a node (Open MPI keeps it in /dev/shm), none a rank.
 *
 * Layer: mpi.
 */
#ifndef UB_MPI_SAMPLES_H
#define UB_MPI_SAMPLES_H

#include "core/ci_test.h"
#include "core/corpus.h"
#include "core/moments.h"
#include "mpi/comm.h"
#include "mpi/shared.h"

/* Zero-initialise. */
typedef struct ub_samples {
    const double *x; /* column c at x + c * n, columns as in core/moments.h; read only */
    int64_t       n; /* episodes */
    int32_t       columns;
    ub_shared     shared; /* owned: x, the segment of the first rank of the node */
} ub_samples;

typedef struct ub_samples_plan {
    const ub_ci_test *test;      /* its transform is applied to every column; NULL: none */
    int64_t           max_bytes; /* a node may give; 0: half of its memory */
    int node; /* 0: nodes as MPI sees them; else the node this rank shall belong to (> 0), to
                 try several nodes on one */
} ub_samples_plan;

/* Gather the columns; the same bytes at any rank count and any placement.
 *   corpus  its local episodes are ub_rows_of_rank(N, shards, size, rank)
 *   out     owned by the caller: ub_samples_release
 * Cost: one pass over the data; between nodes each value travels once to each node; the
 * transform of a column is made once a node.
 * Errors: UB_EINPUT (a value that is not finite; more memory than allowed). */
UB_COLLECTIVE UB_NODISCARD ub_status ub_samples_gather(const ub_comm *c, const ub_corpus *corpus,
                                                       int64_t shards, const ub_samples_plan *plan,
                                                       ub_samples *out);
/* Every rank of the node calls it, when none reads x any more; safe on a zeroed struct. */
UB_COLLECTIVE void ub_samples_release(ub_samples *s);

/* Moments of the gathered columns on every rank, as ub_moments_gather gives those of the corpus:
 * for tests that transform.  corpus, shards: those of ub_samples_gather. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_samples_moments(const ub_comm *c, const ub_samples *s,
                                                        const ub_corpus *corpus, int64_t shards,
                                                        ub_moments *out);

#endif /* UB_MPI_SAMPLES_H */
