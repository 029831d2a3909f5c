/* core/internal/poly.h - the polynomial regression of gcm_poly, for members that start from it.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_POLY_H
#define UB_CORE_INTERNAL_POLY_H

#include "core/internal/gcm.h"

/* See core/ci/gcm_poly.c; reads ci.degree. */
extern const ub_gcm_method ub_gcm_polynomials;

#endif /* UB_CORE_INTERNAL_POLY_H */
