#include "mpi/farm.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"

/* The conversation.  Rank 0 -> worker: CHUNK (pairs of first item and count) or END, once.
 * Worker -> rank 0: answers in every message, and by its tag
 *   ANSWERS  nothing else
 *   ASK      "I begin the last item of my chunk": the next chunk travels while it is worked on
 *   IDLE     "I have nothing to do": sent when the answer to ASK has not come
 *   FAIL     a status and a sentence instead of answers; the worker then waits for END
 *   BYE      its busy time instead of answers; the reply to END and its last message
 * END may cross any message of the worker: rank 0 takes all up to BYE, the worker reads nothing
 * after END, so nothing is left behind.  Messages between two ranks do not overtake. */
enum { TAG_CHUNK, TAG_END, TAG_ANSWERS, TAG_ASK, TAG_IDLE, TAG_FAIL, TAG_BYE };

enum {
    RANGES = 128,       /* at most in one chunk: a message small enough to be sent eagerly */
    BATCH_BYTES = 2048, /* a worker sends its answers from this size on (eager as well) ... */
    BATCH_MILLIS = 50,  /* ... or when they are older than this */
    SENTENCE = 1024
};

/* Seconds between looks for messages: a look costs more than a tiny item.  A worker looks only
 * for END. */
static const double MASTER_POLL = 20e-6, WORKER_POLL = 1e-3;

struct failure {
    ub_status status;
    char      sentence[SENTENCE];
};

/* What rank 0 knows of a worker. */
typedef enum peer { PEER_BUSY, PEER_ASKED, PEER_IDLE, PEER_ENDED } peer;

typedef struct master {
    const ub_comm     *c;
    const ub_farm_ops *ops;
    void              *self;
    int64_t            items, cursor; /* items before the cursor are handed out or known */
    int64_t            left, done;    /* not yet handed out; answered, now or earlier */
    peer              *peers;
    int                present; /* workers that have not said BYE */
    bool               ending;  /* END has gone to everybody */
    bool               deaf;    /* absorb failed: drain without absorbing */
    ub_status          failure; /* the first one heard of */
    char               sentence[SENTENCE];
    ub_bytes           message, answer;
    double        now, polled; /* the clock after the last item; at the last look for messages */
    double        busy;
    ub_farm_stats stats;
} master;

/* How many items to hand to one rank when `left` wait: guided self-scheduling (Polychronopoulos
 * and Kuck 1987) with half its chunk, since the cost of items differs. */
static int64_t chunk_size(int64_t left, int size)
{
    int64_t n = left / 2 / size;
    return n > 1 ? n : 1;
}

/* May a rank that still works on its last item be given more?  Not the last few: another rank
 * may be without work before this one comes to them. */
static bool may_prefetch(int64_t left, int size)
{
    return left > size;
}

static bool known(const master *m, int64_t item)
{
    return m->ops->has != NULL && m->ops->has(m->self, item);
}

/* The next `want` waiting items as ranges (pairs of first and count); returns the pairs. */
static int take_ranges(master *m, int64_t want, int64_t *ranges)
{
    int pairs = 0;
    while (want > 0 && m->left > 0) {
        int64_t item = m->cursor++;
        if (known(m, item))
            continue;
        if (pairs > 0 && ranges[2 * pairs - 2] + ranges[2 * pairs - 1] == item) {
            ranges[2 * pairs - 1]++;
        } else if (pairs < RANGES) {
            ranges[2 * pairs] = item;
            ranges[2 * pairs + 1] = 1;
            pairs++;
        } else {
            m->cursor--;
            break;
        }
        m->left--;
        want--;
    }
    return pairs;
}

/* Hand nothing out any more.  Workers drop what they have not begun. */
static ub_status end_all(master *m)
{
    if (m->ending)
        return UB_OK;
    m->ending = true;
    for (int rank = 1; rank < m->c->size; rank++)
        if (m->peers[rank] != PEER_ENDED) {
            m->peers[rank] = PEER_ENDED;
            UB_TRY_MPI(MPI_Send(NULL, 0, MPI_BYTE, rank, TAG_END, m->c->mpi));
        }
    return UB_OK;
}

static ub_status fail_with(master *m, ub_status st, const char *sentence)
{
    if (m->failure == UB_OK) {
        m->failure = st;
        (void)snprintf(m->sentence, sizeof m->sentence, "%s", sentence);
    }
    return end_all(m);
}

/* Give a worker what it asked for, if there is something or never will be. */
static ub_status serve(master *m, int rank)
{
    int64_t ranges[2 * RANGES];
    peer    p = m->peers[rank];
    if (p == PEER_ENDED || p == PEER_BUSY)
        return UB_OK;
    if (m->left == 0) {
        m->peers[rank] = PEER_ENDED;
        return ub_mpi_status(MPI_Send(NULL, 0, MPI_BYTE, rank, TAG_END, m->c->mpi), "farm: end");
    }
    if (p == PEER_ASKED && !may_prefetch(m->left, m->c->size))
        return UB_OK; /* served when it says IDLE */
    int pairs = take_ranges(m, chunk_size(m->left, m->c->size), ranges);
    m->peers[rank] = PEER_BUSY;
    UB_TRY_MPI(MPI_Send(ranges, 2 * pairs, MPI_INT64_T, rank, TAG_CHUNK, m->c->mpi));
    return UB_OK;
}

static ub_status absorb_one(master *m, int64_t item, const unsigned char *answer, size_t len)
{
    UB_TRY(m->ops->absorb(m->self, item, answer, len));
    m->done++;
    m->stats.items++;
    return UB_OK;
}

static ub_status absorb_batch(master *m, const unsigned char *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        int64_t  item;
        uint64_t n;
        UB_TRY(ub_bytes_take(data, len, &at, &item, sizeof item));
        UB_TRY(ub_bytes_take(data, len, &at, &n, sizeof n));
        if (n > len - at)
            return UB_FAIL(UB_EFORMAT, "the answer of item %lld is cut off", (long long)item);
        UB_TRY(absorb_one(m, item, data + at, (size_t)n));
        at += (size_t)n;
    }
    return UB_OK;
}

/* Content of one message; a failure here is one of absorb or of memory, not of MPI. */
static ub_status digest(master *m, int tag, size_t len)
{
    const unsigned char *data = m->message.data;
    if (tag == TAG_BYE) {
        double busy;
        size_t at = 0;
        UB_TRY(ub_bytes_take(data, len, &at, &busy, sizeof busy));
        m->busy += busy;
        return UB_OK;
    }
    return m->deaf ? UB_OK : absorb_batch(m, data, len);
}

/* Receive the message that a probe found, and act on it. */
static ub_status take_message(master *m, const MPI_Status *found)
{
    int rank = found->MPI_SOURCE, tag = found->MPI_TAG, n = 0;
    UB_TRY_MPI(MPI_Get_count(found, MPI_BYTE, &n));
    ub_status st = UB_OK;
    if ((size_t)n > m->message.cap) {
        ub_bytes_release(&m->message);
        st = UB_ALLOC(m->message.data, n);
        m->message.cap = st == UB_OK ? (size_t)n : 0;
    }
    int rc = MPI_Recv(m->message.data, st == UB_OK ? n : 0, MPI_BYTE, rank, tag, m->c->mpi,
                      MPI_STATUS_IGNORE);
    if (st == UB_OK) /* without memory the message is taken all the same, cut off */
        UB_TRY_MPI(rc);
    m->stats.messages++;
    m->stats.bytes += n;
    m->present -= tag == TAG_BYE;
    if (st == UB_OK && tag == TAG_FAIL) {
        struct failure f;
        UB_ASSERT((size_t)n == sizeof f);
        memcpy(&f, m->message.data, sizeof f);
        return fail_with(m, f.status, f.sentence);
    }
    if (st == UB_OK)
        st = digest(m, tag, (size_t)n);
    if (st != UB_OK) {
        m->deaf = true;
        return fail_with(m, st, ub_err_message());
    }
    if (tag == TAG_ASK && m->peers[rank] == PEER_BUSY)
        m->peers[rank] = PEER_ASKED;
    else if (tag == TAG_IDLE && m->peers[rank] == PEER_ASKED)
        m->peers[rank] = PEER_IDLE; /* else it crossed the chunk, or END, on its way */
    else
        return UB_OK;
    return serve(m, rank);
}

/* Rank 0 does one item itself: no more, so that nobody waits longer than that. */
static ub_status own_item(master *m)
{
    int64_t range[2 * RANGES];
    if (take_ranges(m, 1, range) == 0)
        return UB_OK;
    ub_bytes_clear(&m->answer);
    double    start = ub_clock();
    ub_status st = m->ops->work(m->self, range[0], &m->answer);
    m->now = ub_clock();
    m->busy += m->now - start;
    if (st == UB_OK) {
        st = absorb_one(m, range[0], m->answer.data, m->answer.len);
        m->deaf = m->deaf || st != UB_OK;
    }
    return st == UB_OK ? UB_OK : fail_with(m, st, ub_err_message());
}

/* Fails only when MPI does; what the callbacks say is in m->failure. */
static ub_status master_loop(master *m)
{
    double  start = ub_clock();
    int64_t told = -1;
    m->present = m->c->size - 1;
    for (int64_t item = 0; item < m->items; item++)
        m->left += !known(m, item);
    m->done = m->items - m->left;
    for (int rank = 1; rank < m->c->size; rank++) {
        m->peers[rank] = PEER_IDLE;
        UB_TRY(serve(m, rank));
    }
    for (;;) {
        MPI_Status found;
        int        here = m->present > 0 && m->now - m->polled > MASTER_POLL;
        if (here)
            m->polled = m->now;
        for (int i = 0; here && i < 2 * m->c->size; i++) { /* bounded: stop must be asked */
            UB_TRY_MPI(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, m->c->mpi, &here, &found));
            if (here)
                UB_TRY(take_message(m, &found));
        }
        if (m->ops->progress != NULL && m->done != told)
            m->ops->progress(m->self, told = m->done, m->items);
        if (!m->ending && m->done < m->items && m->ops->stop != NULL && m->ops->stop(m->self))
            UB_TRY(end_all(m));
        if (!m->ending && m->left > 0) {
            UB_TRY(own_item(m));
        } else if (m->present > 0) {
            UB_TRY_MPI(MPI_Probe(MPI_ANY_SOURCE, MPI_ANY_TAG, m->c->mpi, &found));
            UB_TRY(take_message(m, &found));
        } else {
            break;
        }
    }
    m->stats.seconds = ub_clock() - start;
    m->stats.busy = m->stats.seconds > 0 ? m->busy / m->stats.seconds / m->c->size : 0;
    return UB_OK;
}

static ub_status verdict(const master *m)
{
    if (m->failure != UB_OK)
        return UB_FAIL(m->failure, "%s", m->sentence);
    if (m->done < m->items)
        return UB_FAIL(UB_ESTOP, "stopped on request: %lld of %lld items are done",
                       (long long)m->done, (long long)m->items);
    return UB_OK;
}

typedef struct worker {
    const ub_comm     *c;
    const ub_farm_ops *ops;
    void              *self;
    ub_bytes           batch, answer;
    double             flushed, polled, now, busy;
    bool               failed;
} worker;

/* Small batches leave eagerly; a large one waits here until rank 0 has ended its own item.
 * The other way round, with MPI_Isend, rank 0 would wait in MPI_Recv for the end of our item. */
static ub_status flush(worker *w, int tag)
{
    UB_TRY_MPI(MPI_Send(w->batch.data, (int)w->batch.len, MPI_BYTE, 0, tag, w->c->mpi));
    ub_bytes_clear(&w->batch);
    w->flushed = ub_clock();
    return UB_OK;
}

static ub_status append(worker *w, int64_t item)
{
    const int most = INT_MAX - 2 * BATCH_BYTES;
    uint64_t  n = w->answer.len;
    size_t    begin = w->batch.len;
    if (n > (uint64_t)most)
        return UB_FAIL(UB_ERANGE, "the answer of item %lld has %llu bytes, one message holds %d",
                       (long long)item, (unsigned long long)n, most);
    ub_status st = ub_bytes_put(&w->batch, &item, sizeof item);
    if (st == UB_OK)
        st = ub_bytes_put(&w->batch, &n, sizeof n);
    if (st == UB_OK)
        st = ub_bytes_put(&w->batch, w->answer.data, w->answer.len);
    if (st != UB_OK)
        w->batch.len = begin;
    return st;
}

/* Tell rank 0 the current error, after the answers that are complete.  Allocates nothing. */
static ub_status report(worker *w, ub_status st)
{
    struct failure f = {.status = st};
    (void)snprintf(f.sentence, sizeof f.sentence, "%s", ub_err_message());
    w->failed = true;
    UB_TRY(flush(w, TAG_ANSWERS));
    UB_TRY_MPI(MPI_Send(&f, (int)sizeof f, MPI_BYTE, 0, TAG_FAIL, w->c->mpi));
    return UB_OK;
}

static ub_status one_item(worker *w, int64_t item)
{
    ub_bytes_clear(&w->answer);
    double    start = ub_clock();
    ub_status st = w->ops->work(w->self, item, &w->answer);
    w->now = ub_clock();
    w->busy += w->now - start;
    if (st == UB_OK)
        st = append(w, item);
    if (st != UB_OK)
        return report(w, st);
    if (w->batch.len >= BATCH_BYTES || w->now - w->flushed > BATCH_MILLIS * 1e-3)
        return flush(w, TAG_ANSWERS);
    return UB_OK;
}

/* Work on a chunk.  All that was asked for has come, so an END found here means: drop the rest. */
static ub_status one_chunk(worker *w, const int64_t *ranges, int pairs)
{
    for (int i = 0; i < pairs; i++) {
        int64_t first = ranges[2 * i], end = first + ranges[2 * i + 1];
        for (int64_t item = first; item < end; item++) {
            int over = 0;
            if (w->now - w->polled > WORKER_POLL) {
                w->polled = w->now;
                UB_TRY_MPI(MPI_Iprobe(0, TAG_END, w->c->mpi, &over, MPI_STATUS_IGNORE));
            }
            if (over)
                return UB_OK;
            if (i == pairs - 1 && item == end - 1)
                UB_TRY(flush(w, TAG_ASK));
            UB_TRY(one_item(w, item));
            if (w->failed)
                return UB_OK;
        }
    }
    return UB_OK;
}

/* Fails only when MPI does. */
static ub_status worker_loop(worker *w)
{
    int64_t ranges[2 * RANGES];
    int     here = 1; /* rank 0 takes us for idle at the beginning */
    for (;;) {
        MPI_Status got;
        int        count = 0;
        if (!here)
            UB_TRY_MPI(MPI_Iprobe(0, MPI_ANY_TAG, w->c->mpi, &here, MPI_STATUS_IGNORE));
        if (!here && !w->failed)
            UB_TRY(flush(w, TAG_IDLE));
        UB_TRY_MPI(MPI_Recv(ranges, 2 * RANGES, MPI_INT64_T, 0, MPI_ANY_TAG, w->c->mpi, &got));
        UB_TRY_MPI(MPI_Get_count(&got, MPI_INT64_T, &count));
        if (got.MPI_TAG == TAG_END)
            break;
        if (!w->failed) /* else the chunk was on its way when we failed */
            UB_TRY(one_chunk(w, ranges, count / 2));
        here = 0;
    }
    UB_TRY(flush(w, TAG_ANSWERS));
    UB_TRY_MPI(MPI_Send(&w->busy, 1, MPI_DOUBLE, 0, TAG_BYE, w->c->mpi));
    return UB_OK;
}

ub_status ub_farm_run(const ub_comm *c, int64_t items, const ub_farm_ops *ops, void *self,
                      ub_farm_stats *stats)
{
    worker    w = {.c = c, .ops = ops, .self = self, .flushed = ub_clock()};
    master    m = {.c = c, .ops = ops, .self = self, .items = items};
    ub_status st = UB_OK;
    if (c->rank == 0)
        st = items < 0 ? UB_FAIL(UB_EARG, "%lld items", (long long)items)
                       : UB_ALLOC(m.peers, c->size);
    st = ub_comm_agree(c, st);
    if (st == UB_OK) {
        st = c->rank == 0 ? master_loop(&m) : worker_loop(&w);
        if (st == UB_OK) /* else MPI failed and there is nothing to agree with */
            st = ub_comm_agree(c, c->rank == 0 ? verdict(&m) : UB_OK);
    }
    ub_bytes_release(&w.batch);
    ub_bytes_release(&w.answer);
    ub_bytes_release(&m.message);
    ub_bytes_release(&m.answer);
    ub_free(m.peers);
    if (stats != NULL)
        *stats = m.stats;
    return st;
}
