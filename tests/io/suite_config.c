/* YAML to settings. */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/settings.h"
#include "io/config.h"
#include "io/file.h"
#include "tests/support/suite.h"

static ub_status parse(const char *text, ub_settings *s)
{
    UB_TRY(ub_schema_defaults(ub_settings_schema(), s));
    return ub_config_parse(ub_settings_schema(), s, text, strlen(text), "study.yaml");
}

static void sets_values(void)
{
    static ub_settings s;
    UB_CHECK(parse("# a study\n"
                   "run:\n  seed: 12  # twelve\n"
                   "structure: {rule: 'bh', alpha: 1e-3}\n"
                   "corpus:\n  path: \"a b\\x41.h5\"\n  obs: ''\n  max_episodes: 7\n"
                   "farm:\n"
                   "eval: ~\n",
                   &s));
    CU_ASSERT_EQUAL(s.run.seed, 12);
    CU_ASSERT_EQUAL(s.structure.rule, UB_RULE_BH);
    CU_ASSERT_EQUAL(s.structure.alpha, 1e-3);
    CU_ASSERT_STRING_EQUAL(s.corpus.path, "a bA.h5");
    CU_ASSERT_EQUAL(s.corpus.max_episodes, 7);
    CU_ASSERT_EQUAL(s.structure.tile, 16);
}

static void empty_is_default(void)
{
    static const char *const texts[] = {"", "# nothing\n", "---\n", "{}", "---\n...\n", "~\n"};
    static ub_settings       s, t;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &t));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        UB_CHECK(parse(texts[i], &s));
        CU_ASSERT_EQUAL(s.structure.alpha, t.structure.alpha);
    }
}

/* Text, status and the whole sentence. */
static const struct {
    const char *text;
    ub_status   status;
    const char *sentence;
} wrong[] = {
    {"run:\n  seed: 1\nstructure:\n  rul: bh\n", UB_ENOENT,
     "study.yaml:4:3: unknown key 'rul' in section 'structure'; did you mean 'rule'?"},
    {"structur:\n  rule: bh\n", UB_ENOENT,
     "study.yaml:1:1: unknown section 'structur'; did you mean 'structure'?"},
    {"structure:\n  rule: bhh\n", UB_EARG, "study.yaml:2:9: structure.rule = 'bhh' is none of: "},
    {"structure:\n  alpha: 0.9\n", UB_ERANGE, "study.yaml:2:10: "},
    {"run:\n  seed: x\n", UB_EARG, "study.yaml:2:9: run.seed = 'x'"},
    {"run:\n  seed: 1\n  seed: 2\n", UB_EFORMAT,
     "study.yaml:3:3: key 'run.seed' is given twice, first on line 2"},
    {"run:\n  seed: 1\nfarm: {}\nrun:\n  shards: 2\n", UB_EFORMAT,
     "study.yaml:4:1: section 'run' is given twice, first on line 1"},
    {"run:\n  seed: [1, 2]\n", UB_EFORMAT, "study.yaml:2:9: a list stands where"},
    {"- run\n", UB_EFORMAT, "study.yaml:1:1: a list stands where"},
    {"run:\n  seed: {a: 1}\n", UB_EFORMAT, "study.yaml:2:9: run.seed wants one value"},
    {"run: 5\n", UB_EFORMAT, "study.yaml:1:6: section 'run' must hold lines"},
    {"hello\n", UB_EFORMAT, "study.yaml:1:1: a configuration must be a mapping of sections"},
    {"run:\n  seed:\n", UB_EFORMAT, "run.seed has no value"},
    {"run:\n  seed: null\n", UB_EFORMAT, "study.yaml:2:9: run.seed has no value"},
    {"run:\n  seed: &a 1\n  shards: *a\n", UB_EFORMAT, "study.yaml:2:9: anchors"},
    {"run: &r\n  seed: 1\n", UB_EFORMAT, "study.yaml:1:6: anchors"},
    {"run:\n  shards: *a\n", UB_EFORMAT, "study.yaml:2:11: aliases"},
    {"run:\n  seed: !!int 1\n", UB_EFORMAT, "study.yaml:2:9: tags"},
    {"run:\n\tseed: 1\n", UB_EFORMAT,
     "study.yaml:2:1: not YAML: found character that cannot start any token"},
    {"run: {seed: 1\n", UB_EFORMAT, "not YAML: did not find expected"},
    {"run:\n  seed: 1: 2\n", UB_EFORMAT, "study.yaml:2:10: not YAML: mapping values are not"},
    {"run:\n  seed: \"\xff\"\n", UB_EFORMAT, "byte 15: not YAML: "},
    {"run: {}\n---\nfarm: {}\n", UB_EFORMAT, "study.yaml:2:1: a second document"},
    {"structure.rule: bh\n", UB_ENOENT,
     "study.yaml:1:1: 'structure.rule' is not a section; write 'rule' below a line 'structure:'"},
    {"run:\n  ? [a]\n  : 1\n", UB_EFORMAT, "study.yaml:2:5: a list"},
    {"run:\n  ? {a: 1}\n  : 1\n", UB_EFORMAT, "study.yaml:2:5: a key must be one word"},
    {"corpus:\n  path: \"a\\0b\"\n", UB_EFORMAT, "study.yaml:2:9: a value holds a zero byte"},
    {"run:\n  <<: 1\n", UB_ENOENT, "study.yaml:2:3: unknown key '<<'"},
};

static void complains(void)
{
    static ub_settings s;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        UB_CHECK_FAILS(parse(wrong[i].text, &s), wrong[i].status, wrong[i].sentence);
}

static void long_names(void)
{
    static ub_settings s;
    static char        text[5000];
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "run: {", 6);
    memcpy(text + sizeof text - 6, ": 1}", 5);
    UB_CHECK_FAILS(parse(text, &s), UB_ENOENT, "study.yaml:1:7: unknown key");
}

/* What ub_schema_print writes reads back to the same settings, odd texts included. */
static void round_trip(void)
{
    static ub_settings s, t;
    ub_bytes           a = {0}, b = {0};
    char               path[UB_PATH_MAX];
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &s));
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &t));
    (void)snprintf(s.corpus.path, UB_TEXT_MAX, "a: \"b\" # \\ \t~ \xc3\xbc");
    s.structure.alpha = 0.1 + 0.2;
    s.run.seed = INT64_C(8999999999999999999);
    UB_CHECK(ub_schema_print(ub_settings_schema(), &s, NULL, false, &a));
    (void)snprintf(path, sizeof path, "%s/%d.yaml", ub_test_dir(), ub_log_rank());
    UB_CHECK(ub_file_write(path, a.data, a.len));
    UB_CHECK(ub_config_load(ub_settings_schema(), &t, path));
    UB_CHECK(ub_schema_print(ub_settings_schema(), &t, NULL, false, &b));
    CU_ASSERT(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    CU_ASSERT_STRING_EQUAL(s.corpus.path, t.corpus.path);
    CU_ASSERT_EQUAL(s.structure.alpha, t.structure.alpha);
    ub_bytes_release(&a);
    ub_bytes_release(&b);
    UB_CHECK_FAILS(ub_config_load(ub_settings_schema(), &t, "/nowhere/x.yaml"), UB_ENOENT,
                   "/nowhere/x.yaml: there is no such file");
}

/* The reference is itself a configuration that changes nothing. */
static void reference_is_valid(void)
{
    static ub_settings s;
    ub_bytes           text = {0}, printed = {0}, defaults = {0};
    UB_CHECK(ub_schema_reference(ub_settings_schema(), &text));
    UB_CHECK(parse("", &s));
    UB_CHECK(ub_schema_print(ub_settings_schema(), &s, NULL, false, &defaults));
    UB_CHECK(parse((const char *)text.data, &s));
    UB_CHECK(ub_schema_print(ub_settings_schema(), &s, NULL, false, &printed));
    CU_ASSERT_STRING_EQUAL((const char *)printed.data, (const char *)defaults.data);
    ub_bytes_release(&text);
    ub_bytes_release(&printed);
    ub_bytes_release(&defaults);
}

UB_SUITE("config", {"values of every style arrive", sets_values},
         {"an empty file means all defaults", empty_is_default},
         {"every complaint names line, column and what is wrong", complains},
         {"a key of thousands of bytes is an unknown key", long_names},
         {"printed settings read back the same", round_trip},
         {"the reference reads back as the defaults", reference_is_valid})
