/* The state of a training as one flat vector: see core/trainer.h. */
#include <math.h>
#include <string.h>

#include "core/internal/trainer.h"

/* The state is these blocks, one after another; `copy` moves one of them either way. */
typedef void (*block_copy)(double *inside, double **state, int64_t n);

static void copy_out(double *inside, double **state, int64_t n)
{
    memcpy(*state, inside, (size_t)n * sizeof *inside);
    *state += n;
}

static void copy_in(double *inside, double **state, int64_t n)
{
    memcpy(inside, *state, (size_t)n * sizeof *inside);
    *state += n;
}

enum { COUNTERS = sizeof(ub_trainer_counters) / sizeof(double), ROW = 11 };

static void copy_row(ub_trainer_row *row, double **state, block_copy copy)
{
    double flat[ROW] = {(double)row->restart,
                        (double)row->epoch,
                        row->learning_rate,
                        row->lambda,
                        row->reconstruction,
                        row->kl,
                        row->task,
                        row->penalty,
                        row->objective,
                        row->gradient_norm,
                        row->sparsity};
    copy(flat, state, ROW);
    if (copy == copy_in)
        *row =
            (ub_trainer_row){(int64_t)flat[0], (int64_t)flat[1], flat[2], flat[3], flat[4], flat[5],
                             flat[6],          flat[7],          flat[8], flat[9], flat[10]};
}

static void copy_count(int32_t *count, double **state, block_copy copy)
{
    double flat = *count;
    copy(&flat, state, 1);
    if (copy == copy_in)
        *count = (int32_t)flat;
}

static void copy_state(ub_trainer *t, double *state, block_copy copy)
{
    copy((double *)&t->at, &state, COUNTERS);
    if (copy == copy_out)
        t->api->get(t->learner, state);
    else
        t->api->set(t->learner, state);
    state += 3 * t->facts.parameters;
    copy(t->ends.w, &state, t->restarts * t->best.weights);
    copy(t->ends.objective, &state, t->restarts);
    copy(t->ends.strength, &state, t->restarts * ub_trainer_cells(t));
    for (int64_t k = 0; k < t->restarts * t->epochs; k++)
        copy_row(&t->log[k], &state, copy);
    for (int64_t k = 0; k < t->restarts * t->epochs * t->best.shape.tasks; k++)
        copy_count(&t->support[k], &state, copy);
}

int64_t ub_trainer_state_width(const ub_trainer *t)
{
    int64_t row = ROW + t->best.shape.tasks;
    return COUNTERS + 3 * t->facts.parameters +
           t->restarts * (t->best.weights + 1 + ub_trainer_cells(t) + row * t->epochs);
}

void ub_trainer_state_get(const ub_trainer *t, double *state)
{
    copy_state((ub_trainer *)t, state, copy_out); /* which does not write to t */
}

ub_status ub_trainer_state_set(ub_trainer *t, const double *state)
{
    double phase = state[0], rows = state[1];
    /* Every finished epoch left a row, less where an initialisation ended early: a state of other
     * settings is seen here or by its width. */
    double each = (double)ub_trainer_each(t), cycle = (double)(t->every * t->steps + 1);
    double in = fmod(phase, each), steps = in - floor(in / cycle);
    double most = floor(phase / each) * (double)t->epochs + floor(steps / (double)t->steps);
    bool   fits = t->settings.disentangle.patience > 0 ? rows >= 0 && rows <= most : rows == most;
    if (!(phase >= 0) || phase > (double)ub_trainer_phases(t) || !fits)
        return UB_FAIL(UB_EFORMAT,
                       "this is no state of the training: phase %g of %lld with %g log rows", phase,
                       (long long)ub_trainer_phases(t), rows);
    copy_state(t, (double *)state, copy_in); /* which does not write to state */
    ub_trainer_judge(t, (int64_t)phase / ub_trainer_each(t));
    return UB_OK;
}
