/* The status file. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/log.h"
#include "io/beacon.h"
#include "io/file.h"
#include "tests/support/suite.h"

static const char *fresh(const char *name)
{
    static char path[UB_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", ub_test_dir(), name);
    (void)unlink(path);
    return path;
}

static ub_beacon_state about(double pause_s)
{
    ub_beacon_state s = {.ranks = 3, .pause_s = pause_s, .ends = 4e9};
    (void)snprintf(s.command, sizeof s.command, "unbraid run --set 'a b=\"\\\n'");
    (void)snprintf(s.folder, sizeof s.folder, "/tmp/\xc3\xa4: #x");
    (void)snprintf(s.job, sizeof s.job, "17");
    return s;
}

static void nap(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    (void)nanosleep(&t, NULL);
}

/* Read until the file tells of this phase: a thread writes it, and where writing is slow it pauses
 * longer, but not for more than twelve times the pause that was asked for. */
static void wait_for_phase(const char *path, const char *phase, ub_beacon_state *s)
{
    for (int i = 0; i < 6000; i++) {
        UB_CHECK(ub_beacon_read(path, s));
        if (strcmp(s->phase, phase) == 0)
            return;
        nap(0.01);
    }
}

/* Rank 2 is slow (at first), rank 1 is dead. */
static void expect_ranks(const char *path, bool slow)
{
    ub_beacon_state s;
    ub_rank_lines   lines = {0};
    UB_CHECK(ub_beacon_read_ranks(path, &s, &lines));
    CU_ASSERT_EQUAL(lines.count, slow ? 2 : 1);
    CU_ASSERT_EQUAL(s.slow, slow);
    CU_ASSERT_EQUAL(s.dead, 1);
    for (int i = 0; i < lines.count; i++) {
        bool first = slow && i == 0;
        CU_ASSERT_EQUAL(lines.line[i].state, first ? UB_RANK_SLOW : UB_RANK_DEAD);
        CU_ASSERT_EQUAL(lines.line[i].rank, first ? 2 : 1);
        CU_ASSERT_EQUAL(lines.line[i].speed, first ? 0.25 : 0);
        CU_ASSERT_STRING_EQUAL(lines.line[i].node, first ? "c" : "b\"");
    }
    ub_free(lines.line);
}

static void reads_back(void)
{
    static const ub_node_name node[] = {{"a"}, {"b\""}, {"c"}};
    const char               *path = fresh("status.json");
    ub_beacon_state           first = about(1), s;
    ub_beacon                *b;
    double                    before = ub_beacon_now();
    UB_CHECK(ub_beacon_begin(path, &first, node, &b));
    UB_CHECK(ub_beacon_read(path, &s));
    CU_ASSERT_STRING_EQUAL(s.state, "running");
    CU_ASSERT_STRING_EQUAL(s.command, first.command);
    CU_ASSERT_STRING_EQUAL(s.folder, first.folder);
    CU_ASSERT_STRING_EQUAL(s.job, "17");
    CU_ASSERT_EQUAL(s.pid, getpid());
    CU_ASSERT_EQUAL(s.ranks, 3);
    CU_ASSERT(s.pause_s == 1 && s.ends == 4e9 && s.safe == 0);
    CU_ASSERT(s.time >= before - 0.001 && s.time <= ub_beacon_now() + 0.001);
    CU_ASSERT_EQUAL(s.well + s.slow + s.dead, 0);
    ub_beacon_stage(b, "structure", "tests", 2.5);
    ub_beacon_progress(b, 4, 100); /* known at the start: no part of the rate */
    nap(0.05);
    ub_beacon_progress(b, 24, 100);
    ub_beacon_safe(b);
    ub_beacon_rank(b, 0, &(ub_rank_report){UB_RANK_WELL, 0.97, 12, 1.1});
    ub_beacon_rank(b, 1, &(ub_rank_report){UB_RANK_DEAD, -1, 3, 0});
    ub_beacon_rank(b, 2, &(ub_rank_report){UB_RANK_SLOW, 0.5, 9, 0.25});
    ub_beacon_rank(b, 3, &(ub_rank_report){UB_RANK_SLOW, 0.5, 9, 0.25}); /* there is none */
    ub_beacon_phase(b, "the tests");
    wait_for_phase(path, "the tests", &s);
    CU_ASSERT_STRING_EQUAL(s.stage, "structure");
    CU_ASSERT_STRING_EQUAL(s.phase, "the tests");
    CU_ASSERT_STRING_EQUAL(s.unit, "tests");
    CU_ASSERT(s.done == 60 && s.total == 250);
    CU_ASSERT(s.rate > 0 && s.rate <= 50 / 0.05);
    CU_ASSERT(s.safe >= before);
    CU_ASSERT(s.well == 1 && s.slow == 1 && s.dead == 1);
    expect_ranks(path, true);
    ub_beacon_stage(b, "disentangle", "steps", 1); /* which tells nothing of ranks */
    expect_ranks(path, false);
    ub_status st = UB_FAIL(UB_ESTOP, "stopped \"there\"");
    ub_beacon_end(&b, st);
    CU_ASSERT_PTR_NULL(b);
    UB_CHECK(ub_beacon_read(path, &s));
    CU_ASSERT_STRING_EQUAL(s.state, "stopped");
    CU_ASSERT_STRING_EQUAL(s.message, "stopped \"there\"");
    ub_beacon_end(&b, UB_OK); /* once more is fine */
    ub_err_clear();
}

static void gives_signs_of_life(void)
{
    const char     *path = fresh("alive.json");
    ub_beacon_state first = about(0.02), s;
    ub_beacon      *b;
    UB_CHECK(ub_beacon_begin(path, &first, NULL, &b));
    UB_CHECK(ub_beacon_read(path, &s));
    double begun = s.time;
    for (int i = 0; i < 500 && s.time == begun; i++) {
        nap(0.01);
        UB_CHECK(ub_beacon_read(path, &s)); /* whole at any moment */
    }
    CU_ASSERT(s.time > begun);
    ub_beacon_end(&b, UB_OK);
    UB_CHECK(ub_beacon_read(path, &s));
    CU_ASSERT_STRING_EQUAL(s.state, "finished");
}

/* Ten thousand ranks make writing slow: the pauses grow. */
static ub_beacon *slow_one(const char *path, double pause_s)
{
    ub_beacon_state first = about(pause_s), s = {0};
    ub_beacon      *b;
    first.ranks = 10000;
    UB_CHECK(ub_beacon_begin(path, &first, NULL, &b));
    ub_beacon_rank(b, 0, &(ub_rank_report){UB_RANK_WELL, 0.97, 12, 1.1});
    UB_CHECK(ub_beacon_read(path, &s));
    CU_ASSERT_EQUAL(s.pause_s, pause_s);
    return b;
}

/* The first pause announced that is not `now`. */
static double next_announced(const char *path, double now)
{
    ub_beacon_state s = {.pause_s = now};
    for (int i = 0; i < 2000 && s.pause_s == now; i++) {
        nap(0.005);
        UB_CHECK(ub_beacon_read(path, &s));
    }
    return s.pause_s;
}

static void slow_writing_stretches_pauses(void)
{
    const char *path = fresh("slow.json");
    double      pause = 0.01, before = 0;
    ub_beacon  *b = slow_one(path, pause);
    while (pause > before && pause < 0.12) {
        before = pause;
        pause = next_announced(path, before);
    }
    CU_ASSERT_DOUBLE_EQUAL(pause, 0.12, 1e-6); /* twelve times the wanted one */
    ub_beacon_end(&b, UB_OK);
    /* Step by step: 0.4 s, or 0.8 if this thread slept through a file, but not 2.4. */
    b = slow_one(path, 0.2);
    CU_ASSERT(next_announced(path, 0.2) < 1);
    ub_beacon_end(&b, UB_OK);
}

static void none_wanted(void)
{
    const char     *path = fresh("none.json");
    ub_beacon_state first = about(0);
    ub_beacon      *b;
    UB_CHECK(ub_file_write(path, "old", 3));
    UB_CHECK(ub_beacon_begin(path, &first, NULL, &b));
    CU_ASSERT_PTR_NULL(b);
    CU_ASSERT(!ub_file_exists(path));
    ub_beacon_stage(b, "a", "b", 1);
    ub_beacon_phase(b, "a");
    ub_beacon_progress(b, 1, 2);
    ub_beacon_rank(b, 0, &(ub_rank_report){UB_RANK_WELL, 1, 1, 1});
    ub_beacon_safe(b);
    ub_beacon_end(&b, UB_OK);
    CU_ASSERT(!ub_file_exists(path));
}

static int warnings;

static void count_line(void *self, ub_log_level level, const char *line)
{
    (void)self;
    warnings += level == UB_LOG_WARN && strstr(line, "the run goes on") != NULL;
}

static void disk_that_fails(void)
{
    char            path[UB_PATH_MAX];
    ub_beacon_state first = about(3600);
    ub_beacon      *b;
    (void)snprintf(path, sizeof path, "%s/not/there.json", ub_test_dir());
    warnings = 0;
    ub_log_set_sink(count_line, NULL);
    UB_CHECK(ub_beacon_begin(path, &first, NULL, &b));
    ub_beacon_phase(b, "one");
    ub_beacon_phase(b, "two");
    ub_status st = UB_FAIL(UB_ENUMERIC, "what the run died of");
    ub_beacon_end(&b, st);
    ub_log_set_sink(NULL, NULL);
    CU_ASSERT_EQUAL(warnings, 1);
    CU_ASSERT_STRING_EQUAL(ub_err_message(), "what the run died of");
    ub_err_clear();
}

/* A file cut off anywhere, or of something else, is refused, not half believed. */
static void damaged_files(void)
{
    char            whole[UB_PATH_MAX];
    ub_beacon_state first = about(3600), s = {.pid = 77};
    ub_beacon      *b;
    ub_bytes        text = {0};
    (void)snprintf(whole, sizeof whole, "%s", fresh("whole.json"));
    UB_CHECK(ub_beacon_begin(whole, &first, NULL, &b));
    ub_beacon_end(&b, UB_OK);
    UB_CHECK(ub_file_read(whole, &text));
    const char *path = fresh("damaged.json");
    UB_CHECK_FAILS(ub_beacon_read(path, &s), UB_ENOENT, "damaged.json");
    for (size_t n = 0; n < text.len - 2; n++) { /* the last: "}\n" */
        UB_CHECK(ub_file_replace(path, text.data, n));
        UB_CHECK_FAILS(ub_beacon_read(path, &s), UB_EFORMAT, "whole status file");
    }
    UB_CHECK(ub_file_replace(path, "[1, 2]", 6));
    UB_CHECK_FAILS(ub_beacon_read(path, &s), UB_EFORMAT, "whole status file");
    CU_ASSERT_EQUAL(s.pid, 77); /* untouched */
    ub_bytes_release(&text);
}

/* Taken between the beats of a tick; the pauses of a beat are seconds. */
static void costs_little(void)
{
    enum { CALLS = 200000, PHASES = 2000 };
    ub_beacon_state first = about(3600);
    ub_beacon      *b;
    UB_CHECK(ub_beacon_begin(fresh("cost.json"), &first, NULL, &b));
    ub_beacon_stage(b, "a", "b", 1);
    double start = ub_clock();
    for (int64_t i = 0; i < CALLS; i++)
        ub_beacon_progress(b, i, CALLS);
    double call = (ub_clock() - start) / CALLS;
    start = ub_clock();
    for (int i = 0; i < PHASES; i++)
        ub_beacon_phase(b, "p");
    double phase = (ub_clock() - start) / PHASES;
    ub_beacon_end(&b, UB_OK);
    (void)printf("\nprogress %.0f ns a call, a phase %.0f ns\n", 1e9 * call, 1e9 * phase);
}

UB_SUITE("beacon", {"what is written is read back", reads_back},
         {"a thread gives signs of life", gives_signs_of_life},
         {"slow writing stretches the pauses", slow_writing_stretches_pauses},
         {"without a pause nothing is written, and an old file goes", none_wanted},
         {"a disk that fails is warned about once", disk_that_fails},
         {"a damaged file is refused", damaged_files}, {"costs are told", costs_little})
