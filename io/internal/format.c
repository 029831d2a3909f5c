#include "io/internal/format.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "io/file.h"
#include "io/internal/h5.h"

#define UB_FORMAT(name) extern const ub_format ub_format_##name;
#include "io/formats/registry.def"
#undef UB_FORMAT

const ub_format *ub_format_at(size_t i)
{
    static const ub_format *const all[] = {
#define UB_FORMAT(name) &ub_format_##name,
#include "io/formats/registry.def"
#undef UB_FORMAT
    };
    return i < sizeof all / sizeof all[0] ? all[i] : NULL;
}

const char *const ub_image_attribute[3] = {"image_height", "image_width", "image_channels"};

void ub_plan_release(ub_plan *p)
{
    ub_free(p->column);
    ub_names_release(&p->task);
    ub_names_release(&p->episode);
    ub_free(p->range);
    ub_free(p->truth);
    ub_free(p->relevant);
    *p = (ub_plan){0};
}

ub_status ub_plan_add(hid_t file, ub_plan *p, const char *path, int64_t width, int32_t task,
                      ub_take take)
{
    ub_column *more = NULL;
    if (width < 1 || width > INT32_MAX)
        return ub_format_refuse(file, "dataset '%s' has %lld columns, which cannot be used", path,
                                (long long)width);
    UB_TRY(UB_ALLOC(more, p->head.columns + 1));
    if (p->head.columns > 0)
        memcpy(more, p->column, (size_t)p->head.columns * sizeof *more);
    ub_column *k = &more[p->head.columns++];
    *k = (ub_column){.width = (int32_t)width, .task = task, .take = take};
    (void)snprintf(k->path, sizeof k->path, "%s", path);
    ub_free(p->column);
    p->column = more;
    return UB_OK;
}

ub_status ub_plan_episodes(ub_plan *p, hid_t file, const ub_settings *s, int64_t found)
{
    if (found < 1)
        return ub_format_refuse(file, "there are no episodes");
    int64_t most = s->corpus.max_episodes;
    p->head.episodes = most > 0 && most < found ? most : found;
    return UB_OK;
}

ub_status ub_format_refuse(hid_t file, const char *fmt, ...)
{
    char    path[UB_PATH_MAX], text[768];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return UB_FAIL(UB_EINPUT, "%s: %s", ub_h5_file_name(file, path, sizeof path), text);
}

ub_status ub_format_finite(hid_t file, const char *dataset, const char *episode, int64_t row,
                           const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return ub_format_refuse(file,
                                    "dataset '%s', episode %s, row %lld, column %lld is %g: every "
                                    "value must be a finite number",
                                    dataset, episode, (long long)row, (long long)i, x[i]);
    return UB_OK;
}
