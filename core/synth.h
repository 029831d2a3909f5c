/* core/synth.h - corpora with known truth.
 *
 * `chain` (stage 1, design of the published experiments): s_t = alpha_t s_{t-1} + N(0,1)
 * with alpha = +-U(.3,.9) with probability synth.edge, else no edge; a_t = beta_t s_t +
 * .5 N, beta = +-U(.5,1.5); g_i = sum over member steps of w_ti f(a_t) + .5 N, w = +-U(.5,1.5),
 * f = identity, square (a^2 - 1 standardised) or tanh; every segment belongs to a task with
 * probability synth.membership, at least two segments a task.
 *
 * `latent` (stage 2): latents z ~ N(0, I), relevant + irrelevant; each task a smooth
 * non-linear vector function (R^task_dim) of its own subset of the relevant latents plus
 * noise; observation o in R^obs_dim an invertible non-linear mixture of all latents plus noise.
 *
 * Every episode has a random stream of its own: the same corpus whoever makes which part.
 *
 * Layer: core (no MPI, no files).
 */
#ifndef UB_CORE_SYNTH_H
#define UB_CORE_SYNTH_H

#include "core/corpus.h"
#include "core/settings.h"

/* Make episodes first .. first + count - 1 of the corpus that `settings` describes (sections
 * synth and run.seed), with truth.  *out is owned by the caller; digest not set.
 * Errors: UB_ERANGE with a sentence (steps not a multiple of segment_length, fewer than two
 * segments, obs_dim < relevant + irrelevant). */
UB_NODISCARD ub_status ub_synth(const ub_settings *settings, int64_t first, int64_t count,
                                ub_corpus *out);

#endif /* UB_CORE_SYNTH_H */
