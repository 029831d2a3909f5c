/* jobs/failed.h - items of stage 1 that failed and were set aside: remembered in the run folder.
 *
 * structure.failed: comment lines, then an item number a line.  It is there from the end of a farm
 * that set items aside until they are answered.  `--failed-only` does these items and no others.
 *
 * Layer: jobs.
 */
#ifndef UB_JOBS_FAILED_H
#define UB_JOBS_FAILED_H

#include "core/structure.h"
#include "jobs/study.h"

/* Rank 0: the items that are not answered; why: a sentence.  */
UB_LOCAL UB_NODISCARD ub_status ub_failed_write(const ub_study *s, const ub_structure *plan,
                                                const char *why);
/* Rank 0: *wanted[item] says if it had failed (owned by the caller), *count how many.
 * Errors: UB_EINPUT (damaged), UB_ENOENT, UB_EIO. */
UB_LOCAL UB_NODISCARD ub_status ub_failed_read(const ub_study *s, int64_t items, uint8_t **wanted,
                                               int64_t *count);
/* Rank 0: there are none any more. */
UB_LOCAL void ub_failed_forget(const ub_study *s);

/* For --failed-only, before anything is entered: has an item failed in the run folder ctx->out?  If
 * not, rank 0 has said so.  Errors: UB_EINPUT (not a run folder). */
UB_COLLECTIVE UB_NODISCARD ub_status ub_failed_any(const ub_context *ctx, bool *any);

#endif /* UB_JOBS_FAILED_H */
