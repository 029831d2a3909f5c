/* core/internal/sched.h - the parts of the scheduler's machine; see core/sched.h.
 *
 * Spans: waiting items and leases are stretches [lo, hi) of item numbers whose members are the
 * items with the right state in it, so that holes cost nothing to keep.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_SCHED_H
#define UB_CORE_INTERNAL_SCHED_H

#include "core/sched.h"

enum { PAGE = 4096, BUCKETS = 256 };

/* Low bits of an item's byte; its failed tries stand above them. */
enum { ABSENT, WAITING, OUT, DONE, ASIDE, STATE_MASK = 7, TRIES_SHIFT = 3 };

typedef struct span {
    int64_t lo, hi;
    int     avoid; /* the rank on which they failed, or -1 */
    bool    back;  /* was given before */
} span;

/* [lo, hi): what the rank answers for; hi falls as items are given again. */
typedef struct lease {
    int64_t lo, hi, n; /* n: items to its end, with what the rank held before */
    double  start, due;
    int     rank, next, place; /* next of the rank, or of the free ones; place in the heap */
} lease;

typedef enum rank_state { NEW, BUSY, ASKED, ASKING, IDLE, DEAD, ENDED } rank_state;

typedef struct rank_info {
    rank_state state;
    bool       queued;
    bool       crossing;      /* served on ASK: an IDLE before the next ASK crossed that chunk */
    int        width, leases; /* leases: first of its list, or -1 */
    int64_t    limit;
    int64_t    items, chunk; /* of the chunk in work; chunks before it */
    double     seconds;
    double     weighted_seconds, weighted_items, speed; /* speed: items a second, 0 unknown */
} rank_info;

struct ub_sched {
    ub_sched_config config;
    bool            closed, stopping, asked_above, fresh;
    uint8_t       **page;
    int64_t         pages;
    ub_sched_stats  stats;

    span  *pool; /* waiting spans: a ring, `pool_count` from `pool_at` */
    size_t pool_cap, pool_at, pool_count;

    lease *lease; /* all leases ever; heap: those with work, by due time */
    int   *heap;
    int    lease_cap, lease_free, heap_count;

    rank_info *rank;
    int       *queue; /* ranks that want work: a ring, each at most once */
    int        queue_at, queue_count, end_cursor;
    int64_t    width; /* of the living */

    ub_sched_shape shape;
    int64_t        bucket[BUCKETS];
    double         sum, squares; /* of measured seconds */
    int64_t        refreshed;    /* items measured at the last refresh of mean and q95 */
    double         speeds;       /* sum over the ranks heard of, */
    int            heard;        /* and their number */
    double         quiet;        /* since then nothing is out */
    double         tried;        /* not again before: no overdue lease could be given */
};

/* sched_pool.c: item states and waiting spans. */
static inline uint8_t ub_sched_byte(const ub_sched *s, int64_t item)
{
    const uint8_t *page = s->page[item / PAGE];
    return page == NULL ? ABSENT : page[item % PAGE];
}
static inline int ub_sched_state(const ub_sched *s, int64_t item)
{
    return ub_sched_byte(s, item) & STATE_MASK;
}
/* Change the state; counts follow.  The page exists. */
void                   ub_sched_move(ub_sched *s, int64_t item, int to);
UB_NODISCARD ub_status ub_sched_touch(ub_sched *s, int64_t first, int64_t count);
UB_NODISCARD ub_status ub_sched_push(ub_sched *s, span w, bool front);
/* The waiting span the rank may be given from, or NULL. */
span *ub_sched_find(ub_sched *s, int rank, double now);
/* Take up to `want` waiting items of that span into action->range: they are out.  Returns the
 * stretch they lie in. */
span ub_sched_take(ub_sched *s, span *from, int64_t want, ub_sched_action *action);
/* Add one item to the ranges; false if they are full. */
bool ub_sched_append(ub_sched_action *action, int64_t item);

/* sched_lease.c: leases, what overdue means, measured times. */
UB_NODISCARD ub_status ub_sched_lend(ub_sched *s, int rank, span w, int64_t n, double now);
/* Drop what is answered from the front of the rank's leases; end empty ones. */
void ub_sched_tidy(ub_sched *s, int rank);
/* All that the dead rank has not answered waits again. */
UB_NODISCARD ub_status ub_sched_revoke(ub_sched *s, int rank);
/* Items of an overdue lease of another rank, up to `want`, from its end. */
span   ub_sched_steal(ub_sched *s, int rank, int64_t want, double now, ub_sched_action *action);
double ub_sched_due(const ub_sched *s);
void   ub_sched_time(ub_sched *s, double seconds);

#endif /* UB_CORE_INTERNAL_SCHED_H */
