/* A master and its ranks: carries out what core/sched.h decides, and takes what comes. */
#include <math.h>
#include <sched.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "mpi/internal/farm.h"

ub_status ub_farm_pool_init(ub_farm_pool *p, const ub_sched_config *config)
{
    p->count = config->ranks;
    p->looked = p->now;
    UB_TRY(ub_sched_create(config, &p->sched));
    UB_TRY(UB_ALLOC(p->peers, p->count));
    UB_TRY(UB_ALLOC(p->receiving, p->count));
    for (int i = 0; i < p->count; i++)
        p->peers[i] = (ub_farm_peer){.in = MPI_REQUEST_NULL, .spoke = p->now};
    return UB_OK;
}

void ub_farm_pool_release(ub_farm_pool *p)
{
    for (int i = 0; p->peers != NULL && i < p->count; i++) {
        ub_farm_peer *peer = &p->peers[i];
        if (peer->in == MPI_REQUEST_NULL)
            ub_bytes_release(&peer->inbox);
        for (int k = 0, gone = 0; k < peer->posts; k++)
            if (MPI_Test(&peer->post[k].sent, &gone, MPI_STATUS_IGNORE) != MPI_SUCCESS || gone)
                ub_bytes_release(&peer->post[k].text);
        ub_free(peer->post);
    }
    ub_free(p->peers);
    ub_free(p->receiving);
    ub_sched_destroy(&p->sched);
}

/* ---- what goes out ---- */

/* A letter that is not under way; there are as many as were under way at once. */
static ub_status free_letter(ub_farm_peer *peer, ub_farm_letter **out)
{
    ub_farm_letter *more = NULL;
    int             gone = 0, n = peer->posts;
    for (int i = 0; i < n && !gone; i++) {
        *out = &peer->post[i];
        gone = peer->post[i].sent == MPI_REQUEST_NULL;
        if (!gone)
            UB_TRY_MPI(MPI_Test(&peer->post[i].sent, &gone, MPI_STATUS_IGNORE));
    }
    if (gone)
        return UB_OK;
    UB_TRY(UB_ALLOC(more, n + 2));
    if (n > 0)
        memcpy(more, peer->post, (size_t)n * sizeof *more);
    more[n].sent = more[n + 1].sent = MPI_REQUEST_NULL;
    ub_free(peer->post);
    peer->post = more;
    peer->posts = n + 2;
    *out = &more[n];
    return UB_OK;
}

ub_status ub_farm_post(ub_farm_pool *p, int rank, int tag, const void *data, size_t len)
{
    ub_farm_letter *l = NULL;
    ub_status       st = free_letter(&p->peers[rank - p->first], &l);
    if (st == UB_OK) {
        ub_bytes_clear(&l->text);
        UB_TRY(ub_bytes_put(&l->text, data, len));
        st = ub_mpi_status(
            MPI_Isend(l->text.data, (int)len, MPI_BYTE, rank, tag, p->c->mpi, &l->sent),
            "MPI_Isend");
    }
    return st == UB_EMPI ? p->ops->missing(p->self, rank, "MPI does not reach it") : st;
}

ub_status ub_farm_posted(ub_farm_pool *p)
{
    static const double MOMENT = 0.5;
    double              start = ub_clock();
    for (int i = 0; i < p->count; i++)
        for (int k = 0, gone = 0; k < p->peers[i].posts; k += gone) {
            bool lost = p->peers[i].lost;
            int  rc = MPI_Test(&p->peers[i].post[k].sent, &gone, MPI_STATUS_IGNORE);
            if (lost && (rc != MPI_SUCCESS || ub_clock() - start > MOMENT))
                gone = 1;
            else
                UB_TRY_MPI(rc);
            if (!gone)
                (void)sched_yield();
        }
    return UB_OK;
}

ub_status ub_farm_act(ub_farm_pool *p)
{
    ub_sched_action a;
    for (;;) {
        UB_TRY(ub_sched_next(p->sched, p->now, &a));
        int rank = p->first + a.rank;
        p->ending = p->ending || a.act == UB_SCHED_END;
        if (a.act == UB_SCHED_NOTHING)
            return UB_OK;
        if (a.act == UB_SCHED_MORE) {
            p->more = true;
        } else if (rank == 0) {
            p->own_end = a.act == UB_SCHED_END;
            p->own = a;
        } else if (a.act == UB_SCHED_GIVE) {
            UB_TRY(
                ub_farm_post(p, rank, UB_FARM_CHUNK, a.range, (size_t)a.count * sizeof a.range[0]));
        } else if (a.act == UB_SCHED_END) {
            p->peers[a.rank].awaited = true;
            p->peers[a.rank].since = p->awake;
            UB_TRY(ub_farm_post(p, rank, UB_FARM_END, NULL, 0));
        }
    }
}

/* ---- what comes in ---- */

static ub_status take_answers(ub_farm_pool *p, int i, const unsigned char *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ub_farm_answer head;
        UB_TRY(ub_bytes_take(data, len, &at, &head, sizeof head));
        if (head.bytes < 0 || (size_t)head.bytes > len - at)
            return UB_FAIL(UB_EFORMAT, "the answer of item %lld is cut off", (long long)head.item);
        if (ub_sched_answer(p->sched, i, head.item, head.seconds, p->now) == UB_SCHED_FIRST)
            UB_TRY(p->ops->answer(p->self, &head, data + at));
        at += (size_t)head.bytes;
    }
    return UB_OK;
}

static ub_status take_failure(ub_farm_pool *p, int i, const unsigned char *data, size_t len)
{
    ub_farm_failure f;
    size_t          at = 0;
    bool            aside = false;
    UB_TRY(ub_bytes_take(data, len, &at, &f, sizeof f));
    UB_TRY(ub_sched_fail(p->sched, i, f.item, p->now, &aside));
    return p->ops->failure(p->self, &f, aside);
}

/* A whole message of a rank. */
static ub_status take_message(ub_farm_pool *p, int i)
{
    ub_farm_peer        *peer = &p->peers[i];
    const unsigned char *data = peer->inbox.data;
    size_t               len = peer->inbox.len, at = 0;
    ub_farm_bye          bye;
    int                  gone, tag = peer->in_tag;
    p->messages++;
    p->heard = p->now;
    peer->heard = p->awake;
    peer->spoke = p->now;
    p->bytes += (int64_t)len;
    switch (tag) {
    case UB_FARM_BYE:
        peer->parted = true;
        UB_TRY(ub_bytes_take(data, len, &at, &bye, sizeof bye));
        p->ops->bye(p->self, &bye);
        return UB_OK;
    case UB_FARM_LOST:
        UB_TRY(ub_bytes_take(data, len, &at, &gone, sizeof gone));
        return peer->lost ? UB_OK : p->ops->missing(p->self, gone, "its process is gone");
    case UB_FARM_FAIL:
        UB_TRY(take_failure(p, i, data, len));
        break;
    default:
        p->asked = p->asked || tag == UB_FARM_STOP;
        UB_TRY(take_answers(p, i, data, len));
    }
    if (peer->lost || peer->retired) /* what it did counts, but nothing is given to it */
        return ub_sched_dead(p->sched, i, p->now);
    if (tag == UB_FARM_ASK || tag == UB_FARM_IDLE) {
        peer->awaited = false;
        ub_sched_request(p->sched, i, tag == UB_FARM_ASK ? UB_SCHED_ASK : UB_SCHED_IDLE, p->now);
    }
    return UB_OK;
}

/* Go on with a receive; *whole: the message is complete and taken, or will never be. */
static ub_status receive(ub_farm_pool *p, int i, bool *whole)
{
    int here = 0;
    *whole = true;
    if (MPI_Test(&p->peers[i].in, &here, MPI_STATUS_IGNORE) != MPI_SUCCESS) {
        p->peers[i].in = MPI_REQUEST_NULL;
        return p->ops->missing(p->self, p->first + i, "MPI does not reach it");
    }
    *whole = here;
    return here ? take_message(p, i) : UB_OK;
}

/* Begin to receive the message that a probe found. */
static ub_status begin_receive(ub_farm_pool *p, int i, const MPI_Status *found)
{
    int           n = 0;
    ub_farm_peer *peer = &p->peers[i];
    bool          whole;
    UB_TRY_MPI(MPI_Get_count(found, MPI_BYTE, &n));
    if ((size_t)n > peer->inbox.cap) {
        ub_bytes_release(&peer->inbox);
        UB_TRY(UB_ALLOC(peer->inbox.data, n));
        peer->inbox.cap = (size_t)n;
    }
    peer->inbox.len = (size_t)n;
    peer->in_tag = found->MPI_TAG;
    UB_TRY_MPI(MPI_Irecv(peer->inbox.data, n, MPI_BYTE, found->MPI_SOURCE, peer->in_tag, p->c->mpi,
                         &peer->in));
    UB_TRY(receive(p, i, &whole));
    if (!whole)
        p->receiving[p->receiving_count++] = i;
    return UB_OK;
}

/* A message of rank 0 to a sub-master. */
static ub_status hear_above(ub_farm_pool *p, const MPI_Status *found)
{
    unsigned char text[UB_SCHED_RANGES * sizeof(ub_sched_range)];
    MPI_Status    got;
    int           n = 0;
    p->heard = p->now;
    if (found->MPI_TAG == UB_FARM_CLOSE) {
        p->closed = true;
        return UB_OK;
    }
    UB_TRY_MPI(MPI_Recv(text, (int)sizeof text, MPI_BYTE, 0, found->MPI_TAG, p->c->mpi, &got));
    UB_TRY_MPI(MPI_Get_count(&got, MPI_BYTE, &n));
    return p->ops->above(p->self, found->MPI_TAG, text, (size_t)n);
}

/* Bounded: a stop must be asked for now and then. */
ub_status ub_farm_listen(ub_farm_pool *p)
{
    static const double PAUSE = 0.1;
    int                 kept = 0;
    p->awake += fmin(p->now - p->looked, PAUSE);
    p->looked = p->now;
    for (int k = 0; k < p->receiving_count; k++) {
        bool whole;
        UB_TRY(receive(p, p->receiving[k], &whole));
        if (!whole)
            p->receiving[kept++] = p->receiving[k];
    }
    p->receiving_count = kept;
    for (int k = 0; k < 2 * p->c->size && !p->closed; k++) {
        MPI_Status found;
        int        here = 0;
        UB_TRY(ub_farm_probe(p->c, p->parted ? 0 : MPI_ANY_SOURCE, &found, &here));
        if (!here)
            break;
        int i = found.MPI_SOURCE - p->first;
        if (i < 0)
            UB_TRY(hear_above(p, &found));
        else if (p->peers[i].in != MPI_REQUEST_NULL)
            break; /* the message before it is complete by now, and must be taken first */
        else
            UB_TRY(begin_receive(p, i, &found));
    }
    for (int rank; (rank = ub_watch_missing(p->watch)) >= 0;)
        UB_TRY(p->ops->missing(p->self, rank, "its process is gone"));
    return UB_OK;
}

/* ---- the end ---- */

ub_status ub_farm_lose(ub_farm_pool *p, int rank)
{
    p->peers[rank - p->first].lost = true;
    return ub_sched_dead(p->sched, rank - p->first, p->now);
}

ub_status ub_farm_parted(ub_farm_pool *p, bool *parted)
{
    *parted = p->ending;
    for (int i = p->first == 0; i < p->count && p->ending; i++) {
        ub_farm_peer  *peer = &p->peers[i];
        ub_sched_stats s;
        if (!peer->mine || peer->parted || peer->lost)
            continue;
        *parted = false;
        if (!peer->awaited || p->awake - peer->since < p->patience_s)
            continue;
        ub_sched_measure(p->sched, &s);
        if (p->awake - peer->since > 3 * s.q95)
            UB_TRY(p->ops->missing(p->self, p->first + i, "silent for too long"));
    }
    return UB_OK;
}
