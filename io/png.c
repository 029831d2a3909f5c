#include "io/png.h"

#include <math.h>
#include <png.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "io/file.h"

enum { TILE = 96, GAP = 4, RULE = 12, PAPER = 255, MOST = 1 << 30 };

/* libpng reports by a jump (png.h brings setjmp); the sentence waits here. */
typedef struct work {
    png_structp png;
    png_infop   info;
    ub_bytes   *out;
    ub_status   st; /* of appending */
    char        why[160];
} work;

static _Noreturn void on_error(png_structp png, png_const_charp why)
{
    work *w = png_get_error_ptr(png);
    (void)snprintf(w->why, sizeof w->why, "%s", why);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp why)
{
    (void)png;
    (void)why;
}

static void on_write(png_structp png, png_bytep data, size_t n)
{
    work *w = png_get_io_ptr(png);
    w->st = ub_bytes_put(w->out, data, n);
    if (w->st != UB_OK)
        png_error(png, "no memory");
}

static void on_flush(png_structp png)
{
    (void)png;
}

/* Between here and its end libpng may jump back; nothing is allocated by us. */
static bool write_all(work *w, int64_t height, int64_t width, int32_t channels,
                      const uint8_t *pixels)
{
    if (setjmp(png_jmpbuf(w->png)) != 0)
        return false;
    png_set_write_fn(w->png, w, on_write, on_flush);
    png_set_IHDR(w->png, w->info, (png_uint_32)width, (png_uint_32)height, 8,
                 channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(w->png, w->info);
    for (int64_t r = 0; r < height; r++)
        png_write_row(w->png, pixels + r * width * channels);
    png_write_end(w->png, w->info);
    return true;
}

ub_status ub_png_encode(int64_t height, int64_t width, int32_t channels, const uint8_t *pixels,
                        ub_bytes *out)
{
    if (height < 1 || width < 1 || height > 1000000 || width > 1000000)
        return UB_FAIL(UB_ERANGE, "a PNG file of %lld x %lld pixels cannot be made",
                       (long long)width, (long long)height);
    work w = {.out = out};
    w.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w, on_error, on_warning);
    if (w.png != NULL)
        w.info = png_create_info_struct(w.png);
    if (w.info == NULL) {
        png_destroy_write_struct(&w.png, NULL);
        return UB_FAIL(UB_ENOMEM, "libpng could not be started");
    }
    bool done = write_all(&w, height, width, channels, pixels);
    png_destroy_write_struct(&w.png, &w.info);
    if (done)
        return UB_OK;
    return w.st != UB_OK ? w.st : UB_FAIL(UB_EIO, "libpng: %s", w.why);
}

/* ---- grid ---- */

typedef struct grid {
    const int32_t *image;
    int64_t        rows, columns, ruled;
    int64_t        zoom, height, width; /* of the whole, in pixels */
    uint8_t       *pixels;
} grid;

static uint8_t byte_of(double v)
{
    return v > 0 ? v < 1 ? (uint8_t)lround(255 * v) : 255 : 0; /* not a number: black */
}

static void put_tile(grid *g, int64_t row, int64_t column, const double *value)
{
    int64_t h = g->image[0], w = g->image[1], channels = g->image[2];
    int64_t top = GAP + row * (h * g->zoom + GAP);
    int64_t left = GAP + column * (w * g->zoom + GAP) + (column >= g->ruled ? RULE - GAP : 0);
    for (int64_t y = 0; y < h * g->zoom; y++) {
        uint8_t *to = g->pixels + ((top + y) * g->width + left) * channels;
        for (int64_t x = 0; x < w * g->zoom; x++)
            for (int64_t c = 0; c < channels; c++)
                *to++ = byte_of(value[(y / g->zoom * w + x / g->zoom) * channels + c]);
    }
}

ub_status ub_png_grid(const char *path, const int32_t image[3], int64_t rows, int64_t columns,
                      int64_t ruled, const double *const *tile)
{
    int64_t   larger = image[0] > image[1] ? image[0] : image[1];
    grid      g = {.image = image, .rows = rows, .columns = columns, .ruled = ruled};
    ub_bytes  file = {0};
    ub_status st = UB_OK;
    g.zoom = larger < TILE ? TILE / larger : 1;
    g.height = GAP + rows * (image[0] * g.zoom + GAP);
    g.width = GAP + columns * (image[1] * g.zoom + GAP) + (ruled < columns ? RULE - GAP : 0);
    if ((double)g.height * (double)g.width * image[2] > MOST)
        return UB_FAIL(UB_ERANGE,
                       "%s: %lld x %lld pictures of %d x %d pixels are too many for one PNG file; "
                       "ask for fewer frames or episodes",
                       path, (long long)rows, (long long)columns, image[0], image[1]);
    UB_TRY_OUT(UB_ALLOC(g.pixels, g.height * g.width * image[2]));
    memset(g.pixels, PAPER, (size_t)(g.height * g.width * image[2]));
    for (int64_t i = 0; i < rows * columns; i++)
        if (tile[i] != NULL)
            put_tile(&g, i / columns, i % columns, tile[i]);
    UB_TRY_OUT(ub_png_encode(g.height, g.width, image[2], g.pixels, &file));
    UB_TRY_OUT(ub_file_write(path, file.data, file.len));
out:
    ub_free(g.pixels);
    ub_bytes_release(&file);
    return st;
}
