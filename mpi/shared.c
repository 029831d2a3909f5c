#include "mpi/shared.h"

#include <stdint.h>
#include <sys/statvfs.h>

#include "core/mem.h"

/* Open MPI 4.1 would find out late: on its first rank only, while the others wait for it, or by a
 * SIGBUS when the pages are written. */
static ub_status check_room(const ub_shared *s, double bytes)
{
    struct statvfs fs;
    double         all = 0, room = -1;
    UB_TRY_MPI(MPI_Allreduce(&bytes, &all, 1, MPI_DOUBLE, MPI_SUM, s->node.mpi));
    if (s->node.rank == 0 && statvfs("/dev/shm", &fs) == 0)
        room = (double)fs.f_bavail * (double)fs.f_frsize * 0.9;
    UB_TRY_MPI(MPI_Bcast(&room, 1, MPI_DOUBLE, 0, s->node.mpi));
    if (room >= 0 && all > room)
        return UB_FAIL(UB_ENOMEM,
                       "the ranks of a node want to share %.6g MiB; /dev/shm can give %.6g, nine "
                       "tenths of what is free there",
                       all / 1048576, room / 1048576);
    return UB_OK;
}

enum { LINE = 64 };

/* The same place in all processes: pages are mapped whole. */
static void *align(void *p)
{
    return (char *)p + (LINE - (uintptr_t)p % LINE) % LINE;
}

static ub_status open_window(ub_shared *s, size_t bytes)
{
    MPI_Info info;
    MPI_Aint size;
    int      unit;
    void    *mine = NULL;
    UB_TRY_MPI(MPI_Info_create(&info));
    UB_TRY_MPI(MPI_Info_set(info, "alloc_shared_noncontig", "true")); /* pages of one's own */
    UB_TRY_MPI(
        MPI_Win_allocate_shared((MPI_Aint)(bytes + LINE), 1, info, s->node.mpi, &mine, &s->window));
    UB_TRY_MPI(MPI_Info_free(&info));
    UB_TRY_MPI(MPI_Win_set_errhandler(s->window, MPI_ERRORS_RETURN));
    UB_TRY_MPI(MPI_Win_lock_all(MPI_MODE_NOCHECK, s->window));
    for (int r = 0; r < s->node.size; r++) {
        UB_TRY_MPI(MPI_Win_shared_query(s->window, r, &size, &unit, &s->base[r]));
        s->base[r] = align(s->base[r]);
    }
    return ub_shared_meet(s);
}

ub_status ub_shared_join(const ub_comm *c, int node, ub_shared *s)
{
    *s = (ub_shared){.window = MPI_WIN_NULL};
    if (node > 0)
        return ub_comm_split(c, node, &s->node);
    return ub_comm_node(c, &s->node);
}

ub_status ub_shared_open(ub_shared *s, size_t bytes)
{
    UB_TRY(check_room(s, (double)bytes));
    ub_status st = ub_comm_agree(&s->node, UB_ALLOC(s->base, s->node.size));
    if (st == UB_OK)
        st = open_window(s, bytes);
    if (st != UB_OK) { /* base says that something is shared */
        ub_free(s->base);
        s->base = NULL;
    }
    return st;
}

void ub_shared_release(ub_shared *s)
{
    if (s->base != NULL && s->window != MPI_WIN_NULL) {
        (void)MPI_Win_unlock_all(s->window);
        (void)MPI_Win_free(&s->window);
    }
    ub_free(s->base);
    ub_comm_release(&s->node);
    *s = (ub_shared){.window = MPI_WIN_NULL};
}

ub_status ub_shared_fence(const ub_shared *s)
{
    return ub_mpi_status(MPI_Win_sync(s->window), "MPI_Win_sync");
}

ub_status ub_shared_meet(const ub_shared *s)
{
    UB_TRY(ub_shared_fence(s));
    UB_TRY_MPI(MPI_Barrier(s->node.mpi));
    return ub_shared_fence(s);
}
