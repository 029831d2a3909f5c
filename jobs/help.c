#include "jobs/help.h"

#include <string.h>

#include "core/version.h"

static const ub_help_option options[] = {
    {"-c", "FILE", "settings, a YAML file ('unbraid config reference'); also --config"},
    {"--set", "section.key=value", "one setting, whatever FILE says of it; as often as needed"},
    {"--out", "PATH", "where the result goes: a run folder or a file"},
    {"--dry-run", "", "look at the input, say what would be done, write nothing"},
    {"--json", "", "print JSON"},
    {"--help", "", "the usage and the settings of a command; also -h"},
    {"--version", "", "the version"},
};

const ub_help_option *ub_help_option_at(size_t i)
{
    return i < sizeof options / sizeof options[0] ? &options[i] : NULL;
}

ub_status ub_help_program(ub_bytes *out)
{
    UB_TRY(ub_bytes_printf(out,
                           "unbraid %s: which time steps belong to which task, and which latent\n"
                           "dimensions each task needs.\n\nusage: unbraid COMMAND [OPTION]...\n\n",
                           UB_VERSION));
    for (size_t i = 0; ub_command_at(i) != NULL; i++)
        UB_TRY(ub_bytes_printf(out, "  %-12s %s\n", ub_command_at(i)->name,
                               ub_command_at(i)->summary));
    UB_TRY(ub_bytes_printf(out, "\noptions of every command:\n"));
    const ub_help_option *o;
    for (size_t i = 0; (o = ub_help_option_at(i)) != NULL; i++)
        UB_TRY(ub_bytes_printf(out, "  %s%s%-*s %s\n", o->name, o->value[0] != '\0' ? " " : "",
                               (int)(24 - strlen(o->name) - (o->value[0] != '\0')), o->value,
                               o->help));
    return ub_bytes_printf(out, "\n'unbraid COMMAND --help' shows the settings of a command; under "
                                "mpirun or\nsrun every command uses all ranks.\n");
}

ub_status ub_help_command(const ub_command *c, ub_bytes *out)
{
    UB_TRY(ub_bytes_printf(out, "usage: unbraid %s %s\n\n%s.\n%s", c->name, c->usage, c->summary,
                           c->details));
    return ub_schema_help(ub_settings_schema(), c->sections, out);
}
