/* How initialisations end: what is kept of them, and the model. */
#include <math.h>
#include <string.h>

#include "core/internal/trainer.h"
#include "core/mem.h"

int64_t ub_trainer_cells(const ub_trainer *t)
{
    return (int64_t)t->best.shape.tasks * t->best.shape.latents;
}

/* A task keeps the latents above a part of its strongest. */
static void keep_latents(int32_t latents, double part, const double *strength, uint8_t *relevant)
{
    double largest = 0.0;
    for (int32_t j = 0; j < latents; j++)
        largest = fmax(largest, strength[j]);
    for (int32_t j = 0; j < latents; j++)
        relevant[j] = strength[j] > part * largest;
}

/* What follows from the objectives and strengths of the first `count` initialisations. */
void ub_trainer_judge(ub_trainer *t, int64_t count)
{
    int32_t latents = t->best.shape.latents;
    t->ends.count = count;
    t->ends.kept = -1;
    for (int64_t k = 0; k < count; k++)
        if (t->ends.kept < 0 || t->ends.objective[k] < t->ends.objective[t->ends.kept])
            t->ends.kept = k;
    for (int64_t at = 0; at < count * ub_trainer_cells(t); at += latents)
        keep_latents(latents, t->settings.disentangle.keep, t->ends.strength + at,
                     t->ends.relevant + at);
}

/* strength = mean |dg/dz| over the task's columns and its held-out samples, times the standard
 * deviation of the latent: how far the (standardised) task moves when the latent does. */
static void put_strength(const ub_trainer *t, double *strength)
{
    const ub_model_shape *s = &t->best.shape;
    const double         *mean = t->result + UB_TERMS, *square = mean + s->latents,
                 *raw = square + s->latents, n = (double)t->facts.held;
    for (int32_t i = 0; i < s->tasks; i++)
        for (int32_t j = 0; j < s->latents; j++) {
            double m = mean[j] / n, variance = square[j] / n - m * m;
            double sd = variance > 0 ? sqrt(variance) : 0.0;
            strength[i * s->latents + j] =
                t->used[i] > 0 ? raw[i * s->latents + j] / t->used[i] * sd : 0.0;
        }
}

/* An evaluation better than those before of this initialisation: keep what it says of it, and the
 * weights if it is better than all initialisations before. */
void ub_trainer_keep(ub_trainer *t, int64_t restart, double objective)
{
    bool best = true;
    for (int64_t k = 0; k < restart; k++)
        best = best && objective < t->ends.objective[k];
    put_strength(t, t->ends.strength + restart * ub_trainer_cells(t));
    t->ends.objective[restart] = objective;
    if (best)
        t->api->fold(t->learner, t->best.w);
}

/* The kept initialisation's figures and those of all. */
static ub_status copy_ends(const ub_trainer *t, ub_model *out)
{
    int64_t      cells = ub_trainer_cells(t);
    ub_restarts *r = &out->restarts;
    UB_TRY(ub_restarts_alloc(&t->best.shape, t->ends.count, r));
    memcpy(r->objective, t->ends.objective, (size_t)r->count * sizeof *r->objective);
    memcpy(r->strength, t->ends.strength, (size_t)(r->count * cells) * sizeof *r->strength);
    memcpy(r->relevant, t->ends.relevant, (size_t)(r->count * cells) * sizeof *r->relevant);
    r->kept = t->ends.kept;
    out->objective = r->objective[r->kept];
    memcpy(out->strength, r->strength + r->kept * cells, (size_t)cells * sizeof *r->strength);
    memcpy(out->relevant, r->relevant + r->kept * cells, (size_t)cells * sizeof *r->relevant);
    return UB_OK;
}

const ub_restarts *ub_trainer_restarts(const ub_trainer *t)
{
    return &t->ends;
}

ub_status ub_trainer_model(const ub_trainer *t, ub_model *out)
{
    const ub_model_shape *s = &t->best.shape;
    if (!ub_trainer_done(t))
        return UB_FAIL(UB_ESTATE, "the training is at phase %lld of %lld",
                       (long long)ub_trainer_phase(t), (long long)ub_trainer_phases(t));
    UB_TRY(ub_model_alloc(s, t->best.task_offset, out));
    memcpy(out->w, t->best.w, (size_t)out->weights * sizeof *out->w);
    memcpy(out->norm, t->best.norm, 2 * (size_t)(s->dim + s->targets) * sizeof *out->norm);
    ub_status st = copy_ends(t, out);
    if (st != UB_OK)
        ub_model_release(out);
    return st;
}
