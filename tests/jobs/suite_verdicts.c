/* eval.json and the list of its numbers (jobs/study.h): the names stand in both. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "jobs/study.h"
#include "tests/support/suite.h"

/* Keys of the object whose value is a number. */
static size_t count_numbers(const char *json)
{
    size_t n = 0;
    for (const char *at = json; (at = strstr(at, "\": ")) != NULL; at += 3)
        n += isdigit((unsigned char)at[3]) != 0;
    return n;
}

static void same_names(void)
{
    const ub_verdicts v = {
        .has_graph = true, .has_truth = true, .has_model = true, .has_latents = true};
    const char *name, *sure;
    char        key[128];
    ub_bytes    json = {0};
    size_t      i = 0;
    UB_CHECK(ub_verdicts_json(&v, &json));
    const char *text = (const char *)json.data;
    for (; (name = ub_verdicts_number("structure disentangle", i, &sure)) != NULL; i++) {
        (void)snprintf(key, sizeof key, "\"%s\": 0", name);
        CU_ASSERT(strstr(text, key) != NULL);
        (void)snprintf(key, sizeof key, "\"%s\": 0", sure);
        CU_ASSERT(strstr(text, key) != NULL);
    }
    CU_ASSERT(i > 0);
    CU_ASSERT_EQUAL(count_numbers(text), i);
    ub_bytes_release(&json);
}

UB_SUITE("verdicts",
         {"every number of eval.json is listed, and every listed one is there", same_names})
