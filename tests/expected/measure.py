"""Measure the headline numbers of profile quick, and how far thread counts move them.

    python tests/expected/measure.py [NOTEBOOK ...]

Runs every notebook, or those named, with 1, 2 and 4 threads and a store that has nothing but what
the zoo's models answered before, which is in no headline number. Writes quick.json, in which the
notebooks that are not named keep what they have: the value is the mean over thread counts, the
tolerance three times their range plus one test image of the smallest set attacked. It refuses a
tolerance so wide that a number would say nothing. Sums of float32 numbers come out differently in
another order, and training amplifies that: the range between thread counts stands for what another
machine may see.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from privrob import paths

THREADS = (1, 2, 4)
IMAGE = 100 / 200  # one of the 200 images that PGD attacks in profile quick, in points
WIDEST = 5.0  # points
HERE = Path(__file__).parent
RUN = """
import json, nbformat, sys
from privrob.lab import book
files = book.execute(sys.argv[1:])
print("@" + json.dumps({f.stem: book.headline(nbformat.read(f, 4), f.stem) for f in files}))
"""


def run(threads: int, names: list[str]) -> dict[str, dict[str, float]]:
    """Headline numbers by notebook, computed with that many threads."""
    with tempfile.TemporaryDirectory() as store:
        _copy_live(Path(store))
        count = str(threads)
        environment = os.environ | {"PRIVROB_STORE": store, "OMP_NUM_THREADS": count}
        done = subprocess.run(
            [sys.executable, "-c", RUN, *names],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    return json.loads(done.stdout.split("@", 1)[1])


def _copy_live(store: Path) -> None:
    """The results on the slice of MNIST in the package, which take most of the time."""
    for manifest in paths.quick_store().glob("*/*/manifest.json"):
        if "mnist_slice" in json.loads(manifest.read_text(encoding="utf-8"))["data"]:
            kind, key = manifest.parts[-3:-1]
            shutil.copytree(manifest.parent, store / kind / key)


def summarise(runs: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, dict[str, float]]]:
    """Value and tolerance of each number, by the rule above."""
    return {
        notebook: {
            name: _entry([one[notebook][name] for one in runs]) for name in runs[0][notebook]
        }
        for notebook in runs[0]
    }


def _entry(values: list[float]) -> dict[str, float]:
    tolerance = 3 * (max(values) - min(values)) + IMAGE
    if tolerance > WIDEST:
        raise SystemExit(f"{values} range too far: make the quick models steadier")
    return {"value": round(sum(values) / len(values), 4), "tolerance": round(tolerance, 4)}


if __name__ == "__main__":
    rule = f"mean over {THREADS} threads; tolerance 3 * range + {IMAGE}; see measure.py"
    found = summarise([run(n, sys.argv[1:]) for n in THREADS])
    path = HERE / "quick.json"
    kept = json.loads(path.read_text())["notebooks"] if sys.argv[1:] else {}
    both = {"how": rule, "notebooks": dict(sorted((kept | found).items()))}
    path.write_text(json.dumps(both, indent=1) + "\n")
