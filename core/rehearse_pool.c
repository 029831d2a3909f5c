/* Events in order of time, and pools of messages and of the parts in them. */
#include <string.h>

#include "core/internal/rehearse.h"
#include "core/mem.h"

/* Twice the room; `size` bytes an element. */
static ub_status grow(void *at, int *cap, size_t size)
{
    void **array = at, *bigger = NULL;
    int    room = *cap > 0 ? 2 * *cap : 1024;
    bigger = ub_alloc((size_t)room, size);
    UB_TRY(ub_mem_check(bigger, (size_t)room, size, "rehearsal"));
    if (*cap > 0)
        memcpy(bigger, *array, (size_t)*cap * size);
    ub_free(*array);
    *array = bigger;
    *cap = room;
    return UB_OK;
}

static bool before(const event *a, const event *b)
{
    return a->time < b->time || (a->time <= b->time && a->order < b->order);
}

ub_status ub_session_event(session *s, double time, event_kind kind, int who)
{
    if (s->events == s->events_cap)
        UB_TRY(grow(&s->heap, &s->events_cap, sizeof *s->heap));
    event e = {time, s->order++, kind, who};
    int   at = s->events++;
    for (; at > 0 && before(&e, &s->heap[(at - 1) / 4]); at = (at - 1) / 4)
        s->heap[at] = s->heap[(at - 1) / 4];
    s->heap[at] = e;
    return UB_OK;
}

event ub_session_pop(session *s)
{
    event top = s->heap[0], e = s->heap[--s->events];
    int   at = 0;
    for (int child; (child = 4 * at + 1) < s->events; at = child) {
        int last = child + 3 < s->events ? child + 3 : s->events - 1;
        for (int c = child + 1; c <= last; c++)
            if (before(&s->heap[c], &s->heap[child]))
                child = c;
        if (!before(&s->heap[child], &e))
            break;
        s->heap[at] = s->heap[child];
    }
    s->heap[at] = e;
    return top;
}

ub_status ub_session_part(session *s, list *to, part p)
{
    if (s->part_free < 0) {
        int old = s->part_cap;
        UB_TRY(grow(&s->part, &s->part_cap, sizeof *s->part));
        for (int i = old; i < s->part_cap; i++)
            s->part[i].next = i + 1 < s->part_cap ? i + 1 : -1;
        s->part_free = old;
    }
    int i = s->part_free;
    s->part_free = s->part[i].next;
    p.next = -1;
    s->part[i] = p;
    if (to->items == 0)
        to->head = i;
    else
        s->part[to->tail].next = i;
    to->tail = i;
    to->items += p.count;
    return UB_OK;
}

void ub_session_drop(session *s, list *l)
{
    if (l->items > 0) {
        s->part[l->tail].next = s->part_free;
        s->part_free = l->head;
    }
    *l = (list){-1, -1, 0};
}

void ub_session_join(session *s, list *to, list *from)
{
    if (to->items == 0) {
        *to = *from;
    } else if (from->items > 0) {
        s->part[to->tail].next = from->head;
        to->tail = from->tail;
        to->items += from->items;
    }
    *from = (list){-1, -1, 0};
}

ub_status ub_session_send(session *s, double time, message m, list *parts)
{
    if (s->message_free < 0) {
        int old = s->message_cap;
        UB_TRY(grow(&s->message, &s->message_cap, sizeof *s->message));
        for (int i = old; i < s->message_cap; i++)
            s->message[i].next = i + 1 < s->message_cap ? i + 1 : -1;
        s->message_free = old;
    }
    int i = s->message_free;
    s->message_free = s->message[i].next;
    m.next = -1;
    m.parts = (list){-1, -1, 0};
    if (parts != NULL)
        ub_session_join(s, &m.parts, parts);
    s->message[i] = m;
    return ub_session_event(s, time, ARRIVES, i);
}

void ub_session_free(session *s, int i)
{
    ub_session_drop(s, &s->message[i].parts);
    s->message[i].next = s->message_free;
    s->message_free = i;
}
