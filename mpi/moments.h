/* mpi/moments.h - means and covariances of a corpus that lies on many ranks.
 *
 * Layer: mpi.
 */
#ifndef UB_MPI_MOMENTS_H
#define UB_MPI_MOMENTS_H

#include "core/corpus.h"
#include "core/moments.h"
#include "mpi/comm.h"

/* Moments of the whole corpus on every rank; the same bytes at any rank count.
 *   corpus  its local episodes are ub_rows_of_rank(N, shards, size, rank)
 * Leaves of the sum are the shards; while they have fewer than 512 episodes there are half as many,
 * and episodes of one leaf that lie on two ranks come together on one.
 * Cost: N p^2 / min(size, leaves) flops, p^2 (1 + (log2(leaves) + 1) / 2) doubles of memory a rank.
 * Errors: UB_EINPUT with the dataset-independent position (episode, step or task,
 * component) of the first value that is not finite. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_moments_gather(const ub_comm *c, const ub_corpus *corpus,
                                                       int64_t shards, ub_moments *out);

/* Can this rank's share be used?  Errors: UB_EINPUT (one episode; a value that is not finite, as
 * above), UB_EARG (other episodes than the shards of this rank). */
UB_LOCAL UB_NODISCARD ub_status ub_moments_check(const ub_comm *c, const ub_corpus *corpus,
                                                 int64_t shards);

/* Combine the ranks' ub_corpus_digest_local values into corpus->digest on all ranks. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_corpus_digest(const ub_comm *c, ub_corpus *corpus);

#endif /* UB_MPI_MOMENTS_H */
