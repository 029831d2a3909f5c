/* core/internal/cosine.h - many cosines at once.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_COSINE_H
#define UB_CORE_INTERNAL_COSINE_H

#include <stdint.h>

/* Replace t[0 .. n) by cos(2 pi t): the argument is in turns, so that taking off whole turns is
 * exact.  |t| <= 2^50.  Absolute error below 1e-15; values within 1e-15 of [-1, 1]; the same bits
 * on every instruction set.  About 1 ns a number with eight lanes. */
void ub_cosine_turns(int64_t n, double *t);

#endif /* UB_CORE_INTERNAL_COSINE_H */
