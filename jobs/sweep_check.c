/* Does what lies in the folder of a sweep belong to it: the same data, the same study? */
#include <stdio.h>
#include <string.h>

#include "core/design.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/config.h"
#include "io/corpus_h5.h"
#include "io/file.h"
#include "io/rundir.h"
#include "jobs/sweep.h"

/* Corpora ------------------------------------------------------------------------------------- */

/* Settings with the same key read the same corpus. */
static ub_status key_of(const ub_settings *at, char key[UB_SHA256_HEX])
{
    ub_bytes  text = {0};
    ub_status st = ub_schema_print(ub_settings_schema(), at, "corpus segment", false, &text);
    if (st == UB_OK)
        ub_sha256_hex_of(text.data, text.len, key);
    ub_bytes_release(&text);
    return st;
}

static const ub_sweep_corpus *find(const ub_sweep *s, const char *key)
{
    for (int64_t i = 0; i < s->corpora; i++)
        if (strcmp(s->corpus[i].key, key) == 0)
            return &s->corpus[i];
    return NULL;
}

/* One that cannot be read has no digest: its points will say why. */
static ub_status read_digest(const ub_comm *c, const ub_settings *at, char digest[UB_SHA256_HEX])
{
    ub_corpus corpus = {0};
    digest[0] = '\0';
    if (at->corpus.path[0] == '\0')
        return UB_OK;
    ub_status st = ub_corpus_read(c, at, c->size, &corpus);
    if (st == UB_OK)
        ub_sha256_hex(corpus.digest, digest);
    ub_corpus_release(&corpus);
    if (ub_status_exit_code(st) != 2)
        return st;
    ub_err_clear();
    return UB_OK;
}

ub_status ub_sweep_corpora(const ub_comm *c, ub_sweep *s)
{
    ub_settings *at = NULL;
    char         key[UB_SHA256_HEX];
    ub_status    st = UB_ALLOC(at, 1);
    if (st == UB_OK)
        st = UB_ALLOC(s->corpus, s->cap);
    UB_TRY_OUT(ub_comm_agree(c, st));
    for (int64_t j = 0; j < s->cap; j++) {
        ub_job job = {.point = j / s->promote.rungs, .rung = (int32_t)(j % s->promote.rungs)};
        st = ub_sweep_settings(s, &job, at);
        if (st == UB_OK)
            st = key_of(at, key);
        UB_TRY_OUT(st); /* of the settings alone: the same on all ranks */
        if (find(s, key) != NULL)
            continue;
        UB_TRY_OUT(read_digest(c, at, s->corpus[s->corpora].digest));
        memcpy(s->corpus[s->corpora++].key, key, sizeof key);
    }
out:
    ub_free(at);
    return st;
}

ub_status ub_sweep_same_corpus(const ub_sweep *s, const ub_settings *at, const char *name)
{
    char key[UB_SHA256_HEX], then[UB_SHA256_HEX], path[UB_PATH_MAX];
    if (s->corpora == 0)
        return UB_OK;
    UB_TRY(key_of(at, key));
    const ub_sweep_corpus *now = find(s, key);
    if (now == NULL || now->digest[0] == '\0')
        return UB_OK;
    UB_TRY(ub_rundir_corpus(ub_sweep_path(s, name, "", path, sizeof path), then));
    if (then[0] == '\0' || strcmp(then, now->digest) == 0)
        return UB_OK;
    return UB_FAIL(UB_EINPUT,
                   "%s was made from another corpus: %s had digest %.12s... then, %.12s... now; "
                   "use another --out (and sweep.store), or put the old file back",
                   path, at->corpus.path, then, now->digest);
}

/* Settings ------------------------------------------------------------------------------------ */

static bool has(const ub_space *space, const ub_field *f)
{
    for (int32_t p = 0; p < space->count; p++)
        if (space->parameter[p].field == f)
            return true;
    return false;
}

/* Every setting that the points share. */
static ub_status compare_all(const ub_sweep *s, const ub_settings *then, const ub_space *varied)
{
    const ub_schema *schema = ub_settings_schema();
    const ub_field  *corpus = ub_schema_find(schema, "corpus.path"), *climbs = NULL;
    char             what[UB_TEXT_MAX + 32];
    if (s->promote.rungs > 1)
        climbs = ub_schema_find(schema, s->base->sweep.resource);
    (void)snprintf(what, sizeof what, "%s holds a sweep", s->folder);
    UB_TRY(
        ub_schema_unchanged(ub_schema_find(schema, "sweep.command"), what, "sweep", then, s->base));
    for (size_t i = 0; i < schema->count; i++) {
        const ub_section *part = &schema->sections[i];
        for (size_t j = 0; j < part->count; j++) {
            const ub_field *f = &part->fields[j];
            bool            matters = ub_schema_listed(s->command->sections, part->name) &&
                           ((f->flags & UB_FIELD_FREE) == 0 || f == corpus);
            if (matters && f != climbs && !has(varied, f) && !has(&s->space, f))
                UB_TRY(ub_schema_unchanged(f, what, part->name, then, s->base));
        }
    }
    return UB_OK;
}

ub_status ub_sweep_same_study(const ub_sweep *s)
{
    char         path[UB_PATH_MAX];
    ub_settings *then = NULL;
    ub_space     varied = {0};
    ub_status    st = UB_OK;
    (void)snprintf(path, sizeof path, "%s/sweep.yaml", s->folder);
    if (!ub_file_exists(path))
        return UB_OK;
    UB_TRY(UB_ALLOC(then, 1));
    UB_TRY_OUT(ub_schema_defaults(ub_settings_schema(), then));
    UB_TRY_OUT(ub_config_load(ub_settings_schema(), then, path));
    UB_TRY_OUT(ub_space_parse(ub_settings_schema(), then, sizeof *then, then->sweep.parameters,
                              then->sweep.constraints, &varied));
    UB_TRY_OUT(compare_all(s, then, &varied));
    if (then->sweep.points != s->base->sweep.points &&
        !ub_design_find(s->base->sweep.method)->extends)
        ub_log_warn(
            "points-replaced",
            "points=%lld before=%lld why='%s places its points by their number: earlier ones "
            "stay in %s, but the table will not have them; sweep.method: sobol keeps them'",
            (long long)s->base->sweep.points, (long long)then->sweep.points, s->base->sweep.method,
            s->points);
out:
    ub_space_release(&varied);
    ub_free(then);
    return st;
}
