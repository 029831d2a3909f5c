/* io/columns.h - a table that is made cell by cell and written as CSV and HDF5.
 *
 * Cells are text.  A column whose filled cells all are numbers is written to HDF5 as reals (an
 * empty cell as NaN), any other as text of fixed length.  Equal cells give equal bytes.
 *
 * Layer: io.  Not collective: usually rank 0 alone.
 */
#ifndef UB_IO_COLUMNS_H
#define UB_IO_COLUMNS_H

#include <stdint.h>

#include "core/bytes.h"
#include "mpi/comm.h"

typedef struct ub_columns {
    int64_t rows;
    int32_t count;
    char  **name; /* owned, as are the cells: cell[column][row], NULL: empty */
    char ***cell;
} ub_columns;

/* The column of this name, made (empty, `rows` long) if it is not there.  UB_ENOMEM. */
UB_LOCAL UB_NODISCARD ub_status ub_columns_named(ub_columns *t, const char *name, int32_t *column);
UB_LOCAL UB_NODISCARD ub_status ub_columns_put(ub_columns *t, int64_t row, const char *name,
                                               const char *text);
UB_LOCAL void                   ub_columns_release(ub_columns *t);

/* A line of names, then a line a row; a cell with a comma, quote or line end stands in quotes. */
UB_LOCAL UB_NODISCARD ub_status ub_columns_csv(const ub_columns *t, ub_bytes *out);
/* One dataset a column, a dot in its name kept; attribute `columns` of the root: their names in
 * order, a line each; content_sha256 as in every result.  The file appears whole or not at all. */
UB_LOCAL UB_NODISCARD ub_status ub_columns_write(const ub_columns *t, const char *path);

#endif /* UB_IO_COLUMNS_H */
