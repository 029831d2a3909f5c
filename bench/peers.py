"""peers.py FILE_1K FILE_10K: CPU time of other people's programs on the benchmarks' samples.

The files are tables x, y, z1 .. z5 as bench_ci_data writes them.  Prints key=value: absolute
figures, `na` for what is not there (with the reason on standard error).  One thread; CPU time of
the process, after a warm-up; the fastest of several runs, so that a busy machine favours them.
Every estimator of conditional mutual information gets k = 5 and standardised columns, and its
value is printed too: the same number, up to the noise some add, shows the same work.
"""

import os
import sys
import time

for library in ("OPENBLAS", "OMP", "MKL", "NUMBA"):
    os.environ[library + "_NUM_THREADS"] = "1"


def fastest(call, runs, warm=1):
    """Least CPU seconds of a call, and what it returned."""
    best = float("inf")
    for run in range(warm + runs):
        start = time.process_time()
        result = call()
        if run >= warm:
            best = min(best, time.process_time() - start)
    return best, result


said = set()


def say(key, value):
    said.add(key)
    print(f"{key}={value:.12g}" if "nats" in key else f"{key}={value:.6g}", flush=True)


def numpy_band():
    """Partial correlations given four neighbours and a task, with z and p, as a careful user of
    numpy does them: 7 x 7 correlation matrices, inverted thousands at a time.  64 steps, 32 tasks,
    N = 10,000; the correlation matrix and the lists of columns are made before the clock starts."""
    import numpy as np
    from scipy.special import erfc

    steps, tasks, n = 64, 32, 10_000
    x = np.random.default_rng(1).standard_normal((n, steps + tasks))
    x[:, 1:steps] += 0.5 * x[:, : steps - 1]
    corr = np.corrcoef(x, rowvar=False)
    asked = []
    for a in range(1, steps - 1, 2):
        for b in range(a + 4, steps - 1, 2):
            for task in range(tasks):
                asked.append([a, b, a - 1, a + 1, b - 1, b + 1, steps + task])
    asked = np.array(asked)

    def run(batch):
        for first in range(0, len(asked), batch):
            c = asked[first : first + batch]
            p = np.linalg.inv(corr[c[:, :, None], c[:, None, :]])
            r = -p[:, 0, 1] / np.sqrt(p[:, 0, 0] * p[:, 1, 1])
            erfc(np.abs(np.sqrt(n - 8) * np.arctanh(r)) / np.sqrt(2))

    seconds = min(fastest(lambda b=b: run(b), 5)[0] for b in (256, 1024, 4096))
    say("numpy_band_tests_per_s", len(asked) / seconds)


def split(table):
    return table[:, :1].copy(), table[:, 1:2].copy(), table[:, 2:].copy()


def standardised(table):
    return (table - table.mean(0)) / table.std(0, ddof=1)


def tigramite(small, large):
    import numpy as np
    from tigramite.independence_tests.cmiknn import CMIknn

    test = CMIknn(knn=5, transform="standardize", shuffle_neighbors=5, sig_samples=200, workers=1)
    for size, table, runs in (("1k", small, 5), ("10k", large, 2)):
        array, xyz = table.T.copy(), np.array([0, 1, 2, 2, 2, 2, 2])
        seconds, value = fastest(lambda: test.get_dependence_measure(array, xyz), runs)
        say(f"tigramite_ms_{size}", 1e3 * seconds)
        say(f"tigramite_nats_{size}", value)
    array, xyz = small.T.copy(), np.array([0, 1, 2, 2, 2, 2, 2])
    value = test.get_dependence_measure(array, xyz)
    seconds, _ = fastest(lambda: test.get_shuffle_significance(array, xyz, value), 1, warm=0)
    say("tigramite_p_s_1k", seconds)


def idtxl(small, large):
    from idtxl.estimators_python import PythonKraskovCMI

    for size, table, runs in (("1k", small, 5), ("10k", large, 2)):
        x, y, z = split(standardised(table))
        best = []
        for finder in ("scipy_kdtree", "sklearn_kdtree", "sklearn_balltree"):
            estimator = PythonKraskovCMI(
                {"kraskov_k": 5, "noise_level": 0, "num_threads": 1, "knn_finder": finder}
            )
            best.append(fastest(lambda e=estimator: e.estimate(x, y, z), runs))
        say(f"idtxl_ms_{size}", 1e3 * min(best)[0])
        say(f"idtxl_nats_{size}", min(best)[1])


def npeet(small, large):
    import numpy as np
    from npeet_plus import mi, mi_pvalue

    for size, table, runs in (("1k", small, 5), ("10k", large, 2)):
        x, y, z = split(standardised(table))
        seconds, value = fastest(lambda: mi(x, y, z, k=5, base=np.e), runs)
        say(f"npeet_ms_{size}", 1e3 * seconds)
        say(f"npeet_nats_{size}", value)
    x, y, z = split(standardised(small))
    seconds, _ = fastest(
        lambda: mi_pvalue(x, y, z, k=5, base=np.e, n_permutations=200), 1, warm=0
    )
    say("npeet_p_s_1k", seconds)


def jidt(small, large):
    """The Java library inside IDTxl; needs a Java runtime."""
    import importlib.util

    import jpype

    folder = os.path.dirname(importlib.util.find_spec("idtxl").origin)
    jpype.startJVM(
        "-XX:+UseSerialGC", classpath=[os.path.join(folder, "infodynamics.jar")]
    )
    kraskov = jpype.JPackage("infodynamics.measures.continuous.kraskov")
    test = kraskov.ConditionalMutualInfoCalculatorMultiVariateKraskov1()
    for key, value in (("k", "5"), ("NORMALISE", "true"), ("NOISE_LEVEL_TO_ADD", "0"),
                       ("NUM_THREADS", "1")):
        test.setProperty(key, value)

    for size, table, runs in (("1k", small, 20), ("10k", large, 2)):
        x, y, z = (jpype.JArray.of(c) for c in split(table))

        def call():
            test.initialise(1, 1, table.shape[1] - 2)
            test.setObservations(x, y, z)
            return float(test.computeAverageLocalOfObservations())

        seconds, value = fastest(call, runs, warm=20 if size == "1k" else 1)
        say(f"jidt_ms_{size}", 1e3 * seconds)
        say(f"jidt_nats_{size}", value)
        if size == "1k":
            seconds, _ = fastest(lambda: test.computeSignificance(200), 1, warm=0)
            say("jidt_p_s_1k", seconds)


def causal_learn(small, large):
    from causallearn.utils.RCIT.RCIT import RCIT

    x, y, z = split(small)
    for key, rcit in (("rcit_ms", True), ("rcot_ms", False)):
        test = RCIT(rcit=rcit)
        seconds, _ = fastest(lambda t=test: t.compute_pvalue(x, y, z), 11)
        say(f"causal_learn_{key}", 1e3 * seconds)


PEERS = {
    numpy_band: ["numpy_band_tests_per_s"],
    tigramite: ["tigramite_ms_1k", "tigramite_ms_10k", "tigramite_p_s_1k"],
    idtxl: ["idtxl_ms_1k", "idtxl_ms_10k"],
    npeet: ["npeet_ms_1k", "npeet_ms_10k", "npeet_p_s_1k"],
    jidt: ["jidt_ms_1k", "jidt_ms_10k", "jidt_p_s_1k"],
    causal_learn: ["causal_learn_rcit_ms", "causal_learn_rcot_ms"],
}


def main():
    import numpy as np

    small, large = (np.loadtxt(path, delimiter=",", skiprows=1) for path in sys.argv[1:3])
    for peer, keys in PEERS.items():
        try:
            peer() if peer is numpy_band else peer(small, large)
        except Exception as reason:  # whatever a peer does, the others are measured
            print(f"peers.py: {peer.__name__}: {reason}", file=sys.stderr)
        for key in keys:
            if key not in said:
                print(f"{key}=na", flush=True)


if __name__ == "__main__":
    main()
