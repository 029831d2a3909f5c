#include "core/ci_test.h"

#include <string.h>

#define UB_CI_TEST(name) extern const ub_ci_test ub_ci_##name;
#include "core/ci/registry.def"
#undef UB_CI_TEST

static const ub_ci_test *const registry[] = {
#define UB_CI_TEST(name) &ub_ci_##name,
#include "core/ci/registry.def"
#undef UB_CI_TEST
};

const ub_ci_test *ub_ci_at(size_t i)
{
    return i < sizeof registry / sizeof registry[0] ? registry[i] : NULL;
}

const char *ub_ci_name_at(size_t i)
{
    const ub_ci_test *t = ub_ci_at(i);
    return t == NULL ? NULL : t->name;
}

const ub_ci_test *ub_ci_find(const char *name)
{
    for (size_t i = 0; ub_ci_at(i) != NULL; i++)
        if (strcmp(ub_ci_at(i)->name, name) == 0)
            return ub_ci_at(i);
    return NULL;
}

ub_status ub_ci_transform(const ub_ci_test *test, int64_t n, int32_t p, double *x)
{
    for (int32_t c = 0; c < p && test->transform != NULL; c++)
        UB_TRY(test->transform(n, x + c * n));
    return UB_OK;
}

bool ub_ci_wants_samples(const ub_ci_test *test)
{
    return test->transform != NULL || (test->accepts & UB_CI_SAMPLES) != 0;
}

const char *ub_ci_verdict_name(ub_ci_verdict v)
{
    static const char *const names[] = {
#define NAME(verdict, text) text,
        UB_CI_VERDICTS(NAME)
#undef NAME
    };
    return (unsigned)v < UB_CI_VERDICT_COUNT ? names[v] : "?";
}
