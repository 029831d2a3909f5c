/* Answers appended as they come. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/log.h"
#include "io/file.h"
#include "io/journal.h"
#include "tests/support/suite.h"

static const char study_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char study_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

enum { HEADER = 8 + 4 + 4 + 64 + 4, HEAD = 16 };

/* A path of this rank alone, and no file there. */
static const char *fresh(const char *name)
{
    static char path[UB_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%d-%s", ub_test_dir(), ub_log_rank(), name);
    (void)unlink(path);
    return path;
}

/* The answer of an item: item % 50 bytes that depend on it. */
static size_t answer_of(int64_t item, unsigned char answer[64])
{
    size_t n = (size_t)(item % 50);
    for (size_t i = 0; i < n; i++)
        answer[i] = (unsigned char)(item + 3 * (int64_t)i);
    return n;
}

/* Checks that records are those of items 0, 7, 14, ... in this order. */
typedef struct reader {
    int64_t count, wrong, fail_at;
} reader;

static ub_status take(void *self, int64_t item, const unsigned char *answer, size_t len)
{
    reader       *r = self;
    unsigned char want[64];
    r->wrong += item != 7 * r->count || len != answer_of(item, want) ||
                (len > 0 && memcmp(answer, want, len) != 0);
    if (++r->count == r->fail_at)
        return UB_FAIL(UB_EFORMAT, "answer of item %lld is nonsense", (long long)item);
    return UB_OK;
}

static void put_some(ub_journal *j, int64_t from, int64_t count)
{
    unsigned char answer[64];
    for (int64_t i = from; i < from + count; i++)
        UB_CHECK(ub_journal_put(j, 7 * i, answer, answer_of(7 * i, answer)));
}

/* Open, expect `count` records, add `more`, close. */
static void visit(const char *path, int64_t count, int64_t more)
{
    ub_journal *j = NULL;
    reader      r = {0};
    int64_t     records = -1;
    UB_CHECK(ub_journal_open(path, study_a, 3600, take, &r, &records, &j));
    CU_ASSERT_EQUAL(records, count);
    CU_ASSERT_EQUAL(r.count, count);
    CU_ASSERT_EQUAL(r.wrong, 0);
    if (j != NULL)
        put_some(j, count, more);
    UB_CHECK(ub_journal_close(&j));
    CU_ASSERT_PTR_NULL(j);
}

static void comes_back(void)
{
    const char *path = fresh("a.journal");
    visit(path, 0, 1);
    visit(path, 1, 0);
    visit(path, 1, 1000);
    visit(path, 1001, 0);
    ub_journal *none = NULL;
    UB_CHECK(ub_journal_close(&none));
}

static int64_t size_of(const char *path)
{
    ub_bytes b = {0};
    UB_CHECK(ub_file_read(path, &b));
    int64_t n = (int64_t)b.len;
    ub_bytes_release(&b);
    return n;
}

static void drop_line(void *self, ub_log_level level, const char *line)
{
    if (level == UB_LOG_WARN)
        (void)snprintf(self, 1024, "%s", line);
}

/* Cut after every byte of the last two records: what is whole stays, and writing goes on. */
static void torn_tail(void)
{
    static char line[1024];
    const char *path = fresh("torn.journal");
    ub_bytes    file = {0};
    visit(path, 0, 5); /* answers of 0, 7, 14, 21, 28 bytes */
    UB_CHECK(ub_file_read(path, &file));
    CU_ASSERT_EQUAL(file.len, HEADER + 5 * HEAD + 70);
    size_t last = file.len - HEAD - 28, before = last - HEAD - 21;
    ub_log_set_sink(drop_line, line);
    for (size_t cut = before; cut < file.len; cut++) {
        line[0] = '\0';
        UB_CHECK(ub_file_write(path, file.data, cut));
        visit(path, cut < last ? 3 : 4, cut < last ? 2 : 1);
        CU_ASSERT_EQUAL(line[0] == '\0', cut == before || cut == last);
        CU_ASSERT_EQUAL(size_of(path), (int64_t)file.len);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "torn.journal' offset="));
    ub_log_set_sink(NULL, NULL);
    visit(path, 5, 0);
    ub_bytes_release(&file);
}

/* Change every byte of the third record in turn: two stay, the warning names the offset. */
static void damaged_middle(void)
{
    static char line[1024], offset[64];
    const char *path = fresh("damaged.journal");
    ub_bytes    file = {0};
    visit(path, 0, 5);
    UB_CHECK(ub_file_read(path, &file));
    size_t third = HEADER + 2 * HEAD + 7;
    (void)snprintf(offset, sizeof offset, "offset=%zu dropped=%zu", third, file.len - third);
    ub_log_set_sink(drop_line, line);
    for (size_t i = third; i < third + HEAD + 14; i++) {
        line[0] = '\0';
        file.data[i] ^= 0x20;
        UB_CHECK(ub_file_write(path, file.data, file.len));
        file.data[i] ^= 0x20;
        visit(path, 2, 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(line, offset));
        CU_ASSERT_EQUAL(size_of(path), (int64_t)third);
    }
    /* A power cut may leave zeros where the file had grown. */
    memset(file.data + third, 0, file.len - third);
    UB_CHECK(ub_file_write(path, file.data, file.len));
    visit(path, 2, 0);
    ub_log_set_sink(NULL, NULL);
    ub_bytes_release(&file);
}

static void other_study(void)
{
    const char *path = fresh("other.journal");
    ub_journal *j = NULL;
    reader      r = {0};
    ub_bytes    file = {0};
    visit(path, 0, 5);
    int64_t before = size_of(path);
    UB_CHECK_FAILS(ub_journal_open(path, study_b, 1, take, &r, NULL, &j), UB_EINPUT,
                   "other.journal: the journal belongs to a study with other settings");
    CU_ASSERT_EQUAL(size_of(path), before);
    CU_ASSERT_EQUAL(r.count, 0);
    CU_ASSERT_PTR_NULL(j);
    UB_CHECK(ub_file_read(path, &file));
    file.data[8] = 1; /* the answers of builds before had another layout */
    UB_CHECK(ub_file_write(path, file.data, file.len));
    UB_CHECK_FAILS(ub_journal_open(path, study_a, 1, take, &r, NULL, &j), UB_EINPUT,
                   "a journal of version 1");
    file.data[2] ^= 1;
    UB_CHECK(ub_file_write(path, file.data, file.len));
    UB_CHECK_FAILS(ub_journal_open(path, study_a, 1, take, &r, NULL, &j), UB_EINPUT,
                   "not a journal");
    UB_CHECK(ub_file_write(path, file.data, 10));
    UB_CHECK_FAILS(ub_journal_open(path, study_a, 1, take, &r, NULL, &j), UB_EINPUT,
                   "10 bytes are not a journal");
    CU_ASSERT_EQUAL(size_of(path), 10);
    UB_CHECK_FAILS(ub_journal_open("/nowhere/j", study_a, 1, take, &r, NULL, &j), UB_EIO,
                   "/nowhere/j: cannot create");
    ub_bytes_release(&file);
}

static void failing_reader(void)
{
    const char *path = fresh("fail.journal");
    ub_journal *j = NULL;
    reader      r = {.fail_at = 3};
    visit(path, 0, 5);
    UB_CHECK_FAILS(ub_journal_open(path, study_a, 1, take, &r, NULL, &j), UB_EFORMAT,
                   "answer of item 14 is nonsense");
    CU_ASSERT_PTR_NULL(j);
    visit(path, 5, 0);
}

/* An answer larger than the window, and one of no bytes. */
static ub_status take_large(void *self, int64_t item, const unsigned char *answer, size_t len)
{
    int64_t *ok = self;
    *ok += item == -5 && len == 5000001 && answer[0] == 9 && answer[5000000] == 8;
    return UB_OK;
}

static void large_answer(void)
{
    const char    *path = fresh("large.journal");
    ub_journal    *j = NULL;
    unsigned char *x;
    int64_t        ok = 0, records = 0;
    UB_CHECK(UB_ALLOC(x, 5000001));
    x[0] = 9;
    x[5000000] = 8;
    UB_CHECK(ub_journal_open(path, study_a, 0, take_large, &ok, NULL, &j));
    UB_CHECK(ub_journal_put(j, 1, NULL, 0));
    UB_CHECK(ub_journal_put(j, -5, x, 5000001));
    UB_CHECK(ub_journal_put(j, 2, x, 3));
    UB_CHECK(ub_journal_close(&j));
    UB_CHECK(ub_journal_open(path, study_a, 0, take_large, &ok, &records, &j));
    CU_ASSERT_EQUAL(ok, 1);
    CU_ASSERT_EQUAL(records, 3);
    UB_CHECK(ub_journal_close(&j));
    CU_ASSERT_EQUAL(unlink(path), 0);
    ub_free(x);
}

/* A full disk in the middle of a record: the sentence, and no half record. */
static void full_disk(void)
{
    const char   *path = fresh("full.journal");
    ub_journal   *j = NULL;
    reader        r = {0};
    unsigned char answer[64];
    struct rlimit old, small;
    visit(path, 0, 5);
    rlim_t room = (rlim_t)size_of(path) + 20;
    UB_CHECK(ub_journal_open(path, study_a, 3600, take, &r, NULL, &j));
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = room, .rlim_max = old.rlim_max};
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    (void)fflush(NULL);
    (void)setrlimit(RLIMIT_FSIZE, &small);
    ub_status st = ub_journal_put(j, 35, answer, answer_of(35, answer));
    (void)setrlimit(RLIMIT_FSIZE, &old);
    (void)signal(SIGXFSZ, before);
    UB_CHECK_FAILS(st, UB_EIO, "full.journal: cannot write: File too large");
    put_some(j, 5, 2);
    UB_CHECK(ub_journal_close(&j));
    visit(path, 7, 0);
}

/* The last record before a long silence does not wait for the next one. */
static void flushed_in_silence(void)
{
    ub_journal *j;
    double      now = ub_clock();
    UB_CHECK(ub_journal_open(fresh("silence"), study_a, 100, take, &(reader){0}, NULL, &j));
    UB_CHECK(ub_journal_tick(j, now + 1000)); /* nothing to flush */
    CU_ASSERT_EQUAL(ub_journal_flushed(j), 0);
    put_some(j, 0, 3);
    CU_ASSERT_EQUAL(ub_journal_waiting(j), 3);
    UB_CHECK(ub_journal_tick(j, now + 99));
    CU_ASSERT_EQUAL(ub_journal_waiting(j), 3);
    UB_CHECK(ub_journal_tick(j, now + 101));
    CU_ASSERT_EQUAL(ub_journal_waiting(j), 0);
    double spent = ub_journal_flushed(j);
    CU_ASSERT(spent > 0);
    UB_CHECK(ub_journal_tick(j, now + 1000));
    CU_ASSERT_EQUAL(ub_journal_flushed(j), spent);
    UB_CHECK(ub_journal_close(&j));
}

/* Looking at a journal changes nothing, and tells damage from an end that is cut short. */
static void looked_at(void)
{
    char        path[UB_PATH_MAX];
    ub_journal *j;
    ub_bytes    text = {0};
    int64_t     n = -1;
    (void)snprintf(path, sizeof path, "%s", fresh("looked-at"));
    UB_CHECK_FAILS(ub_journal_count(path, &n), UB_ENOENT, "looked-at");
    UB_CHECK(ub_journal_open(path, study_a, 1, take, &(reader){0}, NULL, &j));
    put_some(j, 0, 20);
    UB_CHECK(ub_journal_count(path, &n)); /* in use */
    CU_ASSERT_EQUAL(n, 20);
    UB_CHECK(ub_journal_close(&j));
    UB_CHECK(ub_journal_verify(path));
    UB_CHECK(ub_file_read(path, &text));
    for (size_t cut = text.len - 1; cut > text.len - 20; cut--) {
        UB_CHECK(ub_file_write(path, text.data, cut));
        UB_CHECK(ub_journal_count(path, &n));
        CU_ASSERT_EQUAL(n, 19);
        UB_CHECK(ub_journal_verify(path));
    }
    text.data[text.len - 1] ^= 1;
    UB_CHECK(ub_file_write(path, text.data, text.len));
    UB_CHECK(ub_journal_count(path, &n));
    CU_ASSERT_EQUAL(n, 19);
    UB_CHECK_FAILS(ub_journal_verify(path), UB_EFORMAT, "is damaged");
    for (size_t at = 0; at < HEADER; at++) {
        text.data[at] ^= 16;
        UB_CHECK(ub_file_write(path, text.data, text.len));
        UB_CHECK_FAILS(ub_journal_verify(path), UB_EINPUT, "journal");
        text.data[at] ^= 16;
    }
    ub_bytes_release(&text);
}

UB_SUITE("journal", {"records come back in order over several openings", comes_back},
         {"a torn tail is cut at the last whole record, at every byte", torn_tail},
         {"a damaged record ends the journal, at every byte", damaged_middle},
         {"journals of other studies and other files stay untouched", other_study},
         {"a reader that fails stops the opening with its sentence", failing_reader},
         {"answers of no bytes and of megabytes come back", large_answer},
         {"a full disk leaves no half record", full_disk},
         {"the pause is kept in silence, too", flushed_in_silence},
         {"looking at a journal changes nothing", looked_at})
