/* io/internal/result.h - what result files have in common: how they begin, end and hold arrays.
 *
 * Layer: io, private to io.  Rank 0 alone.
 */
#ifndef UB_IO_INTERNAL_RESULT_H
#define UB_IO_INTERNAL_RESULT_H

#include "core/corpus.h"
#include "io/internal/h5.h"
#include "io/results.h"

enum { UB_RESULT_FIELDS = 16, UB_RESULT_VECTOR = -1 };

/* One array of a result and its dataset: the same list serves writing and reading. */
typedef struct ub_result_field {
    const char *name;
    hid_t       type;          /* in memory */
    int64_t     rows, columns; /* columns UB_RESULT_VECTOR: one dimension */
    void       *data;          /* NULL: not there */
} ub_result_field;

UB_LOCAL UB_NODISCARD ub_status ub_result_put(hid_t file, const ub_result_field *f);
/* UB_ESHAPE if the dataset has another shape. */
UB_LOCAL UB_NODISCARD ub_status ub_result_get(hid_t file, const char *path,
                                              const ub_result_field *f);
/* Dataset task_name. */
UB_LOCAL UB_NODISCARD ub_status ub_result_put_names(hid_t   file, char (*name)[UB_NAME_MAX],
                                                    int32_t count);
UB_LOCAL UB_NODISCARD ub_status ub_result_get_names(hid_t   file, char (*name)[UB_NAME_MAX],
                                                    int32_t count);
/* An attribute that is a size: 0 .. INT32_MAX. */
UB_LOCAL UB_NODISCARD ub_status ub_result_get_size(hid_t file, const char *path, const char *name,
                                                   int32_t *out);

UB_LOCAL UB_NODISCARD ub_status ub_result_put_origin(hid_t file, const char *format,
                                                     const ub_origin *o);
/* Close a file whose content was written with status st, verify it and give it its name; whatever
 * fails, nothing stays. */
UB_LOCAL UB_NODISCARD ub_status ub_result_finish(hid_t *file, const char *temp, const char *path,
                                                 ub_status st);
/* Has the content the digest that the file says?  hex: out, it. */
UB_LOCAL UB_NODISCARD ub_status ub_result_check(hid_t file, const char *path,
                                                char hex[UB_SHA256_HEX]);
/* Open a result for reading: whole, undamaged and of that format. */
UB_LOCAL UB_NODISCARD ub_status ub_result_open(const char *path, const char *format, hid_t *file);

#endif /* UB_IO_INTERNAL_RESULT_H */
