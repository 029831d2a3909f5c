/* core/rng.h - counter-based random numbers, keyed by (seed, purpose, item).
 *
 * A stream is a value: whoever knows the key gets the same numbers, on any
 * rank, in any order.  Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel
 * random numbers: as easy as 1, 2, 3", SC11), tested on its published vectors.
 *
 * Layer: core, ground floor.  No global state.
 */
#ifndef UB_CORE_RNG_H
#define UB_CORE_RNG_H

#include <stdint.h>

/* What a stream is for: two purposes never share numbers. Append only. */
typedef enum ub_rng_purpose {
    UB_RNG_SYNTH_GRAPH,
    UB_RNG_SYNTH_EPISODE,
    UB_RNG_INIT,
    UB_RNG_SHUFFLE,
    UB_RNG_LATENT_NOISE,
    UB_RNG_CI_TEST,
    UB_RNG_SPLIT,
    UB_RNG_EVAL,
    UB_RNG_TEST,
    UB_RNG_REGRESSION,
    UB_RNG_REHEARSE_ITEM,
    UB_RNG_REHEARSE_RANK,
    UB_RNG_DESIGN,
    UB_RNG_SHAPES,
    UB_RNG_REHEARSE_FAILURE
} ub_rng_purpose;

typedef struct ub_rng {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4]; /* numbers of the current counter */
    int      used;     /* how many of `block` are spent */
} ub_rng;

/* The stream of (seed, purpose, item).  Items are any 64-bit numbers. */
ub_rng ub_rng_make(uint64_t seed, ub_rng_purpose purpose, uint64_t item);

/* One block of the generator: 10 rounds on a counter under a key. */
void ub_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

uint32_t ub_rng_u32(ub_rng *r);
uint64_t ub_rng_u64(ub_rng *r);
/* Uniform in (0, 1): never 0, never 1. */
double ub_rng_uniform(ub_rng *r);
/* Standard normal (Box-Muller; two uniforms a number, no hidden state). */
double ub_rng_normal(ub_rng *r);
/* Uniform integer in [0, n), n >= 1, without bias (rejection). */
uint64_t ub_rng_below(ub_rng *r, uint64_t n);
/* Random permutation of 0..n-1 (Fisher-Yates) into p. */
void ub_rng_permutation(ub_rng *r, int64_t n, int64_t *p);

#endif /* UB_CORE_RNG_H */
