#include "core/evidence.h"

#include <math.h>
#include <stddef.h>

void ub_strengths(const ub_model_shape *s, const double *sum, double n, const double *used,
                  double *strength)
{
    const double *square = sum + s->latents, *raw = square + s->latents;
    for (int32_t i = 0; i < s->tasks; i++)
        for (int32_t j = 0; j < s->latents; j++) {
            double m = sum[j] / n, variance = square[j] / n - m * m;
            double sd = variance > 0 ? sqrt(variance) : 0.0, rows = used == NULL ? 1.0 : used[i];
            strength[i * s->latents + j] = rows > 0 ? raw[i * s->latents + j] / rows * sd : 0.0;
        }
}

int32_t ub_strengths_keep(int32_t latents, double keep, const double *strength, uint8_t *relevant)
{
    double  largest = 0.0;
    int32_t kept = 0;
    for (int32_t j = 0; j < latents; j++)
        largest = fmax(largest, strength[j]);
    for (int32_t j = 0; j < latents; j++) {
        int above = strength[j] > keep * largest;
        if (relevant != NULL)
            relevant[j] = (uint8_t)above;
        kept += above;
    }
    return kept;
}
