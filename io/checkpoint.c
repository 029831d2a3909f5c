#include "io/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/shard.h"
#include "io/file.h"
#include "io/internal/ckpt_files.h"
#include "io/internal/h5.h"
#include "io/internal/place.h"

enum {
    VERSION = 1,
    BLOCK = 65536 /* doubles under one checksum; part of the format */
};

static const char format[] = "unbraid checkpoint";

/* An array as the file describes it. */
typedef struct entry {
    char    name[64];
    int64_t width;
} entry;

static int64_t blocks_of(int64_t width)
{
    return width / BLOCK + (width % BLOCK != 0);
}

/* Doubles in block b. */
static int64_t block_length(int64_t width, int64_t b)
{
    return width - b * BLOCK < BLOCK ? width - b * BLOCK : BLOCK;
}

static uint32_t checksum(const void *data, int64_t bytes)
{
    return (uint32_t)crc32_z(0, data, (z_size_t)bytes);
}

/* What a checkpoint is, as text: step, study, arrays.  Two are compatible if the texts are equal.
 */
static ub_status describe(int64_t step, const char *identity, const ub_ckpt_array *arrays,
                          int count, ub_bytes *out)
{
    if (step < 0 || strchr(identity, '\n') != NULL)
        return UB_FAIL(UB_EARG, "a checkpoint has a step >= 0 and an identity of one line");
    UB_TRY(ub_bytes_printf(out, "step %lld\nidentity %s\n", (long long)step, identity));
    for (int i = 0; i < count; i++) {
        const ub_ckpt_array *a = &arrays[i];
        size_t               n = strlen(a->name);
        if (n == 0 || n >= sizeof((entry *)0)->name || strcspn(a->name, " \t\n/") != n ||
            a->width < 0)
            return UB_FAIL(UB_EARG, "array '%s' of %lld values cannot go into a checkpoint",
                           a->name, (long long)a->width);
        UB_TRY(ub_bytes_printf(out, "%s %lld\n", a->name, (long long)a->width));
    }
    return UB_OK;
}

/* The next array in a description; *at starts at NULL. */
static bool next_entry(const char *text, const char **at, entry *e)
{
    if (*at == NULL) /* behind the lines step and identity */
        for (int i = 0; i < 2; i++) {
            *at = strchr(*at == NULL ? text : *at, '\n');
            if (*at == NULL)
                return false;
            ++*at;
        }
    long long width = -1;
    int       used = 0;
    if (sscanf(*at, "%63s %lld%n", e->name, &width, &used) != 2 || width < 0)
        return false;
    *at += used + 1;
    e->width = width;
    return true;
}

/* A run of values of a one-dimensional dataset; one at least. */
typedef struct slab {
    const char *path, *name; /* for sentences */
    hid_t       set, type;
    int64_t     first, count;
} slab;

static ub_status read_slab(const slab *s, void *to)
{
    ub_status st = UB_OK;
    hsize_t   first = (hsize_t)s->first, count = (hsize_t)s->count;
    hid_t     space = H5Dget_space(s->set), memory = H5Screate_simple(1, &count, NULL);
    (void)H5Sselect_hyperslab(space, H5S_SELECT_SET, &first, NULL, &count, NULL);
    if (H5Dread(s->set, s->type, memory, space, H5P_DEFAULT, to) < 0)
        st = ub_h5_fail(UB_EFORMAT, s->path, s->name, "cannot be read");
    (void)H5Sclose(memory);
    (void)H5Sclose(space);
    return st;
}

/* Writing -------------------------------------------------------------------------------------

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
    UB_TRY(ub_h5_put_text(file, "format", format));
    UB_TRY(ub_h5_put_int(file, "format_version", VERSION));
    UB_TRY(ub_h5_put_text(file, "description", (const char *)text->data));
    return ub_h5_put_int(file, "description_crc32", checksum(text->data, (int64_t)text->len));
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
            st = take_space(file, path, name, H5T_NATIVE_UINT32, blocks_of(arrays[i].width),
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
    int64_t   blocks = blocks_of(a->width);
    ub_range  rows = ub_part(a->width, c->size, c->rank), own = ub_part(blocks, c->size, c->rank);
    UB_TRY(UB_ALLOC(sums, own.count));
    for (int64_t i = 0; i < own.count; i++) {
        int64_t b = own.first + i;
        sums[i] =
            checksum(a->data + b * BLOCK, block_length(a->width, b) * (int64_t)sizeof(double));
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
                            : describe(step, identity, arrays, count, &text);
    st = ub_comm_agree(c, st);
    if (st == UB_OK)
        st = write_described(c, dir, step, &text, arrays, count, keep);
    ub_bytes_release(&text);
    return st;
}

/* Reading ------------------------------------------------------------------------------------- */

static ub_status get_description(hid_t file, const char *path, ub_bytes *text)
{
    ub_bytes  said = {0};
    int64_t   version = 0, sum = 0;
    ub_status st = ub_h5_get_text(file, "format", &said);
    if (st == UB_OK && strcmp((const char *)said.data, format) != 0)
        st = UB_FAIL(UB_EFORMAT, "%s: this is not a checkpoint", path);
    ub_bytes_release(&said);
    UB_TRY(st);
    UB_TRY(ub_h5_get_int(file, "format_version", &version));
    if (version != VERSION)
        return UB_FAIL(UB_EFORMAT, "%s: version %lld of the layout; this program knows version %d",
                       path, (long long)version, VERSION);
    UB_TRY(ub_h5_get_text(file, "description", text));
    UB_TRY(ub_h5_get_int(file, "description_crc32", &sum));
    if (sum != checksum(text->data, (int64_t)text->len))
        return UB_FAIL(UB_EFORMAT, "%s: attribute 'description' is damaged", path);
    return UB_OK;
}

/* Blocks own.first .. of an open dataset against their checksums, each through `room` (BLOCK) or,
 * if that is NULL, to its place in `whole`. */
static ub_status check_blocks(const char *path, const entry *e, hid_t set, const uint32_t *sums,
                              ub_range own, double *room, double *whole)
{
    for (int64_t i = 0; i < own.count; i++) {
        int64_t b = own.first + i, n = block_length(e->width, b);
        double *to = room != NULL ? room : whole + b * BLOCK;
        slab    s = {path, e->name, set, H5T_NATIVE_DOUBLE, b * BLOCK, n};
        UB_TRY(read_slab(&s, to));
        if (checksum(to, n * (int64_t)sizeof(double)) != sums[i])
            return UB_FAIL(UB_EFORMAT,
                           "%s: dataset '%s' is damaged: the checksum of values %lld .. %lld does "
                           "not hold",
                           path, e->name, (long long)(b * BLOCK), (long long)(b * BLOCK + n - 1));
    }
    return UB_OK;
}

static ub_status open_checked(hid_t file, const char *path, const char *name, int64_t want,
                              hid_t *set)
{
    int     rank;
    hsize_t dims[8];
    UB_TRY(ub_h5_shape(file, name, &rank, dims));
    if (rank != 1 || dims[0] != (hsize_t)want)
        return UB_FAIL(UB_EFORMAT, "%s: dataset '%s' does not hold %lld values", path, name,
                       (long long)want);
    *set = H5Dopen2(file, name, H5P_DEFAULT);
    return *set < 0 ? ub_h5_fail(UB_EFORMAT, path, name, "cannot be opened") : UB_OK;
}

/* Read and check some blocks of an array.  Not collective. */
static ub_status get_blocks(hid_t file, const char *path, const entry *e, ub_range own,
                            double *whole)
{
    char      name[96];
    uint32_t *sums = NULL;
    double   *room = NULL;
    hid_t     set = H5I_INVALID_HID, set_of_sums = H5I_INVALID_HID;
    ub_status st = UB_OK;
    (void)snprintf(name, sizeof name, "checksums/%s", e->name);
    UB_TRY_OUT(open_checked(file, path, name, blocks_of(e->width), &set_of_sums));
    UB_TRY_OUT(UB_ALLOC(sums, own.count));
    slab s = {path, name, set_of_sums, H5T_NATIVE_UINT32, own.first, own.count};
    if (own.count > 0)
        UB_TRY_OUT(read_slab(&s, sums));
    (void)snprintf(name, sizeof name, "arrays/%s", e->name);
    UB_TRY_OUT(open_checked(file, path, name, e->width, &set));
    if (whole == NULL)
        UB_TRY_OUT(UB_ALLOC(room, BLOCK));
    UB_TRY_OUT(check_blocks(path, e, set, sums, own, room, whole));
out:
    ub_free(room);
    ub_free(sums);
    if (set >= 0)
        (void)H5Dclose(set);
    if (set_of_sums >= 0)
        (void)H5Dclose(set_of_sums);
    return st;
}

/* Every array of an open file; each rank checks what, on writing, its neighbour's checksums
 * covered, so that no node verifies its own cache. */
static ub_status verify_arrays(const ub_comm *c, hid_t file, const char *path, const ub_bytes *text)
{
    entry       e;
    const char *at = NULL;
    while (next_entry((const char *)text->data, &at, &e)) {
        ub_range own = ub_part(blocks_of(e.width), c->size, (c->rank + 1) % c->size);
        UB_TRY(get_blocks(file, path, &e, own, NULL));
    }
    return UB_OK;
}

/* Every rank opens the file for itself: reading is not collective. */
static ub_status open_verified(const ub_comm *c, const char *path, ub_bytes *text, hid_t *file)
{
    ub_status st = ub_comm_agree(c, ub_h5_open(path, file));
    if (st == UB_OK)
        st = ub_comm_agree(c, get_description(*file, path, text));
    if (st == UB_OK)
        st = ub_comm_agree(c, verify_arrays(c, *file, path, text));
    if (st != UB_OK) {
        ub_status closed = ub_h5_close(file, path);
        (void)closed;
    }
    return st;
}

ub_status ub_ckpt_verify(const ub_comm *c, const char *path)
{
    ub_bytes  text = {0};
    hid_t     file = H5I_INVALID_HID;
    ub_status st = open_verified(c, path, &text, &file);
    if (st == UB_OK)
        st = ub_comm_agree(c, ub_h5_close(&file, path));
    ub_bytes_release(&text);
    return st;
}

/* Give every rank all blocks, of which each holds its part.  Whole blocks travel as one datatype:
 * counts fit an int for any width; a last short block follows. */
static ub_status gather_blocks(const ub_comm *c, int64_t width, double *whole)
{
    int64_t      blocks = blocks_of(width), full = width / BLOCK;
    MPI_Datatype block = MPI_DATATYPE_NULL;
    int         *counts, owner = 0;
    ub_status    st = ub_comm_agree(c, UB_ALLOC(counts, 2 * (int64_t)c->size));
    if (st != UB_OK) {
        ub_free(counts);
        return st;
    }
    int *places = counts + c->size;
    for (int r = 0; r < c->size; r++) {
        ub_range own = ub_part(blocks, c->size, r);
        bool     last = own.count > 0 && own.first + own.count == blocks;
        owner = last ? r : owner;
        counts[r] = (int)(own.count - (last && full < blocks));
        places[r] = (int)own.first;
    }
    int rc = MPI_Type_contiguous(BLOCK, MPI_DOUBLE, &block);
    if (rc == MPI_SUCCESS)
        rc = MPI_Type_commit(&block);
    if (rc == MPI_SUCCESS)
        rc = MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, whole, counts, places, block,
                            c->mpi);
    if (rc == MPI_SUCCESS && full < blocks)
        rc =
            MPI_Bcast(whole + full * BLOCK, (int)(width - full * BLOCK), MPI_DOUBLE, owner, c->mpi);
    if (block != MPI_DATATYPE_NULL)
        (void)MPI_Type_free(&block);
    ub_free(counts);
    return ub_mpi_status(rc, "gathering a checkpoint");
}

/* Does the file hold what the caller wants?  Another study is told apart from other shapes. */
static ub_status compare(const char *path, const ub_bytes *text, const ub_bytes *wanted)
{
    char        arrays[256];
    const char *has = (const char *)text->data, *wants = (const char *)wanted->data;
    if (strcmp(has, wants) == 0)
        return UB_OK;
    size_t step = strcspn(wants, "\n"), study = step + 1 + strcspn(wants + step + 1, "\n") + 1;
    if (strcspn(has, "\n") != step || strncmp(has, wants, step) != 0)
        return UB_FAIL(UB_EFORMAT, "%s: the file holds '%.*s', its name says another", path,
                       (int)strcspn(has, "\n"), has);
    if (strncmp(has, wants, study) != 0)
        return UB_FAIL(UB_EINPUT,
                       "%s: the checkpoint belongs to a study with other settings or another "
                       "corpus; use another --out",
                       path);
    (void)snprintf(arrays, sizeof arrays, "%s", has + study);
    for (char *p = arrays; *p != '\0'; p++)
        *p = *p == '\n' ? ';' : *p;
    return UB_FAIL(UB_EINPUT, "%s: the checkpoint holds other arrays than wanted: %s", path,
                   arrays);
}

static ub_status load(const ub_comm *c, const char *path, const ub_bytes *wanted,
                      const ub_ckpt_array *arrays, int count)
{
    ub_bytes  text = {0};
    hid_t     file = H5I_INVALID_HID;
    ub_status st = open_verified(c, path, &text, &file);
    if (st == UB_OK)
        st = ub_comm_agree(c, compare(path, &text, wanted));
    for (int i = 0; i < count && st == UB_OK; i++) {
        entry e = {.width = arrays[i].width};
        (void)snprintf(e.name, sizeof e.name, "%s", arrays[i].name);
        ub_range own = ub_part(blocks_of(e.width), c->size, c->rank);
        st = ub_comm_agree(c, get_blocks(file, path, &e, own, arrays[i].data));
        if (st == UB_OK)
            st = gather_blocks(c, e.width, arrays[i].data);
    }
    ub_status closed = ub_h5_close(&file, path);
    ub_bytes_release(&text);
    return st == UB_OK ? ub_comm_agree(c, closed) : st;
}

/* Broken files are passed over.  Another study, no memory, MPI are not, nor a file system that
 * fails for the moment: good files would be thrown away. */
static bool may_skip(ub_status st)
{
    return st == UB_EFORMAT || st == UB_ESHAPE;
}

static ub_status load_newest(const ub_comm *c, const char *dir, const ub_bytes *list,
                             const char *identity, const ub_ckpt_array *arrays, int count,
                             int64_t *step)
{
    *step = -1;
    for (size_t at = 0; at < list->len && *step < 0; at += sizeof(int64_t)) {
        char     path[UB_PATH_MAX];
        int64_t  found;
        ub_bytes wanted = {0};
        memcpy(&found, list->data + at, sizeof found);
        ub_status st = ub_ckpt_path(dir, found, path);
        if (st == UB_OK)
            st = describe(found, identity, arrays, count, &wanted);
        st = ub_comm_agree(c, st);
        if (st == UB_OK)
            st = load(c, path, &wanted, arrays, count);
        ub_bytes_release(&wanted);
        if (may_skip(st)) {
            ub_log0_warn("checkpoint", "skipped: %s", ub_err_message());
            ub_err_clear();
            continue;
        }
        UB_TRY(st);
        *step = found;
    }
    return UB_OK;
}

ub_status ub_ckpt_read_latest(const ub_comm *c, const char *dir, const char *identity,
                              const ub_ckpt_array *arrays, int count, int64_t *step)
{
    ub_bytes  list = {0};
    int64_t   found = -1;
    ub_status st = ub_comm_agree(c, c->rank == 0 ? ub_ckpt_list(dir, &list) : UB_OK);
    if (st == UB_OK)
        st = ub_comm_share(c, &list);
    if (st == UB_OK)
        st = load_newest(c, dir, &list, identity, arrays, count, &found);
    ub_bytes_release(&list);
    UB_TRY(st);
    *step = found;
    return UB_OK;
}
