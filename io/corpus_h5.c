#include "io/corpus_h5.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/shard.h"
#include "io/file.h"
#include "io/internal/format.h"
#include "io/internal/h5.h"
#include "mpi/moments.h"

const char *ub_corpus_format_at(size_t i, const char **summary)
{
    const ub_format *f = ub_format_at(i);
    if (f == NULL)
        return NULL;
    *summary = f->summary;
    return f->name;
}

/* The file itself: Minari's datasets are folders with the file inside. */
static ub_status find_file(const char *given, char path[UB_PATH_MAX])
{
    static const char *const inside[] = {"data/main_data.hdf5", "main_data.hdf5"};
    struct stat              info;
    if (given[0] == '\0')
        return UB_FAIL(UB_EINPUT, "corpus.path is not set: which file is to be read?");
    (void)snprintf(path, UB_PATH_MAX, "%s", given);
    if (stat(given, &info) != 0 || !S_ISDIR(info.st_mode))
        return UB_OK;
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        (void)snprintf(path, UB_PATH_MAX, "%s/%s", given, inside[i]);
        if (ub_file_exists(path))
            return UB_OK;
    }
    return UB_FAIL(UB_EINPUT, "%s: this is a folder without %s: give the file, or a Minari folder",
                   given, inside[0]);
}

/* The layout asked for by name, else the first that recognises the file. */
static ub_status find_format(hid_t file, const ub_settings *s, const ub_format **out)
{
    char             asked[64] = "", held[256], sought[512] = "";
    const ub_format *f;
    if (s->corpus.format != UB_FORMAT_AUTO)
        (void)ub_schema_choice(ub_schema_find(ub_settings_schema(), "corpus.format"),
                               (size_t)s->corpus.format, asked, sizeof asked);
    for (size_t i = 0; (f = ub_format_at(i)) != NULL; i++) {
        if (asked[0] != '\0' && strcmp(asked, f->name) != 0)
            continue;
        if (f->recognise(file)) {
            *out = f;
            return UB_OK;
        }
        size_t at = strlen(sought);
        (void)snprintf(sought + at, sizeof sought - at, "%s%s (%s)", at > 0 ? ", " : "", f->name,
                       f->mark);
    }
    ub_names root = {0};
    UB_TRY(ub_h5_links(file, "/", &root));
    ub_names_text(&root, held, sizeof held);
    ub_names_release(&root);
    return ub_format_refuse(file, "no layout fits: looked for %s; the file holds %s", sought, held);
}

/* Rank 0: which file, which layout, what is in it. */
static ub_status survey(const ub_settings *s, char path[UB_PATH_MAX], ub_plan *plan, size_t *which)
{
    const ub_format *f = NULL;
    hid_t            file = -1;
    UB_TRY(find_file(s->corpus.path, path));
    UB_TRY(ub_h5_open(path, &file));
    ub_status st = find_format(file, s, &f);
    UB_ASSERT(st != UB_OK || f != NULL);
    if (st == UB_OK)
        st = f->survey(file, s, plan);
    ub_status closed = ub_h5_close(&file, path);
    UB_TRY(st);
    for (*which = 0; ub_format_at(*which) != f;)
        ++*which;
    plan->head.truth = plan->truth != NULL;
    plan->head.relevant = plan->relevant != NULL;
    return closed;
}

/* Rank 0's array on every rank.  Does nothing after a failure, which all ranks know. */
static void *share(const ub_comm *c, void *mine, int64_t count, size_t size, ub_status *st)
{
    if (*st != UB_OK || count == 0)
        return mine;
    if (c->rank != 0)
        *st = ub_mem_check(mine = ub_alloc((size_t)count, size), (size_t)count, size, "plan");
    *st = ub_comm_agree(c, *st);
    if (*st == UB_OK)
        *st = ub_comm_bcast(c, mine, (size_t)count * size);
    return mine;
}

static ub_status share_plan(const ub_comm *c, ub_plan *p)
{
    UB_TRY(ub_comm_bcast(c, &p->head, sizeof p->head));
    int64_t   tasks = p->head.tasks;
    ub_status st = UB_OK;
    p->column = share(c, p->column, p->head.columns, sizeof *p->column, &st);
    p->range = share(c, p->range, p->head.ranges, sizeof *p->range, &st);
    p->truth = share(c, p->truth, p->head.truth ? p->head.steps * tasks : 0, 1, &st);
    p->relevant = share(c, p->relevant, p->head.relevant ? p->head.latent_dim * tasks : 0, 1, &st);
    UB_TRY(st);
    UB_TRY(ub_names_share(c, &p->task));
    return ub_names_share(c, &p->episode);
}

/* A corpus of the plan's shape, ready to be filled; takes over the plan's truth. */
static ub_status prepare(const ub_comm *c, ub_plan *p, int64_t shards, ub_corpus *out)
{
    ub_range mine = ub_rows_of_rank(p->head.episodes, shards, c->size, c->rank);
    out->episodes = p->head.episodes;
    out->first = mine.first;
    out->count = mine.count;
    out->steps = p->head.steps;
    out->dim = p->head.dim;
    memcpy(out->image, p->head.image, sizeof out->image);
    out->segment = p->head.segment;
    out->tasks = p->head.tasks;
    out->latent_dim = p->head.latent_dim;
    UB_TRY(UB_ALLOC(out->task_offset, out->tasks + 1));
    for (int64_t i = 0; i < p->head.columns; i++)
        if (p->column[i].task >= 0)
            out->task_offset[p->column[i].task + 1] += p->column[i].width;
    for (int32_t i = 0; i < out->tasks; i++)
        out->task_offset[i + 1] += out->task_offset[i];
    UB_TRY(UB_ALLOC(out->task_name, out->tasks));
    for (int32_t i = 0; i < out->tasks; i++)
        (void)snprintf(out->task_name[i], UB_NAME_MAX, "%s", p->task.at[i]);
    UB_TRY(ub_corpus_alloc(out));
    if (out->latent_dim > 0)
        UB_TRY(UB_ALLOC(out->latents, out->count * out->steps * out->latent_dim));
    out->truth = p->truth;
    out->latent_relevant = p->relevant;
    p->truth = p->relevant = NULL;
    return UB_OK;
}

/* Say which task variables never change: no test can relate a step to them. */
static ub_status warn_constant(const ub_comm *c, const ub_corpus *x)
{
    int32_t all = x->episodes > 1 ? x->task_offset[x->tasks] : 0;
    if (all == 0)
        return UB_OK;
    double   *range = NULL; /* smallest and minus largest of each column */
    ub_status st = UB_ALLOC(range, 2 * (int64_t)all);
    UB_TRY(ub_comm_agree(c, st));
    for (int32_t j = 0; j < 2 * all; j++)
        range[j] = DBL_MAX;
    for (int64_t e = 0; e < x->count; e++)
        for (int32_t j = 0; j < all; j++) {
            double v = x->targets[e * all + j];
            range[2 * j] = fmin(range[2 * j], v);
            range[2 * j + 1] = fmin(range[2 * j + 1], -v);
        }
    st = ub_mpi_status(MPI_Allreduce(MPI_IN_PLACE, range, 2 * all, MPI_DOUBLE, MPI_MIN, c->mpi),
                       "MPI_Allreduce");
    for (int32_t i = 0; i < x->tasks && st == UB_OK; i++) {
        int32_t j = x->task_offset[i];
        while (j < x->task_offset[i + 1] && range[2 * j] == -range[2 * j + 1])
            j++;
        if (j == x->task_offset[i + 1])
            ub_log0_warn("task-constant", "task=%s value=%g: it is the same in every episode",
                         x->task_name[i], range[2 * x->task_offset[i]]);
    }
    ub_free(range);
    return st;
}

/* The file is open on all ranks: everybody reads its own episodes. */
static ub_status read_share(const ub_comm *c, const char *path, const ub_format *f,
                            const ub_plan *plan, ub_corpus *x)
{
    hid_t file = -1;
    UB_TRY(ub_h5_open_parallel(c, path, &file));
    ub_status st = ub_comm_agree(c, x->count > 0 ? f->read(file, plan, x) : UB_OK);
    ub_status closed = ub_comm_agree(c, ub_h5_close(&file, path));
    UB_TRY(st);
    return closed;
}

ub_status ub_corpus_read(const ub_comm *c, const ub_settings *settings, int64_t shards,
                         ub_corpus *out)
{
    struct {
        char   path[UB_PATH_MAX];
        size_t format;
    } found = {0};
    ub_plan   plan = {0};
    ub_corpus x = {0};
    ub_status st = c->rank == 0 ? survey(settings, found.path, &plan, &found.format) : UB_OK;
    if (st == UB_EFORMAT)
        st = UB_EINPUT;
    UB_TRY_OUT(ub_comm_agree(c, st));
    UB_TRY_OUT(ub_comm_bcast(c, &found, sizeof found));
    UB_TRY_OUT(share_plan(c, &plan));
    UB_TRY_OUT(ub_comm_agree(c, prepare(c, &plan, shards, &x)));
    const ub_format *f = ub_format_at(found.format);
    UB_TRY_OUT(read_share(c, found.path, f, &plan, &x));
    UB_TRY_OUT(warn_constant(c, &x));
    UB_TRY_OUT(ub_corpus_digest(c, &x));
    ub_log0_info("corpus-read", "path=%s format=%s episodes=%lld steps=%d columns=%d tasks=%d",
                 found.path, f->name, (long long)x.episodes, x.steps, x.dim, x.tasks);
    *out = x;
    x = (ub_corpus){0};
out:
    ub_corpus_release(&x);
    ub_plan_release(&plan);
    return st;
}
