#include "core/settings.h"

#include "core/ci_test.h"
#include "core/design.h"
#include "core/sched.h"

#define AT(member) offsetof(ub_settings, member)
#define INT(key, member, preset, min, max, unit, flags, help)                                      \
    {                                                                                              \
        key, UB_FIELD_INT, AT(member), preset, min, max, NULL, NULL, unit, flags, help             \
    }
#define REAL(key, member, preset, min, max, unit, flags, help)                                     \
    {                                                                                              \
        key, UB_FIELD_REAL, AT(member), preset, min, max, NULL, NULL, unit, flags, help            \
    }
#define BOOL(key, member, preset, flags, help)                                                     \
    {                                                                                              \
        key, UB_FIELD_BOOL, AT(member), preset, 0, 0, NULL, NULL, "", flags, help                  \
    }
#define CHOICE(key, member, preset, choices, flags, help)                                          \
    {                                                                                              \
        key, UB_FIELD_CHOICE, AT(member), preset, 0, 0, choices, NULL, "", flags, help             \
    }
#define NAME(key, member, preset, at, flags, help)                                                 \
    {                                                                                              \
        key, UB_FIELD_TEXT, AT(member), preset, 0, 0, NULL, at, "", flags, help                    \
    }
#define TEXT(key, member, preset, flags, help)                                                     \
    {                                                                                              \
        key, UB_FIELD_TEXT, AT(member), preset, 0, 0, NULL, NULL, "", flags, help                  \
    }
#define SECTION(name, help, fields)                                                                \
    {                                                                                              \
        name, help, fields, sizeof(fields) / sizeof(fields)[0]                                     \
    }

static const ub_field run[] = {
    INT("seed", run.seed, "1", 0, 9e18, "", 0, "seed of every random stream"),
    INT("shards", run.shards, "64", 1, 65536, "data blocks", 0,
        "blocks of the fixed-order sums; more ranks than this idle in the covariance"),
    CHOICE("log_level", run.log_level, "info", "error|warn|info|debug", UB_FIELD_FREE,
           "how much is logged"),
    REAL("progress_s", run.progress_s, "10", 0.01, 86400, "seconds", UB_FIELD_FREE,
         "pause between progress lines where there is no terminal"),
    REAL("status_s", run.status_s, "5", 0, 86400, "seconds", UB_FIELD_FREE,
         "pause between signs of life in status.json ('unbraid status RUN'); 0: none"),
    REAL(
        "save_budget", run.save_budget, "0.01", 1e-6, 1, "of the time", UB_FIELD_FREE,
        "what checkpoints and flushes of the journal may cost; how often there is one follows from "
        "their measured cost: every five seconds at most"),
    TEXT("stop_signals", run.stop_signals, "INT TERM USR1 USR2", UB_FIELD_FREE,
         "signals that stop a run in time, with exit code 75; also HUP, CONT, XCPU"),
    REAL("stop_after_s", run.stop_after_s, "0", 0, 1e9, "seconds", UB_FIELD_FREE,
         "stop in time after this long, with exit code 75; 0: never"),
};

static const ub_field corpus[] = {
    TEXT("path", corpus.path, "", UB_FIELD_FREE, "file of the corpus (Minari: the dataset folder)"),
    CHOICE("format", corpus.format, "auto", "auto|aligned|native|d4rl|robomimic|minari", 0,
           "layout of the file; auto looks at what it holds"),
    TEXT("obs", corpus.obs, "", 0,
         "observation datasets to use, comma separated; empty: all, by name"),
    CHOICE("tasks", corpus.tasks, "auto", "auto|dataset|success|return|final", 0,
           "where task variables come from; auto: the file's own, else final observation"),
    TEXT("task", corpus.task, "", 0,
         "datasets of the task variables (tasks: dataset), comma separated"),
    INT("max_episodes", corpus.max_episodes, "0", 0, 9e15, "episodes", 0,
        "use the first so many; 0: all"),
};

static const ub_field segment[] = {
    CHOICE("method", segment.method, "fixed", "fixed", 0,
           "how episodes of unequal length are brought to common steps: equal parts of the time"),
    INT("count", segment.count, "10", 1, 100000, "segments", 0,
        "segments an unaligned episode is cut into"),
    INT("length", segment.length, "0", 0, 100000, "steps", 0,
        "steps of a segment; 0: the file's own, else 2"),
};

static const ub_field structure[] = {
    NAME("test", structure.test, "fisher_z", ub_ci_name_at, 0,
         "conditional independence test ('unbraid list ci')"),
    CHOICE("conditioning", structure.conditioning, "band", "band|full|direct", 0,
           "what is conditioned on: the four neighbours, all other steps, or step against task"),
    CHOICE("rule", structure.rule, "llr_clique", "paper|raw|bh|by|bonferroni|llr_clique|llr_joint",
           0, "how answers become membership"),
    CHOICE("representatives", structure.representatives, "all", "last|all", 0,
           "steps of a segment that are tested: its last, or every one; rule paper takes the last"),
    CHOICE("contrast", structure.contrast, "auto", "auto|none|marginal", 0,
           "marginal: pairs dependent without any task (BH at alpha) lose that much evidence; "
           "auto: with LLR rules on pairs"),
    REAL("alpha", structure.alpha, "0.05", 1e-12, 0.5, "", 0,
         "level of the rules that have one, and of the contrast"),
    REAL("rho_pair", structure.rho_pair, "0.1", 1e-4, 0.99, "", 0,
         "standard deviation of the partial correlations expected of dependent pairs (LLR rules)"),
    REAL("rho_direct", structure.rho_direct, "0.2", 1e-4, 0.99, "", 0,
         "the same of steps and their tasks (llr_joint, or LLR rules with conditioning direct)"),
    REAL("evidence_cap", structure.evidence_cap, "60", 1, 1e6, "", 0,
         "largest z^2 a single test may contribute (LLR rules)"),
    INT("tile", structure.tile, "16", 1, 4096, "segments", 0,
        "edge of a tile of pairs: the unit of work of the farm"),
    INT("serial_max", structure.serial_max, "4096", 0, 100000, "columns", 0,
        "largest covariance inverted by serial LAPACK; beyond it ScaLAPACK"),
    INT("grid_rows", structure.grid_rows, "1", 1, 10000, "ranks", 0,
        "process grid of ScaLAPACK; its rounding belongs to the grid"),
    INT("grid_cols", structure.grid_cols, "1", 1, 10000, "ranks", 0, "the same"),
    INT("block", structure.block, "64", 1, 4096, "columns", 0, "block size of ScaLAPACK"),
};

static const ub_field ci[] = {
    INT("memory_mb", ci.memory_mb, "0", 0, 1e9, "MiB a node", UB_FIELD_FREE,
        "what tests that need the samples may take for them; 0: half of the node's memory"),
    INT("max_levels", ci.max_levels, "64", 2, 4096, "", 0,
        "distinct values a side or a condition may have (gsq)"),
    REAL("cell_samples", ci.cell_samples, "5", 0, 1e6, "samples", 0,
         "samples a cell of the table must have on average (gsq)"),
    CHOICE("correction", ci.correction, "mean", "mean|none", 0,
           "p of G^2 in units of its mean given the margins, or of G^2 as it is (gsq)"),
    INT("k", ci.k, "5", 1, 1000, "neighbours", 0, "neighbours of an estimate (cmi_knn)"),
    CHOICE("estimator", ci.estimator, "ksg1", "ksg1|ksg2", 0,
           "Frenzel-Pompe, or the second algorithm of Kraskov et al. (cmi_knn)"),
    CHOICE("scaling", ci.scaling, "standardise", "standardise|rank|raw", 0,
           "what is done to each column before distances are taken (cmi_knn)"),
    CHOICE("permutation", ci.permutation, "local", "local|global", 0,
           "surrogates exchange x among neighbours in Z, or anywhere (cmi_knn)"),
    INT("k_perm", ci.k_perm, "5", 2, 1000, "neighbours", 0,
        "neighbours in Z, a sample itself among them, that exchange x (permutation: local)"),
    INT("permutations", ci.permutations, "499", 1, 1000000, "", 0,
        "surrogates at most; the smallest p-value is 1 / (permutations + 1)"),
    INT("stop_after", ci.stop_after, "20", 0, 1000000, "surrogates", 0,
        "stop at so many surrogates that reach the statistic, p = that / drawn; 0: never"),
    INT("features_xy", ci.features_xy, "5", 1, 32, "", 0, "random features of X, and of Y (rcot)"),
    INT("features_z", ci.features_z, "100", 0, 10000, "", 0,
        "random features of Z at most; a fourth of the samples bounds them, too (rcot)"),
    CHOICE("form", ci.form, "interaction", "product|interaction", 0,
           "covariance of residuals alone, or also of squares and along moderators (gcm)"),
    INT("degree", ci.degree, "3", 1, 6, "", 0, "of the polynomials (gcm_poly)"),
    INT("features", ci.features, "100", 1, 10000, "", 0,
        "random cosines; a fourth of the samples bounds them, too (gcm_rff)"),
    INT("hidden", ci.hidden, "16", 1, 4096, "units", 0, "width of the network (gcm_mlp)"),
    INT("folds", ci.folds, "3", 2, 100, "", 0, "parts, each predicted from the others (gcm_mlp)"),
    INT("epochs", ci.epochs, "20", 1, 100000, "", 0, "passes over the samples (gcm_mlp)"),
    CHOICE("critic", ci.critic, "infonce", "infonce|mine", 0,
           "bound that is learned: InfoNCE, or Donsker-Varadhan as in MINE (cmi_neural)"),
    INT("critic_cell", ci.critic_cell, "8", 2, 1000, "samples", 0,
        "samples near each other in Z among which x is exchanged (cmi_neural)"),
    INT("critic_folds", ci.critic_folds, "5", 2, 1000, "", 0,
        "parts of the samples, each judged by critics trained on those before it (cmi_neural)"),
    INT("critic_members", ci.critic_members, "4", 1, 1000, "", 0,
        "critics whose scores are averaged (cmi_neural)"),
    INT("critic_hidden", ci.critic_hidden, "32", 1, 65536, "units", 0,
        "hidden layer of a critic's two networks (cmi_neural)"),
    INT("critic_epochs", ci.critic_epochs, "20", 1, 1000000, "", 0,
        "passes over the samples before each fold is judged (cmi_neural)"),
    REAL("critic_rate", ci.critic_rate, "0.003", 1e-9, 10, "", 0,
         "Adam's step for critics (cmi_neural)"),
    REAL("critic_decay", ci.critic_decay, "0.03", 0, 0.5, "of the weights", 0,
         "lost in a pass over the samples (cmi_neural)"),
};

static const ub_field farm[] = {
    REAL("journal_sync_s", farm.journal_sync_s, "0", 0, 3600, "seconds", UB_FIELD_FREE,
         "pause between flushes of the journal to disk: what a power cut may cost; 0: as "
         "run.save_budget allows"),
    REAL("slow_ms", farm.slow_ms, "0", 0, 1e6, "ms", UB_FIELD_FREE,
         "pause before each item, to watch or test the farm"),
    INT("fail_every", farm.fail_every, "0", 0, 9e15, "items", UB_FIELD_FREE,
        "every so many-th item fails, to test what follows; 0: none"),
    NAME("policy", farm.policy, "auto", ub_sched_choice_at, UB_FIELD_FREE,
         "how many items a rank is given at once; auto: the best of a simulation"),
    INT("floor", farm.floor, "0", 0, 1e9, "items", UB_FIELD_FREE, "smallest chunk; 0: chosen"),
    INT("group", farm.group, "0", 0, 1000000, "ranks", UB_FIELD_FREE,
        "ranks of a sub-master, itself among them; 0: chosen, 1: one master for all"),
    INT("retry", farm.retry, "3", 1, UB_SCHED_TRIES, "tries", UB_FIELD_FREE,
        "an item that fails so often is set aside and reported"),
    REAL("overdue", farm.overdue, "3", 0, 1e6, "spreads", UB_FIELD_FREE,
         "items so much later than usual are given to idle ranks as well; 0: never"),
    REAL("patience_s", farm.patience_s, "60", 1, 1e6, "seconds", UB_FIELD_FREE,
         "a rank that is silent so long when all is done is given up; where there are sub-masters "
         "twice that, and a silent sub-master at any time"),
    INT("simulate", farm.simulate, "4000000", 0, 1e12, "items", UB_FIELD_FREE,
        "items the automatic choice may simulate (at least 128 a rank, 16 times the floor); "
        "0: no simulation, factoring with a floor by formula"),
};

static const ub_field rehearse[] = {
    INT("items", rehearse.items, "0", 0, 2e8, "", UB_FIELD_FREE,
        "items of work; 0: those of the corpus, without one 1000 a rank"),
    REAL("item_ms", rehearse.item_ms, "1", 1e-6, 1e9, "ms", UB_FIELD_FREE, "mean time of an item"),
    REAL("item_cv", rehearse.item_cv, "0.5", 0, 100, "", UB_FIELD_FREE,
         "standard deviation of an item's time over its mean"),
    CHOICE("times", rehearse.times, "lognormal", "lognormal|gamma|equal", UB_FIELD_FREE,
           "distribution of the times"),
    REAL("message_us", rehearse.message_us, "2", 0, 1e9, "us", UB_FIELD_FREE,
         "a message on its way"),
    REAL("request_us", rehearse.request_us, "5", 0, 1e9, "us", UB_FIELD_FREE,
         "a master's time for a message"),
    REAL("answer_us", rehearse.answer_us, "0.02", 0, 1e9, "us", UB_FIELD_FREE,
         "a master's time for each answer in it"),
    REAL("bandwidth_gbs", rehearse.bandwidth_gbs, "2", 1e-3, 1e6, "GB/s", UB_FIELD_FREE,
         "what a rank sends and receives of long messages ('unbraid plan')"),
    REAL("slow_fraction", rehearse.slow_fraction, "0", 0, 1, "of the ranks", UB_FIELD_FREE,
         "ranks that are slow"),
    CHOICE("slow_by", rehearse.slow_by, "rank", "rank|node", UB_FIELD_FREE,
           "ranks are slow one by one, or whole nodes of node_ranks"),
    REAL("slow_factor", rehearse.slow_factor, "3", 1, 1e6, "times", UB_FIELD_FREE,
         "how much longer they take"),
    REAL("fail_fraction", rehearse.fail_fraction, "0", 0, 1, "of the tries", UB_FIELD_FREE,
         "tries of an item that fail"),
    INT("deaths", rehearse.deaths, "0", 0, 1000000, "ranks", UB_FIELD_FREE,
        "ranks that die during the run"),
    REAL("rank_mtbf_h", rehearse.rank_mtbf_h, "0", 0, 1e12, "hours", UB_FIELD_FREE,
         "mean time until a rank dies; 0: never"),
    REAL("node_mtbf_h", rehearse.node_mtbf_h, "0", 0, 1e12, "hours", UB_FIELD_FREE,
         "mean time until a node dies with its ranks; 0: never"),
    INT("node_ranks", rehearse.node_ranks, "128", 1, 1000000, "ranks", UB_FIELD_FREE,
        "ranks of a node"),
    REAL("detect_s", rehearse.detect_s, "1", 0, 1e6, "seconds", UB_FIELD_FREE,
         "until a death is noticed"),
    REAL("preempt_s", rehearse.preempt_s, "0", 0, 1e9, "seconds", UB_FIELD_FREE,
         "all ranks are stopped then; 0: never"),
    REAL("restart_s", rehearse.restart_s, "60", 0, 1e9, "seconds", UB_FIELD_FREE,
         "until they are back"),
};

static const ub_field disentangle[] = {
    CHOICE("penalty", disentangle.penalty, "jacobian_group", "none|mask|jacobian|jacobian_group", 0,
           "sparsity between tasks and latents"),
    CHOICE("precision", disentangle.precision, "single", "single|double", 0,
           "numbers of the training: float or double"),
    INT("latents", disentangle.latents, "0", 0, 4096, "", 0,
        "latent dimensions; 0: as many as the truth says, else as an observation has"),
    INT("hidden", disentangle.hidden, "64", 1, 65536, "units", 0,
        "width of encoder and decoder layers"),
    INT("layers", disentangle.layers, "2", 1, 16, "", 0, "hidden layers of encoder and decoder"),
    CHOICE("activation", disentangle.activation, "leaky", "leaky|tanh|elu", 0,
           "of the hidden layers of encoder and decoder; leaky: slope .01 below 0"),
    INT("head_hidden", disentangle.head_hidden, "32", 1, 65536, "units", 0, "width of task heads"),
    REAL("beta", disentangle.beta, "0.003", 0, 1000, "", 0, "weight of the KL term"),
    REAL("lambda", disentangle.lambda, "0.2", 0, 1000, "", 0, "weight of the sparsity penalty"),
    INT("lambdas", disentangle.lambdas, "1", 1, 16, "", 0,
        "weights tried: lambda, lambda / 2, ...; kept: the largest that costs no task its R2"),
    REAL("tolerance", disentangle.tolerance, "0.01", 0, 1, "of R2", 0,
         "what a task may lose of its best held-out R2 when lambda is chosen"),
    REAL("group", disentangle.group, "1", 0, 1000, "", 0,
         "weight of the group term across tasks, relative to lambda (jacobian, jacobian_group)"),
    REAL("ramp", disentangle.ramp, "0.2", 0, 1, "of the steps", 0,
         "lambda grows linearly over this part of the training"),
    INT("jacobian_samples", disentangle.jacobian_samples, "64", 1, 1000000, "samples a batch", 0,
        "samples on which the task Jacobian is penalised (jacobian, jacobian_group)"),
    CHOICE("optimizer", disentangle.optimizer, "adam", "adam|adamw|sgd", 0,
           "how weights follow the gradient; 'unbraid list optimizer'"),
    REAL("learning_rate", disentangle.learning_rate, "0.003", 1e-9, 10, "", 0, "size of a step"),
    REAL("warmup", disentangle.warmup, "0", 0, 1, "of the steps", 0,
         "the rate grows linearly over this part of the training"),
    CHOICE("schedule", disentangle.schedule, "linear", "linear|cosine|step", 0,
           "how the rate falls from decay_from on"),
    REAL("decay_from", disentangle.decay_from, "0.7", 0, 1, "of the steps", 0,
         "the rate is constant until here"),
    REAL("decay_to", disentangle.decay_to, "0.01", 0, 1, "of the rate", 0, "where it ends"),
    INT("drops", disentangle.drops, "3", 1, 1000, "", 0, "schedule step: in how many drops"),
    REAL("weight_decay", disentangle.weight_decay, "0.01", 0, 100, "", 0,
         "adamw: part of a weight that goes in a step, times the rate"),
    REAL("momentum", disentangle.momentum, "0.9", 0, 0.999999, "", 0,
         "sgd: part of the last step in the next one"),
    BOOL("nesterov", disentangle.nesterov, "false", 0, "sgd: look ahead along the momentum"),
    REAL("clip", disentangle.clip, "0", 0, 1e12, "", 0,
         "longest gradient of a step, longer ones are shortened to it; 0: any"),
    INT("patience", disentangle.patience, "0", 0, 1000000, "epochs", 0,
        "an initialisation ends when its held-out objective has not fallen for so long, with the "
        "weights of its best epoch; 0: never early"),
    INT("batch", disentangle.batch, "256", 1, 1000000, "samples", 0, "samples of a gradient step"),
    INT("epochs", disentangle.epochs, "120", 1, 1000000, "", 0, "passes over the data"),
    INT("restarts", disentangle.restarts, "3", 1, 1000, "", 0,
        "initialisations; the lowest held-out objective is kept"),
    INT("teams", disentangle.teams, "0", 0, 1000, "", UB_FIELD_FREE,
        "teams of ranks, each on initialisations of its own; 0: chosen, as many as end soonest"),
    INT("shards", disentangle.shards, "8", 1, 65536, "groups of episodes", 0,
        "virtual shards of a batch; more ranks than this idle in the training"),
    REAL("holdout", disentangle.holdout, "0.1", 0.01, 0.9, "of the episodes", 0,
         "never trained on; they choose initialisation, lambda and, with patience, the epoch, and "
         "'unbraid eval' judges on them"),
    REAL("keep", disentangle.keep, "0.1", 0, 1, "of the maximum", 0,
         "a task keeps latents whose mean |J| times standard deviation is above this part of its "
         "largest"),
    TEXT("classes", disentangle.classes, "", 0,
         "categorical tasks and how many classes each has, as in 'colour=4 shape=3'; their one "
         "column holds labels from 0 on"),
    CHOICE("steps", disentangle.steps, "structure", "structure|all|truth", 0,
           "steps at which a task's loss counts: where stage 1 found it, all, or the truth"),
    INT("checkpoint_steps", disentangle.checkpoint_steps, "0", 0, 1e12, "gradient steps",
        UB_FIELD_FREE, "pause between checkpoints; 0: as run.save_budget allows"),
    INT("keep_checkpoints", disentangle.keep_checkpoints, "2", 2, 1000, "", UB_FIELD_FREE,
        "verified checkpoints that stay"),
};

static const ub_field synth[] = {
    CHOICE("kind", synth.kind, "chain", "chain|latent|sprites", 0,
           "chain: steps and tasks for stage 1; latent: mixed latents for stage 2; sprites: "
           "pictures of a face with hat, glasses, colour, ..."),
    INT("steps", synth.steps, "20", 1, 10000000, "steps", 0, "T (chain)"),
    INT("tasks", synth.tasks, "4", 1, 100000, "", 0, "M"),
    INT("samples", synth.samples, "10000", 2, 9e15, "episodes", 0, "N"),
    INT("segment_length", synth.segment_length, "2", 1, 100000, "steps", 0, "L (chain)"),
    CHOICE("link", synth.link, "linear", "linear|quadratic|tanh|squared_sum", 0,
           "how steps enter a task (chain): each by a function, or linearly and the sum squared"),
    CHOICE("transition", synth.transition, "linear", "linear|tanh|sine|fold", 0,
           "temporal edges (chain): a s, tanh(1.5 s), s + sin(2 s), s^2 / (2 + 2 |s|)"),
    REAL("edge", synth.edge, "0.7", 0, 1, "", 0, "probability of a temporal edge (chain)"),
    REAL("membership", synth.membership, "0.5", 0, 1, "", 0,
         "probability that a segment belongs to a task (chain)"),
    INT("relevant", synth.relevant, "3", 1, 4096, "", 0,
        "latents some task needs (latent, sprites)"),
    INT("irrelevant", synth.irrelevant, "3", 0, 4096, "", 0,
        "latents no task needs (latent, sprites)"),
    INT("task_dim", synth.task_dim, "4", 1, 4096, "", 0,
        "width of a task variable (latent, sprites)"),
    INT("obs_dim", synth.obs_dim, "12", 1, 65536, "", 0, "width of an observation (latent)"),
    INT("image_side", synth.image_side, "16", 4, 256, "pixels", 0,
        "height and width of a picture (sprites)"),
    INT("image_channels", synth.image_channels, "1", 1, 3, "", 0,
        "1: grey, 3: red, green, blue (sprites)"),
};

static const ub_field eval[] = {
    INT("train", eval.train, "2000", 10, 20000, "samples", 0, "samples the judge learns from"),
    INT("test", eval.test, "2000", 2, 1000000, "samples", 0, "held-out samples it is judged on"),
    REAL("ridge", eval.ridge, "0.001", 1e-12, 1e6, "", 0,
         "the judge tries .01, .1, 1, 10, 100 and 1000 times this ridge penalty"),
};

static const ub_field slurm[] = {
    CHOICE("command", slurm.command, "run", "run|structure|disentangle|sweep", UB_FIELD_FREE,
           "what the job runs"),
    INT("nodes", slurm.nodes, "1", 1, 100000, "nodes", UB_FIELD_FREE, "nodes of a job"),
    INT("tasks_per_node", slurm.tasks_per_node, "1", 1, 100000, "ranks", UB_FIELD_FREE,
        "ranks on each node: one a core, as BLAS runs one thread"),
    INT("time_min", slurm.time_min, "60", 1, 5e6, "minutes", UB_FIELD_FREE,
        "wall time of one job at most; a longer study is requeued or chained"),
    INT("memory_mb", slurm.memory_mb, "0", 0, 1e9, "MiB a node", UB_FIELD_FREE,
        "0: as planned and half as much again; without a plan the site's default"),
    BOOL(
        "plan", slurm.plan, "yes", UB_FIELD_FREE,
        "submit measures here what the study will cost, in about ten seconds, and asks for as much "
        "time and memory; no: for time_min"),
    TEXT("partition", slurm.partition, "", UB_FIELD_FREE, "empty: the site's default"),
    TEXT("account", slurm.account, "", UB_FIELD_FREE, "who pays; empty: your default"),
    TEXT("qos", slurm.qos, "", UB_FIELD_FREE, "quality of service; empty: your default"),
    TEXT("options", slurm.options, "", UB_FIELD_FREE,
         "further options of sbatch as on its command line, one a line"),
    TEXT("prologue", slurm.prologue, "", UB_FIELD_FREE,
         "shell lines before the program starts: modules, environment"),
    CHOICE("launcher", slurm.launcher, "srun", "srun|mpirun", UB_FIELD_FREE,
           "what starts the ranks"),
    TEXT("launcher_options", slurm.launcher_options, "", UB_FIELD_FREE,
         "its options, as the shell reads them: --mpi=pmix"),
    CHOICE("requeue", slurm.requeue, "auto", "auto|yes|no", UB_FIELD_FREE,
           "a job stopped in time requeues itself, or (no) has a successor waiting; auto: as "
           "JobRequeue of the site says"),
    INT("lead_s", slurm.lead_s, "0", 0, 86400, "seconds", UB_FIELD_FREE,
        "stop so long before the job's end; 0: what an item of work and a save take, measured, and "
        "a minute"),
    INT("max_jobs", slurm.max_jobs, "20", 1, 10000, "jobs", UB_FIELD_FREE,
        "starts of one submission at most"),
    INT("workers", slurm.workers, "0", 0, 1e6, "tasks", UB_FIELD_FREE,
        "command sweep: a job array (or several, if the site's are too small) of so many tasks "
        "that share the points; 0: one job"),
    INT("workers_at_once", slurm.workers_at_once, "0", 0, 1e6, "tasks", UB_FIELD_FREE,
        "so many of them at work together at most, over all arrays; 0: no limit"),
};

static const ub_field sweep[] = {
    CHOICE("command", sweep.command, "run", "run|structure|disentangle", 0,
           "what is run at every point"),
    NAME("method", sweep.method, "sobol", ub_design_name_at, 0,
         "where it looks ('unbraid list design')"),
    INT("points", sweep.points, "16", 1, 1e9, "points", 0,
        "how many; a grid, at most so many, is refused where it has more"),
    INT("seed", sweep.seed, "1", 0, 9e18, "", 0, "of the points; 0: Sobol' points as published"),
    TEXT(
        "parameters", sweep.parameters, "", 0,
        "what varies, a line each: KEY = A, B, C or KEY = LOW .. HIGH [log] [in N] [when KEY = A]"),
    TEXT("constraints", sweep.constraints, "", 0,
         "what must hold, a line each: KEY * KEY <= 4096; other points are left out"),
    TEXT("metric", sweep.metric, "r2_relevant", 0, "which number of eval.json is judged"),
    CHOICE("goal", sweep.goal, "maximise", "maximise|minimise", 0, "what is good"),
    CHOICE("rule", sweep.rule, "none", "none|asha|median", 0,
           "which points get more: every one all, or by rungs (core/promote.h)"),
    TEXT("resource", sweep.resource, "disentangle.epochs", 0,
         "the setting that makes a rung; its own value is the highest rung"),
    REAL("resource_min", sweep.resource_min, "10", 0, 1e15, "", 0, "its value on the lowest rung"),
    REAL("eta", sweep.eta, "3", 1.1, 100, "", 0,
         "rung to rung the resource grows so many times; asha promotes one in so many"),
    INT("lag", sweep.lag, "4", 1, 1e6, "jobs", 0,
        "a promotion does not wait for the results of so many last jobs: as many can be at work "
        "together"),
    INT("ranks", sweep.ranks, "1", 1, 1e6, "ranks", UB_FIELD_FREE, "that work on one point"),
    TEXT("ranks_when", sweep.ranks_when, "", UB_FIELD_FREE,
         "another number of them, a line each, the last that holds: 4 when KEY >= 256"),
    TEXT("store", sweep.store, "", UB_FIELD_FREE,
         "folder of points that sweeps share, so that none runs twice; empty: OUT/points"),
    REAL("poll_s", sweep.poll_s, "1", 0.01, 3600, "seconds", UB_FIELD_FREE,
         "pause between looks at what other workers have finished"),
};

static const ub_section sections[] = {
    SECTION("run", "seed, logging, time", run),
    SECTION("corpus", "what is read", corpus),
    SECTION("segment", "from time to segments", segment),
    SECTION("structure", "stage 1: which steps belong to which task", structure),
    SECTION("ci", "the conditional independence tests", ci),
    SECTION("farm", "how tests are handed to ranks", farm),
    SECTION("rehearse", "the machine and the mishaps of a rehearsal", rehearse),
    SECTION("disentangle", "stage 2: which latents each task needs", disentangle),
    SECTION("synth", "made-up corpora with known truth", synth),
    SECTION("eval", "the independent judge", eval),
    SECTION("slurm", "the jobs of 'unbraid submit'", slurm),
    SECTION("sweep", "many studies: what varies, how points are chosen, which get more", sweep),
};

const ub_schema *ub_settings_schema(void)
{
    static const ub_schema schema = {sections, sizeof sections / sizeof sections[0]};
    return &schema;
}
