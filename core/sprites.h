/* core/sprites.h - small pictures of one figure with seven graded features.
 *
 * A face with a hat and glasses, drawn from factors in [-1, 1]; 0 is the middle of each:
 *
 *   hat       from none (-1) to a tall one
 *   glasses   from none (-1) to opaque ones
 *   colour    of the face: from violet to orange; in grey, from dark to bright
 *   x, y      where it stands: to a fifth of the half picture right of and below the middle
 *   size      from 3/4 to 5/4 of the middle one
 *   rotation  to 30 degrees clockwise
 *
 * Edges are logistic over a pixel and a half, and everything moves continuously: the picture is a
 * smooth function of the factors, and no two of them do the same to it.
 *
 * Layer: core.
 */
#ifndef UB_CORE_SPRITES_H
#define UB_CORE_SPRITES_H

#include <stdint.h>

typedef enum ub_sprite_factor {
    UB_SPRITE_HAT,
    UB_SPRITE_GLASSES,
    UB_SPRITE_COLOUR,
    UB_SPRITE_X,
    UB_SPRITE_Y,
    UB_SPRITE_SIZE,
    UB_SPRITE_ROTATION,
    UB_SPRITE_FACTORS
} ub_sprite_factor;

/* "hat", "glasses", ...; NULL past the end.  Static storage. */
const char *ub_sprite_name(int32_t factor);

/* Draw side x side pixels of `channels` values (1: grey, 3: red, green, blue) in [0, 1], row by row
 * from the top left, channels innermost.
 *   factor  UB_SPRITE_FACTORS values
 * Cost: about 20 exponentials a pixel. */
void ub_sprite_draw(const double *factor, int32_t side, int32_t channels, double *pixels);

#endif /* UB_CORE_SPRITES_H */
