/* core/corpus.h - a rank's share of an aligned corpus, in memory.
 *
 * N episodes (the statistical samples), T aligned steps, a state in R^d a step,
 * M task variables, each a vector.  Everything in double, whatever the file had.
 *
 * Layer: core.
 */
#ifndef UB_CORE_CORPUS_H
#define UB_CORE_CORPUS_H

#include <stdint.h>

#include "core/sha256.h"
#include "core/status.h"

enum { UB_NAME_MAX = 64 };

typedef struct ub_corpus {
    int64_t  episodes;     /* N, of all ranks */
    int64_t  first, count; /* this rank's episodes: first .. first + count - 1 */
    int32_t  steps;        /* T */
    int32_t  dim;          /* d */
    int32_t  tasks;        /* M */
    int32_t  segment;      /* L: steps of a segment; K = T / L (T is a multiple of L) */
    int32_t *task_offset;  /* M + 1: columns of task i are [task_offset[i], task_offset[i+1]) */
    char (*task_name)[UB_NAME_MAX]; /* M */
    double *states;                 /* count x T x d, row-major */
    double *targets;                /* count x task_offset[M] */
    int32_t image[3]; /* a state is a picture of height x width x channels = d; 0: it is none */

    /* Truth, where the file knows it; for scoring only, never for fitting. */
    uint8_t *truth;           /* T x M, 1 = step belongs to task; replicated; or NULL */
    int32_t  latent_dim;      /* n; 0 if there are none */
    double  *latents;         /* count x T x n; or NULL */
    uint8_t *latent_relevant; /* n x M, 1 = the latent is needed by the task; replicated; or NULL */

    unsigned char
        digest[UB_SHA256_BYTES]; /* of states and targets of all ranks; see ub_corpus_digest */
} ub_corpus;

/* Allocate for the shape given in *c (episodes, count, steps, dim, tasks, and
 * task_offset already set by the caller); truth and latents stay NULL. */
UB_NODISCARD ub_status ub_corpus_alloc(ub_corpus *c);
void                   ub_corpus_release(ub_corpus *c);

/* K = T / L. */
int32_t ub_corpus_segments(const ub_corpus *c);

/* XOR over the local episodes of sha256(global index, shape, states, targets):
 * combining the ranks' values with XOR gives the corpus digest, whatever the
 * partition.  Cost: one pass over the data. */
void ub_corpus_digest_local(const ub_corpus *c, unsigned char digest[UB_SHA256_BYTES]);

#endif /* UB_CORE_CORPUS_H */
