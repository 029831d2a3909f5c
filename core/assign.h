/* core/assign.h - the best pairing of two sets, one to one.
 *
 * Layer: core.
 */
#ifndef UB_CORE_ASSIGN_H
#define UB_CORE_ASSIGN_H

#include <stdint.h>

#include "core/status.h"

/* Pair rows with columns so that the sum of value[r * columns + c] over the pairs is largest;
 * min(rows, columns) pairs are made.
 *   column   out, rows: the column of each row, -1 if it has none
 * Shortest augmenting paths with potentials (Kuhn 1955; Jonker and Volgenant 1987).  Of equal
 * pairings one is chosen by index, always the same.
 * Cost: O(min^2 max).  Errors: UB_ENUMERIC (a value is not finite), UB_ENOMEM. */
UB_NODISCARD ub_status ub_assign(int32_t rows, int32_t columns, const double *value,
                                 int32_t *column);

#endif /* UB_CORE_ASSIGN_H */
