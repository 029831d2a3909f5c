/* core/pace.h - how often to save, from what saving costs.
 *
 * A save is due when
 *
 *     pause = max(cost / budget, least)
 *
 * seconds have passed since the last one ended (at first: since the beginning).  cost is the median
 * of what the last three saves took; of two, the smaller; before the first, 0.  So saving takes at
 * most about `budget` of the time; one save that was slow by accident (a file system that stalls)
 * does not stretch the pause, a file system that stays slow does.
 *
 * No clock: the caller tells the time (`now`: seconds of any origin, never decreasing).
 *
 * Layer: core.
 */
#ifndef UB_CORE_PACE_H
#define UB_CORE_PACE_H

#include <stdint.h>

typedef struct ub_pace {
    double  budget, least; /* part of the time, > 0; seconds.  INFINITY: the pause is fixed */
    double  since;         /* when the last save ended */
    double  cost[3];       /* seconds of the last saves: number k is at k % 3 */
    double  spent;         /* seconds of all saves */
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
