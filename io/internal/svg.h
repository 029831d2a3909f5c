/* io/internal/svg.h - what all drawings share: frame, style sheet, colours, ticks.
 *
 * Drawings are 1100 units wide, carry their own style (light, dark on a dark screen, light on
 * paper), need no script and name no other file.  Classes are the same in all of them, because the
 * style of an SVG inside a page applies to the whole page.
 *
 * Layer: io, private to io and tests/io.
 */
#ifndef UB_IO_INTERNAL_SVG_H
#define UB_IO_INTERNAL_SVG_H

#include <stdbool.h>

#include "io/internal/pen.h"

enum { UB_SVG_WIDTH = 1100, UB_SVG_LEVELS = 4 };

/* Opacity of shade 0 .. UB_SVG_LEVELS; 0 is nothing. */
extern const double ub_svg_opacity[UB_SVG_LEVELS + 1];

/* Open a drawing: frame, style, title (18 units high text at the top left) and one line below it.
 * `note` is made by a printf format. */
UB_LOCAL void ub_svg_begin(ub_pen *p, double height, const char *title, const char *fmt, ...)
    UB_PRINTF(4, 5);
UB_LOCAL void ub_svg_end(ub_pen *p);

/* A text; classes: "m" muted, "e" ends at x, "c" centred on x, "h" heading, "v" on a dark cell. */
UB_LOCAL void ub_svg_text(ub_pen *p, const char *class, double x, double y, const char *fmt, ...)
    UB_PRINTF(5, 6);
/* A name of somebody else's making: escaped, cut to `most` characters, whole when pointed at. */
UB_LOCAL void ub_svg_name(ub_pen *p, const char *class, double x, double y, const char *name,
                          size_t most);
/* A rectangle; classes: "bg", "lane", "none" (not tested), "truth", "extra", "miss", "keep". */
UB_LOCAL void ub_svg_rect(ub_pen *p, const char *class, double x, double y, double w, double h);
/* A filled rectangle of a task's colour, level 1 .. UB_SVG_LEVELS. */
UB_LOCAL void ub_svg_block(ub_pen *p, int32_t color, int level, double x, double y, double w,
                           double h);
/* A line; classes: "grid", "axis". */
UB_LOCAL void ub_svg_line(ub_pen *p, const char *class, double x1, double y1, double x2, double y2);

/* Colour i as "#rrggbb": the seven colours of Okabe and Ito (2008) that show on white and on
 * black, and a violet in place of black; from 8 on the same with the hue turned by 22.5 degrees a
 * round, neither too dark nor too pale. */
UB_LOCAL void ub_svg_color(int32_t i, char hex[8]);

/* Distance between round ticks (1, 2 or 5 times a power of ten) so that at most `most` of them
 * fit into `span` > 0; never below `least`. */
UB_LOCAL double ub_svg_tick(double span, int most, double least);

/* Is there more between two numbers than rounding?  Ticks are drawn between such only: of others a
 * double could not tell the next tick from the last. */
UB_LOCAL bool ub_svg_is_range(double low, double high);

#endif /* UB_IO_INTERNAL_SVG_H */
