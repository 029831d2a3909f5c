/* One conditional independence test on the columns of a table. */
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/ci_test.h"
#include "core/mem.h"
#include "io/table.h"
#include "jobs/command.h"

/* "gsq max_levels=64 cell_samples=5": the test and every setting it reads. */
static ub_status put_variant(const ub_ci_test *test, const ub_settings *settings, ub_bytes *out)
{
    UB_TRY(ub_bytes_printf(out, "%s", test->name));
    for (const char *at = test->settings; at != NULL && *at != '\0';) {
        char key[UB_TEXT_MAX];
        (void)snprintf(key, sizeof key, "%.*s", (int)strcspn(at, " "), at);
        const ub_field *field = ub_schema_find(ub_settings_schema(), key);
        if (field == NULL)
            return UB_FAIL(UB_EBUG, "%s reads the setting %s, which does not exist", test->name,
                           key);
        UB_TRY(ub_bytes_printf(out, " %s=", field->key));
        UB_TRY(ub_schema_format(field, settings, out));
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    return UB_OK;
}

static ub_status print(const ub_context *ctx, const ub_ci_test *test, int64_t rows,
                       const ub_ci_result *r)
{
    ub_bytes  variant = {0};
    ub_status st = put_variant(test, &ctx->settings, &variant);
    long long n = (long long)(r->verdict == UB_CI_OK ? r->n_used : rows);
    if (st == UB_OK)
        (void)printf(ctx->json
                         ? "{\"test\": \"%s\", \"variant\": \"%s\", \"statistic\": %.17g, "
                           "\"p_value\": %.17g, \"dof\": %.17g, \"n\": %lld, "
                           "\"verdict\": \"%s\"}\n"
                         : "test       %s\nvariant    %s\nstatistic  %.10g\np_value    %.10g\n"
                           "dof        %.10g\nn          %lld\nverdict    %s\n",
                     test->name, (const char *)variant.data, r->statistic, r->p_value, r->dof, n,
                     ub_ci_verdict_name(r->verdict));
    ub_bytes_release(&variant);
    return st;
}

/* The columns of x, y, z and the moderators are 0 .. end[0], .. end[1], .. of the table. */
static ub_status ask(const ub_ci_test *test, const ub_settings *settings, const ub_table *t,
                     ub_ci_result *r)
{
    int32_t   *column = NULL;
    void      *state = NULL;
    ub_moments m = {0};
    ub_status  st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(column, t->columns));
    for (int32_t c = 0; c < t->columns; c++)
        column[c] = c;
    ub_ci_query q = {.x = column,
                     .y = column + t->end[0],
                     .z = column + t->end[1],
                     .nx = t->end[0],
                     .ny = t->end[1] - t->end[0],
                     .nz = t->end[3] - t->end[1],
                     .moderators = t->end[3] - t->end[2]};
    UB_TRY_OUT(ub_ci_transform(test, t->rows, t->columns, t->x));
    UB_TRY_OUT(ub_moments_of_columns(t->rows, t->columns, t->x, &m));
    UB_TRY_OUT(test->open(&(ub_ci_data){&m, t->x}, settings, &state));
    UB_TRY_OUT(test->eval(state, &q, r));
out:
    if (state != NULL)
        test->close(state);
    ub_moments_release(&m);
    ub_free(column);
    return st;
}

static ub_status answer(const ub_context *ctx)
{
    static const char *const side[] = {"x", "y", "z", "moderator"};
    const char              *path = ctx->word[0], *list[4];
    const ub_ci_test        *test = ub_ci_find(ctx->settings.structure.test);
    ub_table                 t = {0};
    ub_ci_result             r = {0};
    ub_status                st = UB_OK;
    for (int i = 0; i < 4; i++)
        list[i] = ub_context_option(ctx, side[i]);
    UB_TRY(ub_table_read(path, list, 4, &t));
    if (t.end[0] < 1 || t.end[1] == t.end[0])
        UB_TRY_OUT(UB_FAIL(UB_EARG, "citest wants --x and --y: the columns to test"));
    if (t.rows < 2)
        UB_TRY_OUT(UB_FAIL(UB_EINPUT, "%s holds one line of numbers; a test needs more", path));
    if (t.end[1] > 2 && !(test->accepts & UB_CI_VECTOR))
        UB_TRY_OUT(UB_FAIL(UB_EINPUT, "--test %s takes one column a side; see 'unbraid list ci'",
                           test->name));
    UB_TRY_OUT(ask(test, &ctx->settings, &t, &r));
    UB_TRY_OUT(print(ctx, test, t.rows, &r));
out:
    ub_table_release(&t);
    return st;
}

static ub_status run(ub_context *ctx)
{
    const char *name = ub_context_option(ctx, "test");
    if (name != NULL)
        UB_TRY(
            ub_schema_set(ub_settings_schema(), &ctx->settings, "structure.test", name, "--test"));
    return ub_comm_agree(&ctx->world, ctx->world.rank == 0 ? answer(ctx) : UB_OK);
}

const ub_command ub_cmd_citest = {
    .name = "citest",
    .usage = "FILE --x NAMES --y NAMES [--z NAMES] [--moderator NAMES] [--test NAME] [--set "
             "ci.key=value]... [--json]",
    .summary = "One conditional independence test on the columns of a table",
    .sections = "ci",
    .options = "x y z moderator test",
    .details =
        "FILE: text with a line of names and lines of numbers, separated by commas, or HDF5: a "
        "dataset\n"
        "of two dimensions is the columns NAME.0, NAME.1, ..., of three NAME.0.0, ... (in a "
        "corpus,\n"
        "states.4 is step 4 and tasks/NAME a task). NAMES: comma separated; several, or a NAME "
        "that\n"
        "stands for several, are one vector variable. --test: 'unbraid list ci'; default\n"
        "structure.test. --moderator: columns to condition on along which the dependence may\n"
        "change its sign (a study's task variable); tests of the gcm family look there. Prints "
        "statistic, p-value, degrees of freedom, n and a verdict; with a\n"
        "verdict other than ok there is no number.\n",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
