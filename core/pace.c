#include "core/pace.h"

#include <math.h>

ub_pace ub_pace_begin(double budget, double least, double now)
{
    return (ub_pace){.budget = budget, .least = least, .since = now};
}

void ub_pace_saved(ub_pace *p, double seconds, double now)
{
    p->cost[p->saves++ % 3] = seconds;
    p->spent += seconds;
    p->since = now;
}

double ub_pace_pause(const ub_pace *p)
{
    const double *c = p->cost;
    double        cost = p->saves == 0 ? 0 : c[0];
    if (p->saves == 2)
        cost = fmin(c[0], c[1]);
    else if (p->saves > 2) /* the median */
        cost = fmax(fmin(c[0], c[1]), fmin(fmax(c[0], c[1]), c[2]));
    return fmax(cost / p->budget, p->least);
}

double ub_pace_left(const ub_pace *p, double now)
{
    return p->since + ub_pace_pause(p) - now;
}
