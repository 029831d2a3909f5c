/* Rank 0 of the farm: performs what core/sched.h decides, takes the answers, works too. */
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "mpi/internal/farm.h"

/* Seconds between looks for messages: a look costs more than a tiny item. */
static const double POLL = 20e-6;
/* Seconds between reports on the ranks. */
static const double REPORT = 2;

/* Messages on their way to one rank: it asks for a chunk when it has the one before, so there are
 * at most two chunks, END and CLOSE. */
enum { POSTS = 4 };

typedef struct letter {
    MPI_Request sent;
    ub_bytes    text;
} letter;

/* What rank 0 knows of a worker. */
typedef struct peer {
    bool        lost, ended, parted; /* given up; was sent END; has said BYE */
    MPI_Request in;
    int         in_tag;
    ub_bytes    inbox;
    letter      post[POSTS];
    double      ended_at;
    int64_t     done; /* items it answered, and the seconds they took */
    double      seconds;
} peer;

typedef struct master {
    const ub_comm      *c;
    const ub_farm_plan *plan;
    const ub_farm_ops  *ops;
    void               *self;
    ub_sched           *sched;
    int64_t             items, done; /* done: answered, now or earlier */
    peer               *peers;
    int                *receiving, receiving_count; /* ranks with a message under way */
    ub_sched_action     own;                        /* what rank 0 was given and has not begun */
    bool                own_end;
    bool                deaf;    /* absorb failed: drain without absorbing */
    ub_status           failure; /* the first one heard of */
    char                sentence[UB_FARM_SENTENCE];
    ub_bytes            answer;
    double              start, now, polled, reported;
    double              busy;
    ub_farm_stats      *stats;
} master;

static ub_status lose(master *m, int rank, const char *why)
{
    peer *p = &m->peers[rank];
    if (rank <= 0 || rank >= m->c->size || p->lost)
        return UB_OK;
    p->lost = true;
    m->stats->lost++;
    ub_log0_warn("rank-lost", "rank=%d why='%s'", rank, why);
    return ub_sched_dead(m->sched, rank, m->now);
}

/* Send without waiting, for the rank may be dead: then it never leaves. */
static ub_status post(master *m, int rank, int tag, const void *data, size_t len)
{
    peer *p = &m->peers[rank];
    for (int i = 0; i < POSTS; i++) {
        letter *l = &p->post[i];
        int     gone = 1;
        if (l->sent != MPI_REQUEST_NULL &&
            MPI_Test(&l->sent, &gone, MPI_STATUS_IGNORE) != MPI_SUCCESS)
            break;
        if (!gone)
            continue;
        ub_bytes_clear(&l->text);
        UB_TRY(ub_bytes_put(&l->text, data, len));
        if (MPI_Isend(l->text.data, (int)len, MPI_BYTE, rank, tag, m->c->mpi, &l->sent) ==
            MPI_SUCCESS)
            return UB_OK;
        break;
    }
    return lose(m, rank, "MPI does not reach it");
}

static void fail_with(master *m, ub_status st, const char *sentence)
{
    if (m->failure == UB_OK) {
        m->failure = st;
        (void)snprintf(m->sentence, sizeof m->sentence, "%s", sentence);
    }
}

/* Perform what is decided. */
static ub_status act(master *m)
{
    ub_sched_action a;
    for (;;) {
        UB_TRY(ub_sched_next(m->sched, m->now, &a));
        if (a.act == UB_SCHED_NOTHING)
            return UB_OK;
        if (a.rank == 0) {
            m->own_end = a.act == UB_SCHED_END;
            m->own = a;
        } else if (a.act == UB_SCHED_GIVE) {
            UB_TRY(post(m, a.rank, UB_FARM_CHUNK, a.range, (size_t)a.count * sizeof a.range[0]));
        } else if (a.act == UB_SCHED_END) {
            m->peers[a.rank].ended = true;
            m->peers[a.rank].ended_at = m->now;
            UB_TRY(post(m, a.rank, UB_FARM_END, NULL, 0));
        }
    }
}

/* ---- what comes in ---- */

static ub_status take_answer(master *m, int rank, const ub_farm_answer *head,
                             const unsigned char *answer)
{
    if (ub_sched_answer(m->sched, rank, head->item, head->seconds, m->now) != UB_SCHED_FIRST ||
        m->deaf)
        return UB_OK;
    ub_status st = m->ops->absorb(m->self, head->item, answer, (size_t)head->bytes);
    if (st == UB_OK) {
        m->done++;
        m->stats->items++;
        m->peers[rank].done++;
        m->peers[rank].seconds += head->seconds;
        return UB_OK;
    }
    m->deaf = true;
    fail_with(m, st, ub_err_message());
    ub_sched_stop(m->sched);
    return UB_OK;
}

static ub_status take_answers(master *m, int rank, const unsigned char *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ub_farm_answer head;
        UB_TRY(ub_bytes_take(data, len, &at, &head, sizeof head));
        if (head.bytes > len - at)
            return UB_FAIL(UB_EFORMAT, "the answer of item %lld is cut off", (long long)head.item);
        UB_TRY(take_answer(m, rank, &head, data + at));
        at += (size_t)head.bytes;
    }
    return UB_OK;
}

/* Can another try mend it? */
static bool is_final(ub_status st)
{
    return st == UB_EINPUT || st == UB_EARG || st == UB_EBUG;
}

static ub_status take_failure(master *m, int rank, int64_t item, ub_status st, const char *sentence)
{
    bool aside = false;
    enum { TOLD = 10 };
    if (m->stats->failures++ < TOLD)
        ub_log0_warn("item-failed", "item=%lld rank=%d why='%s'", (long long)item, rank, sentence);
    UB_TRY(ub_sched_fail(m->sched, rank, item, m->now, &aside));
    if (aside || is_final(st))
        fail_with(m, st, sentence);
    if (is_final(st))
        ub_sched_stop(m->sched);
    return UB_OK;
}

/* A whole message. */
static ub_status take_message(master *m, int rank)
{
    peer                *p = &m->peers[rank];
    const unsigned char *data = p->inbox.data;
    size_t               len = p->inbox.len, at = 0;
    ub_farm_failure      f;
    int                  gone;
    m->stats->messages++;
    m->stats->bytes += (int64_t)len;
    switch (p->in_tag) {
    case UB_FARM_BYE:
        p->parted = true;
        double busy = 0;
        UB_TRY(ub_bytes_take(data, len, &at, &busy, sizeof busy));
        m->busy += busy;
        return UB_OK;
    case UB_FARM_FAIL:
        UB_TRY(ub_bytes_take(data, len, &at, &f, sizeof f));
        return take_failure(m, rank, f.item, f.status, f.sentence);
    case UB_FARM_LOST:
        UB_TRY(ub_bytes_take(data, len, &at, &gone, sizeof gone));
        return lose(m, gone, "its process is gone");
    default:
        UB_TRY(take_answers(m, rank, data, len));
    }
    if ((p->in_tag == UB_FARM_ASK || p->in_tag == UB_FARM_IDLE) && !p->lost)
        ub_sched_request(m->sched, rank, p->in_tag == UB_FARM_ASK ? UB_SCHED_ASK : UB_SCHED_IDLE,
                         m->now);
    return UB_OK;
}

/* Go on with a receive; *whole: the message is complete (and taken). */
static ub_status receive(master *m, int rank, bool *whole)
{
    peer *p = &m->peers[rank];
    int   here = 0;
    *whole = false;
    if (MPI_Test(&p->in, &here, MPI_STATUS_IGNORE) != MPI_SUCCESS)
        return lose(m, rank, "MPI does not reach it");
    *whole = here;
    return here ? take_message(m, rank) : UB_OK;
}

/* Begin to receive the message that a probe found. */
static ub_status begin_receive(master *m, const MPI_Status *found)
{
    int   rank = found->MPI_SOURCE, n = 0;
    peer *p = &m->peers[rank];
    bool  whole;
    UB_TRY_MPI(MPI_Get_count(found, MPI_BYTE, &n));
    if ((size_t)n > p->inbox.cap) {
        ub_bytes_release(&p->inbox);
        UB_TRY(UB_ALLOC(p->inbox.data, n));
        p->inbox.cap = (size_t)n;
    }
    p->inbox.len = (size_t)n;
    p->in_tag = found->MPI_TAG;
    UB_TRY_MPI(MPI_Irecv(p->inbox.data, n, MPI_BYTE, rank, p->in_tag, m->c->mpi, &p->in));
    UB_TRY(receive(m, rank, &whole));
    if (!whole)
        m->receiving[m->receiving_count++] = rank;
    return UB_OK;
}

/* All that has come.  Bounded: stop must be asked now and then. */
static ub_status listen(master *m)
{
    int kept = 0;
    for (int i = 0; i < m->receiving_count; i++) {
        int  rank = m->receiving[i];
        bool whole = false;
        if (m->peers[rank].lost)
            continue; /* it will never be whole */
        UB_TRY(receive(m, rank, &whole));
        if (!whole)
            m->receiving[kept++] = rank;
    }
    m->receiving_count = kept;
    for (int i = 0, here = 1; here && i < 2 * m->c->size; i++) {
        MPI_Status found;
        UB_TRY_MPI(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, m->c->mpi, &here, &found));
        if (here)
            UB_TRY(begin_receive(m, &found));
    }
    for (int rank; (rank = ub_watch_missing(m->plan->watch)) >= 0;)
        UB_TRY(lose(m, rank, "its process is gone"));
    return UB_OK;
}

/* ---- rank 0 at work, and the end ---- */

/* One item: no more, so that nobody waits longer than that. */
static ub_status own_item(master *m)
{
    int64_t item = m->own.range[0].first;
    m->own.count = 0;
    ub_bytes_clear(&m->answer);
    double    start = ub_clock();
    ub_status st = m->ops->work(m->self, item, &m->answer);
    m->now = ub_clock();
    m->busy += m->now - start;
    if (st != UB_OK)
        UB_TRY(take_failure(m, 0, item, st, ub_err_message()));
    else
        UB_TRY(take_answer(m, 0, &(ub_farm_answer){item, m->now - start, m->answer.len},
                           m->answer.data));
    return UB_OK;
}

/* Has everybody parted?  A rank that has not answered END for longer than patience is given up. */
static ub_status all_parted(master *m, bool *parted)
{
    ub_sched_stats s;
    *parted = m->own_end;
    for (int rank = 1; rank < m->c->size; rank++) {
        peer *p = &m->peers[rank];
        if (p->parted || p->lost)
            continue;
        *parted = false;
        if (!p->ended || m->now - p->ended_at < m->plan->patience_s)
            continue;
        ub_sched_measure(m->sched, &s);
        if (m->now - p->ended_at > 3 * s.q95)
            UB_TRY(lose(m, rank, "silent for too long"));
    }
    return UB_OK;
}

static void report_ranks(master *m)
{
    ub_sched_stats s;
    m->reported = m->now;
    ub_sched_measure(m->sched, &s);
    for (int rank = 0; rank < m->c->size; rank++) {
        const peer  *p = &m->peers[rank];
        ub_farm_rank how = {.lost = p->lost,
                            .slow = ub_sched_speed(m->sched, rank) > 2 * s.mean,
                            .done = p->done,
                            .busy = fmin(1, p->seconds / fmax(m->now - m->start, 1e-9))};
        m->ops->rank(m->self, rank, &how);
    }
}

static ub_status loop(master *m)
{
    int64_t told = -1;
    bool    parted = m->c->size == 1 && m->items == 0, stopping = false, waiting = true;
    bool    works = !m->plan->only_master || m->c->size == 1;
    for (int rank = m->c->size - 1; rank >= !works; rank--) /* itself last: the others wait */
        ub_sched_request(m->sched, rank, UB_SCHED_IDLE, m->now);
    while (!parted) {
        if (m->c->size > 1 && (waiting || m->now - m->polled > POLL)) {
            m->polled = m->now;
            UB_TRY(listen(m));
        }
        if (m->ops->progress != NULL && m->done != told)
            m->ops->progress(m->self, told = m->done, m->items);
        if (m->ops->rank != NULL && m->now - m->reported > REPORT)
            report_ranks(m);
        if (!stopping && m->ops->stop != NULL && m->done < m->items && m->ops->stop(m->self)) {
            stopping = true;
            ub_sched_stop(m->sched);
        }
        UB_TRY(act(m));
        if (m->own.count > 0 && !m->own_end) {
            UB_TRY(own_item(m));
            ub_sched_request(m->sched, 0, UB_SCHED_IDLE, m->now);
            waiting = false;
            continue;
        }
        UB_TRY(all_parted(m, &parted));
        if (!parted)
            (void)sched_yield();
        m->now = ub_clock();
        waiting = true;
    }
    return UB_OK;
}

static void judge(master *m, ub_farm_close *verdict)
{
    ub_sched_stats s;
    ub_sched_measure(m->sched, &s);
    m->stats->reissued = s.reissued;
    m->stats->duplicates = s.duplicates;
    m->stats->item_mean = s.mean;
    m->stats->item_sigma = s.sigma;
    verdict->status = m->failure;
    if (m->failure != UB_OK && s.aside > 0 && !m->deaf && !is_final(m->failure))
        (void)snprintf(verdict->sentence, sizeof verdict->sentence,
                       "%lld of %lld items failed %d times each and were set aside; the first: "
                       "%.800s",
                       (long long)s.aside, (long long)m->items, m->plan->retry, m->sentence);
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
    for (int rank = 1, n = 0; rank < m->c->size; rank++)
        if (m->peers[rank].lost)
            (*lost)[n++] = rank;
    UB_TRY_OUT(ub_bytes_put(&text, verdict, sizeof *verdict));
    UB_TRY_OUT(ub_bytes_put(&text, *lost, (size_t)verdict->lost * sizeof **lost));
    for (int rank = 1; rank < m->c->size; rank++)
        UB_TRY_OUT(post(m, rank, UB_FARM_CLOSE, text.data, text.len));
    for (int rank = 1; rank < m->c->size; rank++)
        for (int i = 0; i < POSTS && !m->peers[rank].lost; i++)
            UB_TRY_OUT(ub_mpi_status(MPI_Wait(&m->peers[rank].post[i].sent, MPI_STATUS_IGNORE),
                                     "MPI_Wait"));
out:
    ub_bytes_release(&text);
    return st;
}

static void set_silent(peer *p)
{
    p->in = MPI_REQUEST_NULL;
    for (int i = 0; i < POSTS; i++)
        p->post[i].sent = MPI_REQUEST_NULL;
}

static ub_status prepare(master *m, int64_t first, const ub_sched_config *config)
{
    UB_TRY(ub_sched_create(config, &m->sched));
    UB_TRY(UB_ALLOC(m->peers, m->c->size));
    UB_TRY(UB_ALLOC(m->receiving, m->c->size));
    for (int rank = 0; rank < m->c->size; rank++)
        set_silent(&m->peers[rank]);
    ub_sched_limit(m->sched, 0, 1);
    for (int64_t item = 0; item < m->items && (item < first || m->ops->has != NULL); item++)
        if (item < first || m->ops->has(m->self, item)) {
            ub_sched_known(m->sched, item);
            m->done++;
        }
    return UB_OK;
}

/* A buffer that MPI may still write to, or read from, for a lost rank is left to it. */
static void release(master *m)
{
    for (int rank = 0; m->peers != NULL && rank < m->c->size; rank++) {
        peer *p = &m->peers[rank];
        if (p->in == MPI_REQUEST_NULL)
            ub_bytes_release(&p->inbox);
        for (int i = 0; i < POSTS; i++)
            if (p->post[i].sent == MPI_REQUEST_NULL)
                ub_bytes_release(&p->post[i].text);
    }
    ub_free(m->peers);
    ub_free(m->receiving);
    ub_bytes_release(&m->answer);
    ub_sched_destroy(&m->sched);
}

ub_status ub_farm_master(const ub_comm *c, int64_t first, int64_t items, const ub_farm_plan *plan,
                         const ub_farm_ops *ops, void *self, ub_farm_stats *stats,
                         ub_farm_close *verdict, int **lost)
{
    ub_farm_plan p = *plan;
    p.retry = p.retry > 0 ? p.retry : 3;
    p.floor = p.floor > 0 ? p.floor : 1;
    p.patience_s = p.patience_s > 0 ? p.patience_s : 60;
    master          m = {.c = c,
                         .plan = &p,
                         .ops = ops,
                         .self = self,
                         .items = items,
                         .stats = stats,
                         .start = ub_clock()};
    ub_sched_config config = {.items = items,
                              .ranks = c->size,
                              .policy = ub_sched_policy_find(p.policy ? p.policy : "fac2"),
                              .floor = p.floor,
                              .retry = p.retry,
                              .overdue = p.overdue,
                              .lag = 1};
    m.now = m.reported = m.start;
    ub_status st = prepare(&m, first, &config);
    if (st == UB_OK)
        st = loop(&m);
    if (st == UB_OK) {
        stats->seconds = ub_clock() - m.start;
        stats->busy = stats->seconds > 0 ? m.busy / stats->seconds / c->size : 0;
        judge(&m, verdict);
        st = close_farm(&m, verdict, lost);
    }
    release(&m);
    return st;
}
