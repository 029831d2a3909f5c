#include "core/sprites.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const char *const names[] = {"hat", "glasses", "colour", "x", "y", "size", "rotation"};

const char *ub_sprite_name(int32_t factor)
{
    return factor >= 0 && factor < UB_SPRITE_FACTORS ? names[factor] : NULL;
}

/* A figure is drawn in coordinates of its own: the face has half axes face_x and face_y around
 * (0, 0), y down, and one unit is `scale` half pictures. */
static const double face_x = 0.62, face_y = 0.8, scale = 0.66;

static const double background[] = {0.16, 0.17, 0.20}, cold[] = {0.45, 0.20, 0.85},
                    warm[] = {1.00, 0.62, 0.10}, felt[] = {0.93, 0.93, 0.90},
                    glass[] = {0.03, 0.03, 0.05};

/* What the factors say, and how soft an edge is in the figure's units. */
typedef struct figure {
    double x, y, size, cosine, sine, hat, glasses, edge, face[3];
} figure;

static figure figure_of(const double *factor, int32_t side)
{
    double angle = factor[UB_SPRITE_ROTATION] * 30 * M_PI / 180;
    figure f = {.x = 0.2 * factor[UB_SPRITE_X],
                .y = 0.2 * factor[UB_SPRITE_Y],
                .size = scale * (1 + 0.25 * factor[UB_SPRITE_SIZE]),
                .cosine = cos(angle),
                .sine = sin(angle),
                .hat = (1 + factor[UB_SPRITE_HAT]) / 2,
                .glasses = (1 + factor[UB_SPRITE_GLASSES]) / 2};
    f.edge = 0.7 / side / f.size; /* a logistic edge of a pixel and a half */
    for (int c = 0; c < 3; c++)
        f.face[c] = cold[c] + (warm[c] - cold[c]) * (1 + factor[UB_SPRITE_COLOUR]) / 2;
    return f;
}

/* 1 inside (d < 0), 0 outside, 1/2 on the edge. */
static double inside(const figure *f, double d)
{
    return 1 / (1 + exp(d / f->edge));
}

static double in_ellipse(const figure *f, double x, double y, double a, double b)
{
    return inside(f, (sqrt(x * x / (a * a) + y * y / (b * b)) - 1) * sqrt(a * b));
}

/* Four edges; a box whose top is its bottom covers nothing. */
static double in_box(const figure *f, double x, double y, double left, double right, double top,
                     double bottom)
{
    return inside(f, left - x) * inside(f, x - right) *
           (inside(f, top - y) - inside(f, bottom - y));
}

static void paint(double cover, const double *with, double *colour)
{
    for (int c = 0; c < 3; c++)
        colour[c] += cover * (with[c] - colour[c]);
}

/* The colour at (x, y) of the figure's own coordinates. */
static void figure_at(const figure *f, double x, double y, double *colour)
{
    /* The hat grows out of the forehead, crown and brim. */
    double crown = in_box(f, x, y, -0.45, 0.45, -0.42 - 0.8 * f->hat, -0.42);
    double brim = in_box(f, x, y, -0.8, 0.8, -0.4 - 0.2 * f->hat, -0.4);
    for (int c = 0; c < 3; c++)
        colour[c] = background[c];
    paint(in_ellipse(f, x, y, face_x, face_y), f->face, colour);
    paint(in_box(f, x, y, -0.25, 0.25, 0.42, 0.54), glass, colour); /* mouth */
    paint(1 - (1 - crown) * (1 - brim), felt, colour);
    double spectacles = 1 - (1 - in_ellipse(f, x + 0.3, y + 0.02, 0.23, 0.23)) *
                                (1 - in_ellipse(f, x - 0.3, y + 0.02, 0.23, 0.23)) *
                                (1 - in_box(f, x, y, -0.62, 0.62, -0.08, 0.0));
    paint(f->glasses * spectacles, glass, colour);
}

void ub_sprite_draw(const double *factor, int32_t side, int32_t channels, double *pixels)
{
    figure f = figure_of(factor, side);
    for (int32_t i = 0; i < side; i++)
        for (int32_t j = 0; j < side; j++) {
            double x = (2 * j + 1.0) / side - 1 - f.x, y = (2 * i + 1.0) / side - 1 - f.y;
            double colour[3], *pixel = pixels + ((int64_t)i * side + j) * channels;
            figure_at(&f, (f.cosine * x + f.sine * y) / f.size,
                      (f.cosine * y - f.sine * x) / f.size, colour);
            if (channels == 1) /* luma of ITU-R BT.601 */
                pixel[0] = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
            else
                memcpy(pixel, colour, sizeof colour);
        }
}
