/* io/internal/place.h - datasets that one rank makes and all ranks fill.
 *
 * Rank 0 makes the file with HDF5's serial driver, takes the space of every dataset and tells where
 * it begins; then every rank writes its rows there with plain system calls.  Failures stay
 * local errors: docs/adr/0005-checkpoint-writing.md.
 *
 * Layer: io, private to io.
 */
#ifndef UB_IO_INTERNAL_PLACE_H
#define UB_IO_INTERNAL_PLACE_H

#include "io/internal/h5.h"

/* Make a contiguous dataset, its space taken by writing its first value; *place: the byte at which
 * its values begin, 0 if it has none. */
UB_LOCAL UB_NODISCARD ub_status ub_place_take(hid_t file, const char *path, const char *name,
                                              hid_t type, int rank, const hsize_t *dims,
                                              int64_t *place);
/* `bytes` bytes at byte `at` of an open file. */
UB_LOCAL UB_NODISCARD ub_status ub_place_write(int fd, const char *path, const void *data,
                                               int64_t bytes, int64_t at);
/* Open an existing file for ub_place_write; flush to disk and close it (with the outcome st so
 * far, which stays if it is a failure). */
UB_LOCAL UB_NODISCARD ub_status ub_place_open(const char *path, int *fd);
UB_LOCAL UB_NODISCARD ub_status ub_place_close(int fd, const char *path, ub_status st);

#endif /* UB_IO_INTERNAL_PLACE_H */
