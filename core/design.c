#include "core/design.h"

#include <string.h>

#define UB_DESIGN(name) extern const ub_design ub_design_##name;
#include "core/design/registry.def"
#undef UB_DESIGN

static const ub_design *const registry[] = {
#define UB_DESIGN(name) &ub_design_##name,
#include "core/design/registry.def"
#undef UB_DESIGN
};

const ub_design *ub_design_at(size_t i)
{
    return i < sizeof registry / sizeof registry[0] ? registry[i] : NULL;
}

const char *ub_design_name_at(size_t i)
{
    const ub_design *d = ub_design_at(i);
    return d == NULL ? NULL : d->name;
}

const ub_design *ub_design_find(const char *name)
{
    for (size_t i = 0; ub_design_at(i) != NULL; i++)
        if (strcmp(ub_design_at(i)->name, name) == 0)
            return ub_design_at(i);
    return NULL;
}
