/* How many ranks work on which point. */
#include <math.h>
#include <stdio.h>

#include "core/compare.h"
#include "core/mem.h"
#include "jobs/sweep.h"

enum { KINDS = 32 };

ub_status ub_sweep_ranks(const ub_sweep *s, const ub_settings *at, int most, int *ranks)
{
    double wanted;
    UB_TRY(ub_compare_choose(ub_settings_schema(), at, "sweep.ranks_when",
                             s->base->sweep.ranks_when, (double)s->base->sweep.ranks, &wanted));
    if (!(wanted >= 1 && wanted <= 1e6 && wanted == floor(wanted)))
        return UB_FAIL(UB_EINPUT, "sweep.ranks_when: %g ranks; a team has 1 to 1000000 of them",
                       wanted);
    *ranks = wanted < most ? (int)wanted : most;
    return UB_OK;
}

/* Count a point that wants so many ranks; kinds fall in ranks. */
static ub_status count_point(ub_sweep_teams *t, ub_team_kind *kind, int ranks)
{
    int k = 0;
    while (k < t->kinds && kind[k].ranks > ranks)
        k++;
    if (k == t->kinds || kind[k].ranks != ranks) {
        if (t->kinds == KINDS)
            return UB_FAIL(UB_ERANGE, "sweep.ranks_when: more than %d sizes of teams", KINDS);
        for (int i = t->kinds++; i > k; i--)
            kind[i] = kind[i - 1];
        kind[k] = (ub_team_kind){.ranks = ranks};
    }
    kind[k].jobs++;
    return UB_OK;
}

ub_status ub_sweep_teams_plan(const ub_sweep *s, int ranks, ub_sweep_teams *out)
{
    ub_sweep_teams t = {0};
    ub_team_kind   kind[KINDS];
    ub_settings   *at = NULL;
    int            wanted, *of = NULL;
    ub_status      st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(at, 1));
    UB_TRY_OUT(UB_ALLOC(of, ranks));
    UB_TRY_OUT(UB_ALLOC(t.size, ranks));
    UB_TRY_OUT(UB_ALLOC(t.wanted, ranks));
    for (int64_t i = 0; i < s->promote.points; i++) {
        ub_job job = {.point = i, .rung = s->promote.rungs - 1};
        UB_TRY_OUT(ub_sweep_settings(s, &job, at));
        UB_TRY_OUT(ub_sweep_ranks(s, at, ranks, &wanted));
        UB_TRY_OUT(count_point(&t, kind, wanted));
    }
    t.count = ub_team_plan(ranks, t.kinds, kind, t.size, of);
    for (int k = 0; k < t.count; k++)
        t.wanted[k] = kind[of[k]].ranks;
    *out = t;
    t = (ub_sweep_teams){0};
out:
    ub_free(at);
    ub_free(of);
    ub_sweep_teams_release(&t);
    return st;
}

ub_status ub_sweep_teams_say(const ub_sweep_teams *t, ub_bytes *out)
{
    ub_status st = UB_OK;
    for (int k = 0, last = 0; k < t->count && st == UB_OK; k = last) {
        for (last = k; last < t->count && t->size[last] == t->size[k];)
            last++;
        st = ub_bytes_printf(out, "%s%d team%s of %d rank%s", k > 0 ? ", " : "", last - k,
                             last - k > 1 ? "s" : "", t->size[k], t->size[k] > 1 ? "s" : "");
    }
    return st;
}

void ub_sweep_teams_release(ub_sweep_teams *t)
{
    ub_free(t->size);
    ub_free(t->wanted);
    *t = (ub_sweep_teams){0};
}
