#include "io/internal/ckpt_layout.h"

#include <string.h>

#include <zlib.h>

uint32_t ub_ckpt_sum(const void *data, int64_t bytes)
{
    return (uint32_t)crc32_z(0, data, (z_size_t)bytes);
}

ub_status ub_ckpt_describe(int64_t step, const char *identity, const ub_ckpt_array *arrays,
                           int count, ub_bytes *out)
{
    if (step < 0 || strchr(identity, '\n') != NULL)
        return UB_FAIL(UB_EARG, "a checkpoint has a step >= 0 and an identity of one line");
    UB_TRY(ub_bytes_printf(out, "step %lld\nidentity %s\n", (long long)step, identity));
    for (int i = 0; i < count; i++) {
        const ub_ckpt_array *a = &arrays[i];
        size_t               n = strlen(a->name);
        if (n == 0 || n >= UB_CKPT_NAME || strcspn(a->name, " \t\n/") != n || a->width < 0)
            return UB_FAIL(UB_EARG, "array '%s' of %lld values cannot go into a checkpoint",
                           a->name, (long long)a->width);
        UB_TRY(ub_bytes_printf(out, "%s %lld\n", a->name, (long long)a->width));
    }
    return UB_OK;
}

ub_status ub_ckpt_transfer(const ub_ckpt_slab *s, const void *from, void *to)
{
    ub_status st = UB_OK;
    hsize_t   first = (hsize_t)s->first, count = (hsize_t)s->count;
    hid_t     space = H5Dget_space(s->set), memory = H5Screate_simple(1, &count, NULL);
    (void)H5Sselect_hyperslab(space, H5S_SELECT_SET, &first, NULL, &count, NULL);
    if (from != NULL && H5Dwrite(s->set, s->type, memory, space, H5P_DEFAULT, from) < 0)
        st = ub_h5_fail(UB_EIO, s->path, s->name, "cannot be written");
    if (to != NULL && H5Dread(s->set, s->type, memory, space, H5P_DEFAULT, to) < 0)
        st = ub_h5_fail(UB_EFORMAT, s->path, s->name, "cannot be read");
    (void)H5Sclose(memory);
    (void)H5Sclose(space);
    return st;
}
