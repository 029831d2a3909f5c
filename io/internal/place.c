#include "io/internal/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { DIMS = 8 };

/* Write the value at the origin; eight zero bytes hold any type in use. */
static ub_status touch(hid_t set, const char *path, const char *name, hid_t type)
{
    static const double zero;
    hsize_t             start[DIMS] = {0}, one[DIMS];
    for (int i = 0; i < DIMS; i++)
        one[i] = 1;
    hid_t  space = H5Dget_space(set), memory = H5Screate_simple(1, one, NULL);
    herr_t rc = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, one, NULL);
    if (rc >= 0)
        rc = H5Dwrite(set, type, memory, space, H5P_DEFAULT, &zero);
    ub_status st = rc < 0 ? ub_h5_fail(UB_EIO, path, name, "cannot be written") : UB_OK;
    (void)H5Sclose(memory);
    (void)H5Sclose(space);
    return st;
}

ub_status ub_place_take(hid_t file, const char *path, const char *name, hid_t type, int rank,
                        const hsize_t *dims, int64_t *place)
{
    hid_t   set = ub_h5_make(file, name, type, rank, dims);
    hsize_t values = 1;
    if (set < 0)
        return UB_EIO;
    for (int i = 0; i < rank; i++)
        values *= dims[i];
    ub_status st = values > 0 ? touch(set, path, name, type) : UB_OK;
    haddr_t   at = values > 0 && st == UB_OK ? H5Dget_offset(set) : 0;
    if (st == UB_OK && at == HADDR_UNDEF)
        st = ub_h5_fail(UB_EIO, path, name, "has no place in the file");
    *place = (int64_t)at;
    if (H5Dclose(set) < 0 && st == UB_OK)
        st = ub_h5_fail(UB_EIO, path, name, "cannot be closed");
    return st;
}

ub_status ub_place_write(int fd, const char *path, const void *data, int64_t bytes, int64_t at)
{
    for (const char *p = data; bytes > 0;) {
        ssize_t n = pwrite(fd, p, (size_t)bytes, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return UB_FAIL(UB_EIO, "%s: cannot write: %s", path, strerror(errno));
        p += n;
        at += n;
        bytes -= n;
    }
    return UB_OK;
}

ub_status ub_place_open(const char *path, int *fd)
{
    *fd = open(path, O_WRONLY | O_CLOEXEC);
    if (*fd < 0)
        return UB_FAIL(UB_EIO, "%s: cannot open: %s", path, strerror(errno));
    return UB_OK;
}

ub_status ub_place_close(int fd, const char *path, ub_status st)
{
    if (st == UB_OK && fsync(fd) != 0)
        st = UB_FAIL(UB_EIO, "%s: cannot flush to disk: %s", path, strerror(errno));
    if (close(fd) != 0 && st == UB_OK)
        st = UB_FAIL(UB_EIO, "%s: cannot close: %s", path, strerror(errno));
    return st;
}
