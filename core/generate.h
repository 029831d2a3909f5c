/* core/generate.h - change what a task needs, leave the rest, and measure what changes all the
 * same.
 *
 * Latents: of n latents, task i keeps those with model.relevant; strength s_ij (mean |Jacobian|),
 * relative to the task's strongest: r_ij = s_ij / max_j s_ij.  Its OWN latents are the kept ones
 * that matter to it at least twice as much as to any other task: r_ij >= 2 max_{k != i} r_kj.  What
 * several tasks need is nobody's own, and moving it moves them all, rightly.
 *
 * Leakage: pairs of samples (a, b), latents z^a, z^b.  For task i, z' is z^a with its own latents
 * (all it keeps, if none is its own) taken from z^b: a swap stays inside the distribution of the
 * data and needs no scale.  A quantity q, a vector, changes by
 *
 *   c_i(q) = sum_pairs |q(z') - q(z^a)|^2 / sum_pairs |q(z^b) - q(z^a)|^2,
 *
 * 0: untouched, 1: as if everything had been swapped; 0 / 0 = 0, what no swap moves.  Quantities
 * are the prediction of every task k (its columns standardised; over the pairs where k counts),
 * and, where true factors are known, each factor as an independent judge reads it from the decoded
 * observation (core/metrics.h, trained on real observations and their factors).
 *
 *   effect_i       = c_i(prediction of i)
 *   into_tasks_i   = mean of c_i over the other tasks
 *   into_factors_i = mean of c_i over the factors that task i does not need
 *   leakage_i      = mean of c_i over all of these / effect_i
 *
 * unwanted change per wanted change, both as fractions of a full swap.  The leakage of a model is
 * the mean over its tasks.  A model whose tasks share all latents has leakage 1.
 *
 * Layer: core.
 */
#ifndef UB_CORE_GENERATE_H
#define UB_CORE_GENERATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/model.h"

/* Latents that a chosen task keeps; with `own`, only those that are none of the others' concern.
 *   chosen  tasks, 1/0;  moved  latents, 1/0, out.  Returns how many. */
int32_t ub_generate_moved(const ub_model *m, const uint8_t *chosen, bool own, uint8_t *moved);

/* rows x latents: where `moved`, from + t (to - from), exact at t = 0 and t = 1; elsewhere the bits
 * of `from`.  out may be `from`. */
void ub_generate_blend(int64_t rows, int32_t latents, const uint8_t *moved, const double *from,
                       const double *to, double t, double *out);

/* What leakage is measured on; all borrowed. */
typedef struct ub_leak_data {
    int64_t        pairs;
    const double  *a, *b;   /* pairs x latents */
    const uint8_t *use;     /* pairs x tasks: the task's prediction counts; NULL: all do */
    int32_t        factors; /* true ones; 0: none are known */
    const uint8_t *needed;  /* factors x tasks: the task needs the factor */
    int64_t        train;   /* samples the judge learns from */
    const double  *obs;     /* train x dim, real ones */
    const double  *truth;   /* train x factors */
    const double  *known;   /* pairs x factors: the true factors of a */
    double         ridge;   /* of the judge */
} ub_leak_data;

/* Of one task.  leakage is NaN where its own latents do not change its prediction (effect 0), a
 * part of it where there is nothing to leak into. */
typedef struct ub_leak {
    double  effect, into_tasks, into_factors, leakage;
    int32_t own;   /* its own latents ... */
    int32_t moved; /* ... and how many were swapped */
} ub_leak;

typedef struct ub_leakage {
    int32_t  tasks, factors;
    ub_leak *task;   /* tasks */
    double  *change; /* tasks x (tasks + factors): c_i of every prediction, then of every factor */
    double  *r2;     /* factors: R^2 of the true ones as the judge reads them from the
                        reconstructions of a; what cannot be read cannot be seen to leak */
    double overall;  /* mean leakage of the tasks that have one; NaN if none has */
} ub_leakage;

/* Measure; *out is owned by the caller.
 * Memory: (tasks + 2) pairs observations where there are factors.
 * Cost: tasks + 2 passes of decoder and judge over the pairs; the judge's fit (ub_judge_predict).
 * Errors: UB_EARG (no pairs, train < 10), UB_ENUMERIC, UB_ENOMEM. */
UB_NODISCARD ub_status ub_leakage_measure(const ub_model *m, const ub_leak_data *d,
                                          ub_leakage *out);
void                   ub_leakage_release(ub_leakage *l);

#endif /* UB_CORE_GENERATE_H */
