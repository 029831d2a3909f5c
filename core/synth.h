/* core/synth.h - corpora with known truth.
 *
 * `chain` (stage 1, design of the published experiments): s_t = alpha_t s_{t-1} + N(0,1)
 * with alpha = +-U(.3,.9) with probability synth.edge, else no edge; a_t = beta_t s_t +
 * .5 N, beta = +-U(.5,1.5); g_i = sum over member steps of w_ti f(a_t) + .5 N, w = +-U(.5,1.5),
 * f = identity, (a^2 / E a^2 - 1) / sqrt 2, or tanh; `squared_sum`: g_i = (sum w_ti a_t)^2 + .5 N.
 * Every segment belongs to a task with probability synth.membership, at least two segments a task.
 * synth.transition puts tanh(1.5 s), s + sin(2 s) or s^2 / (2 + 2 |s|) in place of alpha_t s.
 *
 * `latent` (stage 2), T = L = 1: latents z ~ N(0, I), the relevant ones first; with R of them and
 * M tasks, task i needs w = 1 + ceil((R - 1) / M) latents (at most R), from i (w - 1) on,
 * cyclically: together they need every one, neighbours share one (R = 3, M = 2: {0,1}, {1,2}).
 * g_i = V tanh(W z_own + b) + .05 N in R^task_dim, V and W orthogonal: the Jacobian has full rank
 * where task_dim allows, and every latent of the task counts about alike (use task_dim > 1: a
 * scalar task can be told from one latent).  Observation o = B f(A z) + .01 N in R^obs_dim, A and
 * B orthogonal, f an increasing smooth leaky rectifier (slopes .2 to 1): it can be undone.
 *
 * `sprites` (stage 2, pictures), T = L = 1: factors u uniform on [-1, 1] in the order of
 * core/sprites.h (hat, glasses, colour, x, y, size, rotation): the first synth.relevant, tasks of
 * them as in `latent` with z = sqrt(3) u, then synth.irrelevant more; those left over stay 0.
 * Observation: the picture of synth.image_side squared pixels, + .01 N; truth: u.
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
 * segments, obs_dim < relevant + irrelevant, more factors than sprites have, two channels), UB_EARG
 * (episodes beyond synth.samples).
 * Cost: count * T * M, or count * obs_dim * n, or 30 exponentials a pixel. */
UB_NODISCARD ub_status ub_synth(const ub_settings *settings, int64_t first, int64_t count,
                                ub_corpus *out);

#endif /* UB_CORE_SYNTH_H */
