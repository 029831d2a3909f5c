/* core/promote.h - which point of a sweep gets how much: successive halving, decided in order.
 *
 * The points of a sweep climb rungs; a rung is an amount of resource (say epochs), eta times that
 * of the rung below.  A job is a point on a rung.  Rule:
 *
 *   none    every point, on the only rung
 *   asha    the next job is, from the highest rung down, the best point among the best 1 / eta of
 *           a rung's results that has not been promoted yet; else the next new point on the
 *           lowest rung (Li, Jamieson, Rostamizadeh et al., "A system for massively parallel
 *           hyperparameter tuning", MLSys 2020, algorithm 2)
 *
 *   median  the same, but a point may climb if at least three results of its rung are known and
 *           it is no worse than their median, the better one of two (the stopping rule of
 *           Golovin et al., "Google Vizier", KDD 2017, at rungs)
 *
 * What makes a decision depend on time elsewhere is which results have come in.  Here job n is
 * decided with the results of the jobs before n - lag + 1 (0: of all before it that can be waited
 * for: lag 1) and of no other, unless these allow no decision while older jobs are still at work;
 * then with those of one more job, and so on.  So the list of jobs is a function of the results
 * alone: whoever works on them, however often killed, makes the same list.  lag is how many jobs
 * can be at work together.
 *
 * Layer: core (no MPI, no files, no state: decisions are recomputed).
 */
#ifndef UB_CORE_PROMOTE_H
#define UB_CORE_PROMOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

enum { UB_PROMOTE_NONE, UB_PROMOTE_ASHA, UB_PROMOTE_MEDIAN };
enum { UB_RUNGS_MAX = 32 };

typedef struct ub_promote {
    int     rule;
    bool    minimise;
    int64_t points;
    int32_t rungs; /* at least 1 */
    double  eta;   /* > 1 */
    int64_t lag;   /* >= 1 */
} ub_promote;

typedef struct ub_job {
    int64_t point;
    int32_t rung;
    bool    known;  /* has a result; or has failed: NaN, worse than any number */
    double  result; /* the metric */
} ub_job;

typedef enum ub_promote_answer {
    UB_PROMOTE_JOB,  /* *next is set */
    UB_PROMOTE_WAIT, /* for job *next->point (an index of jobs) */
    UB_PROMOTE_DONE
} ub_promote_answer;

/* What job number `n` is, given the n jobs before it.  Cost: n * rungs, and a sort of a rung. */
UB_NODISCARD ub_status ub_promote_next(const ub_promote *p, const ub_job *jobs, int64_t n,
                                       ub_job *next, ub_promote_answer *answer);

#endif /* UB_CORE_PROMOTE_H */
