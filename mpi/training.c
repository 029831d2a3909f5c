#include "mpi/training.h"

#include <string.h>

#include "core/mem.h"
#include "mpi/reduce.h"

static ub_status allocate(ub_training *x)
{
    int64_t told;
    size_t  width = (size_t)ub_trainer_width(x->trainer), size = ub_trainer_number(x->trainer);
    (void)ub_trainer_tail(x->trainer, &told);
    UB_TRY(UB_ALLOC(x->tail, told + 1));
    return ub_mem_check(x->whole = ub_alloc(width, size), width, size, "a sum of evaluations");
}

ub_status ub_training_init(const ub_comm *c, ub_trainer *trainer, int64_t shards, ub_training *out)
{
    ub_sum_plan plan = {.leaves = shards, .size = ub_trainer_number(trainer)};
    plan.ranges = ub_trainer_ranges(trainer, &plan.at);
    *out = (ub_training){.c = c, .trainer = trainer, .shards = shards};
    ub_status st = ub_comm_agree(c, allocate(out));
    if (st == UB_OK)
        st = ub_sum_create(c, &plan, &out->sum);
    if (st == UB_OK)
        ub_trainer_place(trainer, ub_sum_vector(out->sum));
    else
        ub_training_release(out);
    return st;
}

void ub_training_release(ub_training *x)
{
    if (x->sum != NULL)
        ub_trainer_place(x->trainer, NULL);
    ub_sum_destroy(&x->sum);
    ub_free(x->whole);
    ub_free(x->tail);
    *x = (ub_training){0};
}

static void part(void *self, int64_t leaf, int32_t k, void *out, bool add)
{
    ub_trainer_part(self, leaf, k, out, add);
}

static void done(void *self, int32_t k, const void *sum)
{
    ub_trainer_update(self, k, sum);
}

/* One rank has told each number, the others 0: the sum is that number, in any order. */
static ub_status tell(ub_training *x, bool *stop)
{
    int64_t n;
    double *mine = ub_trainer_tail(x->trainer, &n);
    memcpy(x->tail, mine, (size_t)n * sizeof *mine);
    x->tail[n] = *stop ? 1 : 0;
    if (x->c->size > 1)
        UB_TRY_MPI(
            MPI_Allreduce(MPI_IN_PLACE, x->tail, (int)n + 1, MPI_DOUBLE, MPI_SUM, x->c->mpi));
    memcpy(mine, x->tail, (size_t)n * sizeof *mine);
    *stop = x->tail[n] > 0;
    return UB_OK;
}

static ub_status step(ub_training *x, bool *stop)
{
    static const ub_sum_ops ops = {part, done};
    void                   *vectors[UB_TRAINER_VECTORS];
    ub_trainer_vectors(x->trainer, vectors);
    ub_trainer_pass(x->trainer);
    UB_TRY(ub_sum_run(x->sum, &ops, x->trainer));
    UB_TRY(ub_sum_share(x->sum, vectors[0]));
    UB_TRY(tell(x, stop));
    return ub_trainer_step(x->trainer);
}

static ub_status shard(void *self, int64_t leaf, void *out)
{
    return ub_trainer_shard(self, leaf, out);
}

static ub_status evaluation(ub_training *x, bool *stop)
{
    ub_number type =
        ub_trainer_number(x->trainer) == sizeof(float) ? UB_NUMBER_FLOAT : UB_NUMBER_DOUBLE;
    UB_TRY(ub_reduce_numbers(x->c, type, x->shards, ub_trainer_width(x->trainer), shard, x->trainer,
                             x->whole));
    int any = *stop;
    UB_TRY_MPI(MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_MAX, x->c->mpi));
    *stop = any != 0;
    return ub_trainer_apply(x->trainer, x->whole);
}

ub_status ub_training_phase(ub_training *x, bool *stop)
{
    return ub_trainer_evaluates(x->trainer) ? evaluation(x, stop) : step(x, stop);
}

ub_status ub_training_gather(ub_training *x)
{
    void *vectors[UB_TRAINER_VECTORS];
    ub_trainer_vectors(x->trainer, vectors);
    for (int i = 1; i < UB_TRAINER_VECTORS; i++)
        UB_TRY(ub_sum_share(x->sum, vectors[i]));
    return UB_OK;
}
