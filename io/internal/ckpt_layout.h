/* io/internal/ckpt_layout.h - what writing and reading of checkpoints share: the layout of the file
 * (docs/formats/checkpoint.md).
 *
 * Layer: io, private to io.
 */
#ifndef UB_IO_INTERNAL_CKPT_LAYOUT_H
#define UB_IO_INTERNAL_CKPT_LAYOUT_H

#include <stdint.h>

#include "core/bytes.h"
#include "core/status.h"
#include "io/checkpoint.h"
#include "io/internal/h5.h"

enum {
    UB_CKPT_VERSION = 1,
    UB_CKPT_BLOCK = 65536, /* doubles under one checksum; part of the format */
    UB_CKPT_NAME = 64      /* bytes of the name of an array, with its final zero */
};

#define UB_CKPT_FORMAT "unbraid checkpoint"

/* Blocks of an array, and doubles in block b. */
static inline int64_t ub_ckpt_blocks(int64_t width)
{
    return width / UB_CKPT_BLOCK + (width % UB_CKPT_BLOCK != 0);
}

static inline int64_t ub_ckpt_block_length(int64_t width, int64_t b)
{
    return width - b * UB_CKPT_BLOCK < UB_CKPT_BLOCK ? width - b * UB_CKPT_BLOCK : UB_CKPT_BLOCK;
}

/* CRC-32. */
UB_LOCAL uint32_t ub_ckpt_sum(const void *data, int64_t bytes);

/* Append what a checkpoint is, as text: step, study, arrays.  Two are compatible if the texts are
 * equal.  Errors: UB_EARG. */
UB_LOCAL UB_NODISCARD ub_status ub_ckpt_describe(int64_t step, const char *identity,
                                                 const ub_ckpt_array *arrays, int count,
                                                 ub_bytes *out);

/* A run of values of a one-dimensional dataset; one at least. */
typedef struct ub_ckpt_slab {
    const char *path, *name; /* for sentences */
    hid_t       set, type;
    int64_t     first, count;
} ub_ckpt_slab;

/* Write it from, or read it to memory; the other is NULL.  Errors: UB_EIO, UB_EFORMAT. */
UB_LOCAL UB_NODISCARD ub_status ub_ckpt_transfer(const ub_ckpt_slab *s, const void *from, void *to);

#endif /* UB_IO_INTERNAL_CKPT_LAYOUT_H */
