#include "io/internal/provenance.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <hdf5.h>
#include <mpi.h>
#include <yaml.h>
#include <zlib.h>

#include "core/version.h"
#include "io/file.h"

char *openblas_get_config(void); /* of OpenBLAS; its header belongs to core */

static const char starts_begin[] = "  \"starts\": [\n", starts_end[] = "\n  ]\n}\n";

const char *ub_utc_now(char buf[32])
{
    time_t    now = time(NULL);
    struct tm t;
    (void)gmtime_r(&now, &t);
    (void)strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &t);
    return buf;
}

static const char *compiler(void)
{
#if defined(__clang__)
    return "clang " __clang_version__;
#elif defined(__GNUC__)
    return "gcc " __VERSION__;
#else
    return "unknown";
#endif
}

static const char *build_type(void)
{
#ifdef NDEBUG
    return "release";
#else
    return "debug";
#endif
}

/* First line of what MPI says about itself. */
static void mpi_version(char text[MPI_MAX_LIBRARY_VERSION_STRING])
{
    int len = 0;
    text[0] = '\0';
    (void)MPI_Get_library_version(text, &len);
    text[strcspn(text, "\n")] = '\0';
}

/* One line about this start. */
static ub_status put_start(ub_bytes *out, const ub_provenance *p)
{
    char     when[32], host[256] = "", hdf5[32], mpi[MPI_MAX_LIBRARY_VERSION_STRING];
    unsigned a = 0, b = 0, c = 0;
    (void)gethostname(host, sizeof host - 1);
    (void)H5get_libversion(&a, &b, &c);
    (void)snprintf(hdf5, sizeof hdf5, "%u.%u.%u", a, b, c);
    mpi_version(mpi);
    UB_TRY(ub_bytes_printf(out, "    {"));
    UB_TRY(ub_bytes_put_json(out, "time", ub_utc_now(when), ", "));
    UB_TRY(ub_bytes_put_json(out, "host", host, ", "));
    UB_TRY(ub_bytes_printf(out, "\"ranks\": %d, ", p->ranks));
    UB_TRY(ub_bytes_put_json(out, "compiler", compiler(), ", "));
    UB_TRY(ub_bytes_put_json(out, "build", build_type(), ", "));
    UB_TRY(ub_bytes_put_json(out, "mpi", mpi, ", "));
    UB_TRY(ub_bytes_put_json(out, "hdf5", hdf5, ", "));
    UB_TRY(ub_bytes_put_json(out, "openblas", openblas_get_config(), ", "));
    UB_TRY(ub_bytes_put_json(out, "libyaml", yaml_get_version_string(), ", "));
    return ub_bytes_put_json(out, "zlib", zlibVersion(), "}");
}

/* The lines of earlier starts, if the file is there and is one of ours. */
static ub_status put_earlier(ub_bytes *out, const char *path)
{
    ub_bytes  old = {0};
    ub_status st = UB_OK;
    if (!ub_file_exists(path))
        return UB_OK;
    UB_TRY_OUT(ub_file_read(path, &old));
    const char *begin = strstr((const char *)old.data, starts_begin);
    const char *end = begin == NULL ? NULL : strstr(begin, starts_end);
    if (end != NULL) {
        begin += sizeof starts_begin - 1;
        UB_TRY_OUT(ub_bytes_printf(out, "%.*s,\n", (int)(end - begin), begin));
    }
out:
    ub_bytes_release(&old);
    return st;
}

static ub_status put_all(ub_bytes *out, const char *path, const ub_provenance *p)
{
    UB_TRY(ub_bytes_printf(out, "{\n  "));
    UB_TRY(ub_bytes_put_json(out, "identity", p->identity, ",\n  "));
    UB_TRY(ub_bytes_put_json(out, "corpus", p->corpus, ",\n  "));
    UB_TRY(ub_bytes_put_json(out, "corpus_path", p->corpus_path, ",\n  "));
    UB_TRY(ub_bytes_put_json(out, "command", p->command, ",\n  "));
    UB_TRY(ub_bytes_put_json(out, "version", UB_VERSION, ",\n"));
    UB_TRY(ub_bytes_printf(out, "%s", starts_begin));
    UB_TRY(put_earlier(out, path));
    UB_TRY(put_start(out, p));
    return ub_bytes_printf(out, "%s", starts_end);
}

ub_status ub_provenance_write(const char *path, const ub_provenance *p)
{
    ub_bytes  text = {0};
    ub_status st = put_all(&text, path, p);
    if (st == UB_OK)
        st = ub_file_write(path, text.data, text.len);
    ub_bytes_release(&text);
    return st;
}

static ub_status put_added(ub_bytes *out, const ub_bytes *old, const char *path, const char *key,
                           const ub_bytes *value)
{
    const char *text = (const char *)old->data, *end = strstr(text, starts_end);
    if (end == NULL || end == text || end[-1] != '}')
        return UB_FAIL(UB_EFORMAT, "%s: no start is listed in it", path);
    UB_TRY(ub_bytes_put(out, text, (size_t)(end - text) - 1));
    UB_TRY(ub_bytes_printf(out, ", \"%s\": ", key));
    UB_TRY(ub_bytes_put(out, value->data, value->len));
    return ub_bytes_printf(out, "}%s", starts_end);
}

ub_status ub_provenance_add(const char *path, const char *key, const ub_bytes *value)
{
    ub_bytes  old = {0}, text = {0};
    ub_status st = ub_file_read(path, &old);
    if (st == UB_OK)
        st = put_added(&text, &old, path, key, value);
    if (st == UB_OK)
        st = ub_file_write(path, text.data, text.len);
    ub_bytes_release(&old);
    ub_bytes_release(&text);
    return st;
}
