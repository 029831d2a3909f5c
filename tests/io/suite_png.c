/* Pictures: what libpng's reader gives back is what was written. */
#include <png.h>
#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "io/file.h"
#include "io/png.h"
#include "tests/support/suite.h"

/* Read a PNG file in memory by libpng's simplified reader into pixels (room for most bytes). */
static int read_back(const void *data, size_t n, int channels, uint8_t *pixels, size_t most,
                     int32_t size[2])
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(&image, data, n))
        return 0;
    CU_ASSERT_EQUAL((image.format & PNG_FORMAT_FLAG_COLOR) != 0, channels == 3);
    image.format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    size[0] = (int32_t)image.height;
    size[1] = (int32_t)image.width;
    int fits = PNG_IMAGE_SIZE(image) <= most;
    int done = fits && png_image_finish_read(&image, NULL, pixels, 0, NULL);
    png_image_free(&image);
    return done;
}

static void round_trip(void)
{
    static uint8_t       in[200 * 300 * 3], out[200 * 300 * 3];
    static const int32_t size[][3] = {{1, 1, 1}, {1, 1, 3}, {7, 13, 1}, {200, 300, 3}, {300, 2, 1}};
    ub_rng               r = ub_rng_make(1, UB_RNG_TEST, 0);
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)ub_rng_below(&r, 256);
    for (size_t i = 0; i < sizeof size / sizeof size[0]; i++) {
        ub_bytes b = {0};
        int32_t  got[2];
        size_t   n = (size_t)size[i][0] * (size_t)size[i][1] * (size_t)size[i][2];
        memset(out, 0, sizeof out);
        UB_CHECK(ub_png_encode(size[i][0], size[i][1], size[i][2], in, &b));
        CU_ASSERT(read_back(b.data, b.len, size[i][2], out, sizeof out, got));
        CU_ASSERT(got[0] == size[i][0] && got[1] == size[i][1]);
        CU_ASSERT_EQUAL(memcmp(in, out, n), 0);
        ub_bytes_release(&b);
    }
    ub_bytes b = {0};
    UB_CHECK_FAILS(ub_png_encode(0, 5, 1, in, &b), UB_ERANGE, "5 x 0");
    UB_CHECK_FAILS(ub_png_encode(1, 2000000, 1, in, &b), UB_ERANGE, "2000000 x 1");
    CU_ASSERT_EQUAL(b.len, 0);
    ub_bytes_release(&b);
}

/* Two rows of three pictures of 2 x 3 pixels, magnified 32 times, one left out. */
static void grid_places_tiles(void)
{
    enum { H = 2, W = 3, ZOOM = 32, GAP = 4, RULE = 12, HEIGHT = GAP + 2 * (H * ZOOM + GAP) };
    enum { WIDTH = GAP + 3 * (W * ZOOM + GAP) + RULE - GAP };
    static const int32_t image[] = {H, W, 1};
    static uint8_t       px[HEIGHT * WIDTH];
    static const double  a[] = {0, 0.2, 0.4, 0.6, 0.8, 1}, b[] = {-3, 7, 0.5, 0, 0, 0};
    const double        *tile[] = {a, b, a, a, NULL, b};
    char                 path[512];
    ub_bytes             file = {0};
    int32_t              got[2];
    (void)snprintf(path, sizeof path, "%s/grid.png", ub_test_dir());
    UB_CHECK(ub_png_grid(path, image, 2, 3, 1, tile));
    UB_CHECK(ub_file_read(path, &file));
    CU_ASSERT(read_back(file.data, file.len, 1, px, sizeof px, got));
    CU_ASSERT(got[0] == HEIGHT && got[1] == WIDTH);
    for (int r = 0; r < 2; r++)
        for (int c = 0; c < 3; c++)
            for (int k = 0; k < H * W; k++) {
                int           y = GAP + r * (H * ZOOM + GAP) + k / W * ZOOM + ZOOM / 2;
                int           x = GAP + c * (W * ZOOM + GAP) + (c >= 1 ? RULE - GAP : 0);
                const double *t = tile[r * 3 + c];
                double        v = t == NULL ? 1 : t[k] < 0 ? 0 : t[k] > 1 ? 1 : t[k];
                x += k % W * ZOOM;
                CU_ASSERT_EQUAL(px[y * WIDTH + x], (int)(255 * v + 0.5));
                CU_ASSERT_EQUAL(px[y * WIDTH + x + ZOOM - 1], (int)(255 * v + 0.5));
            }
    CU_ASSERT(px[0] == 255 && px[HEIGHT * WIDTH - 1] == 255);
    ub_bytes_release(&file);
    UB_CHECK_FAILS(ub_png_grid(path, (int32_t[]){4000, 4000, 3}, 20, 20, 0, tile), UB_ERANGE,
                   "fewer frames");
    UB_CHECK_FAILS(ub_png_grid("/no/such/place.png", image, 2, 3, 1, tile), UB_EIO, "/no/such");
}

UB_SUITE("png", {"libpng reads back the pixels that were written", round_trip},
         {"a grid puts every picture in its place", grid_places_tiles})
