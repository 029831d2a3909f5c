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

The same arguments give the same numbers: every (task, episode) has its own random streams, derived
from --seed, the task's name and the episode's number, so neither --jobs, nor the list of tasks, nor
the number of rollouts changes a rollout.
"""

import argparse
import hashlib
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
    "push-v3",
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
    """Number the branches in the order of the source; name each by its first line of its own."""
    common = set.intersection(*(set(p) for p in paths))
    ordered = sorted(paths)
    own = [[n for n in p if n not in common] or list(p) for p in ordered]
    # The line that acts is the last one of the branch up to its return.
    returns = [[n for n in o if source(n).startswith("return")] or o[-1:] for o in own]
    ordered = [p for _, p in sorted(zip([r[-1] for r in returns], ordered))]
    names = [source(r) for r in sorted(r[-1] for r in returns)]
    return {p: k for k, p in enumerate(ordered)}, names


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
    """One rollout: stops `tail` steps after the first success, or at the horizon."""
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
            "format": RAW_FORMAT,
            "format_version": np.int32(1),
            "corpus": "metaworld_rollouts",
            "origin": origin(made),
            "licence": LICENCE,
            "units": "metres, unit quaternions; action = policy output clipped to [-1,1] (x 0.01 m "
                     f"per step) plus N(0,{args.noise}^2) noise, clipped again; goal visible",
            "rate_hz": RATE_HZ,
            "obs_names": OBS_NAMES,
            "action_names": ACTION_NAMES,
            "label_names": names,
            "task_names": list(found),
            "num_episodes": np.int64(sum(map(len, found.values()))),
            "num_steps": np.int64(sum(len(r["obs"]) for rs in found.values() for r in rs)),
            "settings": json.dumps(settings(args)),
            "versions": json.dumps(made),
        })
        for k, (task, rollouts) in enumerate(found.items()):
            for n, r in enumerate(rollouts):
                g = f.create_group(f"episodes/{task}_{n:05d}")
                g.attrs.update({"task": task, "task_id": np.int32(k), "noise": args.noise,
                                "seed": np.int64(args.seed), "episode": np.int32(n),
                                "num_steps": np.int64(len(r["obs"]))})
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
        enough = set(want["tasks"]) <= set(have["tasks"]) and want["rollouts"] <= have["rollouts"]
        differ = [k for k in ("seed", "noise", "tail", "horizon") if have[k] != want[k]]
        if differ or not enough:
            raise SystemExit(f"record_metaworld: {path} was recorded with {have}, asked for {want}; "
                             "remove it or ask for the same")
        found = {t: [{k: f[f"episodes/{t}_{n:05d}/{k}"][()]
                      for k in ("obs", "actions", "labels", "rewards", "success")}
                     for n in range(args.rollouts)] for t in args.tasks}
        return found, list(f.attrs["label_names"]), json.loads(f.attrs["versions"])


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
        end = min(max(end, edges[-1] + count * width), steps - (chunks - len(edges) + 1 - count) * width)
        edges += list(np.linspace(edges[-1], end, count + 1)[1:])
    return np.asarray(edges)


def sampled_steps(r, args, plan):
    """The chunks * L step numbers that stand for rollout r, strictly increasing."""
    edge = boundaries(r, args.cut, args.chunks, plan, args.length)
    inside = (np.arange(args.length) + args.offset) / args.length
    at = (edge[:-1, None] + np.diff(edge)[:, None] * inside).astype(int).ravel()
    if at[-1] >= len(r["labels"]) or (np.diff(at) <= 0).any():
        raise SystemExit(f"record_metaworld: a rollout of {len(r['labels'])} steps is too short for "
                         f"{args.chunks} chunks of {args.length} different steps")
    return at


def braid(rollouts, chunks, seed):
    """One random order of all chunks: each strand in its own order, no strand three times running."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, zlib.crc32(b"braid"))))
    while True:
        strands = rng.permutation(np.repeat(np.arange(rollouts), chunks))
        if not ((strands[2:] == strands[1:-1]) & (strands[1:-1] == strands[:-2])).any():
            break
    turn = np.asarray([np.count_nonzero(strands[:k] == s) for k, s in enumerate(strands)])
    return strands, turn


def principal(values, count, centre=None):
    """The first `count` principal components of standardised columns; constant columns dropped."""
    values = values - (values.mean(0) if centre is None else centre)
    std = values.std(0)
    use = std > 1e-6
    values = values[:, use] / std[use]
    _, size, axes = np.linalg.svd(values, full_matrices=False)
    axes = axes[:count] * np.sign(axes[:count, np.abs(axes[:count]).argmax(1)[0]])[:, None] \
        if False else axes[:count]
    return values @ axes.T, float((size[:count] ** 2).sum() / (size ** 2).sum())
