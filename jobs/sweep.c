#include "jobs/sweep.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/design.h"
#include "core/mem.h"
#include "core/sha256.h"
#include "core/version.h"
#include "io/file.h"
#include "io/numbers.h"
#include "jobs/study.h"

static const ub_command *const commands[] = {&ub_cmd_run, &ub_cmd_structure, &ub_cmd_disentangle};

/* Points and rungs -----------------------------------------------------------------------------*/

/* Names of the points so far, sorted: an open-addressed set of their 64 bits. */
typedef struct seen {
    uint64_t *slot;
    int64_t   slots;
} seen;

static bool is_new(seen *s, const char *name)
{
    uint64_t key = strtoull(name, NULL, 16) | 1; /* never 0 */
    int64_t  at = (int64_t)(key % (uint64_t)s->slots);
    while (s->slot[at] != 0 && s->slot[at] != key)
        at = (at + 1) % s->slots;
    if (s->slot[at] == key)
        return false;
    s->slot[at] = key;
    return true;
}

/* Is this point of the design one to run: does it meet the constraints, is it no repetition? */
static ub_status accept(const ub_sweep *s, const double *u, seen *names, bool *yes)
{
    ub_settings *at = NULL;
    char         name[UB_SWEEP_NAME];
    UB_TRY(UB_ALLOC(at, 1));
    *at = *s->base;
    ub_status st = ub_space_set(&s->space, u, at, NULL);
    if (st == UB_OK)
        st = ub_space_meets(&s->space, at, yes);
    if (st == UB_OK && *yes)
        st = ub_sweep_name(s, at, name);
    if (st == UB_OK && *yes)
        *yes = is_new(names, name);
    ub_free(at);
    return st;
}

static ub_status take_points(ub_sweep *s, const ub_design *design, const ub_design_query *q)
{
    int64_t length, wanted = q->points, d = s->space.count;
    seen    names = {.slots = 4 * wanted + 1};
    UB_TRY(design->length(q, &length));
    int64_t   last = length / 1000 < wanted ? length : 1000 * wanted; /* no endless search */
    ub_status st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(s->u, (wanted + 1) * d)); /* and one that is not taken */
    UB_TRY_OUT(UB_ALLOC(names.slot, names.slots));
    for (int64_t i = 0; i < last && (s->promote.points < wanted || design->whole); i++) {
        bool    yes;
        double *u = s->u + s->promote.points * d;
        UB_TRY_OUT(design->points(q, i, 1, u));
        UB_TRY_OUT(accept(s, u, &names, &yes));
        if (design->whole && ((yes && s->promote.points == wanted) || last < length))
            UB_TRY_OUT(
                UB_FAIL(UB_EINPUT,
                        "the %s has more than sweep.points = %lld points (it has %lld before "
                        "constraints); raise sweep.points, vary less or use sweep.method: "
                        "sobol",
                        design->name, (long long)wanted, (long long)length));
        if (yes)
            s->promote.points++;
        else
            s->left_out++;
    }
    if (s->promote.points == 0)
        st = UB_FAIL(UB_EINPUT, "no point of the sweep meets sweep.constraints (%lld were tried)",
                     (long long)s->left_out);
out:
    ub_free(names.slot);
    return st;
}

/* The values of sweep.resource from resource_min up to what the configuration says. */
static ub_status set_rungs(ub_sweep *s)
{
    const ub_field *f = ub_schema_find(ub_settings_schema(), s->base->sweep.resource);
    const char     *key = s->base->sweep.resource;
    ub_bytes        text = {0};
    s->promote.rungs = 1;
    if (s->promote.rule == UB_PROMOTE_NONE)
        return UB_OK;
    if (f == NULL || (f->type != UB_FIELD_INT && f->type != UB_FIELD_REAL))
        return UB_FAIL(UB_EINPUT, "sweep.resource: '%s' is no setting with a number", key);
    for (int32_t p = 0; p < s->space.count; p++)
        if (s->space.parameter[p].field == f)
            return UB_FAIL(UB_EINPUT, "sweep.resource: %s is among sweep.parameters; rungs set it",
                           key);
    UB_TRY(ub_schema_value(f, s->base, &text));
    double most = strtod((const char *)text.data, NULL), least = s->base->sweep.resource_min;
    ub_bytes_release(&text);
    if (!(least > 0 && least < most))
        return UB_FAIL(UB_EINPUT,
                       "sweep.resource_min = %g must lie between 0 and %s = %g, the highest rung",
                       least, key, most);
    int32_t n = 0;
    for (double x = least; x < most * (1 - 1e-9) && n < UB_RUNGS_MAX - 1; x *= s->promote.eta)
        s->rung[n++] = f->type == UB_FIELD_INT ? floor(x + 0.5) : x;
    s->rung[n++] = most;
    s->promote.rungs = n;
    return UB_OK;
}

/* Is sweep.metric a number that the command finds? */
static ub_status check_metric(ub_sweep *s)
{
    const char *metric = s->base->sweep.metric, *sections = s->command->sections, *name;
    ub_bytes    known = {0};
    ub_status   st = UB_OK;
    for (size_t i = 0; (name = ub_verdicts_number(sections, i, &s->sure)) != NULL; i++) {
        if (strcmp(name, metric) == 0)
            goto out;
        UB_TRY_OUT(ub_bytes_printf(&known, "%s%s", i > 0 ? ", " : "", name));
    }
    st = UB_FAIL(UB_EINPUT, "sweep.metric: the command '%s' has no number '%s'; it has %s",
                 s->command->name, metric, (const char *)known.data);
out:
    ub_bytes_release(&known);
    return st;
}

/* A setting that changes no result would make one study of all its values. */
static ub_status check_parameter(const ub_sweep *s, const ub_parameter *p)
{
    char            section[64];
    const ub_field *corpus = ub_schema_find(ub_settings_schema(), "corpus.path");
    (void)snprintf(section, sizeof section, "%.*s", (int)strcspn(p->key, "."), p->key);
    if (!ub_schema_listed(s->command->sections, section))
        return UB_FAIL(UB_EINPUT,
                       "sweep.parameters: '%s' does not read %s, so that nothing would vary; it "
                       "reads %s",
                       s->command->name, p->key, s->command->sections);
    if ((p->field->flags & UB_FIELD_FREE) != 0 && p->field != corpus)
        return UB_FAIL(UB_EINPUT,
                       "sweep.parameters: %s changes no result, so that nothing would vary",
                       p->key);
    return UB_OK;
}

static ub_status check_length(const char *what, const char *folder)
{
    enum { ROOM = 128 }; /* for what is in it */
    if (strlen(folder) > UB_TEXT_MAX - ROOM)
        return UB_FAIL(UB_EINPUT, "%s %s is too long: the folders of points need %d bytes more",
                       what, folder, ROOM);
    return UB_OK;
}

static ub_status name_folders(ub_sweep *s, const char *folder)
{
    const char *store = s->base->sweep.store;
    UB_TRY(check_length("--out", folder));
    UB_TRY(check_length("sweep.store", store));
    (void)snprintf(s->folder, sizeof s->folder, "%s", folder);
    if (store[0] != '\0')
        (void)snprintf(s->points, sizeof s->points, "%s", store);
    else
        (void)snprintf(s->points, sizeof s->points, "%.*s/points", UB_TEXT_MAX - 16, folder);
    return UB_OK;
}

ub_status ub_sweep_init(const ub_settings *base, const char *folder, ub_sweep *out)
{
    ub_sweep         s = {.base = base, .command = commands[base->sweep.command]};
    const ub_design *design = ub_design_find(base->sweep.method);
    ub_status        st = UB_OK;
    s.promote = (ub_promote){.rule = base->sweep.rule,
                             .minimise = base->sweep.goal == UB_GOAL_MINIMISE,
                             .eta = base->sweep.eta,
                             .lag = base->sweep.lag};
    UB_TRY(name_folders(&s, folder));
    UB_TRY_OUT(ub_space_parse(ub_settings_schema(), base, sizeof *base, base->sweep.parameters,
                              base->sweep.constraints, &s.space));
    UB_TRY_OUT(check_metric(&s));
    for (int32_t p = 0; p < s.space.count; p++)
        UB_TRY_OUT(check_parameter(&s, &s.space.parameter[p]));
    UB_TRY_OUT(set_rungs(&s));
    ub_design_query q = {&s.space, base->sweep.points, (uint64_t)base->sweep.seed};
    UB_TRY_OUT(take_points(&s, design, &q));
    if (s.promote.rule == UB_PROMOTE_NONE)
        s.promote.lag = s.promote.points; /* nobody waits for anybody */
    s.cap = s.promote.points * s.promote.rungs;
    UB_TRY_OUT(UB_ALLOC(s.job, s.cap));
    UB_TRY_OUT(UB_ALLOC(s.state, s.cap));
    *out = s;
    s = (ub_sweep){0};
out:
    ub_sweep_release(&s);
    return st;
}

void ub_sweep_release(ub_sweep *s)
{
    ub_space_release(&s->space);
    ub_free(s->u);
    ub_free(s->job);
    ub_free(s->state);
    ub_free(s->corpus);
    *s = (ub_sweep){0};
}

ub_status ub_sweep_settings(const ub_sweep *s, const ub_job *job, ub_settings *out)
{
    char text[64];
    *out = *s->base;
    UB_TRY(ub_space_set(&s->space, s->u + job->point * s->space.count, out, NULL));
    if (s->promote.rungs == 1)
        return UB_OK;
    (void)snprintf(text, sizeof text, "%.15g", s->rung[job->rung]);
    return ub_schema_set(ub_settings_schema(), out, s->base->sweep.resource, text,
                         "sweep.resource");
}

/* Command, version, settings that matter, and which corpus is read. */
ub_status ub_sweep_name(const ub_sweep *s, const ub_settings *settings, char name[UB_SWEEP_NAME])
{
    char      hex[UB_SHA256_HEX];
    ub_bytes  text = {0};
    ub_status st =
        ub_bytes_printf(&text, "%s\n%s\n%s\n", s->command->name, UB_VERSION, settings->corpus.path);
    if (st == UB_OK)
        st = ub_schema_print(ub_settings_schema(), settings, s->command->sections, true, &text);
    if (st == UB_OK) {
        ub_sha256_hex_of(text.data, text.len, hex);
        (void)snprintf(name, UB_SWEEP_NAME, "%.16s", hex);
    }
    ub_bytes_release(&text);
    return st;
}

const char *ub_sweep_path(const ub_sweep *s, const char *name, const char *suffix, char *buf,
                          size_t cap)
{
    (void)snprintf(buf, cap, "%s/%s%s", s->points, name, suffix);
    return buf;
}

/* Results --------------------------------------------------------------------------------------*/

static ub_status name_of_job(const ub_sweep *s, const ub_job *job, char name[UB_SWEEP_NAME])
{
    ub_settings *at = NULL;
    UB_TRY(UB_ALLOC(at, 1));
    ub_status st = ub_sweep_settings(s, job, at);
    if (st == UB_OK)
        st = ub_sweep_name(s, at, name);
    ub_free(at);
    return st;
}

/* eval.json of a finished run folder into text; *done false: it has not finished. */
static ub_status read_result(const ub_sweep *s, const char *name, bool *done, ub_bytes *text)
{
    char     path[UB_PATH_MAX];
    ub_bytes state = {0};
    *done = false;
    if (!ub_file_exists(ub_sweep_path(s, name, "/STATE", path, sizeof path)))
        return UB_OK;
    ub_status st = ub_file_read(path, &state);
    *done = st == UB_OK && strstr((const char *)state.data, "done\n") != NULL;
    if (*done)
        st = ub_file_read(ub_sweep_path(s, name, "/eval.json", path, sizeof path), text);
    ub_bytes_release(&state);
    return st;
}

typedef struct wanted {
    const char *name, *sure;
    double      value;
    bool        truth; /* `sure` is there */
} wanted;

static ub_status take_metric(void *self, const char *name, double value, const char *text)
{
    wanted *w = self;
    (void)text;
    if (strcmp(name, w->name) == 0)
        w->value = value;
    w->truth = w->truth || strcmp(name, w->sure) == 0;
    return UB_OK;
}

ub_status ub_sweep_look_at(ub_sweep *s, int64_t job)
{
    char         name[UB_SWEEP_NAME], path[UB_PATH_MAX];
    ub_settings *at = NULL;
    ub_bytes     text = {0};
    bool         done;
    wanted       w = {.name = s->base->sweep.metric, .sure = s->sure, .value = (double)NAN};
    ub_job      *j = &s->job[job];
    ub_status    st = UB_OK;
    if (j->known)
        return UB_OK;
    UB_TRY(UB_ALLOC(at, 1));
    UB_TRY_OUT(ub_sweep_settings(s, j, at));
    UB_TRY_OUT(ub_sweep_name(s, at, name));
    UB_TRY_OUT(ub_sweep_same_corpus(s, at, name));
    UB_TRY_OUT(read_result(s, name, &done, &text));
    if (done) {
        UB_TRY_OUT(ub_numbers_each(&text, ub_sweep_path(s, name, "/eval.json", path, sizeof path),
                                   take_metric, &w));
        if (!w.truth)
            UB_TRY_OUT(UB_FAIL(UB_EINPUT,
                               "sweep.metric: %s has no number '%s': a sweep compares with the "
                               "truth, and the corpus does not have it",
                               path, w.name));
        s->state[job] = UB_JOB_DONE;
    } else if (ub_file_exists(ub_sweep_path(s, name, ".failed", path, sizeof path))) {
        s->state[job] = UB_JOB_FAILED;
    }
    j->known = s->state[job] != UB_JOB_WAITING;
    j->result = w.value;
out:
    ub_free(at);
    ub_bytes_release(&text);
    return st;
}

ub_status ub_sweep_look(ub_sweep *s)
{
    for (int64_t j = 0; j < s->jobs; j++)
        UB_TRY(ub_sweep_look_at(s, j));
    while (!s->decided) {
        ub_job            next;
        ub_promote_answer answer;
        UB_TRY(ub_promote_next(&s->promote, s->job, s->jobs, &next, &answer));
        if (answer == UB_PROMOTE_WAIT)
            break;
        s->decided = answer == UB_PROMOTE_DONE;
        if (answer == UB_PROMOTE_JOB) {
            s->job[s->jobs] = next;
            UB_TRY(ub_sweep_look_at(s, s->jobs++));
        }
    }
    return UB_OK;
}

ub_status ub_sweep_forgive(ub_sweep *s, ub_bytes *names)
{
    char name[UB_SWEEP_NAME], path[UB_PATH_MAX];
    for (int64_t j = 0; j < s->jobs; j++) {
        if (s->state[j] != UB_JOB_FAILED)
            continue;
        UB_TRY(name_of_job(s, &s->job[j], name));
        if (unlink(ub_sweep_path(s, name, ".failed", path, sizeof path)) != 0 && errno != ENOENT)
            return UB_FAIL(UB_EIO, "%s: cannot be removed: %s", path, strerror(errno));
        UB_TRY(ub_bytes_printf(names, "%s\n", name));
    }
    memset(s->job, 0, (size_t)s->cap * sizeof *s->job);
    memset(s->state, 0, (size_t)s->cap * sizeof *s->state);
    s->jobs = 0;
    s->decided = false;
    return UB_OK;
}

int64_t ub_sweep_ended(const ub_sweep *s, int64_t *failed)
{
    int64_t ended = 0;
    *failed = 0;
    for (int64_t j = 0; j < s->jobs; j++) {
        ended += s->state[j] != UB_JOB_WAITING;
        *failed += s->state[j] == UB_JOB_FAILED;
    }
    return ended;
}

int64_t ub_sweep_best(const ub_sweep *s)
{
    int64_t best = -1;
    for (int64_t j = 0; j < s->jobs; j++) {
        if (s->state[j] != UB_JOB_DONE || isnan(s->job[j].result))
            continue;
        const ub_job *a = &s->job[j], *b = best < 0 ? a : &s->job[best];
        bool          better = s->promote.minimise ? a->result < b->result : a->result > b->result;
        if (best < 0 || a->rung > b->rung || (a->rung == b->rung && better))
            best = j;
    }
    return best;
}

/* Table ----------------------------------------------------------------------------------------*/

typedef struct row {
    ub_columns *table;
    int64_t     at;
} row;

static ub_status put_number(void *self, const char *name, double value, const char *text)
{
    const row *r = self;
    (void)value;
    return ub_columns_put(r->table, r->at, name, text);
}

static ub_status put_parameters(const ub_sweep *s, const ub_job *job, const ub_settings *at,
                                const row *r)
{
    unsigned char active[UB_SPACE_PARAMETERS];
    ub_settings  *scratch = NULL;
    ub_bytes      text = {0};
    UB_TRY(UB_ALLOC(scratch, 1));
    *scratch = *s->base;
    ub_status st = ub_space_set(&s->space, s->u + job->point * s->space.count, scratch, active);
    for (int32_t p = 0; p < s->space.count && st == UB_OK; p++) {
        const ub_parameter *q = &s->space.parameter[p];
        ub_bytes_clear(&text);
        st = ub_schema_value(q->field, at, &text);
        if (st == UB_OK)
            st = ub_columns_put(r->table, r->at, q->key, active[p] ? (const char *)text.data : "");
    }
    ub_free(scratch);
    ub_bytes_release(&text);
    return st;
}

static ub_status put_row(const ub_sweep *s, const row *r, ub_settings *at)
{
    static const char *const words[] = {"waiting", "done", "failed"};
    const ub_job            *job = &s->job[r->at];
    char                     name[UB_SWEEP_NAME], text[64], path[UB_PATH_MAX];
    UB_TRY(ub_sweep_settings(s, job, at));
    UB_TRY(ub_sweep_name(s, at, name));
    (void)snprintf(text, sizeof text, "%lld", (long long)r->at);
    UB_TRY(ub_columns_put(r->table, r->at, "job", text));
    (void)snprintf(text, sizeof text, "%lld", (long long)job->point);
    UB_TRY(ub_columns_put(r->table, r->at, "point", text));
    UB_TRY(ub_columns_put(r->table, r->at, "name", name));
    UB_TRY(ub_columns_put(r->table, r->at, "state", words[s->state[r->at]]));
    UB_TRY(put_parameters(s, job, at, r));
    if (s->promote.rungs > 1) {
        (void)snprintf(text, sizeof text, "%d", job->rung);
        UB_TRY(ub_columns_put(r->table, r->at, "rung", text));
        (void)snprintf(text, sizeof text, "%.15g", s->rung[job->rung]);
        UB_TRY(ub_columns_put(r->table, r->at, s->base->sweep.resource, text));
    }
    if (s->state[r->at] != UB_JOB_DONE)
        return UB_OK;
    bool      done;
    ub_bytes  json = {0};
    ub_status st = read_result(s, name, &done, &json);
    if (st == UB_OK)
        st = ub_numbers_each(&json, ub_sweep_path(s, name, "/eval.json", path, sizeof path),
                             put_number, (void *)r);
    ub_bytes_release(&json);
    return st;
}

ub_status ub_sweep_table(const ub_sweep *s, ub_columns *out)
{
    ub_columns   t = {.rows = s->jobs};
    ub_settings *at = NULL;
    ub_status    st = UB_OK;
    UB_TRY_OUT(UB_ALLOC(at, 1));
    for (int64_t j = 0; j < s->jobs; j++) {
        row r = {&t, j};
        UB_TRY_OUT(put_row(s, &r, at));
    }
    *out = t;
    t = (ub_columns){0};
out:
    ub_free(at);
    ub_columns_release(&t);
    return st;
}
