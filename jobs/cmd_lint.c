/* A configuration against the cluster it is meant for, before it is submitted. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "io/file.h"
#include "io/mpiio.h"
#include "jobs/command.h"
#include "jobs/slurm.h"

typedef enum level { NOTE, WARNING, ERROR } level;

typedef struct lint {
    const ub_settings *s;
    ub_bytes           site, partition, node, pmix; /* what SLURM says of them; empty: nothing */
    char               name[UB_TEXT_MAX];           /* of the partition; "": the site's default */
    ub_bytes           said;                        /* findings, text or JSON */
    bool               json;
    int                count[3];
} lint;

static ub_status find(lint *l, level how, const char *fix, const char *fmt, ...) UB_PRINTF(4, 5);

static ub_status find(lint *l, level how, const char *fix, const char *fmt, ...)
{
    static const char *const words[] = {"note", "warning", "error"};
    char                     what[UB_TEXT_MAX];
    va_list                  ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    int before = l->count[NOTE] + l->count[WARNING] + l->count[ERROR];
    l->count[how]++;
    if (!l->json)
        return ub_bytes_printf(&l->said, "%-8s %s\n         %s\n", words[how], what, fix);
    UB_TRY(ub_bytes_printf(&l->said, "%s{", before > 0 ? ", " : ""));
    UB_TRY(ub_bytes_put_json(&l->said, "level", words[how], ", "));
    UB_TRY(ub_bytes_put_json(&l->said, "finding", what, ", "));
    return ub_bytes_put_json(&l->said, "fix", fix, "}");
}

/* What SLURM answers -------------------------------------------------------------------------- */

static ub_status ask(const char *const argv[], ub_bytes *out)
{
    int code = 0;
    UB_TRY(ub_slurm_call(argv, true, out, &code));
    if (code != 0)
        ub_bytes_clear(out);
    return ub_bytes_printf(out, "%s", "");
}

static const char *text_of(const ub_bytes *b)
{
    return b->data == NULL ? "" : (const char *)b->data;
}

/* Word behind KEY, which ends in '=' or ' = ' (`scontrol show config` pads its keys). */
static bool value_of(const ub_bytes *from, const char *key, char *buf, size_t cap)
{
    for (const char *at = strstr(text_of(from), key); at != NULL; at = strstr(at + 1, key)) {
        const char *p = at + strlen(key);
        bool        starts = at == text_of(from) || strchr(" \n|", at[-1]) != NULL;
        p += strspn(p, " ");
        if (!starts || *p != '=')
            continue;
        p++;
        p += strspn(p, " ");
        (void)snprintf(buf, cap, "%.*s", (int)strcspn(p, " \n"), p);
        return true;
    }
    return false;
}

/* A number, or -1: not said, UNLIMITED, ... */
static long long number_of(const ub_bytes *from, const char *key)
{
    char buf[64], *end;
    if (!value_of(from, key, buf, sizeof buf))
        return -1;
    long long n = strtoll(buf, &end, 10);
    return end == buf ? -1 : n;
}

/* "2-03:00:00", "04:30:00", "30:00" in minutes; -1: unlimited or not said. */
static long long minutes_of(const ub_bytes *from, const char *key)
{
    char        buf[64];
    long long   days = 0, a = 0, b = 0;
    const char *p = buf;
    if (!value_of(from, key, buf, sizeof buf) || buf[strspn(buf, "0123456789:-")] != '\0')
        return -1;
    if (strchr(buf, '-') != NULL) {
        days = strtoll(buf, NULL, 10);
        p = strchr(buf, '-') + 1;
    }
    char *end;
    a = strtoll(p, &end, 10);
    int parts = 1;
    if (*end == ':') {
        b = strtoll(end + 1, &end, 10);
        parts = 2;
    }
    if (*end == ':') /* seconds follow */
        parts = 3;
    if (strchr(buf, '-') != NULL || parts == 3)
        return days * 1440 + a * 60 + b;
    return a; /* MM:SS or MM */
}

/* The line of the default partition. */
static ub_status ask_default(lint *l)
{
    const char *const all[] = {"scontrol", "-o", "show", "partition", NULL};
    ub_bytes          every = {0};
    ub_status         st = ask(all, &every);
    const char       *p = st == UB_OK ? text_of(&every) : "";
    for (size_t n; *p != '\0' && st == UB_OK; p += n + (p[n] == '\n')) {
        const char *flag = strstr(p, " Default=YES");
        n = strcspn(p, "\n");
        if (flag != NULL && flag < p + n)
            st = ub_bytes_printf(&l->partition, "%.*s\n", (int)n, p);
    }
    ub_bytes_release(&every);
    return st;
}

/* Of the partition that l->name says. */
static ub_status ask_partition(lint *l)
{
    char              name[128] = "";
    const char *const one[] = {"scontrol", "-o", "show", "partition", l->name, NULL};
    const char *const node[] = {"sinfo", "-h", "-p", name, "-o", "Cpus=%c Memory=%m", NULL};
    ub_bytes_release(&l->partition);
    ub_bytes_release(&l->node);
    UB_TRY(l->name[0] != '\0' ? ask(one, &l->partition) : ask_default(l));
    if (value_of(&l->partition, "PartitionName", name, sizeof name))
        UB_TRY(ask(node, &l->node));
    return UB_OK;
}

/* Checks -------------------------------------------------------------------------------------- */

static ub_status check_partition(lint *l)
{
    const ub_settings *s = l->s;
    char               state[64] = "", most[64];
    if (l->partition.len == 0)
        return find(l, ERROR, "'sinfo -s' lists the partitions; set slurm.partition",
                    l->name[0] != '\0' ? "there is no partition '%s'"
                                       : "this site has no default partition%s",
                    l->name);
    if (value_of(&l->partition, "State", state, sizeof state) && strcmp(state, "UP") != 0)
        UB_TRY(find(l, ERROR, "choose another with slurm.partition", "the partition is %s", state));
    long long time = minutes_of(&l->partition, "MaxTime");
    (void)snprintf(most, sizeof most, "set slurm.time_min: %lld; the study goes on in the next job",
                   time);
    if (time > 0 && s->slurm.time_min > time)
        UB_TRY(find(l, ERROR, most,
                    "slurm.time_min = %lld, but jobs of the partition end after "
                    "%lld minutes",
                    (long long)s->slurm.time_min, time));
    long long nodes = number_of(&l->partition, "TotalNodes");
    long long limit = number_of(&l->partition, "MaxNodes");
    nodes = limit > 0 && limit < nodes ? limit : nodes;
    (void)snprintf(most, sizeof most, "set slurm.nodes to at most %lld", nodes);
    if (nodes > 0 && s->slurm.nodes > nodes)
        UB_TRY(find(l, ERROR, most, "slurm.nodes = %lld, the partition gives %lld to a job",
                    (long long)s->slurm.nodes, nodes));
    return UB_OK;
}

static ub_status check_node(lint *l)
{
    const ub_settings *s = l->s;
    long long          cpus = number_of(&l->node, "Cpus"), memory = number_of(&l->node, "Memory");
    if (cpus > 0 && s->slurm.tasks_per_node > cpus)
        UB_TRY(find(l, ERROR, "one rank a core is fastest, as BLAS runs one thread",
                    "slurm.tasks_per_node = %lld, a node has %lld processors",
                    (long long)s->slurm.tasks_per_node, cpus));
    else if (cpus >= 2 * s->slurm.tasks_per_node && cpus > 1)
        UB_TRY(find(l, NOTE, "every rank uses one core: raise slurm.tasks_per_node to use the node",
                    "%lld ranks on nodes of %lld processors", (long long)s->slurm.tasks_per_node,
                    cpus));
    if (memory > 0 && s->slurm.memory_mb > memory)
        UB_TRY(find(l, ERROR, "set slurm.memory_mb lower, or 0 for what a plan needs",
                    "slurm.memory_mb = %lld, a node has %lld MiB", (long long)s->slurm.memory_mb,
                    memory));
    return UB_OK;
}

/* The workers of a sweep as arrays. */
static ub_status check_arrays(lint *l)
{
    const ub_settings *s = l->s;
    ub_queue           q;
    if (ub_queue_init(s, text_of(&l->site), &q) != UB_OK) {
        ub_status st =
            find(l, ERROR, "set slurm.workers: 0 and more slurm.nodes", "%s", ub_err_message());
        ub_err_clear();
        return st;
    }
    if (q.workers < s->slurm.workers)
        UB_TRY(find(l, NOTE,
                    ub_queue_requeues(s, text_of(&l->site))
                        ? "nothing to do: SLURM limits every array by itself, so there are no "
                          "more arrays than that"
                        : "nothing to do: a successor in a chain heeds no limit, so there are "
                          "no more workers than that",
                    "slurm.workers_at_once = %lld makes %lld workers of %lld",
                    (long long)s->slurm.workers_at_once, (long long)q.workers,
                    (long long)s->slurm.workers));
    if (q.arrays > 1)
        UB_TRY(find(l, NOTE, "nothing to do; workers share the points of a sweep: fewer do as well",
                    "%lld workers become %lld arrays, as one of this site has %lld tasks at most",
                    (long long)q.workers, (long long)q.arrays, (long long)q.most));
    return UB_OK;
}

/* How jobs go on after they were stopped. */
static ub_status check_going_on(lint *l)
{
    const ub_settings *s = l->s;
    long long          wait = number_of(&l->site, "KillWait");
    if (number_of(&l->site, "JobRequeue") == 0 && s->slurm.requeue == UB_REQUEUE_YES)
        UB_TRY(find(l, ERROR, "set slurm.requeue: auto or no; a job then submits its successor",
                    "slurm.requeue: yes, but JobRequeue of this site is 0"));
    if (s->slurm.lead_s >= 60 * s->slurm.time_min)
        UB_TRY(find(l, ERROR, "raise slurm.time_min or lower slurm.lead_s",
                    "slurm.lead_s = %lld leaves no time to work in %lld minutes",
                    (long long)s->slurm.lead_s, (long long)s->slurm.time_min));
    if (wait >= 0 && wait < 10)
        UB_TRY(find(l, NOTE, "nothing to do if slurm.lead_s suffices",
                    "KillWait is %lld s: a job that overruns is killed at once", wait));
    return UB_OK;
}

/* How jobs of the partition are preempted. */
static ub_status check_preemption(lint *l)
{
    char mode[64] = "";
    if (value_of(&l->partition, "PreemptMode", mode, sizeof mode) && strstr(mode, "CANCEL") != NULL)
        UB_TRY(find(l, WARNING, "the job submits a successor if it has the time; else submit again",
                    "preempted jobs of the partition are cancelled (PreemptMode=%s)", mode));
    long long grace = number_of(&l->partition, "GraceTime");
    if (grace >= 0 && grace < 30 && mode[0] != '\0' && strcmp(mode, "OFF") != 0)
        UB_TRY(find(l, NOTE,
                    "nothing to do: what was answered since the last journal sync "
                    "(farm.journal_sync_s) is redone",
                    "a preempted job has %lld s of grace", grace));
    return UB_OK;
}

/* Ranks that srun starts must find each other. */
static ub_status check_launch(lint *l)
{
    const ub_settings *s = l->s;
    char               type[64] = "none";
    const char        *given = strstr(s->slurm.launcher_options, "--mpi=");
    if (s->slurm.launcher != UB_LAUNCH_SRUN)
        return UB_OK;
    (void)value_of(&l->site, "MpiDefault", type, sizeof type);
    if (given != NULL)
        (void)snprintf(type, sizeof type, "%.*s", (int)strcspn(given + 6, " "), given + 6);
    bool has = strstr(text_of(&l->pmix), "pmix") != NULL;
    if (strncmp(type, "pmix", 4) != 0)
        return find(
            l, ERROR,
            has ? "set slurm.launcher_options: --mpi=pmix"
                : "set slurm.launcher: mpirun; this SLURM has no PMIx plugin",
            "srun would start the ranks with --mpi=%s: Open MPI needs pmix, each rank would "
            "be a world of its own",
            type);
    if (l->pmix.len > 0 && !has)
        return find(l, ERROR, "set slurm.launcher: mpirun",
                    "this SLURM has no PMIx plugin ('srun --mpi=list')");
    return UB_OK;
}

/* The libraries this program runs with. */
static ub_status check_libraries(lint *l)
{
    char why[256];
    if (ub_mpiio_is_bad(why, sizeof why))
        UB_TRY(find(l, ERROR, "unset OMPI_MCA_io: the program keeps clear of it by itself", "%s",
                    why));
    return UB_OK;
}

static ub_status check_study(lint *l)
{
    const ub_settings *s = l->s;
    if (s->corpus.path[0] == '\0')
        UB_TRY(find(l, ERROR, "set corpus.path", "no corpus is named"));
    else if (!ub_file_exists(s->corpus.path))
        UB_TRY(find(l, ERROR, "is it there, and seen from the nodes?",
                    "corpus.path: there is no file %s", s->corpus.path));
    if (s->farm.slow_ms > 0)
        UB_TRY(find(l, WARNING, "remove farm.slow_ms: it is for demonstrations",
                    "every item pauses for %g ms", s->farm.slow_ms));
    if (s->run.status_s == 0)
        UB_TRY(find(l, WARNING, "remove run.status_s: 0",
                    "'unbraid status' will not know whether the job lives"));
    if (s->slurm.workers > 0 && s->slurm.command != UB_SLURM_SWEEP)
        UB_TRY(find(l, ERROR, "set slurm.command: sweep, or slurm.workers: 0",
                    "slurm.workers is for sweeps"));
    return UB_OK;
}

/* The job runs on one of the partitions, nobody knows on which: it must fit each. */
static ub_status check_partitions(lint *l)
{
    const char *list = l->s->slurm.partition;
    do {
        size_t n = strcspn(list, ",");
        (void)snprintf(l->name, sizeof l->name, "%.*s", (int)n, list);
        list += n + (list[n] == ',');
        UB_TRY(ask_partition(l));
        UB_TRY(check_partition(l));
        UB_TRY(check_node(l));
        UB_TRY(check_preemption(l));
    } while (*list != '\0');
    return UB_OK;
}

static ub_status check_all(lint *l)
{
    const char *const site[] = {"scontrol", "show", "config", NULL};
    const char *const pmix[] = {"sh", "-c", "srun --mpi=list 2>&1", NULL}; /* where, is up to it */
    UB_TRY(check_study(l));
    UB_TRY(check_libraries(l));
    UB_TRY(ask(site, &l->site));
    if (l->site.len == 0)
        return find(l, NOTE, "run it on a login node of the cluster",
                    "there is no SLURM here ('scontrol show config'): only the study was checked");
    UB_TRY(check_partitions(l));
    UB_TRY(check_arrays(l));
    UB_TRY(check_going_on(l));
    UB_TRY(ask(pmix, &l->pmix));
    return check_launch(l);
}

static ub_status answer(const ub_context *ctx)
{
    lint      l = {.s = &ctx->settings, .json = ctx->json};
    ub_status st = check_all(&l);
    if (st == UB_OK && ctx->json)
        (void)printf("{\"errors\": %d, \"warnings\": %d, \"notes\": %d, \"findings\": [%s]}\n",
                     l.count[ERROR], l.count[WARNING], l.count[NOTE], text_of(&l.said));
    else if (st == UB_OK)
        (void)printf("%s%d errors, %d warnings, %d notes\n", text_of(&l.said), l.count[ERROR],
                     l.count[WARNING], l.count[NOTE]);
    if (st == UB_OK && l.count[ERROR] > 0)
        st = UB_FAIL(UB_EINPUT, "this configuration will not run here as it is");
    ub_bytes_release(&l.site);
    ub_bytes_release(&l.partition);
    ub_bytes_release(&l.node);
    ub_bytes_release(&l.pmix);
    ub_bytes_release(&l.said);
    return st;
}

static ub_status run(ub_context *ctx)
{
    return ub_comm_agree(&ctx->world, ctx->world.rank == 0 ? answer(ctx) : UB_OK);
}

const ub_command ub_cmd_lint = {
    .name = "lint",
    .usage = "-c FILE [--site FILE] [--set section.key=value]... [--json]",
    .summary = "Check a configuration against the cluster it is for",
    .sections = "slurm",
    .options = "site",
    .details =
        "Looks at the study, at 'scontrol show config', the partition, its nodes and the PMIx\n"
        "plugin; every finding comes with its fix. Exit code 2 if one of them is an error.\n",
    .run = run,
};
