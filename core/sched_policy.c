/* The sizes of chunks; formulas and sources are in core/sched.h. */
#include <math.h>
#include <string.h>

#include "core/sched.h"

static int64_t ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}

static int64_t chunk_static(ub_sched_shape *s)
{
    return ceil_div(s->total, s->ranks);
}

static int64_t chunk_self(ub_sched_shape *s)
{
    (void)s;
    return 1;
}

static int64_t chunk_fsc(ub_sched_shape *s)
{
    double p = s->ranks, block = (double)chunk_static(s);
    double size = pow(M_SQRT2 * (double)s->total * s->overhead / (s->sigma * p * sqrt(log(p))),
                      2.0 / 3.0); /* inf for one rank or equal items, nan if nothing costs */
    return size >= 1 ? (int64_t)fmin(size, block) : 1;
}

static int64_t chunk_gss(ub_sched_shape *s)
{
    return ceil_div(s->left, s->ranks);
}

static int64_t chunk_tss(ub_sched_shape *s)
{
    if (s->step == 0) {
        int64_t last = s->floor;
        s->first = ceil_div(s->total, 2 * (int64_t)s->ranks);
        if (s->first < last)
            s->first = last;
        int64_t steps = ceil_div(2 * s->total, s->first + last);
        s->delta = steps > 1 ? (double)(s->first - last) / (double)(steps - 1) : 0;
    }
    return (int64_t)fmax(floor((double)s->first - (double)s->step * s->delta + 0.5), 1);
}

static int64_t chunk_fac2(ub_sched_shape *s)
{
    if (s->step == 0 || s->batch == 0) {
        s->chunk = ceil_div(s->left, 2 * (int64_t)s->ranks);
        s->batch = s->ranks;
    }
    s->batch--;
    return s->chunk;
}

static int64_t chunk_awf(ub_sched_shape *s)
{
    return ceil_div(s->left, 2 * (int64_t)s->ranks);
}

/* One line a policy. */
static const ub_sched_policy policies[] = {
    {"static", "one block a rank", chunk_static, false, true},
    {"self", "one item at a time", chunk_self, false, true},
    {"fsc", "equal chunks by cost and spread (Kruskal, Weiss 1985)", chunk_fsc, false, true},
    {"gss", "guided self-scheduling (Polychronopoulos, Kuck 1987)", chunk_gss, false, false},
    {"tss", "trapezoid self-scheduling (Tzeng, Ni 1993)", chunk_tss, false, true},
    {"fac2", "factoring by halves (Hummel, Schonberg, Flynn 1992)", chunk_fac2, false, false},
    {"awf", "adaptive weighted factoring, variant C (Banicescu et al. 2003)", chunk_awf, true,
     false},
};

const ub_sched_policy *ub_sched_policy_at(size_t i)
{
    return i < sizeof policies / sizeof policies[0] ? &policies[i] : NULL;
}

const ub_sched_policy *ub_sched_policy_find(const char *name)
{
    for (size_t i = 0; ub_sched_policy_at(i) != NULL; i++)
        if (strcmp(policies[i].name, name) == 0)
            return &policies[i];
    return NULL;
}

const char *ub_sched_choice_at(size_t i)
{
    const ub_sched_policy *p = i == 0 ? NULL : ub_sched_policy_at(i - 1);
    return i == 0 ? "auto" : p == NULL ? NULL : p->name;
}
