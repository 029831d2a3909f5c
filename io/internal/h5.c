#include "io/internal/h5.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "io/file.h"

enum { WORDS = 256 };

/* State of HDF5 in this process, as it is global itself: a file that it failed to close. */
static atomic_bool lost;

bool ub_h5_lost(void)
{
    return lost;
}

/* What HDF5 writes before the system's words. */
static const char system[] = "error message = '";

/* Of a failed system call HDF5 tells addresses and times, too: the system's words are enough. */
static herr_t innermost(unsigned n, const H5E_error2_t *error, void *words)
{
    if (n != 0 || error->desc == NULL)
        return 0;
    const char *said = strstr(error->desc, system);
    if (said == NULL)
        (void)snprintf(words, WORDS, "%s", error->desc);
    else
        (void)snprintf(words, WORDS, "%.*s", (int)strcspn(said + sizeof system - 1, "'"),
                       said + sizeof system - 1);
    return 0;
}

/* The library's own words on the last failure.  Before any other call of it: that clears them. */
static void last_words(char words[WORDS])
{
    (void)snprintf(words, WORDS, "no reason given");
    (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, words);
}

static ub_status say(ub_status st, const char *file, const char *name, const char *what,
                     const char *words)
{
    if (name == NULL)
        return UB_FAIL(st, "%s: %s: %s", file, what, words);
    return UB_FAIL(st, "%s: dataset '%s': %s: %s", file, name, what, words);
}

ub_status ub_h5_fail(ub_status st, const char *file, const char *name, const char *what)
{
    char words[WORDS];
    last_words(words);
    return say(st, file, name, what, words);
}

const char *ub_h5_file_name(hid_t at, char *buf, size_t cap)
{
    if (H5Fget_name(at, buf, cap) <= 0)
        (void)snprintf(buf, cap, "(HDF5 file)");
    return buf;
}

/* The same for an object: finds out the file's name. */
static ub_status fail_at(ub_status st, hid_t at, const char *name, const char *what)
{
    char words[WORDS], file[UB_PATH_MAX];
    last_words(words);
    return say(st, ub_h5_file_name(at, file, sizeof file), name, what, words);
}

static void silence(void)
{
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

/* How files are opened: no handle survives the closing of its file; old readers can read it. */
static hid_t access_list(const ub_comm *c, MPI_Info info, bool create)
{
    silence();
    hid_t  list = H5Pcreate(H5P_FILE_ACCESS);
    herr_t rc = H5Pset_fclose_degree(list, H5F_CLOSE_STRONG);
    if (rc >= 0)
        rc = H5Pset_libver_bounds(list, H5F_LIBVER_EARLIEST, H5F_LIBVER_V110);
    if (rc >= 0 && c != NULL)
        rc = H5Pset_fapl_mpio(list, c->mpi, info);
    if (rc >= 0 && c != NULL && create)
        rc = H5Pset_coll_metadata_write(list, true);
    if (rc >= 0)
        return list;
    (void)H5Pclose(list);
    return H5I_INVALID_HID;
}

/* No times in the file: equal content, equal bytes. */
static hid_t creation_list(hid_t kind)
{
    hid_t list = H5Pcreate(kind);
    if (list >= 0)
        (void)H5Pset_obj_track_times(list, false);
    return list;
}

/* The name MPI-IO gets.  ROMIO takes what stands before a colon for a kind of file system: a path
 * with a colon must name one itself. */
static const char *name_for(const ub_comm *c, const char *path, char *buf, size_t cap)
{
    if (c == NULL || strchr(path, ':') == NULL)
        return path;
    (void)snprintf(buf, cap, "ufs:%s", path);
    return buf;
}

static ub_status create(const ub_comm *c, MPI_Info info, const char *path, hid_t *file)
{
    hid_t     fapl = access_list(c, info, true), fcpl = creation_list(H5P_FILE_CREATE);
    ub_status st = UB_OK;
    char      buf[UB_PATH_MAX + 8];
    hid_t     f = H5Fcreate(name_for(c, path, buf, sizeof buf), H5F_ACC_TRUNC, fcpl, fapl);
    if (f < 0)
        st = ub_h5_fail(UB_EIO, path, NULL, "cannot create the file");
    else
        *file = f;
    (void)H5Pclose(fcpl);
    (void)H5Pclose(fapl);
    return st;
}

static herr_t is_of_system(unsigned n, const H5E_error2_t *error, void *yes)
{
    (void)n;
    if (error->desc != NULL && strstr(error->desc, system) != NULL)
        *(bool *)yes = true;
    return 0;
}

/* What is wrong with a file that HDF5 does not open.  With one rank's own calls it is either the
 * system that fails or what the file holds. */
static ub_status explain_open(const ub_comm *c, const char *path)
{
    char words[WORDS];
    bool failed = c != NULL;
    (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, is_of_system, &failed);
    last_words(words);
    if (H5Fis_hdf5(path) == 0)
        return UB_FAIL(UB_EFORMAT, "%s: this is not an HDF5 file", path);
    if (strstr(words, "truncated") != NULL)
        return UB_FAIL(UB_EFORMAT, "%s: the file is truncated (HDF5: %s); copy or make it again",
                       path, words);
    if (!failed)
        return UB_FAIL(UB_EFORMAT, "%s: the file is damaged (HDF5: %s); copy or make it again",
                       path, words);
    return say(UB_EIO, path, NULL,
               strstr(words, "MPI_File_open") == NULL
                   ? "cannot open the file"
                   : "cannot open the file by MPI-IO (does 'ompi_info' list an io component that "
                     "OMPI_MCA_io allows?)",
               words);
}

static ub_status open_file(const ub_comm *c, const char *path, hid_t *file)
{
    hid_t     fapl = access_list(c, MPI_INFO_NULL, false);
    ub_status st = UB_OK;
    char      buf[UB_PATH_MAX + 8];
    hid_t     f = H5Fopen(name_for(c, path, buf, sizeof buf), H5F_ACC_RDONLY, fapl);
    if (f < 0)
        st = explain_open(c, path);
    else
        *file = f;
    (void)H5Pclose(fapl);
    return st;
}

static ub_status readable(const char *path)
{
    if (access(path, R_OK) == 0)
        return UB_OK;
    if (errno == ENOENT)
        return UB_FAIL(UB_ENOENT, "%s: there is no such file", path);
    return UB_FAIL(UB_EIO, "%s: cannot open the file: %s", path, strerror(errno));
}

ub_status ub_h5_create(const char *path, hid_t *file)
{
    return create(NULL, MPI_INFO_NULL, path, file);
}

ub_status ub_h5_open(const char *path, hid_t *file)
{
    UB_TRY(readable(path));
    return open_file(NULL, path, file);
}

/* After an opening that went well on some ranks only, their handles are given up, not closed:
 * closing is collective and would hang. */
static ub_status agree_open(const ub_comm *c, ub_status mine, hid_t f, hid_t *file)
{
    UB_TRY(ub_comm_agree(c, mine));
    *file = f;
    return UB_OK;
}

ub_status ub_h5_create_parallel(const ub_comm *c, const char *path, hid_t *file)
{
    return ub_h5_create_parallel_with(c, MPI_INFO_NULL, path, file);
}

ub_status ub_h5_create_parallel_with(const ub_comm *c, MPI_Info info, const char *path, hid_t *file)
{
    hid_t f = H5I_INVALID_HID;
    /* What strikes one rank alone (a folder it does not see) must strike before MPI-IO does. */
    ub_status st = ub_mpiio_allowed();
    if (st == UB_OK && c->rank == 0)
        st = ub_file_touch(path);
    UB_TRY(ub_comm_agree(c, st));
    if (access(path, W_OK) != 0)
        st = UB_FAIL(UB_EIO, "%s: rank %d cannot write the file: %s", path, c->rank,
                     strerror(errno));
    UB_TRY(ub_comm_agree(c, st));
    st = create(c, info, path, &f);
    return agree_open(c, st, f, file);
}

ub_status ub_h5_open_parallel(const ub_comm *c, const char *path, hid_t *file)
{
    hid_t f = H5I_INVALID_HID;
    UB_TRY(ub_comm_agree(c, readable(path)));
    ub_status st = open_file(c, path, &f);
    return agree_open(c, st, f, file);
}

ub_status ub_h5_close(hid_t *file, const char *path)
{
    hid_t f = *file;
    *file = H5I_INVALID_HID;
    if (f < 0)
        return UB_OK;
    if (H5Fclose(f) >= 0)
        return UB_OK;
    lost = true;
    return ub_h5_fail(UB_EIO, path, NULL, "cannot close the file");
}

void ub_h5_drop(hid_t *file)
{
    if (*file >= 0 && H5Fclose(*file) < 0)
        lost = true;
    *file = H5I_INVALID_HID;
}

ub_status ub_h5_together(const ub_comm *c, ub_status mine)
{
    char sentence[UB_PATH_MAX];
    if (mine == UB_OK || c->size == 1)
        return mine;
    (void)snprintf(sentence, sizeof sentence, "%s", ub_err_message());
    return UB_FAIL(UB_EMPI, "%s", sentence);
}

bool ub_h5_has(hid_t at, const char *name)
{
    char part[UB_PATH_MAX];
    if (strlen(name) >= sizeof part)
        return false;
    silence();
    /* H5Lexists wants every group on the way to be there. */
    for (const char *p = name; *p != '\0';) {
        p += strspn(p, "/");
        p += strcspn(p, "/");
        (void)snprintf(part, sizeof part, "%.*s", (int)(p - name), name);
        if (strspn(part, "/") != strlen(part) && (H5Lexists(at, part, H5P_DEFAULT) <= 0 ||
                                                  H5Oexists_by_name(at, part, H5P_DEFAULT) <= 0))
            return false;
    }
    return true;
}

hid_t ub_h5_make(hid_t at, const char *name, hid_t type, int rank, const hsize_t *dims)
{
    hid_t lcpl = H5Pcreate(H5P_LINK_CREATE), dcpl = creation_list(H5P_DATASET_CREATE);
    hid_t space = rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, dims, NULL);
    hid_t set = H5I_INVALID_HID;
    if (H5Pset_create_intermediate_group(lcpl, 1) >= 0 &&
        H5Pset_fill_time(dcpl, H5D_FILL_TIME_NEVER) >= 0)
        set = H5Dcreate2(at, name, type, space, lcpl, dcpl, H5P_DEFAULT);
    char words[WORDS];
    if (set < 0)
        last_words(words);
    (void)H5Sclose(space);
    (void)H5Pclose(dcpl);
    (void)H5Pclose(lcpl);
    if (set < 0) {
        char file[UB_PATH_MAX];
        (void)say(UB_EIO, ub_h5_file_name(at, file, sizeof file), name, "cannot be made", words);
    }
    return set;
}

ub_status ub_h5_put(hid_t at, const char *name, hid_t type, int rank, const hsize_t *dims,
                    const void *data)
{
    ub_status st = UB_OK;
    hid_t     set = ub_h5_make(at, name, type, rank, dims);
    if (set < 0)
        return UB_EIO;
    if (H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        st = fail_at(UB_EIO, at, name, "cannot be written");
    if (H5Dclose(set) < 0 && st == UB_OK)
        st = fail_at(UB_EIO, at, name, "cannot be closed");
    return st;
}

static ub_status open_dataset(hid_t at, const char *name, hid_t *set)
{
    char file[UB_PATH_MAX];
    if (!ub_h5_has(at, name))
        return UB_FAIL(UB_ENOENT, "%s: there is no dataset '%s'",
                       ub_h5_file_name(at, file, sizeof file), name);
    *set = H5Dopen2(at, name, H5P_DEFAULT);
    if (*set < 0)
        return fail_at(UB_EFORMAT, at, name, "cannot be opened");
    return UB_OK;
}

static ub_status shape_of(hid_t at, hid_t set, const char *name, int *rank, hsize_t dims[8])
{
    char  file[UB_PATH_MAX];
    hid_t space = H5Dget_space(set);
    int   n = H5Sget_simple_extent_ndims(space);
    bool  fits = n >= 0 && n <= 8 && H5Sget_simple_extent_dims(space, dims, NULL) == n;
    if (H5Sget_simple_extent_type(space) == H5S_NULL)
        fits = false;
    (void)H5Sclose(space);
    if (!fits)
        return UB_FAIL(UB_EFORMAT, "%s: dataset '%s': its shape (%d dimensions) cannot be used",
                       ub_h5_file_name(at, file, sizeof file), name, n);
    *rank = n;
    return UB_OK;
}

ub_status ub_h5_shape(hid_t at, const char *name, int *rank, hsize_t dims[8])
{
    hid_t set;
    UB_TRY(open_dataset(at, name, &set));
    ub_status st = shape_of(at, set, name, rank, dims);
    (void)H5Dclose(set);
    return st;
}

/* May a dataset of this class be read into memory of that class?  numpy's bool is an enum over
 * int8, which HDF5 converts; a number with a fraction never becomes an integer in silence. */
static bool convertible(H5T_class_t file, H5T_class_t memory)
{
    if (file == memory)
        return true;
    if (memory == H5T_INTEGER)
        return file == H5T_ENUM;
    return memory == H5T_FLOAT && (file == H5T_INTEGER || file == H5T_ENUM);
}

static ub_status get_checked(hid_t at, hid_t set, const char *name, hid_t type, hsize_t count,
                             void *data)
{
    char    file[UB_PATH_MAX];
    int     rank;
    hsize_t dims[8], have = 1;
    UB_TRY(shape_of(at, set, name, &rank, dims));
    for (int i = 0; i < rank; i++)
        have *= dims[i];
    if (have != count)
        return UB_FAIL(UB_ESHAPE, "%s: dataset '%s' holds %llu values where %llu are wanted",
                       ub_h5_file_name(at, file, sizeof file), name, (unsigned long long)have,
                       (unsigned long long)count);
    hid_t       own = H5Dget_type(set);
    H5T_class_t kind = H5Tget_class(own);
    (void)H5Tclose(own);
    if (!convertible(kind, H5Tget_class(type)))
        return UB_FAIL(UB_EFORMAT, "%s: dataset '%s' holds %s, which is not the kind wanted",
                       ub_h5_file_name(at, file, sizeof file), name, ub_h5_kind(kind));
    if (count > 0 && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        return fail_at(UB_EFORMAT, at, name, "cannot be read");
    return UB_OK;
}

ub_status ub_h5_get(hid_t at, const char *name, hid_t type, hsize_t count, void *data)
{
    hid_t set;
    UB_TRY(open_dataset(at, name, &set));
    ub_status st = get_checked(at, set, name, type, count, data);
    (void)H5Dclose(set);
    return st;
}

const char *ub_h5_kind(H5T_class_t kind)
{
    switch (kind) {
    case H5T_INTEGER:
        return "whole numbers";
    case H5T_FLOAT:
        return "real numbers";
    case H5T_STRING:
        return "text";
    case H5T_COMPOUND:
        return "records";
    case H5T_ENUM:
        return "an enumeration";
    default:
        return "values of an unusual type";
    }
}
