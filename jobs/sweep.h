/* jobs/sweep.h - many studies from one configuration: what there is to do, and what came of it.
 *
 * OUT/points/NAME/        (or sweep.store/NAME/) the run folder of a point: NAME is the hash of its
 * resolved configuration OUT/points/NAME.failed  why it failed (sentence); gone when it is tried
 * again OUT/points/NAME.claim   locked by who works on it OUT/sweep.csv, sweep.h5 the table, when
 * every job has ended
 *
 * There is no server and no list of jobs on disk: everybody who works on a sweep derives the same
 * list from the settings and the results so far (core/promote.h), and takes the first job that has
 * no result and no owner.  Workers are teams of one MPI job, tasks of a job array, or both.
 *
 * Layer: jobs.
 */
#ifndef UB_JOBS_SWEEP_H
#define UB_JOBS_SWEEP_H

#include "core/promote.h"
#include "core/sha256.h"
#include "core/space.h"
#include "io/columns.h"
#include "jobs/command.h"
#include "mpi/team.h"

enum { UB_SWEEP_NAME = 17 };

typedef enum ub_job_state { UB_JOB_WAITING, UB_JOB_DONE, UB_JOB_FAILED } ub_job_state;

/* A corpus that points read. */
typedef struct ub_sweep_corpus {
    char key[UB_SHA256_HEX];    /* of the settings that say which */
    char digest[UB_SHA256_HEX]; /* of its data; "": it cannot be read */
} ub_sweep_corpus;

typedef struct ub_sweep {
    const ub_settings *base;    /* borrowed */
    const ub_command  *command; /* run at every point */
    const char        *sure;    /* a number of every eval.json that can have sweep.metric */
    char               folder[UB_TEXT_MAX], points[UB_TEXT_MAX];
    ub_space           space;
    ub_promote         promote;
    double             rung[UB_RUNGS_MAX]; /* value of the resource */
    double            *u;                  /* points x parameters; owned */
    int64_t            left_out;           /* by constraints, or the same as an earlier point */
    ub_job            *job;                /* as far as decided; owned */
    ub_job_state      *state;              /* of them; owned */
    int64_t            jobs, cap;
    bool               decided; /* all of them */
    ub_sweep_corpus   *corpus;  /* owned; of ub_sweep_corpora */
    int64_t            corpora;
} ub_sweep;

/* Read the section sweep of the settings.  Errors: UB_EINPUT and others with what is wrong. */
UB_LOCAL UB_NODISCARD ub_status ub_sweep_init(const ub_settings *base, const char *folder,
                                              ub_sweep *out);
UB_LOCAL void                   ub_sweep_release(ub_sweep *s);

/* Settings of a job, the folder name that follows from them. */
UB_LOCAL UB_NODISCARD ub_status ub_sweep_settings(const ub_sweep *s, const ub_job *job,
                                                  ub_settings *out);
UB_LOCAL UB_NODISCARD ub_status ub_sweep_name(const ub_sweep *s, const ub_settings *settings,
                                              char name[UB_SWEEP_NAME]);
/* points/NAME and a suffix ("" or ".failed") into buf; returns buf. */
UB_LOCAL const char *ub_sweep_path(const ub_sweep *s, const char *name, const char *suffix,
                                   char *buf, size_t cap);

/* Read every corpus of the points once; from here on a point in the folder that began with other
 * data is an error of ub_sweep_look (UB_EINPUT).  One that cannot be read is not: its points fail.
 * Cost: memory and time of a corpus, shared out to the ranks. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_sweep_corpora(const ub_comm *c, ub_sweep *s);
/* UB_EINPUT if point `name`, with the settings `at`, was begun with other data than these. */
UB_LOCAL UB_NODISCARD ub_status ub_sweep_same_corpus(const ub_sweep *s, const ub_settings *at,
                                                     const char *name);

/* UB_EINPUT, naming the first difference, if sweep.yaml of the folder has another command, corpus
 * or value of a setting that varies neither there nor here (sweep.resource, with rungs, varies). */
UB_LOCAL UB_NODISCARD ub_status ub_sweep_same_study(const ub_sweep *s);

/* Look at the results there are, and decide what can be decided.  A job whose eval.json has no
 * number sweep.metric counts as the worst there can be, like one that failed; UB_EINPUT if it says
 * nothing of the truth.  Cost: a look at the folder of every job without a result. */
UB_LOCAL UB_NODISCARD ub_status ub_sweep_look(ub_sweep *s);
/* The same for one job. */
UB_LOCAL UB_NODISCARD ub_status ub_sweep_look_at(ub_sweep *s, int64_t job);
/* Forget which jobs have failed: their .failed files go, and the list of jobs is as after
 * ub_sweep_init, until the next look.  names: appended, a line each.  UB_EIO if a file stays. */
UB_LOCAL UB_NODISCARD ub_status ub_sweep_forgive(ub_sweep *s, ub_bytes *names);
/* Jobs that have ended, and among them failed; the index of the best (of the highest rung any job
 * has ended on), or -1. */
UB_LOCAL int64_t ub_sweep_ended(const ub_sweep *s, int64_t *failed);
UB_LOCAL int64_t ub_sweep_best(const ub_sweep *s);

/* The table: a row a job in the order they were decided, with every parameter and every number of
 * its eval.json.  Holds no times: equal sweeps give equal bytes. */
UB_LOCAL UB_NODISCARD ub_status ub_sweep_table(const ub_sweep *s, ub_columns *out);

/* The teams of an MPI job that works on a sweep, the largest first: points may want teams of
 * several sizes (sweep.ranks_when).  wanted: the ranks a point of the team's own kind wants, which
 * are not always there.  Smaller points are done by it, too, when there is no other. */
typedef struct ub_sweep_teams {
    int  count, kinds;
    int *size, *wanted; /* owned */
} ub_sweep_teams;

UB_LOCAL UB_NODISCARD ub_status ub_sweep_teams_plan(const ub_sweep *s, int ranks,
                                                    ub_sweep_teams *out);
UB_LOCAL void                   ub_sweep_teams_release(ub_sweep_teams *t);
/* "1 team of 4 ranks, 8 teams of 1 rank", appended. */
UB_LOCAL UB_NODISCARD ub_status ub_sweep_teams_say(const ub_sweep_teams *t, ub_bytes *out);
/* How many ranks these settings want, at most `most`. */
UB_LOCAL UB_NODISCARD ub_status ub_sweep_ranks(const ub_sweep *s, const ub_settings *at, int most,
                                               int *ranks);

/* Lock NAME.claim; *fd -1: somebody else has it.  A lock dies with its owner, so a killed worker's
 * job is free again at once.  UB_EIO where the file system has no locks. */
UB_LOCAL UB_NODISCARD ub_status ub_sweep_claim(const ub_sweep *s, const char *name, int *fd);
/* Remove the claim and close *fd, unless it is -1. */
UB_LOCAL void ub_sweep_give_up(const ub_sweep *s, const char *name, int *fd);
/* Workers write the files of the sweep itself one after another: OUT/.lock, waited for; until *fd
 * is closed. */
UB_LOCAL UB_NODISCARD ub_status ub_sweep_lock(const ub_sweep *s, int *fd);

/* The drawing of all jobs that have ended (io/draw_sweep.h). */
UB_LOCAL UB_NODISCARD ub_status ub_sweep_draw(const ub_sweep *s, ub_bytes *svg);

/* Print how far the sweep in `folder` is (it holds sweep.yaml): jobs done, failed, running,
 * waiting, the best so far, the time left.  Reads files, touches none. */
UB_LOCAL UB_NODISCARD ub_status ub_sweep_status(const char *folder, bool json);

#endif /* UB_JOBS_SWEEP_H */
