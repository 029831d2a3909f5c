/* The writer of io/corpus_h5.h; layout: docs/formats/corpus.md. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "io/corpus_h5.h"
#include "io/file.h"
#include "io/internal/format.h"
#include "io/internal/h5.h"
#include "io/internal/h5read.h"
#include "io/internal/names.h"

enum { CHUNK = 1 << 20, PIECE = 32 << 20, LEVEL = 4 }; /* bytes, bytes, of gzip */

/* A dataset whose rows are spread over the ranks by episodes. */
typedef struct table {
    char          name[UB_NAME_MAX + 16];
    int           rank;    /* 2 or 3 */
    hsize_t       dims[3]; /* of all ranks */
    int64_t       width;   /* doubles of an episode in the file */
    int64_t       stride;  /* doubles between episodes in memory */
    const double *data;    /* this rank's first episode */
    int           index;   /* attribute of a task variable; -1: none */
} table;

static table describe(const ub_corpus *x, const char *name, int64_t steps, int64_t columns,
                      const double *data)
{
    table t = {.rank = steps > 0 ? 3 : 2, .width = columns * (steps > 0 ? steps : 1), .index = -1};
    (void)snprintf(t.name, sizeof t.name, "%s", name);
    t.dims[0] = (hsize_t)x->episodes;
    t.dims[1] = (hsize_t)(steps > 0 ? steps : columns);
    t.dims[2] = (hsize_t)columns;
    t.stride = t.width;
    t.data = data;
    return t;
}

/* A task's name is one link: infos/goal becomes infos.goal. */
static table describe_task(const ub_corpus *x, int32_t i)
{
    char    name[UB_NAME_MAX + 16];
    int32_t at = x->task_offset[i];
    (void)snprintf(name, sizeof name, "tasks/%s", x->task_name[i]);
    ub_name_link(name + 6);
    table t = describe(x, name, 0, x->task_offset[i + 1] - at, x->targets + at);
    t.stride = x->task_offset[x->tasks];
    t.index = i;
    return t;
}

/* Whole episodes, about CHUNK bytes; of very long ones, whole steps.  Depends on the shape only. */
static void choose_chunk(const table *t, hsize_t chunk[3])
{
    hsize_t row = (hsize_t)t->width * sizeof(float), step = row / t->dims[1];
    for (int i = 0; i < t->rank; i++)
        chunk[i] = t->dims[i];
    hsize_t rows = CHUNK / row;
    chunk[0] = rows < 1 ? 1 : rows < t->dims[0] ? rows : t->dims[0];
    if (t->rank == 3 && row > CHUNK)
        chunk[1] = step < CHUNK ? CHUNK / step : 1;
}

static ub_status make_table(hid_t file, const char *path, const table *t, int single, hid_t *set)
{
    hsize_t chunk[3];
    hid_t   lcpl = H5Pcreate(H5P_LINK_CREATE), dcpl = H5Pcreate(H5P_DATASET_CREATE);
    hid_t   space = H5Screate_simple(t->rank, t->dims, NULL);
    herr_t  rc = H5Pset_create_intermediate_group(lcpl, 1);
    choose_chunk(t, chunk);
    if (rc >= 0)
        rc = H5Pset_obj_track_times(dcpl, false);
    if (rc >= 0)
        rc = H5Pset_fill_time(dcpl, H5D_FILL_TIME_NEVER);
    if (rc >= 0 && single)
        rc = H5Pset_chunk(dcpl, t->rank, chunk);
    if (rc >= 0 && single)
        rc = H5Pset_shuffle(dcpl);
    if (rc >= 0 && single)
        rc = H5Pset_deflate(dcpl, LEVEL);
    *set = rc < 0 ? -1
                  : H5Dcreate2(file, t->name, single ? H5T_IEEE_F32LE : H5T_IEEE_F64LE, space, lcpl,
                               dcpl, H5P_DEFAULT);
    ub_status st = *set < 0 ? ub_h5_fail(UB_EIO, path, t->name, "cannot be made") : UB_OK;
    (void)H5Sclose(space);
    (void)H5Pclose(dcpl);
    (void)H5Pclose(lcpl);
    return st;
}

/* Copy episodes [first, first + n) of this rank into buf, as they are stored. */
static ub_status pack(const table *t, int64_t first, int64_t n, int single, void *buf)
{
    double *wide = buf;
    float  *narrow = buf;
    for (int64_t e = 0; e < n; e++) {
        const double *from = t->data + (first + e) * t->stride;
        if (!single) {
            memcpy(wide + e * t->width, from, (size_t)t->width * sizeof *wide);
            continue;
        }
        for (int64_t j = 0; j < t->width; j++) {
            narrow[e * t->width + j] = (float)from[j];
            if (!isfinite(narrow[e * t->width + j]))
                return UB_FAIL(UB_EINPUT, "%s: %g cannot be stored as float32", t->name, from[j]);
        }
    }
    return UB_OK;
}

static ub_status write_piece(const char *path, hid_t set, const table *t, hid_t dxpl, hsize_t first,
                             hsize_t n, int single, const void *buf)
{
    hsize_t start[3] = {first}, extent[3] = {n, t->dims[1], t->dims[2]};
    hsize_t count = n * (hsize_t)t->width;
    hid_t   space = H5Dget_space(set), memory = H5Screate_simple(1, &count, NULL);
    herr_t  rc = n > 0 ? H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, extent, NULL)
                       : H5Sselect_none(space);
    if (rc >= 0 && n == 0)
        rc = H5Sselect_none(memory);
    /* Memory and file type are the same: a conversion would turn the collective write that gzip
     * needs into an independent one, which fails. */
    if (rc >= 0)
        rc = H5Dwrite(set, single ? H5T_IEEE_F32LE : H5T_IEEE_F64LE, memory, space, dxpl, buf);
    ub_status st = rc < 0 ? ub_h5_fail(UB_EIO, path, t->name, "cannot be written") : UB_OK;
    (void)H5Sclose(memory);
    (void)H5Sclose(space);
    return st;
}

/* All ranks write in rounds of bounded size; who has no rows left takes part with none.
 * Compressed chunks must be written collectively; plain rows go independently, past the
 * collective aggregation of Open MPI (docs/adr on its io components). */
static ub_status write_rows(const ub_comm *c, const char *path, hid_t set, const table *t,
                            const ub_corpus *x, int single)
{
    int64_t step = PIECE / (int64_t)sizeof(double) / t->width, most = x->count;
    void   *buf = NULL;
    hid_t   dxpl = H5Pcreate(H5P_DATASET_XFER);
    step = step > 0 ? step : 1;
    if (single)
        (void)H5Pset_dxpl_mpio(dxpl, H5FD_MPIO_COLLECTIVE);
    ub_status st = ub_mpi_status(
        MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_INT64_T, MPI_MAX, c->mpi), "MPI_Allreduce");
    int64_t rows = step < most ? step : most;
    if (st == UB_OK)
        st = ub_mem_check(buf = ub_alloc((size_t)(rows * t->width), sizeof(double)),
                          (size_t)(rows * t->width), sizeof(double), "piece");
    st = ub_comm_agree(c, st);
    for (int64_t at = 0; at < most && st == UB_OK; at += step) {
        int64_t left = at < x->count ? x->count - at : 0, n = left < step ? left : step;
        st = ub_comm_agree(c, pack(t, at, n, single, buf));
        if (st == UB_OK)
            st = ub_h5_together(c, write_piece(path, set, t, dxpl, (hsize_t)(x->first + at),
                                               (hsize_t)n, single, buf));
        st = ub_comm_agree(c, st);
    }
    (void)H5Pclose(dxpl);
    ub_free(buf);
    return st;
}

static ub_status write_table(const ub_comm *c, hid_t file, const char *path, const table *t,
                             const ub_corpus *x, int single)
{
    hid_t set = -1;
    UB_TRY(ub_comm_agree(c, make_table(file, path, t, single, &set)));
    ub_status st = t->index >= 0 ? ub_h5_put_int(set, "index", t->index) : UB_OK;
    st = ub_comm_agree(c, st);
    if (st == UB_OK)
        st = write_rows(c, path, set, t, x, single);
    (void)H5Dclose(set);
    return st;
}

/* A small table that all ranks hold: rank 0 writes it. */
static ub_status write_flags(const ub_comm *c, hid_t file, const char *name, int64_t rows,
                             int64_t columns, const uint8_t *flag)
{
    hsize_t   dims[] = {(hsize_t)rows, (hsize_t)columns};
    hid_t     set = ub_h5_make(file, name, H5T_STD_U8LE, 2, dims);
    ub_status st = set < 0 ? UB_EIO : UB_OK;
    UB_TRY(ub_comm_agree(c, st));
    if (c->rank == 0 && H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, flag) < 0)
        st = ub_h5_fail(UB_EIO, "corpus", name, "cannot be written");
    (void)H5Dclose(set);
    return ub_comm_agree(c, st);
}

/* Read this rank's rows back: known versions of Open MPI damage collective writes in silence. */
static ub_status verify_table(hid_t file, const table *t, const ub_corpus *x, int single)
{
    ub_h5_rows r = {0};
    double    *piece = NULL;
    int64_t    most = PIECE / (int64_t)sizeof(double) / t->width, step = most > 0 ? most : 1;
    ub_status  st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(piece, (step < x->count ? step : x->count) * t->width));
    UB_TRY_OUT(ub_h5_rows_open(file, t->name, &r));
    for (int64_t at = 0; at < x->count; at += step) {
        int64_t n = x->count - at < step ? x->count - at : step;
        UB_TRY_OUT(ub_h5_rows_get(&r, x->first + at, n, piece));
        for (int64_t i = 0; i < n * t->width; i++) {
            double want = t->data[(at + i / t->width) * t->stride + i % t->width];
            if (single)
                want = (double)(float)want;
            /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): the bits are meant */
            if (memcmp(&piece[i], &want, sizeof want) == 0)
                continue;
            st = UB_FAIL(UB_EIO,
                         "dataset '%s', episode %lld: %.17g was written and %.17g read "
                         "back: the MPI-IO of this machine is not sound",
                         t->name, (long long)(x->first + at + i / t->width), want, piece[i]);
            goto out;
        }
    }
out:
    ub_h5_rows_close(&r);
    ub_free(piece);
    return st;
}

/* The i-th table of a corpus; false past the end. */
static int table_at(const ub_corpus *x, int32_t i, table *t)
{
    if (i == 0)
        *t = describe(x, "states", x->steps, x->dim, x->states);
    else if (i <= x->tasks)
        *t = describe_task(x, i - 1);
    else if (i == x->tasks + 1 && x->latents != NULL)
        *t = describe(x, "truth/latents", x->steps, x->latent_dim, x->latents);
    else
        return 0;
    return 1;
}

static ub_status write_header(hid_t file, const char *path, const ub_corpus *x, const char *origin)
{
    const char *slash = strrchr(path, '/');
    char        name[UB_NAME_MAX];
    (void)snprintf(name, sizeof name, "%s", slash == NULL ? path : slash + 1);
    char *dot = strrchr(name, '.');
    if (dot != NULL)
        *dot = '\0';
    UB_TRY(ub_h5_put_text(file, "format", "unbraid-aligned"));
    UB_TRY(ub_h5_put_int(file, "version", 1));
    UB_TRY(ub_h5_put_int(file, "segment_length", x->segment));
    UB_TRY(ub_h5_put_text(file, "corpus", name));
    for (int i = 0; i < 3 && x->image[0] > 0; i++)
        UB_TRY(ub_h5_put_int(file, ub_image_attribute[i], x->image[i]));
    return ub_h5_put_text(file, "origin", origin);
}

static ub_status write_all(const ub_comm *c, hid_t file, const char *path, const ub_corpus *x,
                           int single, const char *origin)
{
    table t;
    UB_TRY(ub_comm_agree(c, write_header(file, path, x, origin)));
    for (int32_t i = 0; table_at(x, i, &t); i++)
        UB_TRY(write_table(c, file, path, &t, x, single));
    if (x->truth != NULL)
        UB_TRY(write_flags(c, file, "truth/membership", x->steps, x->tasks, x->truth));
    if (x->latent_relevant != NULL)
        UB_TRY(write_flags(c, file, "truth/latent_relevant", x->latent_dim, x->tasks,
                           x->latent_relevant));
    /* MPI-IO flushes every rank's part here; the commit flushes only rank 0's view. */
    ub_status st = UB_OK;
    if (H5Fflush(file, H5F_SCOPE_GLOBAL) < 0)
        st = ub_h5_fail(UB_EIO, path, NULL, "cannot be flushed");
    return ub_comm_agree(c, ub_h5_together(c, st));
}

static ub_status verify_all(const ub_comm *c, const char *temp, const ub_corpus *x, int single)
{
    hid_t     file = -1;
    table     t;
    ub_status st = UB_OK;
    UB_TRY(ub_h5_open_parallel(c, temp, &file));
    for (int32_t i = 0; st == UB_OK && x->count > 0 && table_at(x, i, &t); i++)
        st = verify_table(file, &t, x, single);
    st = ub_comm_agree(c, st);
    ub_status closed = ub_comm_agree(c, ub_h5_close(&file, temp));
    UB_TRY(st);
    return closed;
}

ub_status ub_corpus_write(const ub_comm *c, const char *path, const ub_corpus *corpus, int single,
                          const char *origin)
{
    char      temp[UB_PATH_MAX];
    hid_t     file = -1;
    ub_status st = ub_names_differ(corpus->tasks, corpus->task_name);
    if (st == UB_OK)
        st = ub_file_temp(path, temp);
    UB_TRY(ub_comm_agree(c, st));
    st = ub_h5_create_parallel(c, temp, &file);
    if (st == UB_OK) {
        st = write_all(c, file, path, corpus, single, origin);
        if (st == UB_EMPI)
            return st;
        ub_status closed = ub_comm_agree(c, ub_h5_together(c, ub_h5_close(&file, temp)));
        st = st == UB_OK ? closed : st;
    }
    if (st == UB_OK)
        st = verify_all(c, temp, corpus, single);
    if (c->rank == 0 && st == UB_OK)
        st = ub_file_commit(temp, path);
    else if (c->rank == 0)
        (void)unlink(temp);
    return ub_comm_agree(c, st);
}
