/* Layouts of episodes of unequal length: native, robomimic, minari, d4rl. */
#include <math.h>
#include <stdlib.h>

#include "io/file.h"
#include "io/internal/h5.h"
#include "tests/io/corpus_files.h"

/* Lengths of the episodes of all files made here. */
static const int lengths[] = {12, 9, 15, 10, 30};
enum { EPISODES = 5, K = 4, L = 2, T = K * L };

/* The row that the header promises for step j of segment k, of so many steps. */
static int kept(int rows, int k, int j)
{
    return (int)floor((k + (j + 1.0) / L) * rows / K + 1e-9) - 1;
}

/* The states must be the kept rows of value() for all columns; the last `spent` rows of an episode
 * are no steps. */
static void check_states(const ub_corpus *c, int dim, int spent)
{
    int64_t wrong = 0;
    CU_ASSERT_EQUAL(c->episodes, EPISODES);
    CU_ASSERT_EQUAL(c->steps, T);
    CU_ASSERT_EQUAL(c->dim, dim);
    CU_ASSERT_EQUAL(c->segment, L);
    for (int64_t e = 0; c->dim == dim && e < c->count; e++)
        for (int t = 0; t < T; t++)
            for (int j = 0; j < dim; j++) {
                int id = (int)(c->first + e), row = kept(lengths[id] - spent, t / L, t % L);
                wrong += c->states[(e * T + t) * dim + j] != value(id, row, j);
            }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* Task variables of one task: want(id, column). */
static void check_targets(const ub_corpus *c, const char *name, int width,
                          double (*want)(int id, int column))
{
    CU_ASSERT_EQUAL(c->tasks, 1);
    if (c->tasks != 1 || c->task_offset[1] != width) {
        CU_FAIL("width of the task variable");
        return;
    }
    CU_ASSERT_STRING_EQUAL(c->task_name[0], name);
    for (int64_t e = 0; e < c->count; e++)
        for (int j = 0; j < width; j++)
            CU_ASSERT_EQUAL(c->targets[e * width + j], want((int)(c->first + e), j));
}

static double want_last(int id, int column)
{
    return value(id, lengths[id] - 1, column);
}

static double want_after(int id, int column)
{
    return value(id, lengths[id], column);
}

static double want_return(int id, int column)
{
    double sum = 0;
    for (int t = 0; t < lengths[id]; t++)
        sum += value(id, t, column);
    return sum;
}

static double want_success(int id, int column)
{
    (void)column;
    return id % 2;
}

static double want_goal(int id, int column)
{
    return value(id, 0, column);
}

/* Read with these task variables and check everything: what is the task must be no step. */
static void read_as(ub_settings *s, int tasks, const char *task, int dim, const char *name,
                    int width, double (*want)(int, int))
{
    ub_corpus c = {0};
    s->corpus.tasks = tasks;
    set_text(s->corpus.task, task);
    UB_CHECK(ub_corpus_read(ub_world, s, SHARDS, &c));
    if (c.states != NULL) {
        check_states(&c, dim, want == want_last);
        check_targets(&c, name, width, want);
    }
    ub_corpus_release(&c);
}

/* success: a flag in the middle of odd episodes */
static void put_flags(hid_t at, const char *name, kind k, int id, int rows)
{
    double x[64] = {0};
    x[rows / 2] = id % 2;
    put(at, name, k, rows, 0, x);
}

static void put_count(hid_t file, const char *group, const char *name, int count)
{
    hid_t g = H5Gopen2(file, group, H5P_DEFAULT);
    UB_CHECK(ub_h5_put_int(g, name, count));
    (void)H5Gclose(g);
}

/* One group an episode: `names` is a printf format of the episode. */
typedef struct recipe {
    const char *format, *obs[3], *length, *success;
    int         number[EPISODES]; /* in the names */
    int         width[3], extra;
    kind        kind;
} recipe;

static void write_groups(const char *path, const recipe *r)
{
    hid_t file = begin_file(path);
    for (int id = EPISODES - 1; file >= 0 && id >= 0; id--) {
        char group[64], name[160];
        int  n = lengths[id], first = 0;
        (void)snprintf(group, sizeof group, r->format, r->number[id]);
        for (int i = 0; i < 3 && r->obs[i] != NULL; i++) {
            (void)snprintf(name, sizeof name, "%s/%s", group, r->obs[i]);
            put_values(file, name, r->kind, id, n + r->extra, r->width[i], first);
            first += r->width[i] > 0 ? r->width[i] : 1;
        }
        (void)snprintf(name, sizeof name, "%s/actions", group);
        put_values(file, name, F32, id, n, 2, 50);
        (void)snprintf(name, sizeof name, "%s/rewards", group);
        put_values(file, name, F64, id, n, id % 2, 0); /* (N) and (N, 1) */
        (void)snprintf(name, sizeof name, "%s/%s", group, r->success);
        put_flags(file, name, BOOLEAN, id, n + r->extra);
        (void)snprintf(name, sizeof name, "%s/goal", group);
        put_values(file, name, F32, id, 3, 0, 0);
        (void)snprintf(name, sizeof name, "%s/first", group);
        double x = value(id, 0, 0);
        put(file, name, INTEGER, -1, 0, &x);
        put_count(file, group, "start", (int)value(id, 0, 0));
        if (r->length != NULL)
            put_count(file, group, r->length, n);
    }
    end_file(file);
}

static double want_column(int id, int column)
{
    return value(id, column, 0);
}

static void native_is_read(void)
{
    static const recipe r = {"episodes/run %d",   {"obs"}, "num_steps", "success",
                             {1, 2, 10, 20, 100}, {3},     0,           GZIP};
    ub_settings         s;
    settings_for(&s, file_named("native.h5"), K, L);
    write_groups(s.corpus.path, &r);
    read_as(&s, UB_TASKS_AUTO, "", 3, "final", 3, want_last);
    read_as(&s, UB_TASKS_RETURN, "", 3, "return", 1, want_return);
    read_as(&s, UB_TASKS_SUCCESS, "", 3, "success", 1, want_success);
    read_as(&s, UB_TASKS_DATASET, "goal", 3, "goal", 3, want_column);
    read_as(&s, UB_TASKS_DATASET, "first", 3, "first", 1, want_goal);
    read_as(&s, UB_TASKS_DATASET, "start", 3, "start", 1, want_goal);
    s.corpus.format = UB_FORMAT_NATIVE;
    read_as(&s, UB_TASKS_FINAL, "", 3, "final", 3, want_last);
}

static void minari_is_read(void)
{
    static const recipe box = {
        "episode_%d", {"observations"}, "total_steps", "infos/success", {0, 2, 10, 11, 100}, {4}, 1,
        F64};
    static const recipe dict = {"episode_%d",
                                {"observations/a/x", "observations/a/y", "observations/b"},
                                "total_steps",
                                "infos/success",
                                {0, 2, 10, 11, 100},
                                {2, 0, 1},
                                1,
                                F32};
    ub_settings         s;
    settings_for(&s, file_named("minari.h5"), K, L);
    write_groups(s.corpus.path, &box);
    read_as(&s, UB_TASKS_FINAL, "", 4, "final", 4, want_after);
    read_as(&s, UB_TASKS_SUCCESS, "", 4, "success", 1, want_success);
    read_as(&s, UB_TASKS_RETURN, "", 4, "return", 1, want_return);
    write_groups(s.corpus.path, &dict);
    read_as(&s, UB_TASKS_FINAL, "", 4, "final", 4, want_after);
    set_text(s.corpus.obs, " a/x , a/y");
    read_as(&s, UB_TASKS_FINAL, "", 3, "final", 3, want_after);
    set_text(s.corpus.obs, "a");
    read_as(&s, UB_TASKS_SUCCESS, "", 3, "success", 1, want_success);
}

static void minari_folder_is_read(void)
{
    static const recipe box = {
        "episode_%d", {"observations"}, NULL, "infos/success", {0, 1, 2, 3, 4}, {2}, 1, F64};
    ub_settings s;
    char        folder[UB_TEXT_MAX];
    set_text(folder, file_named("minari-v0"));
    if (ub_world->rank == 0) {
        UB_CHECK(ub_dir_make(file_named("minari-v0/data")));
        (void)unlink(file_named("minari-v0/data/main_data.hdf5"));
    }
    (void)MPI_Barrier(ub_world->mpi);
    settings_for(&s, folder, K, L);
    refused(&s, UB_EINPUT, "this is a folder without data/main_data.hdf5");
    write_groups(file_named("minari-v0/data/main_data.hdf5"), &box);
    read_as(&s, UB_TASKS_FINAL, "", 2, "final", 2, want_after);
}

static void robomimic_is_read(void)
{
    static const recipe r = {"data/demo_%d",
                             {"obs/arm", "obs/object"},
                             "num_samples",
                             "success",
                             {0, 2, 10, 11, 100},
                             {3, 2},
                             0,
                             GZIP};
    ub_settings         s;
    settings_for(&s, file_named("robomimic.h5"), K, L);
    write_groups(s.corpus.path, &r);
    read_as(&s, UB_TASKS_FINAL, "", 5, "final", 5, want_last);
    read_as(&s, UB_TASKS_SUCCESS, "", 5, "success", 1, want_success);
    set_text(s.corpus.obs, "arm");
    read_as(&s, UB_TASKS_RETURN, "", 3, "return", 1, want_return);
}

static double want_next(int id, int column)
{
    return value(id, lengths[id] - 1, 100 + column);
}

/* Flat arrays; `recent` ones with timeouts, next observations and infos, old ones with (N, 1). */
static void write_flat(const char *path, int recent, int tail)
{
    enum { ROWS = 12 + 9 + 15 + 10 + 30 + 3 };
    double obs[ROWS * 3] = {0}, next[ROWS * 3] = {0}, reward[ROWS] = {0}, goal[ROWS] = {0};
    double terminal[ROWS] = {0}, timeout[ROWS] = {0}, success[ROWS] = {0};
    int    at = 0;
    hid_t  file = begin_file(path);
    for (int id = 0; id < EPISODES; id++)
        for (int t = 0; t < lengths[id]; t++, at++) {
            for (int j = 0; j < 3; j++) {
                obs[at * 3 + j] = value(id, t, j);
                next[at * 3 + j] = value(id, t, 100 + j);
            }
            reward[at] = value(id, t, 0);
            goal[at] = t == lengths[id] - 1 ? value(id, 0, 0) : -1;
            success[at] = t == 2 && id % 2;
            int last = t == lengths[id] - 1;
            terminal[at] = last && (recent ? id % 2 == 0 : id < EPISODES - 1);
            timeout[at] = last && id % 2 == 1;
        }
    at += tail;
    if (file >= 0) {
        put(file, "observations", recent ? GZIP : F64, at, 3, obs);
        put(file, "rewards", F32, at, recent ? 0 : 1, reward);
        put(file, "terminals", recent ? BOOLEAN : F64, at, recent ? 0 : 1, terminal);
    }
    if (file >= 0 && recent) {
        put(file, "timeouts", BOOLEAN, at, 0, timeout);
        put(file, "next_observations", F32, at, 3, next);
        put(file, "infos/success", BOOLEAN, at, 0, success);
        put(file, "infos/goal", F64, at, 0, goal);
    }
    end_file(file);
}

static void d4rl_is_read(void)
{
    ub_settings s;
    settings_for(&s, file_named("d4rl.h5"), K, L);
    write_flat(s.corpus.path, 1, 0);
    read_as(&s, UB_TASKS_FINAL, "", 3, "final", 3, want_next);
    read_as(&s, UB_TASKS_RETURN, "", 3, "return", 1, want_return);
    read_as(&s, UB_TASKS_SUCCESS, "", 3, "success", 1, want_success);
    read_as(&s, UB_TASKS_DATASET, "infos/goal", 3, "infos/goal", 1, want_goal);
    CU_ASSERT_EQUAL(*warnings(), 0);
    write_flat(s.corpus.path, 1, 3);
    read_as(&s, UB_TASKS_RETURN, "", 3, "return", 1, want_return);
    CU_ASSERT_EQUAL(*warnings(), ub_world->rank == 0);
    write_flat(s.corpus.path, 0, 0);
    read_as(&s, UB_TASKS_FINAL, "", 3, "final", 3, want_last);
    read_as(&s, UB_TASKS_DATASET, "/observations", 3, "/observations", 3, want_last);
    read_as(&s, UB_TASKS_RETURN, "", 3, "return", 1, want_return);
    s.corpus.tasks = UB_TASKS_SUCCESS;
    refused(&s, UB_EINPUT,
            "there is no task variable 'infos/success' (corpus.tasks is success) in "
            "'/', which holds observations, rewards, terminals");
}

static void flags_may_be_the_end(void)
{
    ub_settings s;
    double      obs[4] = {0}, none[2] = {0};
    settings_for(&s, file_named("endless.h5"), 1, 1);
    hid_t file = begin_file(s.corpus.path);
    if (file >= 0) {
        put(file, "observations", F64, 2, 2, obs);
        put(file, "terminals", BOOLEAN, 2, 0, none);
        put(file, "timeouts", BOOLEAN, 2, 0, none);
    }
    end_file(file);
    refused(&s, UB_EINPUT, "there are no episodes");
    file = begin_file(s.corpus.path);
    if (file >= 0) {
        put(file, "observations", F64, 2, 2, obs);
        put(file, "terminals", BOOLEAN, 1, 0, none);
    }
    end_file(file);
    refused(&s, UB_EINPUT,
            "'terminals' has 1 rows of 1 values, not one for each of 2 observations");
}

static void constant_task_is_warned_about(void)
{
    ub_settings s;
    ub_corpus   c = {0};
    settings_for(&s, file_named("constant.h5"), 2, 1);
    s.corpus.tasks = UB_TASKS_SUCCESS;
    hid_t file = begin_file(s.corpus.path);
    for (int id = 0; file >= 0 && id < 3; id++) {
        char name[64];
        (void)snprintf(name, sizeof name, "data/demo_%d/obs/x", id);
        put_values(file, name, F64, id, 4, 1, 0);
        (void)snprintf(name, sizeof name, "data/demo_%d/rewards", id);
        put(file, name, F64, 4, 0, (double[]){0, 0, 0, 1});
    }
    end_file(file);
    UB_CHECK(ub_corpus_read(ub_world, &s, SHARDS, &c));
    CU_ASSERT_EQUAL(*warnings(), ub_world->rank == 0);
    for (int64_t e = 0; e < c.count; e++)
        CU_ASSERT_EQUAL(c.targets[e], 1);
    ub_corpus_release(&c);
}

/* A good file of three episodes, then one thing wrong in the last. */
static void three(ub_settings *s, int rows, int columns, const char *spoilt, int extra_rows)
{
    settings_for(s, file_named("spoilt.h5"), K, L);
    hid_t file = begin_file(s->corpus.path);
    for (int id = 0; file >= 0 && id < 3; id++) {
        char name[64];
        int  last = id == 2;
        (void)snprintf(name, sizeof name, "data/demo_%d/obs/a", id);
        put_values(file, name, F64, id, last ? rows : 9, last ? columns : 2, 0);
        (void)snprintf(name, sizeof name, "data/demo_%d/obs/b", id);
        put_values(file, name, F64, id, last ? rows + extra_rows : 9, 1, 2);
        (void)snprintf(name, sizeof name, "data/demo_%d/%s", id, last && spoilt ? spoilt : "goal");
        put_values(file, name, F64, id, 2, 0, 0);
    }
    if (file >= 0)
        put_count(file, "data/demo_2", "num_samples", 9);
    end_file(file);
}

static void unequal_is_refused(void)
{
    ub_settings s;
    ub_corpus   c = {0};
    three(&s, 9, 2, NULL, 0);
    UB_CHECK(ub_corpus_read(ub_world, &s, SHARDS, &c));
    ub_corpus_release(&c);
    s.segment.count = 5;
    refused(&s, UB_EINPUT,
            "episode demo_0 has 8 steps before the last, which is the task variable, fewer than "
            "segment.count x segment.length = 5 x 2: lower segment.count to 4, or segment.length");
    s.corpus.tasks = UB_TASKS_DATASET;
    set_text(s.corpus.task, "goal");
    refused(&s, UB_EINPUT,
            "episode demo_0 has 9 steps, fewer than segment.count x segment.length = "
            "5 x 2: lower segment.count to 4, or segment.length");
    s.segment.count = s.segment.length = 3;
    UB_CHECK(ub_corpus_read(ub_world, &s, SHARDS, &c));
    ub_corpus_release(&c);
    s.corpus.tasks = UB_TASKS_FINAL;
    refused(&s, UB_EINPUT, "episode demo_0 has 8 steps before the last");
    three(&s, 9, 3, NULL, 0);
    refused(&s, UB_EINPUT, "'/data/demo_2/obs/a' has 3 columns, the first episode 2");
    three(&s, 9, 2, NULL, 1);
    refused(&s, UB_EINPUT, "'/data/demo_2/obs/b' has 10 rows, the episode's others 9");
    three(&s, 10, 2, NULL, 0);
    refused(&s, UB_EINPUT,
            "demo_2 has observations for 10 steps, but its attribute 'num_samples' "
            "says 9");
    three(&s, 9, 2, "aim", 0);
    s.corpus.tasks = UB_TASKS_DATASET;
    set_text(s.corpus.task, "goal");
    refused(&s, UB_EINPUT, "'/data/demo_2/goal' is missing");
    set_text(s.corpus.task, "gaol");
    refused(&s, UB_EINPUT,
            "no task variable 'gaol' (corpus.task) in '/data/demo_0', which holds "
            "goal, obs/a, obs/b");
    set_text(s.corpus.task, "");
    refused(&s, UB_EINPUT, "name them in corpus.task");
    s.corpus.tasks = UB_TASKS_FINAL;
    set_text(s.corpus.obs, "a, eye");
    refused(&s, UB_EINPUT, "there is no observation 'eye' (corpus.obs)");
}

static void nan_is_located(void)
{
    ub_settings s;
    double      x[10] = {0, 1, 2, 3, 4, NAN, 6, 7, 8, 9}, r[5] = {0, 0, 0, INFINITY, 0};
    settings_for(&s, file_named("nan.h5"), 4, 1);
    hid_t file = begin_file(s.corpus.path);
    if (file >= 0) {
        put_values(file, "episodes/a/obs", F64, 0, 5, 2, 0);
        put_values(file, "episodes/a/rewards", F64, 0, 5, 0, 0);
        put(file, "episodes/b/obs", F64, 5, 2, x);
        put_values(file, "episodes/c/obs", F64, 0, 5, 2, 0);
        put(file, "episodes/c/rewards", F64, 5, 0, r);
    }
    end_file(file);
    refused(&s, UB_EINPUT, "'/episodes/b/obs', episode b, row 2, column 1 is nan");
    x[5] = 5;
    file = begin_file(s.corpus.path);
    if (file >= 0) {
        put(file, "episodes/b/obs", F64, 5, 2, x);
        put(file, "episodes/b/rewards", F64, 5, 0, r);
    }
    end_file(file);
    s.corpus.tasks = UB_TASKS_RETURN;
    refused(&s, UB_EINPUT, "'/episodes/b/rewards', episode b, row 3, column 0 is inf");
}

static void empty_is_refused(void)
{
    ub_settings s;
    settings_for(&s, file_named("empty.h5"), K, L);
    hid_t file = begin_file(s.corpus.path);
    if (file >= 0)
        (void)H5Gclose(H5Gcreate2(file, "episodes", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    end_file(file);
    refused(&s, UB_EINPUT, "there are no episodes");
    file = begin_file(s.corpus.path);
    if (file >= 0)
        put_values(file, "episodes/a/actions", F64, 0, 5, 2, 0);
    end_file(file);
    refused(&s, UB_EINPUT, "there are no observations 'obs' in '/episodes/a', which holds actions");
}

static void first_episodes_only(void)
{
    ub_settings s;
    ub_corpus   c = {0};
    settings_for(&s, file_named("d4rl.h5"), K, L);
    write_flat(s.corpus.path, 1, 0);
    s.corpus.max_episodes = 2;
    UB_CHECK(ub_corpus_read(ub_world, &s, SHARDS, &c));
    CU_ASSERT_EQUAL(c.episodes, 2);
    ub_corpus_release(&c);
}

/* Shape and the last kept observation (row; < 0: from the end) of each local episode of an
 * upstream-made file. */
static void sample(const char *relative, int64_t count, int64_t episodes, int32_t dim,
                   const char *dataset, int64_t episode, int row)
{
    const char *path = ub_test_shared(relative);
    ub_settings s;
    ub_corpus   c = {0};
    if (path == NULL)
        return;
    settings_for(&s, path, count, 2);
    UB_CHECK(ub_corpus_read(ub_world, &s, SHARDS, &c));
    CU_ASSERT_EQUAL(c.episodes, episodes);
    CU_ASSERT_EQUAL(c.dim, dim);
    if (c.states != NULL && episode >= c.first && episode < c.first + c.count) {
        hid_t   file = -1;
        hsize_t dims[8];
        int     rank = 0;
        double  x[16384];
        if (strstr(path, ".hdf5") == NULL && strstr(path, ".h5") == NULL)
            path = "";
        char inside[4200];
        (void)snprintf(inside, sizeof inside, "%s%s", s.corpus.path,
                       path[0] == '\0' ? "/data/main_data.hdf5" : "");
        UB_CHECK(ub_h5_open(inside, &file));
        UB_CHECK(ub_h5_shape(file, dataset, &rank, dims));
        UB_CHECK(ub_h5_get(file, dataset, H5T_NATIVE_DOUBLE, dims[0] * dims[1], x));
        UB_CHECK(ub_h5_close(&file, inside));
        const double *last = c.states + ((episode - c.first) * c.steps + c.steps - 1) * c.dim;
        hsize_t       at = row < 0 ? dims[0] - (hsize_t)-row : (hsize_t)row;
        for (hsize_t j = 0; j < dims[1]; j++)
            CU_ASSERT_EQUAL(last[j], x[at * dims[1] + j]);
    }
    ub_corpus_release(&c);
}

static void samples_are_read(void)
{
    sample("data/formats/sample_robomimic.hdf5", 4, 3, 19, "data/demo_2/obs/object", 1, 8);
    sample("data/formats/sample_d4rl.hdf5", 5, 3, 6, "observations", 1, 19);
    sample("data/formats/sample_d4rl_old.hdf5", 3, 2, 4, "observations", 0, 6);
    sample("data/formats/sample_minari_box", 2, 3, 4, "episode_1/observations", 1, 4);
    sample("data/formats/sample_minari_dict", 2, 3, 9, "episode_2/observations/achieved_goal", 2,
           10);
    sample("data/seltask/seltask_driving.h5", 20, 1020, 3, "episodes/var_000/obs", 1000, -2);
    sample("data/metaworld/metaworld_mt10.h5", 10, 200, 39, "episodes/button_press_topdown_00/obs",
           0, -2);
}

static void raw_robosuite_is_refused(void)
{
    const char *path = ub_test_shared("data/formats/robosuite_raw_wipe_panda.hdf5");
    ub_settings s;
    settings_for(&s, path != NULL ? path : file_named("robosuite.h5"), K, L);
    if (path == NULL) {
        hid_t file = begin_file(s.corpus.path);
        if (file >= 0)
            put_values(file, "data/demo_1/states", F64, 0, 20, 3, 0);
        end_file(file);
    }
    refused(&s, UB_EINPUT, "a raw robosuite recording holds simulator states only");
}

UB_SUITE("layouts", {"native episodes are read, cut and given task variables", native_is_read},
         {"minari boxes and nested dicts are read, without the row after the last step",
          minari_is_read},
         {"a minari folder is read like its file", minari_folder_is_read},
         {"robomimic demonstrations are read in numeric order", robomimic_is_read},
         {"d4rl files are read, old and new", d4rl_is_read},
         {"d4rl flags must end episodes and be as long as the data", flags_may_be_the_end},
         {"a constant task variable is legal and warned about", constant_task_is_warned_about},
         {"episodes that do not fit the first are refused", unequal_is_refused},
         {"a value that is not finite is named by its place", nan_is_located},
         {"files without episodes or observations are refused", empty_is_refused},
         {"only the first episodes are read when asked", first_episodes_only},
         {"the sample files of upstream layouts are read", samples_are_read},
         {"a raw robosuite recording is refused with a hint", raw_robosuite_is_refused},
         {"no handle of HDF5 is left open", nothing_is_left_open})
