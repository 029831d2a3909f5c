/* core/settings.h - every setting of the program, one struct a section.
 *
 * The tables in core/settings.c say key, range, default, unit and help of each
 * field; configs/reference.yaml is generated from them.
 *
 * Layer: core.
 */
#ifndef UB_CORE_SETTINGS_H
#define UB_CORE_SETTINGS_H

#include "core/schema.h"

enum {
    UB_FORMAT_AUTO,
    UB_FORMAT_ALIGNED,
    UB_FORMAT_NATIVE,
    UB_FORMAT_D4RL,
    UB_FORMAT_ROBOMIMIC,
    UB_FORMAT_MINARI
};
enum { UB_TASKS_AUTO, UB_TASKS_DATASET, UB_TASKS_SUCCESS, UB_TASKS_RETURN, UB_TASKS_FINAL };
enum { UB_COND_BAND, UB_COND_FULL, UB_COND_DIRECT };
enum {
    UB_RULE_PAPER,
    UB_RULE_RAW,
    UB_RULE_BH,
    UB_RULE_BY,
    UB_RULE_BONFERRONI,
    UB_RULE_LLR_CLIQUE,
    UB_RULE_LLR_JOINT
};
enum { UB_REP_LAST, UB_REP_ALL };
enum { UB_CONTRAST_AUTO, UB_CONTRAST_NONE, UB_CONTRAST_MARGINAL };
enum { UB_PERMUTATION_LOCAL, UB_PERMUTATION_GLOBAL };
enum { UB_ESTIMATOR_KSG1, UB_ESTIMATOR_KSG2 };
enum { UB_CRITIC_INFONCE, UB_CRITIC_MINE };
enum { UB_SCALING_STANDARDISE, UB_SCALING_RANK, UB_SCALING_RAW };
enum { UB_CORRECTION_MEAN, UB_CORRECTION_NONE };
enum { UB_FORM_PRODUCT, UB_FORM_INTERACTION };
enum { UB_PENALTY_NONE, UB_PENALTY_MASK, UB_PENALTY_JACOBIAN, UB_PENALTY_JACOBIAN_GROUP };
enum { UB_OPTIMIZER_ADAM, UB_OPTIMIZER_ADAMW, UB_OPTIMIZER_SGD };
enum { UB_SCHEDULE_LINEAR, UB_SCHEDULE_COSINE, UB_SCHEDULE_STEP };
enum { UB_HIDDEN_LEAKY, UB_HIDDEN_TANH, UB_HIDDEN_ELU };
enum { UB_PRECISION_SINGLE, UB_PRECISION_DOUBLE };
enum { UB_STEPS_STRUCTURE, UB_STEPS_ALL, UB_STEPS_TRUTH };
enum { UB_SYNTH_CHAIN, UB_SYNTH_LATENT, UB_SYNTH_SPRITES };
enum { UB_LINK_LINEAR, UB_LINK_QUADRATIC, UB_LINK_TANH, UB_LINK_SQUARED_SUM };
enum { UB_SLURM_RUN, UB_SLURM_STRUCTURE, UB_SLURM_DISENTANGLE, UB_SLURM_SWEEP };
enum { UB_LAUNCH_SRUN, UB_LAUNCH_MPIRUN };
enum { UB_SLOW_RANK, UB_SLOW_NODE };
enum { UB_REQUEUE_AUTO, UB_REQUEUE_YES, UB_REQUEUE_NO };
enum { UB_TRANSITION_LINEAR, UB_TRANSITION_TANH, UB_TRANSITION_SINE, UB_TRANSITION_FOLD };

enum { UB_GOAL_MAXIMISE, UB_GOAL_MINIMISE };

typedef struct ub_settings {
    struct {
        int64_t seed;
        int64_t shards;    /* data blocks of the fixed-order sums */
        int     log_level; /* ub_log_level */
        double  progress_s;
        double  status_s;
        double  save_budget; /* part of the time that saving may take */
        char    stop_signals[UB_TEXT_MAX];
        double  stop_after_s; /* stop in time after so many seconds; 0 = never */
    } run;
    struct {
        char    path[UB_TEXT_MAX];
        int     format;
        char    obs[UB_TEXT_MAX];  /* comma separated observation datasets; "" = all */
        int     tasks;             /* UB_TASKS_... */
        char    task[UB_TEXT_MAX]; /* dataset(s) of the task variables */
        int64_t max_episodes;      /* 0 = all */
    } corpus;
    struct {
        int     method; /* 0 = fixed */
        int64_t count;  /* K: segments an episode is cut into (unaligned corpora) */
        int64_t length; /* L: steps kept of a segment */
    } segment;
    struct {
        char    test[UB_TEXT_MAX]; /* a registered name */
        int     conditioning, rule, representatives, contrast;
        double  alpha;
        double  rho_pair, rho_direct, evidence_cap;
        int64_t tile;                        /* segments on an edge of a tile of pairs */
        int64_t serial_max;                  /* largest matrix inverted by serial LAPACK */
        int64_t grid_rows, grid_cols, block; /* ScaLAPACK beyond it */
    } structure;
    struct {
        int64_t memory_mb;    /* of a node, for the samples; 0 = half of it */
        int64_t max_levels;   /* gsq */
        double  cell_samples; /* gsq */
        int     correction;   /* gsq: UB_CORRECTION_... */
        int64_t k;            /* neighbours of an estimate */
        int64_t k_perm;       /* neighbours in Z whose x may be exchanged */
        int64_t permutations; /* at most */
        int64_t stop_after;   /* surrogates at or above the statistic; 0 = never */
        int     permutation, estimator, scaling;
        int64_t features_xy, features_z; /* rcot */
        int     form;                    /* gcm */
        int64_t degree;                  /* gcm_poly */
        int64_t features;                /* gcm_rff */
        int64_t hidden, folds, epochs;   /* gcm_mlp */
        int     critic;                  /* cmi_neural: UB_CRITIC_...; as what follows */
        int64_t critic_cell, critic_folds, critic_members, critic_hidden, critic_epochs;
        double  critic_rate, critic_decay;
    } ci;
    struct {
        double  journal_sync_s;      /* 0 = by run.save_budget */
        double  slow_ms;             /* artificial pause per item, for demonstrations and tests */
        int64_t fail_every;          /* every so many-th item fails, for tests; 0 = none */
        char    policy[UB_TEXT_MAX]; /* "auto" or a name of core/sched.h */
        int64_t floor;               /* smallest chunk; 0 = chosen */
        int64_t group;               /* ranks a sub-master; 0 = chosen, 1 = one master */
        int64_t retry;
        double  overdue, patience_s;
        int64_t simulate; /* items the automatic choice may simulate; 0 = by formula */
    } farm;
    struct {
        int64_t items; /* 0 = of the corpus, else 1000 a rank */
        int     times; /* ub_times of core/rehearse.h */
        double  item_ms, item_cv;
        double  message_us, request_us, answer_us;
        double  bandwidth_gbs; /* GB/s a rank */
        double  slow_fraction, slow_factor, fail_fraction;
        int     slow_by; /* UB_SLOW_... */
        int64_t deaths, node_ranks;
        double  rank_mtbf_h, node_mtbf_h; /* 0 = never */
        double  detect_s, preempt_s, restart_s;
    } rehearse;
    struct {
        int     penalty, precision, activation;
        char    classes[UB_TEXT_MAX]; /* "task=number ..." */
        int64_t latents, hidden, layers, head_hidden;
        double  beta, lambda, group, ramp;
        int64_t lambdas; /* candidates lambda, lambda / 2, ...: see core/lambda.h */
        double  tolerance;
        int64_t jacobian_samples;
        int     optimizer, schedule;
        double  learning_rate, warmup, decay_from, decay_to;
        int64_t drops;
        double  weight_decay, momentum, clip;
        bool    nesterov;
        int64_t patience; /* epochs; 0 = never stop early */
        int64_t batch, epochs, restarts, shards;
        int64_t teams; /* 0 = chosen */
        double  holdout, keep;
        int     steps;
        int64_t checkpoint_steps; /* 0 = by run.save_budget */
        int64_t keep_checkpoints;
    } disentangle;
    struct {
        int     kind;
        int64_t steps, tasks, samples, segment_length;
        int     link, transition;
        double  edge;       /* probability of a temporal edge */
        double  membership; /* probability of a link segment - task */
        int64_t relevant, irrelevant, task_dim, obs_dim;
        int64_t image_side, image_channels;
    } synth;
    struct {
        int64_t train, test; /* samples for the judge */
        double  ridge;
    } eval;
    struct {
        int     command; /* UB_SLURM_RUN, ... */
        int64_t nodes, tasks_per_node, time_min, memory_mb;
        bool    plan;
        char    partition[UB_TEXT_MAX], account[UB_TEXT_MAX], qos[UB_TEXT_MAX];
        char    options[UB_TEXT_MAX];  /* further options of sbatch, a line each */
        char    prologue[UB_TEXT_MAX]; /* shell lines */
        int     launcher;              /* UB_LAUNCH_... */
        char    launcher_options[UB_TEXT_MAX];
        int     requeue; /* UB_REQUEUE_... */
        int64_t lead_s;  /* stop so long before the job's end; 0: measured (core/lead.h) */
        int64_t max_jobs, workers, workers_at_once;
    } slurm;
    struct {
        int     command;             /* UB_SLURM_RUN, ... */
        char    method[UB_TEXT_MAX]; /* a name of core/design.h */
        int64_t points, seed;
        char    parameters[UB_TEXT_MAX], constraints[UB_TEXT_MAX]; /* core/space.h */
        char    metric[UB_TEXT_MAX];                               /* a key of eval.json */
        int     goal, rule;                                        /* UB_GOAL_..., UB_PROMOTE_... */
        char    resource[UB_TEXT_MAX];                             /* a key */
        double  resource_min, eta;
        int64_t lag, ranks;
        char    ranks_when[UB_TEXT_MAX]; /* core/compare.h */
        char    store[UB_TEXT_MAX];
        double  poll_s;
    } sweep;
} ub_settings;

/* All sections. */
const ub_schema *ub_settings_schema(void);

#endif /* UB_CORE_SETTINGS_H */
