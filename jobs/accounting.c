#include "jobs/accounting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "jobs/progress.h"
#include "jobs/slurm.h"

/* Columns of sacct's answer. */
enum { ID, RAW, NAME, STATE, CODE, ELAPSED, NODES, ASKED, RESIDENT, COLUMNS };
static const char format[] =
    "--format=JobID,JobIDRaw,JobName,State,ExitCode,ElapsedRaw,NNodes,ReqTRES,MaxRSS";

/* Beyond them tasks are not counted: the indices of an array, the bytes of an argument. */
enum { TASKS_MOST = 100000, IDS_MOST = 100000 };

typedef struct task {
    long long job; /* its own number; 0: nothing heard of it */
    int       state;
} task;

typedef struct reading {
    ub_accounting *out;
    char           name[UB_TEXT_MAX]; /* of our jobs */
    ub_bytes       arrays;            /* ub_queue_array each: of the last submission */
    ub_bytes       begun;             /* the same, a worker's last job each; `before`: the worker */
    ub_bytes       tasks;             /* task each, by its worker of arrays; else one */
    task          *now;               /* whose steps follow; NULL: none of ours */
} reading;

/* "400M", "1.5G", "11268096": bytes. */
static double bytes_of(const char *text)
{
    static const char units[] = "KMGTP";
    char             *end;
    double            value = strtod(text, &end);
    const char       *unit = *end != '\0' ? strchr(units, *end) : NULL;
    for (const char *p = units; unit != NULL && p <= unit; p++)
        value *= 1024;
    return value > 0 ? value : 0;
}

/* "...,KEY=400M,...": the bytes (or the plain number) of KEY; 0 if it is not there. */
static double resource(const char *list, const char *key)
{
    size_t n = strlen(key);
    for (const char *p = list; p != NULL; p = strchr(p, ',')) {
        p += *p == ',';
        if (strncmp(p, key, n) == 0 && p[n] == '=')
            return bytes_of(p + n + 1);
    }
    return 0;
}

/* Number of a state, without "by UID", in the table; negative: none, or no room. */
static int state_of(ub_accounting *a, const char *text)
{
    char name[sizeof a->state->name];
    int  len = (int)strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), k = 0;
    if (len == 0 || len >= (int)sizeof name)
        return -1;
    (void)snprintf(name, sizeof name, "%.*s", len, text);
    while (k < a->states && strcmp(a->state[k].name, name) != 0)
        k++;
    if (k == UB_ACCOUNTING_STATES)
        return -1;
    if (k == a->states)
        memcpy(a->state[a->states++].name, name, sizeof name);
    return k;
}

/* The task of an index, or NULL if there is none (memory is short, the index beyond all measure).
 */
static task *task_at(reading *r, long long index)
{
    const task nothing = {0};
    if (index < 0 || index > TASKS_MOST)
        return NULL;
    while ((long long)(r->tasks.len / sizeof nothing) <= index)
        if (ub_bytes_put(&r->tasks, &nothing, sizeof nothing) != UB_OK)
            return NULL;
    return (task *)(void *)r->tasks.data + index;
}

/* A later job of the same task replaces an earlier one. */
static void take_task(reading *r, long long index, long long job, int state)
{
    task *t = task_at(r, index);
    r->now = NULL;
    if (t != NULL && job >= t->job) {
        *t = (task){.job = job, .state = state};
        r->now = t;
    }
}

/* `before` of a job in such a list, or -1. */
static int64_t before_of(const ub_bytes *list, long long job)
{
    const ub_queue_array *q = (const ub_queue_array *)(const void *)list->data;
    for (size_t k = 0; k < list->len / sizeof *q; k++)
        if (q[k].job == job)
            return q[k].before;
    return -1;
}

/* "101_7", "101_[1-4,9%2]" (not begun yet), "101": the tasks that a line is about.  What the index
 * 7 is of the workers is known of the submission's arrays; another is of a successor in a chain,
 * a task of an array of its own, or of a program that knew one array only. */
static void take_tasks(reading *r, const char *id, long long job, int state)
{
    const char *p = strchr(id, '_');
    int64_t     before = before_of(&r->arrays, strtoll(id, NULL, 10)), worker = -1;
    r->out->array = r->out->array || p != NULL;
    if (p != NULL && before < 0)
        worker = before_of(&r->begun, job);
    before = before < 0 ? 0 : before;
    if (p == NULL)
        take_task(r, 0, job, state);
    else if (p[1] != '[')
        take_task(r, worker > 0 ? worker : before + strtoll(p + 1, NULL, 10), job, state);
    for (p = p != NULL ? strchr(p, '[') : NULL; p != NULL && (*p == '[' || *p == ',');) {
        char     *end;
        long long first = strtoll(p + 1, &end, 10), last = first;
        if (*end == '-')
            last = strtoll(end + 1, &end, 10);
        for (long long k = first; k <= last && k <= TASKS_MOST; k++)
            take_task(r, before + k, job, state);
        p = end;
    }
}

static void take_job(reading *r, char *const word[COLUMNS], long long job)
{
    ub_accounting *a = r->out;
    int state = strcmp(word[NAME], r->name) == 0 && job >= a->job ? state_of(a, word[STATE]) : -1;
    double      nodes = resource(word[ASKED], "node");
    const char *colon = strchr(word[CODE], ':');
    r->now = NULL;
    if (state < 0)
        return;
    take_tasks(r, word[ID], job, state);
    a->code = (int)strtol(word[CODE], NULL, 10);
    a->signal = colon != NULL ? (int)strtol(colon + 1, NULL, 10) : 0;
    a->elapsed = strtoll(word[ELAPSED], NULL, 10);
    a->nodes = strtoll(word[NODES], NULL, 10);
    a->memory = resource(word[ASKED], "mem") / (nodes >= 1 ? nodes : 1);
}

/* Memory is accounted by step; where it runs out in one, the job may be called FAILED. */
static void take_step(reading *r, char *const word[COLUMNS])
{
    double resident = bytes_of(word[RESIDENT]);
    if (resident > r->out->resident)
        r->out->resident = resident;
    if (strncmp(word[STATE], "OUT_OF_MEMORY", 13) == 0) {
        int state = state_of(r->out, word[STATE]);
        if (state >= 0)
            r->now->state = state;
    }
}

static void take_line(reading *r, char *line)
{
    char *word[COLUMNS] = {line}, *end;
    int   words = 1;
    for (char *p = line; *p != '\0'; p++)
        if (*p == '|') {
            *p = '\0';
            if (words == COLUMNS)
                return;
            word[words++] = p + 1;
        }
    if (words < COLUMNS)
        return;
    long long job = strtoll(word[RAW], &end, 10);
    if (job > 0 && *end == '\0')
        take_job(r, word, job);
    else if (job > 0 && *end == '.' && r->now != NULL && r->now->job == job)
        take_step(r, word);
}

/* The job, or the arrays of the last submission and the last job of every worker that has had one,
 * comma separated.  *job: the first; 0: none. */
static ub_status put_jobs(const char *run, reading *r, long long *job, ub_bytes *ids)
{
    char           path[UB_TEXT_MAX];
    ub_queue_array q;
    UB_TRY(ub_queue_last_job(run, job));
    UB_TRY(ub_queue_last_arrays(run, &r->arrays));
    if (r->arrays.len > 0)
        *job = ((const ub_queue_array *)(const void *)r->arrays.data)->job;
    UB_TRY(ub_bytes_printf(ids, "%lld", *job));
    for (size_t at = sizeof q; at < r->arrays.len; at += sizeof q) {
        memcpy(&q, r->arrays.data + at, sizeof q);
        UB_TRY(ub_bytes_printf(ids, ",%lld", q.job));
    }
    for (q.before = 1; ids->len < IDS_MOST; q.before++) {
        (void)snprintf(path, sizeof path, "%s/workers/%lld", run, (long long)q.before);
        if (!ub_file_exists(path))
            break;
        UB_TRY(ub_queue_last_job(path, &q.job));
        if (q.job <= *job)
            continue;
        UB_TRY(ub_bytes_printf(ids, ",%lld", q.job));
        UB_TRY(ub_bytes_put(&r->begun, &q, sizeof q));
    }
    return UB_OK;
}

static ub_status ask(const char *run, reading *r, ub_bytes *ids, ub_bytes *text)
{
    long long job;
    int       code;
    UB_TRY(put_jobs(run, r, &job, ids));
    if (job == 0)
        return UB_OK;
    const char       *list = (const char *)ids->data;
    const char *const words[] = {"timeout",     "-k1",  "5",  "sacct", "-nP",
                                 "--noconvert", format, "-j", list,    NULL};
    UB_TRY(ub_slurm_call(words, true, text, &code));
    r->out->job = job;
    r->out->arrays = (int64_t)(r->arrays.len / sizeof(ub_queue_array));
    if (code == 0 && text->len > 0)
        for (char *line = strtok((char *)text->data, "\n"); line != NULL; line = strtok(NULL, "\n"))
            take_line(r, line);
    return UB_OK;
}

/* From tasks to tasks by state. */
static void count(reading *r)
{
    const task *t = (const task *)(const void *)r->tasks.data;
    int64_t     all = 0;
    for (size_t k = 0; k < r->tasks.len / sizeof *t; k++)
        if (t[k].job > 0) {
            r->out->state[t[k].state].tasks++;
            all++;
        }
    if (all == 0)
        *r->out = (ub_accounting){0};
}

void ub_accounting_ask(const char *run, ub_accounting *out)
{
    static reading r; /* too large for some stacks */
    ub_bytes       ids = {0}, text = {0};
    char          *full = realpath(run, NULL);
    *out = (ub_accounting){0};
    r = (reading){.out = out};
    if (full != NULL) {
        (void)ub_slurm_name(full, r.name);
        if (ask(full, &r, &ids, &text) != UB_OK)
            ub_err_clear();
        count(&r);
    }
    free(full);
    ub_bytes_release(&r.arrays);
    ub_bytes_release(&r.begun);
    ub_bytes_release(&r.tasks);
    ub_bytes_release(&ids);
    ub_bytes_release(&text);
}

static bool has_state(const ub_accounting *a, const char *name)
{
    for (int k = 0; k < a->states; k++)
        if (a->state[k].tasks > 0 && strcmp(a->state[k].name, name) == 0)
            return true;
    return false;
}

/* What there is to say or to do, or NULL.  Some sites kill for memory without calling it so. */
static const char *advice(const ub_accounting *a)
{
    static const char *const known[][2] = {
        {"OUT_OF_MEMORY", "raise slurm.memory_mb or lower slurm.tasks_per_node"},
        {"TIMEOUT", "it could not stop in time: set a longer slurm.lead_s"},
        {"NODE_FAIL", "a node failed, not the study"},
        {"BOOT_FAIL", "a node failed, not the study"},
        {"PREEMPTED", "a job of higher priority took its nodes"},
    };
    for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
        if (has_state(a, known[k][0]))
            return known[k][1];
    if (!has_state(a, "FAILED"))
        return NULL;
    if (a->memory > 0 && a->resident > a->memory)
        return known[0][1];
    return !a->array && a->code == ub_status_exit_code(UB_ESTOP) ? "stopped in time" : NULL;
}

static ub_status put_size(ub_bytes *out, const char *before, double bytes)
{
    const double mib = 1048576, gib = 1024 * mib;
    return bytes < gib ? ub_bytes_printf(out, "%s%.0f MiB", before, bytes / mib)
                       : ub_bytes_printf(out, "%s%.1f GiB", before, bytes / gib);
}

ub_status ub_accounting_put(const ub_accounting *a, ub_bytes *out)
{
    char        took[32];
    const char *before = "", *what = advice(a);
    if (a->job == 0)
        return UB_OK;
    UB_TRY(ub_bytes_printf(out, "job %lld", a->job));
    if (a->arrays > 1)
        UB_TRY(ub_bytes_printf(out, " and %lld more", (long long)a->arrays - 1));
    UB_TRY(ub_bytes_printf(out, ":"));
    for (int k = 0; k < a->states; k++)
        if (a->state[k].tasks > 0) {
            UB_TRY(ub_bytes_printf(out, "%s ", before));
            if (a->array)
                UB_TRY(ub_bytes_printf(out, "%lld ", (long long)a->state[k].tasks));
            UB_TRY(ub_bytes_printf(out, "%s", a->state[k].name));
            before = ",";
        }
    if (!a->array && a->code != 0)
        UB_TRY(ub_bytes_printf(out, " with exit code %d", a->code));
    if (!a->array && a->elapsed > 0)
        UB_TRY(ub_bytes_printf(out, " %s %s", has_state(a, "RUNNING") ? "for" : "after",
                               ub_progress_words((double)a->elapsed, took)));
    if (a->resident > 0)
        UB_TRY(put_size(out, ", largest task ", a->resident));
    if (a->resident > 0 && a->memory > 0)
        UB_TRY(put_size(out, " of the node's ", a->memory));
    return what != NULL ? ub_bytes_printf(out, "; %s", what) : UB_OK;
}

ub_status ub_accounting_put_json(const ub_accounting *a, ub_bytes *out)
{
    const char *before = "";
    if (a->job == 0)
        return ub_bytes_printf(out, "null");
    UB_TRY(ub_bytes_printf(out, "{\"job\": %lld, \"tasks\": {", a->job));
    for (int k = 0; k < a->states; k++)
        if (a->state[k].tasks > 0) {
            UB_TRY(ub_bytes_printf(out, "%s\"%s\": %lld", before, a->state[k].name,
                                   (long long)a->state[k].tasks));
            before = ", ";
        }
    UB_TRY(ub_bytes_printf(out, "}"));
    if (!a->array)
        UB_TRY(ub_bytes_printf(out,
                               ", \"exit_code\": %d, \"signal\": %d, \"elapsed_s\": %lld, "
                               "\"nodes\": %lld",
                               a->code, a->signal, (long long)a->elapsed, (long long)a->nodes));
    return ub_bytes_printf(out, ", \"task_bytes\": %.0f, \"node_bytes\": %.0f}", a->resident,
                           a->memory);
}
