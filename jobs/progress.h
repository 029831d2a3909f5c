/* jobs/progress.h - how far a stage is: a bar on a terminal, plain lines elsewhere.
 *
 * Layer: jobs.  Rank 0 alone.
 */
#ifndef UB_JOBS_PROGRESS_H
#define UB_JOBS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "io/beacon.h"
#include "mpi/comm.h"

typedef struct ub_progress {
    const char *stage, *unit;
    double      start, last, pause_s;
    int64_t     first; /* already done at the start: does not count for the rate */
    double      scale; /* units an item */
    bool        terminal, begun;
    ub_beacon  *beacon; /* told as well; borrowed; may be NULL */
} ub_progress;

/* Items are shown as scale * count units; the stage begins in the status file. */
UB_LOCAL ub_progress ub_progress_begin(ub_beacon *beacon, const char *stage, const char *unit,
                                       double scale, double pause_s);
/* Show done of total with rate and estimated time left, if it is time to. */
UB_LOCAL void ub_progress_show(ub_progress *p, int64_t done, int64_t total);
/* Show the last state and end the line. */
UB_LOCAL void ub_progress_end(ub_progress *p, int64_t done, int64_t total);
/* A time in words, into buf, which it returns: "12 s", "3 min 20 s", "2 h 05 min", "4 days 3 h". */
UB_LOCAL const char *ub_progress_words(double seconds, char buf[32]);

#endif /* UB_JOBS_PROGRESS_H */
