/* Manual pages in the macros of man(7), which groff and mandoc know. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/version.h"
#include "jobs/help.h"

/* What roff would take for something else: groff_char(7), mandoc_char(7). */
static const char *escape_of(char c)
{
    switch (c) {
    case '\\':
        return "\\e";
    case '-': /* else it may become a hyphen, which no shell knows */
        return "\\-";
    case '\'':
        return "\\(aq";
    case '"':
        return "\\(dq";
    case '`':
        return "\\(ga";
    case '^':
        return "\\(ha";
    case '~':
        return "\\(ti";
    default:
        return NULL;
    }
}

static ub_status put_char(ub_bytes *out, char c)
{
    const char *escape = escape_of(c);
    return escape != NULL ? ub_bytes_put(out, escape, strlen(escape)) : ub_bytes_put(out, &c, 1);
}

/* Text to be filled into lines; an empty line begins a paragraph, a period in front would be a
 * macro. */
static ub_status put_text(ub_bytes *out, const char *text)
{
    bool first = true;
    for (const char *p = text; *p != '\0'; p++) {
        if (first && *p == '\n')
            UB_TRY(ub_bytes_printf(out, ".PP"));
        else if (first && *p == '.')
            UB_TRY(ub_bytes_printf(out, "\\&"));
        UB_TRY(put_char(out, *p));
        first = *p == '\n';
    }
    return UB_OK;
}

/* One line of a usage: options bold, words in capitals slanted. */
static ub_status put_usage(ub_bytes *out, const char *usage)
{
    for (const char *p = usage; *p != '\0';) {
        bool   begins = p == usage || strchr(" [|", p[-1]) != NULL;
        size_t len = 1;
        char   font = 'R';
        if (begins && *p == '-') {
            font = 'B';
            len += strspn(p + 1, "-abcdefghijklmnopqrstuvwxyz");
        } else if (isupper((unsigned char)*p)) {
            font = 'I';
            len = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        }
        UB_TRY(ub_bytes_printf(out, "%s", font == 'B' ? "\\fB" : font == 'I' ? "\\fI" : ""));
        for (size_t i = 0; i < len; i++)
            UB_TRY(put_char(out, p[i]));
        UB_TRY(ub_bytes_printf(out, "%s", font != 'R' ? "\\fR" : ""));
        p += len;
    }
    return ub_bytes_printf(out, "\n");
}

/* .TP with a tag in bold and its value slanted, then the text. */
static ub_status put_item(ub_bytes *out, const char *tag, const char *value, const char *text)
{
    UB_TRY(ub_bytes_printf(out, ".TP\n\\fB"));
    UB_TRY(put_text(out, tag));
    UB_TRY(ub_bytes_printf(out, "\\fR%s", value[0] != '\0' ? " \\fI" : ""));
    UB_TRY(put_text(out, value));
    UB_TRY(ub_bytes_printf(out, "%s\n", value[0] != '\0' ? "\\fR" : ""));
    UB_TRY(put_text(out, text));
    return ub_bytes_printf(out, "\n");
}

static ub_status put_options(ub_bytes *out)
{
    const ub_help_option *o;
    UB_TRY(ub_bytes_printf(out, ".SH OPTIONS\nOf every command; one that has no use for an option "
                                "ignores it.\n"));
    for (size_t i = 0; (o = ub_help_option_at(i)) != NULL; i++)
        UB_TRY(put_item(out, o->name, o->value, o->help));
    return UB_OK;
}

static ub_status put_setting(ub_bytes *out, const ub_section *section, const ub_field *f)
{
    char name[2 * UB_TEXT_MAX], kind[2 * UB_TEXT_MAX];
    (void)snprintf(name, sizeof name, "%s.%s", section->name, f->key);
    ub_schema_describe(f, kind, sizeof kind);
    UB_TRY(put_item(out, name, "", f->help));
    UB_TRY(ub_bytes_printf(out, ".br\n["));
    UB_TRY(put_text(out, f->preset));
    UB_TRY(ub_bytes_printf(out, "] ("));
    UB_TRY(put_text(out, kind));
    return ub_bytes_printf(out, ")\n");
}

static ub_status put_settings(ub_bytes *out, const char *sections)
{
    const ub_schema *s = ub_settings_schema();
    UB_TRY(ub_bytes_printf(out, ".SH SETTINGS\nOf a file given as \\fB\\-c\\fR, or one by one as "
                                "\\fB\\-\\-set\\fR; [default] (what is accepted).\n"));
    for (size_t i = 0; i < s->count; i++) {
        const ub_section *section = &s->sections[i];
        if (!ub_schema_listed(sections, section->name))
            continue;
        UB_TRY(ub_bytes_printf(out, ".SS %s: ", section->name));
        UB_TRY(put_text(out, section->help));
        UB_TRY(ub_bytes_printf(out, "\n"));
        for (size_t j = 0; j < section->count; j++)
            UB_TRY(put_setting(out, section, &section->fields[j]));
    }
    return UB_OK;
}

/* A status of each exit code, and what the code says. */
static const struct {
    ub_status   st;
    const char *meaning;
} exits[] = {
    {UB_OK, "Done."},
    {UB_EIO,
     "The system failed (disk, memory, MPI), a result is damaged, or a number is not finite."},
    {UB_EINPUT, "The command line, the settings or the data cannot be used."},
    {UB_EBUG, "An error of the program."},
    {UB_ESTOP,
     "Stopped in time, by a signal (run.stop_signals), by run.stop_after_s or before the end "
     "of its SLURM job; the same command goes on from there."},
};

static ub_status put_exits(ub_bytes *out)
{
    enum { EXITS = sizeof exits / sizeof exits[0] };
    for (int st = 0; st < UB_STATUS_COUNT; st++) {
        size_t i = 0;
        while (i < EXITS && ub_status_exit_code(exits[i].st) != ub_status_exit_code((ub_status)st))
            i++;
        if (i == EXITS)
            return UB_FAIL(UB_EBUG, "exit code %d of %s is not in the manual",
                           ub_status_exit_code((ub_status)st), ub_status_name((ub_status)st));
    }
    UB_TRY(ub_bytes_printf(out, ".SH EXIT STATUS\nWhatever is not 0 comes with one sentence on "
                                "standard error.\n"));
    for (size_t i = 0; i < EXITS; i++) {
        char code[16];
        (void)snprintf(code, sizeof code, "%d", ub_status_exit_code(exits[i].st));
        UB_TRY(put_item(out, code, "", exits[i].meaning));
    }
    return UB_OK;
}

/* What every run folder holds at its end. */
static ub_status put_files(ub_bytes *out)
{
    static const struct {
        const char *name, *text;
    } files[] = {
        {"config.yaml", "the resolved settings"},
        {"provenance.json", "digest of the corpus, versions, build, ranks and time of every start"},
        {"unbraid.log", "the log; who holds its lock is at work on the run"},
        {"STATE", "a line a finished stage"},
        {"status.json", "how far the run is, for unbraid status"},
        {"structure.h5", "the result of stage 1; the same as CSV, GraphML and SVG beside it"},
        {"model.h5", "the result of stage 2; likewise"},
        {"eval.json", "scores against the truth, where the corpus has it; eval.csv, likewise: of "
                      "the latents, by task"},
        {"report.html", "everything on one page"},
    };
    UB_TRY(ub_bytes_printf(out, ".SH FILES\nOf a run folder (\\fB\\-\\-out\\fR of run):\n"));
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        UB_TRY(put_item(out, files[i].name, "", files[i].text));
    return UB_OK;
}

/* Title and NAME.  No date: the pages of one version are the same bytes. */
static ub_status put_head(ub_bytes *out, const char *name, const char *summary)
{
    UB_TRY(ub_bytes_printf(out, ".\\\" Made by unbraid config man.\n.TH UNBRAID"));
    for (const char *p = name; *p != '\0'; p++)
        UB_TRY(ub_bytes_printf(out, "%s%c", p == name ? "\\-" : "", toupper((unsigned char)*p)));
    UB_TRY(ub_bytes_printf(out,
                           " 1 \"\" \"unbraid " UB_VERSION "\" \"unbraid manual\"\n"
                           ".SH NAME\nunbraid%s%s \\- ",
                           name[0] != '\0' ? "\\-" : "", name));
    UB_TRY(put_text(out, summary));
    return ub_bytes_printf(out, "\n.SH SYNOPSIS\n.nh\n\\fBunbraid%s%s\\fR ",
                           name[0] != '\0' ? " " : "", name);
}

static ub_status put_program(ub_bytes *out)
{
    UB_TRY(put_head(out, "",
                    "which time steps belong to which task, and which latent dimensions "
                    "each task needs"));
    UB_TRY(put_usage(out, "COMMAND [OPTION]..."));
    UB_TRY(ub_bytes_printf(out, ".hy\n.SH DESCRIPTION\n"));
    UB_TRY(put_text(out,
                    "A study of a corpus of trajectories: conditional independence tests, task "
                    "graph, sparse\ndisentangled representation, evaluation, report. The same "
                    "command goes on where a run was\ncut off. Under mpirun or srun every "
                    "command uses all ranks; results do not depend on\ntheir number.\n"));
    UB_TRY(ub_bytes_printf(out, ".SH COMMANDS\n"));
    for (size_t i = 0; ub_command_at(i) != NULL; i++) {
        UB_TRY(ub_bytes_printf(out, ".TP\n.BR unbraid\\-%s (1)\n", ub_command_at(i)->name));
        UB_TRY(put_text(out, ub_command_at(i)->summary));
        UB_TRY(ub_bytes_printf(out, "\n"));
    }
    UB_TRY(put_options(out));
    UB_TRY(put_files(out));
    return put_exits(out);
}

ub_status ub_help_manual(const ub_command *c, ub_bytes *out)
{
    if (c == NULL)
        return put_program(out);
    UB_TRY(put_head(out, c->name, c->summary));
    UB_TRY(put_usage(out, c->usage));
    UB_TRY(ub_bytes_printf(out, ".hy\n.SH DESCRIPTION\n"));
    UB_TRY(put_text(out, c->summary));
    UB_TRY(ub_bytes_printf(out, ".\n"));
    if (c->details[0] != '\0') {
        UB_TRY(ub_bytes_printf(out, ".PP\n"));
        UB_TRY(put_text(out, c->details));
    }
    UB_TRY(put_options(out));
    if (c->sections[0] != '\0')
        UB_TRY(put_settings(out, c->sections));
    UB_TRY(put_exits(out));
    return ub_bytes_printf(out, ".SH SEE ALSO\n.BR unbraid (1)\n");
}
