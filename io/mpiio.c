#include "io/mpiio.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/shard.h"
#include "io/file.h"
#include "io/internal/h5.h"

/* Shapes up to a checkpoint's smallest arrays: where the fault shows. */
static const int shapes[][2] = {{20, 21}, {7, 5}, {12, 16}, {20, 20}};

enum { SHAPES = sizeof shapes / sizeof shapes[0], FILES = 12, LARGEST = 20 * 21 };

/* A communicator with a grid, on which the fault is most frequent; ranks as in the parent's. */
typedef struct grid {
    ub_comm comm;
    int     dims[2], place[2];
} grid;

static const char variable[] = "OMPI_MCA_io", bad[] = "ompio", any_but_bad[] = "^ompio";

void ub_mpiio_choose(void)
{
#ifdef OMPI_MAJOR_VERSION
    (void)setenv(variable, any_but_bad, 0);
#endif
}

/* As Open MPI reads it: a list of what to use, or of what not to; nothing is said by an empty one.
 */
static bool allows_bad(const char *list)
{
    if (list == NULL || list[0] == '\0')
        return true;
    bool   excludes = list[0] == '^', listed = false;
    size_t n;
    for (const char *p = list + excludes; *p != '\0'; p += n + (p[n] == ',')) {
        n = strcspn(p, ",");
        listed = listed || (n == strlen(bad) && strncmp(p, bad, n) == 0);
    }
    return listed != excludes;
}

bool ub_mpiio_is_bad(char *why, size_t cap)
{
    char        text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int         length = 0;
    unsigned    major = 0, minor = 0, release = 0;
    const char *io = getenv(variable);
    (void)MPI_Get_library_version(text, &length);
    (void)H5get_libversion(&major, &minor, &release);
    text[strcspn(text, ",\n")] = '\0';
    if (strstr(text, "Open MPI v4.") == NULL || !allows_bad(io))
        return false;
    (void)snprintf(why, cap, "%s with %s=%s and HDF5 %u.%u.%u writes wrong data in silence", text,
                   variable, io == NULL ? "(unset)" : io, major, minor, release);
    return true;
}

ub_status ub_mpiio_allowed(void)
{
    char why[2 * MPI_MAX_LIBRARY_VERSION_STRING];
    if (!ub_mpiio_is_bad(why, sizeof why))
        return UB_OK;
    return UB_FAIL(UB_EINPUT,
                   "%s; unset %s (mpirun: leave out '--mca io'), the program chooses a component "
                   "that does not",
                   why, variable);
}

/* The components that Open MPI has loaded for files, the one in use among them; "" where it is
 * built without loading any. */
static void loaded(char names[64])
{
    static const char prefix[] = "/mca_io_";
    char              line[UB_PATH_MAX + 128], name[32];
    FILE             *f = fopen("/proc/self/maps", "re");
    names[0] = '\0';
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        const char *at = strstr(line, prefix);
        if (at == NULL)
            continue;
        at += strlen(prefix);
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "."), at);
        size_t n = strlen(names);
        if (strstr(names, name) == NULL)
            (void)snprintf(names + n, 64 - n, "%s%s", n > 0 ? "," : "", name);
    }
    if (f != NULL)
        (void)fclose(f);
}

static double value(int set, int64_t i)
{
    return set + 1.0 / (double)(i + 1);
}

static void set_name(int set, char name[16])
{
    (void)snprintf(name, 16, "%d", set);
}

/* This rank's block of its place on the grid. */
static void block(const grid *g, const int shape[2], ub_range own[2])
{
    for (int i = 0; i < 2; i++)
        own[i] = ub_part(shape[i], g->dims[i], g->place[i]);
}

static ub_status write_set(const grid *g, hid_t file, const char *path, int set)
{
    const int *shape = shapes[set];
    char       name[16];
    ub_range   own[2];
    double     x[LARGEST];
    hsize_t    dims[2] = {(hsize_t)shape[0], (hsize_t)shape[1]};
    block(g, shape, own);
    hsize_t start[2] = {(hsize_t)own[0].first, (hsize_t)own[1].first};
    hsize_t count[2] = {(hsize_t)own[0].count, (hsize_t)own[1].count};
    int64_t n = 0;
    for (int64_t i = 0; i < own[0].count; i++)
        for (int64_t j = 0; j < own[1].count; j++)
            x[n++] = value(set, (own[0].first + i) * shape[1] + own[1].first + j);
    set_name(set, name);
    hid_t data = ub_h5_make(file, name, H5T_NATIVE_DOUBLE, 2, dims);
    hid_t space = H5Dget_space(data), memory = H5Screate_simple(2, count, NULL);
    hid_t plist = H5Pcreate(H5P_DATASET_XFER);
    if (n > 0)
        (void)H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    else
        (void)H5Sselect_none(space);
    (void)H5Pset_dxpl_mpio(plist, H5FD_MPIO_COLLECTIVE);
    ub_status st = UB_OK;
    if (H5Dwrite(data, H5T_NATIVE_DOUBLE, memory, space, plist, x) < 0)
        st = ub_h5_fail(UB_EIO, path, name, "test of parallel writing");
    (void)H5Pclose(plist);
    (void)H5Sclose(memory);
    (void)H5Sclose(space);
    (void)H5Dclose(data);
    return st;
}

static ub_status compare(const char *path)
{
    char      name[16];
    double    x[LARGEST];
    hid_t     file = H5I_INVALID_HID;
    ub_status st = ub_h5_open(path, &file);
    for (int set = 0; set < SHAPES && st == UB_OK; set++) {
        const int *shape = shapes[set];
        int        n = shape[0] * shape[1], wrong = 0;
        set_name(set, name);
        st = ub_h5_get(file, name, H5T_NATIVE_DOUBLE, (hsize_t)n, x);
        for (int i = 0; i < n && st == UB_OK; i++)
            wrong += x[i] != value(set, i);
        if (st == UB_OK && wrong > 0) {
            const char *io = getenv(variable);
            st = UB_FAIL(UB_EIO,
                         "%s: %d of %d values written by all ranks together came back wrong with "
                         "%s=%s; write to another file system, or have another component chosen",
                         path, wrong, n, variable, io == NULL ? "(unset)" : io);
        }
    }
    ub_status closed = ub_h5_close(&file, path);
    return st == UB_OK ? closed : st;
}

/* Two aggregators on every node: the pattern that ompio gets wrong. */
static ub_status hints(MPI_Info *info)
{
    UB_TRY_MPI(MPI_Info_create(info));
    UB_TRY_MPI(MPI_Info_set(*info, "cb_nodes", "2"));
    UB_TRY_MPI(MPI_Info_set(*info, "cb_config_list", "*:2"));
    return ub_mpi_status(MPI_Info_set(*info, "romio_cb_write", "enable"), "MPI_Info_set");
}

/* `turn`: which shape is written first; the fault strikes early in a file. */
static ub_status try_file(const grid *g, const char *path, int turn, MPI_Info info)
{
    hid_t     file = H5I_INVALID_HID;
    ub_status st = UB_OK;
    UB_TRY(ub_h5_create_parallel_with(&g->comm, info, path, &file));
    for (int set = 0; set < SHAPES && st == UB_OK; set++)
        st = ub_h5_together(&g->comm, write_set(g, file, path, (set + turn) % SHAPES));
    st = ub_comm_agree(&g->comm, st);
    if (st != UB_OK && st != UB_EMPI) /* else MPI_Finalize would close it, and crash */
        ub_h5_drop(&file);
    UB_TRY(st);
    UB_TRY(ub_comm_agree(&g->comm, ub_h5_together(&g->comm, ub_h5_close(&file, path))));
    return ub_comm_agree(&g->comm, g->comm.rank == 0 ? compare(path) : UB_OK);
}

static ub_status grid_make(const ub_comm *c, grid *g)
{
    int periods[2] = {0, 0};
    *g = (grid){.comm = {.mpi = MPI_COMM_NULL, .rank = c->rank, .size = c->size}};
    UB_TRY_MPI(MPI_Dims_create(c->size, 2, g->dims));
    UB_TRY_MPI(MPI_Cart_create(c->mpi, 2, g->dims, periods, 0, &g->comm.mpi));
    return ub_mpi_status(MPI_Cart_coords(g->comm.mpi, c->rank, 2, g->place), "MPI_Cart_coords");
}

static ub_status try_all(const grid *g, const char *path)
{
    MPI_Info  info = MPI_INFO_NULL;
    ub_status st = ub_comm_agree(&g->comm, hints(&info));
    for (int i = 0; i < FILES && st == UB_OK; i++)
        st = try_file(g, path, i, i == 0 ? MPI_INFO_NULL : info);
    if (st != UB_EMPI && info != MPI_INFO_NULL)
        (void)MPI_Info_free(&info);
    return st;
}

static ub_status put_report(const grid *g, ub_status found, ub_bytes *out)
{
    char        names[64];
    const char *io = getenv(variable), *comma = "";
    loaded(names);
    UB_TRY(ub_bytes_printf(out, "{"));
    UB_TRY(ub_bytes_put_json(out, "component", names, ", "));
    UB_TRY(ub_bytes_put_json(out, variable, io == NULL ? "" : io, ", "));
    UB_TRY(ub_bytes_put_json(out, "chosen_by",
                             io != NULL && strcmp(io, any_but_bad) == 0 ? "unbraid" : "environment",
                             ", "));
    UB_TRY(ub_bytes_printf(out, "\"grid\": [%d, %d], \"blocks\": [", g->dims[0], g->dims[1]));
    for (int i = 0; i < SHAPES; i++, comma = ", ")
        UB_TRY(ub_bytes_printf(out, "%s[%d, %d]", comma, shapes[i][0], shapes[i][1]));
    UB_TRY(ub_bytes_printf(
        out, "], \"files\": {\"usual_aggregators\": 1, \"two_aggregators\": %d}, ", FILES - 1));
    return ub_bytes_put_json(out, "verdict", found == UB_OK ? "good" : ub_err_message(), "}");
}

ub_status ub_mpiio_selftest(const ub_comm *c, const char *dir, ub_bytes *report)
{
    char path[UB_PATH_MAX];
    grid g;
    UB_TRY(ub_comm_agree(c, ub_mpiio_allowed()));
    (void)snprintf(path, sizeof path, "%s/.mpiio-selftest.h5.new", dir);
    ub_status st = ub_comm_agree(c, grid_make(c, &g));
    if (st == UB_OK)
        st = try_all(&g, path);
    ub_status told = c->rank == 0 ? put_report(&g, st, report) : UB_OK;
    if (st == UB_EMPI)
        return st;
    if (g.comm.mpi != MPI_COMM_NULL)
        (void)MPI_Comm_free(&g.comm.mpi);
    if (c->rank == 0)
        (void)unlink(path);
    return ub_comm_agree(c, st == UB_OK ? told : st);
}
