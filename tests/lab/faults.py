"""What the tests of faults share: a study of a second, children that can be killed, listings."""

import errno
import multiprocessing
import os
import signal
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from specimens import DPSGD, FGSM, SGD

from privrob.lab import files
from privrob.lab.run import Lab, key_of
from privrob.lab.spec import Data, Train
from privrob.lab.store import Store, sha256
from privrob.lab.tasks import Output

EPOCHS = 4
SMALL = replace(
    SGD,
    data=Data(name="glyphs", train=80, test=20),
    model=replace(SGD.model, width=0.1),
    training=replace(SGD.training, epochs=EPOCHS),
)
PRIVATE = replace(
    SMALL, training=replace(DPSGD.training, epochs=EPOCHS, batch_size=20, sample_rate=0.25)
)
TRAININGS = [SMALL, PRIVATE]
STUDY = [
    replace(FGSM, train=s, data=replace(s.data, train=None), eps=(0.0, 0.1)) for s in TRAININGS
]
KEYS = [key_of(spec) for spec in (*TRAININGS, *STUDY)]

SURROUNDINGS = ("commit", "versions", "device", "threads", "peak_memory_mib", "created")

can_fork = "fork" in multiprocessing.get_all_start_methods() and not torch.cuda.is_available()
needs_fork = pytest.mark.skipif(
    not can_fork,
    reason="needs to fork a process that trains, which PyTorch refuses where it sees a GPU: "
    "set CUDA_VISIBLE_DEVICES to nothing",
)


def start(target, *args):
    """A child that runs `target`, forked so that it starts at once."""
    child = multiprocessing.get_context("fork").Process(target=target, args=args, daemon=True)
    child.start()
    return child


def wait_for(condition, child):
    """Until the condition holds or the child has ended; whether it holds."""
    while not condition() and child.is_alive():
        time.sleep(0.001)
    return condition()


def lines(log):
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def noted(folder, log):
    """A lab that writes each event of a run as a line: key, done, total."""
    file = log.open("a", buffering=1)
    return Lab(
        Store(folder),
        on="cpu",
        listener=lambda s, *at: file.write(f"{key_of(s)} {at[0]} {at[1]}\n"),
    )


def compute(folder, log, study=STUDY):
    """What a child does: the study."""
    with log.open("a") as file:
        file.write("begin\n")
    list(noted(folder, log).run(study))


def epochs_heard(log, spec):
    """The epochs of a training that were completed, in order, by all processes of the log."""
    return [int(line[1]) for line in lines(log) if line[0] == key_of(spec) and line[1] != "0"]


def sums(store):
    """The checksums of every record's files by key."""
    return {
        r.key: {n: f["sha256"] for n, f in r.manifest["files"].items()} for r in store.records()
    }


def listing(folder):
    """Every file below a folder and its checksum; locks are no results."""
    found = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix != ".lock")
    return {str(p.relative_to(folder)): sha256(p.read_bytes()) for p in found}


# -- tasks that cost nothing --------------------------------------------------------------------


def epochs_of_nothing(spec, upstream, context):
    """A training with checkpoints, or an attack, of the right shape and without arithmetic."""
    if not isinstance(spec, Train):
        context.progress(1, 1)
        return Output({"eps": np.array(spec.eps), "correct": np.ones((2, 4), bool)})
    done, weights, history = context.restore() or (0, {"w": torch.zeros(500)}, [])
    epochs = spec.training.epochs
    for epoch in range(done + 1, epochs + 1):
        weights, history = {"w": weights["w"] + epoch}, [*history, epoch / epochs]
        context.checkpoint(epoch, weights, history)
        context.progress(epoch, epochs)
    return Output({"history": np.array(history), "correct_test": np.ones(4, bool)}, weights)


# -- a disk that is full -----------------------------------------------------------------------


class Disk:
    """Counts what the store asks of the disk; refuses the one numbered `full_at`, once."""

    def __init__(self, root):
        self.root, self.full_at, self.asked, self.before = root, 0, 0, None

    def ask(self, *args, **kwargs):
        self.asked += 1
        if self.asked == self.full_at:
            self.before = listing(self.root)
            raise OSError(errno.ENOSPC, "No space left on device")

    def write(self, path, raw):
        self.ask()
        path.write_bytes(raw[: len(raw) // 2])
        self.ask()  # in the middle of the file
        path.write_bytes(raw)


# -- a child that kills itself ------------------------------------------------------------------

OPERATIONS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.scandir")


def killed_at(moment, folder, log, study):
    """The study by a process that is gone at its n-th operation on a file of the store.

    Python announces each operation before it is done; a write is cut in two, to die in between.
    """
    left = [moment]

    def tick():
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event, args):
        if event in OPERATIONS and str(args[0]).startswith(str(folder)):
            tick()

    def in_two(path, raw):
        with path.open("wb", buffering=0) as file:
            file.write(raw[: len(raw) // 2])
            tick()
            file.write(raw[len(raw) // 2 :])
        tick()

    files.write = in_two
    sys.addaudithook(hook)
    compute(folder, log, study)
