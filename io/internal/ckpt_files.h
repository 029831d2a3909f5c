/* io/internal/ckpt_files.h - names of checkpoints in a folder: list, clean up, prune.
 *
 * Layer: io, private to io.  Rank 0 alone.
 */
#ifndef UB_IO_INTERNAL_CKPT_FILES_H
#define UB_IO_INTERNAL_CKPT_FILES_H

#include "core/bytes.h"
#include "core/status.h"
#include "mpi/comm.h"

/* DIR/ckpt-NNNNNNNNNN.h5 into buf (UB_PATH_MAX bytes). */
UB_LOCAL UB_NODISCARD ub_status ub_ckpt_path(const char *dir, int64_t step, char *buf);
/* Append the numbers (int64_t) of the checkpoints in a folder, newest first; none if there is no
 * such folder.  Temporary files of a killed run are removed. */
UB_LOCAL UB_NODISCARD ub_status ub_ckpt_list(const char *dir, ub_bytes *steps);
/* Remove all but the newest `keep` up to `step`.  What cannot be removed is a warning. */
UB_LOCAL UB_NODISCARD ub_status ub_ckpt_prune(const char *dir, int64_t step, int keep);

#endif /* UB_IO_INTERNAL_CKPT_FILES_H */
