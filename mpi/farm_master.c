/* Rank 0 of the farm: takes the answers, knows who is lost, says how it ended; works too if there
 * are no sub-masters. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/rehearse.h"
#include "mpi/internal/farm.h"

/* Seconds between looks for messages: a look costs more than a tiny item. */
static const double POLL = 20e-6;
/* Seconds between reports on the ranks, and between ticks. */
static const double REPORT = 2, TICK = 0.1;

/* What rank 0 knows of any rank. */
typedef struct record {
    int     master; /* 0, or its sub-master */
    bool    lost;
    int64_t done;             /* items it answered */
    double  seconds, longest; /* they took, and the one that took longest */
} record;

typedef struct master {
    const ub_farm_side *side;
    const ub_farm_ops  *ops;
    void               *self;
    ub_farm_pool        pool;
    int64_t             items, done; /* done: answered, now or earlier */
    int                 size;
    record             *ranks;
    bool                works;
    bool                deaf;    /* absorb failed: drain without absorbing */
    ub_status           failure; /* the first one heard of */
    char                sentence[UB_FARM_SENTENCE];
    ub_bytes            answer;
    double              start, polled, reported, ticked;
    double              called; /* the roll of sub-masters; as pool.awake */
    int                *name;   /* what the caller of the farm calls the ranks */
    ub_farm_bye         bye;    /* sums */
    ub_farm_stats      *stats;
} master;

/* No more is handed out. */
static void cut(master *m)
{
    m->stats->cut = true;
    ub_sched_stop(m->pool.sched);
}

static void fail_with(master *m, ub_status st, const char *sentence)
{
    if (m->failure == UB_OK) {
        m->failure = st;
        (void)snprintf(m->sentence, sizeof m->sentence, "%s", sentence);
    }
}

/* Answers cannot be kept any more. */
static void give_up(master *m, ub_status st)
{
    m->deaf = true;
    fail_with(m, st, ub_err_message());
    cut(m);
}

/* ---- what is heard ---- */

static ub_status answered(void *self, const ub_farm_answer *head, const unsigned char *answer)
{
    master *m = self;
    if (m->deaf)
        return UB_OK;
    ub_status st = m->ops->absorb(m->self, head->item, answer, (size_t)head->bytes);
    if (st == UB_OK) {
        m->done++;
        m->stats->items++;
        m->ranks[head->rank].done++;
        m->ranks[head->rank].seconds += head->seconds;
        m->ranks[head->rank].longest = fmax(m->ranks[head->rank].longest, head->seconds);
        return UB_OK;
    }
    give_up(m, st);
    return UB_OK;
}

/* Can another try mend it? */
static bool is_final(ub_status st)
{
    return st == UB_EINPUT || st == UB_EARG || st == UB_EBUG;
}

static ub_status failed(void *self, const ub_farm_failure *f, bool aside)
{
    enum { TOLD = 10 };
    master *m = self;
    if (m->stats->failures++ < TOLD)
        ub_log0_warn("item-failed", "item=%lld rank=%d why='%s'", (long long)f->item, f->rank,
                     f->sentence);
    if (aside || is_final(f->status))
        fail_with(m, f->status, f->sentence);
    if (is_final(f->status))
        cut(m);
    return UB_OK;
}

static void parted(void *self, const ub_farm_bye *bye)
{
    master *m = self;
    m->bye.busy += bye->busy;
    m->bye.reissued += bye->reissued;
    m->bye.duplicates += bye->duplicates;
}

/* The ranks of a lost sub-master are rank 0's. */
static ub_status adopt(master *m, int sub)
{
    for (int rank = 1; rank < m->size; rank++) {
        ub_farm_peer *peer = &m->pool.peers[rank];
        if (m->ranks[rank].master != sub)
            continue;
        m->ranks[rank].master = 0;
        peer->mine = !m->ranks[rank].lost;
        peer->awaited = true;
        peer->since = m->pool.awake;
        if (peer->mine)
            UB_TRY(ub_farm_post(&m->pool, rank, UB_FARM_ADOPT, NULL, 0));
    }
    return UB_OK;
}

/* A sub-master that has lost all its ranks is told to end; others do what it holds. */
static ub_status retire(master *m, int sub)
{
    ub_farm_peer *peer = &m->pool.peers[sub];
    for (int rank = 1; rank < m->size; rank++)
        if (m->ranks[rank].master == sub && !m->ranks[rank].lost)
            return UB_OK;
    peer->retired = peer->awaited = true;
    peer->since = m->pool.awake;
    UB_TRY(ub_sched_dead(m->pool.sched, sub, m->pool.now));
    return ub_farm_post(&m->pool, sub, UB_FARM_END, NULL, 0);
}

/* If nobody is left to hand out to, rank 0 works after all; an adopted rank that has not come yet
 * may never do so. */
static void help_out(master *m)
{
    for (int rank = 1; rank < m->size; rank++) {
        const ub_farm_peer *peer = &m->pool.peers[rank];
        if (m->works || (peer->mine && !peer->lost && !peer->retired && !peer->awaited))
            return;
    }
    m->works = true;
    m->pool.own_end = false;
    ub_sched_request(m->pool.sched, 0, UB_SCHED_IDLE, m->pool.now);
}

static ub_status missing(void *self, int rank, const char *why)
{
    master *m = self;
    if (rank <= 0 || rank >= m->size || m->ranks[rank].lost)
        return UB_OK;
    int above = m->ranks[rank].master;
    m->ranks[rank].lost = true;
    m->stats->lost++;
    m->reported = -INFINITY; /* this is told at once */
    ub_log0_warn("rank-lost", "rank=%d why='%s'", rank, why);
    UB_TRY(ub_farm_lose(&m->pool, rank));
    if (above != 0) {
        UB_TRY(ub_farm_post(&m->pool, above, UB_FARM_LOST, &rank, sizeof rank));
        UB_TRY(retire(m, above));
    } else {
        UB_TRY(adopt(m, rank));
    }
    help_out(m);
    return UB_OK;
}

/* A sub-master does no item: it is never silent for long, unless it, or its node, is stuck. */
static ub_status call_roll(master *m)
{
    ub_farm_pool *p = &m->pool;
    int           groups = m->side->terms->groups;
    if (p->awake - m->called < p->patience_s / 8)
        return UB_OK;
    m->called = p->awake;
    for (int g = 0; g < groups; g++) {
        int                 rank = ub_sched_group_begin(m->size, groups, g);
        const ub_farm_peer *peer = &p->peers[rank];
        if (!peer->parted && !peer->lost && p->awake - peer->heard > p->patience_s)
            UB_TRY(missing(m, rank, "silent for too long"));
    }
    return UB_OK;
}

/* ---- at work ---- */

/* One item: no more, so that nobody waits longer than that. */
static ub_status own_item(master *m)
{
    ub_farm_pool *p = &m->pool;
    int64_t       item = p->own.range[0].first;
    p->own.count = 0;
    ub_bytes_clear(&m->answer);
    double    start = ub_clock();
    ub_status st = m->ops->work(m->self, item, &m->answer);
    p->now = ub_clock();
    double seconds = p->now - start;
    m->bye.busy += seconds;
    p->heard = p->now; /* busy until now */
    if (st == UB_OK)
        st = ub_farm_fits(item, &m->answer);
    if (st != UB_OK) {
        ub_farm_failure f = {.item = item, .status = st};
        bool            aside;
        (void)snprintf(f.sentence, sizeof f.sentence, "%s", ub_err_message());
        UB_TRY(ub_sched_fail(p->sched, 0, item, p->now, &aside));
        return failed(m, &f, aside);
    }
    ub_farm_answer head = {.item = item, .seconds = seconds, .bytes = (int32_t)m->answer.len};
    if (ub_sched_answer(p->sched, 0, item, seconds, p->now) == UB_SCHED_FIRST)
        UB_TRY(answered(m, &head, m->answer.data));
    return UB_OK;
}

/* Seconds since a rank that has work has been heard of: what it does takes longer than that.  0 if
 * rank 0 cannot know, or they are not remarkable. */
static double silence_of(const master *m, int rank, double longest)
{
    const ub_farm_peer *peer = &m->pool.peers[rank];
    bool                direct = rank > 0 && m->ranks[rank].master == 0 && !m->ranks[rank].lost &&
                  ub_farm_behind(m->side, rank) == 0;
    bool   at_work = ub_sched_is_busy(m->pool.sched, rank) || (peer->awaited && !peer->parted);
    double silent = m->pool.now - peer->spoke;
    return direct && at_work && silent > 2 * longest ? silent : 0;
}

static void report_ranks(master *m)
{
    ub_sched_stats s;
    double         now = m->pool.now, longest = 0;
    m->reported = now;
    ub_sched_measure(m->pool.sched, &s);
    for (int rank = 0; rank < m->size; rank++)
        longest = fmax(longest, m->ranks[rank].longest);
    for (int rank = 0; rank < m->size; rank++) {
        const record *r = &m->ranks[rank];
        double        silent = s.measured > 0 ? silence_of(m, rank, longest) : 0;
        double        seconds = r->seconds + silent, items = (double)r->done + (silent > 0);
        double        speed = seconds > 0 ? s.mean * items / seconds : 0;
        ub_farm_rank  how = {.lost = r->lost,
                             .slow = speed > 0 && speed < 0.5,
                             .done = r->done,
                             .busy = fmin(1, r->seconds / fmax(now - m->start, 1e-9)),
                             .longest = r->longest,
                             .speed = speed};
        m->ops->rank(m->self, m->name[rank], &how);
    }
}

/* What the caller wants to know or to say. */
static void tell(master *m, int64_t *told)
{
    const ub_farm_ops *ops = m->ops;
    if (ops->progress != NULL && m->done != *told)
        ops->progress(m->self, *told = m->done, m->items);
    if (ops->rank != NULL && m->pool.now - m->reported > REPORT)
        report_ranks(m);
    if (ops->tick != NULL && !m->deaf && m->pool.now - m->ticked > TICK) {
        m->ticked = m->pool.now;
        ub_status st = ops->tick(m->self);
        if (st != UB_OK)
            give_up(m, st);
    }
    if (!m->stats->cut && m->done < m->items && (m->pool.asked || ub_farm_wants_stop(m->side)))
        cut(m);
}

static ub_status loop(master *m)
{
    ub_farm_pool *p = &m->pool;
    int64_t       told = -1;
    bool          over = false, waiting = true;
    for (int rank = m->size - 1; rank >= (m->works ? 0 : 1);
         rank--) /* itself last: the others wait */
        if (p->peers[rank].mine && (rank == 0 || ub_farm_behind(m->side, rank) == 0))
            ub_sched_request(p->sched, rank, UB_SCHED_IDLE, p->now);
    while (!over) {
        if (m->size > 1 && (waiting || p->now - m->polled > POLL)) {
            m->polled = p->now;
            UB_TRY(ub_farm_listen(p));
            UB_TRY(call_roll(m));
        }
        tell(m, &told);
        UB_TRY(ub_farm_act(p));
        if (p->own.count > 0 && !p->own_end) {
            UB_TRY(own_item(m));
            ub_sched_request(p->sched, 0, UB_SCHED_IDLE, p->now);
            waiting = false;
            continue;
        }
        UB_TRY(ub_farm_parted(p, &over));
        over = over && p->own_end;
        p->now = ub_clock();
        if (!over)
            ub_farm_rest(p->heard, p->now);
        waiting = true;
    }
    return UB_OK;
}

/* ---- the end, and the beginning ---- */

static void judge(master *m, ub_farm_close *verdict)
{
    ub_sched_stats s;
    ub_sched_measure(m->pool.sched, &s);
    m->stats->seconds = ub_clock() - m->start;
    m->stats->busy = m->stats->seconds > 0 ? m->bye.busy / m->stats->seconds / m->size : 0;
    m->stats->messages = m->pool.messages;
    m->stats->bytes = m->pool.bytes;
    m->stats->reissued = s.reissued + m->bye.reissued;
    m->stats->duplicates = s.duplicates + m->bye.duplicates;
    m->stats->item_mean = s.mean;
    m->stats->item_sigma = s.sigma;
    verdict->status = m->failure;
    if (m->failure != UB_OK && s.aside > 0 && !m->deaf && !is_final(m->failure))
        (void)snprintf(verdict->sentence, sizeof verdict->sentence,
                       "%lld of %lld items failed %d times each and were set aside; the first: "
                       "%.800s",
                       (long long)s.aside, (long long)m->items, m->side->terms->retry, m->sentence);
    else if (m->failure != UB_OK)
        (void)snprintf(verdict->sentence, sizeof verdict->sentence, "%s", m->sentence);
    else if (m->done < m->items) {
        verdict->status = UB_ESTOP;
        (void)snprintf(verdict->sentence, sizeof verdict->sentence,
                       "stopped on request: %lld of %lld items are done", (long long)m->done,
                       (long long)m->items);
    }
}

/* Tell everybody, those given up too: if they live, they must leave. */
static ub_status close_farm(master *m, ub_farm_close *verdict, int **lost)
{
    ub_bytes  text = {0};
    ub_status st = UB_OK;
    verdict->lost = m->stats->lost;
    UB_TRY(UB_ALLOC(*lost, verdict->lost));
    for (int rank = 1, n = 0; rank < m->size; rank++)
        if (m->ranks[rank].lost)
            (*lost)[n++] = rank;
    UB_TRY_OUT(ub_bytes_put(&text, verdict, sizeof *verdict));
    UB_TRY_OUT(ub_bytes_put(&text, *lost, (size_t)verdict->lost * sizeof **lost));
    for (int rank = 1; rank < m->size; rank++)
        UB_TRY_OUT(ub_farm_post(&m->pool, rank, UB_FARM_CLOSE, text.data, text.len));
    UB_TRY_OUT(ub_farm_posted(&m->pool));
out:
    ub_bytes_release(&text);
    return st;
}

/* The machine over all ranks: those of sub-masters are not there as long as these live. */
static ub_status make_machine(master *m)
{
    const ub_farm_terms *t = m->side->terms;
    ub_sched_config      flat = ub_farm_config(m->side);
    int                 *width = NULL;
    UB_TRY(UB_ALLOC(width, m->size));
    width[0] = m->works;
    for (int rank = 1; rank < m->size; rank++) {
        int behind = ub_farm_behind(m->side, rank);
        if (m->ranks[rank].master == 0)
            width[rank] = behind > 0 ? behind : 1;
    }
    flat = ub_sched_above(&flat, m->size, width, t->groups > 0 ? 2 * t->gather_s : 0);
    ub_status st = ub_farm_pool_init(&m->pool, &flat);
    ub_free(width);
    return st;
}

/* Ranks that were lost since then are in the group of the caller, and not in that of now. */
static ub_status name_ranks(master *m)
{
    MPI_Group now;
    int      *own = NULL, then = 0;
    ub_status st = UB_OK;
    UB_TRY(UB_ALLOC(m->name, m->size));
    for (int rank = 0; rank < m->size; rank++)
        m->name[rank] = rank;
    UB_TRY_MPI(MPI_Group_size(m->side->before, &then));
    if (then == m->size)
        return UB_OK;
    UB_TRY_MPI(MPI_Comm_group(m->side->c->mpi, &now));
    UB_TRY_OUT(UB_ALLOC(own, m->size));
    memcpy(own, m->name, (size_t)m->size * sizeof *own);
    UB_TRY_OUT(ub_mpi_status(MPI_Group_translate_ranks(now, m->size, own, m->side->before, m->name),
                             "MPI_Group_translate_ranks"));
out:
    ub_free(own);
    (void)MPI_Group_free(&now);
    return st;
}

static ub_status prepare(master *m, int64_t first)
{
    ub_farm_pool *p = &m->pool;
    UB_TRY(UB_ALLOC(m->ranks, m->size));
    UB_TRY(name_ranks(m));
    for (int rank = 1; rank < m->size; rank++)
        m->ranks[rank].master = ub_farm_master_of(m->side, rank);
    UB_TRY(make_machine(m));
    for (int rank = 0; rank < m->size; rank++)
        p->peers[rank].mine = m->ranks[rank].master == 0;
    ub_sched_limit(p->sched, 0, 1);
    for (int64_t item = 0; item < m->items && (item < first || m->ops->has != NULL); item++)
        if (item < first || m->ops->has(m->self, item)) {
            ub_sched_known(p->sched, item);
            m->done++;
        }
    return UB_OK;
}

ub_status ub_farm_master(const ub_farm_side *side, int64_t first, ub_farm_stats *stats,
                         ub_farm_close *verdict, int **lost)
{
    static const ub_farm_pool_ops ops = {
        .answer = answered, .failure = failed, .bye = parted, .missing = missing};
    const ub_farm_terms *t = side->terms;
    double               start = ub_clock();
    master               m = {.side = side,
                              .ops = side->ops,
                              .self = side->self,
                              .items = t->items,
                              .size = side->c->size,
                              .works = side->c->size == 1 || (t->groups == 0 && !t->only_master),
                              .start = start,
                              .reported = start,
                              .stats = stats};
    m.pool = (ub_farm_pool){.c = side->c,
                            .watch = side->watch,
                            .ops = &ops,
                            .self = &m,
                            .now = start,
                            .heard = start,
                            .own_end = !m.works,
                            /* sub-masters are patient with their own ranks first */
                            .patience_s = t->patience_s * (t->groups > 0 ? 2 : 1)};
    ub_status st = prepare(&m, first);
    if (st == UB_OK)
        st = loop(&m);
    if (st == UB_OK) {
        if (m.ops->rank != NULL)
            report_ranks(&m);
        judge(&m, verdict);
        st = close_farm(&m, verdict, lost);
    }
    ub_farm_pool_release(&m.pool);
    ub_free(m.ranks);
    ub_free(m.name);
    ub_bytes_release(&m.answer);
    return st;
}
