/* Who works on what. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "jobs/sweep.h"

/* *taken: somebody else has the lock.  Without locks two workers would run one job in one folder at
 * once, each taking the other for dead: no sweep then. */
static ub_status lock(int fd, const char *path, int how, bool *taken)
{
    int rc = flock(fd, how);
    while (rc != 0 && errno == EINTR)
        rc = flock(fd, how);
    *taken = rc != 0 && errno == EWOULDBLOCK;
    if (rc == 0 || *taken)
        return UB_OK;
    return UB_FAIL(UB_EIO,
                   "%s: cannot lock: %s; a sweep needs a file system with locks (Lustre: mounted "
                   "with -o flock), use an --out that lies on one",
                   path, strerror(errno));
}

ub_status ub_sweep_claim(const ub_sweep *s, const char *name, int *fd)
{
    char        path[UB_PATH_MAX];
    struct stat held, named;
    bool        taken = false;
    (void)ub_sweep_path(s, name, ".claim", path, sizeof path);
    for (;;) {
        *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (*fd < 0)
            return UB_FAIL(UB_EIO, "%s: cannot open: %s", path, strerror(errno));
        ub_status st = lock(*fd, path, LOCK_EX | LOCK_NB, &taken);
        if (st != UB_OK || taken) {
            (void)close(*fd);
            *fd = -1;
            return st;
        }
        /* Its last owner may have removed the file before we locked it. */
        if (fstat(*fd, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino)
            return UB_OK;
        (void)close(*fd);
    }
}

void ub_sweep_give_up(const ub_sweep *s, const char *name, int *fd)
{
    char path[UB_PATH_MAX];
    if (*fd < 0)
        return;
    (void)unlink(ub_sweep_path(s, name, ".claim", path, sizeof path));
    (void)close(*fd);
    *fd = -1;
}

ub_status ub_sweep_lock(const ub_sweep *s, int *fd)
{
    char path[UB_PATH_MAX];
    bool taken;
    (void)snprintf(path, sizeof path, "%s/.lock", s->folder);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*fd < 0)
        return UB_FAIL(UB_EIO, "%s: cannot open: %s", path, strerror(errno));
    ub_status st = lock(*fd, path, LOCK_EX, &taken);
    if (st != UB_OK)
        (void)close(*fd);
    return st;
}
