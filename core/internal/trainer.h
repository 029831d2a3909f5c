/* core/internal/trainer.h - what a trainer is made of, for core/trainer*.c.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_TRAINER_H
#define UB_CORE_INTERNAL_TRAINER_H

#include "core/internal/learner.h"
#include "core/objective.h"
#include "core/trainer.h"

/* The part of the state that is neither weights nor results; all members doubles. */
typedef struct ub_trainer_counters {
    double phase, rows;
    double sums[UB_TERMS]; /* of the steps of this epoch so far */
    double gradient_norm;  /* of the last step, before it was clipped */
    double quiet; /* epochs since the held-out objective last fell (disentangle.patience) */
} ub_trainer_counters;

struct ub_trainer {
    const ub_learner_api *api;
    ub_learner           *learner;
    ub_learner_facts      facts;
    ub_targets            targets;
    ub_model              best; /* shape and norm of the model */
    ub_restarts           ends; /* of the initialisations that are over */
    ub_trainer_counters   at;
    double               *used;     /* of every task: held-out samples at which it counts */
    double               *tail;     /* of a step: squares of the ranges of the gradient, terms */
    void                 *gradient; /* of a step, where it is clipped; width numbers, else NULL */
    void                 *own_gradient; /* own memory for it */
    double               *result;       /* of an evaluation: terms, sum mu, sum mu^2, strength */
    ub_range              own;
    int64_t               first; /* its initialisations are first .. first + restarts - 1 */
    int64_t               restarts, epochs, steps, width;
    int64_t               every; /* epochs between evaluations */
    ub_settings           settings;
    ub_trainer_row       *log;     /* restarts * epochs */
    int32_t              *support; /* of every row: tasks, see ub_trainer_history */
    double               *recent;  /* tasks x latents: strengths at the end of an epoch */
};

/* Phases of an initialisation that does not end early. */
int64_t ub_trainer_each(const ub_trainer *t);
/* tasks * latents */
int64_t ub_trainer_cells(const ub_trainer *t);
/* An evaluation better than those before of this initialisation (t->result): keep what it says of
 * it, and the weights if it is better than all initialisations before. */
void ub_trainer_keep(ub_trainer *t, int64_t restart, double objective);
/* Conclude from the objectives and strengths of the first `count` initialisations. */
void ub_trainer_judge(ub_trainer *t, int64_t count);

#endif /* UB_CORE_INTERNAL_TRAINER_H */
