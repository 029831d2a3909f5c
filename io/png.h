/* io/png.h - pictures as PNG files, by libpng.
 *
 * Layer: io.  Rank 0 alone; files appear whole or not at all.
 */
#ifndef UB_IO_PNG_H
#define UB_IO_PNG_H

#include <stdint.h>

#include "core/bytes.h"
#include "core/status.h"
#include "mpi/comm.h"

/* Append a picture of 8 bits a value as a PNG file.
 *   channels  1: grey, 3: red, green, blue;  pixels  height x width x channels, top row first
 * No times or names of programs in it: equal pixels, equal bytes (of one libpng and zlib).
 * Errors: UB_ERANGE (a side below 1 or beyond a million pixels), UB_EIO with libpng's words. */
UB_LOCAL UB_NODISCARD ub_status ub_png_encode(int64_t height, int64_t width, int32_t channels,
                                              const uint8_t *pixels, ub_bytes *out);

/* Write rows x columns small pictures as one, with gaps, magnified to about 96 pixels each.
 *   image  height, width, channels (1 or 3) of each
 *   tile   rows x columns, borrowed: height x width x channels values, [0, 1] is black to white and
 *          what lies outside is cut off; NULL: none here
 *   ruled  a wider gap behind the first so many columns
 * Errors: UB_ERANGE (more than a GiB of pixels), UB_EIO, UB_ENOMEM. */
UB_LOCAL UB_NODISCARD ub_status ub_png_grid(const char *path, const int32_t image[3], int64_t rows,
                                            int64_t columns, int64_t ruled,
                                            const double *const *tile);

#endif /* UB_IO_PNG_H */
