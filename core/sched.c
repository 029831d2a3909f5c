#include "core/sched.h"

#include <math.h>
#include <string.h>

#include "core/internal/sched.h"
#include "core/mem.h"

static ub_status check(const ub_sched_config *c)
{
    if (c->items < 0 || c->ranks < 1 || c->policy == NULL)
        return UB_FAIL(UB_EARG, "a scheduler of %lld items and %d ranks", (long long)c->items,
                       c->ranks);
    if (c->floor < 1 || c->retry < 1 || c->retry > UB_SCHED_TRIES || !(c->overdue >= 0))
        return UB_FAIL(UB_ERANGE,
                       "floor %lld, %d tries, overdue %g: a chunk has at least one item, "
                       "tries are 1 to %d, the factor is not negative",
                       (long long)c->floor, c->retry, c->overdue, (int)UB_SCHED_TRIES);
    return UB_OK;
}

int ub_sched_groups(int ranks, int group)
{
    if (group < 2 || ranks < 3)
        return 0;
    int wanted = (ranks - 2) / group + 1, most = (ranks - 1) / 2;
    return wanted < most ? wanted : most;
}

int ub_sched_group_begin(int ranks, int groups, int g)
{
    return 1 + (int)((int64_t)(ranks - 1) * g / groups);
}

int ub_sched_group_usual(int ranks)
{
    enum { GROUP = 128, MANY = 1024 };
    return ranks > MANY ? GROUP : 0;
}

ub_sched_config ub_sched_above(const ub_sched_config *flat, int ranks, const int *width, double lag)
{
    ub_sched_config c = *flat;
    c.ranks = ranks;
    c.width = width;
    c.lag = flat->lag + lag;
    return c;
}

ub_sched_config ub_sched_below(const ub_sched_config *flat, int width)
{
    ub_sched_config c = *flat;
    c.open = true;
    c.ranks = width;
    c.width = NULL;
    c.low = flat->floor * width; /* a chunk for each while more is under way */
    c.retry = 1;
    return c;
}

ub_status ub_sched_create(const ub_sched_config *config, ub_sched **out)
{
    ub_sched *s = NULL;
    ub_status st = UB_OK;
    UB_TRY(check(config));
    UB_TRY(UB_ALLOC(s, 1));
    s->config = *config;
    s->config.width = NULL;
    s->closed = !config->open;
    s->fresh = true;
    s->lease_free = -1;
    s->tried = -INFINITY;
    s->pages = config->items / PAGE + 1;
    UB_TRY_OUT(UB_ALLOC(s->page, s->pages));
    UB_TRY_OUT(UB_ALLOC(s->rank, config->ranks));
    UB_TRY_OUT(UB_ALLOC(s->queue, config->ranks));
    for (int r = 0; r < config->ranks; r++) {
        int width = config->width == NULL ? 1 : config->width[r];
        s->rank[r] = (rank_info){.state = width > 0 ? NEW : DEAD,
                                 .width = width > 0 ? width : 1,
                                 .leases = -1,
                                 .limit = INT64_MAX};
        s->stats.alive += width > 0;
        s->width += width;
    }
    s->shape = (ub_sched_shape){.overhead = config->overhead, .sigma = config->sigma};
    if (!config->open)
        UB_TRY_OUT(ub_sched_add(s, 0, config->items));
    *out = s;
    return UB_OK;
out:
    ub_sched_destroy(&s);
    return st;
}

void ub_sched_destroy(ub_sched **out)
{
    ub_sched *s = *out;
    if (s == NULL)
        return;
    for (int64_t p = 0; s->page != NULL && p < s->pages; p++)
        ub_free(s->page[p]);
    ub_free(s->page);
    ub_free(s->pool);
    ub_free(s->lease);
    ub_free(s->heap);
    ub_free(s->rank);
    ub_free(s->queue);
    ub_free(s);
    *out = NULL;
}

static bool is_item(const ub_sched *s, int64_t item)
{
    return item >= 0 && item < s->config.items;
}

void ub_sched_known(ub_sched *s, int64_t item)
{
    if (is_item(s, item) && ub_sched_state(s, item) == WAITING)
        ub_sched_move(s, item, DONE);
}

void ub_sched_limit(ub_sched *s, int rank, int64_t limit)
{
    s->rank[rank].limit = limit;
}

ub_status ub_sched_add(ub_sched *s, int64_t first, int64_t count)
{
    s->asked_above = false;
    if (count == 0)
        return UB_OK;
    if (count < 0 || !is_item(s, first) || !is_item(s, first + count - 1))
        return UB_FAIL(UB_ERANGE, "items %lld .. %lld of %lld", (long long)first,
                       (long long)(first + count - 1), (long long)s->config.items);
    UB_TRY(ub_sched_touch(s, first, count));
    UB_TRY(ub_sched_push(s, (span){first, first + count, -1, false}, false));
    for (int64_t item = first; item < first + count; item++) {
        int state = ub_sched_state(s, item);
        if (state == ASIDE)
            s->page[item / PAGE][item % PAGE] = ASIDE; /* no tries */
        if (state == ABSENT || state == ASIDE)
            ub_sched_move(s, item, WAITING);
    }
    s->fresh = true;
    return UB_OK;
}

void ub_sched_close(ub_sched *s)
{
    s->closed = true;
}

void ub_sched_stop(ub_sched *s)
{
    s->stopping = true;
}

bool ub_sched_finished(const ub_sched *s)
{
    return s->closed && s->stats.waiting + s->stats.out == 0;
}

/* Reports. */

static void enqueue(ub_sched *s, int rank)
{
    if (s->rank[rank].queued)
        return;
    s->rank[rank].queued = true;
    s->queue[(s->queue_at + s->queue_count++) % s->config.ranks] = rank;
}

static void revive(ub_sched *s, int rank)
{
    if (s->rank[rank].state != DEAD)
        return;
    s->rank[rank].state = BUSY;
    s->width += s->rank[rank].width;
    s->stats.alive++;
    s->stats.revived++;
}

/* The chunk in work has ended: renew the speed (the weights of awf). */
static void end_chunk(ub_sched *s, rank_info *r)
{
    if (r->items == 0)
        return;
    double k = (double)++r->chunk;
    r->weighted_seconds += k * r->seconds;
    r->weighted_items += k * (double)r->items;
    s->speeds -= r->speed;
    s->heard += r->speed <= 0;
    r->speed = r->weighted_items / r->weighted_seconds;
    s->speeds += r->speed;
    r->items = 0;
    r->seconds = 0;
}

void ub_sched_request(ub_sched *s, int rank, ub_sched_want want, double now)
{
    rank_info *r = &s->rank[rank];
    (void)now;
    revive(s, rank);
    bool crossed = want == UB_SCHED_IDLE && r->crossing; /* it has a chunk by now */
    r->crossing = false;
    if (r->state == ENDED || crossed || (want == UB_SCHED_ASK && r->state != BUSY))
        return;
    end_chunk(s, r);
    ub_sched_tidy(s, rank);
    r->state = want == UB_SCHED_IDLE ? IDLE : ASKING;
    enqueue(s, rank);
}

ub_sched_verdict ub_sched_answer(ub_sched *s, int rank, int64_t item, double seconds, double now)
{
    s->quiet = now;
    int state = is_item(s, item) ? ub_sched_state(s, item) : ABSENT;
    revive(s, rank);
    if (seconds > 0) {
        s->rank[rank].items++;
        s->rank[rank].seconds += seconds;
        ub_sched_time(s, seconds);
    }
    if (state == ABSENT)
        return UB_SCHED_STRANGE;
    if (state == DONE) {
        s->stats.duplicates++;
        return UB_SCHED_DUPLICATE;
    }
    ub_sched_move(s, item, DONE);
    return UB_SCHED_FIRST;
}

ub_status ub_sched_fail(ub_sched *s, int rank, int64_t item, double now, bool *aside)
{
    s->quiet = now;
    int state = is_item(s, item) ? ub_sched_state(s, item) : ABSENT;
    revive(s, rank);
    if (aside != NULL)
        *aside = false;
    if (state != OUT && state != WAITING)
        return UB_OK;
    if (state == OUT)
        UB_TRY(ub_sched_push(s, (span){item, item + 1, rank, true}, true));
    uint8_t *byte = &s->page[item / PAGE][item % PAGE];
    *byte = (uint8_t)(*byte + (1 << TRIES_SHIFT));
    s->stats.failures++;
    bool last = *byte >> TRIES_SHIFT >= s->config.retry;
    ub_sched_move(s, item, last ? ASIDE : WAITING);
    ub_sched_tidy(s, rank);
    if (aside != NULL)
        *aside = last;
    return UB_OK;
}

ub_status ub_sched_dead(ub_sched *s, int rank, double now)
{
    rank_info *r = &s->rank[rank];
    s->quiet = now;
    if (r->state == DEAD || r->state == ENDED)
        return UB_OK;
    UB_TRY(ub_sched_revoke(s, rank));
    r->state = DEAD;
    r->crossing = false;
    s->width -= r->width;
    s->stats.alive--;
    s->stats.deaths++;
    return UB_OK;
}

/* Decisions. */

/* Renew what the policy sees, before it is asked. */
static void look(ub_sched *s)
{
    s->shape.left = s->stats.waiting;
    s->shape.ranks = s->stats.alive > 0 ? s->stats.alive : 1;
    s->shape.floor = (s->config.floor * s->width + s->shape.ranks - 1) / s->shape.ranks;
    if (s->fresh) {
        s->shape.total = s->stats.waiting;
        s->shape.step = 0;
        s->fresh = false;
    }
    if (s->stats.measured >= 32) {
        double mean = s->sum / (double)s->stats.measured;
        s->shape.sigma = sqrt(fmax(s->squares / (double)s->stats.measured - mean * mean, 0));
    }
}

/* The chunk for a rank: the policy's, times the rank's share, within its limits.  For items that
 * come back, and those given again, at most half of an equal share. */
static int64_t chunk_size(const ub_sched *s, const rank_info *r, ub_sched_shape *shape,
                          int64_t back)
{
    double share = (double)r->width * (s->stats.alive > 0 ? s->stats.alive : 1) / (double)s->width;
    if (s->config.policy->weighted && r->speed > 0)
        share *= r->speed * s->heard / s->speeds;
    double size = ceil((double)s->config.policy->chunk(shape) * share - 1e-9);
    if (back > 0)
        size = fmin(size, ceil((double)back / (2 * shape->ranks) * share));
    int64_t n = size >= (double)INT64_MAX ? INT64_MAX : (int64_t)size;
    int64_t floor = s->config.floor * r->width;
    n = n > floor ? n : floor;
    return n < r->limit ? n : r->limit;
}

/* Is a chunk that comes before its rank has ended the last one harmless? */
static bool may_prefetch(ub_sched *s, const rank_info *r)
{
    look(s);
    ub_sched_shape peek = s->shape;
    return chunk_size(s, r, &peek, 0) <= s->config.floor * r->width &&
           s->stats.waiting > s->config.floor * s->width;
}

/* Serve the rank at the head of the queue; action->act stays NOTHING if there is nothing for it. */
static ub_status serve(ub_sched *s, int rank, double now, ub_sched_action *action)
{
    rank_info     *r = &s->rank[rank];
    ub_sched_shape before;
    span           w = {0}, *from = NULL;
    look(s);
    before = s->shape;
    if (s->stats.waiting > 0)
        from = ub_sched_find(s, rank, now);
    if (from != NULL) {
        int64_t back = from->back ? s->stats.waiting : 0;
        w = ub_sched_take(s, from, chunk_size(s, r, &s->shape, back), action);
    } else if (r->state == IDLE && s->config.overdue > 0) {
        w = ub_sched_steal(s, rank, chunk_size(s, r, &s->shape, s->stats.out), now, action);
        s->shape = before;
    }
    if (action->items == 0) {
        s->shape = before;
        return UB_OK;
    }
    s->shape.step++;
    s->stats.chunks++;
    r->crossing = r->state == ASKING;
    r->state = BUSY;
    action->act = UB_SCHED_GIVE;
    action->rank = rank;
    return ub_sched_lend(s, rank, w, action->items, now);
}

static int dequeue(ub_sched *s)
{
    int rank = s->queue[s->queue_at];
    s->queue_at = (s->queue_at + 1) % s->config.ranks;
    s->queue_count--;
    s->rank[rank].queued = false;
    return rank;
}

/* Everybody who may be listening ends, once. */
static void next_end(ub_sched *s, ub_sched_action *action)
{
    while (s->end_cursor < s->config.ranks) {
        int        rank = s->end_cursor++;
        rank_state state = s->rank[rank].state;
        if (state != DEAD && state != ENDED) {
            s->rank[rank].state = ENDED;
            action->act = UB_SCHED_END;
            action->rank = rank;
            return;
        }
    }
    while (s->queue_count > 0) { /* those that came back from the dead */
        int rank = dequeue(s);
        if (s->rank[rank].state == IDLE || s->rank[rank].state == ASKING) {
            s->rank[rank].state = ENDED;
            action->act = UB_SCHED_END;
            action->rank = rank;
            return;
        }
    }
}

ub_status ub_sched_next(ub_sched *s, double now, ub_sched_action *action)
{
    action->act = UB_SCHED_NOTHING;
    action->count = 0;
    action->items = 0;
    if (s->stopping || ub_sched_finished(s)) {
        next_end(s, action);
        return UB_OK;
    }
    if (!s->closed && !s->asked_above && s->stats.waiting <= s->config.low) {
        s->asked_above = true;
        action->act = UB_SCHED_MORE;
        return UB_OK;
    }
    /* A rank may be unable to take what there is (it failed there, or holds it): then another. */
    for (int tries = 0; s->queue_count > 0 && tries < 3;) {
        int        rank = dequeue(s);
        rank_info *r = &s->rank[rank];
        if (r->state == ASKING && !may_prefetch(s, r))
            r->state = ASKED; /* served when it is idle */
        if (r->state != ASKING && r->state != IDLE)
            continue;
        UB_TRY(serve(s, rank, now, action));
        if (action->act == UB_SCHED_GIVE)
            return UB_OK;
        enqueue(s, rank);
        tries++;
    }
    return UB_OK;
}

double ub_sched_wake(const ub_sched *s)
{
    if (s->queue_count == 0 || s->stopping || ub_sched_finished(s))
        return INFINITY;
    if (s->stats.out == 0) /* what waits has failed on those who ask */
        return s->stats.waiting > 0 ? s->quiet + s->config.lag : INFINITY;
    return fmax(ub_sched_due(s), s->tried);
}

/* Looking. */

void ub_sched_measure(const ub_sched *s, ub_sched_stats *out)
{
    *out = s->stats;
    double n = (double)s->stats.measured;
    out->mean = n > 0 ? s->sum / n : 0;
    out->sigma = n > 0 ? sqrt(fmax(s->squares / n - out->mean * out->mean, 0)) : 0;
}

bool ub_sched_is_busy(const ub_sched *s, int rank)
{
    rank_state state = s->rank[rank].state;
    return state == BUSY || state == ASKED || state == ASKING;
}

int64_t ub_sched_aside(const ub_sched *s, int64_t from)
{
    for (int64_t item = from; s->stats.aside > 0 && item < s->config.items; item++)
        if (ub_sched_state(s, item) == ASIDE)
            return item;
    return -1;
}

bool ub_sched_is_done(const ub_sched *s, int64_t item)
{
    return is_item(s, item) && ub_sched_state(s, item) == DONE;
}
