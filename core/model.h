/* core/model.h - encoder, decoder and task heads: shapes, weights, forward.
 *
 * Encoder dim -> hidden^layers -> 2 * latents (mean, log variance), decoder
 * latents -> hidden^layers -> dim, both with the same activation; head i: latents ->
 * head_hidden (tanh) -> width of task i.  Inputs and targets are standardised
 * with `norm`, which belongs to the model.
 *
 * Layer: core.
 */
#ifndef UB_CORE_MODEL_H
#define UB_CORE_MODEL_H

#include <stdint.h>

#include "core/status.h"

typedef struct ub_model_shape {
    int32_t dim, latents, hidden, layers, head_hidden, tasks;
    int32_t targets; /* outputs of all heads: columns of the tasks; classes, of a categorical one */
    int32_t activation; /* disentangle.activation: of the hidden layers of encoder and decoder */
} ub_model_shape;

/* How initialisations ended, one after another: where they agree, the kept one can be trusted. */
typedef struct ub_restarts {
    int64_t  count;     /* that ended */
    int64_t  kept;      /* the one with the lowest objective; -1 = none yet */
    double  *objective; /* held-out, count; owned */
    double  *strength;  /* count x tasks x latents, as in ub_model; owned */
    uint8_t *relevant;  /* the same of 1/0; owned */
    double  *w;         /* count x weights, as in ub_model: to compare their latents; owned */
} ub_restarts;

typedef struct ub_model {
    ub_model_shape shape;
    int32_t       *task_offset; /* tasks + 1; owned */
    int64_t        weights;     /* number of them */
    double        *w;           /* owned; all layers one after another, see ub_model_layer */
    double        *norm;        /* 2 * (dim + targets): means, then standard deviations; owned */
    /* Filled at the end of training: E|J| of head i with respect to latent j (standardised
     * units), tasks x latents, and which latents the task keeps (1/0). Owned. */
    double     *strength;
    uint8_t    *relevant;
    double      objective; /* held-out, of the kept initialisation */
    ub_restarts restarts;  /* owned; count 0 where nobody knows */
} ub_model;

/* Where layer l of `count` is in w: `out` x `in` weights row-major, then `out` biases. */
typedef struct ub_layer {
    int64_t at;
    int32_t in, out;
    char    name[32]; /* "encoder.0", "decoder.2", "head.1.0", ... */
} ub_layer;

UB_NODISCARD ub_status ub_model_alloc(const ub_model_shape *shape, const int32_t *task_offset,
                                      ub_model *out);
void                   ub_model_release(ub_model *m);
/* Room for `count` initialisations of such a model, all zero, none kept.  Release accepts zeros. */
UB_NODISCARD ub_status ub_restarts_alloc(const ub_model *like, int64_t count, ub_restarts *out);
void                   ub_restarts_release(ub_restarts *r);
/* Layers in storage order; returns how many there are; `out` may be NULL. */
int32_t ub_model_layers(const ub_model_shape *shape, const int32_t *task_offset, ub_layer *out);

/* Rows pass in padded blocks of one size: the bits of a row do not depend on the rows beside it.
 * UB_ENOMEM is the only error of the three.
 *
 * Means of the latents of n observations (n x dim, raw units) into mu (n x latents). */
UB_NODISCARD ub_status ub_model_encode(const ub_model *m, int64_t n, const double *obs, double *mu);
/* Observations (n x dim, raw units) of latents z (n x latents). */
UB_NODISCARD ub_status ub_model_decode(const ub_model *m, int64_t n, const double *z, double *obs);
/* What the head of a task predicts from z (n x latents): out is n x the task's columns, raw units.
 */
UB_NODISCARD ub_status ub_model_predict(const ub_model *m, int32_t task, int64_t n, const double *z,
                                        double *out);
/* Mean and log variance of the latents of n observations: both, n x 2 latents, a row the means,
 * then the log variances. */
UB_NODISCARD ub_status ub_model_posterior(const ub_model *m, int64_t n, const double *obs,
                                          double *both);
/* dg/dz of the head of a task at one z (latents), standardised units: the task's columns x
 * latents.  layer: of ub_model_layers; active: room for head_hidden numbers. */
void ub_model_jacobian(const ub_model *m, const ub_layer *layer, int32_t task, const double *z,
                       double *active, double *jacobian);

#endif /* UB_CORE_MODEL_H */
