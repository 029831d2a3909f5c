/* io/encoding.h - what a model says of every step of a corpus, as HDF5.
 *
 * Layout: docs/formats/encoding.md.  The same bytes on any number of ranks: rank 0 makes the file,
 * every rank fills its rows (docs/adr/0005-checkpoint-writing.md).
 *
 * Layer: io.
 */
#ifndef UB_IO_ENCODING_H
#define UB_IO_ENCODING_H

#include "core/corpus.h"
#include "core/model.h"
#include "mpi/comm.h"

/* Where an encoding comes from; texts are borrowed.  Digests: 64 hexadecimal digits. */
typedef struct ub_encoding_origin {
    const char *model;   /* digest of the model file's content */
    const char *trained; /* digest of the corpus that the model was made from */
    const char *corpus;  /* digest of the corpus that is encoded */
    const char *version; /* of unbraid */
} ub_encoding_origin;

enum { UB_ENCODE_PREDICTIONS = 1, UB_ENCODE_RECONSTRUCTIONS = 2 };

/* Encode this rank's episodes and write all as a new file, which appears under its name only when
 * complete.
 *   corpus     episodes of all ranks tile it; dim that of the model, any number of steps
 *   task_name  of the model's tasks
 *   with       UB_ENCODE_...: also what the heads predict, and the decoder
 *   digest     out, 64 hexadecimal digits: of the latents, as the file says it
 * Memory: the latents of this rank's episodes and a few MB.
 * Errors: UB_EINPUT (dim, task names that become one link), UB_EIO. */
UB_COLLECTIVE UB_NODISCARD ub_status ub_encoding_write(const ub_comm *c, const char *path,
                                                       const ub_corpus *corpus, const ub_model *m,
                                                       char (*task_name)[UB_NAME_MAX], int with,
                                                       const ub_encoding_origin *origin,
                                                       char digest[UB_SHA256_HEX]);

#endif /* UB_IO_ENCODING_H */
