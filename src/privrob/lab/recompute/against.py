"""Today's code against the code of a record, on one machine, where another one computed it.

Rounding differs between processors, and random numbers between kinds of devices: a training that
does not repeat the recorded first epoch here may still be the same code. So both codes run it.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import environ
from pathlib import Path

from privrob import paths
from privrob.lab.recompute.base import Unchecked
from privrob.lab.run import Lab, Result

# Run by the code of the record, whose names may differ from today's: then nothing can be said.
_SCRIPT = """
import sys
from privrob.lab import registry, tasks
from privrob.lab import spec as specs
from privrob.lab.recompute.base import Alone, Enough
from privrob.lab.run import Lab, graph, key_of, open_store

lab = Lab(open_store("paper"), on=sys.argv[2])
every = (v.spec for e in registry.EXPERIMENTS.values() for v in e.variants("paper"))
spec = next(s for one in every for s in graph([one]) if key_of(s) == sys.argv[1])
inputs = {name: lab.output(lab.lookup(s)) for name, s in specs.upstream(spec).items()}
context = Alone(lab)
try:
    tasks.TASKS[specs.kind(spec)](spec, inputs, context)
except Enough:
    print(context.history[0])
"""


def first_epoch(result: Result, lab: Lab) -> float:
    """Test accuracy after one epoch of the training, by the code that the record names.

    Unchecked where that code is not in this repository, or does not run here.
    """
    commit = result.manifest["commit"]
    if result.manifest["uncommitted"] or not commit:
        raise Unchecked("another processor computed it, by code that was not committed")
    with _sources(commit) as folder:
        command = [sys.executable, "-c", _SCRIPT, result.key, lab.device.type]
        places = {"PYTHONPATH": str(folder / "src"), "PRIVROB_RECORDS": str(lab.store.root)}
        done = subprocess.run(
            command, env=environ | places, cwd=folder, capture_output=True, check=False, text=True
        )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise Unchecked(f"the code of commit {commit[:10]} does not run here: {last}")
    return float(done.stdout.split()[-1])


@contextmanager
def _sources(commit: str) -> Iterator[Path]:
    """The files of a commit, in a folder of their own; Unchecked where it is not here."""
    with tempfile.TemporaryDirectory() as name:
        whole, folder = Path(name, "whole.tar"), Path(name, "files")
        command = ["git", "archive", "--output", str(whole), commit, "src"]
        try:
            subprocess.run(command, cwd=paths.repository(), capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            why = "another processor computed it, and the code of commit"
            raise Unchecked(f"{why} {commit[:10]} is not in this repository") from error
        folder.mkdir()
        subprocess.run(["tar", "-xf", str(whole), "-C", str(folder)], check=True)
        yield folder
