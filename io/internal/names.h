/* io/internal/names.h - a list of names in one block of memory, so that it can be shared at once.
 *
 * Layer: io, private to io and tests/io.
 */
#ifndef UB_IO_INTERNAL_NAMES_H
#define UB_IO_INTERNAL_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/corpus.h"
#include "core/status.h"
#include "mpi/comm.h"

/* Zero-initialise. */
typedef struct ub_names {
    ub_bytes     text; /* count texts, each with its final zero */
    int64_t      count;
    const char **at; /* count pointers into the text; NULL until ub_names_index */
} ub_names;

UB_LOCAL UB_NODISCARD ub_status ub_names_add(ub_names *n, const char *name, size_t len);
UB_LOCAL void                   ub_names_release(ub_names *n);
/* Make `at`; add nothing afterwards. */
UB_LOCAL UB_NODISCARD ub_status ub_names_index(ub_names *n);
/* Put in the order in which digits count as numbers (demo_2 before demo_10), and index. */
UB_LOCAL UB_NODISCARD ub_status ub_names_sort(ub_names *n);
/* Add the words between commas, blanks around them dropped. */
UB_LOCAL UB_NODISCARD ub_status ub_names_split(ub_names *n, const char *list);
/* "a, b, c and 7 more", or "nothing", for sentences; cut to cap. */
UB_LOCAL void ub_names_text(const ub_names *n, char *text, size_t cap);
/* Rank 0's list on every rank, indexed. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_names_share(const ub_comm *c, ub_names *n);

/* Make a name one link of an HDF5 file: infos/goal becomes infos.goal. */
UB_LOCAL void ub_name_link(char *name);
/* UB_EINPUT, naming both, if two tasks become the same link.  Cost: a sort. */
UB_LOCAL UB_NODISCARD ub_status ub_names_differ(int32_t tasks, char (*name)[UB_NAME_MAX]);

#endif /* UB_IO_INTERNAL_NAMES_H */
