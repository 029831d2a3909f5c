#include "core/optimizer.h"

#define UB_OPTIMIZER(name) extern const ub_optimizer UB_REAL_NAME(ub_optimizer_##name);
#include "core/optimizer/registry.def"
#undef UB_OPTIMIZER

static const ub_optimizer *const registry[] = {
#define UB_OPTIMIZER(name) &UB_REAL_NAME(ub_optimizer_##name),
#include "core/optimizer/registry.def"
#undef UB_OPTIMIZER
};

const ub_optimizer *ub_optimizer_at(size_t i)
{
    return i < sizeof registry / sizeof registry[0] ? registry[i] : NULL;
}
