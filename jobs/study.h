/* jobs/study.h - the stages of a study, each resumable, in one run folder.
 *
 * A stage that has finished is read back, not done again; one that was cut off goes on
 * where its journal or newest checkpoint stands.  Commands string stages together.
 *
 * Layer: jobs.
 */
#ifndef UB_JOBS_STUDY_H
#define UB_JOBS_STUDY_H

#include "core/latent_score.h"
#include "core/metrics.h"
#include "core/task_graph.h"
#include "io/beacon.h"
#include "io/results.h"
#include "io/rundir.h"
#include "jobs/command.h"
#include "mpi/samples.h"
#include "mpi/team.h"

typedef struct ub_study {
    ub_context *ctx;
    ub_rundir   dir;
    ub_beacon  *beacon; /* rank 0; NULL: none */
    ub_bytes    config; /* settings that matter, YAML */
    ub_origin   origin;
} ub_study;

/* What `eval` finds; a number that cannot be known is NaN. */
typedef struct ub_verdicts {
    bool                has_graph, has_truth, has_model, has_latents;
    ub_structure_scores scores;
    ub_latent_score     latents; /* of all tasks together; with has_latents */
    int32_t             tasks;
    ub_latent_score    *task;       /* tasks; owned */
    char (*task_name)[UB_NAME_MAX]; /* tasks; owned */
} ub_verdicts;

/* Read the corpus of the settings, in `shards` data blocks shared out to the ranks of c; complains
 * if no path is given. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_study_corpus(const ub_comm *c, const ub_context *ctx,
                                                     int64_t shards, ub_corpus *out);
/* Make or enter the run folder of a command. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_study_begin(ub_context *ctx, const ub_command *command,
                                                    const ub_corpus *corpus, ub_study *out);
/* The study ends with this status: leave the folder.  One that was refused (exit code 2) leaves
 * nothing behind: ub_rundir_discard. */
UB_LOCAL void ub_study_end(ub_study *s, ub_status st);
/* A phase begins: said in the status file; UB_ESTOP if a rank was asked to stop. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_study_phase(ub_study *s, const char *phase);
/* Say in the log that a stage is done, and the CPU seconds of rank 0 since its start: 'unbraid plan
 * --against' reads it. */
UB_LOCAL void ub_study_tell_done(const char *stage);
/* Has the stage finished, and is its result there, whole and of this study?  A stage whose result
 * is gone or damaged is done again, with a warning. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_study_has(const ub_study *s, const char *stage,
                                                  const char *result, bool *has);
/* UB_EINPUT unless the corpus is the one the run began with. */
UB_LOCAL UB_NODISCARD ub_status ub_study_same_corpus(const ub_study *s, const ub_corpus *corpus);
/* UB_EINPUT unless the result file `path` of a run with these settings was made from this corpus.
 */
UB_LOCAL UB_NODISCARD ub_status ub_study_made_from(const char *path, const ub_settings *run,
                                                   const ub_corpus *corpus);
/* Write text made with status `made` as file `name` of the run folder; releases the text. */
UB_LOCAL UB_NODISCARD ub_status ub_study_write(const ub_study *s, const char *name, ub_status made,
                                               ub_bytes *text);

/* Print what a command would do with this corpus (--dry-run); rank 0 prints. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_study_preview(const ub_context *ctx,
                                                      const ub_command *command,
                                                      const ub_corpus  *corpus);

/* Stage 1.  use: out, T x M membership on every rank; owned by the caller.  May be NULL. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_stage_structure(ub_study *s, const ub_corpus *corpus,
                                                        uint8_t **use);
/* Stage 2.  corpus: read by the ranks of the team in disentangle.shards blocks; use: T x M or NULL
 * (all). */
UB_COLLECTIVE UB_NODISCARD ub_status ub_stage_disentangle(ub_study *s, ub_team *team,
                                                          const ub_corpus *corpus,
                                                          const uint8_t   *use);
/* Their first steps, which the calibration of 'unbraid plan' does, too.
 *
 * The covariance, and the samples where the test needs them; both after its transform. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_stage_gather(const ub_comm *c, const ub_settings *settings,
                                                     const ub_corpus *corpus, ub_samples *samples,
                                                     ub_moments *moments);
/* The inverse of the covariance of all steps (p columns of m), for full conditioning; owned by the
 * caller. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_stage_invert(const ub_comm *c, const ub_settings *settings,
                                                     const ub_moments *m, int32_t p, double **out);
/* Means, then standard deviations, of observation components (over steps) and task columns. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_stage_norm(const ub_comm *c, const ub_corpus *corpus,
                                                   int64_t shards, double *norm);
/* Teams that the ranks make in stage 2. */
UB_LOCAL int ub_study_teams(const ub_settings *settings, int ranks);

/* Scores of what lies in a run folder.  run: the settings it was made with; judge: sections
 * eval and run of these.  out: ub_verdicts_release. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_stage_eval(const ub_comm *c, const char *folder,
                                                   const ub_settings *run, const ub_settings *judge,
                                                   ub_verdicts *out);
UB_LOCAL void                        ub_verdicts_release(ub_verdicts *v);
/* One JSON object with the names scripts rely on; appended. */
UB_LOCAL UB_NODISCARD ub_status ub_verdicts_json(const ub_verdicts *v, ub_bytes *out);
/* Numbers of that object which a study may be judged by: the name of the i-th that a command with
 * these settings sections finds, or NULL past the end.  sure: out, one of them that is there
 * whenever the truth is known, also where this one is NaN; may be NULL. */
UB_LOCAL const char *ub_verdicts_number(const char *sections, size_t i, const char **sure);
/* Draw and write report.html; print the summary unless json; rank 0 works. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_stage_report(ub_study *s, const ub_verdicts *v);

/* A study of the settings in ctx, its run folder ctx->out (or a preview with ctx->dry_run).
 * which: OR of the stages. */
enum { UB_STAGE_STRUCTURE = 1, UB_STAGE_DISENTANGLE = 2 };
UB_COLLECTIVE UB_NODISCARD ub_status ub_study_run(ub_context *ctx, const ub_command *command,
                                                  int which);

/* Ends a command: marks the run done, says where things are and what to type next. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_study_finish(ub_study *s);

#endif /* UB_JOBS_STUDY_H */
