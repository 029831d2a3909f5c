/* A plan that lies in the run folder, and what the run says of it in the end. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/version.h"
#include "io/config.h"
#include "io/file.h"
#include "io/rundir.h"
#include "jobs/command.h"
#include "jobs/plan.h"
#include "jobs/slurm.h"

#define AT(member) offsetof(ub_plan_kept, member)
#define NUMBER(key, member, unit, help)                                                            \
    {                                                                                              \
        key, UB_FIELD_REAL, AT(member), "0", 0, 1e300, NULL, NULL, unit, 0, help                   \
    }
#define COUNT(key, member, help)                                                                   \
    {                                                                                              \
        key, UB_FIELD_INT, AT(member), "0", 0, 9e15, NULL, NULL, "", 0, help                       \
    }

/* The names of `unbraid plan --json`. */
static const ub_field fields[] = {
    {"identity", UB_FIELD_TEXT, AT(identity), "", 0, 0, NULL, NULL, "", 0, "of the run"},
    COUNT("ranks", ranks, "that it is for"),
    COUNT("nodes", nodes, "that they fill"),
    COUNT("jobs", jobs, "in a chain; 0: none would get to work"),
    NUMBER("stage1_s", stage_s[UB_PLAN_STRUCTURE], "seconds", ""),
    NUMBER("stage2_s", stage_s[UB_PLAN_DISENTANGLE], "seconds", ""),
    NUMBER("evaluation_s", stage_s[UB_PLAN_EVALUATION], "seconds", ""),
    NUMBER("seconds", seconds, "seconds", "in all"),
    NUMBER("seconds_low", low, "seconds", "an interval"),
    NUMBER("seconds_high", high, "seconds", ""),
    NUMBER("lead_s", lead_s, "seconds", "a job stops so long before its end"),
    NUMBER("node_hours", node_hours, "hours", ""),
    NUMBER("memory_mb_per_rank", memory_mb, "MiB", ""),
};
static const ub_section section = {"plan", "what the study will cost", fields,
                                   sizeof fields / sizeof fields[0]};
static const ub_schema  schema = {&section, 1};

ub_status ub_plan_keep(const ub_settings *settings, const ub_plan_costs *m,
                       const ub_plan_forecast *f, ub_plan_kept *out)
{
    const ub_command *command = ub_command_find(ub_slurm_command(settings));
    *out = (ub_plan_kept){.ranks = f->ranks,
                          .nodes = f->nodes,
                          .jobs = f->jobs,
                          .seconds = f->seconds,
                          .low = f->low,
                          .high = f->high,
                          .lead_s = f->lead_s,
                          .node_hours = f->node_hours,
                          .memory_mb = f->memory_mb};
    memcpy(out->stage_s, f->stage_s, sizeof out->stage_s);
    return ub_rundir_identity(command->name, command->sections, settings, m->corpus, out->identity);
}

static const char *file_of(const char *folder, char buf[2 * UB_TEXT_MAX])
{
    (void)snprintf(buf, (size_t)2 * UB_TEXT_MAX, "%s/plan.yaml", folder);
    return buf;
}

ub_status ub_plan_write(const char *folder, const ub_plan_kept *kept)
{
    char      path[2 * UB_TEXT_MAX];
    ub_bytes  text = {0};
    ub_status st = ub_bytes_printf(&text, "# unbraid %s plan\n", UB_VERSION);
    if (st == UB_OK)
        st = ub_schema_print(&schema, kept, NULL, false, &text);
    if (st == UB_OK)
        st = ub_file_write(file_of(folder, path), text.data, text.len);
    ub_bytes_release(&text);
    return st;
}

ub_status ub_plan_read(const char *folder, ub_plan_kept *out, bool *there)
{
    char      path[2 * UB_TEXT_MAX];
    ub_bytes  text = {0};
    ub_status st = UB_OK;
    *there = ub_file_exists(file_of(folder, path));
    if (!*there)
        return UB_OK;
    UB_TRY(ub_schema_defaults(&schema, out));
    st = ub_file_read(path, &text);
    if (st == UB_OK)
        st = ub_config_parse(&schema, out, (const char *)text.data, text.len, path);
    ub_bytes_release(&text);
    return st;
}

const char *ub_plan_stage(int stage)
{
    static const char *const names[UB_PLAN_STAGES] = {"stage 1", "stage 2", "evaluation"};
    return names[stage];
}

const char *ub_plan_span(double s, char *text, size_t size)
{
    if (s < 120)
        (void)snprintf(text, size, "%.3g s", s);
    else if (s < 7200)
        (void)snprintf(text, size, "%.3g min", s / 60);
    else
        (void)snprintf(text, size, "%.3g h", s / 3600);
    return text;
}

/* ---- as a report has it ---- */

enum { SECONDS, MEBIBYTES, NUMBERS };

static void put_row(ub_report_cost *c, const char *what, int unit, double planned, double actual)
{
    ub_report_cost_row *row = &c->row[c->rows++];
    const double        value[] = {planned, actual};
    char *const         text[] = {row->planned, row->actual};
    row->what = what;
    for (int i = 0; i < 2; i++)
        if (unit == SECONDS)
            (void)ub_plan_span(value[i], text[i], sizeof row->planned);
        else
            (void)snprintf(text[i], sizeof row->planned, unit == MEBIBYTES ? "%.0f MiB" : "%.4g",
                           value[i]);
    row->ratio = actual > 0 ? planned / actual : NAN;
}

static void put_note(ub_report_cost *c, const ub_plan_kept *k, const ub_plan_past *past)
{
    char low[32], high[32];
    if (k == NULL)
        (void)snprintf(c->note, sizeof c->note,
                       "%d rank%s, %d start%s. There was no plan of this study in the run folder: "
                       "'unbraid submit' makes one, and so does 'unbraid plan --out RUN'.",
                       past->ranks, past->ranks == 1 ? "" : "s", past->starts,
                       past->starts == 1 ? "" : "s");
    else
        (void)snprintf(c->note, sizeof c->note,
                       "Planned for %lld rank%s: between %s and %s in all. Taken by %d rank%s, %d "
                       "start%s; what a start did again counts, waiting in a queue does not.",
                       (long long)k->ranks, k->ranks == 1 ? "" : "s",
                       ub_plan_span(k->low, low, sizeof low),
                       ub_plan_span(k->high, high, sizeof high), past->ranks,
                       past->ranks == 1 ? "" : "s", past->starts, past->starts == 1 ? "" : "s");
}

void ub_plan_compare(const ub_plan_kept *kept, const ub_plan_past *past, double memory_mb,
                     int nodes, ub_report_cost *out)
{
    const ub_plan_kept none = {.ranks = 0}, *k = kept != NULL ? kept : &none;
    double             took = 0;
    *out = (ub_report_cost){.planned = kept != NULL};
    for (int i = 0; i < UB_PLAN_STAGES; i++) {
        took += past->stage_s[i];
        if (past->stage_s[i] > 0 || k->stage_s[i] > 0)
            put_row(out, ub_plan_stage(i), SECONDS, k->stage_s[i], past->stage_s[i]);
    }
    put_row(out, "in all", SECONDS, k->seconds, took);
    put_row(out, "node-hours", NUMBERS, k->node_hours, nodes * took / 3600);
    put_row(out, "memory of a rank", MEBIBYTES, k->memory_mb, memory_mb);
    put_row(out, "jobs", NUMBERS, (double)k->jobs, past->starts);
    put_note(out, kept, past);
}
