"""Measure what differs between thread counts: the quick base pair and FGSM on it.

    python tests/expected/threads.py

Computes both with 1, 2 and 4 threads in empty stores, each count twice, and writes threads.json.
One count gives the same bits twice, or this stops. Between counts float32 sums come out in
another order, and training amplifies that.
"""

import json
import os
import subprocess
import sys
import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np

from privrob.lab import registry
from privrob.lab.pages import repeatability
from privrob.lab.run import Lab
from privrob.lab.store import Store

THREADS = (1, 2, 4)
EXPERIMENT = "tursynbek2020/fgsm"
HERE = Path(__file__).parent
RUN = """
import sys
from privrob.lab import registry
from privrob.lab.pages import repeatability
from privrob.lab.run import Lab
from privrob.lab.store import Store
variants = registry.experiment(sys.argv[1]).variants("quick")
list(Lab(Store(sys.argv[2]), on="cpu").run([v.spec for v in variants]))
"""

Arrays = dict[str, np.ndarray]


def run(threads: int) -> dict[str, Arrays]:
    """The arrays of training and attack by model, computed with that many threads."""
    with tempfile.TemporaryDirectory() as store:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        subprocess.run([sys.executable, "-c", RUN, EXPERIMENT, store], env=environment, check=True)
        lab = Lab(Store(Path(store)), on="cpu")
        return {
            v.model: lab.get(v.train).arrays | lab.get(v.spec).arrays
            for v in registry.experiment(EXPERIMENT).variants("quick")
        }


def equal(a: dict[str, Arrays], b: dict[str, Arrays]) -> bool:
    """Bit for bit."""
    return all(a[model][n].tobytes() == b[model][n].tobytes() for model in a for n in a[model])


def apart(runs: list[Arrays]) -> dict[str, float]:
    """The largest difference between any two runs of one model, in points and in log-odds."""
    pairs = list(combinations(runs, 2))

    def most(name: str, measure) -> float:
        return round(float(max(np.max(measure(a[name], b[name])) for a, b in pairs)), 3)

    def accuracy(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return 100 * abs(a.mean(-1) - b.mean(-1))

    def changed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return 100 * (a != b).mean(-1)

    def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return abs(a.astype(float) - b.astype(float))

    return {
        "test accuracy, points": most("correct_test", accuracy),
        "test images judged differently, percent": most("correct_test", changed),
        "log-odds of a test image, median": round(
            float(
                max(np.median(distance(a["log_odds_test"], b["log_odds_test"])) for a, b in pairs)
            ),
            3,
        ),
        "accuracy under FGSM at any eps, points": most("correct", accuracy),
    }


def main() -> None:
    runs = []
    for threads in THREADS:
        first, second = run(threads), run(threads)
        if not equal(first, second):
            raise SystemExit(f"two runs with {threads} threads differ")
        runs.append(first)
    models = {model: apart([one[model] for one in runs]) for model in runs[0]}
    found = {"threads": list(THREADS), "models": models}
    (HERE / "threads.json").write_text(json.dumps(found, indent=1) + "\n")
    print(repeatability(found))


if __name__ == "__main__":
    main()
