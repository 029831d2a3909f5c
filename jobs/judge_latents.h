/* jobs/judge_latents.h - scores of the latents of a model against the true ones.
 *
 * Layer: jobs.
 */
#ifndef UB_JOBS_JUDGE_LATENTS_H
#define UB_JOBS_JUDGE_LATENTS_H

#include "core/corpus.h"
#include "core/latent_score.h"
#include "core/model.h"
#include "core/settings.h"
#include "mpi/comm.h"

/* R^2 by kernel ridge regression (ub_judge_r2), fitted on training episodes, read on held-out
 * ones.
 *   corpus  with latents and latent_relevant; this rank's part, in disentangle.shards blocks
 *   run     settings of the model; judge: section eval of these
 *   all     out: the latents that any task keeps against those that any task needs
 *   task    out, model tasks: the same task by task
 * The same on all ranks.  Cost: up to 2 + 2 tasks regressions of eval.train samples and one of a
 * quarter of them a latent, shared among the ranks. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_judge_latents(const ub_comm *c, const ub_corpus *corpus,
                                                      const ub_model *m, const ub_settings *run,
                                                      const ub_settings *judge,
                                                      ub_latent_score *all, ub_latent_score *task);

#endif /* UB_JOBS_JUDGE_LATENTS_H */
