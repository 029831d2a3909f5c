/* The aligned layout: written, read back, refused.  Other layouts: suite_layouts.c. */
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/mem.h"
#include "core/shard.h"
#include "core/synth.h"
#include "io/encoding.h"
#include "io/file.h"
#include "io/internal/format.h"
#include "io/internal/h5.h"
#include "mpi/moments.h"
#include "tests/io/corpus_files.h"

static void synthesize(const ub_settings *s, ub_corpus *c)
{
    ub_range mine = ub_rows_of_rank(s->synth.samples, SHARDS, ub_world->size, ub_world->rank);
    UB_CHECK(ub_synth(s, mine.first, mine.count, c));
    UB_CHECK(ub_corpus_digest(ub_world, c));
}

static int same_doubles(const double *a, const double *b, int64_t n, int single)
{
    int64_t wrong = 0;
    for (int64_t i = 0; i < n; i++)
        wrong += !(a[i] == (single ? (double)(float)b[i] : b[i]));
    return wrong == 0;
}

static int same_flags(const uint8_t *a, const uint8_t *b, int64_t n)
{
    return a != NULL && b != NULL && memcmp(a, b, (size_t)n) == 0;
}

static void compare(const ub_corpus *b, const ub_corpus *a, int single)
{
    int32_t shape[][2] = {{b->steps, a->steps},
                          {b->dim, a->dim},
                          {b->tasks, a->tasks},
                          {b->segment, a->segment},
                          {b->latent_dim, a->latent_dim}};
    int     differ = b->episodes != a->episodes || b->first != a->first || b->count != a->count;
    differ += memcmp(b->image, a->image, sizeof a->image) != 0;
    for (int i = 0; i < 5; i++)
        differ += shape[i][0] != shape[i][1];
    CU_ASSERT_EQUAL(differ, 0);
    if (differ > 0)
        return;
    int32_t all = a->task_offset[a->tasks];
    CU_ASSERT_EQUAL(
        memcmp(b->task_offset, a->task_offset, sizeof *a->task_offset * ((size_t)a->tasks + 1)), 0);
    CU_ASSERT(same_doubles(b->states, a->states, a->count * a->steps * a->dim, single));
    CU_ASSERT(same_doubles(b->targets, a->targets, a->count * all, single));
    CU_ASSERT(same_flags(b->truth, a->truth, (int64_t)a->steps * a->tasks));
    for (int32_t i = 0; i < a->tasks; i++)
        CU_ASSERT_STRING_EQUAL(b->task_name[i], a->task_name[i]);
    if (a->latents == NULL)
        return;
    CU_ASSERT(same_doubles(b->latents, a->latents, a->count * a->steps * a->latent_dim, single));
    CU_ASSERT(
        same_flags(b->latent_relevant, a->latent_relevant, (int64_t)a->latent_dim * a->tasks));
}

/* Write, read, compare every number, name and flag. */
static void round_trip(ub_settings *s, int64_t samples, int single)
{
    ub_corpus a = {0}, b = {0};
    s->synth.samples = samples;
    synthesize(s, &a);
    UB_CHECK(ub_corpus_write(ub_world, s->corpus.path, &a, single, "made by a test"));
    UB_CHECK(ub_corpus_read(ub_world, s, SHARDS, &b));
    compare(&b, &a, single);
    CU_ASSERT_EQUAL(memcmp(a.digest, b.digest, sizeof a.digest) == 0, !single);
    ub_corpus_release(&a);
    ub_corpus_release(&b);
}

static void double_trips(void)
{
    ub_settings s;
    settings_for(&s, file_named("trip.h5"), 10, 0);
    round_trip(&s, 1, 0);
    round_trip(&s, 3, 0);
    round_trip(&s, 1000, 0);
}

/* 14,000 episodes make two chunks, shared by neighbouring ranks; 2 leave ranks without any. */
static void single_trips(void)
{
    ub_settings s;
    settings_for(&s, file_named("trip32.h5"), 10, 0);
    round_trip(&s, 2, 1);
    round_trip(&s, 37, 1);
    round_trip(&s, 14000, 1);
}

static void latent_trips(void)
{
    ub_settings s;
    settings_for(&s, file_named("latent.h5"), 10, 0);
    s.synth.kind = UB_SYNTH_LATENT;
    s.synth.tasks = 2;
    round_trip(&s, 50, 0);
    round_trip(&s, 50, 1);
}

/* What pictures are made of comes back, and a shape that does not fit the columns is refused. */
static void picture_trips(void)
{
    static const struct {
        int32_t     height, width, channels;
        const char *what; /* part of the sentence; NULL: it is read */
    } table[] = {{6, 2, 1, NULL},
                 {2, 2, 3, NULL},
                 {12, 1, 1, NULL},
                 {3, 2, 2, "of 2 values"},
                 {4, 4, 1, "4 x 4 pixels of 1 values"},
                 {5, 2, 1, "the 12 columns"}};
    ub_settings s;
    ub_corpus   a = {0}, b = {0};
    settings_for(&s, file_named("picture.h5"), 10, 0);
    s.synth.kind = UB_SYNTH_SPRITES;
    s.synth.tasks = 2;
    s.synth.image_side = 5;
    s.synth.image_channels = 3;
    round_trip(&s, 20, 0);
    s.synth.kind = UB_SYNTH_LATENT; /* 12 columns */
    s.synth.samples = 20;
    synthesize(&s, &a);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        a.image[0] = table[i].height;
        a.image[1] = table[i].width;
        a.image[2] = table[i].channels;
        UB_CHECK(ub_corpus_write(ub_world, s.corpus.path, &a, 0, "made by a test"));
        if (table[i].what != NULL) {
            UB_CHECK_FAILS(ub_corpus_read(ub_world, &s, SHARDS, &b), UB_EINPUT, table[i].what);
            continue;
        }
        UB_CHECK(ub_corpus_read(ub_world, &s, SHARDS, &b));
        compare(&b, &a, 0);
        ub_corpus_release(&b);
    }
    ub_corpus_release(&a);
}

static void long_episodes_trip(void)
{
    ub_settings s;
    settings_for(&s, file_named("long.h5"), 10, 0);
    s.synth.steps = 263000; /* an episode is more than a chunk */
    s.synth.tasks = 1;
    round_trip(&s, 2, 1);
    round_trip(&s, 2, 0);
}

/* Against a digest made by every rank alone from all episodes. */
static void digest_forgets_ranks(void)
{
    ub_settings   s;
    ub_corpus     whole = {0}, mine = {0}, back = {0};
    unsigned char want[UB_SHA256_BYTES];
    settings_for(&s, file_named("digest.h5"), 10, 0);
    s.synth.samples = 101;
    synthesize(&s, &mine);
    UB_CHECK(ub_corpus_write(ub_world, s.corpus.path, &mine, 0, ""));
    UB_CHECK(ub_corpus_read(ub_world, &s, SHARDS, &back));
    UB_CHECK(ub_synth(&s, 0, 101, &whole));
    ub_corpus_digest_local(&whole, want);
    CU_ASSERT_EQUAL(memcmp(back.digest, want, sizeof want), 0);
    ub_corpus_release(&whole);
    ub_corpus_release(&mine);
    ub_corpus_release(&back);
}

/* Rank 0 alone writes the whole corpus too; the files must be the same. */
static void bytes_forget_ranks(void)
{
    ub_settings s;
    ub_corpus   mine = {0}, whole = {0};
    ub_comm     self = {0};
    ub_bytes    a = {0}, b = {0};
    settings_for(&s, file_named("bytes.h5"), 10, 0);
    s.synth.samples = 14000;
    synthesize(&s, &mine);
    for (int single = 0; single < 2; single++) {
        UB_CHECK(ub_corpus_write(ub_world, s.corpus.path, &mine, single, "a test"));
        if (ub_world->rank != 0)
            continue;
        UB_CHECK(ub_comm_init(&self, MPI_COMM_SELF));
        UB_CHECK(ub_synth(&s, 0, s.synth.samples, &whole));
        UB_CHECK(ub_dir_make(file_named("alone")));
        UB_CHECK(ub_corpus_write(&self, file_named("alone/bytes.h5"), &whole, single, "a test"));
        UB_CHECK(ub_file_read(s.corpus.path, &a));
        UB_CHECK(ub_file_read(file_named("alone/bytes.h5"), &b));
        CU_ASSERT(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
        ub_bytes_release(&a);
        ub_bytes_release(&b);
        ub_corpus_release(&whole);
        ub_comm_release(&self);
    }
    (void)MPI_Barrier(ub_world->mpi);
    ub_corpus_release(&mine);
}

/* 4 episodes x 4 steps x 2 columns, tasks b (index 0), a (index 1, two columns), truth. */
static void write_small(const char *path)
{
    double member[] = {1, 0, 1, 0, 0, 1, 0, 1}, index[] = {1, 0};
    double x[4 * 4 * 2], a[8], b[4];
    for (int i = 0; i < 32; i++)
        x[i] = value(i / 8, i / 2 % 4, i % 2);
    for (int i = 0; i < 8; i++)
        a[i] = 100 + i;
    for (int i = 0; i < 4; i++)
        b[i] = i;
    hid_t file = begin_file(path);
    if (file >= 0) {
        hsize_t dims[] = {4, 4, 2};
        UB_CHECK(ub_h5_put(file, "states", H5T_NATIVE_DOUBLE, 3, dims, x));
        put(file, "tasks/a", GZIP, 4, 2, a);
        put(file, "tasks/b", INTEGER, 4, 0, b);
        put(file, "truth/membership", INTEGER, 4, 2, member);
        for (int i = 0; i < 2; i++) {
            hid_t set = H5Dopen2(file, i == 0 ? "tasks/a" : "tasks/b", H5P_DEFAULT);
            UB_CHECK(ub_h5_put_int(set, "index", (int64_t)index[i]));
            (void)H5Dclose(set);
        }
    }
    end_file(file);
}

static void foreign_file_is_read(void)
{
    ub_settings s;
    ub_corpus   c = {0};
    settings_for(&s, file_named("small.h5"), 10, 0);
    write_small(s.corpus.path);
    UB_CHECK(ub_corpus_read(ub_world, &s, SHARDS, &c));
    CU_ASSERT_EQUAL(c.segment, 2);
    CU_ASSERT_EQUAL(c.tasks, 2);
    if (c.tasks == 2) {
        static const uint8_t truth[] = {1, 0, 1, 0, 0, 1, 0, 1};
        CU_ASSERT_STRING_EQUAL(c.task_name[0], "b");
        CU_ASSERT_STRING_EQUAL(c.task_name[1], "a");
        CU_ASSERT(same_flags(c.truth, truth, 8));
        for (int64_t e = 0; e < c.count; e++) {
            double g = (double)(c.first + e), want[] = {g, 100 + 2 * g, 101 + 2 * g};
            CU_ASSERT(same_doubles(c.targets + 3 * e, want, 3, 0));
        }
    }
    ub_corpus_release(&c);
}

static void tasks_are_chosen(void)
{
    static const uint8_t truth[] = {0, 0, 1, 1};
    ub_settings          s;
    ub_corpus            c = {0};
    settings_for(&s, file_named("small.h5"), 10, 0);
    write_small(s.corpus.path);
    s.corpus.tasks = UB_TASKS_DATASET;
    s.corpus.max_episodes = 3;
    s.segment.length = 4;
    set_text(s.corpus.task, "a");
    UB_CHECK(ub_corpus_read(ub_world, &s, SHARDS, &c));
    CU_ASSERT_EQUAL(c.episodes, 3);
    CU_ASSERT_EQUAL(c.segment, 4);
    CU_ASSERT_EQUAL(c.tasks, 1);
    CU_ASSERT(same_flags(c.truth, truth, 4));
    for (int64_t e = 0; c.tasks == 1 && e < c.count; e++)
        CU_ASSERT_EQUAL(c.targets[2 * e + 1], (double)(101 + 2 * (c.first + e)));
    ub_corpus_release(&c);
    s.corpus.tasks = UB_TASKS_FINAL;
    UB_CHECK(ub_corpus_read(ub_world, &s, SHARDS, &c));
    CU_ASSERT_PTR_NULL(c.truth);
    for (int64_t e = 0; c.targets != NULL && e < c.count; e++)
        CU_ASSERT_EQUAL(c.targets[2 * e + 1], value((int)(c.first + e), 3, 1));
    ub_corpus_release(&c);
}

static void choices_are_checked(void)
{
    ub_settings s;
    settings_for(&s, file_named("small.h5"), 10, 0);
    write_small(s.corpus.path);
    s.corpus.tasks = UB_TASKS_DATASET;
    set_text(s.corpus.task, "b, c");
    refused(&s, UB_EINPUT, "there is no task variable 'c' in 'tasks', which holds b, a");
    s.corpus.tasks = UB_TASKS_SUCCESS;
    refused(&s, UB_EINPUT, "neither rewards nor success");
    s.corpus.tasks = UB_TASKS_AUTO;
    s.segment.length = 3;
    refused(&s, UB_EINPUT, "4 steps cannot be cut into segments of 3");
    s.corpus.format = UB_FORMAT_D4RL;
    refused(&s, UB_EINPUT,
            "no layout fits: looked for d4rl (datasets observations and terminals); "
            "the file holds states, tasks, truth");
}

static void write_bytes(const char *path, const char *bytes, size_t n)
{
    if (ub_world->rank == 0)
        UB_CHECK(ub_file_write(path, bytes, n));
    (void)MPI_Barrier(ub_world->mpi);
}

static void other_files_are_refused(void)
{
    ub_settings s;
    ub_bytes    b = {0};
    settings_for(&s, "", 10, 0);
    refused(&s, UB_EINPUT, "corpus.path is not set");
    set_text(s.corpus.path, file_named("nowhere.h5"));
    refused(&s, UB_ENOENT, "there is no such file");
    set_text(s.corpus.path, file_named("text.h5"));
    write_bytes(s.corpus.path, "a,b\n1,2\n", 8);
    refused(&s, UB_EINPUT, "text.h5: this is not an HDF5 file");
    set_text(s.corpus.path, file_named("cut.h5"));
    write_small(s.corpus.path);
    if (ub_world->rank == 0)
        UB_CHECK(ub_file_read(s.corpus.path, &b));
    write_bytes(s.corpus.path, (const char *)b.data, b.len / 2);
    refused(&s, UB_EINPUT, "cut.h5: the file is truncated");
    ub_bytes_release(&b);
    set_text(s.corpus.path, file_named("other.h5"));
    hid_t file = begin_file(s.corpus.path);
    if (file >= 0)
        put_values(file, "weights", F64, 0, 3, 2, 0);
    end_file(file);
    refused(&s, UB_EINPUT, "no layout fits: looked for aligned (");
    refused(&s, UB_EINPUT, "d4rl (datasets observations and terminals); the file holds weights");
}

/* One file with a thing wrong; the rest is right. */
static void wrong(const char *part, const char *name, int rank, const hsize_t *dims,
                  const double *x, int64_t version)
{
    static const double none[64] = {0};
    hsize_t             good[] = {4, 4, 2};
    ub_settings         s;
    settings_for(&s, file_named("wrong.h5"), 10, 0);
    hid_t file = begin_file(s.corpus.path);
    if (file >= 0) {
        UB_CHECK(ub_h5_put_text(file, "format", "unbraid-aligned"));
        UB_CHECK(ub_h5_put_int(file, "version", version));
        if (strcmp(name, "states") != 0)
            UB_CHECK(ub_h5_put(file, "states", H5T_NATIVE_DOUBLE, 3, good, none));
        if (strcmp(name, "tasks/g") != 0)
            UB_CHECK(ub_h5_put(file, "tasks/g", H5T_NATIVE_DOUBLE, 1, good, none));
        if (name[0] != '\0')
            UB_CHECK(ub_h5_put(file, name, H5T_NATIVE_DOUBLE, rank, dims, x));
    }
    end_file(file);
    refused(&s, UB_EINPUT, part);
}

static void wrong_shapes_are_refused(void)
{
    static const double x[64] = {0};
    wrong("version 2 of the layout is newer", "", 0, NULL, NULL, 2);
    wrong("'states' has 2 dimensions, not 3", "states", 2, (hsize_t[]){4, 4}, x, 1);
    wrong("there are no episodes", "states", 3, (hsize_t[]){0, 4, 2}, x, 1);
    wrong("3 steps cannot be cut into segments of 2", "states", 3, (hsize_t[]){4, 3, 2}, x, 1);
    wrong("'tasks/g' has 3 rows", "tasks/g", 1, (hsize_t[]){3}, x, 1);
    wrong("'tasks/g' has 4 rows in 3 dimensions", "tasks/g", 3, (hsize_t[]){4, 1, 1}, x, 1);
    wrong("dimension 1 of dataset 'truth/membership' is 2, not 4", "truth/membership", 2,
          (hsize_t[]){2, 1}, x, 1);
    wrong("dimension 2 of dataset 'truth/latents' is 3, not 4", "truth/latents", 3,
          (hsize_t[]){4, 3, 1}, x, 1);
}

static void bad_values_are_located(void)
{
    double x[32] = {0};
    x[2 * 8 + 3 * 2 + 1] = NAN;
    wrong("dataset 'states', episode 2, row 3, column 1 is nan", "states", 3, (hsize_t[]){4, 4, 2},
          x, 1);
    x[3] = -INFINITY;
    wrong("dataset 'tasks/g', episode 1, row 0, column 1 is -inf", "tasks/g", 2, (hsize_t[]){4, 2},
          x, 1);
}

static void texts_are_refused(void)
{
    ub_settings s;
    settings_for(&s, file_named("texts.h5"), 10, 0);
    hid_t file = begin_file(s.corpus.path), set = -1;
    if (file >= 0) {
        hsize_t dims[] = {2, 2, 2};
        set = ub_h5_make(file, "states", H5T_C_S1, 3, dims);
        (void)H5Dclose(set);
    }
    end_file(file);
    refused(&s, UB_EINPUT, "dataset 'states' holds text, not numbers");
}

/* A failed write leaves the old file and nothing else. */
static void failed_write_leaves_nothing(void)
{
    ub_settings s;
    ub_corpus   a = {0}, b = {0};
    char        temp[UB_PATH_MAX];
    settings_for(&s, file_named("kept.h5"), 10, 0);
    s.synth.samples = 10;
    synthesize(&s, &a);
    UB_CHECK(ub_corpus_write(ub_world, s.corpus.path, &a, 1, "first"));
    if (a.first + a.count == 10 && a.count > 0)
        a.states[a.count * a.steps * a.dim - 1] = 1e300;
    UB_CHECK_FAILS(ub_corpus_write(ub_world, s.corpus.path, &a, 1, "second"), UB_EINPUT,
                   "states: 1e+300 cannot be stored as float32");
    UB_CHECK(ub_file_temp(s.corpus.path, temp));
    CU_ASSERT_FALSE(ub_file_exists(temp));
    UB_CHECK(ub_corpus_read(ub_world, &s, SHARDS, &b));
    UB_CHECK_FAILS(ub_corpus_write(ub_world, file_named("no-such-folder/x.h5"), &a, 0, ""), UB_EIO,
                   "no-such-folder");
    ub_corpus_release(&a);
    ub_corpus_release(&b);
}

static void names_become_links(void)
{
    ub_settings s;
    ub_corpus   a = {0}, b = {0};
    settings_for(&s, file_named("slash.h5"), 10, 0);
    s.synth.samples = 5;
    synthesize(&s, &a);
    (void)snprintf(a.task_name[0], UB_NAME_MAX, "infos/goal");
    UB_CHECK(ub_corpus_write(ub_world, s.corpus.path, &a, 0, ""));
    UB_CHECK(ub_corpus_read(ub_world, &s, SHARDS, &b));
    if (b.task_name != NULL)
        CU_ASSERT_STRING_EQUAL(b.task_name[0], "infos.goal");
    ub_corpus_release(&a);
    ub_corpus_release(&b);
}

/* Two names that become one link, in a corpus and in an encoding. */
static void links_collide(void)
{
    ub_settings        s;
    ub_corpus          a = {0};
    char               digest[UB_SHA256_HEX];
    ub_encoding_origin origin = {.model = "", .trained = "", .corpus = "", .version = ""};
    const char        *path = file_named("collide.h5");
    settings_for(&s, path, 10, 0);
    s.synth.samples = 5;
    synthesize(&s, &a);
    (void)snprintf(a.task_name[0], UB_NAME_MAX, "a/b");
    (void)snprintf(a.task_name[a.tasks - 1], UB_NAME_MAX, "a.b");
    UB_CHECK_FAILS(ub_corpus_write(ub_world, path, &a, 0, ""), UB_EINPUT,
                   "the tasks 'a/b' and 'a.b' would both be 'a.b' in a file; rename one");
    ub_model m = {.shape = {.dim = a.dim, .latents = 1, .tasks = a.tasks}};
    UB_CHECK_FAILS(ub_encoding_write(ub_world, path, &a, &m, a.task_name, 0, &origin, digest),
                   UB_EINPUT,
                   "the tasks 'a/b' and 'a.b' would both be 'a.b' in a file; rename one");
    CU_ASSERT_FALSE(ub_file_exists(path));
    ub_corpus_release(&a);
}

static void choices_are_layouts(void)
{
    const ub_field  *f = ub_schema_find(ub_settings_schema(), "corpus.format");
    const ub_format *l;
    char             name[64];
    size_t           n = 0, choices = 0;
    for (size_t i = 1; ub_schema_choice(f, i, name, sizeof name); i++) {
        int found = 0;
        for (n = 0; (l = ub_format_at(n)) != NULL; n++)
            found += strcmp(l->name, name) == 0;
        CU_ASSERT_EQUAL(found, 1);
        choices++;
    }
    CU_ASSERT_EQUAL(choices, n);
    const char *summary = NULL;
    CU_ASSERT_STRING_EQUAL(ub_corpus_format_at(0, &summary), "aligned");
    CU_ASSERT_PTR_NOT_NULL(summary);
    CU_ASSERT_PTR_NULL(ub_corpus_format_at(n, &summary));
}

UB_SUITE("corpus", {"a corpus written as float64 reads back bit by bit", double_trips},
         {"a corpus written as float32 reads back rounded", single_trips},
         {"latents and what they are needed for come back", latent_trips},
         {"pictures keep their shape, and it must fit the columns", picture_trips},
         {"an episode may be larger than a chunk", long_episodes_trip},
         {"the digest is the same on any number of ranks", digest_forgets_ranks},
         {"a file is the same bytes whoever writes it", bytes_forget_ranks},
         {"an aligned file made elsewhere is read, tasks in their order", foreign_file_is_read},
         {"tasks, episodes and segments can be chosen", tasks_are_chosen},
         {"choices that the file cannot serve are refused", choices_are_checked},
         {"files of another kind are refused in one sentence", other_files_are_refused},
         {"shapes that do not agree are refused", wrong_shapes_are_refused},
         {"a value that is not finite is named by its place", bad_values_are_located},
         {"text where numbers belong is refused", texts_are_refused},
         {"a failed write leaves the old file and nothing else", failed_write_leaves_nothing},
         {"a task named like a path becomes one link", names_become_links},
         {"task names that become one link are refused", links_collide},
         {"the choices of corpus.format are the layouts", choices_are_layouts},
         {"no handle of HDF5 is left open", nothing_is_left_open})
