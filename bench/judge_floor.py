#!/usr/bin/env python3
"""bench/judge_floor.py FACTORS.h5 - what the judge of leakage charges a perfect decoder.

FACTORS.h5: of bench/metaworld_factors.py. Exactly the columns of hand, or of object, are taken from
a second sample, and the same kind of judge as the program's (kernel ridge, Gaussian kernel, width
and penalty of each factor chosen on the last fifth of its training rows) reads every factor.
Printed: how far its readings move, as a part of a swap of everything. Needs numpy and h5py; a
minute of CPU.
"""
import sys

import h5py
import numpy as np
from metaworld_factors import COLUMNS, FACTORS

TRAIN, TEST = 1500, 600
WIDTHS, RIDGES = np.array([0.5, 1, 2, 4]), 1e-3 * 10.0 ** np.arange(-2, 4)


def distances(a, b):
    square = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T
    return np.sqrt(np.maximum(square, 0))


def fit(d, y):
    """Weights and width that read y from distances d between training rows."""
    n, cut, mean = len(d), len(d) * 4 // 5, y[: len(d) * 4 // 5].mean()
    best = (np.inf, 0, 0)
    for width in WIDTHS * np.median(d):
        kernel = np.exp(-0.5 * (d / width) ** 2)
        for ridge in RIDGES:
            w = np.linalg.solve(kernel[:cut, :cut] + cut * ridge * np.eye(cut), y[:cut] - mean)
            error = ((kernel[cut:, :cut] @ w + mean - y[cut:]) ** 2).mean()
            best = min(best, (error, width, ridge))
    _, width, ridge = best
    kernel = np.exp(-0.5 * (d / width) ** 2)
    return np.linalg.solve(kernel + n * ridge * np.eye(n), y - y.mean()), width


def main():
    with h5py.File(sys.argv[1]) as f:
        x, z = f["states"][:, 0], f["truth/latents"][:, 0]
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:TRAIN], order[TRAIN : TRAIN + TEST]
    sd = x[train].std(0)
    x = (x - x[train].mean(0)) / np.where(sd > 1e-12, sd, 1)
    a, b = x[test], np.roll(x[test], 1, axis=0)
    seen = {"a": a, "b": b}
    for name in ("hand", "object"):
        seen[name] = a.copy()
        seen[name][:, COLUMNS[name]] = b[:, COLUMNS[name]]
    far = {name: distances(rows, x[train]) for name, rows in seen.items()}
    among = distances(x[train], x[train])
    names = [f"{name}[{k}]" for name, at in FACTORS.items() for k in range(len(at))]
    for j, name in enumerate(names):
        w, width = fit(among, z[train, j])
        read = {k: np.exp(-0.5 * (d / width) ** 2) @ w for k, d in far.items()}
        full = ((read["b"] - read["a"]) ** 2).sum()
        moved = {k: ((read[k] - read["a"]) ** 2).sum() / full for k in ("hand", "object")}
        r2 = 1 - ((read["a"] - z[test, j] + z[train, j].mean()) ** 2).mean() / z[test, j].var()
        print(f"{name:10s} R2 {r2:.3f}", *(f"{k} swapped {v:.3f}" for k, v in moved.items()))


if __name__ == "__main__":
    main()
