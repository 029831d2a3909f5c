/* cmi_knn - conditional mutual information from nearest neighbours, calibrated by permutation.
 *
 * Statistic: core/internal/cmi.h, in nats, of columns scaled as ci.scaling says: `standardise`
 * divides each by its standard deviation, `rank` replaces it by its ranks (ties share their mean),
 * `raw` takes it as it is.  One scale for a vector's components and for X, Y and Z matters: the
 * maximum norm compares them.
 *
 * p-value: T(0) is the statistic, T(1), T(2), ... those of surrogates in which X is permuted.
 * `local`: every place takes the X of one of its ci.k_perm nearest neighbours in Z, itself among
 * them, in random order, each X exactly once (Runge 2018, Algorithm 1, where a place whose
 * neighbours are all taken uses one twice; here others give way: rearrange), so that X keeps its
 * dependence on Z.  `global`, and always without Z: any permutation; that tests X against (Y, Z)
 * together.  With b of B surrogates T >= T(0), p = (b + 1) / (B + 1).  Sampling ends early at the
 * h-th such surrogate, the l-th of all, with p = h / l (Besag and Clifford 1991): P(p <= a) <= a
 * for every a under exchangeability, at a cost of about h / p surrogates. The smallest p is 1 / (B
 * + 1), and the evidence is bounded by its quantile: 9.5 for 499.
 *
 * X, the side that moves, is the one with fewer columns, with as many the one whose first column
 * comes first; T is symmetric, so exchanging the sides changes no bit. */
#include "core/ci_test.h"

#include <math.h>

#include "core/internal/cmi.h"
#include "core/internal/gauss.h"
#include "core/internal/sampled.h"
#include "core/internal/scores.h"
#include "core/mem.h"
#include "core/rng.h"
#include "core/settings.h"
#include "core/special.h"

enum { LANES = UB_CMI_LANES, MOST_GROUPS = 4 };

/* What one question needs while its surrogates are drawn. */
typedef struct draw {
    ub_cmi  *cmi;
    int64_t  n;
    int32_t  m;                    /* neighbours to choose from; 0: global */
    int32_t *near;                 /* n x m: places */
    int32_t *choice;               /* m */
    int64_t *order;                /* n: a permutation */
    int32_t *taker;                /* n: who has the x of a place, -1: nobody */
    int32_t *asker, *queue, *seen; /* n each: see rearrange() */
    int32_t *looked;               /* n: see spare() */
    int32_t  stamp;
    int32_t *source; /* MOST_GROUPS x n x LANES */
    double  *x;      /* MOST_GROUPS x n x nx x LANES */
    double  *work;   /* m */
    ub_rng   rng;
} draw;

static ub_status open_state(const ub_ci_data *data, const struct ub_settings *settings, void **out)
{
    return ub_sampled_create("cmi_knn", data, settings, out);
}

/* Column c in the units of distances.  A constant column of Z is 0 and separates nothing. */
static ub_status scale_column(const ub_sampled *s, int32_t c, double *out)
{
    const ub_moments *m = s->data->moments;
    const double     *v = s->data->samples + c * m->n;
    double            sd = sqrt(m->cov[(int64_t)c * m->columns + c]);
    bool              constant = sd <= UB_GAUSS_CONSTANT * fabs(m->mean[c]);
    if (s->set->ci.scaling == UB_SCALING_RANK)
        return ub_ranks(m->n, v, out);
    for (int64_t i = 0; i < m->n; i++)
        if (s->set->ci.scaling == UB_SCALING_RAW)
            out[i] = v[i];
        else
            out[i] = constant ? 0 : (v[i] - m->mean[c]) / sd;
    return UB_OK;
}

/* The estimator on the scaled columns of a question. */
static ub_status make_cmi(const ub_sampled *s, const ub_ci_query *q, ub_cmi **out)
{
    int64_t        n = s->data->moments->n;
    int32_t        columns = q->nx + q->ny + q->nz;
    double        *scaled = NULL;
    const double **at = NULL;
    ub_status      st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(scaled, n * columns));
    UB_TRY_OUT(UB_ALLOC(at, columns));
    for (int32_t i = 0; i < columns; i++) {
        int32_t c = i < q->nx           ? q->x[i]
                    : i < q->nx + q->ny ? q->y[i - q->nx]
                                        : q->z[i - q->nx - q->ny];
        UB_TRY_OUT(scale_column(s, c, scaled + i * n));
        at[i] = scaled + i * n;
    }
    UB_TRY_OUT(ub_cmi_create(n, q->nx, q->ny, q->nz, at, at + q->nx, at + q->nx + q->ny,
                             (int32_t)s->set->ci.k, s->set->ci.estimator, out));
out:
    ub_free(at);
    ub_free(scaled);
    return st;
}

static void release_draw(draw *d)
{
    ub_free(d->near);
    ub_free(d->choice);
    ub_free(d->order);
    ub_free(d->taker);
    ub_free(d->asker);
    ub_free(d->queue);
    ub_free(d->seen);
    ub_free(d->looked);
    ub_free(d->source);
    ub_free(d->x);
    ub_free(d->work);
}

static ub_status init_draw(draw *d, const ub_sampled *s, const ub_ci_query *q, ub_cmi *cmi)
{
    int64_t n = s->data->moments->n;
    bool    local = s->set->ci.permutation == UB_PERMUTATION_LOCAL && q->nz > 0;
    *d = (draw){.cmi = cmi, .n = n, .m = local ? (int32_t)s->set->ci.k_perm : 0};
    d->rng = ub_rng_make((uint64_t)s->set->run.seed, UB_RNG_CI_TEST, (uint64_t)q->id);
    UB_TRY(UB_ALLOC(d->near, n * d->m));
    UB_TRY(UB_ALLOC(d->choice, d->m));
    UB_TRY(UB_ALLOC(d->work, d->m));
    UB_TRY(UB_ALLOC(d->order, n));
    UB_TRY(UB_ALLOC(d->taker, n));
    UB_TRY(UB_ALLOC(d->asker, n));
    UB_TRY(UB_ALLOC(d->queue, n));
    UB_TRY(UB_ALLOC(d->seen, n));
    UB_TRY(UB_ALLOC(d->looked, n));
    UB_TRY(UB_ALLOC(d->source, MOST_GROUPS * n * LANES));
    UB_TRY(UB_ALLOC(d->x, MOST_GROUPS * n * q->nx * LANES));
    for (int64_t i = 0; d->m > 0 && i < n; i++)
        ub_cmi_neighbours(cmi, i, d->m, d->work, d->near + i * d->m);
    return UB_OK;
}

/* The first neighbour of a place that nobody has taken, or -1.  What is taken stays so until the
 * surrogate is complete, so a look continues where the last one stopped. */
static int32_t spare(draw *d, int32_t place)
{
    const int32_t *near = d->near + (int64_t)place * d->m;
    while (d->looked[place] < d->m && d->taker[near[d->looked[place]]] >= 0)
        d->looked[place]++;
    return d->looked[place] < d->m ? near[d->looked[place]] : -1;
}

/* `take` goes to who asked for it, what he had to who asked for that, ... */
static void hand_on(draw *d, int32_t take, int32_t *source)
{
    for (int32_t had; take >= 0; take = had) {
        int32_t who = d->asker[take];
        had = source[(int64_t)who * LANES];
        source[(int64_t)who * LANES] = take;
        d->taker[take] = who;
    }
}

/* Place `root` finds all its neighbours taken: give it one by letting others take another of
 * theirs, along the shortest such chain (Kuhn 1955).  There always is one, because everybody could
 * keep his own.  Who comes into the queue has nothing to spare: that is looked at first, and saves
 * the last and largest generation of the search. */
static void rearrange(draw *d, int32_t root, int32_t *source)
{
    int32_t head = 0, tail = 0;
    d->stamp++;
    d->queue[tail++] = root;
    while (head < tail) {
        int32_t place = d->queue[head++];
        for (int32_t j = 0; j < d->m; j++) {
            int32_t take = d->near[(int64_t)place * d->m + j], who = d->taker[take], other;
            if (d->seen[take] == d->stamp)
                continue;
            d->seen[take] = d->stamp;
            d->asker[take] = place;
            other = spare(d, who);
            if (other >= 0) {
                d->asker[other] = who;
                hand_on(d, other, source);
                return;
            }
            d->queue[tail++] = who;
        }
    }
}

/* A surrogate into source (stride LANES): places in random order take a random neighbour that is
 * not taken. */
static void draw_surrogate(draw *d, int32_t *source)
{
    ub_rng_permutation(&d->rng, d->n, d->order);
    for (int64_t i = 0; i < d->n; i++) {
        source[i * LANES] = d->m == 0 ? (int32_t)d->order[i] : -1;
        d->taker[i] = -1;
        d->looked[i] = 0;
    }
    for (int64_t i = 0; d->m > 0 && i < d->n; i++) {
        int32_t place = (int32_t)d->order[i], left = d->m, take = -1;
        for (int32_t j = 0; j < d->m; j++)
            d->choice[j] = d->near[(int64_t)place * d->m + j];
        while (left > 0 && take < 0) {
            int32_t at = (int32_t)ub_rng_below(&d->rng, (uint64_t)left);
            if (d->taker[d->choice[at]] < 0)
                take = d->choice[at];
            d->choice[at] = d->choice[--left];
        }
        if (take >= 0) {
            source[(int64_t)place * LANES] = take;
            d->taker[take] = place;
        } else {
            rearrange(d, place, source);
        }
    }
}

/* p of the statistic; surrogates are drawn in growing batches, but judged one by one. */
static double p_value(draw *d, double statistic, int64_t most, int64_t enough)
{
    int64_t done = 0, above = 0;
    double  value[MOST_GROUPS * LANES];
    for (int32_t groups = 2; done < most; groups = MOST_GROUPS) {
        int64_t left = (most - done + LANES - 1) / LANES;
        groups = left < groups ? (int32_t)left : groups;
        for (int32_t g = 0; g < groups; g++)
            for (int l = 0; l < LANES; l++)
                draw_surrogate(d, d->source + g * d->n * LANES + l);
        ub_cmi_surrogates(d->cmi, groups, d->source, d->x, value);
        for (int32_t v = 0; v < groups * LANES && done < most; v++) {
            done++;
            above += value[v] >= statistic;
            if (enough > 0 && above == enough)
                return (double)above / (double)done;
        }
    }
    return (double)(above + 1) / (double)(most + 1);
}

static ub_status eval(void *self, const ub_ci_query *query, ub_ci_result *out)
{
    const ub_sampled *s = self;
    const ub_ci_query q = ub_sampled_ordered(query);
    int64_t           n = s->data->moments->n;
    bool              local = s->set->ci.permutation == UB_PERMUTATION_LOCAL && q.nz > 0;
    ub_cmi           *cmi = NULL;
    draw              d = {0};
    double            value, p;
    ub_status         st = UB_OK;
    UB_TRY(ub_sampled_screen(s, &q, out));
    if (out->verdict == UB_CI_OK && (n <= s->set->ci.k || (local && n < s->set->ci.k_perm)))
        ub_gauss_verdict(UB_CI_TOO_FEW, out);
    if (out->verdict != UB_CI_OK)
        return UB_OK;
    UB_TRY_OUT(make_cmi(s, &q, &cmi));
    if (!ub_cmi_estimate(cmi, &value)) {
        ub_gauss_verdict(UB_CI_TIES, out);
        goto out;
    }
    UB_TRY_OUT(init_draw(&d, s, &q, cmi));
    p = p_value(&d, value, s->set->ci.permutations, s->set->ci.stop_after);
    *out = (ub_ci_result){value, p, ub_evidence_of_p(p), 0, n, UB_CI_OK};
out:
    release_draw(&d);
    ub_cmi_destroy(&cmi);
    return st;
}

const ub_ci_test ub_ci_cmi_knn = {
    .name = "cmi_knn",
    .summary = "k-nearest-neighbour conditional mutual information, permutation p-value",
    .cost = "about n^1.5 |Z| an estimate, a quarter of that a surrogate",
    .reference = "Kraskov et al. 2004; Frenzel and Pompe 2007; Runge 2018; Besag and Clifford 1991",
    .accepts = UB_CI_SCALAR | UB_CI_VECTOR | UB_CI_SAMPLES,
    .settings = "ci.k ci.estimator ci.scaling ci.permutation ci.k_perm ci.permutations "
                "ci.stop_after run.seed",
    .open = open_state,
    .eval = eval,
    .close = ub_sampled_destroy,
};
