/* jobs/queue.h - what one submission puts into SLURM's queue: a job, or the workers of a sweep as
 * job arrays; and the log of that, slurm-jobs.log of the run folder.
 *
 * Workers have numbers 1, 2, ... over all arrays and a folder each, workers/K.  Array k = 0, 1, ...
 * is queued as `sbatch --array=1-n slurm-job.sh B` and holds the workers B + 1 .. B + n; B is an
 * argument, as requeues keep arguments whatever sites do to the environment.  The log says
 * `job=J queued workers=B+1-B+n`.
 *
 * Layer: jobs.
 */
#ifndef UB_JOBS_QUEUE_H
#define UB_JOBS_QUEUE_H

#include <stdbool.h>

#include "core/bytes.h"
#include "core/settings.h"
#include "mpi/comm.h"

typedef struct ub_queue {
    int64_t workers; /* 0: one job */
    int64_t arrays;  /* all but the last have `most` workers */
    int64_t most;
    int64_t at_once; /* workers over all arrays, at least `arrays`; 0: no limit */
} ub_queue;

/* How `slurm.workers` of the settings are queued on a site.  Workers share the points, so that
 * fewer do as well, and some are left out where `slurm.workers_at_once` would not hold otherwise:
 *   - SLURM limits an array by itself: there are no more arrays than workers at once;
 *   - a successor in a chain (requeue: no) heeds no limit: no more workers than may be at once.
 *   site     what `scontrol show config` says; "": nobody knows, one array
 * Errors: UB_EARG (a site without arrays). */
UB_LOCAL UB_NODISCARD ub_status ub_queue_init(const ub_settings *settings, const char *site,
                                              ub_queue *out);
/* Do its jobs requeue themselves?  As slurm.requeue says; `auto`: unless the site says that none
 * may (where it says nothing, a script that is refused its requeue submits a successor). */
UB_LOCAL bool ub_queue_requeues(const ub_settings *settings, const char *site);
/* sbatch's --array of array k: "1-1000%5"; the limits of the arrays are in proportion to their
 * sizes, at least 1 each, and add up to at_once.  buf: UB_TEXT_MAX. */
UB_LOCAL const char *ub_queue_range(const ub_queue *q, int64_t k, char *buf);

/* Write the submission into the logs and queue slurm-job.sh of the run folder, array by array, each
 * written down before the next.  Where sbatch refuses one (a limit of the user's jobs, say), q is
 * then what is queued.
 *   jobs    appended: long long each; none if the first was refused
 *   code    the last exit code of sbatch
 * Errors: UB_EIO. */
UB_LOCAL UB_NODISCARD ub_status ub_queue_submit(const char *run, ub_queue *q, ub_bytes *jobs,
                                                int *code);

/* The job that slurm-jobs.log of a run folder (or of a worker's, workers/K) names last; 0: none.
 * Errors: UB_EIO. */
UB_LOCAL UB_NODISCARD ub_status ub_queue_last_job(const char *run, long long *job);

/* An array in the log, and how many workers come before its first. */
typedef struct ub_queue_array {
    long long job;
    int64_t   before;
} ub_queue_array;
/* out: the arrays (ub_queue_array each, in order) of the last submission that was not refused;
 * empty if that was one job.  Errors: UB_EIO. */
UB_LOCAL UB_NODISCARD ub_status ub_queue_last_arrays(const char *run, ub_bytes *out);

#endif /* UB_JOBS_QUEUE_H */
