/* core/internal/vector.h - tanh, exp and normal numbers for whole arrays.
 *
 * In double: the C library and core/rng.h, a number at a time; the reference.  In float
 * (core/real.h): polynomials in vector lanes, the same bits on every kind of processor.  Their
 * errors, tested over all exponents, are at most 2 ulp.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_VECTOR_H
#define UB_CORE_INTERNAL_VECTOR_H

#include <stdint.h>

#include "core/real.h"
#include "core/rng.h"

/* x[i] becomes its hyperbolic tangent, its exponential.  (float: exp of x below -87 is exp(-87),
 * above 88 is exp(88): about the ends of the normal numbers.  NaN stays NaN.) */
void ub_vector_tanh(int64_t n, ub_real *x);
void ub_vector_exp(int64_t n, ub_real *x);

/* x[i] becomes x[i] if positive, else exp(x[i]) - 1.  (float: the exponential less 1, so its error
 * is that of numbers about 1.) */
void ub_vector_elu(int64_t n, ub_real *x);

/* n standard normal numbers from the start of a stream.  (float: Box and Muller with both of its
 * numbers used, from 23 + 32 bits; none is beyond 5.8.) */
void ub_vector_normal(ub_rng stream, int64_t n, ub_real *x);

#endif /* UB_CORE_INTERNAL_VECTOR_H */
