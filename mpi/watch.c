#include "mpi/watch.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/mem.h"

enum { PAUSE_MILLIS = 200, GRACE_SECONDS = 3, NAMESPACE = 64 };

typedef struct mate {
    long        pid;
    int         rank;     /* -1: the others went on without it */
    atomic_bool missed;   /* seen dead by this rank */
    bool        reported; /* main thread only */
} mate;

struct ub_watch {
    pthread_t       thread;
    pthread_mutex_t lock; /* of `over`, so that stopping does not wait for a pause to end, and of
                             who the mates are */
    pthread_cond_t wake;
    bool           over;
    atomic_bool    tolerate;
    mate          *mates; /* of this node, this rank first, then in ring order */
    int            count;
};

/* Tell the process above this one to go, if it is one of those (NULL-terminated). */
static void end_parent(const char *const *name)
{
    char  path[64], parent[32] = "";
    FILE *f;
    (void)snprintf(path, sizeof path, "/proc/%ld/comm", (long)getppid());
    f = fopen(path, "r");
    if (f != NULL) {
        (void)!fgets(parent, sizeof parent, f);
        (void)fclose(f);
    }
    for (; *name != NULL; name++)
        if (strncmp(parent, *name, strlen(*name)) == 0)
            (void)kill(getppid(), SIGTERM);
}

/* The main thread hangs in MPI: nothing of MPI here.  A launcher that ends the job by itself is
 * given the time for it: mpirun of Open MPI 4.1 crashes if it is told to go meanwhile. */
static void end_job(const mate *gone)
{
    (void)sleep(GRACE_SECONDS);
    static const char *const launcher[] = {"mpirun", "orterun", "mpiexec", "orted", NULL};
    char                     text[256];
    int                      n = snprintf(text, sizeof text,
                                          "unbraid: rank %d (process %ld) is gone, and this stage cannot go on without "
                                                               "it; the same command resumes\n",
                                          gone->rank, gone->pid);
    if (n > 0)
        (void)!write(STDERR_FILENO, text, (size_t)n);
    end_parent(launcher);
    _exit(1);
}

static bool is_gone(const mate *m)
{
    return kill((pid_t)m->pid, 0) != 0 && errno == ESRCH;
}

/* On to the next mate of the ring that lives; those before it are noted. */
static void look(ub_watch *w)
{
    for (int i = 1; i < w->count; i++) {
        mate *m = &w->mates[i];
        if (m->rank < 0 || atomic_load(&m->missed))
            continue;
        if (!is_gone(m))
            return;
        if (!atomic_load(&w->tolerate) || m->rank == 0)
            end_job(m);
        atomic_store(&m->missed, true);
    }
}

static void *run(void *self)
{
    ub_watch *w = self;
    (void)pthread_mutex_lock(&w->lock);
    while (!w->over) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += PAUSE_MILLIS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        (void)pthread_cond_timedwait(&w->wake, &w->lock, &until);
        if (!w->over)
            look(w);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

typedef struct card {
    char space[NAMESPACE];
    long pid;
    int  rank;
} card;

/* From the cards of the node's ranks to those this rank can see, itself first, in ring order. */
static void choose_mates(ub_watch *w, const card *all, int size, int own)
{
    for (int i = 0; i < size; i++) {
        const card *c = &all[(own + i) % size];
        if (strcmp(c->space, all[own].space) == 0)
            w->mates[w->count++] = (mate){.pid = c->pid, .rank = c->rank};
    }
}

static ub_status find_mates(const ub_comm *c, MPI_Comm node, ub_watch *w)
{
    int       rank, size;
    card      mine = {.pid = (long)getpid(), .rank = c->rank}, *all = NULL;
    ub_status st = UB_OK;
    UB_TRY_MPI(MPI_Comm_rank(node, &rank));
    UB_TRY_MPI(MPI_Comm_size(node, &size));
    if (readlink("/proc/self/ns/pid", mine.space, sizeof mine.space - 1) < 0)
        mine.space[0] = '\0';
    st = UB_ALLOC(all, size);
    if (st == UB_OK)
        st = UB_ALLOC(w->mates, size);
    UB_TRY_OUT(ub_comm_agree(c, st));
    UB_TRY_OUT(ub_mpi_status(
        MPI_Allgather(&mine, (int)sizeof mine, MPI_BYTE, all, (int)sizeof mine, MPI_BYTE, node),
        "MPI_Allgather"));
    choose_mates(w, all, size, rank);
out:
    ub_free(all);
    return st;
}

/* Signals are for the main thread. */
static ub_status begin_thread(ub_watch *w)
{
    sigset_t every, before;
    (void)sigfillset(&every);
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->wake, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &every, &before);
    int rc = pthread_create(&w->thread, NULL, run, w);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0
               ? UB_OK
               : UB_FAIL(UB_ENOMEM, "no thread to watch the ranks of this node: %s", strerror(rc));
}

ub_status ub_watch_start(const ub_comm *c, ub_watch **out)
{
    MPI_Comm  node = MPI_COMM_NULL;
    ub_watch *w = NULL;
    ub_status st = UB_OK;
    *out = NULL;
    UB_TRY(ub_comm_agree(c, UB_ALLOC(w, 1)));
    UB_TRY_OUT(ub_mpi_status(
        MPI_Comm_split_type(c->mpi, MPI_COMM_TYPE_SHARED, c->rank, MPI_INFO_NULL, &node),
        "MPI_Comm_split_type"));
    UB_TRY_OUT(find_mates(c, node, w));
    bool alone = w->count < 2;
    st = alone ? UB_OK : begin_thread(w);
    if (st == UB_OK && !alone) {
        *out = w;
        w = NULL;
    }
    st = ub_comm_agree(c, st);
    if (st != UB_OK)
        ub_watch_stop(out);
out:
    if (node != MPI_COMM_NULL)
        (void)MPI_Comm_free(&node);
    if (w != NULL)
        ub_free(w->mates);
    ub_free(w);
    return st;
}

static void end_thread(ub_watch *w)
{
    (void)pthread_mutex_lock(&w->lock);
    w->over = true;
    (void)pthread_cond_signal(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->lock);
}

static void release(ub_watch **w)
{
    if (*w != NULL)
        ub_free((*w)->mates);
    ub_free(*w);
    *w = NULL;
}

void ub_watch_stop(ub_watch **w)
{
    if (*w != NULL)
        end_thread(*w);
    release(w);
}

/* Of a process; 0: it is not there.  Its number may be another's by now, but hardly a child of the
 * same launcher's. */
static long parent_of(long pid)
{
    char  path[64];
    long  parent = 0;
    FILE *f;
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    f = fopen(path, "r");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%*d (%*[^)]) %*c %ld", &parent) != 1)
        parent = 0;
    (void)fclose(f);
    return parent;
}

void ub_watch_dismiss(ub_watch **w, const ub_comm *c)
{
    static const char *const daemon[] = {"orted", NULL};
    if (*w != NULL)
        end_thread(*w);
    if (c->size > 0)
        (void)MPI_Barrier(c->mpi);
    for (int i = 1; *w != NULL && i < (*w)->count; i++) {
        const mate *m = &(*w)->mates[i];
        if (m->rank < 0 && parent_of(m->pid) == (long)getppid())
            (void)kill((pid_t)m->pid, SIGKILL);
    }
    release(w);
    end_parent(daemon);
}

/* A death that was noticed too late for those who tolerated it is looked at again. */
void ub_watch_tolerate(ub_watch *w, bool tolerate)
{
    if (w == NULL)
        return;
    (void)pthread_mutex_lock(&w->lock);
    atomic_store(&w->tolerate, tolerate);
    for (int i = 1; i < w->count && !tolerate; i++) {
        atomic_store(&w->mates[i].missed, false);
        w->mates[i].reported = false;
    }
    (void)pthread_mutex_unlock(&w->lock);
}

void ub_watch_follow(ub_watch *w, const int *left, int count)
{
    if (w == NULL)
        return;
    (void)pthread_mutex_lock(&w->lock);
    for (int i = 0; i < w->count; i++) {
        mate *m = &w->mates[i];
        int   rank = 0;
        while (rank < count && left[rank] != m->rank)
            rank++;
        m->rank = m->rank >= 0 && rank < count ? rank : -1;
    }
    (void)pthread_mutex_unlock(&w->lock);
}

int ub_watch_missing(ub_watch *w)
{
    for (int i = 1; w != NULL && i < w->count; i++)
        if (w->mates[i].rank >= 0 && !w->mates[i].reported && atomic_load(&w->mates[i].missed)) {
            w->mates[i].reported = true;
            return w->mates[i].rank;
        }
    return -1;
}
