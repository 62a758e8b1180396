"""Faults of processes: killed, interrupted, two at one store. Nothing finished is ever lost."""

import multiprocessing
import os
import random
import signal
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

import pytest
import torch
from faults import (
    EPOCHS,
    KEYS,
    PRIVATE,
    SMALL,
    STUDY,
    SURROUNDINGS,
    TRAININGS,
    compute,
    epochs_heard,
    epochs_of_nothing,
    killed_at,
    lines,
    listing,
    needs_fork,
    noted,
    start,
    sums,
    wait_for,
)
from specimens import load

from privrob import data
from privrob.cli import app
from privrob.cli import compute as commands
from privrob.lab import run, tasks
from privrob.lab.files import DAY
from privrob.lab.registry import Variant
from privrob.lab.run import Lab, key_of
from privrob.lab.store import Store
from privrob.lab.verify import verify_all

KILLS = 30
WAIT = 60  # seconds, at which a test gives up on a child


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path / "records"))
    monkeypatch.setattr(data, "load", load)
    monkeypatch.setattr(run, "surroundings", lambda device: dict.fromkeys(SURROUNDINGS))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The checksums of the study's files, computed at one go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", load)
        store = Store(tmp_path_factory.mktemp("unbroken"))
        list(Lab(store, on="cpu").run(STUDY))
    return sums(store)


@pytest.fixture
def stubs(monkeypatch):
    """Stand-ins for all tasks."""
    for kind in tasks.TASKS:
        monkeypatch.setitem(tasks.TASKS, kind, epochs_of_nothing)


def finish(child, code=0):
    child.join(WAIT)
    assert child.exitcode == code


# -- killed -------------------------------------------------------------------------------------


@needs_fork
def test_kills_at_random_moments_lose_an_epoch_at_most(tmp_path, unbroken):
    chance, kills, resumed = random.Random(0), 0, 0
    for study in count():
        store, log = Store(tmp_path / f"{study}"), tmp_path / f"log{study}"
        while sums(store).keys() != unbroken.keys():
            child, target = start(compute, store.root, log), len(lines(log)) + chance.randint(1, 5)
            wait_for(lambda log=log, target=target: len(lines(log)) >= target, child)
            child.join(chance.uniform(0, 0.03))  # anywhere in what follows
            child.kill()
            child.join()
            assert child.exitcode in (0, -signal.SIGKILL)
            assert verify_all(store) == []
            kills += child.exitcode != 0
        assert sums(store) == unbroken
        for spec in TRAININGS:
            heard = epochs_heard(log, spec)
            assert heard == sorted(set(heard))  # what was done once was not done again
        resumed += sum(first > 1 for first in first_epochs(log))
        if kills >= KILLS:
            break
    assert resumed >= KILLS / 6  # it did go on from checkpoints


def first_epochs(log):
    """The first epoch that each process of the log completed."""
    keys, found = {key_of(spec) for spec in TRAININGS}, []
    for line in lines(log):
        if line == ["begin"]:
            found.append(0)
        elif line[0] in keys and not found[-1]:
            found[-1] = int(line[1])
    return found


@needs_fork
def test_a_kill_at_each_operation_on_a_file_in_turn(tmp_path, stubs):
    short = replace(SMALL, training=replace(SMALL.training, epochs=2))
    Lab(Store(tmp_path / "expected"), on="cpu").get(short)
    expected = sums(Store(tmp_path / "expected"))
    for moment in count(1):
        store, log = Store(tmp_path / f"{moment}"), tmp_path / f"log{moment}"
        child = start(killed_at, moment, store.root, log, [short])
        child.join(WAIT)
        assert verify_all(store) == []
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
        noted(store.root, log).get(short)
        assert sums(store) == expected
        heard = epochs_heard(log, short)
        assert heard == sorted(set(heard))
        assert verify_all(store) == []
    assert moment > 40


def test_what_kills_left_behind_goes_after_a_day(store, stubs):
    for kind in ("train", ".partial"):
        for name, age in ((".tmp-old", 1.1 * DAY), (".tmp-new", 0.5 * DAY)):
            left = store.root / kind / name
            left.mkdir(parents=True)
            (left / "manifest.json").write_text("{")
            os.utime(left, (time.time() - age,) * 2)
    Lab(store, on="cpu").get(SMALL)
    left = {(p.parent.name, p.name) for p in store.root.glob("*/.tmp-*")}
    assert left == {("train", ".tmp-new"), (".partial", ".tmp-new")}


def test_the_seconds_of_an_interrupted_training_are_not_forgotten(store, stubs, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def an_hour(until):
        def listener(spec, done, total):
            now[0] += 3600 if done else 0
            if done == until:
                raise KeyboardInterrupt

        return listener

    with pytest.raises(KeyboardInterrupt):
        Lab(store, on="cpu", listener=an_hour(3)).get(SMALL)
    result = Lab(store, on="cpu", listener=an_hour(None)).get(SMALL)
    assert result.manifest["seconds"] == 3600 * (EPOCHS - 1)  # the third was lost: kept before it


# -- two at one store ---------------------------------------------------------------------------


@needs_fork
def test_two_processes_compute_each_unit_once_between_them(store, log, unbroken):
    for child in [start(compute, store.root, log) for _ in range(2)]:
        finish(child)
    begun = [line[0] for line in lines(log) if line[-2:] == ["0", "1"]]
    assert sorted(begun) == sorted(KEYS)
    assert sums(store) == unbroken
    assert verify_all(store) == []


@needs_fork
def test_a_unit_is_free_again_when_its_process_is_killed(store, log, stubs, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(tasks.TASKS, "train", lambda *args: time.sleep(WAIT))
        holder = start(noted(store.root, log).get, SMALL)
        assert wait_for(lambda: lines(log), holder)  # it holds the unit
    other = start(compute, store.root, log)
    assert wait_for(lambda: len(sums(store)) == 2, other)  # all that does not rest on it
    time.sleep(0.1)
    assert key_of(SMALL) not in sums(store)
    holder.kill()
    finish(other)
    assert sums(store).keys() == set(KEYS)
    assert verify_all(store) == []


@needs_fork
def test_without_locks_a_unit_is_computed_twice_and_is_whole(tmp_path, unbroken, monkeypatch):
    @contextmanager
    def everyone(self, key):
        yield True

    monkeypatch.setattr(Store, "claim", everyone)  # as on a file system that cannot lock
    barrier = multiprocessing.get_context("fork").Barrier(2)

    def together(spec, upstream, context):
        output = real[type(spec)](spec, upstream, context)
        barrier.wait(WAIT)
        return output

    real = {type(spec): tasks.TASKS[run.specs.kind(spec)] for spec in (SMALL, STUDY[0])}
    for kind in ("train", "fgsm"):
        monkeypatch.setitem(tasks.TASKS, kind, together)
    store, log = Store(tmp_path / "store"), tmp_path / "log"
    for child in [start(compute, store.root, log) for _ in range(2)]:
        finish(child)
    begun = [line[0] for line in lines(log) if line[-2:] == ["0", "1"]]
    assert sorted(begun) == sorted(2 * KEYS)
    assert sums(store) == unbroken
    assert verify_all(store) == []


# -- interrupted --------------------------------------------------------------------------------

ENDLESS = replace(SMALL, training=replace(SMALL.training, epochs=10**6))


def privrob_run(output):
    """The command, in a child whose output goes to a file."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    sys.stdout = sys.stderr = output.open("w", buffering=1)
    say, commands.say = (
        commands.say,
        lambda *words, **style: (time.sleep(0.1), say(*words, **style)),
    )
    app(["run", "tursynbek2020/base", "--device", "cpu"])


@needs_fork
@pytest.mark.parametrize(
    ("number", "times"),
    [(signal.SIGINT, 1), (signal.SIGINT, 20), (signal.SIGTERM, 1)],
    ids=["Ctrl-C", "Ctrl-C many times", "SIGTERM"],
)
def test_a_signal_stops_a_run_at_once_and_in_order(store, log, monkeypatch, number, times):
    monkeypatch.setenv("PRIVROB_STORE", str(store.root))
    endless = Variant(ENDLESS, "sgd", "literal", 0)
    monkeypatch.setattr(commands, "wanted", lambda pattern, profile: [endless])
    child = start(privrob_run, log)
    assert wait_for(
        lambda: (store.restore(key_of(ENDLESS)) or [0, {"done": 0}])[1]["done"] > 1, child
    )
    sent = time.monotonic()
    for _ in range(times):
        if child.is_alive():
            os.kill(child.pid, number)
        child.join(0.005)
    finish(child, 128 + number)
    assert time.monotonic() - sent < 10
    text = " ".join(log.read_text().split())
    assert "stopped; at most the current epoch is lost" in text
    assert "To go on: privrob run tursynbek2020/base --profile quick --device cpu" in text
    assert "Traceback" not in text
    assert list(listing(store.root)) == [f".partial/{key_of(ENDLESS)}.checkpoint"]
    assert store.restore(key_of(ENDLESS))[1]["done"] > 1


# -- the same again -----------------------------------------------------------------------------


def again(folder, log, study, threads):
    torch.set_num_threads(threads)
    compute(folder, log, study)


@needs_fork
@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_spec_gives_the_same_bits(tmp_path, log, unbroken, threads):
    short = replace(PRIVATE, training=replace(PRIVATE.training, epochs=1))
    study = STUDY if threads == 1 else [short]  # two threads wait for each other on a busy machine
    stores = [Store(tmp_path / name) for name in ("a", "b")]
    for store in stores:
        finish(start(again, store.root, log, study, threads))
    a, b = (sums(store) for store in stores)
    assert a
    assert a == b
    assert threads > 1 or a == unbroken
