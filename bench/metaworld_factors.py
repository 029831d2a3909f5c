#!/usr/bin/env python3
"""bench/metaworld_factors.py RECORDINGS.h5 OUT.h5 [SEED [shuffled]] - recorded robot states with
known factors.

Every step of the noisy episodes of a recording of Meta-World (native layout, 39 observations: hand,
gripper, two objects, the same one step before, goal) becomes one sample of an aligned corpus. What
varies in the physics is known: the place of hand, object and goal, and the gripper. Two vector tasks
are made from them, as `synth.kind: latent` makes them from made-up latents, g = V tanh(W z + b) +
.05 N with orthogonal V and W: one needs hand and gripper, the other object and gripper, nobody
needs the goal. Recorded factors depend on each other, unlike made-up ones; `shuffled` takes hand,
gripper, objects and goal of each sample from four random steps, which ends that and changes nothing
else.
"""
import sys

import h5py
import numpy as np

FACTORS = {"hand": [0, 1, 2], "gripper": [3], "object": [4, 5, 6], "goal": [36, 37, 38]}
COLUMNS = {"hand": [0, 1, 2, 18, 19, 20], "gripper": [3, 21],
           "object": [*range(4, 18), *range(22, 36)], "goal": [36, 37, 38]}  # now and before
TASKS = {"hand": ("hand", "gripper"), "object": ("object", "gripper")}


def main():
    path, out, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1
    rng = np.random.default_rng(seed)
    with h5py.File(path) as f:
        episodes = [e for _, e in sorted(f["episodes"].items()) if e.attrs["noise"] > 0]
        obs = np.concatenate([e["obs"][:] for e in episodes]).astype(float)
    if sys.argv[4:] == ["shuffled"]:
        for at in COLUMNS.values():
            obs[:, at] = obs[np.random.default_rng((seed, at[0])).permutation(len(obs))][:, at]
    columns = sum(FACTORS.values(), [])
    names = [name for name, at in FACTORS.items() for _ in at]
    z = (obs[:, columns] - obs[:, columns].mean(0)) / obs[:, columns].std(0)
    needed = np.array([[name in needs for needs in TASKS.values()] for name in names], np.uint8)
    with h5py.File(out, "w") as f:
        f.attrs.update(format="unbraid-aligned", version=1, segment_length=1, corpus="metaworld")
        f["states"] = obs[:, None, :]
        f["truth/latents"] = z[:, None, :]
        f["truth/latent_relevant"] = needed
        f["truth/membership"] = np.ones((1, len(TASKS)), np.uint8)
        for i, name in enumerate(TASKS):
            own = needed[:, i] > 0
            w, v = (np.linalg.qr(rng.normal(size=(own.sum(),) * 2))[0] for _ in range(2))
            g = np.tanh(z[:, own] @ w + rng.uniform(-0.5, 0.5, own.sum())) @ v
            f[f"tasks/{name}"] = g + 0.05 * rng.normal(size=g.shape)
            f[f"tasks/{name}"].attrs["index"] = i


if __name__ == "__main__":
    main()
