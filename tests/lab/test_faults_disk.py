"""Faults of files and disks: changed bytes, a full or read-only disk, data that vanish."""

import random
import shutil
import subprocess
import tempfile
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from faults import (
    SMALL,
    STUDY,
    SURROUNDINGS,
    Disk,
    epochs_heard,
    epochs_of_nothing,
    listing,
    noted,
    sums,
)
from specimens import load

from privrob import data, paths, zoo
from privrob.data import DataError, MissingDataError, catalogue, files
from privrob.lab import files as lab_files
from privrob.lab import run, tasks
from privrob.lab import store as module
from privrob.lab.run import Lab, key_of
from privrob.lab.spec import Data
from privrob.lab.store import Store, StoreError
from privrob.lab.verify import verify_all

STUDY = STUDY[:1]  # one training and the attack on it
FLIPS = 25  # of each file


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


@pytest.fixture
def stubs(monkeypatch):
    """Stand-ins for all tasks."""
    for kind in tasks.TASKS:
        monkeypatch.setitem(tasks.TASKS, kind, epochs_of_nothing)


# -- changed bytes ------------------------------------------------------------------------------


@pytest.fixture
def whole(store):
    """A store with a model, an attack on it and a check of each, and a zoo with the model."""
    lab = Lab(store, on="cpu")
    for result in lab.run(STUDY):
        store.add_check(result.record, {"fingerprint": "f1", "agrees": True})
    found, model = lab.lookup(SMALL), SMALL.model
    raw = store.weight_bytes(found.record)
    facts = {"network": model.name, "settings": model.settings}
    zoo.keep("p/m", seed=SMALL.seed, raw=raw, key=found.key, **facts)
    assert verify_all(store) == []
    return store


def named(store, path):
    """Whether `verify` names this file."""
    return any(f.path == path or str(path) in str(f) for f in verify_all(store))


def changes(raw, chance):
    """The bytes with one changed, here and there and at both ends, cut short, and with more."""
    places = {0, len(raw) - 1} | {chance.randrange(len(raw)) for _ in range(FLIPS)}
    for at in sorted(places):
        yield f"byte {at}", raw[:at] + bytes([raw[at] ^ chance.randint(1, 255)]) + raw[at + 1 :]
    line = raw.find(b"\n")
    if line > 0:
        yield "a line end of another system", raw[:line] + b"\r" + raw[line + 1 :]
    for size in (0, len(raw) // 2, len(raw) - 1):
        yield f"the first {size} bytes", raw[:size]
    for more in (b"\n", b" ", b"\0", raw):
        yield f"{len(more)} bytes more", raw + more


def test_every_change_of_every_file_is_found_and_named(whole):
    chance, kinds = random.Random(0), set()
    there = [*whole.root.glob("*/*/**/*"), *paths.weights().rglob("*")]
    for path in sorted(p for p in there if p.is_file() and ".partial" not in p.parts):
        kinds.add(path.name if path.suffix != ".safetensors" else path.parent.name)
        raw = path.read_bytes()
        for what, changed in changes(raw, chance):
            path.write_bytes(changed)
            assert named(whole, path), f"{path}: {what}"
        path.write_bytes(raw)
        assert verify_all(whole) == []
    assert {"manifest.json", "arrays.npz", "f1.json", "zoo.json", "p"} <= kinds


def test_a_file_that_no_checksum_covers_is_named(whole):
    folder = whole.find("train", key_of(SMALL)).folder
    for name in ("notes.txt", "checks/f1.txt", "weights.safetensors.old", "checks/deep/f1.json"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("?")
        assert named(whole, path)
        path.unlink()


def test_a_check_of_other_code_than_its_name_says_is_named(whole):
    path = whole.find("train", key_of(SMALL)).folder / "checks" / "f1.json"
    path.rename(path.with_name("f2.json"))
    assert named(whole, path.with_name("f2.json"))


def test_an_attack_on_weights_that_are_gone_is_named(store):
    """The model was trained anew, perhaps on another machine: the attack was on other weights."""
    lab = Lab(store, on="cpu")
    list(lab.run(STUDY))
    trained, attack = lab.lookup(SMALL).record, lab.lookup(STUDY[0]).record
    arrays, manifest = trained.arrays, trained.manifest
    weights = store.weights(trained)
    store.discard(trained)
    assert verify_all(store) == []  # a model that is not kept here contradicts nothing
    store.save("train", manifest, arrays, {n: w + 1e-6 for n, w in weights.items()})
    [finding] = verify_all(store)
    assert finding.path == attack.folder / "manifest.json"
    assert "computed from other weights" in str(finding)


# -- a disk that refuses ------------------------------------------------------------------------


@pytest.fixture
def disk(monkeypatch, store):
    disk = Disk(store.root)
    owners = [(Path, "mkdir"), (Path, "rename"), (Path, "replace"), (tempfile, "mkdtemp")]
    for owner, name in [*owners, (module.FileLock, "acquire")]:
        real = getattr(owner, name)

        def asking(*args, real=real, **kwargs):
            disk.ask()
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, asking)
    monkeypatch.setattr(lab_files, "write", disk.write)
    return disk


def results(found):
    """A listing without what is being written."""
    return {name: s for name, s in found.items() if ".tmp-" not in name}


def attempt(store, log):
    """What the study is refused with; nothing where it is completed."""
    try:
        list(noted(store.root, log).run(STUDY))
    except StoreError as error:
        return str(error)
    return ""


def test_a_disk_that_is_full_at_any_write_costs_nothing(store, log, stubs, disk):
    for full_at in count(1):
        disk.asked, disk.full_at = 0, full_at
        shutil.rmtree(store.root, ignore_errors=True)
        log.unlink(missing_ok=True)
        refusal = attempt(store, log)
        if not refusal:
            break
        assert refusal.startswith(f"{store.root}")
        assert "cannot be written (No space left on device)" in refusal
        assert "give the same command again" in refusal
        assert listing(store.root) == results(disk.before)
        assert not list(store.root.rglob(".tmp-*"))
        list(noted(store.root, log).run(STUDY))
        assert epochs_heard(log, SMALL) == [1, 2, 3, 4]
        assert verify_all(store) == []
        final = sums(store)
        assert len(final) == 2
    assert full_at > 30
    assert sums(store) == final


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs to mount a small file system: {error}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full(small_disk, log, stubs):
    store = Store(small_disk / "store")
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(bytes(2**20))
    failed = 0
    while len(sums(store)) < 2:
        refusal = attempt(store, log)
        assert "No space left" in refusal or len(sums(store)) == 2
        failed += bool(refusal)
        assert verify_all(store) == []
        assert not list(store.root.rglob(".tmp-*"))
        with filler.open("r+b") as file:
            file.truncate(filler.stat().st_size - 4096)  # a page at a time
    assert failed > 3
    assert epochs_heard(log, SMALL) == [1, 2, 3, 4]


def test_a_disk_that_becomes_read_only(small_disk, log, stubs):
    store = Store(small_disk / "store")
    Lab(store, on="cpu").get(SMALL)
    before = listing(store.root)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError, match="store.* cannot be written .Read-only file system"):
        noted(store.root, log).get(STUDY[0])
    assert not log.exists() or not log.read_text()  # refused before any work
    assert listing(store.root) == before
    assert verify_all(store) == []
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    list(noted(store.root, log).run(STUDY))
    assert len(sums(store)) == 2


# -- data that vanish ---------------------------------------------------------------------------


@pytest.fixture
def real_data(monkeypatch, tmp_path):
    """A file that is taken for MNIST: the first drawn digits. And the study on it."""
    monkeypatch.setattr(data, "load", load.__wrapped__)
    monkeypatch.setenv("PRIVROB_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    parts = {name: split.first(50) for name, split in load("glyphs").splits.items()}
    arrays = {f"x_{n}": s.x.permute(0, 2, 3, 1).numpy() for n, s in parts.items()}
    arrays |= {f"y_{n}": s.y.numpy() for n, s in parts.items()}
    np.savez(tmp_path / "mnist.npz", **arrays)
    variants = {data.Dataset("mnist", parts, 10).checksum: "published"}
    known = replace(catalogue.known("mnist"), variants=variants)
    monkeypatch.setitem(catalogue.REAL, "mnist", known)
    train = replace(SMALL, data=Data(name="mnist", train=None, test=None))
    return tmp_path / "mnist.npz", replace(STUDY[0], train=train, data=train.data)


@pytest.mark.parametrize("after", [0, 1], ids=["before the training", "before the attack"])
@pytest.mark.parametrize("harm", ["gone", "truncated"])
def test_data_that_vanish_between_plan_and_run(store, log, real_data, after, harm):
    path, spec = real_data
    raw = path.read_bytes()
    lab = noted(store.root, log)
    assert [step.state for step in lab.plan([spec])] == ["missing"] * 2
    if after:
        lab.get(spec.train)
    before = listing(store.root)
    path.unlink() if harm == "gone" else path.write_bytes(raw[: len(raw) // 2])
    expected = {
        "gone": (MissingDataError, "Three ways to get mnist"),
        "truncated": (DataError, "not a whole npz file.*put a whole one in its place"),
    }
    with pytest.raises(expected[harm][0], match=expected[harm][1]) as caught:
        noted(store.root, log).get(spec)
    assert str(path.parent) in str(caught.value)
    assert listing(store.root) == before
    path.write_bytes(raw)
    list(noted(store.root, log).run([spec]))
    assert epochs_heard(log, spec.train) == [1, 2, 3, 4]
    assert len(sums(store)) == 2


def test_data_that_vanish_while_they_are_read(tmp_path):
    gone = tmp_path / "mnist.npz"
    location = files.Location("mnist", "npz", gone, f"{gone}")
    with pytest.raises(MissingDataError, match=r"mnist.npz was there and is gone\nThree ways"):
        files.read(location)
