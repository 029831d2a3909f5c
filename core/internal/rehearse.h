/* core/internal/rehearse.h - the simulated machine; see core/rehearse.h.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_REHEARSE_H
#define UB_CORE_INTERNAL_REHEARSE_H

#include "core/rehearse.h"

enum { BATCH_ANSWERS = 51, GATHER_ANSWERS = 16384 }; /* 2048 bytes of 40; of a sub-master */
static const double BATCH_SECONDS = 50e-3;

typedef enum event_kind { ARRIVES, SERVED, STEP, WAKE, GATHERED, DIES, STOPPED } event_kind;

typedef struct event {
    double     time;
    uint64_t   order; /* of events at one time */
    event_kind kind;
    int        who; /* message, master or rank */
} event;

/* Some items one after another: to be done, or answered by `rank` at 1/factor speed. */
typedef struct part {
    int64_t first;
    int     count, next, rank;
    float   factor;
    bool    failed;
} part;

typedef struct list {
    int     head, tail; /* parts, or -1 */
    int64_t items;
} list;

typedef enum message_kind { ANSWERS, ASK, WANT, GRANT, DEATH } message_kind;

typedef struct message {
    message_kind kind;
    int          from, to; /* rank of the receiver's machine; master, or rank for grants to one */
    bool         to_rank;
    list         parts;
    int          next;
} message;

typedef struct process {
    int    master, local; /* whose rank it is, and its number there */
    float  factor;
    bool   dead, idle, asked, working;
    list   todo, batch;
    int    at; /* items done of the first part of todo */
    double batch_since, step_began;
} process;

typedef struct master {
    ub_sched *sched;
    int       rank, parent, local; /* own number; master above, or -1; number there */
    int       first, count;        /* ranks below, in order; above sub-masters: those count */
    bool      busy, on_own, own_asked, over;
    int       inbox, inbox_tail, serving;
    list      own, up;
    double    service, wake, gather;
    bool      gathering;
} master;

/* One run from start to the end or to an interruption. */
typedef struct session {
    const ub_rehearsal *plan;
    const float        *seconds; /* of each item, n */
    uint8_t            *done;    /* answered items, n: in and out */
    ub_rehearsed       *out;
    int                 number; /* sessions before it */
    double              now, start;
    event              *heap;
    int                 events, events_cap;
    uint64_t            order;
    part               *part;
    int                 part_cap, part_free;
    message            *message;
    int                 message_cap, message_free;
    process            *process;
    master             *master;
    int                 masters;
    bool                interrupted;
    double              executed, counted; /* seconds worked; of answers that came first */
    int64_t             delivered;
    ub_status           failure;
} session;

/* rehearse.c: the times of the items, owned by the caller; a rehearsal with such times. */
UB_NODISCARD ub_status ub_rehearse_draw(const ub_rehearsal *plan, float **seconds);
UB_NODISCARD ub_status ub_rehearse_on(const ub_rehearsal *plan, const float *seconds,
                                      ub_rehearsed *out);

/* rehearse_pool.c */
UB_NODISCARD ub_status ub_session_event(session *s, double time, event_kind kind, int who);
event                  ub_session_pop(session *s);
UB_NODISCARD ub_status ub_session_part(session *s, list *to, part p);
void                   ub_session_drop(session *s, list *l);
void                   ub_session_join(session *s, list *to, list *from);
/* Sends: the parts are taken over, *parts is empty afterwards. */
UB_NODISCARD ub_status ub_session_send(session *s, double time, message m, list *parts);
void                   ub_session_free(session *s, int message);

/* rehearse_work.c: a rank at work. */
/* Does this try fail?  Keyed by the item, the rank and the session. */
bool                   ub_session_fails(const session *s, int rank, int64_t item);
UB_NODISCARD ub_status ub_session_grant(session *s, int rank, list *parts);
UB_NODISCARD ub_status ub_session_step(session *s, int rank);
UB_NODISCARD ub_status ub_session_ask(session *s, int rank);

/* rehearse_run.c: from start to end, or to s->interrupted. */
UB_NODISCARD ub_status ub_session_run(session *s);
void                   ub_session_release(session *s);

#endif /* UB_CORE_INTERNAL_REHEARSE_H */
