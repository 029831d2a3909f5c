/* core/compare.h - comparisons of settings, as people write them:
 *
 *   TERM < TERM     or <=, >, >=, ==, !=
 *
 * where a term is a key, a number, or a product of these (KEY * KEY <= 4096); == and != also
 * compare words (structure.test == gsq).
 *
 * Layer: core.
 */
#ifndef UB_CORE_COMPARE_H
#define UB_CORE_COMPARE_H

#include "core/schema.h"

/* Does `line` hold for these settings?  where: the setting it comes from, for the sentence.
 * Errors: UB_EINPUT if it is no comparison of keys, numbers and words that can be compared. */
UB_NODISCARD ub_status ub_compare(const ub_schema *schema, const void *settings, const char *where,
                                  const char *line, bool *holds);

/* Lines "NUMBER when COMPARISON" (blank ones and # comments skipped): the number of the last whose
 * comparison holds, or `otherwise`.  Errors: UB_EINPUT with the line. */
UB_NODISCARD ub_status ub_compare_choose(const ub_schema *schema, const void *settings,
                                         const char *where, const char *lines, double otherwise,
                                         double *number);

#endif /* UB_CORE_COMPARE_H */
