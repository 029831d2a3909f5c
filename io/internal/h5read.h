/* io/internal/h5read.h - reading numbers that others wrote: any numeric dataset as rows of doubles.
 *
 * Files of others hold float32 and float64, integers, numpy's bool (an enumeration over int8),
 * scalars, (N) and (N, 1).  All of it arrives here as rows of doubles.  Reads are independent: a
 * rank may call them alone, on a serial or a parallel handle.
 *
 * Layer: io, private to io and tests/io.
 */
#ifndef UB_IO_INTERNAL_H5READ_H
#define UB_IO_INTERNAL_H5READ_H

#include <hdf5.h>
#include <stdbool.h>

#include "core/status.h"
#include "io/internal/names.h"

enum { UB_H5_NAME_MAX = 512 }; /* bytes of an object's full name, with the final zero */

/* A dataset open for reading; zero-initialise. */
typedef struct ub_h5_rows {
    hid_t   set;  /* 0: closed */
    int     rank; /* dimensions; 0 for a scalar */
    hsize_t dims[8];
    int64_t rows;                 /* dims[0]; 1 for a scalar */
    int64_t width;                /* product of the other dimensions */
    char    name[UB_H5_NAME_MAX]; /* full name, for sentences */
} ub_h5_rows;

/* Join a group's name and a name below it; UB_EINPUT if it is longer than UB_H5_NAME_MAX. */
UB_LOCAL UB_NODISCARD ub_status ub_h5_join(const char *group, const char *name,
                                           char full[UB_H5_NAME_MAX]);

/* Open a dataset.  One that is already open under that name stays open, with its chunk cache; any
 * other is closed first.  Errors: UB_EINPUT with file and dataset: missing, not a dataset, or
 * not numbers. */
UB_LOCAL UB_NODISCARD ub_status ub_h5_rows_open(hid_t file, const char *name, ub_h5_rows *r);
/* Rows [first, first + count), count * width doubles, read in pieces of at most 64 MiB. */
UB_LOCAL UB_NODISCARD ub_status ub_h5_rows_get(const ub_h5_rows *r, int64_t first, int64_t count,
                                               double *out);
UB_LOCAL void                   ub_h5_rows_close(ub_h5_rows *r);

typedef enum ub_h5_object { UB_H5_NOTHING, UB_H5_GROUP, UB_H5_DATASET } ub_h5_object;
/* What is there under that name; never fails. */
UB_LOCAL ub_h5_object ub_h5_look(hid_t file, const char *name);

/* Number in an attribute of an object, any numeric type; *found says whether it is there. */
UB_LOCAL UB_NODISCARD ub_status ub_h5_number(hid_t file, const char *object, const char *name,
                                             bool *found, double *value);
/* Does the root's attribute `name` hold this text? */
UB_LOCAL bool ub_h5_says(hid_t file, const char *name, const char *text);

/* Add the links of a group, in the order of their bytes, and index. */
UB_LOCAL UB_NODISCARD ub_status ub_h5_links(hid_t file, const char *group, ub_names *n);
/* Add the datasets below group/under, named relative to `group`, in the order of their names,
 * groups entered; if `under` is a dataset, itself. */
UB_LOCAL UB_NODISCARD ub_status ub_h5_leaves(hid_t file, const char *group, const char *under,
                                             ub_names *n);

#endif /* UB_IO_INTERNAL_H5READ_H */
