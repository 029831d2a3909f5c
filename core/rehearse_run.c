/* Masters, and the run from its start to its end. */
#include <math.h>

#include "core/internal/rehearse.h"
#include "core/mem.h"
#include "core/rng.h"

static bool works(const session *s, const master *m)
{
    return m->count == 0 || (s->plan->works && s->masters == 1);
}

/* The machine above sub-masters is numbered as all ranks are. */
static bool nested_top(const session *s, const master *m)
{
    return m->parent < 0 && s->masters > 1;
}

static int rank_below(const session *s, const master *m, int local)
{
    return nested_top(s, m) ? local : m->first + local - works(s, m);
}

/* Setting up. */

static void place(session *s, int index, int rank, int first, int count, int parent, int local)
{
    master *m = &s->master[index];
    *m = (master){.rank = rank,
                  .first = first,
                  .count = count,
                  .parent = parent,
                  .local = local,
                  .inbox = -1,
                  .wake = INFINITY,
                  .own = {-1, -1, 0},
                  .up = {-1, -1, 0}};
    s->process[rank].master = index;
    for (int r = first; r < first + count; r++) {
        s->process[r].master = index;
        s->process[r].local = r - first + works(s, m);
    }
}

static ub_status make_tree(session *s)
{
    const ub_rehearsal *p = s->plan;
    ub_sched_config     flat = {.items = p->items,
                                .policy = p->policy,
                                .floor = p->floor,
                                .retry = p->retry,
                                .overdue = p->overdue,
                                .lag = 2 * p->message_s,
                                .overhead = 2 * p->message_s + p->request_s,
                                .sigma = p->item_s * p->item_cv};
    int                 groups = s->masters - 1, *width = NULL;
    if (groups == 0) {
        place(s, 0, 0, 1, p->ranks - 1, -1, 0);
        flat.ranks = p->ranks - 1 + works(s, &s->master[0]);
        UB_TRY(ub_sched_create(&flat, &s->master[0].sched));
        if (works(s, &s->master[0]) && p->ranks > 1)
            ub_sched_limit(s->master[0].sched, 0, 1); /* as rank 0 of the farm */
        return UB_OK;
    }
    ub_status st = UB_ALLOC(width, p->ranks);
    place(s, 0, 0, 1, groups, -1, 0);
    double gather = ub_sched_gather(groups, p->request_s);
    for (int g = 0; st == UB_OK && g < groups; g++) {
        int begin = ub_sched_group_begin(p->ranks, groups, g);
        int count = ub_sched_group_begin(p->ranks, groups, g + 1) - begin - 1;
        place(s, g + 1, begin, begin + 1, count, 0, begin);
        master *m = &s->master[g + 1];
        m->gather = gather;
        width[begin] = count;
        ub_sched_config below = ub_sched_below(&flat, count);
        st = ub_sched_create(&below, &m->sched);
    }
    ub_sched_config above = ub_sched_above(&flat, p->ranks, width, 2 * gather);
    if (st == UB_OK)
        st = ub_sched_create(&above, &s->master[0].sched);
    ub_free(width);
    return st;
}

/* When a rank or its node dies, exponentially; `deaths` ranks in any case, evenly over the time an
 * undisturbed run would take. */
static ub_status plan_deaths(session *s)
{
    const ub_rehearsal *p = s->plan;
    uint64_t            round = (uint64_t)s->number << 40;
    for (int r = 0; r < p->ranks && (p->rank_mtbf_s > 0 || p->node_mtbf_s > 0); r++) {
        double at = INFINITY;
        if (p->rank_mtbf_s > 0) {
            ub_rng g =
                ub_rng_make(p->seed, UB_RNG_REHEARSE_RANK, (uint64_t)1 << 32 | round | (uint64_t)r);
            at = -p->rank_mtbf_s * log(ub_rng_uniform(&g));
        }
        if (p->node_mtbf_s > 0) {
            uint64_t node = (uint64_t)(r / p->node_ranks);
            ub_rng g = ub_rng_make(p->seed, UB_RNG_REHEARSE_RANK, (uint64_t)2 << 32 | round | node);
            at = fmin(at, -p->node_mtbf_s * log(ub_rng_uniform(&g)));
        }
        UB_TRY(ub_session_event(s, s->start + at, DIES, r));
    }
    ub_rng g = ub_rng_make(p->seed, UB_RNG_REHEARSE_RANK, (uint64_t)3 << 32);
    for (int i = 0; s->number == 0 && p->ranks > 1 && i < p->deaths; i++) {
        int r = 1 + (int)ub_rng_below(&g, (uint64_t)p->ranks - 1);
        UB_TRY(ub_session_event(s, ub_rng_uniform(&g) * s->out->work / p->ranks, DIES, r));
    }
    return UB_OK;
}

static bool is_slow(const ub_rehearsal *p, int rank)
{
    uint64_t who = p->slow_nodes && p->slow_fraction > 0
                       ? (uint64_t)4 << 32 | (uint64_t)(rank / p->node_ranks)
                       : (uint64_t)rank;
    ub_rng   g = ub_rng_make(p->seed, UB_RNG_REHEARSE_RANK, who);
    return ub_rng_uniform(&g) < p->slow_fraction;
}

static ub_status begin(session *s)
{
    const ub_rehearsal *p = s->plan;
    s->part_free = s->message_free = -1;
    s->now = s->start;
    s->masters = 1 + ub_sched_groups(p->ranks, p->group);
    UB_TRY(UB_ALLOC(s->process, p->ranks));
    UB_TRY(UB_ALLOC(s->master, s->masters));
    for (int r = 0; r < p->ranks; r++) {
        bool slow = is_slow(p, r);
        s->process[r] = (process){.factor = slow ? (float)p->slow_factor : 1.0f,
                                  .idle = true,
                                  .todo = {-1, -1, 0},
                                  .batch = {-1, -1, 0},
                                  .batch_since = s->start};
    }
    UB_TRY(make_tree(s));
    for (int64_t item = 0; item < p->items; item++)
        if (s->done[item])
            ub_sched_known(s->master[0].sched, item);
    UB_TRY(plan_deaths(s));
    if (p->preempt_s > 0 && s->number == 0)
        UB_TRY(ub_session_event(s, p->preempt_s, STOPPED, 0));
    for (int i = 0; i < s->masters; i++) /* the masters know their ranks from the beginning */
        for (int local = works(s, &s->master[i]);
             !nested_top(s, &s->master[i]) && local < s->master[i].count + works(s, &s->master[i]);
             local++)
            ub_sched_request(s->master[i].sched, local, UB_SCHED_IDLE, s->now);
    return UB_OK;
}

void ub_session_release(session *s)
{
    for (int i = 0; s->master != NULL && i < s->masters; i++)
        ub_sched_destroy(&s->master[i].sched);
    ub_free(s->heap);
    ub_free(s->part);
    ub_free(s->message);
    ub_free(s->process);
    ub_free(s->master);
}

/* What a master does. */

static ub_status send_up(session *s, master *m, message_kind kind)
{
    message msg = {.kind = kind, .from = m->local, .to = m->parent};
    return ub_session_send(s, s->now + s->plan->message_s, msg, &m->up);
}

static ub_status give(session *s, master *m, const ub_sched_action *a)
{
    list parts = {-1, -1, 0};
    for (int i = 0; i < a->count; i++)
        UB_TRY(ub_session_part(
            s, &parts, (part){.first = a->range[i].first, .count = (int)a->range[i].count}));
    if (works(s, m) && a->rank == 0) {
        ub_session_join(s, &m->own, &parts);
        m->own_asked = false;
        return UB_OK;
    }
    message msg = {.kind = GRANT, .to = rank_below(s, m, a->rank)};
    int     below = s->process[msg.to].master;
    msg.to_rank = below == (int)(m - s->master);
    if (!msg.to_rank)
        msg.to = below;
    return ub_session_send(s, s->now + s->plan->message_s, msg, &parts);
}

/* Perform what the machine decides. */
static ub_status act(session *s, int index)
{
    master         *m = &s->master[index];
    ub_sched_action a;
    for (;;) {
        UB_TRY(ub_sched_next(m->sched, s->now, &a));
        if (a.act == UB_SCHED_NOTHING)
            break;
        if (a.act == UB_SCHED_GIVE)
            UB_TRY(give(s, m, &a));
        else if (a.act == UB_SCHED_MORE)
            UB_TRY(send_up(s, m, WANT));
    }
    double wake = ub_sched_wake(m->sched);
    if (wake < m->wake) {
        m->wake = fmax(wake, s->now);
        UB_TRY(ub_session_event(s, m->wake, WAKE, index));
    }
    return UB_OK;
}

/* Answers go up when there are many, after a while, and at once when nothing is in work. */
static ub_status gather(session *s, int index)
{
    master        *m = &s->master[index];
    ub_sched_stats now;
    if (m->parent < 0 || m->up.items == 0)
        return UB_OK;
    ub_sched_measure(m->sched, &now);
    if (m->up.items >= GATHER_ANSWERS || now.waiting + now.out == 0)
        return send_up(s, m, ANSWERS);
    if (m->gathering)
        return UB_OK;
    m->gathering = true;
    return ub_session_event(s, s->now + m->gather, GATHERED, index);
}

static ub_status take_answers(session *s, master *m, const message *msg, list *up)
{
    int next;
    for (int i = msg->parts.items > 0 ? msg->parts.head : -1; i >= 0; i = next) {
        part p = s->part[i];
        bool news = p.failed;
        next = p.next;
        for (int64_t item = p.first; item < p.first + p.count; item++) {
            double seconds = (double)(s->seconds[item] * p.factor);
            if (p.failed) {
                UB_TRY(ub_sched_fail(m->sched, msg->from, item, s->now, NULL));
                continue;
            }
            bool first =
                ub_sched_answer(m->sched, msg->from, item, seconds, s->now) == UB_SCHED_FIRST;
            news = news || first;
            s->delivered += !nested_top(s, m) || msg->from == p.rank;
            if (m->parent < 0 && first) {
                s->done[item] = 1;
                s->counted += seconds;
            }
        }
        if (m->parent >= 0 && news)
            UB_TRY(ub_session_part(s, up, p));
    }
    return UB_OK;
}

/* The ranks of a dead sub-master go on with rank 0: they drop what they hold and ask. */
static ub_status adopt(session *s, const master *dead)
{
    for (int r = dead->first; r < dead->first + dead->count; r++) {
        process *p = &s->process[r];
        if (p->dead)
            continue;
        p->master = 0;
        p->local = r;
        ub_session_drop(s, &p->todo);
        p->at = 0;
        if (!p->working) /* else when its step ends */
            UB_TRY(ub_session_ask(s, r));
    }
    return UB_OK;
}

static ub_status apply(session *s, int index, int i)
{
    master *m = &s->master[index];
    message msg = s->message[i];
    list    up = {-1, -1, 0};
    s->out->messages += msg.kind != DEATH;
    switch (msg.kind) {
    case DEATH:
        UB_TRY(ub_sched_dead(m->sched, msg.from, s->now));
        if (nested_top(s, m) && s->process[msg.from].master > 0)
            UB_TRY(adopt(s, &s->master[s->process[msg.from].master]));
        break;
    case GRANT:
        for (int p = msg.parts.items > 0 ? msg.parts.head : -1; p >= 0; p = s->part[p].next)
            UB_TRY(ub_sched_add(m->sched, s->part[p].first, s->part[p].count));
        break;
    case ANSWERS:
    case ASK:
    case WANT:
        UB_TRY(take_answers(s, m, &msg, &up));
        if (msg.kind != ANSWERS)
            ub_sched_request(m->sched, msg.from, msg.kind == ASK ? UB_SCHED_ASK : UB_SCHED_IDLE,
                             s->now);
        ub_session_join(s, &m->up, &up);
        break;
    }
    ub_session_free(s, i);
    return UB_OK;
}

/* Begin with the next message, or with an item of its own. */
static ub_status turn(session *s, int index)
{
    master *m = &s->master[index];
    if (m->busy || s->process[m->rank].dead)
        return UB_OK;
    if (m->inbox >= 0) {
        m->serving = m->inbox;
        message *msg = &s->message[m->serving];
        double   cost = msg->kind == DEATH
                            ? 0
                            : s->plan->request_s +
                                s->plan->answer_s * (double)msg->parts.items * (msg->kind != GRANT);
        m->inbox = msg->next;
        m->busy = true;
        m->service += cost;
        return ub_session_event(s, s->now + cost, SERVED, index);
    }
    if (!works(s, m) || ub_sched_finished(m->sched))
        return UB_OK;
    if (m->own.items == 0 && !m->own_asked) {
        m->own_asked = true;
        ub_sched_request(m->sched, 0, UB_SCHED_IDLE, s->now);
        UB_TRY(act(s, index));
    }
    if (m->own.items == 0)
        return UB_OK;
    process *p = &s->process[m->rank];
    m->busy = m->on_own = true;
    p->step_began = s->now;
    return ub_session_event(
        s, s->now + (double)(s->seconds[s->part[m->own.head].first] * p->factor), SERVED, index);
}

/* The item of its own is done: as if it had sent the answer to itself. */
static ub_status end_own(session *s, int index)
{
    master *m = &s->master[index];
    s->executed += s->now - s->process[m->rank].step_began;
    m->on_own = false;
    list done = {-1, -1, 0}, up = {-1, -1, 0};
    part p = s->part[m->own.head];
    p.factor = s->process[m->rank].factor;
    p.count = 1;
    p.failed = ub_session_fails(s, m->rank, p.first);
    UB_TRY(ub_session_part(s, &done, p));
    part *head = &s->part[m->own.head];
    head->first++;
    m->own.items--;
    if (--head->count == 0) {
        list rest = {head->next, m->own.tail, m->own.items};
        list one = {m->own.head, m->own.head, 1};
        ub_session_drop(s, &one);
        m->own = rest.items > 0 ? rest : (list){-1, -1, 0};
    }
    UB_TRY(take_answers(s, m, &(message){.from = 0, .parts = done}, &up));
    ub_session_drop(s, &done);
    ub_session_join(s, &m->up, &up);
    return UB_OK;
}

static ub_status served(session *s, int index)
{
    master *m = &s->master[index];
    if (s->process[m->rank].dead)
        return UB_OK;
    m->busy = false;
    UB_TRY(m->on_own ? end_own(s, index) : apply(s, index, m->serving));
    UB_TRY(act(s, index));
    UB_TRY(gather(s, index));
    return turn(s, index);
}

static ub_status arrives(session *s, int i)
{
    message *msg = &s->message[i];
    if (msg->to_rank) {
        if (!s->process[msg->to].dead)
            UB_TRY(ub_session_grant(s, msg->to, &msg->parts));
        ub_session_free(s, i);
        return UB_OK;
    }
    master *m = &s->master[msg->to];
    msg->next = -1;
    if (m->inbox < 0)
        m->inbox = i;
    else
        s->message[m->inbox_tail].next = i;
    m->inbox_tail = i;
    return turn(s, msg->to);
}

static void stop_working(session *s, int rank)
{
    process *p = &s->process[rank];
    master  *m = &s->master[p->master];
    if (p->working || (m->rank == rank && m->on_own))
        s->executed += s->now - p->step_began;
    p->working = false;
    p->dead = true;
}

static ub_status dies(session *s, int rank)
{
    master *m = &s->master[s->process[rank].master];
    if (rank == 0 || s->process[rank].dead) {
        s->interrupted = s->interrupted || rank == 0;
        return UB_OK;
    }
    message msg = {.kind = DEATH, .from = s->process[rank].local, .to = s->process[rank].master};
    s->out->deaths++;
    stop_working(s, rank);
    if (m->rank == rank) {
        msg.from = m->local;
        msg.to = m->parent;
    }
    return ub_session_send(s, s->now + s->plan->detect_s, msg, NULL);
}

static ub_status happen(session *s, const event *e)
{
    master *m = &s->master[e->who]; /* if it is one */
    switch (e->kind) {
    case ARRIVES:
        return arrives(s, e->who);
    case SERVED:
        return served(s, e->who);
    case STEP:
        return ub_session_step(s, e->who);
    case WAKE:
        m->wake = INFINITY;
        if (m->busy || s->process[m->rank].dead)
            return UB_OK; /* it will act when it has ended what it does */
        UB_TRY(act(s, e->who));
        return turn(s, e->who);
    case GATHERED:
        m->gathering = false;
        if (s->process[m->rank].dead || m->up.items == 0)
            return UB_OK;
        return send_up(s, m, ANSWERS);
    case DIES:
        return dies(s, e->who);
    case STOPPED:
        s->interrupted = true;
        return UB_OK;
    }
    return UB_OK;
}

static void account(session *s)
{
    ub_rehearsed *out = s->out;
    for (int r = 0; r < s->plan->ranks; r++)
        if (!s->process[r].dead)
            stop_working(s, r); /* what is still in work came too late */
    for (int i = 0; i < s->masters; i++) {
        ub_sched_stats now;
        ub_sched_measure(s->master[i].sched, &now);
        out->chunks += now.chunks;
        out->reissued += now.reissued;
        out->aside += i == 0 && !s->interrupted ? now.aside : 0;
        if (s->now > s->start)
            out->master = fmax(out->master, s->master[i].service / (s->now - s->start));
    }
    if (s->now > s->start)
        out->top = s->master[0].service / (s->now - s->start);
    out->groups = s->masters - 1;
    out->duplicates += s->delivered;
    out->lost += s->executed - s->counted;
    out->makespan = s->now;
}

ub_status ub_session_run(session *s)
{
    UB_TRY(begin(s));
    for (int i = 0; i < s->masters; i++) {
        UB_TRY(act(s, i));
        UB_TRY(turn(s, i));
    }
    while (!s->interrupted && !ub_sched_finished(s->master[0].sched)) {
        if (s->events == 0) { /* nobody is left */
            s->interrupted = true;
            break;
        }
        event e = ub_session_pop(s);
        s->now = e.time;
        UB_TRY(happen(s, &e));
    }
    account(s);
    return UB_OK;
}
