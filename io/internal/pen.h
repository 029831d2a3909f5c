/* io/internal/pen.h - writing text into a ub_bytes without an error check a line.
 *
 * The first failure sticks and later calls do nothing; ub_pen_end() returns it and takes back what
 * was written.  Between begin and end the calling thread is in the "C" locale, so numbers have
 * a decimal point wherever the program runs.  Every begin needs its end; pens nest.
 *
 * Layer: io, private to io and tests/io.
 */
#ifndef UB_IO_INTERNAL_PEN_H
#define UB_IO_INTERNAL_PEN_H

#include <locale.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/corpus.h"
#include "mpi/comm.h"

typedef struct ub_pen {
    ub_bytes *out; /* borrowed; appended to */
    size_t    start;
    ub_status st;
    locale_t  c, before;
} ub_pen;

UB_LOCAL void                   ub_pen_begin(ub_pen *p, ub_bytes *out);
UB_LOCAL UB_NODISCARD ub_status ub_pen_end(ub_pen *p);
/* Take over the outcome of a call that wrote to the same buffer. */
UB_LOCAL void ub_pen_note(ub_pen *p, ub_status st);

UB_LOCAL void ub_pen_put(ub_pen *p, const char *text);
UB_LOCAL void ub_pen_printf(ub_pen *p, const char *fmt, ...) UB_PRINTF(2, 3);
/* The shortest decimal number that reads back as v; nan, inf, -inf. */
UB_LOCAL void ub_pen_number(ub_pen *p, double v);
/* Text for XML and HTML, elements and attributes alike: &<>"' escaped; what XML 1.0 does not
 * allow (control characters, bytes that are not UTF-8) becomes U+FFFD.
 * most: longest text in characters, the middle of longer ones becomes an ellipsis; 0 = any
 * length */
UB_LOCAL void ub_pen_escape(ub_pen *p, const char *text, size_t most);
/* The same characters without escapes, control characters as U+FFFD, padded with blanks to
 * `width` and cut there: a column of a table on a terminal. */
UB_LOCAL void ub_pen_column(ub_pen *p, const char *text, size_t width);
/* The runs of ones among flag[0], flag[stride], ... (count of them) as "0-3, 7, 9-12"; element i
 * stands for the numbers i*scale .. (i+1)*scale-1.  Stops at about `budget` characters with how
 * many runs are left; "none" without ones. */
UB_LOCAL void ub_pen_ranges(ub_pen *p, int64_t count, const uint8_t *flag, int64_t stride,
                            int64_t scale, const char *dash, size_t budget);

/* Name of task i: as given, or "task i" where there is none.  buf holds it in the second case. */
UB_LOCAL const char *ub_task_label(char (*names)[UB_NAME_MAX], int32_t i, char buf[UB_NAME_MAX]);

#endif /* UB_IO_INTERNAL_PEN_H */
