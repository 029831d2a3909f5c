/* jobs/slurm.h - the batch script of a study, and SLURM's own commands.
 *
 * The script is made of what the settings say and of slurm/job.sh, the same for every job, which is
 * built into the program.
 *
 * Layer: jobs.
 */
#ifndef UB_JOBS_SLURM_H
#define UB_JOBS_SLURM_H

#include <stdbool.h>

#include "jobs/queue.h"

typedef struct ub_slurm_job {
    const ub_settings *settings; /* section slurm; borrowed */
    const char        *run;      /* full path of the run folder; borrowed */
    const char        *program;  /* full path of the program; borrowed */
    const char        *exclude;  /* nodes, comma separated, or ""; borrowed */
    bool               requeue;  /* else a chain of jobs */
    int64_t            signal_s; /* so long before its end SLURM sends USR1; 0: not at all */
    ub_queue           queue;    /* the workers of a sweep */
} ub_slurm_job;

/* Append the script: POSIX sh, whatever spaces and quotes the paths hold.  Its #SBATCH lines are
 * those of the first array; it begins with the calls that queue the others. Errors: UB_EARG
 * (control characters; % or \ in the run folder; a lead that leaves no time). */
UB_LOCAL UB_NODISCARD ub_status ub_slurm_script(const ub_slurm_job *job, ub_bytes *out);
/* Name of the command the settings ask for: "run", ... */
UB_LOCAL const char *ub_slurm_command(const ub_settings *settings);
/* The job's name: that of the run folder, of letters, digits and "._-" only, and 8 digits of the
 * sha256 of its full path: no two run folders of a cluster share it, all jobs of one have it.
 * buf: UB_TEXT_MAX. */
UB_LOCAL const char *ub_slurm_name(const char *run, char *buf);

/* Run a program found on PATH in the environment this process was started with (MPI_Init adds
 * variables to it that would make every rank of a job a world of its own), and wait.
 *   argv    ends with NULL
 *   quiet   drop its standard error, which is ours otherwise
 *   out     appended: its standard output
 *   code    its exit code; 127: not found
 * Errors: UB_EIO. */
UB_LOCAL UB_NODISCARD ub_status ub_slurm_call(const char *const argv[], bool quiet, ub_bytes *out,
                                              int *code);

#endif /* UB_JOBS_SLURM_H */
