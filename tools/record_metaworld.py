#!/usr/bin/env python3
"""Record Meta-World rollouts and braid them into aligned corpora with known truth.

Meta-World's scripted policies are run with action noise; each rollout is cut into skill chunks,
L steps are taken from every chunk, and the chunks of all rollouts are interleaved in one fixed
random order. Two corpora come out, both in unbraid's aligned layout (examples/metaworld/README.md):

  disjoint  every task is one Meta-World task: each chunk belongs to exactly one task
  overlap   every task is a pair of neighbouring rollouts (1+2, 2+3, ..., M+1) scored together:
            each chunk belongs to two tasks

Set-up, in an environment of its own (nothing else of unbraid needs Python packages):

  python3 -m venv record-venv
  record-venv/bin/pip install -r tools/requirements-record.txt
  record-venv/bin/python tools/record_metaworld.py --raw raw.h5 --out examples/metaworld

The same arguments and package versions give the same files. Every (task, episode) has random
streams of its own, derived from --seed, the task's name and the episode's number: initial positions
are independent between tasks, and neither --jobs nor --tasks nor --rollouts changes a rollout.
"""

import argparse
import json
import linecache
import multiprocessing
import os
import sys
import warnings
import zlib

os.environ.setdefault("OMP_NUM_THREADS", "1")

import h5py  # noqa: E402
import numpy as np  # noqa: E402

TASKS = (
    "pick-place-v3",
    "coffee-push-v3",
    "reach-v3",
    "button-press-topdown-v3",
    "window-open-v3",
    "drawer-open-v3",
)
LICENCE = "Meta-World: MIT (c) 2019 Meta-World Team; MuJoCo: Apache-2.0"
RAW_FORMAT, ALIGNED_FORMAT = "trajectory-corpus", "unbraid-aligned"
RATE_HZ = 80.0
ONE = ["hand_x", "hand_y", "hand_z", "gripper_open"] + [
    f"obj{k}_{c}" for k in (1, 2) for c in ("x", "y", "z", "q0", "q1", "q2", "q3")
]
OBS_NAMES = ONE + ["prev_" + n for n in ONE] + ["goal_x", "goal_y", "goal_z"]
ACTION_NAMES = ["dx", "dy", "dz", "gripper"]
GZIP = {"compression": "gzip", "compression_opts": 9, "shuffle": True}


# ---------------------------------------------------------------------------------- recording


def streams(seed, task, episode):
    """Two independent generators for one rollout: initial positions, action noise."""
    root = np.random.SeedSequence((seed, zlib.crc32(task.encode()), episode))
    return [np.random.default_rng(s) for s in root.spawn(2)]


class StageTracer:
    """Which branch of a scripted policy chose its target: the source lines it executed.

    Meta-World's policies decide in `_desired_pos` (a few of them in `get_action`), a cascade of
    `if` and `return`; the set of lines that ran there names the branch, whatever it returned.
    """

    def __init__(self, policy):
        self.policy = policy
        chooser = getattr(type(policy), "_desired_pos", type(policy).get_action)
        self.code = chooser.__code__
        self.lines = set()

    def _local(self, frame, event, arg):
        if event == "line":
            self.lines.add(frame.f_lineno)
        return self._local

    def _global(self, frame, event, arg):
        return self._local if frame.f_code is self.code else None

    def act(self, obs):
        """The policy's action for obs, and the tuple of lines that chose it."""
        self.lines = set()
        before = sys.gettrace()
        sys.settrace(self._global)
        try:
            # A copy: some policies (door-open) write into the observation they are given.
            action = self.policy.get_action(obs.copy())
        finally:
            sys.settrace(before)
        return action, tuple(sorted(self.lines))

    def source(self, line):
        return linecache.getline(self.code.co_filename, line).strip()


def name_stages(paths, source):
    """Number the branches in the order of the source, and name each by its deciding line.

    That is the last line which not all branches ran: the `return` of `_desired_pos`, as a rule.
    """
    common = set.intersection(*(set(p) for p in paths))
    deciding = {p: max([n for n in p if n not in common] or p) for p in paths}
    ordered = sorted(paths, key=lambda p: (deciding[p], p))
    return {p: k for k, p in enumerate(ordered)}, [source(deciding[p]) for p in ordered]


def make_env(task):
    """The upstream environment with the goal visible and initial positions drawn at every reset."""
    warnings.filterwarnings("ignore")
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS
    from metaworld.policies import ENV_POLICY_MAP

    env = ALL_V3_ENVIRONMENTS[task]()
    env._partially_observable = False  # the policies read the goal from the observation
    env.__dict__.pop("sawyer_observation_space", None)  # its bounds depend on the line above
    env._freeze_rand_vec = False  # else every reset repeats one start
    env.seeded_rand_vec = True  # draw from env.np_random, not from numpy's global stream
    env._set_task_called = True
    return env, StageTracer(ENV_POLICY_MAP[task]())


def rollout(env, tracer, args, task, episode):
    """One rollout: `tail` steps from the first success on are its last, or the horizon is."""
    start, noise = streams(args.seed, task, episode)
    env.np_random = start
    obs, _ = env.reset()
    low, high = env.action_space.low, env.action_space.high
    std = args.noise * (high - low) / 2
    kept = {k: [] for k in ("obs", "actions", "rewards", "success", "paths")}
    left = args.tail
    while len(kept["obs"]) < args.horizon and left > 0:
        wanted, path = tracer.act(obs)
        action = np.clip(np.clip(wanted, low, high) + noise.normal(0, std), low, high)
        after, reward, _, _, info = env.step(action)
        for key, value in (("obs", obs), ("actions", action), ("rewards", reward),
                           ("success", info["success"] > 0), ("paths", path)):
            kept[key].append(value)
        obs = after
        left -= any(kept["success"])
    return {
        "obs": np.asarray(kept["obs"], np.float32),
        "actions": np.asarray(kept["actions"], np.float32),
        "rewards": np.asarray(kept["rewards"], np.float32),
        "success": np.asarray(kept["success"], np.uint8),
        "paths": kept["paths"],
    }


def record_block(job):
    """Rollouts first..last-1 of one task, in one process."""
    args, task, first, last = job
    env, tracer = make_env(task)
    done = [rollout(env, tracer, args, task, n) for n in range(first, last)]
    lines = {n for r in done for p in r["paths"] for n in p}
    return done, {n: tracer.source(n) for n in lines}


def record(args):
    """All rollouts: {task: list of rollouts}, and the stage names."""
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS

    for task in args.tasks:
        if task not in ALL_V3_ENVIRONMENTS:
            raise SystemExit(f"record_metaworld: Meta-World has no task '{task}'; it has "
                             + " ".join(sorted(ALL_V3_ENVIRONMENTS)))
    block = 100
    jobs = [(args, t, n, min(n + block, args.rollouts))
            for t in args.tasks for n in range(0, args.rollouts, block)]
    found, source = {t: [] for t in args.tasks}, {t: {} for t in args.tasks}
    with multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
        for job, (done, lines) in zip(jobs, pool.imap(record_block, jobs)):
            found[job[1]] += done
            source[job[1]].update(lines)
            print(f"recorded {job[1]} {job[3]}/{args.rollouts}", file=sys.stderr, flush=True)
    names = []
    for task in args.tasks:
        paths = {p for r in found[task] for p in r["paths"]}
        number, stage = name_stages(paths, lambda n, task=task: source[task][n])
        for r in found[task]:
            r["labels"] = np.asarray([len(names) + number[p] for p in r.pop("paths")], np.int32)
        names += [f"{task}/{k}: {s}" for k, s in enumerate(stage)]
    return found, names


def settings(args):
    """What the recording depends on; a raw file made with anything else is refused."""
    return {k: getattr(args, k) for k in ("tasks", "rollouts", "seed", "noise", "tail", "horizon")}


def versions():
    from importlib.metadata import version

    return {p: version(p) for p in ("metaworld", "mujoco", "gymnasium", "numpy")}


def origin(made):
    return ("Recorded by tools/record_metaworld.py: unmodified Meta-World {metaworld} environments "
            "and scripted policies on MuJoCo {mujoco} (gymnasium {gymnasium}, numpy {numpy})"
            ).format(**made)


def write_raw(path, found, names, args, made):
    with h5py.File(path + ".part", "w", libver=("earliest", "v108")) as f:
        f.attrs.update({
            "format": np.bytes_(RAW_FORMAT),
            "format_version": np.int32(1),
            "corpus": np.bytes_("metaworld_rollouts"),
            "origin": np.bytes_(origin(made)),
            "licence": np.bytes_(LICENCE),
            "units": np.bytes_("metres, unit quaternions; action = policy output clipped to [-1,1] "
                               f"(x 0.01 m per step) plus N(0,{args.noise}^2) noise, clipped "
                               "again; goal visible"),
            "rate_hz": RATE_HZ,
            "obs_names": np.asarray(OBS_NAMES, "S"),
            "action_names": np.asarray(ACTION_NAMES, "S"),
            "label_names": np.asarray(names, "S"),
            "task_names": np.asarray(list(found), "S"),
            "num_episodes": np.int64(sum(map(len, found.values()))),
            "num_steps": np.int64(sum(len(r["obs"]) for rs in found.values() for r in rs)),
            "settings": json.dumps(settings(args)),
            "versions": json.dumps(made),
        })
        for k, (task, rollouts) in enumerate(found.items()):
            for n, r in enumerate(rollouts):
                g = f.create_group(f"episodes/{task}_{n:05d}")
                g.attrs.update({"task": np.bytes_(task), "task_id": np.int32(k),
                                "noise": args.noise, "seed": np.int64(args.seed),
                                "episode": np.int32(n), "num_steps": np.int64(len(r["obs"]))})
                for key in ("obs", "actions"):
                    g.create_dataset(key, data=r[key], compression="gzip", shuffle=True)
                for key in ("labels", "rewards", "success"):
                    g[key] = r[key]
    os.replace(path + ".part", path)


def read_raw(path, args):
    with h5py.File(path) as f:
        have = json.loads(f.attrs["settings"])
        want = settings(args)
        # More tasks or rollouts than asked for are fine: rollouts do not depend on either.
        enough = (set(want["tasks"]) <= set(have["tasks"])
                  and want["rollouts"] <= have["rollouts"])
        differ = [k for k in ("seed", "noise", "tail", "horizon") if have[k] != want[k]]
        if differ or not enough:
            raise SystemExit(f"record_metaworld: {path} was recorded with {have}, asked for "
                             f"{want}; remove it or ask for the same")
        found = {t: [{k: f[f"episodes/{t}_{n:05d}/{k}"][()]
                      for k in ("obs", "actions", "labels", "rewards", "success")}
                     for n in range(args.rollouts)] for t in args.tasks}
        return found, json.loads(f.attrs["versions"])


# ------------------------------------------------------------------------------------ cutting


def stage_plan(rollouts, chunks):
    """How many chunks each policy stage gets, for one task: [(stages, chunks), ...].

    Stages come in the order in which they are first entered on average. The shortest of them are
    merged with a neighbour while there are more than `chunks`; chunks are then dealt by duration.
    """
    stages = sorted({s for r in rollouts for s in r["labels"]})
    entry = {s: np.mean([np.argmax(r["labels"] == s) / len(r["labels"]) for r in rollouts
                         if (r["labels"] == s).any()]) for s in stages}
    groups = [[s] for s in sorted(stages, key=entry.get)]
    share = [np.mean([np.isin(r["labels"], g).mean() for r in rollouts]) for g in groups]
    while len(groups) > chunks:
        k = int(np.argmin(share))
        j = k - 1 if k else 1
        a, b = min(j, k), max(j, k)
        groups[a] += groups.pop(b)
        share[a] += share.pop(b)
    count = [1] * len(groups)
    while sum(count) < chunks:
        count[int(np.argmax(np.asarray(share) / np.asarray(count)))] += 1
    return list(zip(groups, count))


def boundaries(r, cut, chunks, plan, width):
    """chunks + 1 step numbers: chunk c of rollout r is the steps from b[c] up to b[c+1]."""
    steps = len(r["labels"])
    if cut == "time":
        return np.linspace(0, steps, chunks + 1)
    edges = [0.0]
    for position, (_, count) in enumerate(plan):
        later = [s for group, _ in plan[position + 1:] for s in group]
        reached = np.isin(r["labels"], later)
        end = float(np.argmax(reached)) if reached.any() else float(steps)
        # A stage this rollout rushed through or skipped still gets room for its chunks.
        end = max(end, edges[-1] + count * width)
        end = min(end, steps - (chunks - (len(edges) - 1) - count) * width)
        edges += list(np.linspace(edges[-1], end, count + 1)[1:])
    return np.asarray(edges)


def sampled_steps(r, args, plan):
    """The chunks * L step numbers that stand for rollout r, strictly increasing."""
    edge = boundaries(r, args.cut, args.chunks, plan, args.length)
    inside = (np.arange(args.length) + args.offset) / args.length
    at = (edge[:-1, None] + np.diff(edge)[:, None] * inside).astype(int).ravel()
    if at[-1] >= len(r["labels"]) or (np.diff(at) <= 0).any():
        raise SystemExit(f"record_metaworld: a rollout of {len(r['labels'])} steps is too short "
                         f"for {args.chunks} chunks of {args.length} different steps")
    return at


def braid(strands, chunks, seed):
    """One random order of all chunks: each strand's own in order, none three times running.

    Returns the strand and the number within the strand of the chunk at every place.
    """
    rng = np.random.default_rng(np.random.SeedSequence((seed, zlib.crc32(b"braid"))))
    order = []
    while len(order) < strands * chunks:
        left = chunks - np.bincount(order, minlength=strands)
        if len(order) > 1 and order[-1] == order[-2]:
            left[order[-1]] = 0
        if not left.any():  # only a third in a row is left to place: begin anew
            order = []
            continue
        order.append(int(rng.choice(strands, p=left / left.sum())))
    order = np.asarray(order)
    turn = np.asarray([np.count_nonzero(order[:k] == s) for k, s in enumerate(order)])
    return order, turn


def principal(values, count):
    """The first `count` principal components of standardised columns; constant columns dropped.

    Returns them and the share of the variance they keep. Each axis points to where its largest
    loading is positive, so that signs do not depend on the linear algebra library.
    """
    values = values - values.mean(0)
    std = values.std(0)
    use = std > 1e-6
    values = values[:, use] / std[use]
    size, axes = np.linalg.eigh(values.T @ values / len(values))
    axes = axes[:, ::-1][:, :count]
    largest = np.abs(axes).argmax(0)
    axes = axes * np.sign(axes[largest, np.arange(axes.shape[1])])
    return values @ axes, float(size[::-1][:count].sum() / size.sum())


def final_components(rollouts, count):
    """The last observation of each rollout, in `count` principal components of this task's own."""
    return principal(np.stack([r["obs"][-1, :len(ONE)] for r in rollouts]).astype(float), count)[0]


def totals(rollouts):
    """Return (sum of rewards) and duration (steps until `tail` after success) of each rollout."""
    return np.asarray([(r["rewards"].sum(dtype=float), len(r["rewards"])) for r in rollouts])


def assemble(found, args):
    """States, actions and strand of every step of the braid; episode n holds rollout n of each."""
    obs, actions = [], []
    for rollouts in found.values():
        plan = stage_plan(rollouts, args.chunks) if args.cut == "stage" else None
        at = [sampled_steps(r, args, plan) for r in rollouts]
        obs.append([r["obs"][a] for r, a in zip(rollouts, at)])
        actions.append([r["actions"][a] for r, a in zip(rollouts, at)])
    obs, actions = np.asarray(obs, float), np.asarray(actions)  # strand, episode, step, feature
    states, kept = principal(obs.reshape(-1, obs.shape[-1]), args.components)
    states = states.reshape(*obs.shape[:3], -1)
    strands, turn = braid(len(found), args.chunks, args.seed)
    take = [(s, slice(c * args.length, (c + 1) * args.length)) for s, c in zip(strands, turn)]
    return (np.concatenate([states[s][:, c] for s, c in take], axis=1),
            np.concatenate([actions[s][:, c] for s, c in take], axis=1),
            np.repeat(strands, args.length), kept)


def disjoint_tasks(found, args):
    """One task per strand: final observation, return, duration. {name: (outcome, strands)}."""
    return {t: (np.hstack([final_components(r, args.outcome_components), totals(r)]), [k])
            for k, (t, r) in enumerate(found.items())}


def overlap_tasks(found, args):
    """One task per pair of neighbouring strands, in a ring, judged together.

    Both final observations, but one total return and one total duration: given the totals, what
    happened in one rollout tells something about the other, though they ran independently.
    """
    names, tasks = list(found), {}
    for k, a in enumerate(names):
        j = (k + 1) % len(names)
        b = names[j]
        tasks[f"{a}+{b}"] = (np.hstack([final_components(found[a], args.outcome_components),
                                        final_components(found[b], args.outcome_components),
                                        totals(found[a]) + totals(found[b])]), [k, j])
    return tasks


def write_aligned(path, corpus, states, actions, strand, tasks, args, made, names):
    """One corpus in unbraid's aligned layout; whole or not at all."""
    membership = np.stack([np.isin(strand, own) for _, own in tasks.values()], axis=1)
    with h5py.File(path + ".part", "w", libver=("earliest", "v108")) as f:
        f.attrs.update({
            "format": np.bytes_(ALIGNED_FORMAT),
            "version": np.int32(1),
            "corpus": np.bytes_(corpus),
            "origin": np.bytes_(f"{origin(made)}; seed {args.seed}, noise {args.noise}, "
                                f"{args.cut} cut"),
            "licence": np.bytes_(LICENCE),
            "segment_length": np.int32(args.length),
        })
        f.create_dataset("states", data=states.astype(np.float32), **GZIP)
        if args.actions:
            f.create_dataset("actions", data=actions.astype(np.float32), **GZIP)
        for k, (name, (outcome, _)) in enumerate(tasks.items()):
            d = f.create_dataset(f"tasks/{name}", data=outcome.astype(np.float32), **GZIP)
            d.attrs["index"] = np.int32(k)
        f["truth/membership"] = membership.astype(np.uint8)
        label = f.create_dataset("truth/steps_label", data=strand.astype(np.int32))
        label.attrs["names"] = np.asarray(names, "S")
    os.replace(path + ".part", path)


# --------------------------------------------------------------------------------- command line


def parse(argv):
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    r = p.add_argument_group("recording")
    r.add_argument("--tasks", nargs="+", default=list(TASKS), metavar="NAME",
                   help="Meta-World environments, one strand each (default: "
                        + " ".join(TASKS) + ")")
    r.add_argument("--rollouts", type=int, default=1000, metavar="N",
                   help="rollouts of each task = episodes of the corpora (default: %(default)s)")
    r.add_argument("--seed", type=int, default=1, help="of everything drawn (default: %(default)s)")
    r.add_argument("--noise", type=float, default=0.1, metavar="STD",
                   help="action noise, as a share of half the action range (default: %(default)s)")
    r.add_argument("--tail", type=int, default=5, metavar="STEPS",
                   help="steps kept from the first success on (default: %(default)s)")
    r.add_argument("--horizon", type=int, default=250, metavar="STEPS",
                   help="longest rollout, successful or not (default: %(default)s)")
    r.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    r.add_argument("--raw", metavar="FILE",
                   help="keep the full recordings in FILE; if it is there already, cut those "
                        "instead of recording again (refused if recorded with other settings)")
    c = p.add_argument_group("cutting and braiding")
    c.add_argument("--cut", choices=("time", "stage"), default="time",
                   help="chunks of equal time, or along the policy's stages (default: %(default)s)")
    c.add_argument("--chunks", type=int, default=6, help="per rollout (default: %(default)s)")
    c.add_argument("--length", type=int, default=2, metavar="L",
                   help="steps taken from each chunk = segment length (default: %(default)s)")
    c.add_argument("--offset", type=float, default=0.5, metavar="SHARE",
                   help="step l of a chunk is taken at (l + SHARE) / L of it, 0 <= SHARE < 1; the "
                        "default %(default)s keeps the last observation out of the states")
    c.add_argument("--components", type=int, default=4, metavar="D",
                   help="principal components that make a state (default: %(default)s)")
    c.add_argument("--outcome-components", type=int, default=3, metavar="Q",
                   help="principal components of the final observation (default: %(default)s)")
    c.add_argument("--actions", action="store_true", help="write /actions too")
    c.add_argument("--out", metavar="DIR", help="write DIR/disjoint.h5 and DIR/overlap.h5")
    args = p.parse_args(argv)
    if not (args.raw or args.out):
        p.error("nothing to write: give --raw, --out or both")
    if len(set(args.tasks)) != len(args.tasks) or len(args.tasks) < 3:
        p.error("--tasks wants at least three different names")
    for key, least in (("rollouts", 2), ("jobs", 1), ("tail", 1), ("chunks", 1), ("length", 2),
                       ("components", 1), ("outcome_components", 1)):
        if getattr(args, key) < least:
            p.error(f"--{key.replace('_', '-')} must be at least {least}")
    if not 0 <= args.offset < 1:
        p.error("--offset must be at least 0 and below 1")
    return args


def main(argv=None):
    args = parse(argv)
    if args.raw and os.path.exists(args.raw):
        found, made = read_raw(args.raw, args)
    else:
        made = versions()
        found, stages = record(args)
        if args.raw:
            write_raw(args.raw, found, stages, args, made)
    for task, rollouts in found.items():
        steps = [len(r["obs"]) for r in rollouts]
        won = np.mean([r["success"].any() for r in rollouts])
        print(f"{task}: {len(rollouts)} rollouts, {won:.1%} succeed, "
              f"{min(steps)} to {max(steps)} steps, mean {np.mean(steps):.1f}")
    if not args.out:
        return
    states, actions, strand, kept = assemble(found, args)
    print(f"states: {states.shape}, {kept:.1%} of the variance of the standardised observations")
    os.makedirs(args.out, exist_ok=True)
    for kind, tasks in (("disjoint", disjoint_tasks(found, args)),
                        ("overlap", overlap_tasks(found, args))):
        path = os.path.join(args.out, kind + ".h5")
        write_aligned(path, f"metaworld-{kind}", states, actions, strand, tasks, args, made,
                      list(found))
        print(f"{path}: {len(tasks)} tasks, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
