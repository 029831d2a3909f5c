/* io/results.h - what a run leaves behind, as HDF5: the task graph and the model.
 *
 * Files hold no times, hosts or rank counts, so equal studies give equal content.  Each file
 * carries the digest of its own content (all datasets and attributes in name order), and a few
 * attributes that say where it comes from: corpus digest, study identity, version.  Layouts:
 * docs/formats/structure.md, docs/formats/model.md.
 *
 * Layer: io.  Rank 0 alone; files appear whole or not at all.
 */
#ifndef UB_IO_RESULTS_H
#define UB_IO_RESULTS_H

#include "core/evidence.h"
#include "core/model.h"
#include "core/settings.h"
#include "core/task_graph.h"
#include "core/trainer.h"
#include "mpi/comm.h"

/* Where a result comes from; texts are borrowed. */
typedef struct ub_origin {
    const char *identity; /* 64 hexadecimal digits: settings that matter + corpus */
    const char *corpus;   /* 64 hexadecimal digits: ub_corpus.digest */
    const char *config;   /* resolved settings, YAML, without free fields */
    const char *version;  /* of unbraid */
} ub_origin;

/* truth: T x M or NULL; stored beside the result for drawing and scoring. */
UB_LOCAL UB_NODISCARD ub_status ub_results_write_graph(const char *path, const ub_task_graph *g,
                                                       const uint8_t   *truth,
                                                       const ub_origin *origin);
/* truth: out, T x M owned by the caller or NULL if the file has none; may be NULL. */
UB_LOCAL UB_NODISCARD ub_status ub_results_read_graph(const char *path, ub_task_graph *g,
                                                      uint8_t **truth);
/* evidence: NULL or of the model; log: support may be NULL. */
UB_LOCAL UB_NODISCARD ub_status ub_results_write_model(const char *path, const ub_model *m,
                                                       const ub_evidence        *evidence,
                                                       const ub_trainer_history *log,
                                                       const ub_origin          *origin);
/* restarts stay empty: what is known of them comes with the evidence. */
UB_LOCAL UB_NODISCARD ub_status ub_results_read_model(const char *path, ub_model *m);
/* Evidence of a model file, owned by the caller (ub_evidence_release); latents 0: it has none. */
UB_LOCAL UB_NODISCARD ub_status ub_results_read_evidence(const char *path, ub_evidence *out);
/* Training log of a model file; its arrays are owned by the caller (ub_free). */
UB_LOCAL UB_NODISCARD ub_status ub_results_read_log(const char *path, ub_trainer_history *out);

/* Verify a result file: opens, its content has the digest it says.
 * hex: out, that digest.  Errors: UB_EFORMAT naming the file and what is damaged. */
UB_LOCAL UB_NODISCARD ub_status ub_results_verify(const char *path, char hex[UB_SHA256_HEX]);

/* Is there an undamaged result of this study?  identity: 64 hexadecimal digits. */
UB_LOCAL bool ub_results_belongs(const char *path, const char *identity);
/* Attribute of a result file: "identity", "corpus", ...; appended as text. */
UB_LOCAL UB_NODISCARD ub_status ub_results_origin(const char *path, const char *name,
                                                  ub_bytes *out);

#endif /* UB_IO_RESULTS_H */
