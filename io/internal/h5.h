/* io/internal/h5.h - the one door to HDF5: short calls, one kind of error.
 *
 * The error stack of the library is silenced; its innermost words go into our sentence, with file
 * and dataset.  Handles are hid_t.  "serial" calls open the file with the default driver for the
 * calling rank alone; "parallel" ones with MPI-IO for all ranks of a communicator, with an MPI-IO
 * component that is known to be sound (see docs/adr on Open MPI's io components).
 *
 * Layer: io, private to io and tests/io.
 */
#ifndef UB_IO_INTERNAL_H5_H
#define UB_IO_INTERNAL_H5_H

#include <hdf5.h>
#include <stdbool.h>

#include "core/bytes.h"
#include "core/sha256.h"
#include "core/status.h"
#include "io/mpiio.h"
#include "mpi/comm.h"

/* st with "FILE: dataset 'NAME': WHAT: HDF5's innermost message"; name may be NULL.  Call it before
 * any other function of HDF5, which would clear the message. */
ub_status ub_h5_fail(ub_status st, const char *file, const char *name, const char *what);
/* Path of the file that holds the object, into buf; returns buf. */
UB_LOCAL const char *ub_h5_file_name(hid_t at, char *buf, size_t cap);
/* "real numbers", "text", ...: a type class in words. */
UB_LOCAL const char *ub_h5_kind(H5T_class_t kind);

UB_LOCAL UB_NODISCARD ub_status ub_h5_create(const char *path, hid_t *file);
/* UB_ENOENT (missing), UB_EFORMAT (not HDF5, truncated or damaged: says so), UB_EIO. */
UB_LOCAL UB_NODISCARD ub_status ub_h5_open(const char *path, hid_t *file);
/* Errors: UB_EINPUT, by an MPI-IO component that is known to write wrong data; UB_EIO. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_h5_create_parallel(const ub_comm *c, const char *path,
                                                           hid_t *file);
/* The same with hints for MPI-IO. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_h5_create_parallel_with(const ub_comm *c, MPI_Info info,
                                                                const char *path, hid_t *file);
UB_COLLECTIVE UB_NODISCARD ub_status ub_h5_open_parallel(const ub_comm *c, const char *path,
                                                         hid_t *file);
/* Close, with every object of it still open; *file becomes -1; a negative handle is fine.
 * Collective if the file is parallel.  After a failure ub_h5_lost() is true (io/mpiio.h). */
UB_NODISCARD ub_status ub_h5_close(hid_t *file, const char *path);

/* Close a file after a failure, whose sentence stays the last word.  Otherwise as ub_h5_close. */
void ub_h5_drop(hid_t *file);

/* What a collective call of HDF5 came to on this rank.  A failure becomes UB_EMPI where there are
 * other ranks: a disk may fail one alone, and the others are then in that call, or the next, for
 * ever (HDF5 1.10.8 on ROMIO; a failed write or close).  The file is left as it is. */
UB_LOCAL UB_NODISCARD ub_status ub_h5_together(const ub_comm *c, ub_status mine);

bool ub_h5_has(hid_t at, const char *name);

/* Make a contiguous dataset without times and fill values, and its groups; the handle, or -1 with
 * the sentence stored (return UB_EIO).  Collective if the file is parallel. */
hid_t ub_h5_make(hid_t at, const char *name, hid_t type, int rank, const hsize_t *dims);

/* Whole datasets, serial.  `type` is a native memory type; rank <= 8; intermediate groups are made.
 */
UB_LOCAL UB_NODISCARD ub_status ub_h5_put(hid_t at, const char *name, hid_t type, int rank,
                                          const hsize_t *dims, const void *data);
/* Shape of a dataset: rank and up to 8 dims.  UB_ENOENT if it is missing. */
UB_LOCAL UB_NODISCARD ub_status ub_h5_shape(hid_t at, const char *name, int *rank, hsize_t dims[8]);
/* Read a whole dataset that must have exactly `count` elements.  Integers and enumerations (numpy's
 * bool) may be read as reals, reals never as integers.  Errors: UB_ENOENT, UB_ESHAPE, UB_EFORMAT.
 */
UB_LOCAL UB_NODISCARD ub_status ub_h5_get(hid_t at, const char *name, hid_t type, hsize_t count,
                                          void *data);

/* Attributes of `at` (a group, dataset or file): texts and integers. */
UB_LOCAL UB_NODISCARD ub_status ub_h5_put_text(hid_t at, const char *name, const char *text);
UB_LOCAL UB_NODISCARD ub_status ub_h5_get_text(hid_t at, const char *name, ub_bytes *out);
UB_LOCAL UB_NODISCARD ub_status ub_h5_put_int(hid_t at, const char *name, int64_t value);
UB_LOCAL UB_NODISCARD ub_status ub_h5_get_int(hid_t at, const char *name, int64_t *value);

#define UB_H5_DIGEST "content_sha256" /* the root's attribute that says the digest */
#define UB_H5_PARTS "content_crc32"   /* and the one that says the checksums of its objects */
/* SHA-256 over all datasets and attributes, members of a group in the order of their names, groups
 * depth first: name, type class and size, shape, bytes in native order; the attribute
 * content_sha256 and content_crc32 of the root are left out.  Memory: 8 MiB, or one row of a
 * dataset. */
UB_LOCAL UB_NODISCARD ub_status ub_h5_digest(hid_t file, unsigned char digest[UB_SHA256_BYTES]);
/* The same, and into parts (may be NULL) a line "CRC NAME" for each object in that order: CRC-32
 * (zlib) of what it adds to the digest, in 8 hexadecimal digits; the root is ".". */
UB_LOCAL UB_NODISCARD ub_status ub_h5_digest_parts(hid_t         file,
                                                   unsigned char digest[UB_SHA256_BYTES],
                                                   ub_bytes     *parts);

#endif /* UB_IO_INTERNAL_H5_H */
