/* core/penalty.h - sparsity between tasks and latents: one interface, many penalties.
 *
 * Each penalty is one file core/penalty/NAME.c that defines `const ub_penalty
 * UB_REAL_NAME(ub_penalty_NAME)`, plus the line UB_PENALTY(NAME) in core/penalty/registry.def,
 * in the order of the choices of disentangle.penalty; tests/core/dual.h says its formula again.
 *
 * Layer: core (no MPI, no files, no globals).  Compiled for double and for float (core/real.h);
 * sums over samples are taken in double.
 */
#ifndef UB_CORE_PENALTY_H
#define UB_CORE_PENALTY_H

#include <stddef.h>
#include <stdint.h>

#include "core/model.h"
#include "core/real.h"

/* The heads of one batch.  Weights and gradients are those of the heads, places in them counted
 * from the first head on.  Head i: A = tanh(W1 z + b1), output W2 A + b2. */
typedef struct ub_heads {
    int32_t         tasks, latents, hidden;
    const int32_t  *offset;   /* tasks + 1: columns of the tasks */
    const ub_layer *layer;    /* 2 * tasks: W1 and W2 of every head */
    int64_t         extra;    /* where the penalty's own parameters are in the weights */
    double          group;    /* disentangle.group */
    int64_t         n;        /* rows that enter: the first of the batch */
    const ub_real  *use;      /* rows x tasks: 1 = the task counts in this row, else 0 */
    ub_real *const *active;   /* A of every head, rows x hidden */
    ub_real *const *delta;    /* dL/d(W1 z + b1) of every head, rows x hidden */
    ub_real        *jacobian; /* scratch: n x targets x latents */
    ub_real        *work;     /* scratch: 2 * n * (widest task) * hidden */
} ub_heads;

typedef struct ub_penalty {
    const char *name;    /* the word used in configurations; equals the file name */
    const char *summary; /* one line */

    /* Trainable numbers of its own, all 1 at the start.  NULL = none. */
    int64_t (*parameters)(const ub_model_shape *shape);

    /* Change the heads of `effective` (a copy of the weights) as the parameters in w say; and
     * turn the gradient with respect to the effective weights into that of w.  NULL = identity. */
    void (*fold)(const ub_heads *h, const ub_real *w, ub_real *effective);
    void (*unfold)(const ub_heads *h, const ub_real *w, ub_real *grad);

    /* Value of the penalty on these rows, by the formula at the head of its file; one on J is 0
     * without rows.  Unless grad is NULL, also add `weight` times its gradient: with respect to
     * weights to grad, through A to h->delta.
     *   effective  weights the batch was computed with: after fold, before unfold */
    double (*value)(const ub_heads *h, const ub_real *effective, double weight, ub_real *grad);
} ub_penalty;

/* The i-th registered penalty, or NULL past the end. */
const ub_penalty *ub_penalty_at(size_t i);

/* J = d(output)/dz = W2 diag(D) W1, D = 1 - A^2, on h->n rows, to h->jacobian: head after head,
 * in it row after row of width x latents.  Zero in rows at which the task does not count. */
void ub_heads_jacobians(const ub_heads *h, const ub_real *effective);

/* With h->jacobian holding U = dP/dJ, add the gradient of P.  With S = W2 diag(D) and V = U W1'
 * (a row for every row r and output o):
 *   dW1 += S' U,   dW2_ok += sum_r D_rk V_rok,   e_rk = -2 A_rk D_rk sum_o W2_ok V_rok,
 * and e, the derivative through the pre-activation, goes to h->delta: it joins the head's own
 * backward pass.  (Design page, section 3, written with matrix products.) */
void ub_heads_pull(const ub_heads *h, const ub_real *effective, ub_real *grad);

/* Add the sum over used rows and outputs of |J| / width to strength (tasks x latents). */
void ub_heads_strength(const ub_heads *h, const ub_real *w, double *strength);

#endif /* UB_CORE_PENALTY_H */
