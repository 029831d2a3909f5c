#include <string.h>

#include "core/internal/objective.h"
#include "core/internal/simd.h"
#include "core/internal/vector.h"
#include "core/rng.h"

/* Where OpenBLAS 0.3.21 treats a row in another way, at least 1.6 % of its numbers differ (widths
 * of whole tiles, 1 to 256 rows, kernels for AVX2 and AVX-512: several million rows), mostly half.
 */
enum { FORWARD = 1, BACK = 2, DRAWS = 8 };

/* Are the batches at hand those that were prepared for? */
static bool prepared(const ub_objective *o)
{
    for (int64_t s = 0; s < o->count; s++)
        if (o->first[s + 1] - o->first[s] != o->joined[s])
            return false;
    return o->count == o->slots || o->joined[o->count] == 0;
}

/* How many products: one, or one a batch. */
static int64_t parts_of(const ub_objective *o, int32_t l, int way)
{
    return (o->joins[l] & way) != 0 && prepared(o) ? 1 : o->count;
}

static int64_t end_of(const ub_objective *o, int64_t parts, int64_t s)
{
    return parts == 1 ? o->first[o->count] : o->first[s + 1];
}

void ub_objective_forward(const ub_objective *o, int32_t l, ub_activation act, const ub_real *w)
{
    const ub_layer *layer = &o->layer[l];
    int64_t         parts = parts_of(o, l, FORWARD);
    for (int64_t s = 0, at; s < parts; s++) {
        at = o->first[s];
        ub_dense_forward(layer, act, w, end_of(o, parts, s) - at, o->in[l] + at * layer->in,
                         o->out[l] + at * layer->out);
    }
}

static ub_real *below(const ub_objective *o, int32_t l)
{
    return o->in[l] == o->z ? o->dz : o->back[l - 1];
}

void ub_objective_back(const ub_objective *o, int32_t l, const ub_real *w, bool add)
{
    const ub_layer *layer = &o->layer[l];
    int64_t         parts = parts_of(o, l, BACK);
    for (int64_t s = 0, at; s < parts; s++) {
        at = o->first[s];
        ub_dense_below(layer, w, end_of(o, parts, s) - at, o->back[l] + at * layer->out,
                       below(o, l) + at * layer->in, add);
    }
}

UB_SIMD static void add_to(int64_t n, const ub_real *restrict x, ub_real *restrict out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] += x[i];
}

static void gradient(const ub_objective *o, int64_t slot, int32_t k, ub_real *out, bool add)
{
    const ub_objective_range *r = &o->range[k];
    const ub_layer           *layer = &o->layer[r->layer];
    int64_t                   at = o->first[slot], n = o->first[slot + 1] - at;
    ub_dense_gradient(layer, n, o->in[r->layer] + at * layer->in,
                      o->back[r->layer] + at * layer->out, r->first, r->count, out, add);
}

void ub_objective_gradient(const ub_objective *o, int64_t slot, int32_t k, ub_real *out, bool add)
{
    int64_t        tail = o->parameters - o->tail_at, n = o->at[k + 1] - o->at[k];
    const ub_real *from = o->tail + slot * tail;
    if (o->range[k].layer >= 0) {
        if (!add || (o->adds[k] && prepared(o))) {
            gradient(o, slot, k, out, add);
            return;
        }
        gradient(o, slot, k, o->spare, false);
        from = o->spare;
    }
    if (add)
        add_to(n, from, out);
    else
        memcpy(out, from, (size_t)n * sizeof *out);
}

/* Numbers of draw number `draw` at x, a row of `width` for every row. */
static void fill(const ub_objective *o, int draw, int32_t l, ub_real *x, int64_t width)
{
    uint64_t item = (uint64_t)draw * (uint64_t)o->layers + (uint64_t)l;
    ub_vector_normal(ub_rng_make(x == o->in[l], UB_RNG_SHAPES, item), o->first[o->count] * width,
                     x);
}

/* Does one product of all rows make what products batch by batch make? */
static bool same_forward(ub_objective *o, int draw, int32_t l)
{
    size_t bytes = (size_t)(o->first[o->count] * o->layer[l].out) * sizeof(ub_real);
    fill(o, draw, l, o->in[l], o->layer[l].in);
    ub_objective_forward(o, l, UB_ACT_LINEAR, o->effective);
    memcpy(o->back[l], o->out[l], bytes);
    o->joins[l] |= FORWARD;
    ub_objective_forward(o, l, UB_ACT_LINEAR, o->effective);
    o->joins[l] &= (unsigned char)~FORWARD;
    return memcmp(o->back[l], o->out[l], bytes) == 0;
}

static bool same_back(ub_objective *o, int draw, int32_t l)
{
    size_t bytes = (size_t)(o->first[o->count] * o->layer[l].in) * sizeof(ub_real);
    fill(o, draw, l, o->back[l], o->layer[l].out);
    ub_objective_back(o, l, o->effective, false);
    memcpy(o->in[l], below(o, l), bytes);
    o->joins[l] |= BACK;
    ub_objective_back(o, l, o->effective, false);
    o->joins[l] &= (unsigned char)~BACK;
    return memcmp(o->in[l], below(o, l), bytes) == 0;
}

/* Are a product and an addition the product that is added? */
static bool same_sum(const ub_objective *o, int64_t slot, int32_t k)
{
    int64_t  n = o->at[k + 1] - o->at[k];
    ub_real *apart = o->spare + o->longest;
    memcpy(o->spare, o->effective + o->at[k], (size_t)n * sizeof *apart);
    gradient(o, slot, k, o->spare, true);
    gradient(o, slot, k, apart, false);
    add_to(n, o->effective + o->at[k], apart);
    return memcmp(o->spare, apart, (size_t)n * sizeof *apart) == 0;
}

static bool whole_tiles(const ub_layer *layer)
{
    return layer->in % UB_OBJECTIVE_GRAIN == 0 && layer->out % UB_OBJECTIVE_GRAIN == 0;
}

/* What of layer l is the same in every draw. */
static unsigned char joins_of(ub_objective *o, int32_t l)
{
    bool ahead = true, back = l > 0 && l < 2 * (o->shape.layers + 1);
    for (int draw = 0; draw < DRAWS; draw++) {
        ahead = ahead && same_forward(o, draw, l);
        back = back && same_back(o, draw, l);
    }
    return (unsigned char)((ahead ? FORWARD : 0) | (back ? BACK : 0));
}

/* The same of sums, for the ranges first .. last - 1 of layer l. */
static void find_adds(const ub_objective *o, int32_t l, int32_t first, int32_t last)
{
    memset(o->adds + first, 1, (size_t)(last - first));
    for (int draw = 0; draw < DRAWS; draw++) {
        fill(o, draw, l, o->in[l], o->layer[l].in);
        fill(o, draw, l, o->back[l], o->layer[l].out);
        for (int64_t s = 0; s < o->count; s++)
            for (int32_t k = first; k < last && (s == 0 || o->joined[s] != o->joined[s - 1]); k++)
                o->adds[k] = o->adds[k] && same_sum(o, s, k);
    }
}

void ub_objective_join(ub_objective *o, int64_t count, const int64_t *n)
{
    o->count = count;
    for (int64_t s = 0; s < o->slots; s++) {
        o->joined[s] = s < count ? n[s] : 0;
        o->first[s + 1] = o->first[s] + o->joined[s];
    }
    ub_vector_normal(ub_rng_make(2, UB_RNG_SHAPES, 0), o->parameters, o->effective);
    memset(o->joins, 0, (size_t)o->layers * sizeof *o->joins);
    memset(o->adds, 0, (size_t)o->ranges * sizeof *o->adds);
    for (int32_t l = 0, k = 0, end; l < o->layers; l++, k = end) {
        for (end = k; end < o->ranges && o->range[end].layer == l; end++)
            ;
        if (!whole_tiles(&o->layer[l]))
            continue;
        if (count > 1)
            o->joins[l] = joins_of(o, l);
        find_adds(o, l, k, end);
    }
}
