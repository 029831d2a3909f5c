/* What the registries hold. */
#include <stdio.h>
#include <string.h>

#include "core/ci_test.h"
#include "core/optimizer.h"
#include "core/penalty.h"
#include "io/corpus_h5.h"
#include "jobs/command.h"

static void list_ci(void)
{
    for (size_t i = 0; ub_ci_at(i) != NULL; i++) {
        const ub_ci_test *t = ub_ci_at(i);
        (void)printf("%-14s %s\n%-14s accepts %s%s%s%s; needs %s; cost %s\n%-14s %s\n", t->name,
                     t->summary, "", t->accepts & UB_CI_DISCRETE ? "discrete " : "",
                     t->accepts & UB_CI_SCALAR ? "scalars" : "",
                     (t->accepts & UB_CI_SCALAR) && (t->accepts & UB_CI_VECTOR) ? ", " : "",
                     t->accepts & UB_CI_VECTOR ? "vectors" : "",
                     ub_ci_wants_samples(t) ? "samples" : "covariances", t->cost, "", t->reference);
    }
}

static void list_format(void)
{
    const char *summary, *name;
    for (size_t i = 0; (name = ub_corpus_format_at(i, &summary)) != NULL; i++)
        (void)printf("%-14s %s\n", name, summary);
}

static void list_command(void)
{
    for (size_t i = 0; ub_command_at(i) != NULL; i++)
        (void)printf("%-14s %s\n", ub_command_at(i)->name, ub_command_at(i)->summary);
}

/* What core/decide.c does. */
static void list_rule(void)
{
    static const char *const summary[] = {
        [UB_RULE_PAPER] =
            "every segment with a test of raw p < alpha; its last step alone is tested",
        [UB_RULE_RAW] = "every segment with a test of raw p < alpha",
        [UB_RULE_BH] = "the same, p adjusted for the false discovery rate over all tests (BH)",
        [UB_RULE_BY] = "the same, p adjusted for it under any dependence of the tests (BY)",
        [UB_RULE_BONFERRONI] = "the same, p adjusted for any false discovery at all (Bonferroni)",
        [UB_RULE_LLR_CLIQUE] =
            "the set of segments whose pairs have the most evidence, less its price for the search",
        [UB_RULE_LLR_JOINT] = "the same, with the evidence of each segment against the task added",
    };
    const ub_field *f = ub_schema_find(ub_settings_schema(), "structure.rule");
    char            name[64];
    for (size_t i = 0; ub_schema_choice(f, i, name, sizeof name); i++)
        (void)printf("%-14s %s\n", name, summary[i]);
}

static void list_penalty(void)
{
    for (size_t i = 0; ub_penalty_at(i) != NULL; i++)
        (void)printf("%-14s %s\n", ub_penalty_at(i)->name, ub_penalty_at(i)->summary);
}

static void list_optimizer(void)
{
    for (size_t i = 0; ub_optimizer_at(i) != NULL; i++)
        (void)printf("%-14s %s\n%-14s %s\n", ub_optimizer_at(i)->name, ub_optimizer_at(i)->summary,
                     "", ub_optimizer_at(i)->reference);
}

static const struct {
    const char *name;
    void (*print)(void);
} lists[] = {{"ci", list_ci},           {"rule", list_rule},
             {"penalty", list_penalty}, {"optimizer", list_optimizer},
             {"format", list_format},   {"command", list_command}};

static ub_status run(ub_context *ctx)
{
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        if (strcmp(lists[i].name, ctx->word[0]) == 0) {
            if (ctx->world.rank == 0)
                lists[i].print();
            return UB_OK;
        }
    return UB_FAIL(UB_EARG,
                   "nothing is called '%s'; unbraid list "
                   "ci|rule|penalty|optimizer|format|command",
                   ctx->word[0]);
}

const ub_command ub_cmd_list = {
    .name = "list",
    .usage = "ci|rule|penalty|optimizer|format|command",
    .summary = "Names and one-line summaries of what there is",
    .sections = "",
    .details = "",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
