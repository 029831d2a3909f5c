/* core/internal/critic.h - a network that tells paired rows from rows of one cell paired at random.
 *
 * Samples come in cells (core/internal/cells.h) of neighbours in Z.  A critic scores every pairing
 * inside a cell: F(i, j) = g(left row i) . h(right row j) / sqrt(embed), g and h networks of one
 * hidden layer (leaky ReLU).  Trained by Adam to raise
 *   UB_CRITIC_INFONCE  < F(j, j) - log mean_i exp F(i, j) >, i over the cell of j
 *                      (van den Oord et al. 2018; at most the log of the cell's size)
 *   UB_CRITIC_MINE     < F(j, j) > - log < exp F(i, j) >, i != j in the cell of j
 *                      (Donsker and Varadhan; Belghazi et al. 2018, with the moving average of
 *                      their Eq. 12 in the gradient)
 * both lower bounds of the mutual information of left and right rows given the cell, in nats, when
 * taken on rows that were not trained on (Poole et al. 2019).  What a network says about one side
 * and the cell alone cancels: every pairing of a cell has the same of it.
 *
 * Layer: core, private.  Deterministic: random numbers from the caller's stream, one order of sums.
 */
#ifndef UB_CORE_INTERNAL_CRITIC_H
#define UB_CORE_INTERNAL_CRITIC_H

#include <stdint.h>

#include "core/rng.h"
#include "core/status.h"

typedef struct ub_critic ub_critic;

typedef struct ub_critic_options {
    int     kind;        /* UB_CRITIC_... of core/settings.h */
    int32_t left, right; /* columns of a row */
    int32_t hidden, embed;
    double  rate;  /* Adam's step */
    double  decay; /* part of the weights lost in a pass (Loshchilov and Hutter 2019) */
    int64_t rows;  /* most rows of a batch, or of cells scored together */
} ub_critic_options;

/* Rows in the order of cells: cell c is rows first[c] .. first[c + 1] - 1 of both sides. */
typedef struct ub_critic_rows {
    const double  *left, *right; /* row-major; borrowed */
    const int64_t *first;        /* cells + 1; borrowed */
} ub_critic_rows;

/* Weights drawn from `rng`.  `*out` is owned by the caller.  Errors: UB_ENOMEM. */
UB_NODISCARD ub_status ub_critic_create(const ub_critic_options *o, ub_rng *rng, ub_critic **out);
void                   ub_critic_destroy(ub_critic **critic);

/* `epochs` more passes over cells 0 .. cells - 1 in random order, `batch` cells a step; their rows
 * must fit into `rows`.  Goes on where the last call ended. */
UB_NODISCARD ub_status ub_critic_train(ub_critic *s, const ub_critic_rows *data, int64_t cells,
                                       int64_t batch, int64_t epochs, ub_rng *rng);

/* Add `part` of F of cells from .. to - 1 to `score`: a square matrix each (its row is the left
 * row), one after another. */
void ub_critic_score(ub_critic *s, const ub_critic_rows *data, int64_t from, int64_t to,
                     double part, double *score);

/* The bound of kind UB_CRITIC_..., in nats, from such scores; of one critic, or the mean of many.
 */
double ub_critic_bound(int kind, const ub_critic_rows *data, int64_t from, int64_t to,
                       const double *score);

#endif /* UB_CORE_INTERNAL_CRITIC_H */
