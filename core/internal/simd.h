/* core/internal/simd.h - the one place that names instruction sets.
 *
 * A function marked UB_SIMD is plain C, compiled once per instruction set; the loader picks one at
 * program start.  Its vectors subtract, compare and count; floating point sums stay in order, and
 * the build forbids fused operations, so every variant gives the same bits.  Elsewhere than gcc,
 * x86-64 and glibc it is compiled once.  UB_SIMD_PLAIN asks for that everywhere, UB_SIMD_CLONES for
 * other instruction sets: tests/jobs/cli_portable.sh compares such programs with this one.
 *
 * Layer: core, private.
 */
#ifndef UB_CORE_INTERNAL_SIMD_H
#define UB_CORE_INTERNAL_SIMD_H

#include <stddef.h> /* tells whether the C library is glibc */
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__) &&       \
    !defined(UB_SIMD_PLAIN)
#ifndef UB_SIMD_CLONES
#define UB_SIMD_CLONES "arch=x86-64-v4", "arch=x86-64-v3", "default"
#endif
#define UB_SIMD __attribute__((target_clones(UB_SIMD_CLONES)))
#define UB_INLINE static inline __attribute__((always_inline))
/* for over l = 0 .. LANES - 1: kept a loop until it is made one vector operation. */
#define UB_EACH_LANE(l) _Pragma("GCC unroll 1") for (int l = 0; l < LANES; l++)
#else
#define UB_SIMD
#define UB_INLINE static inline
#define UB_EACH_LANE(l) for (int l = 0; l < LANES; l++)
#endif

/* Of 17 values: those at 0, 2 .. 14, at 1, 3 .. 15 and at 2, 4 .. 16.  Shuffles by name, as loops
 * over every other value become single loads and stores (gcc 12). */
UB_INLINE void ub_simd_unzip(const double *x, double *even, double *odd, double *next)
{
#if defined(__GNUC__) && !defined(__clang__) && !defined(UB_SIMD_PLAIN)
    typedef double  lanes __attribute__((vector_size(64)));
    typedef int64_t order __attribute__((vector_size(64)));
    lanes           a, b, last = {x[16]}, e, o, n;
    memcpy(&a, x, sizeof a);
    memcpy(&b, x + 8, sizeof b);
    e = __builtin_shuffle(a, b, (order){0, 2, 4, 6, 8, 10, 12, 14});
    o = __builtin_shuffle(a, b, (order){1, 3, 5, 7, 9, 11, 13, 15});
    n = __builtin_shuffle(e, last, (order){1, 2, 3, 4, 5, 6, 7, 8});
    memcpy(even, &e, sizeof e);
    memcpy(odd, &o, sizeof o);
    memcpy(next, &n, sizeof n);
#else
    for (int l = 0; l < 8; l++) {
        even[l] = x[2 * l];
        odd[l] = x[2 * l + 1];
        next[l] = x[2 * l + 2];
    }
#endif
}

#endif /* UB_CORE_INTERNAL_SIMD_H */
