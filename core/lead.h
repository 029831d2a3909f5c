/* core/lead.h - how long before the end of a job to stop, from what was measured.
 *
 * A job that stops in time ends the item at hand, saves, and leaves.  So work ends
 *
 *     lead = p99 + longest + margin
 *
 * seconds before the job does: p99 is the 99th percentile (nearest rank) of what the last hundred
 * saves took, longest the item that took longest, margin = min(60 s, a quarter of the job), which
 * covers what nobody measured and the half minutes in which SLURM looks at its clock.  An item
 * begun before that has ended in time; none is begun after it.  Until an item has ended nothing
 * is known and nothing is due: a job too short for one item could never get anywhere otherwise.
 *
 * No clock: the caller tells the time.
 *
 * Layer: core.
 */
#ifndef UB_CORE_LEAD_H
#define UB_CORE_LEAD_H

#include <stdbool.h>
#include <stdint.h>

enum { UB_LEAD_SAVES = 100, UB_LEAD_MARGIN_S = 60 };

typedef struct ub_lead {
    double  room;    /* seconds from the start to the end of the job; INFINITY: no end */
    double  longest; /* seconds */
    double  save[UB_LEAD_SAVES]; /* of the last: number k is at k % UB_LEAD_SAVES */
    double  p99;                 /* of them */
    int64_t saves;
    bool    worked; /* an item has ended since the start */
} ub_lead;

ub_lead ub_lead_begin(double room);
/* Items and saves of another kind follow: what the last ones took is forgotten. */
void ub_lead_renew(ub_lead *l);
/* An item, a save, has ended after so many seconds. */
void ub_lead_worked(ub_lead *l, double seconds);
void ub_lead_saved(ub_lead *l, double seconds);
/* min(60 s, room / 4). */
double ub_lead_margin(double room);
/* Seconds; 0 until an item has ended. */
double ub_lead_seconds(const ub_lead *l);
/* Is it time to stop, `left` seconds before the end? */
bool ub_lead_due(const ub_lead *l, double left);

#endif /* UB_CORE_LEAD_H */
