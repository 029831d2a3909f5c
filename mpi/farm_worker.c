/* A worker of the farm: asks, works, answers. */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "mpi/internal/farm.h"

enum {
    BATCH_BYTES = 2048, /* answers leave from this size on (eagerly) ... */
    BATCH_MILLIS = 50   /* ... or when they are older than this */
};

/* Seconds between looks for END: a look costs more than a tiny item. */
static const double POLL = 1e-3;
/* Seconds that a sub-master may take to receive when rank 0 has a word for us. */
static const double MOMENT = 0.05;

typedef struct worker {
    const ub_farm_side *side;
    MPI_Comm            mpi;
    int                 master; /* the rank it talks to ... */
    int                 to;     /* ... and talked to last */
    ub_bytes            batch, answer;
    ub_bytes            away; /* the batch before, on its way until `sent` is done */
    MPI_Request         sent;
    bool        asked; /* its master was told that this rank was asked to stop, or need not be */
    double      flushed, polled, now;
    ub_farm_bye bye;
} worker;

/* A message of its master, or of rank 0 itself?  Others are of a sub-master that is lost. */
static ub_status look(const worker *w, MPI_Status *found, int *here)
{
    UB_TRY(ub_farm_probe(w->side->c, w->master, found, here));
    if (!*here && w->master != 0)
        UB_TRY(ub_farm_probe(w->side->c, 0, found, here));
    return UB_OK;
}

/* What is on its way stays with MPI; its items will be given again. */
static void forsake(worker *w)
{
    w->away = (ub_bytes){0};
    w->sent = MPI_REQUEST_NULL;
}

/* The same, unless it has left. */
static void abandon(worker *w)
{
    int gone = 0;
    if (MPI_Test(&w->sent, &gone, MPI_STATUS_IGNORE) != MPI_SUCCESS || !gone)
        forsake(w);
}

/* Until the batch before has left.  Small ones leave at once; a large one when its master listens,
 * which one that works too does between its items only.  over: do not wait for rank 0, either.  A
 * sub-master may be dead: then rank 0 has a word for us. */
static ub_status settle(worker *w, bool over)
{
    double start = ub_clock();
    for (int gone = 0, word = 0;;) {
        int rc = MPI_Test(&w->sent, &gone, MPI_STATUS_IGNORE);
        if (w->to == 0)
            UB_TRY_MPI(rc);
        if (gone)
            return UB_OK;
        (void)sched_yield();
        if (w->to == 0 && !over)
            continue;
        UB_TRY_MPI(MPI_Iprobe(0, MPI_ANY_TAG, w->mpi, &word, MPI_STATUS_IGNORE));
        if (rc != MPI_SUCCESS || (word && ub_clock() - start > MOMENT)) {
            forsake(w);
            return UB_OK;
        }
    }
}

/* Send the batch, and go on with the other buffer while it travels. */
static ub_status flush(worker *w, int tag)
{
    UB_TRY(settle(w, false));
    ub_bytes empty = w->away;
    ub_bytes_clear(&empty);
    w->away = w->batch;
    w->batch = empty;
    w->to = w->master;
    int rc = MPI_Isend(w->away.data, (int)w->away.len, MPI_BYTE, w->to, tag, w->mpi, &w->sent);
    if (w->to == 0)
        UB_TRY_MPI(rc);
    if (rc != MPI_SUCCESS)
        forsake(w);
    w->flushed = w->now;
    return UB_OK;
}

static ub_status append(worker *w, int64_t item, double seconds)
{
    size_t begin = w->batch.len;
    UB_TRY(ub_farm_fits(item, &w->answer));
    ub_farm_answer head = {item, seconds, (int32_t)w->answer.len, w->side->c->rank};
    ub_status      st = ub_bytes_put(&w->batch, &head, sizeof head);
    if (st == UB_OK)
        st = ub_bytes_put(&w->batch, w->answer.data, w->answer.len);
    if (st != UB_OK)
        w->batch.len = begin;
    return st;
}

/* Tell that the item failed, after the answers that are complete.  Memory may be short: the batch
 * has room for this. */
static ub_status report(worker *w, int64_t item, ub_status st)
{
    ub_farm_failure f = {.item = item, .rank = w->side->c->rank, .status = st};
    (void)snprintf(f.sentence, sizeof f.sentence, "%s", ub_err_message());
    UB_TRY(flush(w, UB_FARM_ANSWERS));
    UB_TRY(ub_bytes_put(&w->batch, &f, sizeof f));
    return flush(w, UB_FARM_FAIL);
}

static ub_status report_lost(worker *w)
{
    for (int rank; (rank = ub_watch_missing(w->side->watch)) >= 0;)
        UB_TRY_MPI(MPI_Send(&rank, 1, MPI_INT, 0, UB_FARM_LOST, w->mpi));
    return UB_OK;
}

static ub_status report_stop(worker *w)
{
    if (w->asked || !ub_farm_wants_stop(w->side))
        return UB_OK;
    w->asked = true;
    return flush(w, UB_FARM_STOP);
}

static ub_status one_item(worker *w, int64_t item)
{
    ub_bytes_clear(&w->answer);
    double    start = ub_clock();
    ub_status st = w->side->ops->work(w->side->self, item, &w->answer);
    w->now = ub_clock();
    w->bye.busy += w->now - start;
    if (st == UB_OK)
        st = append(w, item, w->now - start);
    return st == UB_OK ? UB_OK : report(w, item, st);
}

/* Send the answers if they are many or old.  Where something is to be asked, it goes with them:
 * of two messages in a row the second waits for the first. */
static ub_status flush_due(worker *w)
{
    if (w->batch.len < BATCH_BYTES && w->now - w->flushed <= BATCH_MILLIS * 1e-3)
        return UB_OK;
    return flush(w, UB_FARM_ANSWERS);
}

/* Work on a chunk.  All that was asked for has come, so a message found here (END, ADOPT, CLOSE)
 * means: drop the rest. */
static ub_status one_chunk(worker *w, const ub_sched_range *range, int count)
{
    MPI_Status found;
    for (int i = 0; i < count; i++) {
        int64_t end = range[i].first + range[i].count;
        for (int64_t item = range[i].first; item < end; item++) {
            int over = 0;
            if (w->now - w->polled > POLL) {
                w->polled = w->now;
                UB_TRY(report_lost(w));
                UB_TRY(report_stop(w));
                UB_TRY(look(w, &found, &over));
            }
            if (over)
                return UB_OK;
            bool last = i == count - 1 && item == end - 1;
            UB_TRY(last ? flush(w, UB_FARM_ASK) : flush_due(w));
            UB_TRY(one_item(w, item));
        }
    }
    return UB_OK;
}

/* Wait for a message, with an eye on the neighbours. */
static ub_status await(worker *w, MPI_Status *found)
{
    double start = w->now;
    for (int here = 0;;) {
        UB_TRY(look(w, found, &here));
        if (here)
            return UB_OK;
        UB_TRY(report_lost(w));
        UB_TRY(report_stop(w));
        w->now = ub_clock();
        ub_farm_rest(start, w->now);
    }
}

static ub_status say_bye(worker *w)
{
    w->asked = true;
    UB_TRY(flush(w, UB_FARM_ANSWERS));
    UB_TRY(ub_bytes_put(&w->batch, &w->bye, sizeof w->bye));
    return flush(w, UB_FARM_BYE);
}

static ub_status serve(worker *w)
{
    ub_sched_range range[UB_SCHED_RANGES];
    bool           known = true; /* that we have nothing to do; at the beginning it is */
    for (;;) {
        MPI_Status found;
        int        here = 0, bytes = 0;
        if (!known)
            UB_TRY(look(w, &found, &here));
        if (!known)
            UB_TRY(here ? flush_due(w) : flush(w, UB_FARM_IDLE));
        UB_TRY(await(w, &found));
        if (found.MPI_TAG == UB_FARM_CLOSE)
            return UB_OK;
        UB_TRY_MPI(MPI_Recv(range, (int)sizeof range, MPI_BYTE, found.MPI_SOURCE, found.MPI_TAG,
                            w->mpi, &found));
        UB_TRY_MPI(MPI_Get_count(&found, MPI_BYTE, &bytes));
        known = found.MPI_TAG == UB_FARM_END;
        if (found.MPI_TAG == UB_FARM_ADOPT) {
            abandon(w); /* what the sub-master has not taken by now, it never will */
            w->master = 0;
            w->asked = false; /* the word may have been lost with the sub-master */
        } else if (found.MPI_TAG == UB_FARM_END)
            UB_TRY(say_bye(w));
        else
            UB_TRY(one_chunk(w, range, bytes / (int)sizeof *range));
    }
}

ub_status ub_farm_worker(const ub_farm_side *side)
{
    worker                       w = {.side = side,
                                      .mpi = side->c->mpi,
                                      .master = ub_farm_master_of(side, side->c->rank),
                                      .sent = MPI_REQUEST_NULL,
                                      .now = ub_clock()};
    static const ub_farm_failure room;
    ub_status                    st = ub_bytes_put(&w.batch, &room, sizeof room);
    if (st == UB_OK)
        st = ub_bytes_put(&w.away, &room, sizeof room);
    ub_bytes_clear(&w.batch);
    if (st == UB_OK)
        st = serve(&w);
    if (st == UB_OK)
        st = settle(&w, true);
    else
        abandon(&w);
    ub_bytes_release(&w.batch);
    ub_bytes_release(&w.away);
    ub_bytes_release(&w.answer);
    return st;
}
