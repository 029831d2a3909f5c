/* The schema, on a small table of its own and on the program's settings. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/rehearse.h"
#include "core/rng.h"
#include "core/settings.h"
#include "tests/support/suite.h"

typedef struct mine {
    int64_t count;
    int64_t any;
    double  rate;
    bool    loud;
    int     shape;
    char    name[UB_TEXT_MAX];
    char    animal[UB_TEXT_MAX];
} mine;

static const char *animal_at(size_t i)
{
    static const char *const names[] = {"dog", "horse"};
    return i < 2 ? names[i] : NULL;
}

#define AT(member) offsetof(mine, member)
static const ub_field first[] = {
    {"count", UB_FIELD_INT, AT(count), "3", 1, 10, NULL, NULL, "apples", 0, "how many"},
    {"any", UB_FIELD_INT, AT(any), "-1", 0, 0, NULL, NULL, "", 0, "no range"},
    {"rate", UB_FIELD_REAL, AT(rate), "0.5", 1e-3, 1e3, NULL, NULL, "", UB_FIELD_FREE, "free"},
};
static const ub_field second[] = {
    {"loud", UB_FIELD_BOOL, AT(loud), "true", 0, 0, NULL, NULL, "", 0, "a bool"},
    {"shape", UB_FIELD_CHOICE, AT(shape), "round", 0, 0, "flat|round|square", NULL, "", 0, "one"},
    {"name", UB_FIELD_TEXT, AT(name), "", 0, 0, NULL, NULL, "", 0, "a text"},
    {"animal", UB_FIELD_TEXT, AT(animal), "dog", 0, 0, NULL, animal_at, "", 0, "of a registry"},
};
static const ub_section parts[] = {{"first", "numbers", first, 3}, {"second", "words", second, 4}};
static const ub_schema  small = {parts, 2};

#define SET(path, text) ub_schema_set(&small, &m, path, text, "--set")

static void values(void)
{
    mine m;
    UB_CHECK(ub_schema_defaults(&small, &m));
    CU_ASSERT(m.count == 3 && m.any == -1 && m.rate == 0.5 && m.loud && m.shape == 1);
    CU_ASSERT(strcmp(m.name, "") == 0 && strcmp(m.animal, "dog") == 0);
    UB_CHECK(SET("first.count", "10"));
    UB_CHECK(SET("first.any", "-9223372036854775808"));
    UB_CHECK(SET("first.rate", "1e-3"));
    UB_CHECK(SET("second.loud", "no"));
    UB_CHECK(SET("second.shape", "square"));
    UB_CHECK(SET("second.name", " a \"b\" "));
    UB_CHECK(SET("second.animal", "horse"));
    CU_ASSERT(m.count == 10 && m.any == INT64_MIN && m.rate == 1e-3 && !m.loud && m.shape == 2);
    CU_ASSERT(strcmp(m.name, " a \"b\" ") == 0 && strcmp(m.animal, "horse") == 0);
    UB_CHECK(SET("second.loud", "1"));
    CU_ASSERT(m.loud);
}

static void refusals(void)
{
    mine m;
    UB_CHECK(ub_schema_defaults(&small, &m));
    UB_CHECK_FAILS(SET("first.count", "0"), UB_ERANGE,
                   "--set: first.count = 0 is outside 1 .. 10 apples");
    UB_CHECK_FAILS(SET("first.count", "11"), UB_ERANGE, "11");
    UB_CHECK_FAILS(SET("first.any", "9223372036854775808"), UB_ERANGE, "64 bits");
    UB_CHECK_FAILS(SET("first.count", "2.5"), UB_EARG, "'2.5' is not a whole number");
    UB_CHECK_FAILS(SET("first.count", ""), UB_EARG, "not a whole number");
    UB_CHECK_FAILS(SET("first.count", "3x"), UB_EARG, "not a whole number");
    UB_CHECK_FAILS(SET("first.rate", "0.0009"), UB_ERANGE, "outside 0.001 .. 1000");
    UB_CHECK_FAILS(SET("first.rate", "nan"), UB_EARG, "not a number");
    UB_CHECK_FAILS(SET("first.rate", "inf"), UB_EARG, "not a number");
    UB_CHECK_FAILS(SET("first.rate", "1,5"), UB_EARG, "not a number");
    UB_CHECK_FAILS(SET("second.loud", "maybe"), UB_EARG, "neither true nor false");
    char longest[UB_TEXT_MAX + 1];
    memset(longest, 'x', sizeof longest);
    longest[UB_TEXT_MAX] = '\0';
    UB_CHECK_FAILS(SET("second.name", longest), UB_ERANGE, "longer than 1023 bytes");
    longest[UB_TEXT_MAX - 1] = '\0';
    UB_CHECK(SET("second.name", longest));
    CU_ASSERT(m.count == 3 && m.any == -1 && m.rate == 0.5 && m.loud);
}

static void suggestions(void)
{
    mine m;
    UB_CHECK(ub_schema_defaults(&small, &m));
    UB_CHECK_FAILS(SET("frist.count", "1"), UB_ENOENT,
                   "unknown section 'frist'; did you mean 'first'?");
    UB_CHECK_FAILS(SET("first.cuont", "1"), UB_ENOENT,
                   "unknown key 'cuont' in section 'first'; did you mean 'count'?");
    UB_CHECK_FAILS(SET("second.count", "1"), UB_ENOENT, "did you mean 'first.count'?");
    UB_CHECK_FAILS(SET("count", "1"), UB_ENOENT, "did you mean 'first.count'?");
    UB_CHECK_FAILS(SET("first.temperature", "1"), UB_ENOENT, "config reference");
    UB_CHECK_FAILS(SET("elephants.count", "1"), UB_ENOENT, "config reference");
    UB_CHECK_FAILS(SET("first", "1"), UB_ENOENT, "unknown key ''");
    UB_CHECK_FAILS(SET("", "1"), UB_ENOENT, "unknown section ''");
    UB_CHECK_FAILS(SET("second.shape", "rond"), UB_EARG,
                   "'rond' is none of: flat, round, square; did you mean 'round'?");
    UB_CHECK_FAILS(SET("second.animal", "hrose"), UB_EARG, "did you mean 'horse'?");
    UB_CHECK_FAILS(SET("second.shape", "triangle"), UB_EARG, "none of: flat, round, square");
    CU_ASSERT_PTR_NULL(strstr(ub_err_message(), "did you mean"));
    char path[3000]; /* far longer than any name */
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = '\0';
    UB_CHECK_FAILS(SET(path, "1"), UB_ENOENT, "unknown section");
    memcpy(path, "first.", 6);
    UB_CHECK_FAILS(SET(path, "1"), UB_ENOENT, "unknown key");
    CU_ASSERT_EQUAL(m.count, 3);
}

static void quoting(void)
{
    ub_status st = UB_FAIL(UB_EIO, "the disk of %d is full", 7);
    UB_CHECK_FAILS(UB_FAIL(st, "farm: %s", ub_err_message()), UB_EIO, "the disk of 7 is full");
    CU_ASSERT_STRING_EQUAL(ub_err_message(), "farm: the disk of 7 is full");
    CU_ASSERT_PTR_NOT_NULL(strstr(ub_err_report(), "farm: the disk of 7 is full ["));
}

static void identity(void)
{
    mine     m;
    ub_bytes all = {0}, same = {0}, part = {0};
    UB_CHECK(ub_schema_defaults(&small, &m));
    UB_CHECK(ub_schema_print(&small, &m, NULL, false, &all));
    CU_ASSERT_STRING_EQUAL((char *)all.data, "first:\n  count: 3\n  any: -1\n  rate: 0.5\n"
                                             "second:\n  loud: true\n  shape: round\n  name: \"\"\n"
                                             "  animal: \"dog\"\n");
    UB_CHECK(ub_schema_print(&small, &m, "first", true, &same));
    CU_ASSERT_STRING_EQUAL((char *)same.data, "first:\n  count: 3\n  any: -1\n");
    m.rate = 0.25;
    UB_CHECK(ub_schema_print(&small, &m, "other first", true, &part));
    CU_ASSERT_STRING_EQUAL((char *)part.data, (char *)same.data);
    ub_bytes_release(&all);
    ub_bytes_release(&same);
    ub_bytes_release(&part);
}

/* What a YAML reader makes of the scalars that ub_schema_format writes. */
static void read_scalar(const char *yaml, char *out)
{
    if (*yaml != '"') {
        (void)strcpy(out, yaml);
        return;
    }
    for (yaml++; *yaml != '"' || yaml[1] != '\0'; yaml++) {
        if (*yaml != '\\') {
            CU_ASSERT((unsigned char)*yaml >= 0x20 && *yaml != '"' && *yaml != 0x7f);
            *out++ = *yaml;
            continue;
        }
        char hex[3] = {0};
        if (*++yaml == 'x') {
            memcpy(hex, yaml + 1, 2);
            yaml += 2;
        }
        *out++ = hex[0] != '\0' ? (char)strtol(hex, NULL, 16) : *yaml;
    }
    *out = '\0';
}

/* Print each field, read it back into another struct, print again: the same text and value. */
static void through_text(const ub_section *s, const ub_field *f, const void *from, void *to)
{
    ub_bytes a = {0}, b = {0};
    char     path[256], text[5 * UB_TEXT_MAX];
    (void)snprintf(path, sizeof path, "%s.%s", s->name, f->key);
    UB_CHECK(ub_schema_format(f, from, &a));
    read_scalar((char *)a.data, text);
    UB_CHECK(ub_schema_set(ub_settings_schema(), to, path, text, "test"));
    UB_CHECK(ub_schema_format(f, to, &b));
    CU_ASSERT_STRING_EQUAL((char *)a.data, (char *)b.data);
    if (f->type == UB_FIELD_REAL)
        CU_ASSERT_EQUAL(memcmp((const char *)from + f->offset, (char *)to + f->offset, 8), 0);
    if (f->type == UB_FIELD_TEXT)
        CU_ASSERT_STRING_EQUAL((const char *)from + f->offset, (char *)to + f->offset);
    ub_bytes_release(&a);
    ub_bytes_release(&b);
}

/* A random permitted value, awkward where it can be. */
static void scramble(const ub_field *f, ub_rng *r, void *settings)
{
    char  *at = (char *)settings + f->offset, name[128];
    double u = ub_rng_uniform(r);
    size_t choices = 0, length = (size_t)ub_rng_below(r, UB_TEXT_MAX);
    switch (f->type) {
    case UB_FIELD_INT:
        *(int64_t *)at = (int64_t)(f->min + u * (f->max - f->min));
        break;
    case UB_FIELD_REAL: /* full mantissas over the whole range of sizes */
        *(double *)at = f->min > 0 ? exp(log(f->min) + u * log(f->max / f->min)) : u * f->max;
        *(double *)at = fmin(fmax(*(double *)at, f->min), f->max);
        break;
    case UB_FIELD_CHOICE:
        while (ub_schema_choice(f, choices, name, sizeof name))
            choices++;
        *(int *)at = (int)ub_rng_below(r, choices);
        break;
    case UB_FIELD_BOOL:
        *(bool *)at = u < 0.5;
        break;
    case UB_FIELD_TEXT:
        if (f->choice_at != NULL)
            break;
        for (size_t i = 0; i < length; i++)
            at[i] = (char)(1 + ub_rng_below(r, 127));
        at[length] = '\0';
        break;
    }
}

static void round_trip(void)
{
    const ub_schema *s = ub_settings_schema();
    ub_settings      from, to;
    ub_rng           r = ub_rng_make(1, UB_RNG_TEST, 0);
    UB_CHECK(ub_schema_defaults(s, &from));
    for (int round = 0; round < 20; round++) {
        UB_CHECK(ub_schema_defaults(s, &to));
        for (size_t i = 0; i < s->count; i++)
            for (size_t j = 0; j < s->sections[i].count; j++) {
                scramble(&s->sections[i].fields[j], &r, &from);
                through_text(&s->sections[i], &s->sections[i].fields[j], &from, &to);
            }
    }
}

/* Every default is inside its own range; help, units and keys are there; no two fields share
 * memory; the reference and --help name all of them. */
static void tables_are_sound(void)
{
    const ub_schema *s = ub_settings_schema();
    static char      used[sizeof(ub_settings)];
    ub_settings      a;
    ub_bytes         reference = {0}, help = {0};
    char             line[256];
    memset(used, 0, sizeof used);
    UB_CHECK(ub_schema_defaults(s, &a));
    UB_CHECK(ub_schema_reference(s, &reference));
    for (size_t i = 0; i < s->count; i++) {
        CU_ASSERT(strlen(s->sections[i].help) > 0 && s->sections[i].count > 0);
        UB_CHECK(ub_schema_help(s, s->sections[i].name, &help));
        for (size_t j = 0; j < s->sections[i].count; j++) {
            static const size_t size[] = {8, 8, sizeof(bool), sizeof(int), UB_TEXT_MAX};
            const ub_field     *f = &s->sections[i].fields[j];
            CU_ASSERT(strlen(f->help) > 0 && strchr(f->help, '\n') == NULL);
            CU_ASSERT_PTR_NOT_NULL(f->unit);
            CU_ASSERT(f->min <= f->max);
            for (size_t k = f->offset; k < f->offset + size[f->type]; k++)
                CU_ASSERT_EQUAL(used[k]++, 0);
            (void)snprintf(line, sizeof line, "%s.%s", s->sections[i].name, f->key);
            CU_ASSERT_PTR_EQUAL(ub_schema_find(s, line), f);
            CU_ASSERT_PTR_NOT_NULL(strstr((char *)help.data, line));
            (void)snprintf(line, sizeof line, "\n  %s: ", f->key);
            CU_ASSERT_PTR_NOT_NULL(strstr((char *)reference.data, line));
        }
        (void)snprintf(line, sizeof line, "\n%s:\n", s->sections[i].name);
        CU_ASSERT_PTR_NOT_NULL(strstr((char *)reference.data, line));
    }
    ub_bytes_release(&reference);
    ub_bytes_release(&help);
}

/* A choice is an index: the order of the words must be the order of the enumerators. */
static void choices_are_their_enumerators(void)
{
    static const struct {
        const char *path, *text;
        size_t      offset;
        int         want;
    } table[] = {
#define ROW(section, key, text, want)                                                              \
    {#section "." #key, text, offsetof(ub_settings, section.key), want}
        ROW(run, log_level, "error", UB_LOG_ERROR),
        ROW(run, log_level, "debug", UB_LOG_DEBUG),
        ROW(corpus, format, "d4rl", UB_FORMAT_D4RL),
        ROW(corpus, format, "robomimic", UB_FORMAT_ROBOMIMIC),
        ROW(corpus, format, "minari", UB_FORMAT_MINARI),
        ROW(corpus, tasks, "success", UB_TASKS_SUCCESS),
        ROW(corpus, tasks, "return", UB_TASKS_RETURN),
        ROW(corpus, tasks, "final", UB_TASKS_FINAL),
        ROW(structure, conditioning, "full", UB_COND_FULL),
        ROW(structure, conditioning, "direct", UB_COND_DIRECT),
        ROW(structure, rule, "paper", UB_RULE_PAPER),
        ROW(structure, rule, "raw", UB_RULE_RAW),
        ROW(structure, rule, "bh", UB_RULE_BH),
        ROW(structure, rule, "by", UB_RULE_BY),
        ROW(structure, rule, "bonferroni", UB_RULE_BONFERRONI),
        ROW(structure, rule, "llr_clique", UB_RULE_LLR_CLIQUE),
        ROW(structure, rule, "llr_joint", UB_RULE_LLR_JOINT),
        ROW(structure, representatives, "all", UB_REP_ALL),
        ROW(structure, contrast, "marginal", UB_CONTRAST_MARGINAL),
        ROW(rehearse, times, "gamma", UB_TIMES_GAMMA),
        ROW(rehearse, times, "equal", UB_TIMES_EQUAL),
        ROW(disentangle, penalty, "mask", UB_PENALTY_MASK),
        ROW(disentangle, penalty, "jacobian", UB_PENALTY_JACOBIAN),
        ROW(disentangle, steps, "all", UB_STEPS_ALL),
        ROW(disentangle, steps, "truth", UB_STEPS_TRUTH),
        ROW(synth, kind, "latent", UB_SYNTH_LATENT),
        ROW(synth, kind, "sprites", UB_SYNTH_SPRITES),
        ROW(synth, link, "quadratic", UB_LINK_QUADRATIC),
        ROW(synth, link, "tanh", UB_LINK_TANH),
        ROW(synth, link, "squared_sum", UB_LINK_SQUARED_SUM),
        ROW(synth, transition, "tanh", UB_TRANSITION_TANH),
        ROW(synth, transition, "sine", UB_TRANSITION_SINE),
        ROW(synth, transition, "fold", UB_TRANSITION_FOLD),
    };
    ub_settings s;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &s));
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        UB_CHECK(ub_schema_set(ub_settings_schema(), &s, table[i].path, table[i].text, "test"));
        CU_ASSERT_EQUAL(*(int *)((char *)&s + table[i].offset), table[i].want);
    }
}

static void lists(void)
{
    CU_ASSERT(ub_schema_listed("run synth", "run") && ub_schema_listed("run synth", "synth"));
    CU_ASSERT(!ub_schema_listed("runs synthetic", "run"));
    CU_ASSERT(!ub_schema_listed("a synthetic", "synth") && ub_schema_listed("prun run", "run"));
    CU_ASSERT(!ub_schema_listed("run", "") && !ub_schema_listed("", "run"));
}

UB_SUITE("schema", {"every type takes its value", values},
         {"what is no value is refused and changes nothing", refusals},
         {"a misspelt name is answered with the nearest", suggestions},
         {"a sentence may quote the one before it", quoting},
         {"the identity leaves out what cannot change a result", identity},
         {"printed settings read back to the same values", round_trip},
         {"the tables are complete and their defaults are valid", tables_are_sound},
         {"choices are in the order of their enumerators", choices_are_their_enumerators},
         {"a word is found in a list as a whole word only", lists})
