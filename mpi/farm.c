/* Both sides of the farm, and what becomes of the communicator. */
#include "mpi/farm.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/rehearse.h"
#include "mpi/internal/farm.h"

/* Without the lost ranks, if any. */
static ub_status go_on(ub_comm *c, ub_watch *watch, const int *lost, int count)
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
        ub_watch_follow(watch, left, n);
        st = ub_comm_shrink(c, left, n);
    }
    ub_free(left);
    return st;
}

ub_status ub_farm_fits(int64_t item, const ub_bytes *answer)
{
    enum { ROOM = 1 << 16 }; /* of the rest of its message */
    const size_t most = INT_MAX - ROOM;
    if (answer->len > most)
        return UB_FAIL(UB_ERANGE, "the answer of item %lld has %zu bytes, one message holds %zu",
                       (long long)item, answer->len, most);
    return UB_OK;
}

bool ub_farm_wants_stop(const ub_farm_side *side)
{
    return side->ops->stop != NULL && side->ops->stop(side->self);
}

ub_sched_config ub_farm_config(const ub_farm_side *side)
{
    const ub_farm_terms *t = side->terms;
    return (ub_sched_config){.items = t->items,
                             .ranks = side->c->size,
                             .policy = ub_sched_policy_find(t->policy),
                             .floor = t->floor,
                             .retry = t->retry,
                             .overdue = t->overdue,
                             .lag = 1};
}

ub_status ub_farm_probe(const ub_comm *c, int source, MPI_Status *found, int *here)
{
    UB_TRY_MPI(MPI_Iprobe(source, MPI_ANY_TAG, c->mpi, here, found));
    if (!*here)
        UB_TRY_MPI(MPI_Iprobe(source, MPI_ANY_TAG, c->mpi, here, found));
    return UB_OK;
}

void ub_farm_rest(double since, double now)
{
    static const double          AT_ONCE = 10e-6, QUIET = 5e-3;
    static const struct timespec nap = {.tv_nsec = 50000};
    if (now - since < AT_ONCE)
        return;
    if (now - since < QUIET)
        (void)sched_yield();
    else
        (void)nanosleep(&nap, NULL);
}

/* The group of a rank > 0: *begin .. *end - 1. */
static void group_of(const ub_farm_side *side, int rank, int *begin, int *end)
{
    int groups = side->terms->groups, size = side->c->size, g = 0;
    while (ub_sched_group_begin(size, groups, g + 1) <= rank)
        g++;
    *begin = ub_sched_group_begin(size, groups, g);
    *end = ub_sched_group_begin(size, groups, g + 1);
}

int ub_farm_master_of(const ub_farm_side *side, int rank)
{
    int begin, end;
    if (side->terms->groups == 0 || rank == 0)
        return 0;
    group_of(side, rank, &begin, &end);
    return rank == begin ? 0 : begin;
}

int ub_farm_behind(const ub_farm_side *side, int rank)
{
    int begin, end;
    if (side->terms->groups == 0 || rank == 0)
        return 0;
    group_of(side, rank, &begin, &end);
    return rank == begin ? end - begin - 1 : 0;
}

/* Rank 0's plan, on all ranks. */
static ub_status agree_on(const ub_comm *c, int64_t items, const ub_farm_plan *plan,
                          ub_farm_terms *t)
{
    static const double ASSUMED = 5e-6; /* seconds of a message */
    int                 group = plan->group > 0 ? plan->group : ub_sched_group_usual(c->size);
    *t = (ub_farm_terms){.items = items,
                         .floor = plan->floor > 0 ? plan->floor : 1,
                         .groups = ub_sched_groups(c->size, group),
                         .retry = plan->retry > 0 ? plan->retry : 3,
                         .only_master = plan->only_master,
                         .overdue = plan->overdue,
                         .patience_s = plan->patience_s > 0 ? plan->patience_s : 60};
    t->gather_s = ub_sched_gather(t->groups, plan->message_s > 0 ? plan->message_s : ASSUMED);
    (void)snprintf(t->policy, sizeof t->policy, "%s", plan->policy ? plan->policy : "fac2");
    return ub_comm_bcast(c, t, sizeof *t);
}

/* How it ended, from the CLOSE that has come. */
static ub_status read_close(const ub_comm *c, ub_farm_close *verdict, int **lost)
{
    MPI_Status found;
    ub_bytes   in = {0};
    int        bytes = 0;
    size_t     at = 0;
    ub_status  st = UB_OK;
    UB_TRY_MPI(MPI_Probe(0, UB_FARM_CLOSE, c->mpi, &found));
    UB_TRY_MPI(MPI_Get_count(&found, MPI_BYTE, &bytes));
    UB_TRY_OUT(UB_ALLOC(in.data, bytes));
    UB_TRY_OUT(ub_mpi_status(
        MPI_Recv(in.data, bytes, MPI_BYTE, 0, UB_FARM_CLOSE, c->mpi, MPI_STATUS_IGNORE),
        "MPI_Recv"));
    UB_TRY_OUT(ub_bytes_take(in.data, (size_t)bytes, &at, verdict, sizeof *verdict));
    UB_TRY_OUT(UB_ALLOC(*lost, verdict->lost));
    UB_TRY_OUT(
        ub_bytes_take(in.data, (size_t)bytes, &at, *lost, (size_t)verdict->lost * sizeof **lost));
out:
    ub_bytes_release(&in);
    return st;
}

/* One farm under one plan; items before `first` are answered. */
static ub_status run_plan(ub_comm *c, MPI_Group before, int64_t first, int64_t items,
                          const ub_farm_plan *plan, const ub_farm_ops *ops, void *self,
                          ub_farm_stats *stats)
{
    ub_farm_close verdict = {.status = UB_OK};
    ub_farm_terms terms;
    ub_farm_side  side = {
         .c = c, .watch = plan->watch, .terms = &terms, .ops = ops, .self = self, .before = before};
    int      *lost = NULL;
    ub_status st = UB_OK;
    UB_TRY(agree_on(c, items, plan, &terms));
    ub_watch_tolerate(plan->watch, true);
    if (c->rank == 0)
        st = ub_farm_master(&side, first, stats, &verdict, &lost);
    else if (ub_farm_behind(&side, c->rank) > 0)
        st = ub_farm_sub_master(&side);
    else
        st = ub_farm_worker(&side);
    if (st == UB_OK && c->rank != 0)
        st = read_close(c, &verdict, &lost);
    if (st == UB_OK)
        st = go_on(c, plan->watch, lost, verdict.lost);
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
    to->cut = to->cut || a->cut;
}

ub_status ub_farm_run(ub_comm *c, int64_t items, const ub_farm_plan *plan, const ub_farm_ops *ops,
                      void *self, ub_farm_stats *stats)
{
    static const ub_farm_plan defaults;
    ub_farm_plan              tuned;
    ub_farm_stats             first = {0}, s = {0};
    int64_t                   done = 0;
    MPI_Group                 before;
    ub_status                 st = UB_OK;
    if (plan == NULL)
        plan = &defaults;
    if (stats != NULL)
        *stats = s;
    if (items < 0)
        st = UB_FAIL(UB_EARG, "%lld items", (long long)items);
    UB_TRY(ub_comm_agree(c, st));
    UB_TRY_MPI(MPI_Comm_group(c->mpi, &before));
    if (plan->policy != NULL && strcmp(plan->policy, "auto") == 0) {
        st = ub_farm_tuned(c, items, plan, ops, self, &tuned, &done, &first);
        plan = &tuned;
    }
    if (st == UB_OK)
        st = run_plan(c, before, done, items, plan, ops, self, &s);
    (void)MPI_Group_free(&before);
    add(&first, &s);
    if (stats != NULL && c->rank == 0)
        *stats = s;
    return st;
}
