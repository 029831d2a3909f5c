/* core/objective.h - the stage 2 loss of a batch and its gradient.
 *
 * For a standardised observation x (dim D) and task columns g, with (mu, v) = encoder(x),
 * z = mu + exp(v / 2) e, e ~ N(0, I):
 *
 *   reconstruction  |decoder(z) - x|^2 / D, the mean over the components
 *   kl              sum_j (mu_j^2 + exp(v_j) - 1 - v_j) / 2        (to N(0, I))
 *   task            sum over the tasks that count of |head_i(z) - g_i|^2, summed over columns
 *                   or, of a categorical task, -log softmax(head_i(z)) of its class
 *   penalty         core/penalty.h, at the z of the first rows of the batch
 *   objective     = reconstruction + beta kl + task + lambda penalty
 *
 * The scales are those at which beta = .003 and lambda = .2 work: the penalty sums |dg/dz| over
 * task columns, so the task loss must too (as a mean over 4 columns, lambda = .2 closes whole
 * tasks: relevant R^2 .65); reconstruction summed over components shrinks the noise of z and slows
 * the training (relevant R^2 .97 instead of .99 at 60 epochs).
 *
 * Kingma and Welling, "Auto-encoding variational Bayes" (ICLR 2014); beta as in Higgins et al.
 *
 * Layer: core.  The workspace is allocated once; calls allocate nothing.  Compiled for double and
 * for float (core/real.h); terms are sums in double.
 */
#ifndef UB_CORE_OBJECTIVE_H
#define UB_CORE_OBJECTIVE_H

#include <stdbool.h>

#include "core/model.h"
#include "core/penalty.h"
#include "core/settings.h"

enum { UB_TERM_RECONSTRUCTION, UB_TERM_KL, UB_TERM_TASK, UB_TERM_PENALTY, UB_TERMS };

/* Standardised rows; all borrowed. */
typedef struct ub_batch {
    int64_t        n;        /* rows */
    int64_t        jacobian; /* the first so many enter the penalty */
    const ub_real *obs;      /* n x dim */
    const ub_real *target;   /* n x targets; of a categorical task: 1 in the column of its class */
    const ub_real *use;      /* n x tasks: 1 = the task's loss counts in this row, else 0 */
    const ub_real *noise;    /* n x latents; NULL: z = mu */
} ub_batch;

/* How the terms are weighted: they are summed over rows and multiplied by `row`, the penalty (of
 * all rows that enter it) by `penalty`.  The gradient is that of the sum of these terms, KL times
 * beta, penalty times lambda.
 */
typedef struct ub_weighting {
    double row, penalty, lambda;
} ub_weighting;

/* Outputs first .. first + count - 1 of a layer; layer -1: all heads and the penalty. */
typedef struct ub_objective_range {
    int32_t layer, first, count;
} ub_objective_range;

/* Ranges are whole multiples of so many outputs where a layer is long enough for that. */
enum { UB_OBJECTIVE_GRAIN = 16 };

typedef struct ub_objective {
    ub_model_shape      shape;
    int32_t            *task_offset, *classes;
    int32_t             layers; /* encoder, decoder, heads: see ub_model_layers */
    ub_layer           *layer;
    const ub_penalty   *penalty;
    double              beta;
    int64_t             weights;     /* of the model */
    int64_t             parameters;  /* weights and the penalty's own */
    int64_t             rows, slots; /* capacity: rows of a batch, batches of a pass */
    int64_t             count;       /* batches of the pass at hand */
    ub_batch           *batch;       /* they */
    int64_t            *first;       /* slots + 1: their rows, one batch after another */
    ub_real           **in;          /* of every layer: what it gets; those of another below */
    ub_real           **out;         /* what it makes: rows of all batches x layer->out */
    ub_real           **back;        /* the same: dL/d(pre-activation) */
    ub_real            *obs, *z;     /* rows of all batches x dim, latents */
    int64_t            *joined;      /* slots: rows of the batches of ub_objective_join */
    unsigned char      *joins;       /* of every layer: products of all rows at once */
    unsigned char      *adds;        /* of every range: its product adds to what is there */
    ub_real            *tail;        /* slots x (parameters - tail_at): gradient of the heads */
    int64_t             tail_at;     /* heads and penalty begin here in the parameters */
    int32_t             ranges;      /* of the gradient, see below */
    ub_objective_range *range;
    int64_t            *at;              /* ranges + 1: where they begin */
    int64_t             longest;         /* numbers of the longest range of a layer */
    ub_real            *spare;           /* two of the longest range of a layer */
    ub_real           **active, **delta; /* of every head, on one batch: see ub_heads */
    ub_layer           *head;            /* layers of the heads, counted from tail_at on */
    ub_real            *effective, *dz, *sd, *answer, *slope, *jacobian, *work;
    ub_heads            heads;
} ub_objective;

/* classes: tasks; not 0 = the task is categorical, with a class an output; NULL: none is.
 * Make one for batches of up to `rows` rows, up to `slots` (>= 1) of which make a pass.
 * UB_ESHAPE, UB_ENOMEM. */
UB_NODISCARD ub_status ub_objective_init(const ub_model_shape *shape, const int32_t *task_offset,
                                         const int32_t *classes, const ub_settings *settings,
                                         int64_t rows, int64_t slots, ub_objective *out);
void                   ub_objective_release(ub_objective *o);

/* Starting weights of one initialisation: normal, He et al. (2015) before leaky ReLU, Glorot and
 * Bengio (2010) before tanh and linear outputs; biases 0; the penalty's parameters 1. */
void ub_objective_start(const ub_objective *o, uint64_t seed, int64_t restart, ub_real *w);

/* Terms of a batch (UB_TERMS, set) and, unless grad is NULL, the gradient of the objective with
 * respect to the `parameters` numbers w (set). */
void ub_objective_batch(ub_objective *o, const ub_real *w, const ub_batch *b,
                        const ub_weighting *weighting, double terms[UB_TERMS], ub_real *grad);

/* The same in two steps, for a gradient that is wanted range by range, of `count` batches: terms of
 * each (count x UB_TERMS) and all that the gradients need, kept until the next pass; then the
 * numbers o->at[k] .. o->at[k + 1] - 1 of the gradient of batch number `slot`, set, or added to out
 * as one number each.  A range has about 30,720 numbers at most (but the heads are one): those of a
 * few batches stay in the cache of a core while they are added up.  What a batch borrows is
 * borrowed until then.  No bit depends on the other batches. */
void ub_objective_pass(ub_objective *o, const ub_real *w, int64_t count, const ub_batch *b,
                       const ub_weighting *weighting, double *terms);
void ub_objective_gradient(const ub_objective *o, int64_t slot, int32_t k, ub_real *out, bool add);

/* Prepare for passes of `count` batches of n[0], n[1], ... rows.  A matrix library packs the
 * weights for every product; one product of all rows saves that, and gives the bits of one product
 * a batch if the library treats all rows alike.  Whether it does is found out here, layer by layer,
 * with random numbers in these very arrays and shapes (a library chooses its ways by them, never by
 * the numbers); the same of a product that is added to what is there, against a product and an
 * addition. Where it does not, and in passes of other batches, every batch has products of its own.
 * Costs about eight passes. */
void ub_objective_join(ub_objective *o, int64_t count, const int64_t *n);

/* After ub_objective_pass, or ub_objective_batch without gradient (slot 0), of the same rows: mu
 * (stride 2 * latents), and sums of |dg/dz| over the rows that entered the penalty added to
 * strength (see ub_heads_strength). */
const ub_real *ub_objective_mu(const ub_objective *o, int64_t slot);
void ub_objective_strength(ub_objective *o, int64_t slot, const ub_real *w, double *strength);

/* w as a model without a penalty has it (the mask multiplied in): `weights` numbers. */
void ub_objective_fold(const ub_objective *o, const ub_real *w, ub_real *model_w);

#endif /* UB_CORE_OBJECTIVE_H */
