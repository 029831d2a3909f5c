#!/usr/bin/env python3
"""bench/leakage_floor.py CORPUS.h5 [SEED] - how little a linear representation could leak.

For a corpus whose tasks take turns (truth/membership; no true factors): latents z = A s, as many
as the state has columns, heads linear, each fitted by least squares on the steps of its task.
Leakage as core/generate.h defines it; with every covariance known it is a formula for any A, and A
is chosen to make it least, on the very data it is judged on: the best of 4,000 random ones, and a
random walk downhill from the best 24. A model that does better has more latents than the state has
columns, or latents that bend. Needs numpy and h5py; half a minute of CPU.
"""
import sys

import h5py
import numpy as np

KEEP, DOMINANCE, DRAWS, STARTS, STEPS = 0.1, 2, 4000, 24, 1200


def fit(path):
    """Of every task: what its head does, q x d, and the covariance of a swap at its steps."""
    with h5py.File(path) as f:
        s = f["states"][:].astype(float)
        member = f["truth/membership"][:] > 0
        tasks = sorted(f["tasks"].values(), key=lambda g: g.attrs["index"])
        tasks = [(g.name.split("/")[-1], g[:].astype(float)) for g in tasks]
    d = s.shape[-1]
    s = (s - s.mean((0, 1))) / s.reshape(-1, d).std(0)
    heads, swaps = [], []
    for i, (name, g) in enumerate(tasks):
        at = np.flatnonzero(member[:, i])
        x, y = s[:, at].reshape(-1, d), np.repeat((g - g.mean(0)) / g.std(0), len(at), axis=0)
        heads.append(np.linalg.lstsq(x - x.mean(0), y, rcond=None)[0].T)
        swap = (np.roll(s, 1, axis=0) - s)[:, at].reshape(-1, d)
        swaps.append(swap.T @ swap / len(swap))
        moves = np.linalg.svd(heads[-1] @ np.linalg.cholesky(swaps[-1]))[1]
        print(f"{name}: a swap moves it along {d} directions by", *(f"{v:.3f}" for v in moves))
    return heads, swaps, np.cov(s.reshape(-1, d).T)


def leakage(heads, swaps, a):
    """Of latents a s."""
    back, tasks = np.linalg.inv(a), len(heads)
    heads, swaps = [w @ back for w in heads], [a @ c @ a.T for c in swaps]
    change = [np.trace(w @ c @ w.T) for w, c in zip(heads, swaps)]
    strength = np.array([np.abs(w).mean(0) for w in heads])
    strength /= strength.max(1, keepdims=True)
    leaks = []
    for i in range(tasks):
        kept = strength[i] > KEEP
        own = kept & (strength[i] >= DOMINANCE * np.delete(strength, i, axis=0).max(0))
        m = own if own.any() else kept
        c = [np.trace(w[:, m] @ cov[np.ix_(m, m)] @ w[:, m].T) / all_of_it
             for w, cov, all_of_it in zip(heads, swaps, change)]
        leaks.append(np.delete(c, i).mean() / c[i])
    return np.mean(leaks)


def main():
    heads, swaps, cov = fit(sys.argv[1])
    rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    d = len(cov)

    def unit(a):  # latents of variance 1
        return a / np.sqrt(np.einsum("ij,jk,ik->i", a, cov, a))[:, None]

    drawn = [unit(rng.normal(size=(d, d))) for _ in range(DRAWS)]
    found = sorted(((leakage(heads, swaps, a), k) for k, a in enumerate(drawn)))
    least = []
    for value, k in found[:STARTS]:
        a, size = drawn[k], 0.3
        for step in range(STEPS):
            b = unit(a + size * rng.normal(size=(d, d)) * (rng.random((d, d)) < 0.4))
            if (new := leakage(heads, swaps, b)) < value:
                value, a = new, b
            elif step % 100 == 99:
                size *= 0.75
        least.append(value)
    print(f"leakage: {DRAWS} random choices: median {found[DRAWS // 2][0]:.3f}, least "
          f"{found[0][0]:.3f}; searched from the best {STARTS}: least",
          *(f"{v:.3f}" for v in sorted(least)[:5]))


if __name__ == "__main__":
    main()
