/* jobs/command.h - a subcommand: one file jobs/cmd_NAME.c and one line in commands.def.
 *
 * main() reads the command line, resolves the settings, and calls run() on every rank with
 * the same context.  run() returns the same status on every rank.
 *
 * Layer: jobs.
 */
#ifndef UB_JOBS_COMMAND_H
#define UB_JOBS_COMMAND_H

#include <stdbool.h>

#include "core/settings.h"
#include "mpi/comm.h"
#include "mpi/watch.h"

/* An option of one command only: --name value, or a flag, --name, whose value is "yes". */
typedef struct ub_option {
    char        name[16];
    const char *value;
} ub_option;

typedef struct ub_context {
    ub_comm            world; /* smaller after ranks were lost */
    ub_watch          *watch; /* of its ranks */
    ub_settings        settings;
    const char        *line;                /* the whole command, quoted for a shell */
    char               out[UB_TEXT_MAX];    /* --out, "" if not given */
    char               config[UB_TEXT_MAX]; /* -c, "" if not given */
    int                words;               /* what is left on the command line */
    const char *const *word;
    int                options; /* of the command's own */
    const ub_option   *option;
    bool               json, dry_run;
    bool               quiet; /* one of many studies: nothing to standard output */
} ub_context;

typedef struct ub_command {
    const char *name;
    const char *usage;    /* after "unbraid NAME" */
    const char *summary;  /* one line */
    const char *sections; /* settings it reads: "run corpus ..."; "" if none */
    const char *options;  /* its own, each with a value: "x y"; NULL: none */
    const char *flags;    /* its own without a value, likewise */
    const char *details;  /* a paragraph for --help */
    int         words_min, words_max;
    bool        needs_out;
    ub_status (*run)(ub_context *ctx);
} ub_command;

/* Every registered command, as ub_cmd_NAME. */
#define UB_COMMAND(name) extern const ub_command ub_cmd_##name;
#include "jobs/commands.def"
#undef UB_COMMAND

/* The i-th command, or NULL past the end. */
UB_LOCAL const ub_command *ub_command_at(size_t i);
UB_LOCAL const ub_command *ub_command_find(const char *name);

/* Value of an option of the command's own, or NULL. */
UB_LOCAL const char *ub_context_option(const ub_context *ctx, const char *name);

/* A word as a shell reads it, as it is or in quotes, into buf (cut off where it does not fit);
 * returns buf. */
UB_LOCAL const char *ub_shell_word(const char *text, char *buf, size_t cap);

/* Install handlers for run.stop_signals, which set a flag; run.stop_after_s > 0 asks by itself
 * after so many seconds.  The end of a SLURM job (SLURM_JOB_END_TIME) asks slurm.lead_s before it,
 * or (0) as core/lead.h says of what this rank measures.
 * Errors: UB_EINPUT (not a signal that may be given). */
UB_LOCAL UB_NODISCARD ub_status ub_stop_install(const ub_settings *settings);
/* Has a signal, run.stop_after_s or the end of the job asked this rank to stop? */
UB_LOCAL bool ub_stop_asked(void);
/* Has a signal? */
UB_LOCAL bool ub_stop_signalled(void);
/* Seconds until run.stop_after_s, or until a fixed slurm.lead_s before the end of the job; infinite
 * if there is no limit. */
UB_LOCAL double ub_stop_left(void);
/* End of the SLURM job, seconds since 1970; 0: not known. */
UB_LOCAL double ub_stop_ends(void);
/* Measured on this rank, for the lead: items of another kind begin; an item has ended; a save has.
 * They take less than a microsecond (a save: ten). */
UB_LOCAL void ub_stop_renew(void);
UB_LOCAL void ub_stop_worked(double seconds);
UB_LOCAL void ub_stop_saved(double seconds);
/* What core/lead.h makes of them: seconds; 0: no item has ended yet. */
UB_LOCAL double ub_stop_lead(void);
/* Between two phases: UB_ESTOP on all ranks if any was asked to stop; `before`: what comes next. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_stop_here(const ub_comm *c, const char *before);

#endif /* UB_JOBS_COMMAND_H */
