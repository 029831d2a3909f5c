#include "jobs/queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/version.h"
#include "io/file.h"
#include "jobs/slurm.h"

static const char submitted[] = "unbraid " UB_VERSION " submitted";

/* NUMBER of a line "KEY = NUMBER" of `scontrol show config`; -1: there is none. */
static int64_t site_number(const char *site, const char *key)
{
    const char *at = strstr(site, key);
    at = at != NULL ? strchr(at, '=') : NULL;
    return at != NULL ? strtoll(at + 1, NULL, 10) : -1;
}

/* How many tasks, numbered from 1, an array may have: MaxArraySize is the first index that is too
 * large, and some sites allow fewer tasks than indices. */
static int64_t tasks_most(const char *site)
{
    static const char tasks[] = "max_array_tasks=";
    const char       *few = strstr(site, tasks);
    int64_t           size = site_number(site, "\nMaxArraySize "), fewer = 0;
    int64_t           most = size < 0 ? INT64_MAX : size - 1;
    if (few != NULL)
        fewer = strtoll(few + strlen(tasks), NULL, 10);
    return fewer > 0 && fewer < most ? fewer : most;
}

static int64_t arrays_of(int64_t workers, int64_t most)
{
    return workers / most + (workers % most > 0);
}

bool ub_queue_requeues(const ub_settings *settings, const char *site)
{
    int how = settings->slurm.requeue;
    return how == UB_REQUEUE_YES ||
           (how == UB_REQUEUE_AUTO && site_number(site, "\nJobRequeue ") != 0);
}

ub_status ub_queue_init(const ub_settings *settings, const char *site, ub_queue *out)
{
    int64_t workers = settings->slurm.workers, at_once = settings->slurm.workers_at_once;
    int64_t most = tasks_most(site);
    *out = (ub_queue){0};
    if (workers == 0)
        return UB_OK;
    if (most < 1)
        return UB_FAIL(UB_EARG,
                       "slurm.workers = %lld, but this site has no job arrays (MaxArraySize = "
                       "%lld); set it to 0: one job, whose ranks work together",
                       (long long)workers, (long long)most + 1);
    if (at_once >= workers)
        at_once = 0;
    if (at_once > 0 && !ub_queue_requeues(settings, site)) {
        workers = at_once;
        at_once = 0;
    } else if (at_once > 0 && at_once < arrays_of(workers, most)) {
        workers = at_once * most;
    }
    *out = (ub_queue){
        .workers = workers, .arrays = arrays_of(workers, most), .most = most, .at_once = at_once};
    return UB_OK;
}

static int64_t before_of(const ub_queue *q, int64_t k)
{
    return k == 0 ? 0 : k * q->most; /* one array may have no bound */
}

static int64_t last_of(const ub_queue *q, int64_t k)
{
    return k + 1 < q->arrays ? before_of(q, k + 1) : q->workers;
}

const char *ub_queue_range(const ub_queue *q, int64_t k, char *buf)
{
    int64_t before = before_of(q, k), last = last_of(q, k);
    int     n = snprintf(buf, UB_TEXT_MAX, "1-%lld", (long long)(last - before));
    if (q->at_once > 0)
        (void)snprintf(
            buf + n, (size_t)(UB_TEXT_MAX - n), "%%%lld",
            (long long)(last * q->at_once / q->workers - before * q->at_once / q->workers));
    return buf;
}

/* Append "TIME text" to the log of a folder, which its jobs write, too. */
static ub_status note(const char *folder, const char *text)
{
    char      path[UB_PATH_MAX], when[32];
    time_t    now = time(NULL);
    struct tm parts;
    (void)snprintf(path, sizeof path, "%s/slurm-jobs.log", folder);
    FILE *f = fopen(path, "ae");
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    if (f == NULL || fprintf(f, "%s %s\n", when, text) < 0 || fclose(f) != 0)
        return UB_FAIL(UB_EIO, "%s: cannot be written: %s", path, strerror(errno));
    return UB_OK;
}

static ub_status make_workers(const char *run, const ub_queue *q, int64_t k)
{
    char path[UB_PATH_MAX];
    for (int64_t w = before_of(q, k) + 1; w <= last_of(q, k); w++) {
        (void)snprintf(path, sizeof path, "%s/workers/%lld", run, (long long)w);
        UB_TRY(ub_dir_make(path));
        UB_TRY(note(path, submitted));
    }
    return UB_OK;
}

/* Array k, or the one job there is.  *job: 0 if sbatch refuses it. */
static ub_status call_sbatch(const char *run, const ub_queue *q, int64_t k, long long *job,
                             int *code)
{
    char range[UB_TEXT_MAX], array[UB_TEXT_MAX], script[UB_PATH_MAX], before[32];
    /* the script's own --array is that of the first */
    const char *const first[] = {"sbatch", "--parsable", script, NULL};
    const char *const other[] = {"sbatch", "--parsable", array, script, before, NULL};
    ub_bytes          text = {0};
    (void)snprintf(array, sizeof array, "--array=%.99s", ub_queue_range(q, k, range));
    (void)snprintf(script, sizeof script, "%s/slurm-job.sh", run);
    (void)snprintf(before, sizeof before, "%lld", (long long)before_of(q, k));
    ub_status st = ub_slurm_call(k == 0 ? first : other, false, &text, code);
    *job = *code == 0 && text.len > 0 ? strtoll((const char *)text.data, NULL, 10) : 0;
    ub_bytes_release(&text);
    return st;
}

static ub_status take_job(const char *run, const ub_queue *q, int64_t k, long long job,
                          ub_bytes *jobs)
{
    char line[128];
    int  n = snprintf(line, sizeof line, "job=%lld queued", job);
    if (q->arrays > 0)
        (void)snprintf(line + n, sizeof line - (size_t)n, " workers=%lld-%lld",
                       (long long)before_of(q, k) + 1, (long long)last_of(q, k));
    UB_TRY(ub_bytes_put(jobs, &job, sizeof job));
    return note(run, line);
}

ub_status ub_queue_submit(const char *run, ub_queue *q, ub_bytes *jobs, int *code)
{
    long long job;
    *code = 0;
    /* before sbatch: a job may begin before that returns */
    UB_TRY(note(run, submitted));
    for (int64_t k = 0; k == 0 || k < q->arrays; k++) {
        UB_TRY(make_workers(run, q, k));
        UB_TRY(call_sbatch(run, q, k, &job, code));
        if (job <= 0 && k == 0)
            return UB_OK;
        if (job <= 0) {
            int64_t queued = before_of(q, k);
            *q = (ub_queue){.workers = queued,
                            .arrays = k,
                            .most = q->most,
                            .at_once = queued * q->at_once / q->workers};
        } else {
            UB_TRY(take_job(run, q, k, job, jobs));
        }
    }
    return UB_OK;
}

/* The log as text. */
static ub_status read_log(const char *run, ub_bytes *log)
{
    char path[UB_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/slurm-jobs.log", run);
    if (ub_file_exists(path))
        UB_TRY(ub_file_read(path, log));
    return ub_bytes_printf(log, "%s", "");
}

/* The number behind the next " job=", and *at behind it; 0: there is no more. */
static long long next_job(const char **at)
{
    static const char key[] = " job=";
    while ((*at = strstr(*at, key)) != NULL) {
        char     *end;
        long long job = strtoll(*at + strlen(key), &end, 10);
        *at = end;
        if (job > 0)
            return job;
    }
    return 0;
}

ub_status ub_queue_last_job(const char *run, long long *job)
{
    ub_bytes  log = {0};
    ub_status st = read_log(run, &log);
    *job = 0;
    if (st == UB_OK) {
        const char *at = (const char *)log.data;
        for (long long found = next_job(&at); found > 0; found = next_job(&at))
            *job = found;
    }
    ub_bytes_release(&log);
    return st;
}

ub_status ub_queue_last_arrays(const char *run, ub_bytes *out)
{
    static const char begins[] = " submitted\n", workers[] = " queued workers=";
    ub_bytes          log = {0};
    ub_queue_array    a;
    ub_status         st;
    UB_TRY_OUT(read_log(run, &log));
    ub_bytes_clear(out);
    const char *at = (const char *)log.data, *from = at, *begin;
    for (; (a.job = next_job(&at)) > 0; from = at) {
        bool array = strncmp(at, workers, strlen(workers)) == 0;
        if (!array || ((begin = strstr(from, begins)) != NULL && begin < at))
            ub_bytes_clear(out); /* what was before is of another submission */
        if (array) {
            a.before = strtoll(at + strlen(workers), NULL, 10) - 1;
            UB_TRY_OUT(ub_bytes_put(out, &a, sizeof a));
        }
    }
out:
    ub_bytes_release(&log);
    return st;
}
