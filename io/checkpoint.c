#include "io/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/shard.h"
#include "io/file.h"
#include "io/internal/ckpt_files.h"
#include "io/internal/ckpt_layout.h"
#include "io/internal/place.h"

/* Writing.  Reading: io/ckpt_read.c.
 *
 * Rank 0 alone makes the file with empty datasets; then every rank writes its parts at their places
 * with plain system calls.  A disk that fails one rank is then an error like any other: inside a
 * collective call of HDF5 the others would wait for ever (docs/adr/0005-checkpoint-writing.md). */

/* Where the values of an array and its checksums begin in the file; 0 if there are none. */
typedef struct spot {
    int64_t values, sums;
} spot;

static ub_status take_space(hid_t file, const char *path, const char *name, hid_t type,
                            int64_t width, int64_t *place)
{
    hsize_t dim = (hsize_t)width;
    return ub_place_take(file, path, name, type, 1, &dim, place);
}

static ub_status put_description(hid_t file, const ub_bytes *text)
{
    UB_TRY(ub_h5_put_text(file, "format", UB_CKPT_FORMAT));
    UB_TRY(ub_h5_put_int(file, "format_version", UB_CKPT_VERSION));
    UB_TRY(ub_h5_put_text(file, "description", (const char *)text->data));
    return ub_h5_put_int(file, "description_crc32", ub_ckpt_sum(text->data, (int64_t)text->len));
}

/* Rank 0: the file with everything but the values. */
static ub_status lay_out(const char *path, const ub_bytes *text, const ub_ckpt_array *arrays,
                         int count, spot *place)
{
    char  name[96];
    hid_t file = H5I_INVALID_HID;
    UB_TRY(ub_h5_create(path, &file));
    ub_status st = put_description(file, text);
    for (int i = 0; i < count && st == UB_OK; i++) {
        (void)snprintf(name, sizeof name, "arrays/%s", arrays[i].name);
        st = take_space(file, path, name, H5T_NATIVE_DOUBLE, arrays[i].width, &place[i].values);
        (void)snprintf(name, sizeof name, "checksums/%s", arrays[i].name);
        if (st == UB_OK)
            st = take_space(file, path, name, H5T_NATIVE_UINT32, ub_ckpt_blocks(arrays[i].width),
                            &place[i].sums);
    }
    ub_status closed = ub_h5_close(&file, path);
    return st == UB_OK ? closed : st;
}

/* This rank's rows of an array and the checksums of its share of the blocks. */
static ub_status put_array(const ub_comm *c, int fd, const char *path, const ub_ckpt_array *a,
                           const spot *place)
{
    uint32_t *sums;
    int64_t   blocks = ub_ckpt_blocks(a->width);
    ub_range  rows = ub_part(a->width, c->size, c->rank), own = ub_part(blocks, c->size, c->rank);
    UB_TRY(UB_ALLOC(sums, own.count));
    for (int64_t i = 0; i < own.count; i++) {
        int64_t b = own.first + i;
        sums[i] = ub_ckpt_sum(a->data + b * UB_CKPT_BLOCK,
                              ub_ckpt_block_length(a->width, b) * (int64_t)sizeof(double));
    }
    const int64_t value = sizeof(double), sum = sizeof *sums;
    ub_status     st = ub_place_write(fd, path, a->data + rows.first, rows.count * value,
                                      place->values + rows.first * value);
    if (st == UB_OK)
        st = ub_place_write(fd, path, sums, own.count * sum, place->sums + own.first * sum);
    ub_free(sums);
    return st;
}

/* Every rank: its parts, flushed: on a parallel file system each node flushes what it wrote. */
static ub_status put_parts(const ub_comm *c, const char *path, const ub_ckpt_array *arrays,
                           int count, const spot *place)
{
    int       fd;
    ub_status st = ub_place_open(path, &fd);
    UB_TRY(st);
    for (int i = 0; i < count && st == UB_OK; i++)
        st = put_array(c, fd, path, &arrays[i], &place[i]);
    return ub_place_close(fd, path, st);
}

/* Rank 0: the folder is there and has room for the file.  The room is really taken for a moment: a
 * disk or a quota that is full must be found here, on one rank, for inside a collective call it
 * would split the ranks. */
static ub_status make_room(const char *dir, const ub_ckpt_array *arrays, int count)
{
    char    path[UB_PATH_MAX];
    int64_t need = 65536;
    for (int i = 0; i < count; i++)
        need += arrays[i].width * (int64_t)sizeof(double);
    UB_TRY(ub_dir_make(dir));
    UB_TRY(ub_dir_sync(dir));
    (void)snprintf(path, sizeof path, "%s/.room.new", dir);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0)
        return UB_FAIL(UB_EIO, "%s: %s", path, strerror(errno));
    int failed = posix_fallocate(file, 0, need);
    (void)close(file);
    (void)unlink(path);
    if (failed == ENOSPC || failed == EDQUOT || failed == EFBIG)
        return UB_FAIL(UB_EIO,
                       "%s: no room for a checkpoint of %.1f MB: %s; the checkpoints before "
                       "it are untouched",
                       dir, (double)need / 1e6, strerror(failed));
    return UB_OK;
}

static ub_status write_file(const ub_comm *c, const char *path, const ub_bytes *text,
                            const ub_ckpt_array *arrays, int count)
{
    spot     *place = NULL;
    ub_status st = ub_comm_agree(c, UB_ALLOC(place, count));
    if (st == UB_OK)
        st = ub_comm_agree(c, c->rank == 0 ? lay_out(path, text, arrays, count, place) : UB_OK);
    if (st == UB_OK)
        st = ub_comm_bcast(c, place, (size_t)count * sizeof *place);
    if (st == UB_OK)
        st = ub_comm_agree(c, put_parts(c, path, arrays, count, place));
    ub_free(place);
    return st;
}

/* Rank 0: the verified file gets its name, then the oldest go. */
static ub_status publish(const char *dir, const char *temp, const char *path, int64_t step,
                         int keep)
{
    UB_TRY(ub_file_commit(temp, path));
    return ub_ckpt_prune(dir, step, keep);
}

static ub_status write_described(const ub_comm *c, const char *dir, int64_t step,
                                 const ub_bytes *text, const ub_ckpt_array *arrays, int count,
                                 int keep)
{
    char path[UB_PATH_MAX], temp[UB_PATH_MAX];
    UB_TRY(ub_comm_same(c, text->data, text->len, "what goes into the checkpoint"));
    UB_TRY(ub_ckpt_path(dir, step, path));
    UB_TRY(ub_file_temp(path, temp));
    UB_TRY(ub_comm_agree(c, c->rank == 0 ? make_room(dir, arrays, count) : UB_OK));
    ub_status st = write_file(c, temp, text, arrays, count);
    if (st == UB_OK)
        st = ub_ckpt_verify(c, temp);
    if (st == UB_OK)
        st = ub_comm_agree(c, c->rank == 0 ? publish(dir, temp, path, step, keep) : UB_OK);
    else if (c->rank == 0)
        (void)unlink(temp);
    return st;
}

ub_status ub_ckpt_write(const ub_comm *c, const char *dir, int64_t step, const char *identity,
                        const ub_ckpt_array *arrays, int count, int keep)
{
    ub_bytes  text = {0};
    ub_status st = keep < 2 ? UB_FAIL(UB_EARG, "%d checkpoints cannot stay; at least 2", keep)
                            : ub_ckpt_describe(step, identity, arrays, count, &text);
    st = ub_comm_agree(c, st);
    if (st == UB_OK)
        st = write_described(c, dir, step, &text, arrays, count, keep);
    ub_bytes_release(&text);
    return st;
}
