/* core/space.h - what a sweep varies: parameters, their ranges, conditions and constraints.
 *
 * One line a parameter (sweep.parameters), blank lines and # comments skipped:
 *
 *   KEY = A, B, C                     a list of values
 *   KEY = LOW .. HIGH                 a range, ends included: whole numbers or reals, as KEY has
 *   KEY = LOW .. HIGH log             even in the logarithm
 *   KEY = LOW .. HIGH in 5            the grid takes 5 values of it, evenly; without: every whole
 *                                     number, and of reals it cannot know
 *   ... when OTHER = A, B             only where OTHER, of a line above, has one of these values;
 *                                     elsewhere KEY keeps the value of the configuration
 *
 * One line a constraint (sweep.constraints): a comparison of settings (core/compare.h).
 *
 * A space turns a point of the unit cube (core/design.h) into settings.
 *
 * Layer: core.
 */
#ifndef UB_CORE_SPACE_H
#define UB_CORE_SPACE_H

#include "core/schema.h"

enum { UB_SPACE_PARAMETERS = 64, UB_SPACE_CHOICES = 64, UB_SPACE_CONSTRAINTS = 32 };

typedef struct ub_parameter {
    const char     *key;
    const ub_field *field;
    bool            range, log;
    double          low, high;
    int64_t         levels;  /* of a grid; 0: not said */
    int32_t         choices; /* of a list */
    const char     *choice[UB_SPACE_CHOICES];
    int32_t         when; /* a parameter before this one, or -1 */
    int32_t         whens;
    const char     *when_value[UB_SPACE_CHOICES];
} ub_parameter;

typedef struct ub_space {
    const ub_schema *schema; /* borrowed */
    int32_t          count, constraints;
    ub_parameter    *parameter;                        /* owned */
    const char      *constraint[UB_SPACE_CONSTRAINTS]; /* lines */
    char            *text;                             /* owned: what the pointers point into */
} ub_space;

/* Read the lines.  base: settings in which every value is tried, so that a wrong one is found now.
 * Errors: UB_EINPUT, UB_ERANGE, UB_EARG, UB_ENOENT, with the line. */
UB_NODISCARD ub_status ub_space_parse(const ub_schema *schema, const void *base, size_t size,
                                      const char *parameters, const char *constraints,
                                      ub_space *out);
void                   ub_space_release(ub_space *s);

/* Values of parameter p on the grid; UB_EINPUT if it is a range of reals without `in N`. */
UB_NODISCARD ub_status ub_space_levels(const ub_space *s, int32_t p, int64_t *levels);
/* The coordinate in [0, 1) at which ub_space_set gives value `level` of `levels`. */
double ub_space_level(const ub_space *s, int32_t p, int64_t level, int64_t levels);

/* Set the parameters of `settings` (a copy of the base) to the point u (count numbers in [0, 1)).
 * Reals are rounded to six digits: what a table shows is what ran.  active: count, out, 0 where a
 * condition leaves the parameter alone; may be NULL. */
UB_NODISCARD ub_status ub_space_set(const ub_space *s, const double *u, void *settings,
                                    unsigned char *active);
/* Do these settings meet all constraints? */
UB_NODISCARD ub_status ub_space_meets(const ub_space *s, const void *settings, bool *meets);

#endif /* UB_CORE_SPACE_H */
