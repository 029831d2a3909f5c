/* What ranks hold, since when, and when that is too long. */
#include <math.h>

#include "core/internal/sched.h"
#include "core/mem.h"

/* Leases by due time: a binary heap of indices that know their places. */

static void put(ub_sched *s, int place, int l)
{
    s->heap[place] = l;
    s->lease[l].place = place;
}

static void sift_up(ub_sched *s, int place)
{
    int l = s->heap[place];
    for (; place > 0 && s->lease[s->heap[(place - 1) / 2]].due > s->lease[l].due;
         place = (place - 1) / 2)
        put(s, place, s->heap[(place - 1) / 2]);
    put(s, place, l);
}

static void sift_down(ub_sched *s, int place)
{
    int l = s->heap[place];
    for (int child; (child = 2 * place + 1) < s->heap_count; place = child) {
        if (child + 1 < s->heap_count &&
            s->lease[s->heap[child + 1]].due < s->lease[s->heap[child]].due)
            child++;
        if (s->lease[s->heap[child]].due >= s->lease[l].due)
            break;
        put(s, place, s->heap[child]);
    }
    put(s, place, l);
}

static void heap_remove(ub_sched *s, int place)
{
    int last = s->heap[--s->heap_count];
    if (place == s->heap_count)
        return;
    put(s, place, last);
    sift_up(s, place);
    sift_down(s, s->lease[last].place);
}

static ub_status grow(ub_sched *s)
{
    lease *leases = NULL;
    int   *heap = NULL;
    int    cap = s->lease_cap > 0 ? 2 * s->lease_cap : 2 * s->config.ranks;
    UB_TRY(UB_ALLOC(leases, cap));
    ub_status st = UB_ALLOC(heap, cap);
    if (st != UB_OK) {
        ub_free(leases);
        return st;
    }
    for (int i = 0; i < cap; i++) {
        if (i < s->lease_cap)
            leases[i] = s->lease[i];
        else
            leases[i].next = i + 1 < cap ? i + 1 : -1;
    }
    for (int i = 0; i < s->heap_count; i++)
        heap[i] = s->heap[i];
    ub_free(s->lease);
    ub_free(s->heap);
    s->lease_free = s->lease_cap; /* grown only when none is free */
    s->lease = leases;
    s->heap = heap;
    s->lease_cap = cap;
    return UB_OK;
}

static void set_due(ub_sched *s, lease *l)
{
    double rounds = fmax(1, (double)l->n / s->rank[l->rank].width), mean = s->stats.mean;
    l->due = s->config.overdue > 0 && s->stats.measured > 0
                 ? l->start + rounds * mean +
                       s->config.overdue * sqrt(rounds) * fmax(s->stats.q95 - mean, mean) +
                       s->config.lag
                 : INFINITY;
}

ub_status ub_sched_lend(ub_sched *s, int rank, span w, int64_t n, double now)
{
    if (s->lease_free < 0)
        UB_TRY(grow(s));
    int    i = s->lease_free;
    lease *l = &s->lease[i];
    s->lease_free = l->next;
    for (int held = s->rank[rank].leases; held >= 0; held = s->lease[held].next)
        n += s->lease[held].hi - s->lease[held].lo;
    *l = (lease){.lo = w.lo, .hi = w.hi, .n = n, .start = now, .rank = rank};
    l->next = s->rank[rank].leases;
    s->rank[rank].leases = i;
    set_due(s, l);
    put(s, s->heap_count++, i);
    sift_up(s, s->heap_count - 1);
    return UB_OK;
}

/* End the lease that *link (of its rank's list) points to. */
static void end_lease(ub_sched *s, int *link)
{
    int i = *link;
    *link = s->lease[i].next;
    heap_remove(s, s->lease[i].place);
    s->lease[i].next = s->lease_free;
    s->lease_free = i;
}

void ub_sched_tidy(ub_sched *s, int rank)
{
    for (int *link = &s->rank[rank].leases; *link >= 0;) {
        lease *l = &s->lease[*link];
        while (l->lo < l->hi && ub_sched_state(s, l->lo) != OUT)
            l->lo++;
        if (l->lo == l->hi)
            end_lease(s, link);
        else
            link = &l->next;
    }
}

ub_status ub_sched_revoke(ub_sched *s, int rank)
{
    while (s->rank[rank].leases >= 0) {
        lease  *l = &s->lease[s->rank[rank].leases];
        int64_t before = s->stats.waiting;
        UB_TRY(ub_sched_push(s, (span){l->lo, l->hi, -1, true}, true));
        for (int64_t item = l->lo; item < l->hi; item++)
            if (ub_sched_state(s, item) == OUT)
                ub_sched_move(s, item, WAITING);
        s->stats.reissued += s->stats.waiting - before;
        end_lease(s, &s->rank[rank].leases);
    }
    return UB_OK;
}

/* A lease that is overdue, of another rank: among the first few of the heap. */
static lease *find_overdue(ub_sched *s, int rank, double now)
{
    for (int place = 0; place < s->heap_count && place < 7; place++) {
        int holder = s->lease[s->heap[place]].rank;
        if (s->lease[s->heap[place]].due > now || holder == rank)
            continue;
        int count = s->heap_count;
        ub_sched_tidy(s, holder);
        if (s->heap_count == count)
            return &s->lease[s->heap[place]];
        place = -1; /* leases ended, the heap has changed */
    }
    return NULL;
}

span ub_sched_steal(ub_sched *s, int rank, int64_t want, double now, ub_sched_action *action)
{
    span   taken = {0};
    lease *l = find_overdue(s, rank, now);
    if (l == NULL) {
        s->tried = now + fmax(s->stats.mean / 4, 1e-6);
        return taken;
    }
    int64_t item = l->hi;
    while (item > l->lo && action->items < want) {
        if (ub_sched_state(s, item - 1) == OUT && !ub_sched_append(action, item - 1))
            break;
        item--;
    }
    taken = (span){.lo = item, .hi = l->hi};
    l->hi = item;
    int holder = l->rank;
    if (l->hi == l->lo)
        ub_sched_tidy(s, holder);
    s->stats.reissued += action->items;
    return taken;
}

double ub_sched_due(const ub_sched *s)
{
    return s->heap_count > 0 ? s->lease[s->heap[0]].due : INFINITY;
}

/* Measured times: quarters of octaves from 2^-32 s on. */

static int bucket_of(double seconds)
{
    int    exponent;
    double mantissa = frexp(seconds, &exponent); /* in [0.5, 1) */
    int    b = 4 * (exponent + 32) + (int)((mantissa - 0.5) * 8);
    return b < 0 ? 0 : b >= BUCKETS ? BUCKETS - 1 : b;
}

/* Mean, the upper edge of the bucket of the 0.95 quantile, and with them all due times. */
static void refresh(ub_sched *s)
{
    int64_t n = s->stats.measured, below = 0;
    int     b = 0;
    for (; b < BUCKETS - 1 && (double)(below += s->bucket[b]) < 0.95 * (double)n; b++)
        ;
    s->refreshed = n;
    s->stats.mean = s->sum / (double)n;
    s->stats.q95 = ldexp(0.5 + (b % 4 + 1) / 8.0, b / 4 - 32);
    for (int i = 0; i < s->heap_count; i++)
        set_due(s, &s->lease[s->heap[i]]);
    for (int i = s->heap_count / 2 - 1; i >= 0; i--)
        sift_down(s, i);
}

void ub_sched_time(ub_sched *s, double seconds)
{
    s->stats.measured++;
    s->sum += seconds;
    s->squares += seconds * seconds;
    s->bucket[bucket_of(seconds)]++;
    if (s->stats.measured > s->refreshed + s->refreshed / 4)
        refresh(s);
}
