/* io/corpus_h5.h - corpora in HDF5 files of several layouts, read in parallel.
 *
 * Layouts are a registry (io/formats/registry.def): aligned (one N x T x d tensor), native
 * (ragged episodes), d4rl (old and new), robomimic, minari (box and dict spaces).  Each rank reads
 * its own episodes only; nothing is read whole on one rank.  Ragged episodes are cut into
 * segment.count equal parts of their time, and segment.length steps of each are kept: step j
 * of segment k is row floor((k + (j + 1) / L) * T_n / K) - 1, so that the last step of a
 * segment is the last row of its part.  Where a task variable is the last row itself, that row is
 * no step, and T_n counts the rows before it.  Layouts: docs/formats/corpus.md.
 *
 * Every complaint names file, dataset and value: truncated file, no observations, NaN, zero
 * episodes, unequal shapes, missing task variables, unknown layout, too short an episode.
 *
 * Layer: io.
 */
#ifndef UB_IO_CORPUS_H5_H
#define UB_IO_CORPUS_H5_H

#include "core/corpus.h"
#include "core/settings.h"
#include "mpi/comm.h"

/* Read this rank's share: episodes ub_rows_of_rank(N, shards, size, rank), in file order (robomimic
 * and minari: numeric order of the episode names).
 *   settings  sections corpus and segment
 *   out       digest set (of all ranks); owned by the caller: ub_corpus_release
 * Errors: UB_EINPUT, UB_EIO, UB_ENOENT with a sentence, the same on all ranks. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_corpus_read(const ub_comm *c, const ub_settings *settings,
                                                    int64_t shards, ub_corpus *out);

/* Write an aligned corpus, each rank its episodes, as a new file that appears under its name
 * only when complete (temporary name, flush, rename).
 *   single  store float32 (gzip + shuffle) instead of float64
 *   origin  text for the attribute of that name */
UB_COLLECTIVE UB_NODISCARD ub_status ub_corpus_write(const ub_comm *c, const char *path,
                                                     const ub_corpus *corpus, int single,
                                                     const char *origin);

/* The i-th layout's name and one-line summary, or NULL past the end. */
UB_LOCAL const char *ub_corpus_format_at(size_t i, const char **summary);

#endif /* UB_IO_CORPUS_H5_H */
