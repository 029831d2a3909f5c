/* A worker of the farm: asks, works, answers. */
#include <limits.h>
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

typedef struct worker {
    const ub_comm     *c;
    ub_watch          *watch;
    const ub_farm_ops *ops;
    void              *self;
    ub_bytes           batch, answer;
    double             flushed, polled, now, busy;
} worker;

/* Small batches leave eagerly; a large one waits here until rank 0 has ended its own item. */
static ub_status flush(worker *w, int tag)
{
    UB_TRY_MPI(MPI_Send(w->batch.data, (int)w->batch.len, MPI_BYTE, 0, tag, w->c->mpi));
    ub_bytes_clear(&w->batch);
    w->flushed = ub_clock();
    return UB_OK;
}

static ub_status append(worker *w, int64_t item, double seconds)
{
    ub_farm_answer head = {item, seconds, w->answer.len};
    const int      most = INT_MAX - 2 * BATCH_BYTES;
    size_t         begin = w->batch.len;
    if (head.bytes > (uint64_t)most)
        return UB_FAIL(UB_ERANGE, "the answer of item %lld has %llu bytes, one message holds %d",
                       (long long)item, (unsigned long long)head.bytes, most);
    ub_status st = ub_bytes_put(&w->batch, &head, sizeof head);
    if (st == UB_OK)
        st = ub_bytes_put(&w->batch, w->answer.data, w->answer.len);
    if (st != UB_OK)
        w->batch.len = begin;
    return st;
}

/* Tell rank 0 that the item failed, after the answers that are complete.  Allocates nothing. */
static ub_status report(worker *w, int64_t item, ub_status st)
{
    ub_farm_failure f = {.item = item, .status = st};
    (void)snprintf(f.sentence, sizeof f.sentence, "%s", ub_err_message());
    UB_TRY(flush(w, UB_FARM_ANSWERS));
    UB_TRY_MPI(MPI_Send(&f, (int)sizeof f, MPI_BYTE, 0, UB_FARM_FAIL, w->c->mpi));
    return UB_OK;
}

static ub_status report_lost(worker *w)
{
    for (int rank; (rank = ub_watch_missing(w->watch)) >= 0;)
        UB_TRY_MPI(MPI_Send(&rank, 1, MPI_INT, 0, UB_FARM_LOST, w->c->mpi));
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
        st = append(w, item, w->now - start);
    if (st != UB_OK)
        return report(w, item, st);
    if (w->batch.len >= BATCH_BYTES || w->now - w->flushed > BATCH_MILLIS * 1e-3)
        UB_TRY(flush(w, UB_FARM_ANSWERS));
    return UB_OK;
}

/* Work on a chunk.  All that was asked for has come, so an END found here means: drop the rest. */
static ub_status one_chunk(worker *w, const ub_sched_range *range, int count)
{
    for (int i = 0; i < count; i++) {
        int64_t end = range[i].first + range[i].count;
        for (int64_t item = range[i].first; item < end; item++) {
            int over = 0;
            if (w->now - w->polled > POLL) {
                w->polled = w->now;
                UB_TRY(report_lost(w));
                UB_TRY_MPI(MPI_Iprobe(0, UB_FARM_END, w->c->mpi, &over, MPI_STATUS_IGNORE));
            }
            if (over)
                return UB_OK;
            if (i == count - 1 && item == end - 1)
                UB_TRY(flush(w, UB_FARM_ASK));
            UB_TRY(one_item(w, item));
        }
    }
    return UB_OK;
}

/* Wait for a message of rank 0, with an eye on the neighbours. */
static ub_status await(worker *w, MPI_Status *found)
{
    for (int here = 0;;) {
        UB_TRY_MPI(MPI_Iprobe(0, MPI_ANY_TAG, w->c->mpi, &here, found));
        if (here)
            return UB_OK;
        UB_TRY(report_lost(w));
        (void)sched_yield();
    }
}

static ub_status until_end(worker *w)
{
    ub_sched_range range[UB_SCHED_RANGES];
    int            here = 1; /* rank 0 takes us for idle at the beginning */
    for (;;) {
        MPI_Status found;
        int        bytes = 0;
        if (!here)
            UB_TRY_MPI(MPI_Iprobe(0, MPI_ANY_TAG, w->c->mpi, &here, MPI_STATUS_IGNORE));
        if (!here)
            UB_TRY(flush(w, UB_FARM_IDLE));
        UB_TRY(await(w, &found));
        UB_TRY_MPI(MPI_Recv(range, (int)sizeof range, MPI_BYTE, 0, MPI_ANY_TAG, w->c->mpi, &found));
        UB_TRY_MPI(MPI_Get_count(&found, MPI_BYTE, &bytes));
        if (found.MPI_TAG == UB_FARM_END)
            return UB_OK;
        UB_TRY(one_chunk(w, range, bytes / (int)sizeof *range));
        here = 0;
    }
}

/* BYE, and wait to hear how it ended. */
static ub_status part(worker *w, ub_farm_close *verdict, int **lost)
{
    MPI_Status found;
    ub_bytes   in = {0};
    int        bytes = 0;
    size_t     at = 0;
    ub_status  st = UB_OK;
    UB_TRY(flush(w, UB_FARM_ANSWERS));
    UB_TRY_MPI(MPI_Send(&w->busy, 1, MPI_DOUBLE, 0, UB_FARM_BYE, w->c->mpi));
    UB_TRY(await(w, &found));
    UB_TRY_MPI(MPI_Get_count(&found, MPI_BYTE, &bytes));
    UB_TRY_OUT(UB_ALLOC(in.data, bytes));
    UB_TRY_OUT(ub_mpi_status(
        MPI_Recv(in.data, bytes, MPI_BYTE, 0, UB_FARM_CLOSE, w->c->mpi, MPI_STATUS_IGNORE),
        "MPI_Recv"));
    UB_TRY_OUT(ub_bytes_take(in.data, (size_t)bytes, &at, verdict, sizeof *verdict));
    UB_TRY_OUT(UB_ALLOC(*lost, verdict->lost));
    UB_TRY_OUT(
        ub_bytes_take(in.data, (size_t)bytes, &at, *lost, (size_t)verdict->lost * sizeof **lost));
out:
    ub_bytes_release(&in);
    return st;
}

ub_status ub_farm_worker(const ub_comm *c, ub_watch *watch, const ub_farm_ops *ops, void *self,
                         ub_farm_close *verdict, int **lost)
{
    worker    w = {.c = c, .watch = watch, .ops = ops, .self = self, .flushed = ub_clock()};
    ub_status st = until_end(&w);
    if (st == UB_OK)
        st = part(&w, verdict, lost);
    ub_bytes_release(&w.batch);
    ub_bytes_release(&w.answer);
    return st;
}
