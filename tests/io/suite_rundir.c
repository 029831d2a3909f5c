/* The folder a run leaves behind. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/version.h"
#include "io/file.h"
#include "io/rundir.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

static const char sections[] = "run corpus structure";

static const unsigned char corpus[UB_SHA256_BYTES] = {0x12, 0x34, 0xab}, other[32] = {0x99};

static void barrier(void)
{
    (void)MPI_Barrier(ub_world->mpi);
}

enum { LONG = 2 * UB_PATH_MAX };

/* Remove the files of a folder and the folder. */
static void remove_folder(const char *dir)
{
    char path[LONG];
    DIR *d = opendir(dir);
    if (d == NULL)
        return;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        (void)unlink(path);
    }
    (void)closedir(d);
    (void)rmdir(dir);
}

/* Name of a folder that is not there yet. */
static const char *fresh(const char *name)
{
    static char dir[UB_PATH_MAX];
    barrier();
    (void)snprintf(dir, sizeof dir, "%s/%s", ub_test_dir(), name);
    if (ub_world->rank == 0)
        remove_folder(dir);
    barrier();
    return dir;
}

static const char *inside(const char *dir, const char *name)
{
    static char path[LONG];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static ub_settings *defaults(void)
{
    static ub_settings s;
    UB_CHECK(ub_schema_defaults(ub_settings_schema(), &s));
    (void)snprintf(s.corpus.path, UB_TEXT_MAX, "a \"b\".h5");
    return &s;
}

static ub_status enter(const char *dir, const ub_settings *s, ub_rundir *r)
{
    *r = (ub_rundir){0};
    return ub_rundir_enter(ub_world, dir, "structure", sections, s, corpus, r);
}

static void leave(ub_rundir *r)
{
    ub_rundir_close_log(r);
    ub_rundir_close_log(r);
    barrier();
}

/* How often does a text occur in a file?  Rank 0's answer is enough: others return -1. */
static int occurs(const char *path, const char *text)
{
    ub_bytes b = {0};
    int      n = 0;
    if (ub_world->rank != 0)
        return -1;
    UB_CHECK(ub_file_read(path, &b));
    for (const char *p = (const char *)b.data; p != NULL && (p = strstr(p, text)) != NULL; p++)
        n++;
    ub_bytes_release(&b);
    return n;
}

static void expect_occurs(const char *path, const char *text, int times)
{
    int n = occurs(path, text);
    CU_ASSERT(n == -1 || n == times);
    if (n != -1 && n != times)
        (void)printf("\n%s: '%s' %d times, not %d\n", path, text, n, times);
}

static void life_of_a_run(void)
{
    unsigned char found[] = "{\"a\": 1}";
    const char   *dir = fresh("life");
    ub_settings  *s = defaults();
    ub_rundir     a, b;
    bool          has = true;
    UB_CHECK(enter(dir, s, &a));
    CU_ASSERT(!a.resumed && !a.finished);
    CU_ASSERT_EQUAL(strlen(a.identity), 64);
    CU_ASSERT_EQUAL(strncmp(a.corpus, "1234ab00", 8), 0);
    UB_CHECK(ub_comm_same(ub_world, a.identity, sizeof a.identity, "identity"));
    UB_CHECK(ub_rundir_has(ub_world, &a, "structure", &has));
    CU_ASSERT(!has);
    ub_log_set_level(UB_LOG_ERROR);
    ub_log0_info("quiet", "x=%d", 1);
    ub_log_set_level(UB_LOG_INFO);
    UB_CHECK(ub_rundir_mark(ub_world, &a, "structure"));
    UB_CHECK(ub_rundir_mark(ub_world, &a, "structure"));
    leave(&a);
    UB_CHECK(enter(dir, s, &b)); /* the run was killed here */
    CU_ASSERT(b.resumed && !b.finished);
    CU_ASSERT_STRING_EQUAL(a.identity, b.identity);
    if (ub_world->rank == 0)
        UB_CHECK(ub_rundir_add(&b, "found", &(ub_bytes){.data = found, .len = sizeof found - 1}));
    UB_CHECK(ub_rundir_has(ub_world, &b, "structure", &has));
    CU_ASSERT(has);
    UB_CHECK(ub_rundir_has(ub_world, &b, "struct", &has));
    CU_ASSERT(!has);
    UB_CHECK(ub_rundir_mark(ub_world, &b, "done"));
    leave(&b);
    UB_CHECK(enter(dir, s, &b));
    CU_ASSERT(!b.resumed && b.finished);
    CU_ASSERT_PTR_NULL(b.log);
    leave(&b);
    expect_occurs(inside(dir, "STATE"), "structure\ndone\n", 1);
    expect_occurs(inside(dir, "STATE"), "structure", 1);
    expect_occurs(inside(dir, "unbraid.log"), "# 2", 2);
    expect_occurs(inside(dir, "provenance.json"), "\"ranks\": ", 2);
    expect_occurs(inside(dir, "provenance.json"), ", \"found\": {\"a\": 1}}\n  ]\n}\n", 1);
    expect_occurs(inside(dir, "provenance.json"), "\"corpus_path\": \"a \\\"b\\\".h5\"", 1);
    expect_occurs(inside(dir, "config.yaml"), "\nstructure:\n", 1);
    expect_occurs(inside(dir, "config.yaml"), "\nsynth:\n", 0);
}

/* Fields that cannot change a result may change; the file then says the new value. */
static void free_fields(void)
{
    const char  *dir = fresh("free");
    ub_settings *s = defaults();
    ub_rundir    a, b;
    UB_CHECK(enter(dir, s, &a));
    leave(&a);
    s->run.progress_s = 7.5;
    (void)snprintf(s->corpus.path, UB_TEXT_MAX, "elsewhere.h5");
    s->synth.tasks = 99; /* not a section of this command */
    UB_CHECK(enter(dir, s, &b));
    CU_ASSERT(b.resumed);
    CU_ASSERT_STRING_EQUAL(a.identity, b.identity);
    leave(&b);
    expect_occurs(inside(dir, "config.yaml"), "progress_s: 7.5\n", 1);
    expect_occurs(inside(dir, "config.yaml"), "elsewhere.h5", 1);
}

static void other_studies(void)
{
    const char  *dir = fresh("other");
    ub_settings *s = defaults();
    ub_rundir    a;
    char         want[200];
    s->structure.rule = UB_RULE_BH;
    UB_CHECK(enter(dir, s, &a));
    leave(&a);
    s->structure.rule = UB_RULE_LLR_CLIQUE;
    s->structure.alpha = 0.01;
    UB_CHECK_FAILS(enter(dir, s, &a), UB_EINPUT,
                   "other was made with structure.rule = bh, now llr_clique; use another --out or "
                   "the old setting");
    s->structure.rule = UB_RULE_BH;
    UB_CHECK_FAILS(enter(dir, s, &a), UB_EINPUT, "structure.alpha = 0.05, now 0.01;");
    s->structure.alpha = 0.05;
    s->run.seed = 2;
    UB_CHECK_FAILS(enter(dir, s, &a), UB_EINPUT, "run.seed = 1, now 2;");
    s->run.seed = 1;
    UB_CHECK_FAILS(ub_rundir_enter(ub_world, dir, "run", sections, s, corpus, &a), UB_EINPUT,
                   "was made by the command 'structure', not 'run'");
    (void)snprintf(want, sizeof want,
                   "made from another corpus: digest 1234ab000000... then, 990000000000... now");
    UB_CHECK_FAILS(ub_rundir_enter(ub_world, dir, "structure", sections, s, other, &a), UB_EINPUT,
                   want);
    CU_ASSERT(!ub_file_exists(inside(dir, "STATE")));
    UB_CHECK(enter(dir, s, &a));
    leave(&a);
}

static void other_version(void)
{
    const char  *dir = fresh("version");
    ub_settings *s = defaults();
    ub_rundir    a;
    ub_bytes     text = {0}, made = {0};
    UB_CHECK(enter(dir, s, &a));
    leave(&a);
    if (ub_world->rank == 0) {
        UB_CHECK(ub_file_read(inside(dir, "config.yaml"), &text));
        char *at = strstr((char *)text.data, "# version: "),
             *id = strstr((char *)text.data, "ity: ");
        CU_ASSERT(at != NULL && id != NULL);
        if (at != NULL && id != NULL) {
            id[5] = id[5] == '0' ? '1' : '0';
            UB_CHECK(ub_bytes_printf(&made, "%.*s# version: 0.0.1%s", (int)(at - (char *)text.data),
                                     (char *)text.data, strchr(at, '\n')));
        }
        UB_CHECK(ub_file_write(inside(dir, "config.yaml"), made.data, made.len));
        ub_bytes_release(&made);
        ub_bytes_release(&text);
    }
    barrier();
    UB_CHECK_FAILS(enter(dir, s, &a), UB_EINPUT,
                   "was made by unbraid 0.0.1, this is " UB_VERSION "; use another --out");
}

static void put(const char *dir, const char *name, const char *text)
{
    barrier();
    if (ub_world->rank == 0) {
        UB_CHECK(ub_dir_make(dir));
        UB_CHECK(ub_file_write(inside(dir, name), text, strlen(text)));
    }
    barrier();
}

static void strangers(void)
{
    const char  *dir = fresh("strange");
    ub_settings *s = defaults(), t;
    ub_rundir    a;
    put(dir, "thesis.tex", "x");
    UB_CHECK_FAILS(enter(dir, s, &a), UB_EINPUT,
                   "strange is not a run folder: it holds 'thesis.tex' and no config.yaml");
    CU_ASSERT(!ub_file_exists(inside(dir, "unbraid.log")));
    UB_CHECK_FAILS(ub_rundir_settings(ub_world, dir, &t), UB_EINPUT, "it has no config.yaml");
    put(dir, "config.yaml", "run:\n  seed: 1\n");
    UB_CHECK_FAILS(enter(dir, s, &a), UB_EINPUT, "its config.yaml was not written by unbraid");
    UB_CHECK_FAILS(enter("", s, &a), UB_EINPUT, "--out");
    put(dir, "plain", "x");
    char file[LONG];
    (void)snprintf(file, sizeof file, "%s", inside(dir, "plain"));
    UB_CHECK_FAILS(enter(file, s, &a), UB_EINPUT, "plain cannot be a run folder: Not a directory");
}

/* Killed before config.yaml was there, or right after it. */
static void interrupted_creation(void)
{
    const char  *dir = fresh("early");
    ub_settings *s = defaults();
    ub_rundir    a;
    put(dir, ".config.yaml.new", "half");
    put(dir, "unbraid.log", "# begun\n");
    put(dir, "slurm-12.out", "");
    UB_CHECK(enter(dir, s, &a));
    CU_ASSERT(!a.resumed);
    leave(&a);
    barrier();
    if (ub_world->rank == 0)
        CU_ASSERT_EQUAL(unlink(inside(dir, "provenance.json")), 0);
    barrier();
    UB_CHECK(enter(dir, s, &a));
    CU_ASSERT(a.resumed && !a.finished);
    leave(&a);
    expect_occurs(inside(dir, "provenance.json"), "\"ranks\": ", 1);
    expect_occurs(inside(dir, "unbraid.log"), "# begun\n", 1);
}

static void two_at_a_time(void)
{
    const char  *dir = fresh("busy");
    ub_settings *s = defaults();
    ub_rundir    a, b;
    UB_CHECK(enter(dir, s, &a));
    UB_CHECK_FAILS(enter(dir, s, &b), UB_EINPUT, "another run is at work in the run folder");
    leave(&a);
    UB_CHECK(enter(dir, s, &b));
    leave(&b);
}

static void settings_come_back(void)
{
    const char        *dir = fresh("settings");
    static ub_settings back;
    ub_settings       *s = defaults();
    ub_rundir          a;
    s->structure.alpha = 0.1 + 0.2;
    s->run.seed = 77;
    s->structure.rule = UB_RULE_BY;
    UB_CHECK(enter(dir, s, &a));
    leave(&a);
    UB_CHECK(ub_rundir_settings(ub_world, dir, &back));
    CU_ASSERT_EQUAL(back.structure.alpha, 0.1 + 0.2);
    CU_ASSERT_EQUAL(back.run.seed, 77);
    CU_ASSERT_EQUAL(back.structure.rule, UB_RULE_BY);
    CU_ASSERT_STRING_EQUAL(back.corpus.path, s->corpus.path);
}

static void logs_go_to_the_file(void)
{
    const char  *dir = fresh("log");
    ub_settings *s = defaults();
    ub_rundir    a;
    UB_CHECK(enter(dir, s, &a));
    ub_log0_info("marker", "value=%d (this line belongs to the test)", 42);
    leave(&a);
    expect_occurs(inside(dir, "unbraid.log"), " info 0 marker value=42", 1);
}

UB_SUITE("rundir", {"a run is made, resumed and found finished", life_of_a_run},
         {"settings that do not matter may change", free_fields},
         {"another study is refused by its first difference", other_studies},
         {"another version is refused", other_version},
         {"folders of other things are refused and left alone", strangers},
         {"an interrupted creation is taken up", interrupted_creation},
         {"two runs cannot work in one folder", two_at_a_time},
         {"the settings of a run come back on all ranks", settings_come_back},
         {"log lines go to the file too", logs_go_to_the_file})
