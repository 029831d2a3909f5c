/* jobs/generate.h - a trained model with its corpus: episodes changed where chosen tasks look, and
 * what leaks.
 *
 * Layer: jobs.
 */
#ifndef UB_JOBS_GENERATE_H
#define UB_JOBS_GENERATE_H

#include "core/corpus.h"
#include "core/generate.h"
#include "core/model.h"
#include "core/settings.h"
#include "mpi/comm.h"

/* The model of a run folder, its corpus, and what both say about each other. */
typedef struct ub_generator {
    ub_model  model;
    ub_corpus corpus;   /* this rank's part */
    uint8_t  *use;      /* T x M: the task's predictions count at the step; NULL: at all */
    int64_t  *held_out; /* episodes never trained on, ascending */
    int64_t   held_outs;

    /* ub_generator_measure, on rank 0: */
    ub_leakage leakage;
    int64_t    pairs;      /* it is measured on */
    double    *low, *high; /* latents: the middle 95 % of the held-out cells */
    double    *mean, *sd;  /* latents: over those */
} ub_generator;

/* Read model.h5 of a run folder and the corpus of its settings.
 *   run  the settings the run was made with
 *   out  released with ub_generator_release, after a failure too
 * Errors: UB_EINPUT (no model yet, another corpus, fewer than two held-out episodes). */
UB_COLLECTIVE UB_NODISCARD ub_status ub_generator_open(const ub_comm *c, const char *folder,
                                                       const ub_settings *run, ub_generator *out);
UB_LOCAL void                        ub_generator_release(ub_generator *g);

/* Leakage (core/generate.h) on pairs of held-out episodes at the same step, at most eval.test of
 * them, with a judge of at most eval.train other samples; and the range of each latent.
 *   judge  section eval of these */
UB_COLLECTIVE UB_NODISCARD ub_status ub_generator_measure(const ub_comm *c, const ub_settings *run,
                                                          const ub_settings *judge,
                                                          ub_generator      *g);

/* Observations of `count` steps of the corpus on all ranks, cell = episode * T + step.
 *   obs  count x d;  truth  count x latent_dim, or NULL */
UB_COLLECTIVE UB_NODISCARD ub_status ub_generator_gather(const ub_comm *c, const ub_generator *g,
                                                         int64_t count, const int64_t *cell,
                                                         double *obs, double *truth);

#endif /* UB_JOBS_GENERATE_H */
