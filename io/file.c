#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ub_status io_fail(const char *path, const char *what)
{
    return UB_FAIL(UB_EIO, "%s: cannot %s: %s", path, what, strerror(errno));
}

static ub_status write_all(int fd, const char *path, const unsigned char *data, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, data, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return io_fail(path, "write");
        data += done;
        n -= (size_t)done;
    }
    return UB_OK;
}

/* Length of the folder part of a path with its final slash; 0 if there is none. */
static int folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (int)(slash - path + 1);
}

static ub_status sync_path(const char *path, int flags, const char *what)
{
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return io_fail(path, what);
    ub_status st = UB_OK;
    /* EINVAL: a file system that cannot flush this kind of object has nothing to flush. */
    if (fsync(fd) != 0 && errno != EINVAL)
        st = io_fail(path, what);
    (void)close(fd);
    return st;
}

ub_status ub_file_sync(const char *path)
{
    return sync_path(path, 0, "flush to disk");
}

ub_status ub_dir_sync(const char *path)
{
    char dir[UB_PATH_MAX];
    int  len = folder_length(path);
    if (len >= UB_PATH_MAX)
        return UB_FAIL(UB_EIO, "path of %zu bytes is too long: %.80s...", strlen(path), path);
    (void)snprintf(dir, sizeof dir, "%.*s", len > 0 ? len : 1, len > 0 ? path : ".");
    return sync_path(dir, O_DIRECTORY, "flush the folder to disk");
}

ub_status ub_file_temp(const char *path, char *buf)
{
    int len = folder_length(path);
    int n = snprintf(buf, UB_PATH_MAX, "%.*s.%s.new", len, path, path + len);
    if (n < 0 || n >= UB_PATH_MAX)
        return UB_FAIL(UB_EIO, "path of %zu bytes is too long: %.80s...", strlen(path), path);
    return UB_OK;
}

ub_status ub_file_commit(const char *temp, const char *path)
{
    ub_status st = ub_file_sync(temp);
    if (st == UB_OK && rename(temp, path) != 0)
        st = io_fail(path, "rename the finished file to this name");
    if (st != UB_OK) {
        (void)unlink(temp);
        return st;
    }
    return ub_dir_sync(path);
}

/* The bytes as the temporary file that goes with `path`; its name goes to `temp`. */
static ub_status write_temp(const char *path, const void *data, size_t n, char temp[UB_PATH_MAX])
{
    UB_TRY(ub_file_temp(path, temp));
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return io_fail(path, "create");
    ub_status st = write_all(fd, path, data, n);
    if (close(fd) != 0 && st == UB_OK)
        st = io_fail(path, "write");
    if (st != UB_OK)
        (void)unlink(temp);
    return st;
}

ub_status ub_file_write(const char *path, const void *data, size_t n)
{
    char temp[UB_PATH_MAX];
    UB_TRY(write_temp(path, data, n, temp));
    return ub_file_commit(temp, path);
}

ub_status ub_file_replace(const char *path, const void *data, size_t n)
{
    char temp[UB_PATH_MAX];
    UB_TRY(write_temp(path, data, n, temp));
    if (rename(temp, path) == 0)
        return UB_OK;
    ub_status st = io_fail(path, "rename the finished file to this name");
    (void)unlink(temp);
    return st;
}

ub_status ub_file_read(const char *path, ub_bytes *out)
{
    unsigned char block[65536];
    int           fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return UB_FAIL(UB_ENOENT, "%s: there is no such file", path);
    if (fd < 0)
        return io_fail(path, "open");
    ub_status st = UB_OK;
    size_t    before = out->len;
    for (;;) {
        ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            UB_TRY_OUT(io_fail(path, "read"));
        if (n <= 0)
            break;
        UB_TRY_OUT(ub_bytes_put(out, block, (size_t)n));
    }
    /* data stays zero-terminated one past len, as ub_bytes_printf leaves it. */
    UB_TRY_OUT(ub_bytes_put(out, "", 0));
out:
    if (st != UB_OK)
        out->len = before;
    (void)close(fd);
    return st;
}

ub_status ub_file_touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return io_fail(path, "create");
    (void)close(fd);
    return UB_OK;
}

bool ub_file_exists(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0;
}

/* Make one folder; fine if it is there, another rank or program may have been faster. */
static ub_status make_one(const char *path)
{
    struct stat s;
    if (mkdir(path, 0777) == 0)
        return UB_OK;
    int why = errno; /* a read-only parent may answer EROFS for a folder that is there */
    if (stat(path, &s) == 0 && S_ISDIR(s.st_mode))
        return UB_OK;
    errno = why;
    return io_fail(path, "make the folder");
}

ub_status ub_dir_make(const char *path)
{
    char   buf[UB_PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof buf)
        return UB_FAIL(UB_EIO, "path of %zu bytes cannot be a folder: %.80s", n, path);
    memcpy(buf, path, n + 1);
    for (char *p = buf + 1; *p != '\0'; p++) {
        if (*p != '/' || p[-1] == '/')
            continue;
        *p = '\0';
        UB_TRY(make_one(buf));
        *p = '/';
    }
    return make_one(buf);
}
