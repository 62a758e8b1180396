"""The store: whole or absent, checked on reading, and clear about what it cannot do."""

import errno
import json
import tempfile

import numpy as np
import pytest
import torch

from privrob.lab import files as module
from privrob.lab.store import Store, StoreError

ARRAYS = {"odds": np.array([0.5, -1.25], np.float16), "right": np.array([True, False])}
WEIGHTS = {"w": torch.arange(6.0).reshape(2, 3)}
MANIFEST = {"key": "k1", "kind": "train", "fingerprint": "f1"}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def record(store):
    return store.save("train", MANIFEST, ARRAYS, WEIGHTS)


def files(folder):
    """Everything below a folder but locks."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_what_was_saved_is_found_again(store, record):
    found = store.find("train", "k1")
    assert found.manifest["fingerprint"] == "f1"
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        assert np.array_equal(found.arrays[name], array)
    assert torch.equal(store.weights(found)["w"], WEIGHTS["w"])
    assert store.find("train", "k2") is None
    assert [r.key for r in store.records()] == ["k1"]


def test_a_record_is_never_overwritten(store, record):
    again = store.save("train", MANIFEST, {"odds": np.zeros(3)})
    assert np.array_equal(again.arrays["odds"], ARRAYS["odds"])
    assert len(store.manifests()) == 1


def test_the_same_result_has_the_same_bytes(tmp_path):
    texts = [
        Store(tmp_path / name).save("train", MANIFEST, ARRAYS, WEIGHTS).manifest["files"]
        for name in ("a", "b")
    ]
    assert texts[0] == texts[1]


# -- damage -------------------------------------------------------------------------------------


def test_an_edited_manifest_is_refused_and_named(store, record):
    path = record.folder / "manifest.json"
    path.write_text(path.read_text().replace('"f1"', '"f2"'))
    with pytest.raises(StoreError, match="manifest.json: was changed after it was written"):
        store.find("train", "k1")


def test_a_manifest_that_is_laid_out_anew_is_refused(store, record):
    path = record.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    with pytest.raises(StoreError, match="was changed"):
        store.find("train", "k1")


@pytest.mark.parametrize("text", ["", "{", "[1]", '"text"', "\x00\xff"])
def test_a_manifest_that_is_no_manifest_is_refused(store, record, text):
    (record.folder / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match="manifest.json"):
        store.find("train", "k1")


@pytest.mark.parametrize("size", [0, 10, -1])
def test_truncated_arrays_are_refused_and_named(store, record, size):
    path = record.folder / "arrays.npz"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(StoreError, match=r"arrays.npz: contents differ.*\d+ expected"):
        _ = store.find("train", "k1").arrays


def test_missing_arrays_are_named(store, record):
    (record.folder / "arrays.npz").unlink()
    with pytest.raises(StoreError, match="arrays.npz: cannot be read"):
        _ = store.find("train", "k1").arrays


# -- weights ------------------------------------------------------------------------------------


def test_weights_are_also_found_in_the_zoo_by_checksum(tmp_path, record):
    zoo = tmp_path / "zoo"
    (zoo / "paper").mkdir(parents=True)
    raw = (record.folder / "weights.safetensors").read_bytes()
    (record.folder / "weights.safetensors").rename(zoo / "paper" / "any-name.safetensors")
    assert Store(tmp_path / "store").weights(record) is None
    store = Store(tmp_path / "store", weights=[zoo])
    assert torch.equal(store.weights(record)["w"], WEIGHTS["w"])
    assert store.weight_bytes(record) == raw


def test_broken_weights_are_refused(store, record):
    path = record.folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(StoreError, match="weights.safetensors: contents differ"):
        store.weights(record)


def test_a_result_without_weights_has_none(store):
    assert store.weights(store.save("fgsm", MANIFEST, ARRAYS)) == {}


# -- several roots ------------------------------------------------------------------------------


def test_all_roots_are_read_and_the_first_is_written(tmp_path, record):
    both = Store(tmp_path / "mine", also=[tmp_path / "store"])
    assert both.find("train", "k1").folder == record.folder
    saved = both.save("train", MANIFEST | {"key": "k2"}, ARRAYS)
    assert saved.folder.is_relative_to(tmp_path / "mine")
    assert {r.key for r in both.records()} == {"k1", "k2"}


# -- writing that fails -------------------------------------------------------------------------


def test_a_full_disk_leaves_nothing_half_written(store, monkeypatch):
    real, calls = module.write, []

    def fails_at_the_second(path, raw):
        calls.append(path)
        if len(calls) == 2:
            path.write_bytes(raw[:5])
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, raw)

    monkeypatch.setattr(module, "write", fails_at_the_second)
    with pytest.raises(StoreError, match="cannot be written .No space left"):
        store.save("train", MANIFEST, ARRAYS, WEIGHTS)
    assert files(store.root) == []
    assert list(store.root.glob("train/*")) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file" / "store")
    for attempt in (
        lambda: store.save("train", MANIFEST, ARRAYS),
        lambda: store.checkpoint("k1", WEIGHTS, {"done": 1}),
        lambda: store.claim("k1").__enter__(),
    ):
        with pytest.raises(StoreError, match="file/store.* cannot be written"):
            attempt()
    assert files(tmp_path) == ["file"]


def test_no_permission_is_named(store, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(StoreError, match="cannot be written .Permission denied"):
        store.save("train", MANIFEST, ARRAYS)
    assert files(store.root) == []


def test_what_a_kill_left_behind_is_no_record(store, record):
    left = store.root / "train" / ".tmp-killed"
    left.mkdir()
    (left / "manifest.json").write_text("{")
    assert [r.key for r in store.records()] == ["k1"]


# -- checkpoints and checks ---------------------------------------------------------------------


def test_a_checkpoint_comes_back_and_can_be_forgotten(store):
    assert store.restore("k1") is None
    store.checkpoint("k1", WEIGHTS, {"done": 1, "history": [0.5]})
    store.checkpoint("k1", WEIGHTS, {"done": 2, "history": [0.5, 0.25]})
    weights, state = store.restore("k1")
    assert state == {"done": 2, "history": [0.5, 0.25]}
    assert torch.equal(weights["w"], WEIGHTS["w"])
    store.forget("k1")
    assert store.restore("k1") is None


@pytest.mark.parametrize("size", [0, 63, 64, 100, -1])
def test_a_truncated_checkpoint_is_ignored(store, size):
    store.checkpoint("k1", WEIGHTS, {"done": 1})
    path = store._partial("k1")
    path.write_bytes(path.read_bytes()[:size])
    assert store.restore("k1") is None


def test_saving_a_result_removes_its_checkpoint(store):
    store.checkpoint("k1", WEIGHTS, {"done": 1})
    store.save("train", MANIFEST, ARRAYS, WEIGHTS)
    assert store.restore("k1") is None


def test_checks_are_kept_beside_the_record_one_for_each_fingerprint(store, record):
    for fingerprint, agrees in (("f2", False), ("f2", True), ("f3", False)):
        store.add_check(record, {"fingerprint": fingerprint, "agrees": agrees})
    kept = {c["fingerprint"]: c["agrees"] for c in store.find("train", "k1").checks}
    assert kept == {"f2": True, "f3": False}
    assert files(record.folder) == [
        "arrays.npz",
        "checks/f2.json",
        "checks/f3.json",
        "manifest.json",
        "weights.safetensors",
    ]
