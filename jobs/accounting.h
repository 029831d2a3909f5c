/* jobs/accounting.h - what SLURM's accounting remembers of the jobs of a run folder.
 *
 * Everything here is to know more where a site keeps an account of its jobs (slurmdbd), and nothing
 * depends on it: no sacct, no database, no answer within seconds, or an answer that says nothing of
 * this run is all the same, "not known", and no error.
 *
 * Layer: jobs.  Rank 0 alone.
 */
#ifndef UB_JOBS_ACCOUNTING_H
#define UB_JOBS_ACCOUNTING_H

#include <stdbool.h>

#include "core/bytes.h"
#include "mpi/comm.h"

enum { UB_ACCOUNTING_STATES = 16 };

/* The tasks in one state, in SLURM's word for it ("OUT_OF_MEMORY"). */
typedef struct ub_accounting_state {
    char    name[24];
    int64_t tasks;
} ub_accounting_state;

typedef struct ub_accounting {
    long long           job;     /* 0: not known, and so is the rest */
    int64_t             arrays;  /* that were submitted together, job the first; 0: one job */
    bool                array;   /* else one task, of which the next five tell */
    int                 code;    /* of the script */
    int                 signal;  /* that ended it; 0: none */
    int64_t             elapsed; /* seconds since its last start */
    int64_t             nodes;
    double              resident; /* bytes: of the largest rank when it was largest; 0: not known */
    double              memory;   /* bytes of a node that were asked for; 0: not known */
    int                 states;
    ub_accounting_state state[UB_ACCOUNTING_STATES];
} ub_accounting;

/* Ask about the last job that slurm-jobs.log of the folder names; of arrays, about every task or
 * the job that came after it.  Jobs of another name than the folder's own (ub_slurm_name), which a
 * copied log tells of, are not known.  Starts sacct, unless there is no log; six seconds at most.
 */
UB_LOCAL void ub_accounting_ask(const char *run, ub_accounting *out);

/* Append, where it is known, "job 12: TIMEOUT after 1 h 00 min, 1.2 GiB in the largest rank of 4.0
 * GiB a node; what to do"; "job 12: 3 RUNNING, 1 FAILED" of an array. */
UB_LOCAL UB_NODISCARD ub_status ub_accounting_put(const ub_accounting *a, ub_bytes *out);
/* Append it as a JSON object, or null. */
UB_LOCAL UB_NODISCARD ub_status ub_accounting_put_json(const ub_accounting *a, ub_bytes *out);

#endif /* UB_JOBS_ACCOUNTING_H */
