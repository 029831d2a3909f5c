/* From what one rank was measured to need to what many will: docs/plan.md says what is assumed. */
#include <math.h>
#include <stdio.h>

#include "core/lead.h"
#include "core/pace.h"
#include "core/shard.h"
#include "jobs/plan.h"
#include "jobs/study.h"
#include "mpi/farm.h"

/* Assumed, in seconds: to start a job's ranks; to write a small file and flush it; a checkpoint
 * with its verification.  Bytes a second of large files.  Part of the forecast that the model may
 * be wrong by, on top of what the measurements spread. */
static const double START_S = 0.5, FLUSH_S = 0.02, CHECKPOINT_S = 0.06, DISK = 3e8,
                    MODEL_ERROR = 0.15;
/* What libraries touch later than the calibration looks. */
static const double LIBRARIES_MB = 6;

enum { STRUCTURE_FILES = 10, MODEL_FILES = 6, REPORT_FILES = 6, MOST_ITEMS = 4000000 };

typedef struct world {
    const ub_settings   *s;
    const ub_plan_costs *m;
    int                  ranks, on_node; /* on_node: of a node that is full */
    double               message_s, byte_s;
    ub_plan_forecast    *out;
    double               spread; /* variance of the forecast, seconds^2 */
} world;

static double parts(int64_t pieces, int ranks)
{
    int64_t most = (pieces + ranks - 1) / ranks;
    return (double)most / (double)pieces;
}

static double rounds(int ranks)
{
    return ceil(log2((double)ranks));
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* Waiting for so many files with so many bytes in all. */
static double files(world *w, int count, double bytes)
{
    double seconds = count * FLUSH_S + bytes / DISK;
    w->out->files_s += seconds;
    return seconds;
}

/* ---- stage 1 ---- */

/* What comes before the first test, in every job that goes on with stage 1. */
static double prepare_structure(const world *w)
{
    const ub_plan_costs *m = w->m;
    const ub_settings   *s = w->s;
    double half = 4.0 * m->columns * (m->columns + 1.0), steps = m->columns, inverse = m->inverse_s;
    double seconds = m->read_s * parts(s->run.shards, w->ranks) +
                     m->covariance_s * parts(s->run.shards, w->ranks) +
                     2 * rounds(w->ranks) * (w->message_s + half * w->byte_s);
    if (m->precision && steps > (double)s->structure.serial_max)
        inverse /= (double)(s->structure.grid_rows * s->structure.grid_cols);
    if (m->precision)
        inverse += rounds(w->ranks) * (w->message_s + 2 * half * w->byte_s);
    return seconds + inverse + m->solver_s;
}

static ub_rehearsal rehearsal_of(const world *w, int64_t items)
{
    const ub_settings   *s = w->s;
    const ub_plan_costs *m = w->m;
    return (ub_rehearsal){.seed = (uint64_t)s->run.seed,
                          .items = items,
                          .ranks = w->ranks,
                          .policy = ub_sched_policy_find(s->farm.policy),
                          .floor = s->farm.floor,
                          .group = s->farm.group == 0   ? -1
                                   : s->farm.group == 1 ? 0
                                                        : (int)s->farm.group,
                          .retry = (int)s->farm.retry,
                          .overdue = s->farm.overdue,
                          .item_s = m->item_mean,
                          .item_cv = m->item_cv,
                          .sample = m->item_s,
                          .samples = m->sampled,
                          .each = m->each,
                          .message_s = w->message_s,
                          .request_s = s->rehearse.request_us * 1e-6,
                          .answer_s = s->rehearse.answer_us * 1e-6 + m->absorb_s};
}

/* Policy, floor and masters as mpi/farm.c takes them: by trying if it will, else as set. */
static ub_status pick(world *w, int64_t head, ub_rehearsal *plan)
{
    ub_sched_pick *p = &w->out->pick;
    ub_rehearsal   guess = *plan;
    int64_t        budget = w->s->farm.simulate;
    int            group = plan->group < 0 ? ub_sched_group_usual(w->ranks) : plan->group;
    if (head > 0) {
        guess.seed = ~plan->seed;
        guess.each = NULL; /* the farm does not know them */
        UB_TRY(ub_sched_choose(&guess, budget < MOST_ITEMS ? budget : MOST_ITEMS, p));
    } else {
        *p = (ub_sched_pick){.policy =
                                 plan->policy != NULL ? plan->policy : ub_sched_policy_find("fac2"),
                             .floor = plan->floor > 0 ? plan->floor : 1,
                             .group = group,
                             .works = ub_sched_groups(w->ranks, group) == 0};
        (void)snprintf(p->why, sizeof p->why, "%s, floor %lld, %s", p->policy->name,
                       (long long)p->floor,
                       plan->policy != NULL ? "as set" : "too few items to choose by");
    }
    plan->policy = p->policy;
    plan->floor = p->floor;
    plan->group = p->group;
    plan->works = p->works;
    return UB_OK;
}

/* The farm by its own decisions on simulated ranks: the items it measures to choose by, if there
 * are enough of them, then the rest; of very many the first part, as what is lost at the end does
 * not grow with them. */
static ub_status farm(world *w, double *seconds)
{
    const ub_plan_costs *m = w->m;
    double               work = (double)m->items * m->item_mean, makespan, done;
    int64_t              items = m->items < MOST_ITEMS ? m->items : MOST_ITEMS, head = 0;
    ub_rehearsed         first = {0}, rest;
    w->out->efficiency = 1;
    *seconds = (double)m->items * (m->item_mean + m->absorb_s);
    if (w->ranks == 1 || m->items == 0 || m->item_mean <= 0)
        return UB_OK;
    ub_rehearsal plan = rehearsal_of(w, items), begin;
    if (plan.policy == NULL)
        head = ub_farm_head(items, w->ranks);
    if (head > 0) {
        begin = plan;
        begin.items = head;
        begin.policy = ub_sched_policy_find("self");
        begin.floor = 1;
        begin.group = plan.group < 0 ? ub_sched_group_usual(w->ranks) : plan.group;
        begin.works = ub_sched_groups(w->ranks, begin.group) == 0;
        UB_TRY(ub_rehearse(&begin, &first));
        plan.items -= head;
        if (plan.each != NULL)
            plan.each += head;
    }
    UB_TRY(pick(w, head, &plan));
    UB_TRY(ub_rehearse(&plan, &rest));
    makespan = first.makespan + rest.makespan;
    done = first.work + rest.work;
    w->out->efficiency = done / (w->ranks * makespan);
    /* The draw of the times has its own luck; the measured mean is the better guess of the work. */
    *seconds = makespan + (work - done) / (w->ranks * w->out->efficiency);
    return UB_OK;
}

/* Part of the farm's time that flushing its journal takes, which a single rank waits for. */
static double flushes(const world *w)
{
    const ub_settings *s = w->s;
    double             pause = larger(FLUSH_S / s->run.save_budget, UB_PACE_LEAST_S);
    if (s->farm.journal_sync_s > 0)
        pause = s->farm.journal_sync_s;
    return w->ranks == 1 ? FLUSH_S / pause : 0;
}

static ub_status structure(world *w)
{
    const ub_plan_costs *m = w->m;
    double               tests_s;
    if (!(m->stages & UB_STAGE_STRUCTURE))
        return UB_OK;
    UB_TRY(farm(w, &tests_s));
    double journal = (double)m->items * (m->answer_bytes + 16), tables = m->table_bytes;
    double error = tests_s * m->item_error;
    w->spread += error * error;
    w->out->bytes += journal + m->text_bytes + tables;
    w->out->stage_s[UB_PLAN_STRUCTURE] = prepare_structure(w) + tests_s * (1 + flushes(w)) +
                                         m->conclude_s +
                                         files(w, STRUCTURE_FILES, m->text_bytes + tables);
    return UB_OK;
}

/* ---- stage 2 ---- */

/* A gradient step of a team: forward and back with its shards, their sums, the weights of its
 * ranges; one exchange of the gradient, one of the weights, one of what a step tells. */
static double step_seconds(const world *w, int ranks)
{
    const ub_plan_costs *m = w->m;
    double share = parts(m->shards, ranks), bytes = (double)m->width * (double)m->number;
    double alone = (m->pass_s + m->sum_s) * share + m->update_s / ranks + m->rest_s;
    if (ranks == 1)
        return alone;
    double others = (ranks - 1.0) / ranks;
    return alone + 2 * bytes * others * w->byte_s + (4 * rounds(ranks) + ranks) * w->message_s;
}

/* Checkpoints of a training that takes so long: by the steps or the budget, and one at its end. */
static double checkpoints(const world *w, double seconds, double cost)
{
    const ub_settings *s = w->s;
    if (s->disentangle.checkpoint_steps > 0)
        return 1 + floor((double)w->m->steps / (double)s->disentangle.checkpoint_steps);
    return 1 + floor(seconds / larger(cost / s->run.save_budget, UB_PACE_LEAST_S));
}

static void disentangle(world *w)
{
    const ub_plan_costs *m = w->m;
    const ub_settings   *s = w->s;
    int64_t              jobs = s->disentangle.lambdas * s->disentangle.restarts;
    double               longest = 0, waits = 0, state = 8.0 * (double)m->state,
           saved = CHECKPOINT_S + 2 * state / DISK;
    int teams = w->out->teams = ub_study_teams(s, w->ranks), smallest = w->ranks;
    for (int k = 0; k < teams; k++) {
        int     ranks = (int)ub_part(w->ranks, teams, k).count;
        int64_t own = (jobs - k + teams - 1) / teams;
        double  mine = (double)own, share = parts(m->shards, ranks);
        double  training = (double)m->steps * step_seconds(w, ranks) +
                          (double)m->evaluations * m->evaluation_s * share + m->create_s * share;
        double saves = checkpoints(w, training, saved);
        longest =
            larger(longest, (m->read_s + m->norm_s) * share + mine * (training + saves * saved));
        waits = larger(waits, mine * saves * saved);
        smallest = ranks < smallest ? ranks : smallest;
        w->out->bytes += mine * saves * state;
    }
    w->out->files_s += waits;
    double looks = s->disentangle.lambdas > 1 ? (double)s->disentangle.lambdas + 1 : 1;
    double error = longest * m->step_error;
    w->spread += error * error;
    w->out->bytes += m->model_bytes;
    w->out->stage_s[UB_PLAN_DISENTANGLE] = longest +
                                           looks * m->evidence_s * parts(m->shards, smallest) +
                                           files(w, MODEL_FILES, m->model_bytes);
}

/* ---- evaluation ---- */

/* Rank r answers question r, r + ranks, ...: those with all samples come first. */
static void evaluation(world *w)
{
    const ub_plan_costs *m = w->m;
    double               longest = 0, error = m->full_error * (double)m->full / w->ranks;
    w->spread += error * error;
    if (m->guessed) { /* any number of sets up to that of the truth: sd of a uniform one */
        error = m->full_s / w->ranks;
        w->spread += error * error * (double)(m->kept * m->kept - 1) / 12;
    }
    for (int r = 0; r < w->ranks && r < m->full + m->thin; r++) {
        int64_t all = (m->full + m->thin - r + w->ranks - 1) / w->ranks;
        int64_t full = r < m->full ? (m->full - r + w->ranks - 1) / w->ranks : 0;
        longest = larger(longest, (double)full * m->full_s + (double)(all - full) * m->thin_s);
    }
    if (m->stages & UB_STAGE_DISENTANGLE)
        longest += m->read_s * parts(m->shards, w->ranks) + m->encode_s / w->ranks;
    w->out->bytes += 2e5; /* report, scores, provenance */
    w->out->stage_s[UB_PLAN_EVALUATION] = longest + files(w, REPORT_FILES, 0);
}

/* ---- the whole ---- */

/* Of rank 0 of a full node: the program, its share of the corpus, and the larger of what the stages
 * keep. */
static double memory_mb(const world *w)
{
    const ub_plan_costs *m = w->m;
    double               square = 8.0 * m->columns * m->columns / 1048576, first = 0, second = 0;
    double               levels = 1 + ceil(log2((double)w->s->run.shards));
    double               corpus = m->corpus_mb * parts(w->s->run.shards, w->ranks);
    if (m->stages & UB_STAGE_STRUCTURE) {
        double summing = square + square / 2 * (levels < 2 ? 2 : levels);
        double testing = square * (m->precision ? 2 : 1) + m->solver_mb;
        double answers = m->table_bytes / 1048576, texts = 2 * m->text_bytes / 1048576;
        first = corpus + answers + m->samples_mb / w->on_node +
                larger(summing, testing + answers + texts);
    }
    if (m->stages & UB_STAGE_DISENTANGLE) {
        int    ranks = w->ranks / w->out->teams;
        double all = 8.0 * (double)m->state * (1 + (double)w->s->disentangle.restarts) / 1048576;
        second = m->corpus_mb * parts(m->shards, ranks) + m->trainer_mb + all;
    }
    return m->base_mb + LIBRARIES_MB + larger(first, second);
}

/* Seconds between stop and end of a job: fixed, or what the run would measure (core/lead.h). */
static double lead(const world *w)
{
    double longest = 0, job = 60.0 * (double)w->s->slurm.time_min;
    for (int64_t i = 0; i < w->m->sampled; i++)
        longest = larger(longest, w->m->item_s[i]);
    if (w->s->slurm.lead_s > 0)
        return (double)w->s->slurm.lead_s;
    return (w->ranks > 1 ? 2 : 1) * longest + ub_lead_margin(job);
}

/* A job works until its lead; those after the first repeat the beginning. */
static int64_t chained(const world *w)
{
    double room = 60.0 * (double)w->s->slurm.time_min - w->out->lead_s;
    double again = w->out->again_s, seconds = w->out->seconds;
    if (seconds <= room)
        return 1;
    return room <= again ? 0 : (int64_t)ceil((seconds - again) / (room - again));
}

ub_status ub_plan_foretell(const ub_settings *settings, const ub_plan_costs *m, int ranks,
                           ub_plan_forecast *out)
{
    int64_t per_node = settings->slurm.tasks_per_node;
    *out = (ub_plan_forecast){.ranks = ranks, .teams = 1, .efficiency = 1};
    world w = {.s = settings,
               .m = m,
               .ranks = ranks,
               .on_node = ranks < per_node ? ranks : (int)per_node,
               .message_s = settings->rehearse.message_us * 1e-6,
               .byte_s = 1e-9 / settings->rehearse.bandwidth_gbs,
               .out = out};
    out->nodes = (int)((ranks + per_node - 1) / per_node);
    UB_TRY(structure(&w));
    if (m->stages & UB_STAGE_DISENTANGLE)
        disentangle(&w);
    evaluation(&w);
    out->seconds = START_S;
    for (int i = 0; i < UB_PLAN_STAGES; i++)
        out->seconds += out->stage_s[i];
    double error = 2 * sqrt(w.spread) + MODEL_ERROR * out->seconds;
    out->low = larger(0, out->seconds - error);
    out->high = out->seconds + error;
    double first = m->stages & UB_STAGE_STRUCTURE ? prepare_structure(&w) : 0;
    double second = m->stages & UB_STAGE_DISENTANGLE ? 2 * m->read_s + m->norm_s + m->create_s : 0;
    out->again_s = START_S + larger(first, second);
    out->node_hours = out->nodes * out->seconds / 3600;
    out->memory_mb = memory_mb(&w);
    out->lead_s = lead(&w);
    out->jobs = chained(&w);
    return UB_OK;
}
