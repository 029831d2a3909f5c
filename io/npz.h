/* io/npz.h - arrays for numpy: a zip of .npy files, readable by numpy.load.
 *
 * The same arrays give the same bytes: entries in the order they were put, stored, dated
 * 1980-01-01.  The zip is written by libzip (docs/adr/0008-npz.md).
 *
 * Layer: io.  Rank 0 alone.
 */
#ifndef UB_IO_NPZ_H
#define UB_IO_NPZ_H

#include "core/status.h"
#include "mpi/comm.h"

typedef struct ub_npz ub_npz;

/* Begin an archive in memory.  The file appears when it is finished. */
UB_LOCAL UB_NODISCARD ub_status ub_npz_begin(const char *path, ub_npz **out);
/* Add an array.
 *   name   in the archive, without .npy
 *   kind   of an element: 'f', 'i', 'u' (native byte order) or 'S' (bytes); size: its bytes
 *   dims   rank of them, row-major; copied, as the data is */
UB_LOCAL UB_NODISCARD ub_status ub_npz_put(ub_npz *z, const char *name, char kind, size_t size,
                                           int rank, const int64_t *dims, const void *data);
/* Write and release it; a failure so far (st) only releases it. */
UB_LOCAL UB_NODISCARD ub_status ub_npz_finish(ub_npz **z, ub_status st);

/* Every dataset of an HDF5 file under its full name, and the attributes of its root, numbers and
 * texts, as arrays without dimensions.
 * Errors: UB_EFORMAT (a dataset of a kind that numpy's basic arrays do not have), UB_EIO. */
UB_LOCAL UB_NODISCARD ub_status ub_npz_from_h5(const char *h5, const char *path);

#endif /* UB_IO_NPZ_H */
