/* core/evidence.h - which latents a task needs, and how far that can be trusted.
 *
 * Layer: core.
 */
#ifndef UB_CORE_EVIDENCE_H
#define UB_CORE_EVIDENCE_H

#include <stdint.h>

#include "core/bytes.h"
#include "core/corpus.h"
#include "core/model.h"
#include "core/shard.h"

/* strength = mean |dg/dz| over the task's columns and its samples, times the standard deviation
 * of the latent: how far the (standardised) task moves when the latent does.
 *   sum       over n rows: mu, mu^2 (latents each), then |dg/dz| (tasks x latents) over the rows
 *             at which the task counts
 *   used      tasks: how many rows those are; NULL: strengths of a task are wanted up to a factor
 *   strength  out, tasks x latents; 0 for a task without rows */
void ub_strengths(const ub_model_shape *shape, const double *sum, double n, const double *used,
                  double *strength);
/* A task keeps the latents whose strength is above the part `keep` of its largest.
 *   relevant  out, latents: 1/0; may be NULL
 * Returns how many it keeps. */
int32_t ub_strengths_keep(int32_t latents, double keep, const double *strength, uint8_t *relevant);

/* What held-out samples say of a trained model beyond its strengths.  NaN: cannot be known.
 *
 * Initialisations code the same factor in latents of different numbers and signs.  Those of each
 * are therefore paired one to one with those of the kept one, so that the sum of
 * |correlation| of their means is largest (core/assign.h); a pair below UB_EVIDENCE_MATCH is none.
 */
#define UB_EVIDENCE_MATCH 0.3
#define UB_EVIDENCE_RANK 0.01 /* smaller singular values, relative to the largest, do not count */
#define UB_EVIDENCE_KL 0.01   /* nats; a latent below carries nothing */
enum { UB_EVIDENCE_LATENTS = 512 }; /* with more, moments would not fit: no evidence is made */

typedef struct ub_evidence {
    int32_t tasks, latents;         /* 0: there is none */
    int64_t restarts, kept;         /* initialisations; the one that is the model */
    int64_t samples;                /* held-out ones looked at */
    char (*task_name)[UB_NAME_MAX]; /* tasks; owned, as all below */
    double  *objective;             /* restarts: held-out */
    int32_t *match;                 /* restarts x latents: the partner of latent j; -1 = none */
    double  *likeness;              /* restarts x latents: |correlation| with it, 0 without */
    double  *confidence;  /* tasks x latents: share of the other initialisations in which the task
                             keeps the latent's partner; NaN with one initialisation */
    double *agreement;    /* tasks: R^2 of the latents it keeps from those it keeps in another
                             initialisation (linear), or the other way round, the smaller; the mean
                             over the others.  1: the same group, in whatever mixture */
    double *task_r2;      /* tasks: of the head, held out, mean over columns; NaN if none counts */
    double *singular;     /* tasks x latents: singular values, falling, of the task's Jacobian with
                             respect to the latents it keeps (times their standard
                             deviation), stacked over the samples, a root mean square over them */
    double  *correlation; /* latents x latents: of the means */
    double  *kl;          /* latents: mean KL to the prior, nats */
    ub_bytes warnings;    /* a sentence a line; see ub_evidence_warn */
} ub_evidence;

/* Room for the sizes set in *e; all zero. */
UB_NODISCARD ub_status ub_evidence_alloc(ub_evidence *e);
void                   ub_evidence_release(ub_evidence *e);

/* Sums over held-out samples of the shards of a corpus; how many numbers.  m: with restarts. */
int64_t ub_evidence_width(const ub_model *m);
/* Set sum (width) to what shard s (of `shards`; held here) adds: at most about 8192 / shards of
 * its held-out samples, evenly spaced.
 *   use  T x M, 1 = the task counts at the step; NULL = all
 * Cost: an encoder pass a sample and initialisation. */
UB_NODISCARD ub_status ub_evidence_shard(const ub_model *m, const ub_corpus *corpus, int64_t shards,
                                         int64_t s, double holdout, const uint8_t *use,
                                         double *sum);
/* Everything, warnings too, from the sum over all shards. */
UB_NODISCARD ub_status ub_evidence_make(const ub_model *m, const ub_corpus *corpus,
                                        const double *sum, ub_evidence *out);

/* Append what somebody who trusts this model should know, a sentence a line: what it is and what
 * to do.  Nothing to say: nothing is appended. */
UB_NODISCARD ub_status ub_evidence_warn(const ub_model *m, const ub_evidence *e, ub_bytes *out);

#endif /* UB_CORE_EVIDENCE_H */
