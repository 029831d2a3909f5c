/* Both sides of the farm, and what becomes of the communicator. */
#include "mpi/farm.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "mpi/internal/farm.h"

/* Without the lost ranks, if any. */
static ub_status go_on(ub_comm *c, const int *lost, int count)
{
    int      *left = NULL, n = 0, at = 0;
    bool      given_up = false;
    ub_status st = UB_OK;
    if (count == 0)
        return UB_OK;
    UB_TRY(UB_ALLOC(left, c->size));
    for (int rank = 0; rank < c->size; rank++) {
        bool is_lost = at < count && lost[at] == rank;
        at += is_lost;
        given_up = given_up || (is_lost && rank == c->rank);
        if (!is_lost)
            left[n++] = rank;
    }
    if (given_up) {
        st = UB_FAIL(UB_EMPI, "rank %d was silent for too long; the others went on without it",
                     c->rank);
        *c = (ub_comm){.mpi = MPI_COMM_NULL, .wounded = true};
    } else {
        st = ub_comm_shrink(c, left, n);
    }
    ub_free(left);
    return st;
}

/* One farm under one plan; items before `first` are answered. */
static ub_status run_plan(ub_comm *c, int64_t first, int64_t items, const ub_farm_plan *plan,
                          const ub_farm_ops *ops, void *self, ub_farm_stats *stats)
{
    ub_farm_close verdict = {.status = UB_OK};
    int          *lost = NULL;
    ub_status     st = UB_OK;
    ub_watch_tolerate(plan->watch, true);
    if (c->rank == 0)
        st = ub_farm_master(c, first, items, plan, ops, self, stats, &verdict, &lost);
    else
        st = ub_farm_worker(c, plan->watch, ops, self, &verdict, &lost);
    if (st == UB_OK)
        st = go_on(c, lost, verdict.lost);
    else if (st != UB_EMPI) /* the others wait for this rank: nothing collective may follow */
        st = UB_FAIL(UB_EMPI, "farm: %s", ub_err_message());
    ub_watch_tolerate(plan->watch, false);
    ub_free(lost);
    UB_TRY(st);
    return verdict.status == UB_OK ? UB_OK : UB_FAIL(verdict.status, "%s", verdict.sentence);
}

/* What the measured items cost is part of the whole. */
static void add(const ub_farm_stats *a, ub_farm_stats *to)
{
    double seconds = a->seconds + to->seconds;
    to->busy = seconds > 0 ? (a->busy * a->seconds + to->busy * to->seconds) / seconds : 0;
    to->seconds = seconds;
    to->items += a->items;
    to->messages += a->messages;
    to->bytes += a->bytes;
    to->reissued += a->reissued;
    to->duplicates += a->duplicates;
    to->failures += a->failures;
    to->lost += a->lost;
}

ub_status ub_farm_run(ub_comm *c, int64_t items, const ub_farm_plan *plan, const ub_farm_ops *ops,
                      void *self, ub_farm_stats *stats)
{
    static const ub_farm_plan defaults;
    ub_farm_plan              tuned;
    ub_farm_stats             first = {0}, s = {0};
    int64_t                   done = 0;
    ub_status                 st = UB_OK;
    if (plan == NULL)
        plan = &defaults;
    if (stats != NULL)
        *stats = s;
    if (items < 0)
        st = UB_FAIL(UB_EARG, "%lld items", (long long)items);
    UB_TRY(ub_comm_agree(c, st));
    if (plan->policy != NULL && strcmp(plan->policy, "auto") == 0) {
        st = ub_farm_tuned(c, items, plan, ops, self, &tuned, &done, &first);
        plan = &tuned;
    }
    if (st == UB_OK)
        st = run_plan(c, done, items, plan, ops, self, &s);
    add(&first, &s);
    if (stats != NULL && c->rank == 0)
        *stats = s;
    return st;
}
