/* Pictures with known factors: known pixels, monotone factors, the corpus made of them. */
#include <math.h>
#include <string.h>

#include "core/sprites.h"
#include "core/synth.h"
#include "tests/support/suite.h"

enum { SIDE = 64, PIXELS = SIDE * SIDE };

static void draw(int factor, double value, int32_t channels, double *pixels)
{
    double f[UB_SPRITE_FACTORS] = {0};
    f[factor] = value;
    ub_sprite_draw(f, SIDE, channels, pixels);
}

/* Pixel at half pictures (x, y) right of and below the middle. */
static const double *at(const double *pixels, int32_t channels, double x, double y)
{
    int i = (int)((y + 1) / 2 * SIDE), j = (int)((x + 1) / 2 * SIDE);
    return pixels + ((int64_t)i * SIDE + j) * channels;
}

static void known_pixels(void)
{
    static double rgb[3 * PIXELS], grey[PIXELS];
    double        f[UB_SPRITE_FACTORS] = {-1, -1, -1};
    ub_sprite_draw(f, SIDE, 3, rgb); /* no hat, no glasses, violet */
    const double *corner = rgb, *cheek = at(rgb, 3, 0.2, 0.15), *mouth = at(rgb, 3, 0, 0.31);
    CU_ASSERT_DOUBLE_EQUAL(corner[0], 0.16, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(corner[2], 0.20, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(cheek[0], 0.45, 1e-3);
    CU_ASSERT_DOUBLE_EQUAL(cheek[2], 0.85, 1e-3);
    CU_ASSERT(mouth[0] < 0.2 && mouth[2] < 0.3);
    f[UB_SPRITE_HAT] = f[UB_SPRITE_GLASSES] = f[UB_SPRITE_COLOUR] = 1;
    ub_sprite_draw(f, SIDE, 3, rgb);
    const double *hat = at(rgb, 3, 0, -0.6), *lens = at(rgb, 3, 0.2, 0);
    cheek = at(rgb, 3, 0.2, 0.25);
    CU_ASSERT_DOUBLE_EQUAL(hat[1], 0.93, 1e-3);
    CU_ASSERT_DOUBLE_EQUAL(lens[0], 0.03, 2e-2);
    CU_ASSERT_DOUBLE_EQUAL(cheek[0], 1, 1e-2);
    CU_ASSERT_DOUBLE_EQUAL(cheek[2], 0.1, 1e-2);
    ub_sprite_draw(f, SIDE, 1, grey);
    for (int64_t i = 0; i < PIXELS; i++) {
        const double *p = rgb + 3 * i;
        UB_CHECK_CLOSE(grey[i], 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2], 1e-15);
        CU_ASSERT(p[0] >= 0 && p[0] <= 1 && p[1] >= 0 && p[1] <= 1 && p[2] >= 0 && p[2] <= 1);
    }
    CU_ASSERT_STRING_EQUAL(ub_sprite_name(UB_SPRITE_ROTATION), "rotation");
    CU_ASSERT(ub_sprite_name(UB_SPRITE_FACTORS) == NULL && ub_sprite_name(-1) == NULL);
}

/* What each factor does, as one number that must grow with it. */
static double measure(int factor, const double *rgb)
{
    double sum = 0, sx = 0, sy = 0, felt_x = 0, felt_all = 0, green = 0;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            const double *p = rgb + ((int64_t)i * SIDE + j) * 3;
            double        off = fabs(p[0] - 0.16) + fabs(p[1] - 0.17) + fabs(p[2] - 0.20);
            double        felt = p[1] > 0.8 ? p[1] - 0.8 : 0; /* only the hat is so bright */
            sum += off;
            green += p[1];
            sx += off * j;
            sy += off * i;
            felt_x += felt * j;
            felt_all += felt;
        }
    switch (factor) {
    case UB_SPRITE_HAT: /* brighter than all that it covers */
        return green;
    case UB_SPRITE_GLASSES:
        return -at(rgb, 3, 0.2, 0)[0];
    case UB_SPRITE_COLOUR:
        return at(rgb, 3, 0.2, 0.25)[0];
    case UB_SPRITE_X:
        return sx / sum;
    case UB_SPRITE_Y:
        return sy / sum;
    case UB_SPRITE_SIZE:
        return sum;
    default: /* clockwise: the hat goes to the right */
        return felt_x / felt_all;
    }
}

static void monotone_factors(void)
{
    static double rgb[3 * PIXELS];
    for (int f = 0; f < UB_SPRITE_FACTORS; f++) {
        double before = -INFINITY;
        for (int k = -10; k <= 10; k++) {
            draw(f, k / 10.0, 3, rgb);
            double now = measure(f, rgb);
            if (!(now > before))
                (void)printf("%s at %g: %.9g after %.9g\n", ub_sprite_name(f), k / 10.0, now,
                             before);
            CU_ASSERT(now > before);
            before = now;
        }
    }
}

/* A small step moves every pixel little, and the picture is the limit of its neighbours. */
static void smooth_factors(void)
{
    static double a[3 * PIXELS], b[3 * PIXELS], c[3 * PIXELS];
    for (int f = 0; f < UB_SPRITE_FACTORS; f++)
        for (int k = -9; k <= 9; k += 3) {
            draw(f, k / 10.0 - 1e-4, 3, a);
            draw(f, k / 10.0, 3, b);
            draw(f, k / 10.0 + 1e-4, 3, c);
            double slope = 0, bend = 0;
            for (int64_t i = 0; i < 3 * PIXELS; i++) {
                slope = fmax(slope, fabs(c[i] - a[i]) / 2e-4);
                bend = fmax(bend, fabs(c[i] - 2 * b[i] + a[i]) / 1e-8);
            }
            CU_ASSERT(slope > 0.1 && slope < 20); /* a fifth of 64 / 2 pixels over 1.5 */
            CU_ASSERT(bend < 400);
        }
}

static void corpus_of_sprites(void)
{
    ub_settings s;
    ub_corpus   c = {0};
    double      factor[UB_SPRITE_FACTORS] = {0}, *clean = NULL, square = 0;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &s));
    s.synth.kind = UB_SYNTH_SPRITES;
    s.synth.tasks = 2;
    s.synth.samples = 50;
    s.synth.image_channels = 3;
    s.synth.irrelevant = 4;
    UB_CHECK(ub_synth(&s, 10, 30, &c));
    CU_ASSERT(c.image[0] == 16 && c.image[1] == 16 && c.image[2] == 3 && c.dim == 768);
    CU_ASSERT(c.latent_dim == 7 && c.steps == 1 && c.task_offset[2] == 8);
    static const uint8_t needed[] = {1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    CU_ASSERT_EQUAL(memcmp(c.latent_relevant, needed, sizeof needed), 0);
    UB_CHECK(UB_ALLOC(clean, c.dim));
    for (int64_t n = 0; n < c.count; n++) {
        for (int j = 0; j < 7; j++) {
            factor[j] = c.latents[n * 7 + j];
            CU_ASSERT(factor[j] > -1 && factor[j] < 1);
        }
        ub_sprite_draw(factor, 16, 3, clean);
        for (int32_t j = 0; j < c.dim; j++) {
            double noise = c.states[n * c.dim + j] - clean[j];
            CU_ASSERT(fabs(noise) < 0.06);
            square += noise * noise;
        }
    }
    CU_ASSERT_DOUBLE_EQUAL(sqrt(square / (double)(c.count * c.dim)), 0.01, 3e-4);
    ub_free(clean);
    ub_corpus_release(&c);
    s.synth.irrelevant = 5;
    UB_CHECK_FAILS(ub_synth(&s, 0, 1, &c), UB_ERANGE, "7 factors, fewer than the 8");
    s.synth.irrelevant = 0;
    s.synth.image_channels = 2;
    UB_CHECK_FAILS(ub_synth(&s, 0, 1, &c), UB_ERANGE, "image_channels = 2");
}

UB_SUITE("sprites", {"pixels are the colours they should be", known_pixels},
         {"every factor does what its name says, monotonically", monotone_factors},
         {"pictures are smooth in every factor", smooth_factors},
         {"a corpus of sprites: pictures of its factors and noise", corpus_of_sprites})
