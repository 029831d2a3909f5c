#include <math.h>

#include "core/optimizer.h"

/* What is left of the rate at part p (0 .. 1) of the decay. */
static double left(int kind, double to, double drops, double p)
{
    if (kind == UB_SCHEDULE_COSINE)
        return to + (1.0 - to) * 0.5 * (1.0 + cos(M_PI * p));
    if (kind == UB_SCHEDULE_STEP)
        return pow(to, (floor(p * drops) + 1.0) / drops);
    return 1.0 - (1.0 - to) * p;
}

double ub_schedule_at(const ub_settings *settings, int64_t step, int64_t steps)
{
    double x = (double)step / (double)steps, from = settings->disentangle.decay_from;
    double rate = settings->disentangle.learning_rate;
    double warm = settings->disentangle.warmup * (double)steps;
    /* The very moment is still constant, but for drops, which happen then. */
    if (from < 1.0 &&
        (x > from || (x >= from && settings->disentangle.schedule == UB_SCHEDULE_STEP)))
        rate *= left(settings->disentangle.schedule, settings->disentangle.decay_to,
                     (double)settings->disentangle.drops, (x - from) / (1.0 - from));
    return (double)step + 1.0 < warm ? rate * ((double)step + 1.0) / warm : rate;
}
