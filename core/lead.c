#include "core/lead.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

ub_lead ub_lead_begin(double room)
{
    return (ub_lead){.room = room};
}

void ub_lead_renew(ub_lead *l)
{
    *l = (ub_lead){.room = l->room, .worked = l->worked};
}

void ub_lead_worked(ub_lead *l, double seconds)
{
    l->longest = fmax(l->longest, seconds);
    l->worked = true;
}

static int ascending(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

void ub_lead_saved(ub_lead *l, double seconds)
{
    double sorted[UB_LEAD_SAVES];
    l->save[l->saves++ % UB_LEAD_SAVES] = seconds;
    int n = l->saves < UB_LEAD_SAVES ? (int)l->saves : UB_LEAD_SAVES;
    memcpy(sorted, l->save, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, ascending);
    l->p99 = sorted[(99 * n + 99) / 100 - 1];
}

double ub_lead_margin(double room)
{
    return fmin(UB_LEAD_MARGIN_S, room / 4);
}

double ub_lead_seconds(const ub_lead *l)
{
    return l->worked ? l->p99 + l->longest + ub_lead_margin(l->room) : 0;
}

bool ub_lead_due(const ub_lead *l, double left)
{
    return l->worked && left < ub_lead_seconds(l);
}
