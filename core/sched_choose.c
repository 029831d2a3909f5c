/* The choice of policy, floor and sub-masters: by simulating the candidates. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>

#include "core/internal/rehearse.h"
#include "core/mem.h"

enum { SHARE = 128, LONG = 16, MANY = 2048, FEW = 256, SIMULATED = 20 };
static const double MESSAGES = 2.5; /* to its master, of a rank for one chunk: measured */
static const double MARGIN = 1e-3;  /* a later, less simple candidate must gain so much */

typedef struct search {
    ub_rehearsal   plan; /* of the candidate; items: those that are simulated */
    int64_t        items, kept_floor;
    ub_sched_pick *pick;
    double         sub_masters; /* best efficiency with them, and their number */
    int            groups;
    int            pick_groups;
    const float   *seconds; /* of the items */
} search;

/* The floor at which a master of so many workers is as busy with messages as `load` says. */
static int64_t floor_at(const ub_rehearsal *p, double workers, double load)
{
    double f = ceil(MESSAGES * workers * p->request_s / (load * p->item_s));
    return (int64_t)fmax(1, fmin(f, floor((double)p->items / p->ranks / LONG)));
}

/* Efficiency of the whole run from that of a shorter one.  Where a master sets the pace, messages
 * count, and a run of half the items says how many come with each item. */
static ub_status extrapolate(search *s, const ub_rehearsed *r, double *e)
{
    double ideal = r->makespan * r->efficiency, longer = (double)s->items / (double)s->plan.items;
    double idle =
        s->plan.works ? 0 : (r->groups + 1.0) / s->plan.ranks; /* masters that only serve */
    double more = ideal / (1 - idle);                          /* seconds for as many items again */
    if (r->master > 0.95 && s->plan.items > 1) {
        ub_rehearsal shorter = s->plan;
        ub_rehearsed half;
        shorter.items /= 2;
        UB_TRY(ub_rehearse_on(&shorter, s->seconds, &half));
        more = fmax(more, 2 * (r->makespan - half.makespan));
    } else if (s->plan.policy->scales) {
        more = r->makespan;
    }
    *e = ideal > 0 ? longer * ideal / (r->makespan + (longer - 1) * more) : r->efficiency;
    return UB_OK;
}

static ub_status consider(search *s)
{
    ub_sched_pick *best = s->pick;
    ub_rehearsed   r;
    double         e;
    UB_TRY(ub_rehearse_on(&s->plan, s->seconds, &r));
    e = r.efficiency;
    if (s->plan.items < s->items)
        UB_TRY(extrapolate(s, &r, &e));
    best->tried++;
    if (r.groups == 0 && !(e <= best->one_master))
        best->one_master = e;
    if (r.groups > 0 && !(e <= s->sub_masters)) {
        s->sub_masters = e;
        s->groups = r.groups;
    }
    if (best->tried > 1 && e <= best->expected + MARGIN)
        return UB_OK;
    best->expected = e;
    best->policy = s->plan.policy;
    best->floor = s->plan.floor;
    best->group = s->plan.group;
    best->works = s->plan.works;
    s->pick_groups = r.groups;
    return UB_OK;
}

/* Floors around the load that was seen to be right, for one group size. */
static ub_status try_floors(search *s, int group)
{
    static const double loads[] = {1, 0.5, 2, 4}; /* the last only for few ranks */
    ub_rehearsal       *p = &s->plan;
    bool                one = ub_sched_groups(p->ranks, group) == 0, few = one && p->ranks <= FEW;
    p->group = group;
    p->floor = 0;
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        int64_t f =
            s->kept_floor > 0 ? s->kept_floor : floor_at(p, one ? p->ranks - 1.0 : group, loads[i]);
        if (i > 0 && (f == p->floor || (p->ranks > MANY && (one || i > 2))))
            continue; /* one master of many ranks is there to be compared with only */
        p->floor = f;
        p->works = few;
        UB_TRY(consider(s));
        if (few && p->ranks > 1) {
            p->works = false;
            UB_TRY(consider(s));
        }
    }
    return UB_OK;
}

static void by_formula(const ub_rehearsal *plan, ub_sched_pick *out)
{
    out->group = plan->group < 0 ? ub_sched_group_usual(plan->ranks) : plan->group;
    bool one = ub_sched_groups(plan->ranks, out->group) == 0;
    out->policy = plan->policy != NULL ? plan->policy : ub_sched_policy_find("fac2");
    out->floor = plan->floor > 0 ? plan->floor : floor_at(plan, one ? plan->ranks : out->group, 1);
    out->works = one && plan->ranks <= FEW / 4;
}

static void masters(char *text, size_t size, int groups)
{
    if (groups == 0)
        (void)snprintf(text, size, "one master");
    else
        (void)snprintf(text, size, "%d sub-master%s", groups, groups > 1 ? "s" : "");
}

/* "FAC2, floor 11, 8 sub-masters: 99.0 % expected; one master 94.1 %" */
static void explain(const search *s)
{
    ub_sched_pick *p = s->pick;
    char           name[32], mine[32], other[64] = "", theirs[32];
    (void)snprintf(name, sizeof name, "%s", p->policy->name);
    for (char *c = name; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    masters(mine, sizeof mine, s->pick_groups);
    masters(theirs, sizeof theirs, s->pick_groups > 0 ? 0 : s->groups);
    double rival = s->pick_groups > 0 ? p->one_master : s->sub_masters;
    if (!isnan(rival))
        (void)snprintf(other, sizeof other, "; %s %.1f %%", theirs, 100 * rival);
    if (p->tried > 0)
        (void)snprintf(p->why, sizeof p->why, "%s, floor %lld, %s: %.1f %% expected%s", name,
                       (long long)p->floor, mine, 100 * p->expected, other);
    else
        (void)snprintf(p->why, sizeof p->why, "%s, floor %lld, %s: by formula, not simulated", name,
                       (long long)p->floor, p->group > 0 ? "sub-masters" : mine);
}

/* Groups and floors with FAC2, then the other policies with the best of them. */
static ub_status simulate(search *s, const ub_rehearsal *plan)
{
    static const int         groups[] = {128, 256, 64};
    static const char *const others[] = {"gss", "tss", "awf", "self"};
    ub_rehearsal            *p = &s->plan;
    p->policy = plan->policy != NULL ? plan->policy : ub_sched_policy_find("fac2");
    if (plan->group <= 0)
        UB_TRY(try_floors(s, 0));
    if (plan->group > 0)
        UB_TRY(try_floors(s, plan->group));
    for (size_t i = 0; plan->group < 0 && i < (plan->ranks > MANY ? 2 : 3); i++)
        if (plan->ranks >= 2 * groups[i])
            UB_TRY(try_floors(s, groups[i]));
    for (size_t i = 0; plan->policy == NULL && i < sizeof others / sizeof others[0]; i++) {
        p->policy = ub_sched_policy_find(others[i]);
        p->floor = s->pick->floor;
        p->group = s->pick->group;
        p->works = s->pick->works;
        UB_TRY(consider(s));
    }
    return UB_OK;
}

ub_status ub_sched_choose(const ub_rehearsal *plan, int64_t budget, ub_sched_pick *out)
{
    ub_sched_pick pick = {.one_master = NAN, .expected = NAN};
    search        s = {.plan = *plan,
                       .items = plan->items,
                       .kept_floor = plan->floor,
                       .pick = &pick,
                       .sub_masters = NAN};
    if (plan->items < 0 || plan->ranks < 1 || !(plan->item_s > 0) || budget < 0)
        return UB_FAIL(UB_ERANGE,
                       "a schedule for %lld items of %g s on %d ranks, by %lld simulated items",
                       (long long)plan->items, plan->item_s, plan->ranks, (long long)budget);
    by_formula(plan, &pick);
    /* Long enough that the largest floor is a small part of a rank's work. */
    double  floor = (double)floor_at(plan, pick.group > 0 ? pick.group : plan->ranks, 0.5);
    int64_t most = budget / SIMULATED,
            least = plan->ranks * (int64_t)fmax(SHARE, fmin(LONG * floor, 1e6));
    most = most > least ? most : least;
    s.plan.items = plan->items < most ? plan->items : most;
    s.plan.deaths = 0;
    s.plan.rank_mtbf_s = s.plan.node_mtbf_s = s.plan.preempt_s = s.plan.fail_fraction = 0;
    if (budget > 0) {
        float    *seconds = NULL;
        ub_status st = ub_rehearse_draw(&s.plan, &seconds);
        s.seconds = seconds;
        if (st == UB_OK)
            st = simulate(&s, plan);
        ub_free(seconds);
        UB_TRY(st);
    }
    explain(&s);
    *out = pick;
    return UB_OK;
}
