/* core/optimizer.h - how weights follow a gradient: one interface, many optimisers; and how the
 * step size changes during a training.
 *
 * Each optimiser is one file core/optimizer/NAME.c that defines `const ub_optimizer
 * UB_REAL_NAME(ub_optimizer_NAME)`, plus the line UB_OPTIMIZER(NAME) in
 * core/optimizer/registry.def, in the order of the choices of disentangle.optimizer.
 *
 * Layer: core (no MPI, no files, no globals).  Optimisers are compiled for double and for float
 * (core/real.h).
 */
#ifndef UB_CORE_OPTIMIZER_H
#define UB_CORE_OPTIMIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/real.h"
#include "core/settings.h"

typedef struct ub_update {
    int64_t number; /* of this update, 1 for the first */
    double  rate;   /* step size */
    double  scale;  /* what the gradient is multiplied by first: less than 1 where it is clipped */
    double  decay, momentum; /* disentangle.weight_decay, .momentum */
    bool    nesterov;
} ub_update;

typedef struct ub_optimizer {
    const char *name;      /* the word used in configurations; equals the file name */
    const char *summary;   /* one line */
    const char *reference; /* where it was published */

    /* One update of n weights w with gradient g, a number at a time: any part of the weights may be
     * updated apart.  m and v (n each) are its memory, zero before the first update. */
    void (*update)(const ub_update *step, int64_t n, const ub_real *g, ub_real *w, ub_real *m,
                   ub_real *v);
} ub_optimizer;

/* The i-th registered optimiser, or NULL past the end. */
const ub_optimizer *ub_optimizer_at(size_t i);

/* Step size of step 0 .. steps - 1 of an initialisation, from disentangle.learning_rate,
 * .schedule, .decay_from, .decay_to, .drops and .warmup.  With x = step / steps, from = decay_from
 * and p = (x - from) / (1 - from), it is the rate itself before `from`, and after it the rate times
 *   linear  1 - (1 - to) p
 *   cosine  to + (1 - to) (1 + cos(pi p)) / 2       (Loshchilov and Hutter, ICLR 2017: SGDR)
 *   step    to^(k / drops), k = floor(p drops) + 1: as many equal drops at equal distances
 * and over the first steps x < warmup times (step + 1) / (warmup steps), at most 1. */
double ub_schedule_at(const ub_settings *settings, int64_t step, int64_t steps);

#endif /* UB_CORE_OPTIMIZER_H */
