/* jobs/help.h - what the program says of itself: --help and manual pages, from the same tables.
 *
 * The tables are jobs/commands.def with the ub_command of each, core/settings.c, and here the
 * options that every command has.
 *
 * Layer: jobs.  One process, rank 0.  All append to `out`; errors: UB_ENOMEM.
 */
#ifndef UB_JOBS_HELP_H
#define UB_JOBS_HELP_H

#include "core/bytes.h"
#include "jobs/command.h"

/* An option of every command. */
typedef struct ub_help_option {
    const char *name, *value; /* "-c", "FILE"; "" if it takes none */
    const char *help;
} ub_help_option;

/* The i-th of them, or NULL past the end. */
UB_LOCAL const ub_help_option *ub_help_option_at(size_t i);

/* unbraid --help: the options and the commands. */
UB_LOCAL UB_NODISCARD ub_status ub_help_program(ub_bytes *out);
/* unbraid COMMAND --help: usage, details, every setting it reads. */
UB_LOCAL UB_NODISCARD ub_status ub_help_command(const ub_command *c, ub_bytes *out);
/* The same as a manual page, in the macros of man(7): unbraid-NAME(1), or unbraid(1) for NULL. */
UB_LOCAL UB_NODISCARD ub_status ub_help_manual(const ub_command *c, ub_bytes *out);

#endif /* UB_JOBS_HELP_H */
