/* Policy, floor and sub-masters of a farm from what can be measured here: message cost, and the
 * times of its first items. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/rehearse.h"
#include "mpi/internal/farm.h"

enum {
    WORTH = 32, /* items a rank from which tuning is worth it */
    FIRST = 2,  /* items a rank that are measured */
    TRIPS = 50,
    SMALL = 64 /* bytes of a message */
};

/* Seconds of a simulated item, and the part of the run that simulating may take. */
static const double ITEM_S = 3e-7, PART = 2e-3;

/* The first items of a farm as a farm of their own. */
typedef struct head {
    const ub_farm_ops *ops;
    void              *self;
    int64_t            known, items; /* answered items behind the head; all items */
} head;

static ub_status work(void *self, int64_t item, ub_bytes *answer)
{
    const head *h = self;
    return h->ops->work(h->self, item, answer);
}

static ub_status absorb(void *self, int64_t item, const unsigned char *answer, size_t len)
{
    const head *h = self;
    return h->ops->absorb(h->self, item, answer, len);
}

static bool has(void *self, int64_t item)
{
    const head *h = self;
    return h->ops->has != NULL && h->ops->has(h->self, item);
}

static bool stop(void *self)
{
    const head *h = self;
    return h->ops->stop != NULL && h->ops->stop(h->self);
}

static void progress(void *self, int64_t done, int64_t items)
{
    const head *h = self;
    (void)items;
    if (h->ops->progress != NULL)
        h->ops->progress(h->self, done + h->known, h->items);
}

static void rank_of(void *self, int rank, const ub_farm_rank *how)
{
    const head *h = self;
    if (h->ops->rank != NULL)
        h->ops->rank(h->self, rank, how);
}

static ub_status tick(void *self)
{
    const head *h = self;
    return h->ops->tick == NULL ? UB_OK : h->ops->tick(h->self);
}

/* Seconds of a small message between rank 0 and the last rank: the median of some round trips. */
static ub_status time_message(const ub_comm *c, double *seconds)
{
    char   text[SMALL] = "";
    double trip[TRIPS] = {0};
    int    last = c->size - 1, other = c->rank == 0 ? last : 0;
    for (int i = 0; i < TRIPS && (c->rank == 0 || c->rank == last); i++) {
        double start = ub_clock();
        if (c->rank == 0)
            UB_TRY_MPI(MPI_Send(text, SMALL, MPI_BYTE, other, 0, c->mpi));
        UB_TRY_MPI(MPI_Recv(text, SMALL, MPI_BYTE, other, 0, c->mpi, MPI_STATUS_IGNORE));
        if (c->rank == last)
            UB_TRY_MPI(MPI_Send(text, SMALL, MPI_BYTE, other, 0, c->mpi));
        trip[i] = ub_clock() - start;
        for (int j = i; j > 0 && trip[j] < trip[j - 1]; j--) {
            double t = trip[j];
            trip[j] = trip[j - 1];
            trip[j - 1] = t;
        }
    }
    *seconds = trip[TRIPS / 2] / 2;
    return UB_OK;
}

/* Rank 0: from the measurements to a plan; one line why. */
static ub_status choose(const ub_comm *c, int64_t left, double message_s,
                        const ub_farm_stats *measured, ub_farm_plan *plan, char *why, size_t room)
{
    double        mean = fmax(measured->item_mean, 1e-7);
    ub_rehearsal  world = {.seed = 1,
                           .items = left,
                           .ranks = c->size,
                           .floor = plan->floor,
                           .group = plan->group == 0 ? -1 : plan->group,
                           .retry = plan->retry > 0 ? plan->retry : 3,
                           .overdue = plan->overdue,
                           .item_s = mean,
                           .item_cv = measured->item_sigma / mean,
                           .message_s = message_s,
                           .request_s = message_s,
                           .answer_s = message_s / 10};
    ub_sched_pick pick;
    double        afford = PART * (double)left * mean / c->size / ITEM_S;
    int64_t       budget = plan->simulate;
    if (afford < (double)budget)
        budget = afford < 128.0 * c->size ? 0 : (int64_t)afford;
    UB_TRY(ub_sched_choose(&world, budget, &pick));
    plan->policy = pick.policy->name;
    plan->floor = pick.floor;
    plan->group = pick.group > 1 ? pick.group : 1;
    plan->message_s = message_s;
    plan->only_master = !pick.works;
    (void)snprintf(why, room, "%s", pick.why);
    return UB_OK;
}

/* How many items from the first on hold `wanted` that are not answered; *known: answered ones
 * behind them, *left: others. */
static int64_t head_of(head *h, int64_t wanted, int64_t *known, int64_t *left)
{
    int64_t bound = 0;
    for (; bound < h->items && wanted > 0; bound++)
        wanted -= !has(h, bound);
    *known = *left = 0;
    for (int64_t i = bound; i < h->items; i++)
        *(has(h, i) ? known : left) += 1;
    return bound;
}

int64_t ub_farm_head(int64_t items, int ranks)
{
    return ranks > 1 && items >= (int64_t)WORTH * ranks ? (int64_t)FIRST * ranks : 0;
}

ub_status ub_farm_tuned(ub_comm *c, int64_t items, const ub_farm_plan *wanted,
                        const ub_farm_ops *ops, void *self, ub_farm_plan *plan, int64_t *done,
                        ub_farm_stats *stats)
{
    static const ub_farm_ops of_head = {work, absorb, has, stop, progress, rank_of, tick};
    head                     h = {.ops = ops, .self = self, .items = items};
    double                   message_s = 0;
    int64_t                  left = 0, bound = 0;
    int                      worth = 0;
    char                     why[256] = "factoring: too few items to measure anything";
    *plan = *wanted;
    plan->policy = NULL;
    *done = 0;
    if (c->rank == 0) {
        bound = head_of(&h, (int64_t)FIRST * c->size, &h.known, &left);
        worth = ub_farm_head(left + (int64_t)FIRST * c->size, c->size) > 0;
    }
    UB_TRY_MPI(MPI_Bcast(&worth, 1, MPI_INT, 0, c->mpi));
    if (worth) {
        ub_farm_plan one = *wanted;
        one.policy = "self";
        UB_TRY(time_message(c, &message_s));
        ub_status st = ub_farm_run(c, bound, &one, &of_head, &h, stats);
        if (st == UB_ESTOP || st == UB_EMPI || (st != UB_OK && ops->has == NULL))
            return st;
        if (st == UB_OK) /* else the farm itself will meet the same failure */
            *done = bound;
        if (c->rank == 0 && st == UB_OK)
            UB_TRY(choose(c, left, message_s, stats, plan, why, sizeof why));
    }
    if (c->rank == 0 && c->size > 1)
        ub_log0_info("farm-plan", "left=%lld item_ms=%.3g sd_ms=%.3g message_us=%.3g why='%s'",
                     (long long)left, 1e3 * stats->item_mean, 1e3 * stats->item_sigma,
                     1e6 * message_s, why);
    return UB_OK;
}
