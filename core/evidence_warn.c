/* What somebody who trusts a model should know, in sentences. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/evidence.h"

/* Thresholds of what is worth a word; docs/method.md names them. */
static const double closed_r2 = 0.2;  /* a task predicted worse than this is closed */
static const double correlated = 0.3; /* latents that share this much are not told apart */
static const double unsure = 0.5;     /* a latent confirmed by fewer is doubtful */
static const double same_group = 0.8; /* agreement below: other runs found another group */
enum { NAMED = 3 };                   /* tasks named in a sentence, the rest is counted */

/* Tasks for which something is so, as "task 'a'", "tasks 'a', 'b' and 4 more". */
typedef struct list {
    char    text[4 * UB_NAME_MAX];
    size_t  length;
    int32_t count;
} list;

static void list_add(list *l, const char *name)
{
    if (l->count++ >= NAMED)
        return;
    int n = snprintf(l->text + l->length, sizeof l->text - l->length, "%s'%s'",
                     l->count == 1 ? "" : ", ", name);
    l->length += n > 0 ? (size_t)n : 0;
}

static ub_status say_tasks(const list *l, ub_bytes *out)
{
    UB_TRY(ub_bytes_printf(out, l->count == 1 ? "task %s" : "tasks %s", l->text));
    return l->count > NAMED ? ub_bytes_printf(out, " and %d more", (int)(l->count - NAMED)) : UB_OK;
}

static int32_t kept_of(const ub_model *m, int32_t i)
{
    int32_t kept = 0;
    for (int32_t j = 0; j < m->shape.latents; j++)
        kept += m->relevant[(int64_t)i * m->shape.latents + j] != 0;
    return kept;
}

/* Singular values that count. */
static int32_t rank_of(const ub_evidence *e, int32_t i)
{
    const double *s = e->singular + (int64_t)i * e->latents;
    int32_t       rank = 0;
    while (rank < e->latents && s[rank] > UB_EVIDENCE_RANK * s[0])
        rank++;
    return rank;
}

static ub_status warn_closed(const ub_model *m, const ub_evidence *e, ub_bytes *out)
{
    list l = {.count = 0};
    (void)m;
    for (int32_t i = 0; i < e->tasks; i++)
        if (e->task_r2[i] < closed_r2)
            list_add(&l, e->task_name[i]);
    if (l.count == 0)
        return UB_OK;
    UB_TRY(say_tasks(&l, out));
    return ub_bytes_printf(
        out,
        ": hardly predicted from the latents (held-out R2 below %g): the penalty "
        "has closed it, or the steps do not tell of it; lower "
        "disentangle.lambda, and do not read its latents\n",
        closed_r2);
}

static ub_status warn_scalar(const ub_model *m, const ub_evidence *e, ub_bytes *out)
{
    list l = {.count = 0};
    for (int32_t i = 0; i < e->tasks; i++)
        if (m->task_offset[i + 1] - m->task_offset[i] == 1)
            list_add(&l, e->task_name[i]);
    if (l.count == 0)
        return UB_OK;
    UB_TRY(say_tasks(&l, out));
    return ub_bytes_printf(out, ": a scalar fixes only one direction of the latents at each sample "
                                "and tends to collapse onto one latent; give several outcomes of "
                                "the task as one vector if there are any\n");
}

static ub_status warn_rank(const ub_model *m, const ub_evidence *e, ub_bytes *out)
{
    for (int32_t i = 0, said = 0; i < e->tasks && said < NAMED; i++) {
        int32_t kept = kept_of(m, i), rank = rank_of(e, i);
        if (kept < 2 || rank >= kept)
            continue;
        said++;
        UB_TRY(ub_bytes_printf(
            out,
            "task '%s': keeps %d latents but depends on them along %d "
            "direction%s only (singular values of its Jacobian %.3g to %.2g), so "
            "it cannot tell them apart; read them as one group, or raise "
            "disentangle.lambda or disentangle.keep\n",
            e->task_name[i], (int)kept, (int)rank, rank == 1 ? "" : "s",
            e->singular[(int64_t)i * e->latents], e->singular[(int64_t)i * e->latents + kept - 1]));
    }
    return UB_OK;
}

static ub_status warn_open(const ub_model *m, const ub_evidence *e, ub_bytes *out)
{
    list l = {.count = 0};
    for (int32_t i = 0; i < e->tasks; i++)
        if (e->latents > 1 && kept_of(m, i) == e->latents && !(e->task_r2[i] < closed_r2))
            list_add(&l, e->task_name[i]);
    if (l.count == 0)
        return UB_OK;
    UB_TRY(say_tasks(&l, out));
    return ub_bytes_printf(out, ": every latent is kept, so nothing was separated; raise "
                                "disentangle.lambda or disentangle.epochs, or give more "
                                "disentangle.latents\n");
}

/* Of two independent latents |correlation| stays below this in 95 % of all cases, the largest of
 * all pairs: Fisher's z with Bonferroni's bound, the normal tail bounded by exp(-z^2 / 2). */
static double chance(const ub_evidence *e)
{
    double pairs = 0.5 * e->latents * (e->latents - 1.0);
    return tanh(sqrt(2 * log(fmax(pairs, 1) / 0.05) / fmax((double)e->samples - 3, 1)));
}

static ub_status warn_correlated(const ub_model *m, const ub_evidence *e, ub_bytes *out)
{
    int32_t n = e->latents, a = 0, b = 0;
    double  most = 0, floor = chance(e);
    (void)m;
    for (int32_t j = 0; j < n; j++)
        for (int32_t k = j + 1; k < n; k++)
            if (fabs(e->correlation[j * n + k]) > most) {
                most = fabs(e->correlation[j * n + k]);
                a = j;
                b = k;
            }
    if (most <= correlated || most <= floor)
        return UB_OK;
    return ub_bytes_printf(
        out,
        "latents %d and %d are correlated (%.2f; chance alone stays below %.2f): "
        "they share a factor, or the factors themselves depend on each other; "
        "raise disentangle.beta or lower disentangle.latents\n",
        (int)a, (int)b, most, floor);
}

static ub_status warn_idle(const ub_model *m, const ub_evidence *e, ub_bytes *out)
{
    int32_t idle = 0, first = -1;
    for (int32_t j = 0; j < e->latents; j++) {
        bool kept = false;
        for (int32_t i = 0; i < e->tasks; i++)
            kept = kept || m->relevant[(int64_t)i * e->latents + j] != 0;
        if (kept || !(e->kl[j] < UB_EVIDENCE_KL))
            continue;
        first = first < 0 ? j : first;
        idle++;
    }
    if (idle == 0)
        return UB_OK;
    return ub_bytes_printf(out,
                           "%d latent%s (%d%s) carr%s nothing, for no task and no observation (KL "
                           "below %g): harmless; disentangle.latents: %d would do\n",
                           (int)idle, idle == 1 ? "" : "s", (int)first, idle == 1 ? "" : ", ...",
                           idle == 1 ? "ies" : "y", UB_EVIDENCE_KL, (int)(e->latents - idle));
}

static ub_status warn_doubtful(const ub_model *m, const ub_evidence *e, ub_bytes *out)
{
    list other = {.count = 0};
    if (e->restarts < 2)
        return ub_bytes_printf(out, "there is one initialisation, so nothing says whether another "
                                    "would find the same latents; set disentangle.restarts to 3 or "
                                    "more\n");
    for (int32_t i = 0, said = 0; i < e->tasks; i++) {
        int32_t low = 0;
        for (int32_t j = 0; j < e->latents; j++) {
            int64_t at = (int64_t)i * e->latents + j;
            low += m->relevant[at] != 0 && e->confidence[at] < unsure;
        }
        if (low > 0 && said++ < NAMED)
            UB_TRY(ub_bytes_printf(out,
                                   "task '%s': %d of the %d latents it keeps %s confirmed by fewer "
                                   "than half of the other initialisations; raise "
                                   "disentangle.restarts or disentangle.epochs before relying on "
                                   "%s\n",
                                   e->task_name[i], (int)low, (int)kept_of(m, i),
                                   low == 1 ? "is" : "are", low == 1 ? "it" : "them"));
        else if (low == 0 && kept_of(m, i) > 0 && e->agreement[i] < same_group)
            list_add(&other, e->task_name[i]);
    }
    if (other.count == 0)
        return UB_OK;
    UB_TRY(say_tasks(&other, out));
    return ub_bytes_printf(out,
                           ": other initialisations keep another group of latents (agreement below "
                           "%g); raise disentangle.restarts or disentangle.epochs\n",
                           same_group);
}

ub_status ub_evidence_warn(const ub_model *m, const ub_evidence *e, ub_bytes *out)
{
    static ub_status (*const warn[])(const ub_model *, const ub_evidence *, ub_bytes *) = {
        warn_closed, warn_open, warn_scalar, warn_rank, warn_correlated, warn_idle, warn_doubtful};
    for (size_t i = 0; i < sizeof warn / sizeof warn[0]; i++)
        UB_TRY(warn[i](m, e, out));
    return UB_OK;
}
