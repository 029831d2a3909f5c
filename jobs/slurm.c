#include "jobs/slurm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/sha256.h"
#include "io/file.h"

/* slurm/job.sh, by CMakeLists.txt. */
extern const char ub_slurm_job_sh[];

static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static ub_status refuse_control(const char *what, const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return UB_FAIL(UB_EARG, "%s holds a control character (a line feed?) at byte %d", what,
                           (int)(p - text) + 1);
    return UB_OK;
}

/* name='text' for a shell. */
static ub_status put_value(ub_bytes *out, const char *name, const char *text)
{
    UB_TRY(ub_bytes_printf(out, "%s='", name));
    for (const char *p = text; *p != '\0'; p++)
        UB_TRY(ub_bytes_printf(out, *p == '\'' ? "'\\''" : "%c", *p));
    return ub_bytes_printf(out, "'\n");
}

/* "#SBATCH --name="text"" as sbatch reads it: in double quotes a backslash keeps the next byte
 * (outside it does not keep a space).  Nothing if empty. */
static ub_status put_option(ub_bytes *out, const char *name, const char *text)
{
    if (text[0] == '\0')
        return UB_OK;
    UB_TRY(refuse_control(name, text));
    UB_TRY(ub_bytes_printf(out, "#SBATCH --%s=\"", name));
    for (const char *p = text; *p != '\0'; p++)
        UB_TRY(ub_bytes_printf(out, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p));
    return ub_bytes_printf(out, "\"\n");
}

/* The site's own lines, each behind "#SBATCH ". */
static ub_status put_lines(ub_bytes *out, const char *text)
{
    while (*text != '\0') {
        int len = (int)strcspn(text, "\n");
        if ((int)strspn(text, " \t\r") < len)
            UB_TRY(ub_bytes_printf(out, "#SBATCH %.*s\n", len, text));
        text += len + (text[len] == '\n');
    }
    return UB_OK;
}

const char *ub_slurm_command(const ub_settings *settings)
{
    static const char *const names[] = {"run", "structure", "disentangle", "sweep"};
    return names[settings->slurm.command];
}

const char *ub_slurm_name(const char *run, char *buf)
{
    const char *slash = strrchr(run, '/');
    char        hex[UB_SHA256_HEX];
    ub_sha256_hex_of(run, strlen(run), hex);
    (void)snprintf(buf, UB_TEXT_MAX, "unbraid-%.*s-%.8s", UB_TEXT_MAX - 32,
                   slash != NULL ? slash + 1 : run, hex);
    for (char *p = buf; *p != '\0'; p++)
        if (strchr(plain, *p) == NULL)
            *p = '_';
    return buf;
}

static ub_status put_directives(const ub_slurm_job *job, ub_bytes *out)
{
    const ub_settings *s = job->settings;
    bool               by_shell = s->slurm.launcher == UB_LAUNCH_MPIRUN;
    char               name[UB_TEXT_MAX], range[UB_TEXT_MAX];
    UB_TRY(put_option(out, "job-name", ub_slurm_name(job->run, name)));
    UB_TRY(put_option(out, "chdir", job->run));
    UB_TRY(ub_bytes_printf(out,
                           "#SBATCH --output=slurm-%%j.out\n#SBATCH --open-mode=append\n"
                           "#SBATCH --nodes=%lld\n#SBATCH --ntasks-per-node=%lld\n"
                           "#SBATCH --time=%lld\n#SBATCH --%s\n",
                           (long long)s->slurm.nodes, (long long)s->slurm.tasks_per_node,
                           (long long)s->slurm.time_min, job->requeue ? "requeue" : "no-requeue"));
    if (job->signal_s > 0)
        UB_TRY(ub_bytes_printf(out, "#SBATCH --signal=%sUSR1@%lld\n", by_shell ? "B:" : "",
                               (long long)job->signal_s));
    if (job->queue.arrays > 0)
        UB_TRY(ub_bytes_printf(out, "#SBATCH --array=%s\n", ub_queue_range(&job->queue, 0, range)));
    if (s->slurm.memory_mb > 0)
        UB_TRY(ub_bytes_printf(out, "#SBATCH --mem=%lldM\n", (long long)s->slurm.memory_mb));
    UB_TRY(put_option(out, "partition", s->slurm.partition));
    UB_TRY(put_option(out, "account", s->slurm.account));
    UB_TRY(put_option(out, "qos", s->slurm.qos));
    UB_TRY(put_option(out, "exclude", job->exclude));
    return put_lines(out, s->slurm.options);
}

static ub_status put_other_arrays(const ub_queue *q, ub_bytes *out)
{
    char range[UB_TEXT_MAX];
    if (q->arrays > 1)
        UB_TRY(ub_bytes_printf(out, "# The first of %lld arrays of %lld workers; the others:\n",
                               (long long)q->arrays, (long long)q->workers));
    for (int64_t k = 1; k < q->arrays; k++)
        UB_TRY(ub_bytes_printf(out, "#   sbatch --array=%s slurm-job.sh %lld\n",
                               ub_queue_range(q, k, range), (long long)(k * q->most)));
    return UB_OK;
}

static ub_status put_values(const ub_slurm_job *job, ub_bytes *out)
{
    const ub_settings *s = job->settings;
    bool               by_srun = s->slurm.launcher == UB_LAUNCH_SRUN;
    UB_TRY(put_value(out, "run", job->run));
    UB_TRY(put_value(out, "program", job->program));
    UB_TRY(put_value(out, "command", ub_slurm_command(s)));
    UB_TRY(put_value(out, "launcher", by_srun ? "srun" : "mpirun"));
    UB_TRY(put_value(out, "requeue", job->requeue ? "yes" : "no"));
    UB_TRY(ub_bytes_printf(out, "lead=%lld\nmax_jobs=%lld\n", (long long)s->slurm.lead_s,
                           (long long)s->slurm.max_jobs));
    UB_TRY(refuse_control("slurm.launcher_options", s->slurm.launcher_options));
    /* --wait: ranks whose peers have died in MPI_Init would hang until the wall time is over.  Not
     * --kill-on-bad-exit: it kills those that are about to exit with 75, too. */
    return ub_bytes_printf(out, "launch() {\n    exec %s%s%s \"$program\" \"$@\"\n}\n",
                           by_srun ? "srun --wait=60" : "mpirun",
                           s->slurm.launcher_options[0] != '\0' ? " " : "",
                           s->slurm.launcher_options);
}

ub_status ub_slurm_script(const ub_slurm_job *job, ub_bytes *out)
{
    const ub_settings *s = job->settings;
    const char        *body = strstr(ub_slurm_job_sh, "\n\n");
    if (s->slurm.lead_s >= 60 * s->slurm.time_min)
        return UB_FAIL(UB_EARG,
                       "slurm.lead_s = %lld leaves no time to work in slurm.time_min = %lld; a "
                       "job would stop as soon as it starts",
                       (long long)s->slurm.lead_s, (long long)s->slurm.time_min);
    if (s->slurm.workers > 0 && s->slurm.command != UB_SLURM_SWEEP)
        return UB_FAIL(UB_EARG,
                       "slurm.workers = %lld is for slurm.command: sweep; a study is one job of "
                       "slurm.nodes nodes",
                       (long long)s->slurm.workers);
    UB_TRY(refuse_control("the path of the run folder", job->run));
    if (strpbrk(job->run, "%\\") != NULL)
        return UB_FAIL(
            UB_EARG,
            "the path of the run folder holds %% or \\, to which SLURM gives a meaning in "
            "names of files: %s",
            job->run);
    UB_TRY(refuse_control("the path of the program", job->program));
    UB_TRY(ub_bytes_printf(out, "#!/bin/sh\n# Made by unbraid submit, which replaces it.\n"));
    UB_TRY(put_other_arrays(&job->queue, out));
    UB_TRY(put_directives(job, out));
    /* an argument, as requeues keep it whatever becomes of the environment; the prologue may have
     * other uses for $1 */
    UB_TRY(ub_bytes_printf(out, "set -eu\nworkers_before=${1:-0}\n"));
    if (s->slurm.prologue[0] != '\0') /* scripts of modules and of conda know no set -u */
        UB_TRY(ub_bytes_printf(out, "set +u\n%s\nset -u\n", s->slurm.prologue));
    UB_TRY(put_values(job, out));
    return ub_bytes_put(out, body + 1, strlen(body + 1));
}

/* The environment at the start of this process, as NULL-terminated pointers into `text`.
 * envp: out, owned by the caller. */
static ub_status first_environment(ub_bytes *text, char ***envp)
{
    size_t count = 0, at = 0;
    UB_TRY(ub_file_read("/proc/self/environ", text));
    for (size_t i = 0; i < text->len; i++)
        count += text->data[i] == '\0';
    UB_TRY(UB_ALLOC(*envp, count + 1));
    for (size_t i = 0; i < count; i++) {
        (*envp)[i] = (char *)text->data + at;
        at += strlen((*envp)[i]) + 1;
    }
    return UB_OK;
}

/* In the child: becomes the program; only what is allowed after fork. */
static void become(const char *const argv[], char **envp, int to, int errors)
{
    (void)dup2(to, STDOUT_FILENO);
    if (errors >= 0)
        (void)dup2(errors, STDERR_FILENO);
    union {
        const char *const *in;
        char *const       *out;
    } words = {.in = argv}; /* execvpe writes nothing */
    (void)execvpe(argv[0], words.out, envp);
    _exit(127);
}

static ub_status drain(int from, ub_bytes *out)
{
    char    buf[4096];
    ssize_t n;
    do {
        n = read(from, buf, sizeof buf);
        if (n > 0)
            UB_TRY(ub_bytes_put(out, buf, (size_t)n));
    } while (n > 0 || (n < 0 && errno == EINTR));
    return UB_OK;
}

ub_status ub_slurm_call(const char *const argv[], bool quiet, ub_bytes *out, int *code)
{
    int       ends[2] = {-1, -1}, state = 0;
    int       nowhere = quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    pid_t     child = -1;
    char    **envp = NULL;
    ub_bytes  environment = {0};
    ub_status st = first_environment(&environment, &envp);
    if (st == UB_OK && pipe2(ends, O_CLOEXEC) != 0)
        st = UB_FAIL(UB_EIO, "%s: no pipe: %s", argv[0], strerror(errno));
    if (st == UB_OK)
        child = fork();
    if (child == 0)
        become(argv, envp, ends[1], nowhere);
    if (st == UB_OK && child < 0)
        st = UB_FAIL(UB_EIO, "%s: cannot be started: %s", argv[0], strerror(errno));
    if (ends[1] >= 0)
        (void)close(ends[1]);
    if (child > 0) {
        st = drain(ends[0], out);
        while (waitpid(child, &state, 0) < 0 && errno == EINTR)
            ;
        *code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    }
    if (ends[0] >= 0)
        (void)close(ends[0]);
    if (nowhere >= 0)
        (void)close(nowhere);
    ub_free(envp);
    ub_bytes_release(&environment);
    return st;
}
