/* At which steps there is a checkpoint. */
#include <math.h>

#include "core/log.h"
#include "io/checkpoint.h"

ub_ckpt_pace ub_ckpt_pace_begin(int64_t every, double budget, int64_t step)
{
    double now = ub_clock();
    return (ub_ckpt_pace){.every = every,
                          .look = step + 1,
                          .asked = step,
                          .asked_at = now,
                          .pace = ub_pace_begin(budget, UB_PACE_LEAST_S, now)};
}

/* Rank 0: half way to when it will be due, by how long a step took of late.  Steps that become
 * twice as slow do not make it late, and if they become faster it is asked once more. */
static int64_t next_look(ub_ckpt_pace *p, int64_t step, bool due, double now)
{
    double left = due ? ub_pace_pause(&p->pace) : ub_pace_left(&p->pace, now);
    double seconds = (now - p->asked_at) / (double)(step - p->asked); /* of a step */
    p->asked = step;
    p->asked_at = now;
    return step + (int64_t)fmax(1, fmin(left / fmax(2 * seconds, 1e-9), 1e12));
}

ub_status ub_ckpt_due(const ub_comm *c, ub_ckpt_pace *p, int64_t step, bool *due)
{
    struct {
        int64_t due, look;
    } said = {0, 0};
    *due = p->every > 0 && step > 0 && step % p->every == 0;
    if (p->every > 0 || step < p->look)
        return UB_OK;
    if (c->rank == 0) {
        double now = ub_clock();
        said.due = ub_pace_left(&p->pace, now) <= 0;
        said.look = next_look(p, step, said.due, now);
    }
    UB_TRY(ub_comm_bcast(c, &said, sizeof said));
    *due = said.due;
    p->look = said.look;
    return UB_OK;
}

void ub_ckpt_saved(ub_ckpt_pace *p, int64_t step, double seconds)
{
    double now = ub_clock();
    ub_pace_saved(&p->pace, seconds, now);
    p->asked = step; /* what it took is no part of a step's time */
    p->asked_at = now;
}
