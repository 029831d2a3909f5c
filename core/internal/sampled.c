#include "core/internal/sampled.h"

#include "core/mem.h"

ub_status ub_sampled_open(const char *test, const ub_ci_data *data, const ub_settings *settings,
                          ub_sampled *out)
{
    if (data->samples == NULL)
        return UB_FAIL(UB_EINPUT,
                       "test %s needs the samples, not only their moments; a test that needs only "
                       "moments is fisher_z",
                       test);
    out->data = data;
    out->set = settings;
    out->linear = ub_ci_find("fisher_z");
    return out->linear->open(data, settings, &out->linear_state);
}

void ub_sampled_close(ub_sampled *s)
{
    if (s->linear != NULL)
        s->linear->close(s->linear_state);
}

void ub_sampled_destroy(void *self)
{
    if (self == NULL)
        return;
    ub_sampled_close(self);
    ub_free(self);
}

ub_status ub_sampled_create(const char *test, const ub_ci_data *data, const ub_settings *settings,
                            void **out)
{
    ub_sampled *s = NULL;
    ub_status   st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(s, 1));
    UB_TRY_OUT(ub_sampled_open(test, data, settings, s));
    *out = s;
    return UB_OK;
out:
    ub_sampled_destroy(s);
    return st;
}

ub_status ub_sampled_screen(const ub_sampled *s, const ub_ci_query *q, ub_ci_result *out)
{
    return s->linear->eval(s->linear_state, q, out);
}

ub_ci_query ub_sampled_ordered(const ub_ci_query *q)
{
    ub_ci_query o = *q;
    if (q->ny < q->nx || (q->ny == q->nx && q->y[0] < q->x[0])) {
        o.x = q->y;
        o.nx = q->ny;
        o.y = q->x;
        o.ny = q->nx;
    }
    return o;
}
