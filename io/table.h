/* io/table.h - columns of a table by name, from a text or an HDF5 file, for one-off tests.
 *
 * Text (CSV): a first line of names, then lines of numbers, separated by commas; names and numbers
 * may stand in double quotes ("" inside is one quote); blank lines are passed over.  Only the
 * wanted columns must hold numbers; nan and inf are numbers.
 *
 * HDF5: each dataset NAME of numbers (GROUP/NAME in a group), samples by its first dimension: of
 * one dimension a column, of two the columns NAME.0, NAME.1, ..., of three NAME.0.0, NAME.0.1, ...
 *
 * A name that is no column stands for the columns NAME.0, NAME.1, ... (a vector variable).
 *
 * Layer: io.  Not collective: usually rank 0 alone.
 */
#ifndef UB_IO_TABLE_H
#define UB_IO_TABLE_H

#include <stdint.h>

#include "core/status.h"
#include "mpi/comm.h"

enum { UB_TABLE_LISTS = 8 };

typedef struct ub_table {
    int64_t rows;
    int32_t columns;
    double *x;                   /* column c at x + c * rows; owned */
    int32_t end[UB_TABLE_LISTS]; /* one past the last column of each list */
} ub_table;

/* Read the columns named in some lists (comma separated; NULL or "" names none), in their order.
 *   out  owned by the caller: ub_table_release
 * Memory: a text file is held whole.
 * Errors: UB_EINPUT with file, and line and column where there is one: no such column (with the
 * nearest name), a column wanted twice, a cell that is not a number, a line with another number
 * of cells, datasets of unequal length, nothing there; UB_ENOENT, UB_EIO. */
UB_LOCAL UB_NODISCARD ub_status ub_table_read(const char *path, const char *const *lists, int count,
                                              ub_table *out);
UB_LOCAL void                   ub_table_release(ub_table *t);

#endif /* UB_IO_TABLE_H */
