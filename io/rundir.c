#include "io/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/version.h"
#include "io/config.h"
#include "io/file.h"
#include "io/internal/provenance.h"

enum { NAME_ROOM = 128 }; /* bytes of a name */

const char *ub_rundir_file(const ub_rundir *r, const char *name, char *buf, size_t cap)
{
    (void)snprintf(buf, cap, "%s/%s", r->path, name);
    return buf;
}

/* What is asked for now. */
typedef struct request {
    const char        *command, *sections;
    const ub_settings *settings;
    int                ranks;
} request;

/* Log ----------------------------------------------------------------------------------------- */

static void log_line(void *self, ub_log_level level, const char *line)
{
    if (ub_log_terminal() || level <= UB_LOG_WARN)
        (void)fprintf(stderr, "%s\n", line);
    (void)fprintf(self, "%s\n", line);
    (void)fflush(self);
}

/* Open and lock the log: from here on the folder is ours.  A file system without locks (ENOLCK,
 * ENOSYS) goes without. */
static ub_status lock_log(ub_rundir *r)
{
    char        path[UB_TEXT_MAX];
    struct stat held, named;
    for (;;) {
        FILE *f = fopen(ub_rundir_file(r, "unbraid.log", path, sizeof path), "ae");
        if (f == NULL)
            return UB_FAIL(UB_EIO, "%s: cannot open: %s", path, strerror(errno));
        if (flock(fileno(f), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            (void)fclose(f);
            return UB_FAIL(UB_EINPUT,
                           "another run is at work in the run folder %s (it holds the lock of "
                           "unbraid.log); wait for it or use another --out",
                           r->path);
        }
        r->log = f;
        /* A run that was refused may have removed the file before we locked it. */
        if (fstat(fileno(f), &held) != 0 ||
            (stat(path, &named) == 0 && held.st_ino == named.st_ino))
            return UB_OK;
        ub_rundir_close_log(r);
    }
}

static void begin_log(ub_rundir *r, const request *q)
{
    char when[32];
    (void)fprintf(r->log, "# %s unbraid %s %s ranks=%d\n", ub_utc_now(when), UB_VERSION, q->command,
                  q->ranks);
    (void)fflush(r->log);
    ub_log_set_sink(log_line, r->log);
}

void ub_rundir_close_log(ub_rundir *r)
{
    if (r->log == NULL)
        return;
    ub_log_set_sink(NULL, NULL);
    (void)fclose(r->log);
    r->log = NULL;
}

/* Stages -------------------------------------------------------------------------------------- */

/* Is `stage` a line of STATE?  Appends the text of STATE to `text` (none yet: nothing). */
static ub_status read_state(const ub_rundir *r, const char *stage, ub_bytes *text, bool *has)
{
    char path[UB_TEXT_MAX], line[NAME_ROOM];
    *has = false;
    UB_TRY(ub_bytes_put(text, "\n", 1));
    if (ub_file_exists(ub_rundir_file(r, "STATE", path, sizeof path)))
        UB_TRY(ub_file_read(path, text));
    (void)snprintf(line, sizeof line, "\n%s\n", stage);
    *has = strstr((const char *)text->data, line) != NULL;
    return UB_OK;
}

static ub_status has_stage(const ub_rundir *r, const char *stage, bool *has)
{
    ub_bytes  text = {0};
    ub_status st = read_state(r, stage, &text, has);
    ub_bytes_release(&text);
    return st;
}

static ub_status add_stage(const ub_rundir *r, const char *stage)
{
    char      path[UB_TEXT_MAX];
    ub_bytes  text = {0};
    bool      has;
    ub_status st = read_state(r, stage, &text, &has);
    if (st == UB_OK && !has) {
        st = ub_bytes_printf(&text, "%s\n", stage);
        if (st == UB_OK) /* behind the line feed that read_state put first */
            st = ub_file_write(ub_rundir_file(r, "STATE", path, sizeof path), text.data + 1,
                               text.len - 1);
    }
    ub_bytes_release(&text);
    return st;
}

ub_status ub_rundir_has(const ub_comm *c, const ub_rundir *r, const char *stage, bool *has)
{
    unsigned char yes = 0;
    bool          found = false;
    UB_TRY(ub_comm_agree(c, c->rank == 0 ? has_stage(r, stage, &found) : UB_OK));
    yes = found;
    UB_TRY(ub_comm_bcast(c, &yes, 1));
    *has = yes != 0;
    return UB_OK;
}

ub_status ub_rundir_mark(const ub_comm *c, const ub_rundir *r, const char *stage)
{
    UB_TRY(ub_comm_agree(c, UB_OK)); /* nobody marks before all have finished */
    return ub_comm_agree(c, c->rank == 0 ? add_stage(r, stage) : UB_OK);
}

/* config.yaml --------------------------------------------------------------------------------- */

/* The lines at its top, which say more than the settings. */
static const char *const head[] = {"command", "version", "corpus", "identity"};

enum { HEAD = sizeof head / sizeof head[0] };

static ub_status print_config(const ub_rundir *r, const request *q, ub_bytes *out)
{
    const char *const value[HEAD] = {q->command, UB_VERSION, r->corpus, r->identity};
    UB_TRY(ub_bytes_printf(out, "# Resolved settings of this run; written by unbraid.\n"));
    for (int i = 0; i < HEAD; i++)
        UB_TRY(ub_bytes_printf(out, "# %s: %s\n", head[i], value[i]));
    return ub_schema_print(ub_settings_schema(), q->settings, q->sections, false, out);
}

/* Value of a line "# key: value" at the top; "" if it is not there. */
static void head_value(const ub_bytes *config, const char *key, char *buf, size_t cap)
{
    char line[NAME_ROOM];
    (void)snprintf(line, sizeof line, "\n# %s: ", key);
    const char *at = config->data == NULL ? NULL : strstr((const char *)config->data, line);
    buf[0] = '\0';
    if (at != NULL) {
        at += strlen(line);
        (void)snprintf(buf, cap, "%.*s", (int)strcspn(at, "\n"), at);
    }
}

ub_status ub_rundir_identity(const char *command, const char *sections, const ub_settings *settings,
                             const char *corpus, char identity[UB_SHA256_HEX])
{
    ub_bytes  text = {0};
    ub_status st = ub_bytes_printf(&text, "%s\n%s\n", command, UB_VERSION);
    if (st == UB_OK)
        st = ub_schema_print(ub_settings_schema(), settings, sections, true, &text);
    if (st == UB_OK)
        st = ub_bytes_printf(&text, "%s", corpus);
    if (st == UB_OK)
        ub_sha256_hex_of(text.data, text.len, identity);
    ub_bytes_release(&text);
    return st;
}

static ub_status identify(ub_rundir *r, const request *q)
{
    return ub_rundir_identity(q->command, q->sections, q->settings, r->corpus, r->identity);
}

static ub_status compare_settings(const ub_rundir *r, const request *q, const ub_settings *then)
{
    const ub_schema *schema = ub_settings_schema();
    char             what[UB_PATH_MAX + 32];
    (void)snprintf(what, sizeof what, "run folder %s was made", r->path);
    for (size_t i = 0; i < schema->count; i++) {
        const ub_section *s = &schema->sections[i];
        for (size_t j = 0; j < s->count && ub_schema_listed(q->sections, s->name); j++)
            if ((s->fields[j].flags & UB_FIELD_FREE) == 0)
                UB_TRY(ub_schema_unchanged(&s->fields[j], what, s->name, then, q->settings));
    }
    return UB_OK;
}

/* The folder's study is another: name the first difference. */
static ub_status explain(const ub_rundir *r, const request *q, const ub_bytes *config,
                         const char *path)
{
    ub_settings *then;
    char         old[NAME_ROOM];
    head_value(config, "identity", old, sizeof old);
    if (old[0] == '\0')
        return UB_FAIL(UB_EINPUT,
                       "%s is not a run folder: its config.yaml was not written by unbraid; use "
                       "another --out",
                       r->path);
    head_value(config, "command", old, sizeof old);
    if (strcmp(old, q->command) != 0)
        return UB_FAIL(UB_EINPUT,
                       "run folder %s was made by the command '%s', not '%s'; use another --out",
                       r->path, old, q->command);
    head_value(config, "version", old, sizeof old);
    if (strcmp(old, UB_VERSION) != 0)
        return UB_FAIL(UB_EINPUT,
                       "run folder %s was made by unbraid %s, this is %s; use another --out or "
                       "that version",
                       r->path, old, UB_VERSION);
    UB_TRY(UB_ALLOC(then, 1));
    ub_status st = ub_schema_defaults(ub_settings_schema(), then);
    if (st == UB_OK)
        st = ub_config_parse(ub_settings_schema(), then, (const char *)config->data, config->len,
                             path);
    if (st == UB_OK)
        st = compare_settings(r, q, then);
    ub_free(then);
    UB_TRY(st);
    head_value(config, "corpus", old, sizeof old);
    if (strcmp(old, r->corpus) == 0)
        return UB_FAIL(
            UB_EINPUT,
            "%s is damaged: its identity does not fit its settings; use another --out, or "
            "put the file back from a copy",
            path);
    return UB_FAIL(UB_EINPUT,
                   "run folder %s was made from another corpus: digest %.12s... then, %.12s... "
                   "now; use another --out",
                   r->path, old, r->corpus);
}

/* Entering ------------------------------------------------------------------------------------ */

/* What may lie in a folder that is not yet a run folder: what a killed start left, hidden files,
 * its plan, the output of batch jobs, and folders of theirs. */
static bool is_harmless(const char *name)
{
    return name[0] == '.' || strcmp(name, "unbraid.log") == 0 || strncmp(name, "slurm-", 6) == 0 ||
           strcmp(name, "workers") == 0 || strcmp(name, "plan.yaml") == 0;
}

static ub_status check_free(const char *path)
{
    char stranger[NAME_ROOM] = "";
    DIR *d = opendir(path);
    if (d == NULL && errno == ENOENT)
        return UB_OK;
    if (d == NULL)
        return UB_FAIL(UB_EINPUT, "%s cannot be a run folder: %s", path, strerror(errno));
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        if (!is_harmless(e->d_name))
            (void)snprintf(stranger, sizeof stranger, "%.100s", e->d_name);
    (void)closedir(d);
    if (stranger[0] != '\0')
        return UB_FAIL(UB_EINPUT,
                       "%s is not a run folder: it holds '%s' and no config.yaml; use an empty or "
                       "a new folder for --out",
                       path, stranger);
    return UB_OK;
}

/* Write what is not there yet, or has changed in fields that do not matter. */
static ub_status settle(const ub_rundir *r, const request *q, const ub_bytes *old)
{
    char          path[UB_TEXT_MAX];
    ub_bytes      text = {0};
    ub_status     st = print_config(r, q, &text);
    ub_provenance p = {r->identity, r->corpus, q->settings->corpus.path, q->command, q->ranks};
    if (st == UB_OK && (old->len != text.len || memcmp(old->data, text.data, text.len) != 0))
        st =
            ub_file_write(ub_rundir_file(r, "config.yaml", path, sizeof path), text.data, text.len);
    ub_bytes_release(&text);
    UB_TRY(st);
    return ub_provenance_write(ub_rundir_file(r, "provenance.json", path, sizeof path), &p);
}

/* Is the folder a run folder of this study (`made`; else it must be free), and is it finished? */
static ub_status look(ub_rundir *r, const request *q, ub_bytes *old, bool *made)
{
    char path[UB_TEXT_MAX], identity[UB_SHA256_HEX];
    ub_bytes_clear(old);
    r->finished = false;
    *made = ub_file_exists(ub_rundir_file(r, "config.yaml", path, sizeof path));
    if (!*made)
        return check_free(r->path);
    UB_TRY(ub_file_read(path, old));
    head_value(old, "identity", identity, sizeof identity);
    if (strcmp(identity, r->identity) != 0)
        return explain(r, q, old, path);
    return has_stage(r, "done", &r->finished);
}

/* A folder that is refused or finished is not touched, so the first look is without the lock; what
 * counts is the second, under it: another run may have begun or ended in between. */
static ub_status enter_with(ub_rundir *r, const request *q, ub_bytes *old)
{
    bool made;
    UB_TRY(look(r, q, old, &made));
    if (r->finished)
        return UB_OK;
    if (!made) {
        UB_TRY(ub_dir_make(r->path));
        UB_TRY(ub_dir_sync(r->path));
    }
    UB_TRY(lock_log(r));
    UB_TRY(look(r, q, old, &made));
    if (r->finished) {
        ub_rundir_close_log(r);
        return UB_OK;
    }
    r->resumed = made;
    begin_log(r, q);
    return settle(r, q, old);
}

/* Rank 0. */
static ub_status enter(ub_rundir *r, const char *path, const request *q,
                       const unsigned char *corpus_digest)
{
    ub_bytes old = {0};
    if (path[0] == '\0' || strlen(path) >= sizeof r->path)
        return UB_FAIL(UB_EINPUT, "a run folder needs a path of 1 to %zu bytes (--out)",
                       sizeof r->path - 1);
    (void)snprintf(r->path, sizeof r->path, "%s", path);
    ub_sha256_hex(corpus_digest, r->corpus);
    UB_TRY(identify(r, q));
    ub_status st = enter_with(r, q, &old);
    ub_bytes_release(&old);
    if (st != UB_OK)
        ub_rundir_close_log(r);
    return st;
}

ub_status ub_rundir_enter(const ub_comm *c, const char *path, const char *command,
                          const char *sections, const ub_settings *settings,
                          const unsigned char *corpus_digest, ub_rundir *out)
{
    ub_rundir r = {0};
    request   q = {command, sections, settings, c->size};
    UB_TRY(ub_comm_agree(c, c->rank == 0 ? enter(&r, path, &q, corpus_digest) : UB_OK));
    void     *log = r.log;
    ub_status st = ub_comm_bcast(c, &r, sizeof r);
    r.log = log; /* an address of rank 0 */
    if (st != UB_OK) {
        ub_rundir_close_log(&r);
        return st;
    }
    *out = r;
    return UB_OK;
}

ub_status ub_rundir_add(const ub_rundir *r, const char *key, const ub_bytes *value)
{
    char path[UB_TEXT_MAX];
    return ub_provenance_add(ub_rundir_file(r, "provenance.json", path, sizeof path), key, value);
}

void ub_rundir_discard(const ub_comm *c, const ub_rundir *r)
{
    static const char *const ours[] = {"config.yaml", "provenance.json", "status.json",
                                       "unbraid.log", "structure.journal"};
    char                     path[UB_TEXT_MAX];
    if (c->rank != 0 || r->resumed || r->finished ||
        ub_file_exists(ub_rundir_file(r, "STATE", path, sizeof path)))
        return;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        (void)unlink(ub_rundir_file(r, ours[i], path, sizeof path));
    (void)rmdir(r->path); /* stays if it holds anything else */
}

static const char *config_path(const char *path, char file[UB_PATH_MAX])
{
    (void)snprintf(file, UB_PATH_MAX, "%s/config.yaml", path);
    return file;
}

/* Nothing if it is not there and need not be. */
static ub_status read_config(const char *path, bool needed, ub_bytes *text)
{
    char file[UB_PATH_MAX];
    if (ub_file_exists(config_path(path, file)))
        return ub_file_read(file, text);
    return needed ? UB_FAIL(UB_EINPUT, "%s is not a run folder: it has no config.yaml", path)
                  : UB_OK;
}

ub_status ub_rundir_corpus(const char *path, char digest[UB_SHA256_HEX])
{
    ub_bytes  text = {0};
    ub_status st = read_config(path, false, &text);
    head_value(&text, "corpus", digest, UB_SHA256_HEX);
    ub_bytes_release(&text);
    return st;
}

ub_status ub_rundir_settings(const ub_comm *c, const char *path, ub_settings *settings)
{
    char      file[UB_PATH_MAX];
    ub_bytes  text = {0};
    ub_status st = ub_comm_agree(c, c->rank == 0 ? read_config(path, true, &text) : UB_OK);
    if (st == UB_OK)
        st = ub_comm_share(c, &text);
    if (st == UB_OK) {
        st = ub_schema_defaults(ub_settings_schema(), settings);
        if (st == UB_OK)
            st = ub_config_parse(ub_settings_schema(), settings, (const char *)text.data, text.len,
                                 config_path(path, file));
        st = ub_comm_agree(c, st);
    }
    ub_bytes_release(&text);
    return st;
}

static ub_status verify_text(const ub_bytes *config, const char *file,
                             const char *(*sections_of)(const char *))
{
    ub_rundir    r = {.log = NULL};
    ub_settings *then;
    char         command[NAME_ROOM], version[NAME_ROOM], said[UB_SHA256_HEX];
    request      q = {.command = command};
    head_value(config, "command", command, sizeof command);
    head_value(config, "version", version, sizeof version);
    head_value(config, "corpus", r.corpus, sizeof r.corpus);
    head_value(config, "identity", said, sizeof said);
    if (said[0] == '\0' || version[0] == '\0')
        return UB_FAIL(UB_EFORMAT, "%s is damaged: it does not say whose settings it holds", file);
    q.sections = sections_of(command);
    UB_TRY(UB_ALLOC(then, 1));
    ub_status st = ub_schema_defaults(ub_settings_schema(), then);
    if (st == UB_OK)
        st = ub_config_parse(ub_settings_schema(), then, (const char *)config->data, config->len,
                             file);
    q.settings = then;
    if (st == UB_OK && strcmp(version, UB_VERSION) == 0) {
        st = q.sections == NULL ? UB_EFORMAT : identify(&r, &q);
        if (st == UB_EFORMAT || (st == UB_OK && strcmp(r.identity, said) != 0))
            st =
                UB_FAIL(UB_EFORMAT, "%s is damaged: its identity does not fit what it holds", file);
    }
    ub_free(then);
    return st;
}

ub_status ub_rundir_verify_config(const char *path, const char *(*sections_of)(const char *))
{
    char      file[UB_PATH_MAX];
    ub_bytes  text = {0};
    ub_status st = read_config(path, true, &text);
    if (st == UB_OK)
        st = verify_text(&text, config_path(path, file), sections_of);
    ub_bytes_release(&text);
    return st;
}

ub_status ub_rundir_verify_state(const char *path)
{
    static const char known[] = "\nstructure\ndisentangle\ndone\n";
    char              file[UB_PATH_MAX], line[NAME_ROOM];
    ub_bytes          text = {0};
    (void)snprintf(file, sizeof file, "%s/STATE", path);
    if (!ub_file_exists(file))
        return UB_OK;
    ub_status st = ub_file_read(file, &text);
    for (size_t at = 0; st == UB_OK && at < text.len;) {
        const char *p = (const char *)text.data + at;
        size_t      n = strcspn(p, "\n");
        (void)snprintf(line, sizeof line, "\n%.40s\n", p);
        line[n < 40 ? n + 2 : 42] = '\0';
        if (n == 0 || n > 40 || at + n >= text.len || strstr(known, line) == NULL)
            st = UB_FAIL(UB_EFORMAT, "%s is damaged: line '%.40s' names no stage", file, p);
        at += n + 1;
    }
    ub_bytes_release(&text);
    return st;
}

ub_status ub_rundir_check(const char *path)
{
    ub_rundir r = {.path = ""};
    char      config[UB_TEXT_MAX];
    if (path[0] == '\0' || strlen(path) >= sizeof r.path)
        return UB_FAIL(UB_EINPUT, "a run folder needs a path of 1 to %zu bytes (--out)",
                       sizeof r.path - 1);
    (void)snprintf(r.path, sizeof r.path, "%s", path);
    if (ub_file_exists(ub_rundir_file(&r, "config.yaml", config, sizeof config)))
        return UB_OK;
    return check_free(path);
}
