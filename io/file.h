/* io/file.h - small files, whole or not at all.
 *
 * Layer: io.  Not collective: usually rank 0 alone.
 */
#ifndef UB_IO_FILE_H
#define UB_IO_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"
#include "core/status.h"
#include "mpi/comm.h"

enum { UB_PATH_MAX = 4096 }; /* bytes of a path with its final zero */

/* Replace `path` by these bytes: written beside it, flushed to disk, renamed, folder flushed.
 * Errors: UB_EIO with path and reason (disk full included); the old file is then untouched. */
UB_LOCAL UB_NODISCARD ub_status ub_file_write(const char *path, const void *data, size_t n);
/* The same without flushing: whole for every reader, but after a power cut it may be anything. */
UB_LOCAL UB_NODISCARD ub_status ub_file_replace(const char *path, const void *data, size_t n);
/* Append the content of `path` to out.  Errors: UB_ENOENT, UB_EIO. */
UB_LOCAL UB_NODISCARD ub_status ub_file_read(const char *path, ub_bytes *out);
UB_LOCAL bool                   ub_file_exists(const char *path);
/* Make an empty file, or empty it.  Errors: UB_EIO. */
UB_LOCAL UB_NODISCARD ub_status ub_file_touch(const char *path);
/* Make a folder and its parents; fine if it is there. */
UB_LOCAL UB_NODISCARD ub_status ub_dir_make(const char *path);
/* Flush the folder that holds `path`, so that a rename in it survives a power cut. */
UB_LOCAL UB_NODISCARD ub_status ub_dir_sync(const char *path);
/* Flush a closed file's content to disk. */
UB_LOCAL UB_NODISCARD ub_status ub_file_sync(const char *path);

/* For files that another library writes: the name to write under, DIR/.NAME.new, into buf
 * (UB_PATH_MAX bytes), then, once it is closed, make it the file `path`: flush, rename, flush the
 * folder.  A commit that fails removes the temporary file. */
UB_LOCAL UB_NODISCARD ub_status ub_file_temp(const char *path, char *buf);
UB_LOCAL UB_NODISCARD ub_status ub_file_commit(const char *temp, const char *path);

#endif /* UB_IO_FILE_H */
