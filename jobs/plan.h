/* jobs/plan.h - what a study will cost: measured here on one rank, foretold for many.
 *
 *   ub_plan_measure    reads the corpus and does a few seconds of the study's own work
 *   ub_plan_foretell   from that, the farm's simulator and a few assumptions to seconds, memory,
 *                      bytes and jobs; no clock, no files: equal measurements, equal forecasts
 *   ub_plan_make       both
 *   ub_plan_against    what a run really took, from its log
 *   ub_plan_write      keeps a plan in the run folder, whose report sets it beside what it took
 *
 * Computing is measured in CPU seconds, so that a busy machine does not make it look longer.
 *
 * Layer: jobs.
 */
#ifndef UB_JOBS_PLAN_H
#define UB_JOBS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/corpus.h"
#include "core/rehearse.h"
#include "core/settings.h"
#include "core/sha256.h"
#include "core/status.h"
#include "io/export.h"
#include "mpi/comm.h"

/* Seconds of one rank of this machine that does everything alone; 0 where nothing is to be done. */
typedef struct ub_plan_costs {
    int     stages; /* OR of UB_STAGE_... */
    char    corpus[UB_SHA256_HEX];
    double  read_s;     /* the corpus, digest and all; by the wall clock, as it waits for files */
    double  base_mb;    /* of the program and its libraries, without the corpus */
    double  corpus_mb;  /* of states, targets and latents */
    double  wall, busy; /* seconds of measured computing by the wall clock, and by CPU */
    int32_t columns, tasks;

    /* Stage 1. */
    double  covariance_s, inverse_s, solver_s; /* the first: with gathering samples */
    double  samples_mb, solver_mb;             /* one copy a node; what a rank keeps besides */
    bool    precision;
    int64_t segments, tests, items;
    double *item_s; /* owned, `sampled` */
    int64_t sampled;
    double *each; /* of all items, as far as is known; owned, `items`; NULL: of very many */
    double  item_mean, item_cv, item_error; /* the last: of the mean, as part of it */
    double  absorb_s;                       /* of an answer, on the master */
    double  answer_bytes;                   /* of an answer */
    double  conclude_s; /* decision and text; estimated where not all items were done */
    double  text_bytes, table_bytes;

    /* Stage 2: a training. */
    double  norm_s, create_s;
    int64_t shards, steps, evaluations;      /* gradient steps, evaluations of one initialisation */
    double  pass_s, sum_s, update_s, rest_s; /* of a step: of all shards, adding them up, the
                                                weights, what every rank does */
    double  step_cv, step_error; /* the last: standard error of the mean, as part of it */
    int64_t timed;
    double  evaluation_s, evidence_s; /* of all shards */
    int64_t width, state;             /* numbers a step adds up; doubles of a checkpoint */
    size_t  number;
    double  trainer_mb;
    double  model_bytes;

    /* Evaluation: regressions with all samples, and with those of a single latent. */
    int64_t full, thin;
    int64_t kept;    /* of `full`: of the sets of latents that the model keeps ... */
    bool    guessed; /* ... which are those of the truth, as no training was over here */
    double  full_s, thin_s, encode_s, full_error; /* the last: standard error of full_s */
} ub_plan_costs;

/* Measure on this rank alone.  Reads the corpus of the settings, which it needs whole in memory.
 * seconds: about how long items, and steps, are tried out.  Errors: those of a run that refuses
 * the same settings, UB_ENOMEM. */
UB_LOCAL UB_NODISCARD ub_status ub_plan_measure(const ub_settings *settings, int stages,
                                                double seconds, ub_plan_costs *out);
UB_LOCAL void                   ub_plan_costs_release(ub_plan_costs *m);
/* Its second half: stage 2 and the judge.  self: a communicator of this rank alone. */
UB_LOCAL UB_NODISCARD ub_status ub_plan_measure_training(const ub_comm     *self,
                                                         const ub_corpus   *corpus,
                                                         const ub_settings *settings,
                                                         double seconds, ub_plan_costs *out);

/* A stretch of computing: its CPU seconds, added to the account of *m. */
typedef struct ub_plan_clock {
    double wall, cpu;
} ub_plan_clock;
UB_LOCAL ub_plan_clock ub_plan_begin(void);
UB_LOCAL double        ub_plan_end(ub_plan_costs *m, ub_plan_clock from);
/* MiB of this process in memory now; 0 where the system does not tell. */
UB_LOCAL double ub_plan_resident(void);

enum { UB_PLAN_STRUCTURE, UB_PLAN_DISENTANGLE, UB_PLAN_EVALUATION, UB_PLAN_STAGES };

typedef struct ub_plan_forecast {
    int           ranks, nodes, teams;
    double        stage_s[UB_PLAN_STAGES]; /* wall clock, all ranks together */
    double        seconds, low, high;      /* the whole run in one job, and an interval */
    double        again_s;                 /* what a job that goes on does again */
    double        files_s;                 /* of them, waiting for files: assumed, not measured */
    double        node_hours, memory_mb;   /* memory: of the rank that needs most */
    double        bytes;                   /* written */
    double        efficiency;              /* of the farm */
    double        lead_s;                  /* a job stops so long before its end */
    int64_t       jobs;                    /* in a chain; 0: no job ever gets to work */
    ub_sched_pick pick;                    /* policy NULL: one rank, or no farm */
} ub_plan_forecast;

UB_LOCAL UB_NODISCARD ub_status ub_plan_foretell(const ub_settings   *settings,
                                                 const ub_plan_costs *m, int ranks,
                                                 ub_plan_forecast *out);

/* slurm.nodes * slurm.tasks_per_node.  Errors: UB_ERANGE (beyond UB_PLAN_RANKS). */
enum { UB_PLAN_RANKS = 1000000 };
UB_LOCAL UB_NODISCARD ub_status ub_plan_ranks(const ub_settings *settings, int *ranks);
/* Both: what slurm.command is about is measured for some seconds and foretold; the log is quiet
 * from here on.  m: ub_plan_costs_release, whatever is returned.
 * Errors: UB_EINPUT (a sweep), those of ub_plan_measure. */
UB_LOCAL UB_NODISCARD ub_status ub_plan_make(const ub_settings *settings, int ranks,
                                             ub_plan_costs *m, ub_plan_forecast *f);

typedef struct ub_plan_past {
    int    ranks;                                          /* of its last job */
    int    starts;                                         /* jobs, or calls of the program */
    double stage_s[UB_PLAN_STAGES], cpu_s[UB_PLAN_STAGES]; /* cpu_s: of rank 0 */
} ub_plan_past;

/* What a run took up to the end of its evaluation, from the log in its folder, added up over its
 * jobs.  Errors: UB_EINPUT (no log, or it does not get so far). */
UB_LOCAL UB_NODISCARD ub_status ub_plan_against(const char *folder, ub_plan_past *out);

/* A plan as plan.yaml of a run folder has it. */
typedef struct ub_plan_kept {
    char    identity[UB_TEXT_MAX]; /* ub_rundir_identity of the run that it foretells */
    int64_t ranks, nodes, jobs;
    double  stage_s[UB_PLAN_STAGES], seconds, low, high, lead_s, node_hours, memory_mb;
} ub_plan_kept;

UB_LOCAL UB_NODISCARD ub_status ub_plan_keep(const ub_settings *settings, const ub_plan_costs *m,
                                             const ub_plan_forecast *f, ub_plan_kept *out);
/* The folder must be there.  Errors: UB_EIO. */
UB_LOCAL UB_NODISCARD ub_status ub_plan_write(const char *folder, const ub_plan_kept *kept);
/* there: out, false: there is none.  Errors: UB_EIO, those of ub_config_parse (damaged). */
UB_LOCAL UB_NODISCARD ub_status ub_plan_read(const char *folder, ub_plan_kept *out, bool *there);

/* Beside what the run took: the rows of the report.
 *   kept       NULL: there was no plan
 *   memory_mb  peak of the rank that used most, MiB
 *   nodes      that the run was on last */
UB_LOCAL void ub_plan_compare(const ub_plan_kept *kept, const ub_plan_past *past, double memory_mb,
                              int nodes, ub_report_cost *out);

/* What people call a stage. */
UB_LOCAL const char *ub_plan_stage(int stage);
/* Seconds as people say them, into text; returns it. */
UB_LOCAL const char *ub_plan_span(double s, char *text, size_t size);

#endif /* UB_JOBS_PLAN_H */
