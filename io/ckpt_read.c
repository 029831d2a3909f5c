/* Checkpoints are read back; written: io/checkpoint.c. */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/shard.h"
#include "io/checkpoint.h"
#include "io/file.h"
#include "io/internal/ckpt_files.h"
#include "io/internal/ckpt_layout.h"

/* An array as the file describes it. */
typedef struct entry {
    char    name[UB_CKPT_NAME];
    int64_t width;
} entry;

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

/* Inside a file that is there, a part that cannot be found is damage. */
static ub_status damage_if_missing(ub_status st)
{
    return st == UB_ENOENT ? UB_EFORMAT : st;
}

static ub_status get_description(hid_t file, const char *path, ub_bytes *text)
{
    ub_bytes  said = {0};
    int64_t   version = 0, sum = 0;
    ub_status st = ub_h5_get_text(file, "format", &said);
    if (st == UB_OK && strcmp((const char *)said.data, UB_CKPT_FORMAT) != 0)
        st = UB_FAIL(UB_EFORMAT, "%s: this is not a checkpoint", path);
    ub_bytes_release(&said);
    UB_TRY(st);
    UB_TRY(ub_h5_get_int(file, "format_version", &version));
    if (version != UB_CKPT_VERSION)
        return UB_FAIL(UB_EFORMAT, "%s: version %lld of the layout; this program knows version %d",
                       path, (long long)version, UB_CKPT_VERSION);
    UB_TRY(ub_h5_get_text(file, "description", text));
    UB_TRY(ub_h5_get_int(file, "description_crc32", &sum));
    if (sum != ub_ckpt_sum(text->data, (int64_t)text->len))
        return UB_FAIL(UB_EFORMAT, "%s: attribute 'description' is damaged", path);
    return UB_OK;
}

/* Blocks own.first .. of an open dataset against their checksums, each through `room`
 * (UB_CKPT_BLOCK) or, if that is NULL, to its place in `whole`. */
static ub_status check_blocks(const char *path, const entry *e, hid_t set, const uint32_t *sums,
                              ub_range own, double *room, double *whole)
{
    for (int64_t i = 0; i < own.count; i++) {
        int64_t      b = own.first + i, n = ub_ckpt_block_length(e->width, b);
        double      *to = room != NULL ? room : whole + b * UB_CKPT_BLOCK;
        ub_ckpt_slab s = {path, e->name, set, H5T_NATIVE_DOUBLE, b * UB_CKPT_BLOCK, n};
        UB_TRY(ub_ckpt_transfer(&s, NULL, to));
        if (ub_ckpt_sum(to, n * (int64_t)sizeof(double)) != sums[i])
            return UB_FAIL(UB_EFORMAT,
                           "%s: dataset '%s' is damaged: the checksum of values %lld .. %lld does "
                           "not hold",
                           path, e->name, (long long)(b * UB_CKPT_BLOCK),
                           (long long)(b * UB_CKPT_BLOCK + n - 1));
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
    UB_TRY_OUT(open_checked(file, path, name, ub_ckpt_blocks(e->width), &set_of_sums));
    UB_TRY_OUT(UB_ALLOC(sums, own.count));
    ub_ckpt_slab s = {path, name, set_of_sums, H5T_NATIVE_UINT32, own.first, own.count};
    if (own.count > 0)
        UB_TRY_OUT(ub_ckpt_transfer(&s, NULL, sums));
    (void)snprintf(name, sizeof name, "arrays/%s", e->name);
    UB_TRY_OUT(open_checked(file, path, name, e->width, &set));
    if (whole == NULL)
        UB_TRY_OUT(UB_ALLOC(room, UB_CKPT_BLOCK));
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
        ub_range own = ub_part(ub_ckpt_blocks(e.width), c->size, (c->rank + 1) % c->size);
        UB_TRY(get_blocks(file, path, &e, own, NULL));
    }
    return UB_OK;
}

/* Every rank opens the file for itself: reading is not collective. */
static ub_status open_verified(const ub_comm *c, const char *path, ub_bytes *text, hid_t *file)
{
    ub_status st = ub_comm_agree(c, ub_h5_open(path, file));
    if (st == UB_OK)
        st = ub_comm_agree(c, damage_if_missing(get_description(*file, path, text)));
    if (st == UB_OK)
        st = ub_comm_agree(c, damage_if_missing(verify_arrays(c, *file, path, text)));
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
    int64_t      blocks = ub_ckpt_blocks(width), full = width / UB_CKPT_BLOCK;
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
    int rc = MPI_Type_contiguous(UB_CKPT_BLOCK, MPI_DOUBLE, &block);
    if (rc == MPI_SUCCESS)
        rc = MPI_Type_commit(&block);
    if (rc == MPI_SUCCESS)
        rc = MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, whole, counts, places, block,
                            c->mpi);
    if (rc == MPI_SUCCESS && full < blocks)
        rc = MPI_Bcast(whole + full * UB_CKPT_BLOCK, (int)(width - full * UB_CKPT_BLOCK),
                       MPI_DOUBLE, owner, c->mpi);
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
        ub_range own = ub_part(ub_ckpt_blocks(e.width), c->size, c->rank);
        st = ub_comm_agree(c, damage_if_missing(get_blocks(file, path, &e, own, arrays[i].data)));
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
            st = ub_ckpt_describe(found, identity, arrays, count, &wanted);
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
