/* core/internal/simd.h - the one place that names instruction sets.
 *
 * A function marked UB_SIMD is plain C, compiled once per instruction set; the loader picks one at
 * program start.  Its vectors subtract, compare and count; floating point sums stay in order, and
 * the build forbids fused operations, so every variant gives the same bits.  Elsewhere than gcc,
 * x86-64 and glibc it is compiled once.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_SIMD_H
#define UB_CORE_INTERNAL_SIMD_H

#include <stddef.h> /* tells whether the C library is glibc */

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
#define UB_SIMD __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define UB_INLINE static inline __attribute__((always_inline))
/* for over l = 0 .. LANES - 1: kept a loop until it is made one vector operation. */
#define UB_EACH_LANE(l) _Pragma("GCC unroll 1") for (int l = 0; l < LANES; l++)
#else
#define UB_SIMD
#define UB_INLINE static inline
#define UB_EACH_LANE(l) for (int l = 0; l < LANES; l++)
#endif

#endif /* UB_CORE_INTERNAL_SIMD_H */
