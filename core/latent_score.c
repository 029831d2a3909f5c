#include "core/latent_score.h"

#include <math.h>

#include "core/assign.h"

double ub_latent_mean(int32_t count, const double *r2, const uint8_t *flag, int64_t stride, int of)
{
    double  sum = 0;
    int32_t cells = 0;
    for (int32_t q = 0; q < count; q++) {
        if ((flag[q * stride] != 0) != (of != 0))
            continue;
        sum += r2[q];
        cells++;
    }
    return cells > 0 ? sum / cells : (double)NAN;
}

ub_status ub_latent_match(int32_t latents, int32_t truths, const double *r2, int32_t *match)
{
    UB_TRY(ub_assign(latents, truths, r2, match));
    for (int32_t j = 0; j < latents; j++)
        if (match[j] >= 0 && r2[(int64_t)j * truths + match[j]] < UB_LATENT_MATCH)
            match[j] = -1;
    return UB_OK;
}

void ub_latent_compare(int32_t latents, const uint8_t *keeps, int32_t truths, const uint8_t *needs,
                       int64_t stride, const int32_t *match, ub_latent_score *out)
{
    int32_t hits = 0;
    out->needed = out->kept = 0;
    for (int32_t q = 0; q < truths; q++)
        out->needed += needs[q * stride] != 0;
    for (int32_t j = 0; j < latents; j++) {
        if (!keeps[j])
            continue;
        out->kept++;
        hits += match[j] >= 0 && needs[match[j] * stride] != 0;
    }
    out->right_number = out->needed == out->kept;
    out->right_set = out->right_number && hits == out->needed;
}
