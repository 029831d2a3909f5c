#!/usr/bin/env python3
"""bench/metaworld_scenes.py OUT.h5 [EPISODES [SEED]] - recorded scenes with independent factors.

Meta-World's pick-place, environment and scripted policy unmodified. An episode starts with 20 moves
in one random direction, never downwards; the policy then carries the object to its goal, with the
action noise of tools/record_metaworld.py. The 39 observations (constant ones dropped) after 5, 10,
15 and 20 of the random moves are the steps of an aligned corpus. Two tasks, both measured later in
the same episode, not computed from the states: `grasp`, where hand and object are when the gripper
starts to close, and `place`, where they are 20 steps after the first success. The environment draws
object and goal, this script the direction: so place of object (grasp needs it), goal (place needs
it) and hand (no task does) are independent. Needs tools/requirements-record.txt.
"""
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import record_metaworld as record  # noqa: E402

TASK, MOVES, SEEN, SETTLED, LONGEST, NOISE = "pick-place-v3", 20, (5, 10, 15, 20), 20, 250, 0.1
FACTORS = {"hand": [0, 1, 2], "object": [4, 5], "goal": [36, 37, 38]}
TASKS = {"grasp": "object", "place": "goal"}
PLACES = [0, 1, 2, 4, 5, 6]  # of hand and object


def episode(env, policy, seed, number):
    """States and the outcome of each task; None where the policy fails."""
    start, noise = record.streams(seed, TASK + " scenes", number)
    env.np_random = start
    obs, _ = env.reset()
    direction = np.append(noise.uniform((-1, -1, 0), 1), 0)
    states, grasp, left = [], None, SETTLED
    for step in range(LONGEST):
        action = direction
        if step >= MOVES:
            wanted = np.clip(policy.get_action(obs.copy()), -1, 1)
            if grasp is None and wanted[3] > 0:
                grasp = obs[PLACES]
            action = np.clip(wanted + noise.normal(0, NOISE, 4), -1, 1)
        obs, _, _, _, info = env.step(action)
        if step + 1 in SEEN:
            states.append(obs)
        left -= left < SETTLED or (grasp is not None and info["success"] > 0)
        if left == 0:
            return states, grasp, obs[PLACES]
    return None


def standard(x):
    """Standardised columns of the last axis, those that vary by less than a millimetre dropped."""
    flat = x.reshape(-1, x.shape[-1])
    use = flat.std(0) > 1e-3
    return ((x - flat.mean(0)) / np.where(use, flat.std(0), 1))[..., use]


def main():
    path, count, seed = sys.argv[1:4] + ["1000", "1"][len(sys.argv) - 2:]
    env, tracer = record.make_env(TASK)
    kept = [r for n in range(int(count)) if (r := episode(env, tracer.policy, int(seed), n))]
    states, grasp, place = (np.asarray(x, float) for x in zip(*kept))
    factors = standard(states[..., sum(FACTORS.values(), [])])
    names = [name for name, at in FACTORS.items() for _ in at]
    moved = 1000 * np.ptp(states[..., 4:7], axis=1).max()
    related = np.corrcoef(factors.reshape(-1, len(names)).T) - np.eye(len(names))
    print(f"{len(kept)} of {count} episodes succeed; object moved by at most {moved:.1f} mm; "
          f"largest correlation of two factors {np.abs(related).max():.2f}")
    with h5py.File(path, "w") as f:
        f.attrs.update(format="unbraid-aligned", version=1, segment_length=1,
                       corpus="metaworld-scenes", licence=record.LICENCE,
                       origin=record.origin(record.versions()))
        f["states"] = standard(states)
        f["truth/latents"] = factors
        f["truth/latent_relevant"] = np.array(
            [[name == need for need in TASKS.values()] for name in names], np.uint8)
        f["truth/membership"] = np.ones((len(SEEN), len(TASKS)), np.uint8)
        for i, (name, outcome) in enumerate(zip(TASKS, (grasp, place))):
            f[f"tasks/{name}"] = standard(outcome)
            f[f"tasks/{name}"].attrs["index"] = i


if __name__ == "__main__":
    main()
