/* core/pace.h - how often to save, from what saving costs.
 *
 * A save is due when
 *
 *     pause = max(cost / budget, least)
 *
 * seconds have passed since the last one ended (at first: since the beginning).  cost is the mean
 * of what the last eight saves took, or of as many as there were; before the first, 0.  So,
 * whatever a save costs, its eight successors make up for it: saving takes `budget` of the time,
 * and no more; and a file system that stalls once stretches the pauses by an eighth of that only.
 *
 * No clock: the caller tells the time (`now`: seconds of any origin, never decreasing).
 *
 * Layer: core.
 */
#ifndef UB_CORE_PACE_H
#define UB_CORE_PACE_H

#include <stdint.h>

enum {
    UB_PACE_COSTS = 8,
    UB_PACE_LEAST_S =
        5 /* `least` where nobody says otherwise: on a disk that saves in 50 ms, 1 % */
};

typedef struct ub_pace {
    double  budget, least;       /* part of the time, > 0; seconds.  INFINITY: the pause is fixed */
    double  since;               /* when the last save ended */
    double  spent;               /* seconds of all saves */
    double  cost[UB_PACE_COSTS]; /* of the last: number k is at k % UB_PACE_COSTS */
    int64_t saves;
} ub_pace;

ub_pace ub_pace_begin(double budget, double least, double now);
/* A save that took `seconds` ends now. */
void ub_pace_saved(ub_pace *p, double seconds, double now);
/* Seconds from one save to the next. */
double ub_pace_pause(const ub_pace *p);
/* Seconds until a save is due; <= 0: it is. */
double ub_pace_left(const ub_pace *p, double now);

#endif /* UB_CORE_PACE_H */
