/* core/evidence.h - which latents a task needs, and how far that can be trusted.
 *
 * Layer: core.
 */
#ifndef UB_CORE_EVIDENCE_H
#define UB_CORE_EVIDENCE_H

#include <stdint.h>

#include "core/model.h"

/* strength = mean |dg/dz| over the task's columns and its samples, times the standard deviation
 * of the latent: how far the (standardised) task moves when the latent does.
 *   sum       over n rows: mu, mu^2 (latents each), then |dg/dz| (tasks x latents) over the rows
 *             at which the task counts
 *   used      tasks: how many rows those are; NULL: strengths of a task are wanted up to a factor
 *   strength  out, tasks x latents; 0 for a task without rows */
void ub_strengths(const ub_model_shape *shape, const double *sum, double n, const double *used,
                  double *strength);
/* A task keeps the latents whose strength is above the part `keep` of its largest.
 *   relevant  out, latents: 1/0; may be NULL
 * Returns how many it keeps. */
int32_t ub_strengths_keep(int32_t latents, double keep, const double *strength, uint8_t *relevant);

#endif /* UB_CORE_EVIDENCE_H */
