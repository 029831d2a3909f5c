/* tests/support/faultio.c - preloaded (LD_PRELOAD) into the program by tests: counts the operations
 * of one process on files below a folder, and makes one of them fail or the last.
 *
 *   UB_FAULT_DIR   the folder, absolute; without it nothing happens
 *   UB_FAULT_RANK  of the process concerned, as mpirun numbers them (default 0)
 *   UB_FAULT_AT    number of the operation, from 1; 0 or none: never
 *   UB_FAULT_DO    eio     it fails with EIO, once
 *                  enospc  from it on, whatever needs room fails with ENOSPC
 *                  short   a write writes half and says so; anything else is left alone
 *                  kill    SIGKILL before it; a write first writes half
 *                  stop    SIGSTOP before it: a test looks at the world, and goes on by SIGCONT
 *                  delay   from it on, every flush to disk takes UB_FAULT_MS longer
 *                  nolock  whatever its number: no file can be locked (ENOSYS)
 *                  rot     from it on, a long write to UB_FAULT_FILE puts one bit wrong in silence
 *   UB_FAULT_FILE  part of a name
 *   UB_FAULT_LOG   file that gets a record of every operation of every process (faultlog.h)
 *
 * Only the operations of the first thread are counted and chosen from; those of the thread that
 * writes the status file come at any moment.  The C library's own stream functions do not come
 * here, except fopen.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/faultlog.h"

enum { FILES = 1024, HEAD = sizeof(fault_record) };

typedef enum action {
    DO_NOTHING,
    DO_EIO,
    DO_ENOSPC,
    DO_SHORT,
    DO_KILL,
    DO_STOP,
    DO_DELAY,
    DO_NOLOCK,
    DO_ROT
} action;

static struct {
    bool         ready, on;
    char         dir[PATH_MAX];
    size_t       dir_len;
    int          rank, log;
    action       what;
    long         at, ms;
    atomic_long  count;
    _Atomic bool ours[FILES]; /* descriptors of files below the folder, and */
    _Atomic bool rots[FILES]; /* of UB_FAULT_FILE */
} state = {.log = -1};

/* The next definition of the same name: the C library's, or a sanitizer's. */
#define NEXT(result, name, ...)                                                                    \
    static result (*next)(__VA_ARGS__);                                                            \
    if (next == NULL)                                                                              \
    *(void **)&next = dlsym(RTLD_NEXT, #name)

static int next_open(const char *path, int flags, mode_t mode)
{
    NEXT(int, open, const char *, int, ...);
    return next(path, flags, mode);
}

static ssize_t next_write(int fd, const void *data, size_t n)
{
    NEXT(ssize_t, write, int, const void *, size_t);
    return next(fd, data, n);
}

static ssize_t next_pwrite(int fd, const void *data, size_t n, off_t at)
{
    NEXT(ssize_t, pwrite, int, const void *, size_t, off_t);
    return next(fd, data, n, at);
}

static const char *text_of(const char *name, const char *preset)
{
    const char *text = getenv(name);
    return text == NULL ? preset : text;
}

static void begin(void)
{
    static const char *const actions[] = {"",     "eio",   "enospc", "short", "kill",
                                          "stop", "delay", "nolock", "rot"};
    state.ready = true;
    (void)snprintf(state.dir, sizeof state.dir, "%s", text_of("UB_FAULT_DIR", ""));
    state.dir_len = strlen(state.dir);
    state.rank = atoi(text_of("OMPI_COMM_WORLD_RANK", "0"));
    state.on = state.dir_len > 0;
    if (state.rank == atoi(text_of("UB_FAULT_RANK", "0")))
        state.at = atol(text_of("UB_FAULT_AT", "0"));
    state.ms = atol(text_of("UB_FAULT_MS", "0"));
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(actions[i], text_of("UB_FAULT_DO", "")) == 0)
            state.what = (action)i;
    if (state.on && getenv("UB_FAULT_LOG") != NULL)
        state.log =
            next_open(getenv("UB_FAULT_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

/* Is the path below the folder, or the folder?  `full`: the path made absolute. */
static bool below(const char *path, char full[PATH_MAX])
{
    char here[PATH_MAX] = "";
    if (!state.ready)
        begin();
    if (!state.on)
        return false;
    if (path[0] != '/' && getcwd(here, sizeof here) == NULL)
        return false;
    int n = snprintf(full, PATH_MAX, "%s%s%s", here, path[0] == '/' ? "" : "/", path);
    while (n > 1 && n < PATH_MAX && full[n - 1] == '/')
        full[--n] = '\0';
    if (n < 0 || n >= PATH_MAX || strncmp(full, state.dir, state.dir_len) != 0)
        return false;
    return full[state.dir_len] == '/' || full[state.dir_len] == '\0';
}

static bool is_ours(int fd)
{
    return state.on && fd >= 0 && fd < FILES && state.ours[fd];
}

/* Not the first thread. */
static bool aside(void)
{
    return gettid() != getpid();
}

/* Count an operation.  Kills here if it is to; else returns what it is to fail with, or 0.
 * room: it takes space on the disk; `half`: it is a write, which deals with its half itself. */
static int turn(bool room, bool write, bool *half)
{
    long k = aside() ? state.count : atomic_fetch_add(&state.count, 1) + 1;
    *half = false;
    if (state.at == 0 || k < state.at || state.what == DO_NOTHING || state.what == DO_NOLOCK ||
        state.what == DO_ROT)
        return 0;
    if (state.what == DO_ENOSPC)
        return room ? ENOSPC : 0;
    if (k > state.at || state.what == DO_DELAY || aside())
        return 0;
    if (state.what == DO_STOP) {
        (void)kill(getpid(), SIGSTOP);
        return 0;
    }
    if (state.what == DO_EIO)
        return EIO;
    *half = write;
    if (state.what == DO_KILL && !write)
        (void)kill(getpid(), SIGKILL);
    return 0;
}

/* One record; a single write to a file opened for appending: processes do not mix. */
static void note(fault_record r, const char *path, const char *second, const void *data)
{
    if (state.log < 0)
        return;
    size_t n = data == NULL || r.failed ? 0 : (size_t)r.length;
    r.number = aside() ? 0 : state.count;
    r.rank = state.rank;
    r.path = (int32_t)strlen(path);
    r.second = (int32_t)strlen(second);
    struct iovec parts[] = {{&r, HEAD},
                            {(void *)(uintptr_t)path, (size_t)r.path},
                            {(void *)(uintptr_t)second, (size_t)r.second},
                            {(void *)(uintptr_t)data, n}};
    NEXT(ssize_t, writev, int, const struct iovec *, int);
    int     why = errno;
    ssize_t done = next(state.log, parts, 4);
    if (done != (ssize_t)(HEAD + (size_t)r.path + (size_t)r.second + n))
        abort(); /* the test has no log to judge by */
    errno = why;
}

/* A call on a path or a descriptor: fail with `failed`, or do it; then note it. */
#define FINISH(failed, call, record, path, second)                                                 \
    do {                                                                                           \
        int result = -1;                                                                           \
        if ((failed) != 0)                                                                         \
            errno = (failed);                                                                      \
        else                                                                                       \
            result = (call);                                                                       \
        fault_record made = record;                                                                \
        made.failed = result < 0;                                                                  \
        note(made, (path), (second), NULL);                                                        \
        return result;                                                                             \
    } while (0)

/* Opening ---------------------------------------------------------------------------------------
 */

static int do_open(const char *path, int flags, mode_t mode)
{
    char        full[PATH_MAX];
    struct stat s;
    bool        half;
    if (!below(path, full))
        return next_open(path, flags, mode);
    bool makes = (flags & O_CREAT) != 0 && stat(path, &s) != 0;
    int  failed = turn(makes, false, &half), fd = -1;
    if (failed != 0)
        errno = failed;
    else
        fd = next_open(path, flags, mode);
    if (fd >= 0 && fd < FILES) {
        state.ours[fd] = true;
        state.rots[fd] = state.what == DO_ROT && strstr(path, text_of("UB_FAULT_FILE", "")) != NULL;
    }
    note((fault_record){.op = OP_OPEN, .fd = fd, .flags = flags, .failed = fd < 0}, full, "", NULL);
    return fd;
}

/* The mode of an open, which is there only if it may make a file. */
#define MODE(flags, mode)                                                                          \
    mode_t mode = 0;                                                                               \
    if (((flags)&O_CREAT) != 0) {                                                                  \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        mode = va_arg(ap, mode_t);                                                                 \
        va_end(ap);                                                                                \
    }

int open(const char *path, int flags, ...)
{
    MODE(flags, mode)
    return do_open(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(flags, mode)
    return do_open(path, flags, mode);
}

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return do_open(path, flags, 0);
}

int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags)
{
    return do_open(path, flags, 0);
}

int creat(const char *path, mode_t mode)
{
    return do_open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    NEXT(FILE *, fopen, const char *, const char *);
    char full[PATH_MAX];
    bool half, makes = mode[0] != 'r';
    if (!below(path, full))
        return next(path, mode);
    int   failed = turn(makes, false, &half);
    FILE *f = NULL;
    if (failed != 0)
        errno = failed;
    else
        f = next(path, mode);
    int flags = !makes ? O_RDONLY : O_WRONLY | O_CREAT | (mode[0] == 'w' ? O_TRUNC : O_APPEND);
    note((fault_record){.op = OP_OPEN, .fd = -1, .flags = flags, .failed = f == NULL}, full, "",
         NULL);
    return f;
}

int close(int fd)
{
    NEXT(int, close, int);
    bool half;
    if (!is_ours(fd))
        return next(fd);
    bool reads = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY; /* which nothing can go wrong with */
    int  failed = turn(false, false, &half), rc = next(fd);
    failed = reads ? 0 : failed;
    state.ours[fd] = false;
    if (failed != 0)
        errno = failed; /* the descriptor is gone all the same */
    note((fault_record){.op = OP_CLOSE, .fd = fd}, "", "", NULL);
    return failed != 0 ? -1 : rc;
}

/* Content ---------------------------------------------------------------------------------------
 */

/* As do_write(), with one bit wrong. */
static ssize_t write_rotten(int fd, const void *data, size_t n, off_t at)
{
    enum { MOST = 1 << 16 };
    unsigned char copy[MOST];
    size_t        k = n < MOST ? n : MOST;
    memcpy(copy, data, k);
    copy[k / 2] ^= 1;
    return at < 0 ? next_write(fd, copy, k) : next_pwrite(fd, copy, k, at);
}

/* at < 0: where the file stands, or its end. */
static ssize_t do_write(int fd, const void *data, size_t n, off_t at)
{
    enum { LONG = 1500 }; /* bytes: HDF5 writes nothing of its own at such length */
    bool half;
    if (!is_ours(fd))
        return at < 0 ? next_write(fd, data, n) : next_pwrite(fd, data, n, at);
    int failed = turn(true, true, &half);
    if (state.rots[fd] && state.at > 0 && state.count >= state.at && n >= LONG)
        return write_rotten(fd, data, n, at);
    size_t  wanted = half ? n / 2 : n;
    ssize_t done = -1;
    if (failed != 0)
        errno = failed;
    else
        done = at < 0 ? next_write(fd, data, wanted) : next_pwrite(fd, data, wanted, at);
    if (half && state.what == DO_KILL)
        (void)kill(getpid(), SIGKILL);
    off_t where = at < 0 ? lseek(fd, 0, SEEK_CUR) - (done > 0 ? done : 0) : at;
    note(
        (fault_record){
            .op = OP_WRITE, .fd = fd, .offset = where, .length = done, .failed = done < 0},
        "", "", data);
    return done;
}

ssize_t write(int fd, const void *data, size_t n)
{
    return do_write(fd, data, n, -1);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    return do_write(fd, data, n, at);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
    return do_write(fd, data, n, at);
}

/* In pieces: the count, as allowed, may come out short. */
ssize_t writev(int fd, const struct iovec *parts, int count)
{
    NEXT(ssize_t, writev, int, const struct iovec *, int);
    ssize_t sum = 0;
    if (!is_ours(fd))
        return next(fd, parts, count);
    for (int i = 0; i < count; i++) {
        ssize_t n = do_write(fd, parts[i].iov_base, parts[i].iov_len, -1);
        if (n < 0)
            return sum > 0 ? sum : -1;
        sum += n;
        if ((size_t)n < parts[i].iov_len)
            break;
    }
    return sum;
}

static int do_truncate(int fd, off_t length)
{
    NEXT(int, ftruncate, int, off_t);
    bool half;
    if (!is_ours(fd))
        return next(fd, length);
    int failed = turn(true, false, &half);
    FINISH(failed, next(fd, length),
           ((fault_record){.op = OP_TRUNCATE, .fd = fd, .length = length}), "", "");
}

int ftruncate(int fd, off_t length)
{
    return do_truncate(fd, length);
}

int ftruncate64(int fd, off64_t length)
{
    return do_truncate(fd, length);
}

/* Returns its error. */
static int do_allocate(int fd, off_t at, off_t length)
{
    NEXT(int, posix_fallocate, int, off_t, off_t);
    bool half;
    if (!is_ours(fd))
        return next(fd, at, length);
    int failed = turn(true, false, &half);
    if (failed == 0)
        failed = next(fd, at, length);
    note(
        (fault_record){
            .op = OP_ALLOCATE, .fd = fd, .offset = at, .length = length, .failed = failed != 0},
        "", "", NULL);
    return failed;
}

int posix_fallocate(int fd, off_t at, off_t length)
{
    return do_allocate(fd, at, length);
}

int posix_fallocate64(int fd, off64_t at, off64_t length)
{
    return do_allocate(fd, at, length);
}

/* A turn of a flush to disk, which may be slow. */
static int turn_slowly(void)
{
    bool            half;
    int             failed = turn(false, false, &half);
    struct timespec pause = {state.ms / 1000, state.ms % 1000 * 1000000};
    if (state.what == DO_DELAY && state.at > 0 && state.count >= state.at)
        (void)nanosleep(&pause, NULL);
    return failed;
}

int fsync(int fd)
{
    NEXT(int, fsync, int);
    if (!is_ours(fd))
        return next(fd);
    int failed = turn_slowly();
    FINISH(failed, next(fd), ((fault_record){.op = OP_SYNC, .fd = fd}), "", "");
}

int fdatasync(int fd)
{
    NEXT(int, fdatasync, int);
    if (!is_ours(fd))
        return next(fd);
    int failed = turn_slowly();
    FINISH(failed, next(fd), ((fault_record){.op = OP_SYNC, .fd = fd}), "", "");
}

int flock(int fd, int operation)
{
    NEXT(int, flock, int, int);
    if (!is_ours(fd) || state.what != DO_NOLOCK)
        return next(fd, operation);
    errno = ENOSYS;
    return -1;
}

/* Names -----------------------------------------------------------------------------------------
 */

int rename(const char *from, const char *to)
{
    NEXT(int, rename, const char *, const char *);
    char full[PATH_MAX], second[PATH_MAX];
    bool half, inside = below(to, second) && below(from, full);
    if (!inside)
        return next(from, to);
    int failed = turn(false, false, &half);
    FINISH(failed, next(from, to), ((fault_record){.op = OP_RENAME}), full, second);
}

int unlink(const char *path)
{
    NEXT(int, unlink, const char *);
    char full[PATH_MAX];
    bool half;
    if (!below(path, full))
        return next(path);
    int failed = turn(false, false, &half);
    FINISH(failed, next(path), ((fault_record){.op = OP_UNLINK}), full, "");
}

int mkdir(const char *path, mode_t mode)
{
    NEXT(int, mkdir, const char *, mode_t);
    char full[PATH_MAX];
    bool half;
    if (!below(path, full))
        return next(path, mode);
    int failed = turn(true, false, &half);
    FINISH(failed, next(path, mode), ((fault_record){.op = OP_MKDIR}), full, "");
}

int rmdir(const char *path)
{
    NEXT(int, rmdir, const char *);
    char full[PATH_MAX];
    bool half;
    if (!below(path, full))
        return next(path);
    int failed = turn(false, false, &half);
    FINISH(failed, next(path), ((fault_record){.op = OP_RMDIR}), full, "");
}
