/* io/rundir.h - the folder a run leaves behind, and what may happen in it.
 *
 *   config.yaml      resolved settings of the sections the command uses; what makes a folder a run
 *                    folder: it is written first
 *   provenance.json  study identity, corpus digest, and of every start: time, host, ranks, build,
 *                    libraries, what the test of parallel writing found
 *   unbraid.log      the log, appended over restarts; locked while a run is at work
 *   STATE            one word per finished stage, then "done"
 *
 * The same command again on a run that did not finish resumes it; on a finished one it says so;
 * with other settings or another corpus it is refused.  Layout: docs/formats/rundir.md.
 *
 * Layer: io.  Rank 0 decides and shares.
 */
#ifndef UB_IO_RUNDIR_H
#define UB_IO_RUNDIR_H

#include <stdbool.h>

#include "core/bytes.h"
#include "core/sha256.h"
#include "core/settings.h"
#include "mpi/comm.h"

/* Folder, slash and a name of up to 127 bytes fit UB_TEXT_MAX. */
enum { UB_RUNDIR_MAX = UB_TEXT_MAX - 128 };

typedef struct ub_rundir {
    char  path[UB_RUNDIR_MAX];
    char  identity[UB_SHA256_HEX]; /* sha256 of command, version, settings that matter, corpus */
    char  corpus[UB_SHA256_HEX];
    bool  resumed;  /* the folder held an unfinished run of the same study */
    bool  finished; /* the folder holds the finished run of the same study */
    void *log;      /* rank 0, while open: the log file */
} ub_rundir;

/* What a run is of: sha256 of command, version, settings that matter (of these sections) and digest
 * of the corpus, in hex. */
UB_LOCAL UB_NODISCARD ub_status ub_rundir_identity(const char *command, const char *sections,
                                                   const ub_settings *settings, const char *corpus,
                                                   char identity[UB_SHA256_HEX]);
/* Make or enter the folder.  Unless it is finished, its log is opened: from here on log lines of
 * rank 0 go to standard error and to unbraid.log, until ub_rundir_close_log.
 *   command   "run", "structure", ...
 *   sections  the settings sections that matter to it
 *   out       then released with ub_rundir_close_log on all ranks
 * Errors: UB_EINPUT: another study (names the first setting that differs, with both values), not a
 * run folder, another run is at work in it; UB_EIO. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_rundir_enter(const ub_comm *c, const char *path,
                                                     const char *command, const char *sections,
                                                     const ub_settings   *settings,
                                                     const unsigned char *corpus_digest,
                                                     ub_rundir           *out);
/* Add "key": value (JSON) to what provenance.json says of this start.  Rank 0. */
UB_LOCAL UB_NODISCARD ub_status ub_rundir_add(const ub_rundir *r, const char *key,
                                              const ub_bytes *value);
/* Do config.yaml and STATE of a run folder fit together and in themselves?
 *   sections_of  the settings sections of a command, NULL if there is no such command
 * Errors: UB_EINPUT (not a run folder), UB_EFORMAT naming the file.  Made by another version: only
 * that its settings can be read is said. */
UB_LOCAL UB_NODISCARD ub_status ub_rundir_verify_config(const char *path,
                                                        const char *(*sections_of)(const char *));
UB_LOCAL UB_NODISCARD ub_status ub_rundir_verify_state(const char *path);
/* UB_OK if a run may begin or go on in this folder as far as its name and files tell: it is not
 * there, holds nothing of somebody else's, or is a run folder; else UB_EINPUT. */
UB_LOCAL UB_NODISCARD ub_status ub_rundir_check(const char *path);
/* Remove the files of a folder that was made by this call of the program and in which no stage has
 * finished; anything else stays.  For a study that was refused after its folder was made. */
UB_LOCAL void ub_rundir_discard(const ub_comm *c, const ub_rundir *r);
/* Log to standard error only again, close the log and give up its lock; twice is fine. */
UB_LOCAL void ub_rundir_close_log(ub_rundir *r);
/* path/name into buf; returns buf. */
UB_LOCAL const char *ub_rundir_file(const ub_rundir *r, const char *name, char *buf, size_t cap);
/* Has the stage finished?  (Rank 0's answer, shared.) */
UB_COLLECTIVE UB_NODISCARD ub_status ub_rundir_has(const ub_comm *c, const ub_rundir *r,
                                                   const char *stage, bool *has);
/* Write down that a stage has finished ("done" ends the run).  After a barrier. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_rundir_mark(const ub_comm *c, const ub_rundir *r,
                                                    const char *stage);
/* Digest of the corpus that the run in folder `path` began with, from its config.yaml; "" if it
 * holds none that unbraid wrote. */
UB_LOCAL UB_NODISCARD ub_status ub_rundir_corpus(const char *path, char digest[UB_SHA256_HEX]);
/* The settings a run was made with, from its config.yaml; rank 0 reads and shares. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_rundir_settings(const ub_comm *c, const char *path,
                                                        ub_settings *settings);

#endif /* UB_IO_RUNDIR_H */
