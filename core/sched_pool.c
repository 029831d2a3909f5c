/* States of the items, and the spans that wait. */
#include "core/internal/sched.h"
#include "core/mem.h"

enum { GAP = 64, LOOK = 8 }; /* holes that a span swallows; spans looked at for another rank's */

static int64_t *count_of(ub_sched *s, int state)
{
    ub_sched_stats *c = &s->stats;
    return state == WAITING ? &c->waiting
           : state == OUT   ? &c->out
           : state == DONE  ? &c->done
           : state == ASIDE ? &c->aside
                            : NULL;
}

void ub_sched_move(ub_sched *s, int64_t item, int to)
{
    uint8_t *byte = &s->page[item / PAGE][item % PAGE];
    int64_t *from = count_of(s, *byte & STATE_MASK);
    if (from != NULL)
        --*from;
    ++*count_of(s, to);
    *byte = (uint8_t)((*byte & ~STATE_MASK) | to);
}

ub_status ub_sched_touch(ub_sched *s, int64_t first, int64_t count)
{
    for (int64_t p = first / PAGE; p <= (first + count - 1) / PAGE; p++)
        if (s->page[p] == NULL)
            UB_TRY(UB_ALLOC(s->page[p], PAGE));
    return UB_OK;
}

static span *pool_at(const ub_sched *s, size_t i)
{
    return &s->pool[(s->pool_at + i) % s->pool_cap];
}

static ub_status grow(ub_sched *s)
{
    span  *bigger = NULL;
    size_t cap = s->pool_cap > 0 ? 2 * s->pool_cap : 64;
    UB_TRY(UB_ALLOC(bigger, cap));
    for (size_t i = 0; i < s->pool_count; i++)
        bigger[i] = *pool_at(s, i);
    ub_free(s->pool);
    s->pool = bigger;
    s->pool_cap = cap;
    s->pool_at = 0;
    return UB_OK;
}

ub_status ub_sched_push(ub_sched *s, span w, bool front)
{
    if (s->pool_count > 0) {
        span *near = pool_at(s, front ? 0 : s->pool_count - 1);
        if (near->avoid == w.avoid && near->back == w.back && w.lo >= near->hi &&
            w.lo - near->hi <= (front ? 0 : GAP)) {
            near->hi = w.hi;
            return UB_OK;
        }
    }
    if (s->pool_count == s->pool_cap)
        UB_TRY(grow(s));
    if (front)
        s->pool_at = (s->pool_at + s->pool_cap - 1) % s->pool_cap;
    s->pool_count++;
    *pool_at(s, front ? 0 : s->pool_count - 1) = w;
    return UB_OK;
}

bool ub_sched_append(ub_sched_action *a, int64_t item)
{
    ub_sched_range *last = a->count > 0 ? &a->range[a->count - 1] : NULL;
    if (last != NULL && last->first + last->count == item) {
        last->count++;
    } else if (last != NULL && last->first - 1 == item) { /* from the end backwards */
        last->first--;
        last->count++;
    } else {
        if (a->count == UB_SCHED_RANGES)
            return false;
        a->range[a->count++] = (ub_sched_range){item, 1};
    }
    a->items++;
    return true;
}

/* Drop the members that do not wait any more from the span's front. */
static bool advance(const ub_sched *s, span *w)
{
    while (w->lo < w->hi && ub_sched_state(s, w->lo) != WAITING)
        w->lo++;
    return w->lo < w->hi;
}

/* A rank on which the items failed gets them only when nobody else will come: it is alone, or no
 * message can be under way any more. */
span *ub_sched_find(ub_sched *s, int rank, double now)
{
    bool anybody = s->stats.alive <= 1 || (s->stats.out == 0 && now >= s->quiet + s->config.lag);
    while (s->pool_count > 0 && !advance(s, pool_at(s, 0))) {
        s->pool_at = (s->pool_at + 1) % s->pool_cap;
        s->pool_count--;
    }
    for (size_t i = 0; i < s->pool_count; i++) {
        if (i == LOOK) /* then only the last: the fresh items */
            i = s->pool_count - 1;
        span *w = pool_at(s, i);
        if ((w->avoid != rank || anybody) && advance(s, w))
            return w;
    }
    return NULL;
}

span ub_sched_take(ub_sched *s, span *w, int64_t want, ub_sched_action *action)
{
    int64_t first = w->lo;
    while (w->lo < w->hi && action->items < want) {
        if (ub_sched_state(s, w->lo) == WAITING) {
            if (!ub_sched_append(action, w->lo))
                break;
            ub_sched_move(s, w->lo, OUT);
        }
        w->lo++;
    }
    return (span){.lo = first, .hi = w->lo};
}
