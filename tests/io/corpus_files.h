/* tests/io/corpus_files.h - small corpus files of any layout, written by rank 0 with plain HDF5. */
#ifndef UB_TESTS_IO_CORPUS_FILES_H
#define UB_TESTS_IO_CORPUS_FILES_H

#include <hdf5.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/settings.h"
#include "io/corpus_h5.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

enum { SHARDS = 8 };

/* How a file of others may hold numbers. */
typedef enum kind { F64, F32, GZIP, INTEGER, BOOLEAN } kind;

/* Warnings since the last look, instead of lines on the terminal. */
static inline int *warnings(void)
{
    static int count;
    return &count;
}

static inline void count_warnings(void *self, ub_log_level level, const char *line)
{
    (void)self;
    (void)line;
    *warnings() += level == UB_LOG_WARN;
}

static inline const char *file_named(const char *name)
{
    static char path[UB_TEXT_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", ub_test_dir(), name);
    return path;
}

static inline void set_text(char *field, const char *text)
{
    size_t n = strlen(text);
    memcpy(field, text, n < UB_TEXT_MAX ? n + 1 : 0);
}

/* Defaults but for the file and K x L. */
static inline void settings_for(ub_settings *s, const char *path, int64_t count, int64_t length)
{
    ub_log_set_sink(count_warnings, NULL);
    *warnings() = 0;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), s));
    set_text(s->corpus.path, path);
    s->segment.count = count;
    s->segment.length = length;
}

/* A dataset of rows x columns from doubles; columns 0: of one dimension; rows -1: a scalar. */
static inline void put(hid_t at, const char *name, kind k, int rows, int columns, const double *x)
{
    hsize_t dims[2] = {(hsize_t)rows, (hsize_t)columns};
    int     rank = rows < 0       ? 0
                   : columns == 0 ? 1
                                  : 2,
        n = rows < 0 ? 1 : rows * (columns > 0 ? columns : 1);
    hid_t space = rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, dims, NULL);
    hid_t lcpl = H5Pcreate(H5P_LINK_CREATE), dcpl = H5Pcreate(H5P_DATASET_CREATE);
    hid_t boolean = H5Tenum_create(H5T_STD_I8LE);
    (void)H5Tenum_insert(boolean, "FALSE", &(int8_t){0});
    (void)H5Tenum_insert(boolean, "TRUE", &(int8_t){1});
    (void)H5Pset_create_intermediate_group(lcpl, 1);
    if (k == GZIP) {
        hsize_t chunk[2] = {3, dims[1]};
        (void)H5Pset_chunk(dcpl, rank, chunk);
        (void)H5Pset_shuffle(dcpl);
        (void)H5Pset_deflate(dcpl, 4);
    }
    hid_t  type = k == F64       ? H5T_IEEE_F64LE
                  : k == INTEGER ? H5T_STD_I32LE
                  : k == BOOLEAN ? boolean
                                 : H5T_IEEE_F32LE;
    hid_t  set = H5Dcreate2(at, name, type, space, lcpl, dcpl, H5P_DEFAULT);
    int8_t flag[256] = {0};
    for (int i = 0; k == BOOLEAN && i < n && i < 256; i++)
        flag[i] = x[i] != 0;
    herr_t rc = k == BOOLEAN ? H5Dwrite(set, boolean, H5S_ALL, H5S_ALL, H5P_DEFAULT, flag)
                             : H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, x);
    CU_ASSERT(set >= 0 && rc >= 0);
    (void)H5Dclose(set);
    (void)H5Tclose(boolean);
    (void)H5Pclose(dcpl);
    (void)H5Pclose(lcpl);
    (void)H5Sclose(space);
}

/* What an observation, action or reward is: different wherever it stands, exact in float32. */
static inline double value(int episode, int row, int column)
{
    return 256 * episode + row + column / 16.0;
}

/* A dataset of such values; columns 0: of one dimension. */
static inline void put_values(hid_t at, const char *name, kind k, int episode, int rows,
                              int columns, int first_column)
{
    double x[4096];
    int    width = columns > 0 ? columns : 1;
    for (int i = 0; i < rows * width && i < 4096; i++)
        x[i] = value(episode, i / width, first_column + i % width);
    put(at, name, k, rows, columns, x);
}

/* Begin and end a file on rank 0; the others wait at the end. */
static inline hid_t begin_file(const char *path)
{
    if (ub_world->rank != 0)
        return -1;
    return H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
}

static inline void end_file(hid_t file)
{
    if (file >= 0)
        (void)H5Fclose(file);
    (void)MPI_Barrier(ub_world->mpi);
}

/* Reading must fail with this sentence, the same on all ranks. */
static inline void refused(const ub_settings *s, ub_status status, const char *part)
{
    ub_corpus c = {0};
    UB_CHECK_FAILS(ub_corpus_read(ub_world, s, SHARDS, &c), status, part);
    CU_ASSERT_PTR_NULL(c.states);
    const char *sentence = ub_err_message();
    UB_CHECK(ub_comm_same(ub_world, sentence, strlen(sentence), "the sentence"));
    ub_corpus_release(&c);
}

/* A last case: neither success nor failure may leak handles. */
static inline void nothing_is_left_open(void)
{
    CU_ASSERT_EQUAL(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
}

#endif /* UB_TESTS_IO_CORPUS_FILES_H */
