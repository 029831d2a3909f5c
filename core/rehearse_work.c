/* A rank at work: as the worker of mpi/farm does it. */
#include "core/internal/rehearse.h"
#include "core/rng.h"

static ub_status tell(session *s, int rank, message_kind kind)
{
    process *p = &s->process[rank];
    message  m = {.kind = kind, .from = p->local, .to = p->master};
    p->batch_since = s->now;
    return ub_session_send(s, s->now + s->plan->message_s, m, &p->batch);
}

bool ub_session_fails(const session *s, int rank, int64_t item)
{
    if (s->plan->fail_fraction <= 0)
        return false;
    ub_rng r = ub_rng_make(s->plan->seed ^ (uint64_t)item * 0x9E3779B97F4A7C15u,
                           UB_RNG_REHEARSE_FAILURE, (uint64_t)rank << 20 | (uint64_t)s->number);
    return ub_rng_uniform(&r) < s->plan->fail_fraction;
}

/* Add one answered item to the batch. */
static ub_status answered(session *s, process *p, int rank, int64_t item)
{
    bool  failed = ub_session_fails(s, rank, item);
    part *last = p->batch.items > 0 ? &s->part[p->batch.tail] : NULL;
    if (last != NULL && last->first + last->count == item && last->failed == failed) {
        last->count++;
        p->batch.items++;
        return UB_OK;
    }
    part one = {.first = item, .count = 1, .rank = rank, .factor = p->factor, .failed = failed};
    return ub_session_part(s, &p->batch, one);
}

static void drop_first(session *s, process *p)
{
    part *first = &s->part[p->todo.head];
    int   i = p->todo.head;
    p->todo.head = first->next;
    p->todo.items -= first->count;
    first->next = s->part_free;
    s->part_free = i;
    p->at = 0;
}

/* Work until something has to be said: the last item begins, the batch is full or old, nothing is
 * left.  The end of it is one event. */
static ub_status work(session *s, int rank)
{
    process *p = &s->process[rank];
    double   seconds = 0;
    p->working = true;
    p->step_began = s->now;
    while (p->todo.items > 0) {
        part   *first = &s->part[p->todo.head];
        bool    last = p->todo.items - p->at == 1;
        int64_t item = first->first + p->at;
        if (last && !p->asked) {
            if (seconds > 0)
                break;
            p->asked = true;
            UB_TRY(tell(s, rank, ASK));
        }
        UB_TRY(answered(s, p, rank, item));
        seconds += (double)(s->seconds[item] * p->factor);
        if (++p->at == s->part[p->todo.head].count)
            drop_first(s, p);
        if (p->batch.items >= BATCH_ANSWERS || s->now + seconds - p->batch_since > BATCH_SECONDS)
            break;
    }
    return ub_session_event(s, s->now + seconds, STEP, rank);
}

ub_status ub_session_grant(session *s, int rank, list *parts)
{
    process *p = &s->process[rank];
    ub_session_join(s, &p->todo, parts);
    p->asked = false;
    p->idle = false;
    return p->working ? UB_OK : work(s, rank);
}

ub_status ub_session_ask(session *s, int rank)
{
    s->process[rank].idle = true;
    return tell(s, rank, WANT);
}

ub_status ub_session_step(session *s, int rank)
{
    process *p = &s->process[rank];
    if (p->dead)
        return UB_OK;
    s->executed += s->now - p->step_began;
    p->working = false;
    if (p->todo.items == 0)
        return ub_session_ask(s, rank);
    if (p->batch.items >= BATCH_ANSWERS || s->now - p->batch_since > BATCH_SECONDS)
        UB_TRY(tell(s, rank, ANSWERS));
    return work(s, rank);
}
