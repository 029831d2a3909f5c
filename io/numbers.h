/* io/numbers.h - the numbers of a flat JSON object, by name.
 *
 * Layer: io.
 */
#ifndef UB_IO_NUMBERS_H
#define UB_IO_NUMBERS_H

#include "core/bytes.h"
#include "mpi/comm.h"

/* Called for every member of the outermost object whose value is a number (NaN for null), in their
 * order; `text` is the number as it stands ("" for null). */
typedef ub_status (*ub_number_visit)(void *self, const char *name, double value, const char *text);

/* UB_EFORMAT if the text is no JSON object. */
UB_LOCAL UB_NODISCARD ub_status ub_numbers_each(const ub_bytes *json, const char *file,
                                                ub_number_visit visit, void *self);

#endif /* UB_IO_NUMBERS_H */
