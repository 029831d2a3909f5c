/* A sub-master of the farm: large chunks from rank 0, small ones to its ranks, answers up in
 * batches.
 */
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "mpi/internal/farm.h"

enum { BATCH_BYTES = 1 << 18 }; /* answers go up from this size on, whatever their age */

typedef struct sub_master {
    const ub_farm_side *side;
    ub_farm_pool        pool;
    ub_bytes            up;    /* answers to pass on, and */
    double              since; /* when the first of them came */
    double              said;  /* when rank 0 last heard of this rank */
    bool                ended; /* was told to end */
    bool                asked; /* rank 0 was told that somebody here was asked to stop */
    ub_farm_bye         bye;
} sub_master;

/* Rank 0 lives and listens: this may wait. */
static ub_status say(sub_master *s, int tag, const void *data, size_t len)
{
    UB_TRY_MPI(MPI_Send(data, (int)len, MPI_BYTE, 0, tag, s->side->c->mpi));
    s->said = s->pool.now;
    return UB_OK;
}

static ub_status flush(sub_master *s, int tag)
{
    UB_TRY(say(s, tag, s->up.data, s->up.len));
    ub_bytes_clear(&s->up);
    return UB_OK;
}

static ub_status answered(void *self, const ub_farm_answer *head, const unsigned char *answer)
{
    sub_master *s = self;
    if (s->up.len > 0 && s->up.len + (size_t)head->bytes > BATCH_BYTES)
        UB_TRY(flush(s, UB_FARM_ANSWERS));
    if (s->up.len == 0)
        s->since = s->pool.now;
    UB_TRY(ub_bytes_put(&s->up, head, sizeof *head));
    return ub_bytes_put(&s->up, answer, (size_t)head->bytes);
}

/* Rank 0 decides who tries again. */
static ub_status failed(void *self, const ub_farm_failure *f, bool aside)
{
    (void)aside;
    return say(self, UB_FARM_FAIL, f, sizeof *f);
}

static void parted(void *self, const ub_farm_bye *bye)
{
    sub_master *s = self;
    s->bye.busy += bye->busy;
}

/* Rank 0 keeps the list.  A neighbour that the watch misses need not be a rank of this pool. */
static ub_status missing(void *self, int rank, const char *why)
{
    sub_master *s = self;
    (void)why;
    UB_TRY(say(s, UB_FARM_LOST, &rank, sizeof rank));
    if (rank < s->pool.first || rank >= s->pool.first + s->pool.count)
        return UB_OK;
    return ub_farm_lose(&s->pool, rank);
}

static ub_status above(void *self, int tag, const unsigned char *data, size_t len)
{
    sub_master *s = self;
    size_t      at = 0;
    int         rank;
    if (tag == UB_FARM_CHUNK) {
        for (ub_sched_range r; at < len;) {
            UB_TRY(ub_bytes_take(data, len, &at, &r, sizeof r));
            UB_TRY(ub_sched_add(s->pool.sched, r.first, r.count));
        }
    } else if (tag == UB_FARM_LOST) {
        UB_TRY(ub_bytes_take(data, len, &at, &rank, sizeof rank));
        return ub_farm_lose(&s->pool, rank);
    } else if (tag == UB_FARM_END) {
        s->ended = s->pool.ending = true; /* there may be nobody to pass it on to */
        ub_sched_stop(s->pool.sched);
    }
    return UB_OK;
}

/* Up with what rank 0 should know: that little waits, answers when they are old, or nothing is in
 * work here, and now and then that this rank lives. */
static ub_status report(sub_master *s)
{
    ub_farm_pool  *p = &s->pool;
    ub_sched_stats now;
    if (p->asked && !s->asked && !p->parted) {
        s->asked = true;
        return flush(s, UB_FARM_STOP);
    }
    if (p->more) {
        p->more = false;
        return flush(s, UB_FARM_IDLE);
    }
    if (!p->parted && p->now - s->said > p->patience_s / 4)
        return flush(s, UB_FARM_ANSWERS);
    if (s->up.len == 0)
        return UB_OK;
    ub_sched_measure(p->sched, &now);
    if (p->now - s->since >= s->side->terms->gather_s || now.waiting + now.out == 0)
        return flush(s, UB_FARM_ANSWERS);
    return UB_OK;
}

static ub_status part(sub_master *s)
{
    ub_sched_stats now;
    bool           all = false;
    UB_TRY(ub_farm_parted(&s->pool, &all));
    if (!all)
        return UB_OK;
    ub_sched_measure(s->pool.sched, &now);
    s->bye.reissued = now.reissued;
    s->bye.duplicates = now.duplicates;
    s->pool.parted = true;
    UB_TRY(flush(s, UB_FARM_ANSWERS));
    return say(s, UB_FARM_BYE, &s->bye, sizeof s->bye);
}

static ub_status loop(sub_master *s)
{
    ub_farm_pool *p = &s->pool;
    for (int i = 0; i < p->count; i++) { /* they take it for granted that this is known */
        p->peers[i].mine = true;
        ub_sched_request(p->sched, i, UB_SCHED_IDLE, p->now);
    }
    for (;;) {
        UB_TRY(ub_farm_listen(p));
        if (p->closed)
            return UB_OK;
        UB_TRY(ub_farm_act(p));
        p->asked = p->asked || ub_farm_wants_stop(s->side);
        UB_TRY(report(s));
        if (s->ended && !s->pool.parted)
            UB_TRY(part(s));
        p->now = ub_clock();
        ub_farm_rest(p->heard, p->now);
    }
}

ub_status ub_farm_sub_master(const ub_farm_side *side)
{
    static const ub_farm_pool_ops ops = {
        .answer = answered, .failure = failed, .bye = parted, .missing = missing, .above = above};
    sub_master      s = {.side = side};
    ub_sched_config flat = ub_farm_config(side);
    flat = ub_sched_below(&flat, ub_farm_behind(side, side->c->rank));
    s.pool = (ub_farm_pool){.c = side->c,
                            .watch = side->watch,
                            .first = side->c->rank + 1,
                            .ops = &ops,
                            .self = &s,
                            .now = ub_clock(),
                            .patience_s = side->terms->patience_s};
    ub_status st = ub_farm_pool_init(&s.pool, &flat);
    if (st == UB_OK)
        st = loop(&s);
    ub_farm_pool_release(&s.pool);
    ub_bytes_release(&s.up);
    return st;
}
