#include "core/promote.h"

#include <math.h>
#include <stdlib.h>

#include "core/mem.h"

enum { MIN_RESULTS = 3 };

typedef struct candidate {
    double  loss; /* smaller is better; infinite: failed */
    int64_t point;
} candidate;

/* The better first; equal ones by their number. */
static int by_loss(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->loss != y->loss)
        return x->loss < y->loss ? -1 : 1;
    return (x->point > y->point) - (x->point < y->point);
}

/* The results of a rung among the first `visible` jobs, the best first. */
static int64_t results_of(const ub_promote *p, const ub_job *jobs, int64_t visible, int32_t rung,
                          candidate *out)
{
    int64_t count = 0;
    for (int64_t j = 0; j < visible; j++) {
        if (jobs[j].rung != rung)
            continue;
        double loss = p->minimise ? jobs[j].result : -jobs[j].result;
        out[count++] = (candidate){isnan(loss) ? INFINITY : loss, jobs[j].point};
    }
    qsort(out, (size_t)count, sizeof *out, by_loss);
    return count;
}

/* How many of `count` sorted results may climb. */
static int64_t climbers(const ub_promote *p, const candidate *sorted, int64_t count)
{
    int64_t may = 0;
    if (p->rule == UB_PROMOTE_ASHA)
        may = (int64_t)((double)count / p->eta);
    else if (count >= MIN_RESULTS) {
        /* The better median when there are two: a half climbs, and ties with it. */
        double median = sorted[(count - 1) / 2].loss;
        while (may < count && sorted[may].loss <= median)
            may++;
    }
    while (may > 0 && isinf(sorted[may - 1].loss))
        may--;
    return may;
}

static bool promoted(const ub_job *jobs, int64_t n, int64_t point, int32_t rung)
{
    for (int64_t j = 0; j < n; j++)
        if (jobs[j].point == point && jobs[j].rung == rung + 1)
            return true;
    return false;
}

/* The next promotion that the first `visible` results allow. */
static bool promotion(const ub_promote *p, const ub_job *jobs, int64_t n, int64_t visible,
                      candidate *room, ub_job *next)
{
    for (int32_t rung = p->rungs - 2; rung >= 0; rung--) {
        int64_t may = climbers(p, room, results_of(p, jobs, visible, rung, room));
        for (int64_t k = 0; k < may; k++)
            if (!promoted(jobs, n, room[k].point, rung)) {
                *next = (ub_job){.point = room[k].point, .rung = rung + 1};
                return true;
            }
    }
    return false;
}

ub_status ub_promote_next(const ub_promote *p, const ub_job *jobs, int64_t n, ub_job *next,
                          ub_promote_answer *answer)
{
    int64_t    begun = 0, known = 0;
    candidate *room = NULL;
    for (int64_t j = 0; j < n; j++)
        begun += jobs[j].rung == 0;
    while (known < n && jobs[known].known)
        known++;
    UB_TRY(UB_ALLOC(room, n + 1));
    int64_t visible = n - p->lag + 1;
    for (visible = visible < 0 ? 0 : visible; visible <= n; visible++) {
        *answer = UB_PROMOTE_WAIT;
        *next = (ub_job){.point = known};
        if (visible > known)
            break;
        *answer = UB_PROMOTE_JOB;
        if (promotion(p, jobs, n, visible, room, next))
            break;
        *next = (ub_job){.point = begun};
        if (begun < p->points)
            break;
        *answer = UB_PROMOTE_DONE;
    }
    ub_free(room);
    return UB_OK;
}
