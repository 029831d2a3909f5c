/* core/latent_score.h - estimated latents against true ones, task by task.
 *
 * Layer: core.
 */
#ifndef UB_CORE_LATENT_SCORE_H
#define UB_CORE_LATENT_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

/* What the latents that a task keeps say of the true ones.  A mean over no latent is NaN. */
typedef struct ub_latent_score {
    int32_t needed, kept;  /* true latents the task needs; estimated ones it keeps */
    bool    right_number;  /* needed == kept */
    bool    right_set;     /* what is kept is matched to what is needed, one to one */
    double  r2_relevant;   /* mean R^2 of the true latents the task needs, from those it keeps */
    double  r2_irrelevant; /* the same of those it does not need */
    double  r2_floor;      /* of those it does not need, from the true ones it needs: no better
                              r2_irrelevant is possible where true latents depend on each other */
} ub_latent_score;

/* Mean of r2 (count) over the cells whose flag is `of` (0 or 1; flags `stride` apart); NaN if there
 * is none. */
double ub_latent_mean(int32_t count, const double *r2, const uint8_t *flag, int64_t stride, int of);

/* Match estimated latents with true ones by how well each predicts each alone: the pairing with
 * the largest sum of R^2 (core/assign.h); a pair below UB_LATENT_MATCH is no match.  Latents that
 * the tasks cannot tell apart may be any mixture of each other: they are matched within
 * their group, so such a mixture does no harm.
 *   r2     latents x truths: R^2 of truth q from latent j alone
 *   match  out, latents: the true latent of each, -1 = none
 * Errors: UB_ENUMERIC (r2 not finite), UB_ENOMEM. */
#define UB_LATENT_MATCH 0.1
UB_NODISCARD ub_status ub_latent_match(int32_t latents, int32_t truths, const double *r2,
                                       int32_t *match);

/* needed, kept, right_number and right_set of a task.
 *   keeps  latents: 1 = the task keeps it;  needs  truths, `stride` apart: 1 = it needs it
 *   match  of ub_latent_match */
void ub_latent_compare(int32_t latents, const uint8_t *keeps, int32_t truths, const uint8_t *needs,
                       int64_t stride, const int32_t *match, ub_latent_score *out);

#endif /* UB_CORE_LATENT_SCORE_H */
