/* io/checkpoint.h - save and restore the state of a run, on any number of ranks.
 *
 * One checkpoint is one HDF5 file, ckpt-NNNNNNNNNN.h5, holding named arrays of doubles split
 * by rows over the ranks.  The file records global shapes only, never ranks, so that a run
 * saved on 64 ranks continues on 3.
 *
 * A checkpoint becomes visible in one step: written by all ranks under a temporary name, closed,
 * flushed to disk, opened again and verified against checksums, renamed, folder flushed; only
 * then the oldest beyond `keep` goes.  A killed job leaves the previous checkpoint or the new
 * one, never half of one.  Layout: docs/formats/checkpoint.md.
 *
 * Layer: io.  All errors are returned, the same on every rank; nothing aborts.
 */
#ifndef UB_IO_CHECKPOINT_H
#define UB_IO_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/pace.h"
#include "core/status.h"
#include "mpi/comm.h"

/* An array of doubles that every rank holds whole.  On writing each rank writes its own part of
 * it, rows ub_part(width, size, rank), and the checksums of its share of the blocks. */
typedef struct ub_ckpt_array {
    const char *name;  /* without blanks and slashes */
    int64_t     width; /* doubles; the same on all ranks */
    double     *data;  /* width doubles on every rank; borrowed */
} ub_ckpt_array;

/* Write checkpoint number `step` into folder `dir` (made if missing).
 *   identity  text of the study; checked on reading
 *   keep      checkpoints that stay, >= 2; any numbered above `step` go too: they were skipped
 *             as broken when the run was resumed before them
 * Errors: UB_EIO (disk full, verification failed: nothing is replaced), UB_ENOTSAME. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_ckpt_write(const ub_comm *c, const char *dir, int64_t step,
                                                   const char          *identity,
                                                   const ub_ckpt_array *arrays, int count,
                                                   int keep);

/* Read the newest checkpoint of `dir` that opens and whose checksums hold, skipping broken ones
 * with a warning; the arrays are filled on every rank.
 *   step  out: its number, or -1 if there is no sound checkpoint (not an error; the arrays are
 *         then untouched)
 * Temporary files of a killed run are removed.
 * Errors: UB_EINPUT if it belongs to another study or has other shapes. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_ckpt_read_latest(const ub_comm *c, const char *dir,
                                                         const char          *identity,
                                                         const ub_ckpt_array *arrays, int count,
                                                         int64_t *step);

/* Verify one file on any communicator: UB_OK, or a sentence that names the damaged dataset. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_ckpt_verify(const ub_comm *c, const char *path);

/* At which steps of a loop there is a checkpoint: at every so many-th, or by the time they cost
 * (core/pace.h).  By the time, rank 0 decides at steps that all ranks know beforehand: at each it
 * tells the next, half way to the time when a checkpoint will be due.  So there are about
 * log2(steps) broadcasts from one checkpoint to the next, and none at the other steps. */
typedef struct ub_ckpt_pace {
    int64_t every; /* 0: by the time */
    int64_t look;  /* the next step at which rank 0 decides */
    int64_t asked; /* rank 0: the last, and when that was */
    double  asked_at;
    ub_pace pace; /* rank 0 */
} ub_ckpt_pace;

/* Before the loop, which begins at `step`.
 *   every   steps from checkpoint to checkpoint; 0: by `budget`, part of the time for them */
UB_LOCAL ub_ckpt_pace ub_ckpt_pace_begin(int64_t every, double budget, int64_t step);
/* Is there a checkpoint before this step?  Called at every step; the same answer on all ranks. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_ckpt_due(const ub_comm *c, ub_ckpt_pace *p, int64_t step,
                                                 bool *due);
/* There was one at this step, whether it was due or not; it took so many seconds. */
UB_LOCAL void ub_ckpt_saved(ub_ckpt_pace *p, int64_t step, double seconds);

#endif /* UB_IO_CHECKPOINT_H */
