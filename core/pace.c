#include "core/pace.h"

#include <math.h>

ub_pace ub_pace_begin(double budget, double least, double now)
{
    return (ub_pace){.budget = budget, .least = least, .since = now};
}

void ub_pace_saved(ub_pace *p, double seconds, double now)
{
    p->cost[p->saves++ % UB_PACE_COSTS] = seconds;
    p->spent += seconds;
    p->since = now;
}

double ub_pace_pause(const ub_pace *p)
{
    double sum = 0;
    int    n = p->saves < UB_PACE_COSTS ? (int)p->saves : UB_PACE_COSTS;
    for (int i = 0; i < n; i++)
        sum += p->cost[i];
    return n == 0 ? p->least : fmax(sum / n / p->budget, p->least);
}

double ub_pace_left(const ub_pace *p, double now)
{
    return p->since + ub_pace_pause(p) - now;
}
