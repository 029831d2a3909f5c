#include "io/internal/svg.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

const double ub_svg_opacity[UB_SVG_LEVELS + 1] = {0, .25, .45, .7, 1};

/* No '<', '>' or '&' in here: it stands in XML as it is. */
static const char style[] =
    "<style>"
    ".ub{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;"
    "font-size:12px}"
    ".ub text{fill:#1f2328}.ub .t{font-size:17px;font-weight:600}.ub .h{font-weight:600}"
    ".ub text.m{fill:#636b75}.ub .e{text-anchor:end}.ub .c{text-anchor:middle}"
    ".ub text.v{fill:#fff}"
    ".ub .bg{fill:#fff}.ub .lane{fill:#f1f3f5}.ub .gap{stroke:#fff;stroke-width:1}"
    ".ub .grid{stroke:#d9dde2;stroke-width:1}.ub .axis{stroke:#8a929c;stroke-width:1}"
    ".ub .none{fill:#d5d9de}.ub .truth{fill:#4a525c}"
    ".ub .extra{fill:url(#ub-hatch);stroke:#1f2328;stroke-width:1.2}.ub .hatch{stroke:#1f2328}"
    ".ub .miss{fill:none;stroke:#1f2328;stroke-width:1.4;stroke-dasharray:3 2}"
    ".ub .keep{fill:none;stroke:#1f2328;stroke-width:2}"
    ".ub .curve{fill:none;stroke-linejoin:round}"
    "@media screen and (prefers-color-scheme:dark){"
    ".ub text{fill:#e6e8eb}.ub text.m{fill:#9aa4af}.ub .bg{fill:#16191d}.ub .lane{fill:#22272e}"
    ".ub .gap{stroke:#16191d}.ub .grid{stroke:#333a43}.ub .axis{stroke:#78828d}"
    ".ub .none{fill:#3d454f}.ub .truth{fill:#aab3bd}.ub .extra{stroke:#fff}.ub .hatch{stroke:#fff}"
    ".ub .miss{stroke:#fff}.ub .keep{stroke:#fff}}"
    "</style>";

void ub_svg_begin(ub_pen *p, double height, const char *title, const char *fmt, ...)
{
    char    note[256];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(note, sizeof note, fmt, ap);
    va_end(ap);
    ub_pen_printf(p,
                  "<svg xmlns='http://www.w3.org/2000/svg' class='ub' viewBox='0 0 %d %g' "
                  "width='%d' height='%g' role='img'>\n<title>%s</title>\n<desc>",
                  UB_SVG_WIDTH, height, UB_SVG_WIDTH, height, title);
    ub_pen_escape(p, note, 0);
    ub_pen_put(p, "</desc>\n");
    ub_pen_put(p, style);
    ub_pen_put(p, "\n<defs><pattern id='ub-hatch' width='5' height='5' "
                  "patternUnits='userSpaceOnUse' patternTransform='rotate(45)'>"
                  "<line class='hatch' x1='0' y1='0' x2='0' y2='5' stroke-width='2.4'/>"
                  "</pattern></defs>\n");
    ub_svg_rect(p, "bg", 0, 0, UB_SVG_WIDTH, height);
    ub_svg_text(p, "t", 20, 28, "%s", title);
    ub_svg_text(p, "m", 20, 48, "%s", note);
}

void ub_svg_end(ub_pen *p)
{
    ub_pen_put(p, "</svg>\n");
}

void ub_svg_text(ub_pen *p, const char *class, double x, double y, const char *fmt, ...)
{
    char    text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ub_pen_printf(p, "<text class='%s' x='%g' y='%g'>", class, x, y);
    ub_pen_escape(p, text, 0);
    ub_pen_put(p, "</text>\n");
}

void ub_svg_name(ub_pen *p, const char *class, double x, double y, const char *name, size_t most)
{
    ub_pen_printf(p, "<text class='%s' x='%g' y='%g'><title>", class, x, y);
    ub_pen_escape(p, name, 0);
    ub_pen_put(p, "</title>");
    ub_pen_escape(p, name, most);
    ub_pen_put(p, "</text>\n");
}

void ub_svg_rect(ub_pen *p, const char *class, double x, double y, double w, double h)
{
    ub_pen_printf(p, "<rect class='%s' x='%g' y='%g' width='%g' height='%g'/>\n", class, x, y, w,
                  h);
}

void ub_svg_block(ub_pen *p, int32_t color, int level, double x, double y, double w, double h)
{
    char hex[8];
    ub_svg_color(color, hex);
    ub_pen_printf(p, "<rect fill='%s' fill-opacity='%g' x='%g' y='%g' width='%g' height='%g'/>\n",
                  hex, ub_svg_opacity[level], x, y, w, h);
}

void ub_svg_line(ub_pen *p, const char *class, double x1, double y1, double x2, double y2)
{
    ub_pen_printf(p, "<line class='%s' x1='%g' y1='%g' x2='%g' y2='%g'/>\n", class, x1, y1, x2, y2);
}

/* Turn the hue of a colour (components in [0, 1]) by `degrees`, keeping lightness and saturation
 * of the HSL model. */
static void turn_hue(double rgb[3], double degrees)
{
    double top = fmax(rgb[0], fmax(rgb[1], rgb[2])), low = fmin(rgb[0], fmin(rgb[1], rgb[2]));
    double c = top - low, hue = 0;
    if (c <= 0)
        return;
    if (top == rgb[0])
        hue = fmod((rgb[1] - rgb[2]) / c + 6, 6);
    else
        hue = top == rgb[1] ? (rgb[2] - rgb[0]) / c + 2 : (rgb[0] - rgb[1]) / c + 4;
    hue = fmod(hue + degrees / 60, 6);
    for (int i = 0; i < 3;
         i++) { /* distance of the hue from each primary: red 0, green 2, blue 4 */
        double d = fabs(hue - 2 * i);
        d = fmin(d, 6 - d);
        rgb[i] = low + c * fmin(1, fmax(0, 2 - d));
    }
}

/* Keep a colour visible on white and on black: luma (ITU-R BT.709 weights) within .3 .. .75. */
static void keep_visible(double rgb[3])
{
    double luma = .2126 * rgb[0] + .7152 * rgb[1] + .0722 * rgb[2];
    for (int i = 0; i < 3; i++) {
        if (luma < .3)
            rgb[i] += (1 - rgb[i]) * (.3 - luma) / (1 - luma);
        else if (luma > .75)
            rgb[i] *= .75 / luma;
    }
}

void ub_svg_color(int32_t i, char hex[8])
{
    static const unsigned base[8] = {0x0072b2, 0xe69f00, 0x009e73, 0xcc79a7,
                                     0x56b4e9, 0xd55e00, 0x7e57a6, 0xd8c400};
    unsigned              rgb = base[i % 8];
    double part[3] = {(rgb >> 16) / 255., (rgb >> 8 & 255) / 255., (rgb & 255) / 255.};
    if (i >= 8) {
        turn_hue(part, 22.5 * (i / 8 % 16));
        keep_visible(part);
    }
    (void)snprintf(hex, 8, "#%02x%02x%02x", (unsigned)lround(part[0] * 255) & 255u,
                   (unsigned)lround(part[1] * 255) & 255u, (unsigned)lround(part[2] * 255) & 255u);
}

double ub_svg_tick(double span, int most, double least)
{
    double step = pow(10, floor(log10(span / most)));
    while (span / step > most)
        step *= span / (2 * step) <= most ? 2 : span / (5 * step) <= most ? 5 : 10;
    return fmax(step, least);
}

bool ub_svg_is_range(double low, double high)
{
    return high - low > 1e-9 * fmax(fabs(low), fabs(high));
}
