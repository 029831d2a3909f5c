/* How initialisations end: what is kept of them, and the model. */
#include <string.h>

#include "core/evidence.h"
#include "core/internal/trainer.h"
#include "core/mem.h"

/* What follows from the objectives and strengths of the first `count` initialisations. */
void ub_trainer_judge(ub_trainer *t, int64_t count)
{
    int32_t latents = t->best.shape.latents;
    double  keep = t->settings.disentangle.keep;
    t->ends.count = count;
    t->ends.kept = -1;
    for (int64_t k = 0; k < count; k++)
        if (t->ends.kept < 0 || t->ends.objective[k] < t->ends.objective[t->ends.kept])
            t->ends.kept = k;
    for (int64_t at = 0; at < count * ub_trainer_cells(t); at += latents)
        (void)ub_strengths_keep(latents, keep, t->ends.strength + at, t->ends.relevant + at);
}

void ub_trainer_keep(ub_trainer *t, int64_t restart, double objective)
{
    ub_strengths(&t->best.shape, t->result + UB_TERMS, (double)t->facts.held, t->used,
                 t->ends.strength + restart * ub_trainer_cells(t));
    t->api->fold(t->learner, t->ends.w + restart * t->best.weights);
    t->ends.objective[restart] = objective;
}

/* The kept initialisation's weights and figures, and those of all. */
static ub_status copy_ends(const ub_trainer *t, ub_model *out)
{
    int64_t      cells = ub_trainer_cells(t);
    ub_restarts *r = &out->restarts;
    UB_TRY(ub_restarts_alloc(&t->best, t->ends.count, r));
    memcpy(r->objective, t->ends.objective, (size_t)r->count * sizeof *r->objective);
    memcpy(r->strength, t->ends.strength, (size_t)(r->count * cells) * sizeof *r->strength);
    memcpy(r->relevant, t->ends.relevant, (size_t)(r->count * cells) * sizeof *r->relevant);
    memcpy(r->w, t->ends.w, (size_t)(r->count * out->weights) * sizeof *r->w);
    r->kept = t->ends.kept;
    memcpy(out->w, r->w + r->kept * out->weights, (size_t)out->weights * sizeof *out->w);
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
    memcpy(out->norm, t->best.norm, 2 * (size_t)(s->dim + s->targets) * sizeof *out->norm);
    ub_status st = copy_ends(t, out);
    if (st != UB_OK)
        ub_model_release(out);
    return st;
}
