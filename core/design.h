/* core/design.h - where a sweep looks: sequences of points in the unit cube, one interface.
 *
 * Each design is one file core/design/NAME.c that defines `const ub_design
 * ub_design_NAME`, plus the line UB_DESIGN(NAME) in core/design/registry.def.
 *
 * Layer: core (no MPI, no files).
 */
#ifndef UB_CORE_DESIGN_H
#define UB_CORE_DESIGN_H

#include "core/space.h"

typedef struct ub_design_query {
    const ub_space *space;
    int64_t         points; /* sweep.points: how many are asked for */
    uint64_t        seed;
} ub_design_query;

typedef struct ub_design {
    const char *name; /* the word used in configurations; equals the file name */
    const char *summary;
    const char *reference; /* of the formula; "" if none */

    /* Does the sequence of more points begin with that of fewer? */
    bool extends;
    /* Is a part of it no design?  The first points of a grid have one value of slow parameters. */
    bool whole;
    /* Length of the sequence: a design without an end says INT64_MAX.  UB_EINPUT. */
    ub_status (*length)(const ub_design_query *q, int64_t *length);
    /* Points first .. first + count - 1 into u, count x space->count, in [0, 1).  A point depends
     * on its number and the query only.  UB_ERANGE, UB_ENOMEM. */
    ub_status (*points)(const ub_design_query *q, int64_t first, int64_t count, double *u);
} ub_design;

/* The i-th registered design, or NULL past the end; its name; the one of that name or NULL. */
const ub_design *ub_design_at(size_t i);
const char      *ub_design_name_at(size_t i);
const ub_design *ub_design_find(const char *name);

#endif /* UB_CORE_DESIGN_H */
