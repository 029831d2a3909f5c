/* Checkpoints on any number of ranks. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>

#include "core/log.h"
#include "core/mem.h"
#include "io/checkpoint.h"
#include "io/file.h"
#include "io/internal/ckpt_files.h"
#include "io/internal/h5.h"
#include "tests/support/suite.h"
#include "tests/support/world.h"

/* Widths: several blocks and a short one, whole blocks, a few values, fewer than ranks, none. */
enum { ARRAYS = 5, BLOCK = 65536 };
static const int64_t     widths[ARRAYS] = {2 * BLOCK + 17, BLOCK, 1000, 2, 0};
static const char *const names[ARRAYS] = {"weights", "moments", "log", "counters", "none"};

/* All arrays of one state, in one block of memory. */
typedef struct state {
    double       *memory;
    ub_ckpt_array array[ARRAYS];
} state;

static void state_make(state *s, double salt)
{
    int64_t total = 0, at = 0;
    for (int i = 0; i < ARRAYS; i++)
        total += widths[i];
    UB_CHECK(UB_ALLOC(s->memory, total));
    for (int64_t i = 0; i < total && salt != 0; i++)
        s->memory[i] = salt + 1.0 / (double)(i + 1);
    for (int i = 0; i < ARRAYS; i++) {
        s->array[i] = (ub_ckpt_array){names[i], widths[i], s->memory + at};
        at += widths[i];
    }
}

static int state_is(const state *s, double salt)
{
    int64_t total = 0, wrong = 0;
    for (int i = 0; i < ARRAYS; i++)
        total += widths[i];
    for (int64_t i = 0; i < total; i++)
        wrong += s->memory[i] != (salt == 0 ? 0 : salt + 1.0 / (double)(i + 1));
    return wrong == 0;
}

static void barrier(void)
{
    (void)MPI_Barrier(ub_world->mpi);
}

/* An empty folder of this case and rank count. */
static const char *folder(const char *name)
{
    static char dir[UB_PATH_MAX];
    char        path[UB_PATH_MAX];
    ub_bytes    list = {0};
    barrier();
    (void)snprintf(dir, sizeof dir, "%s/%s", ub_test_dir(), name);
    if (ub_world->rank == 0) {
        UB_CHECK(ub_ckpt_list(dir, &list));
        for (size_t at = 0; at < list.len; at += sizeof(int64_t)) {
            int64_t step;
            memcpy(&step, list.data + at, sizeof step);
            UB_CHECK(ub_ckpt_path(dir, step, path));
            CU_ASSERT_EQUAL(unlink(path), 0);
        }
        ub_bytes_release(&list);
    }
    barrier();
    return dir;
}

static const char *file_of(const char *dir, int64_t step)
{
    static char path[UB_PATH_MAX];
    UB_CHECK(ub_ckpt_path(dir, step, path));
    return path;
}

static void save(const char *dir, int64_t step, double salt)
{
    state s;
    state_make(&s, salt);
    UB_CHECK(ub_ckpt_write(ub_world, dir, step, "study-a", s.array, ARRAYS, 2));
    ub_free(s.memory);
    barrier();
}

/* The newest checkpoint has this number and holds this state; step -1: none, arrays untouched. */
static void expect(const char *dir, int64_t step, double salt)
{
    state   s;
    int64_t found = -7;
    state_make(&s, 0);
    UB_CHECK(ub_ckpt_read_latest(ub_world, dir, "study-a", s.array, ARRAYS, &found));
    CU_ASSERT_EQUAL(found, step);
    CU_ASSERT(state_is(&s, salt));
    ub_free(s.memory);
    barrier();
}

static void comes_back(void)
{
    const char *dir = folder("back");
    expect(dir, -1, 0);
    save(dir, 0, 1.5);
    expect(dir, 0, 1.5);
    save(dir, 12, 2.5);
    expect(dir, 12, 2.5);
    save(dir, INT64_C(123456789012), 3.5);
    expect(dir, INT64_C(123456789012), 3.5);
    UB_CHECK(ub_ckpt_verify(ub_world, file_of(dir, 12)));
}

/* What one process would write with plain serial calls, from the format page. */
static void write_reference(const char *path, double salt)
{
    state    s;
    hid_t    f = -1;
    ub_bytes text = {0};
    char     name[64];
    state_make(&s, salt);
    UB_CHECK(ub_bytes_printf(&text, "step 3\nidentity study-a\n"));
    UB_CHECK(ub_h5_create(path, &f));
    for (int i = 0; i < ARRAYS; i++) {
        uint32_t sums[8];
        hsize_t  width = (hsize_t)widths[i], blocks = 0;
        for (int64_t at = 0; at < widths[i]; at += BLOCK) {
            int64_t n = widths[i] - at < BLOCK ? widths[i] - at : BLOCK;
            sums[blocks++] = (uint32_t)crc32(0, (const Bytef *)(s.array[i].data + at), (uInt)n * 8);
        }
        (void)snprintf(name, sizeof name, "arrays/%s", names[i]);
        UB_CHECK(ub_h5_put(f, name, H5T_NATIVE_DOUBLE, 1, &width, s.array[i].data));
        (void)snprintf(name, sizeof name, "checksums/%s", names[i]);
        UB_CHECK(ub_h5_put(f, name, H5T_NATIVE_UINT32, 1, &blocks, sums));
        UB_CHECK(ub_bytes_printf(&text, "%s %lld\n", names[i], (long long)widths[i]));
    }
    UB_CHECK(ub_h5_put_text(f, "format", "unbraid checkpoint"));
    UB_CHECK(ub_h5_put_int(f, "format_version", 1));
    UB_CHECK(ub_h5_put_text(f, "description", (const char *)text.data));
    UB_CHECK(ub_h5_put_int(f, "description_crc32", (int64_t)crc32(0, text.data, (uInt)text.len)));
    UB_CHECK(ub_h5_close(&f, path));
    ub_bytes_release(&text);
    ub_free(s.memory);
}

static void digest_of(const char *path, unsigned char digest[UB_SHA256_BYTES])
{
    hid_t f = -1;
    UB_CHECK(ub_h5_open(path, &f));
    UB_CHECK(ub_h5_digest(f, digest));
    UB_CHECK(ub_h5_close(&f, path));
}

static void same_as_serial(void)
{
    unsigned char a[UB_SHA256_BYTES], b[UB_SHA256_BYTES];
    const char   *dir = folder("serial");
    char          path[UB_PATH_MAX];
    save(dir, 3, 4.25);
    if (ub_world->rank == 0) {
        (void)snprintf(path, sizeof path, "%s/reference.h5", dir);
        write_reference(path, 4.25);
        digest_of(path, a);
        digest_of(file_of(dir, 3), b);
        CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
        CU_ASSERT_EQUAL(rename(path, file_of(dir, 3)), 0); /* and it is read like any other */
    }
    barrier();
    expect(dir, 3, 4.25);
}

static void keeps_two(void)
{
    const char *dir = folder("keep");
    for (int step = 1; step <= 4; step++)
        save(dir, 10 * step, step);
    CU_ASSERT(!ub_file_exists(file_of(dir, 10)));
    CU_ASSERT(!ub_file_exists(file_of(dir, 20)));
    CU_ASSERT(ub_file_exists(file_of(dir, 30)));
    CU_ASSERT(ub_file_exists(file_of(dir, 40)));
    barrier();
    save(dir, 35, 9); /* resumed before 40, which was therefore broken */
    CU_ASSERT(!ub_file_exists(file_of(dir, 40)));
    CU_ASSERT(ub_file_exists(file_of(dir, 30)));
    expect(dir, 35, 9);
    state s;
    state_make(&s, 1);
    UB_CHECK_FAILS(ub_ckpt_write(ub_world, dir, 50, "study-a", s.array, ARRAYS, 1), UB_EARG,
                   "at least 2");
    ub_free(s.memory);
}

/* Rank 0 changes one byte of a value in the file (NULL: in the middle) and may cut the file. */
static void damage(const char *path, const double *value, int cut)
{
    ub_bytes file = {0};
    if (ub_world->rank == 0) {
        UB_CHECK(ub_file_read(path, &file));
        unsigned char *at = value == NULL ? file.data + file.len / 2
                                          : memmem(file.data, file.len, value, 4 * sizeof *value);
        CU_ASSERT_PTR_NOT_NULL(at);
        if (at != NULL)
            at[3] ^= 16;
        UB_CHECK(ub_file_write(path, file.data, cut ? file.len * 2 / 3 : file.len));
        ub_bytes_release(&file);
    }
    barrier();
}

static void capture(void *self, ub_log_level level, const char *line)
{
    (void)level;
    (void)snprintf(self, 1024, "%s", line);
}

static void falls_back(void)
{
    static char line[1024];
    const char *dir = folder("fall");
    state       s;
    state_make(&s, 2);
    save(dir, 1, 1);
    save(dir, 2, 2);
    damage(file_of(dir, 2), s.memory + BLOCK + 100, 0);
    UB_CHECK_FAILS(ub_ckpt_verify(ub_world, file_of(dir, 2)), UB_EFORMAT,
                   "ckpt-0000000002.h5: dataset 'weights' is damaged: the checksum of values "
                   "65536 .. 131071");
    line[0] = '\0';
    ub_log_set_sink(capture, line);
    expect(dir, 1, 1);
    ub_log_set_sink(NULL, NULL);
    if (ub_world->rank == 0)
        CU_ASSERT_PTR_NOT_NULL(strstr(line, "ckpt-0000000002.h5: dataset 'weights' is damaged"));
    save(dir, 2, 2);
    expect(dir, 2, 2);
    damage(file_of(dir, 2), s.memory + 100, 1);
    ub_log_set_sink(capture, line);
    expect(dir, 1, 1);
    if (ub_world->rank == 0)
        CU_ASSERT_PTR_NOT_NULL(strstr(line, "truncated"));
    damage(file_of(dir, 1), NULL, 1); /* nothing sound is left */
    expect(dir, -1, 0);
    ub_log_set_sink(NULL, NULL);
    ub_free(s.memory);
}

/* Metadata are covered too: another digit in the description is damage, not another study. */
static void damaged_description(void)
{
    static char line[1024];
    const char *dir = folder("text");
    ub_bytes    file = {0};
    save(dir, 1, 1);
    save(dir, 2, 2);
    if (ub_world->rank == 0) {
        UB_CHECK(ub_file_read(file_of(dir, 2), &file));
        char *at = memmem(file.data, file.len, "study-a", 7);
        CU_ASSERT_PTR_NOT_NULL(at);
        if (at != NULL)
            at[6] = 'b';
        UB_CHECK(ub_file_write(file_of(dir, 2), file.data, file.len));
        ub_bytes_release(&file);
    }
    barrier();
    ub_log_set_sink(capture, line);
    expect(dir, 1, 1);
    ub_log_set_sink(NULL, NULL);
    if (ub_world->rank == 0)
        CU_ASSERT_PTR_NOT_NULL(strstr(line, "attribute 'description' is damaged"));
}

/* Of any byte of what HDF5 keeps around the values: the file is sound or passed over, never an
 * error of the run, whatever it then seems to hold or lack. */
static void any_damaged_byte(void)
{
    double        x[4];
    ub_ckpt_array arrays[] = {{"weights", 3, x}, {"log", 1, x + 3}};
    const char   *dir = folder("byte");
    ub_bytes      file = {0};
    char          path[UB_PATH_MAX];
    size_t        each = ub_world->size == 1 ? 5 : 149;
    int           passed = 0, wrong = 0;
    for (int64_t step = 1; step <= 2; step++) {
        for (int i = 0; i < 4; i++)
            x[i] = (double)step + i;
        UB_CHECK(ub_ckpt_write(ub_world, dir, step, "study-a", arrays, 2, 2));
    }
    barrier();
    (void)snprintf(path, sizeof path, "%s", file_of(dir, 2));
    UB_CHECK(ub_file_read(path, &file));
    ub_log_set_level(UB_LOG_ERROR);
    for (size_t at = 0; at < file.len; at += each) {
        int64_t step = -7;
        file.data[at] ^= (unsigned char)(1 << at % 8);
        if (ub_world->rank == 0)
            UB_CHECK(ub_file_replace(path, file.data, file.len));
        barrier();
        UB_CHECK(ub_ckpt_read_latest(ub_world, dir, "study-a", arrays, 2, &step));
        passed += step == 1;
        for (int i = 0; i < 4; i++)
            wrong += x[i] != (double)step + i;
        file.data[at] ^= (unsigned char)(1 << at % 8);
        barrier();
    }
    ub_log_set_level(UB_LOG_INFO);
    CU_ASSERT(passed > 0);
    CU_ASSERT_EQUAL(wrong, 0);
    ub_bytes_release(&file);
}

static void others_are_refused(void)
{
    const char *dir = folder("other");
    state       s;
    int64_t     step = -7;
    save(dir, 5, 5);
    state_make(&s, 0);
    UB_CHECK_FAILS(ub_ckpt_read_latest(ub_world, dir, "study-b", s.array, ARRAYS, &step), UB_EINPUT,
                   "belongs to a study with other settings");
    UB_CHECK_FAILS(ub_ckpt_read_latest(ub_world, dir, "study-a", s.array, 1, &step), UB_EINPUT,
                   "holds other arrays than wanted: weights 131089;moments 65536;");
    CU_ASSERT(state_is(&s, 0));
    CU_ASSERT_EQUAL(step, -7);
    ub_free(s.memory);
}

static void leftovers(void)
{
    const char *dir = folder("left");
    char        temp[UB_PATH_MAX];
    save(dir, 5, 5);
    UB_CHECK(ub_file_temp(file_of(dir, 6), temp));
    if (ub_world->rank == 0)
        UB_CHECK(ub_file_write(temp, "half a checkpoint", 17));
    barrier();
    expect(dir, 5, 5);
    CU_ASSERT(!ub_file_exists(temp));
}

static void errors_agree(void)
{
    state       s;
    const char *dir = folder("errors");
    char        path[UB_PATH_MAX];
    state_make(&s, 1);
    (void)snprintf(path, sizeof path, "%s-file", dir);
    if (ub_world->rank == 0)
        UB_CHECK(ub_file_write(path, "x", 1));
    barrier();
    UB_CHECK_FAILS(ub_ckpt_write(ub_world, path, 1, "study-a", s.array, ARRAYS, 2), UB_EIO,
                   "errors-file: cannot make the folder");
    if (ub_world->size > 1) {
        if (ub_world->rank == 1)
            s.array[0].width--;
        UB_CHECK_FAILS(ub_ckpt_write(ub_world, dir, 1, "study-a", s.array, ARRAYS, 2), UB_ENOTSAME,
                       "differs between rank 0 and rank 1");
    }
    s.array[0] = (ub_ckpt_array){"two words", 1, s.memory};
    UB_CHECK_FAILS(ub_ckpt_write(ub_world, dir, 1, "study-a", s.array, ARRAYS, 2), UB_EARG,
                   "'two words'");
    ub_free(s.memory);
}

static void sleep_s(double seconds)
{
    struct timespec pause = {(time_t)seconds, (long)(seconds * 1e9) % 1000000000L};
    (void)nanosleep(&pause, NULL);
}

static void every_so_many_steps(void)
{
    ub_ckpt_pace p = ub_ckpt_pace_begin(7, 0.01, 5);
    for (int64_t step = 5; step < 50; step++) {
        bool due = false;
        UB_CHECK(ub_ckpt_due(ub_world, &p, step, &due));
        CU_ASSERT_EQUAL(due, step % 7 == 0);
        ub_ckpt_saved(&p, step, 1e6); /* whatever they cost */
    }
}

/* Steps of a millisecond on rank 0, of two elsewhere: clocks must not matter.  Costs are made up:
 * nothing, then so much that the next is due in hours. */
static void paced_by_the_cost(void)
{
    ub_ckpt_pace p = ub_ckpt_pace_begin(0, 0.01, 100);
    int64_t      saves = 0, looks = 0, step = 100, last = 0;
    p.pace.least = 0.5; /* a test has no time */
    for (; saves < 2 && step < 60000; step++) {
        bool    due = false;
        int64_t look = p.look;
        UB_CHECK(ub_ckpt_due(ub_world, &p, step, &due));
        looks += p.look != look;
        sleep_s(ub_world->rank == 0 ? 1e-3 : 2e-3);
        if (!due)
            continue;
        last = step;
        ub_ckpt_saved(&p, step, saves++ == 0 ? 0 : 100);
    }
    CU_ASSERT_EQUAL(saves, 2);
    CU_ASSERT(looks <= 60); /* log2 of a few hundred steps, twice */
    UB_CHECK(ub_comm_same(ub_world, &last, sizeof last, "the step of the checkpoint"));
    UB_CHECK(ub_comm_same(ub_world, &p.look, sizeof p.look, "the next look"));
    /* The mean of nothing and twice 100 s: the next in 6667 s. */
    ub_ckpt_saved(&p, step, 100);
    for (int64_t end = p.look + 1; step < end; step++) {
        bool due = true;
        UB_CHECK(ub_ckpt_due(ub_world, &p, step, &due));
        CU_ASSERT(!due);
        sleep_s(1e-3);
    }
    CU_ASSERT(p.look - step > 10000);
}

UB_SUITE("checkpoint", {"arrays come back on every rank, none is step -1", comes_back},
         {"the file is the one a serial program writes", same_as_serial},
         {"two stay, and none numbered above the one written", keeps_two},
         {"a damaged or cut file is skipped for the one before", falls_back},
         {"a damaged description is damage, not another study", damaged_description},
         {"a damaged byte anywhere is passed over, too", any_damaged_byte},
         {"other studies and other shapes are refused", others_are_refused},
         {"what a killed run left is removed", leftovers},
         {"errors are the same on all ranks", errors_agree},
         {"a fixed number of steps is kept whatever a checkpoint costs", every_so_many_steps},
         {"by the time, all ranks agree on the steps, and dear ones become rare",
          paced_by_the_cost})
