#include "core/rehearse.h"

#include <math.h>

#include "core/internal/rehearse.h"
#include "core/mem.h"
#include "core/rng.h"

enum { RESTARTS = 1000 };

double ub_sched_gather(int groups, double request_s)
{
    return fmin(2 * groups * request_s, BATCH_SECONDS);
}

/* Gamma of the given shape and scale 1: Marsaglia and Tsang, "A simple method for generating gamma
 * variables", ACM TOMS 26, 2000; below shape 1 by the boost of the same paper. */
static double gamma_draw(ub_rng *r, double shape)
{
    double boost = shape < 1 ? pow(ub_rng_uniform(r), 1 / shape) : 1;
    double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = ub_rng_normal(r), v = 1 + c * x;
        v = v * v * v;
        if (v > 0 && log(ub_rng_uniform(r)) < 0.5 * x * x + d - d * v + d * log(v))
            return boost * d * v;
    }
}

static double draw(const ub_rehearsal *p, int64_t item)
{
    ub_rng r = ub_rng_make(p->seed, UB_RNG_REHEARSE_ITEM, (uint64_t)item);
    double cv2 = p->item_cv * p->item_cv;
    if (p->each != NULL)
        return p->each[item];
    if (p->sample != NULL)
        return p->sample[ub_rng_below(&r, (uint64_t)p->samples)];
    if (p->times == UB_TIMES_EQUAL || cv2 <= 0)
        return p->item_s;
    if (p->times == UB_TIMES_GAMMA)
        return p->item_s * cv2 * gamma_draw(&r, 1 / cv2);
    double s2 = log1p(cv2);
    return p->item_s * exp(sqrt(s2) * ub_rng_normal(&r) - s2 / 2);
}

static ub_status check(const ub_rehearsal *p)
{
    if (p->items < 0 || p->ranks < 1 || p->policy == NULL || p->floor < 1 || p->group < 0)
        return UB_FAIL(UB_ERANGE, "a rehearsal of %lld items on %d ranks, floor %lld, groups of %d",
                       (long long)p->items, p->ranks, (long long)p->floor, p->group);
    if (!(p->item_s > 0 || p->sample != NULL || p->each != NULL) ||
        !(p->slow_factor >= 1 || p->slow_fraction <= 0) ||
        ((p->node_mtbf_s > 0 || (p->slow_nodes && p->slow_fraction > 0)) && p->node_ranks < 1) ||
        (p->sample != NULL && p->samples < 1))
        return UB_FAIL(UB_ERANGE,
                       "items of %g s, %g of the ranks %g times slower, %d ranks a node: times are "
                       "positive, slow ranks are slower, nodes have ranks",
                       p->item_s, p->slow_fraction, p->slow_factor, p->node_ranks);
    return UB_OK;
}

/* Sessions until all is done: each goes on with what the journal of the last one holds. */
static ub_status run(const ub_rehearsal *p, const float *seconds, uint8_t *done, ub_rehearsed *out)
{
    double start = 0, capacity = 0;
    for (int64_t i = 0; i < p->items; i++)
        out->work += (double)seconds[i];
    for (int number = 0;; number++) {
        session   s = {.plan = p,
                       .seconds = seconds,
                       .done = done,
                       .out = out,
                       .number = number,
                       .start = start};
        ub_status st = ub_session_run(&s);
        capacity = 0;
        for (int r = 0; st == UB_OK && r < p->ranks; r++)
            capacity += 1 / (double)s.process[r].factor;
        bool again = s.interrupted;
        start = s.now + p->restart_s;
        ub_session_release(&s);
        UB_TRY(st);
        if (!again)
            break;
        if (number == RESTARTS)
            return UB_FAIL(UB_ESTATE,
                           "rehearsal: %d restarts and no end; ranks die faster than "
                           "they work",
                           number);
        out->restarts++;
    }
    for (int64_t i = 0; i < p->items; i++)
        out->duplicates -= done[i];
    out->efficiency =
        p->items > 0 && out->makespan > 0 ? out->work / (capacity * out->makespan) : 1;
    return UB_OK;
}

ub_status ub_rehearse_draw(const ub_rehearsal *plan, float **out)
{
    float *seconds = NULL;
    UB_TRY(UB_ALLOC(seconds, plan->items));
    for (int64_t i = 0; i < plan->items; i++)
        seconds[i] = (float)draw(plan, i);
    *out = seconds;
    return UB_OK;
}

ub_status ub_rehearse_on(const ub_rehearsal *plan, const float *seconds, ub_rehearsed *out)
{
    uint8_t     *done = NULL;
    ub_rehearsed r = {0};
    UB_TRY(check(plan));
    UB_TRY(UB_ALLOC(done, plan->items));
    ub_status st = run(plan, seconds, done, &r);
    if (st == UB_OK)
        *out = r;
    ub_free(done);
    return st;
}

ub_status ub_rehearse(const ub_rehearsal *plan, ub_rehearsed *out)
{
    float *seconds = NULL;
    UB_TRY(check(plan));
    UB_TRY(ub_rehearse_draw(plan, &seconds));
    ub_status st = ub_rehearse_on(plan, seconds, out);
    ub_free(seconds);
    return st;
}
