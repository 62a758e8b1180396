"""Broken files are named; results that today's code does not give are caught."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from specimens import FGSM, PGD, SGD, load, stub

from privrob import data, evaluate, models, paths, zoo
from privrob.data import MissingDataError
from privrob.lab import recompute as module
from privrob.lab import run, tasks
from privrob.lab import spec as specs
from privrob.lab.recompute import against, attacks, recompute
from privrob.lab.run import Lab, Result, key_of
from privrob.lab.spec import Data
from privrob.lab.store import Store, json_text
from privrob.lab.surroundings import surroundings
from privrob.lab.verify import verify_all


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path / "records"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PRIVROB_DATA", raising=False)
    monkeypatch.setattr(data, "load", load)


@pytest.fixture
def lab(tmp_path):
    return Lab(Store(tmp_path / "store"), on="cpu")


# -- bytes --------------------------------------------------------------------------------------


@pytest.fixture
def folder(lab, monkeypatch):
    """The folder of a stored result."""
    for kind in tasks.TASKS:
        monkeypatch.setitem(tasks.TASKS, kind, stub)
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "code of today")
    result = lab.get(FGSM)
    lab.store.add_check(result.record, {"fingerprint": "f", "agrees": True})
    return result.record.folder


def the_finding(lab):
    [finding] = verify_all(lab.store)
    return str(finding)


def rewrite(path, change):
    """Edit a manifest and close it with the right checksum again."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json_text(value))


def test_nothing_is_found_in_whole_records(lab, folder):
    assert verify_all(lab.store) == []


def test_an_empty_store_is_whole(tmp_path):
    assert verify_all(Store(tmp_path / "nothing")) == []


def test_an_edited_manifest_is_named(lab, folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace("0.05", "0.06"))
    assert f"{path}: was changed" in the_finding(lab)


@pytest.mark.parametrize("name", ["arrays.npz", "checks/f.json"])
def test_a_truncated_file_is_named(lab, folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-3])
    assert the_finding(lab).startswith(f"{path}: ")


def test_broken_weights_are_named(lab, folder):
    path = lab.lookup(SGD).record.folder / "weights.safetensors"
    path.write_bytes(b"")
    assert the_finding(lab).startswith(f"{path}: contents differ")


def test_arrays_that_cannot_be_loaded_are_named(lab, folder):
    raw = b"no archive"
    (folder / "arrays.npz").write_bytes(raw)
    entry = {"sha256": run.specs.hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
    rewrite(folder / "manifest.json", lambda m: m["files"].update({"arrays.npz": entry}))
    assert f"{folder / 'arrays.npz'}: " in the_finding(lab)


def test_a_missing_manifest_is_named(lab, folder):
    (folder / "manifest.json").unlink()
    assert the_finding(lab) == (f"{folder}: has no manifest.json; restore it or delete the folder")


def test_a_record_in_another_place_is_named(lab, folder):
    folder.rename(folder.with_name("0123456789abcdef"))
    assert "says it is fgsm/" in the_finding(lab)


def test_settings_that_do_not_give_the_key_are_named(lab, folder):
    rewrite(folder / "manifest.json", lambda m: m["spec"].update(eps=[0.0, 0.05, 0.2]))
    assert "its settings do not give its key" in the_finding(lab)


def test_a_manifest_that_lacks_a_field_is_named(lab, folder):
    rewrite(folder / "manifest.json", lambda m: m.pop("spec"))
    assert "lacks 'spec'" in the_finding(lab)


def test_an_edited_benchmark_result_is_named(lab):
    path = lab.store.root / "benchmarks" / "some-machine.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(json_text({"kind": "benchmarks", "ratio": 0.25}).encode())
    assert verify_all(lab.store) == []
    path.write_bytes(path.read_bytes().replace(b"0.25", b"0.24"))
    assert f"{path}: was changed" in the_finding(lab)


def test_an_edited_note_of_a_divergence_is_named(lab):
    lab.store.keep_diverged({"key": "abc", "error": "model returned NaN for 3 of 9 images"})
    path = lab.store.root / "diverged" / "abc.json"
    assert verify_all(lab.store) == []
    moved = path.rename(path.with_name("abd.json"))
    assert f"{moved}: is of another key" in the_finding(lab)
    moved.rename(path).write_bytes(path.read_bytes().replace(b"3 of", b"4 of"))
    assert f"{path}: was changed" in the_finding(lab)


def test_all_that_is_broken_is_found_at_once(lab, folder):
    (folder / "arrays.npz").write_bytes(b"")
    (lab.lookup(SGD).record.folder / "manifest.json").write_text("{")
    assert len(verify_all(lab.store)) == 2


# -- the zoo ------------------------------------------------------------------------------------


@pytest.fixture
def entry(lab, monkeypatch):
    """The entry of a model whose result is stored."""

    def untrained(spec, upstream, context):
        model = models.build(spec.model.name, seed=0, **spec.model.settings)
        return tasks.Output({"correct_test": np.ones(1, bool)}, dict(model.state_dict()))

    monkeypatch.setitem(tasks.TASKS, "train", untrained)
    found = lab.get(SGD)
    raw = lab.store.weight_bytes(found.record)
    settings = SGD.model.settings
    return zoo.keep("p/m", seed=0, network="mnist_cnn", settings=settings, raw=raw, key=found.key)


def test_a_whole_zoo_is_fine(lab, entry):
    assert verify_all(lab.store) == []


def test_a_broken_zoo_file_is_named(lab, entry):
    entry.path.write_bytes(entry.path.read_bytes()[:-1])
    assert the_finding(lab).startswith(f"{entry.path}: contents differ")


def test_a_missing_zoo_file_is_named(lab, entry):
    entry.path.unlink()
    assert the_finding(lab).startswith(f"{entry.path}: cannot be read")


def test_a_zoo_file_that_is_not_listed_is_named(lab, entry):
    entry.path.rename(entry.path.with_name("other.safetensors"))
    assert any("other.safetensors: is not in zoo.json" in str(f) for f in verify_all(lab.store))


def test_a_zoo_entry_that_its_result_contradicts_is_named(lab, entry):
    index = paths.weights() / "zoo.json"
    whole = json.loads(index.read_text())
    for where, value, words in (
        (("settings", "normalize"), False, "has normalize False, and its result True"),
        (("seeds", "0", "key"), "0" * 16, f"is of result {'0' * 16}, which is not here"),
        (("seeds", "0", "bytes"), 1, "has bytes 1, and its result"),
    ):
        changed = json.loads(json.dumps(whole))
        part = changed["p/m"]
        for name in where[:-1]:
            part = part[name]
        part[where[-1]] = value
        index.write_text(json.dumps(changed, indent=1, sort_keys=True) + "\n")
        assert any(words in str(finding) for finding in verify_all(lab.store))


def test_a_broken_zoo_index_is_named(lab, entry):
    index = paths.weights() / "zoo.json"
    index.write_text("{")
    assert the_finding(lab).startswith(f"{index}: cannot be read")
    index.write_text('{"p/m": {"seeds": {"0": {}}}}')
    assert "'p/m', seed 0 is incomplete" in the_finding(lab)


# -- recomputing --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """A store with a real tiny training, FGSM and PGD; copied by each test that alters it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", load)
        lab = Lab(Store(tmp_path_factory.mktemp("computed")), on="cpu")
        return lab, {spec: lab.get(spec) for spec in (SGD, FGSM, PGD)}


@pytest.fixture
def altered(lab, computed):
    """A function that stores the tiny results in a new store, one of them with other arrays."""

    def store(spec, change=lambda arrays: None):
        source, results = computed
        for one in (SGD, spec):
            arrays = {n: a.copy() for n, a in results[one].arrays.items()}
            if one is spec:
                change(arrays)
            weights = source.store.weights(results[one].record)
            lab.store.save(specs.kind(one), results[one].manifest, arrays, weights)
        return lab.lookup(spec)

    return store


@pytest.mark.parametrize("spec", [SGD, FGSM, PGD], ids=["train", "fgsm", "pgd"])
def test_a_right_result_with_changed_code_becomes_verified(lab, altered, monkeypatch, spec):
    result = altered(spec)
    before = result.manifest["fingerprint"]
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "changed")
    assert result.state == "stale"
    outcome = recompute(result, lab)
    n = 101 if spec is SGD else 100  # images, and an epoch
    assert (outcome.agrees, outcome.disagreements, outcome.n) == (True, 0, n)
    assert result.state == "verified"
    [check] = result.record.checks
    assert (check["fingerprint"], check["record_fingerprint"]) == ("changed", before)
    assert {"commit", "device", "created", "n", "disagreements", "excused", "slack"} <= set(check)
    assert verify_all(lab.store) == []


def flip(name, images):
    """Another answer on some images, whatever their margin."""

    def change(arrays):
        arrays[name][..., images] = ~arrays[name][..., images]

    return change


def shift(name, by, images=slice(None)):
    def change(arrays):
        arrays[name][..., images] += np.asarray(by, arrays[name].dtype)

    return change


@pytest.mark.parametrize(
    ("spec", "change", "at_least"),
    [
        (SGD, flip("correct_test", slice(0, 10)), 8),
        (SGD, shift("log_odds_test", 0.05), 90),
        (SGD, shift("log_odds_test", 1.0, slice(7, 8)), 1),
        (SGD, shift("history", 0.01, slice(0, 1)), 1),
        (FGSM, flip("correct", slice(0, 20)), 10),
        (FGSM, flip("correct_unclipped", slice(0, 20)), 10),
        (FGSM, flip("zero_gradient", slice(0, 3)), 3),
        (PGD, flip("correct", slice(0, 20)), 10),
        (PGD, shift("first_success", 2, slice(0, 60)), 1),
    ],
)
def test_a_wrong_result_is_caught(lab, altered, spec, change, at_least):
    result = altered(spec, change)
    assert result.state == "fresh"
    outcome = recompute(result, lab)
    assert outcome.agrees is False
    assert outcome.disagreements >= at_least
    assert result.state == "stale"
    assert "DISAGREES" in str(outcome)


def test_a_kind_without_a_check_says_so(lab, altered, monkeypatch):
    result = altered(FGSM)
    monkeypatch.delitem(module.METHODS, "fgsm")
    outcome = recompute(result, lab)
    assert outcome.agrees is None
    assert "no way is known to check a result of kind 'fgsm'" in outcome.method
    assert result.record.checks == []


def test_other_code_is_caught(lab, altered, monkeypatch):
    result = altered(FGSM)

    real = tasks.TASKS["fgsm"]

    def stronger(spec, upstream, context):
        return real(replace(spec, eps=tuple(2 * e for e in spec.eps)), upstream, context)

    monkeypatch.setitem(tasks.TASKS, "fgsm", stronger)
    assert recompute(result, lab).agrees is False


def test_images_within_the_slack_are_excused_but_not_many(lab, altered, monkeypatch):
    result = altered(FGSM, flip("correct", slice(0, 2)))
    monkeypatch.setattr(module.attacks, "ATTACK_SLACK", 1e9)
    outcome = recompute(result, lab)
    assert (outcome.agrees, outcome.disagreements, outcome.excused) == (True, 0, 2)
    monkeypatch.setattr(module.base, "EXCUSED_SHARE", 0.01)
    assert recompute(result, lab).agrees is False


@pytest.mark.parametrize(("off", "differs"), [(0.03, False), (0.1, True), (np.nan, True)])
def test_ties_that_rounding_breaks_may_move_a_spectrum_a_little(off, differs):
    spectrum = np.array([[40.0, 8.0], [4.0, 2.0]])  # rank x image
    moved = spectrum + np.array([[0, 0], [40.0 * off, 0]])
    assert attacks._apart("hessian", spectrum, moved).any(0).tolist() == [differs, False]
    assert attacks._apart("logits", spectrum, moved).any(0).tolist() == [True, False]


def test_rounding_to_half_precision_is_no_disagreement():
    odds = torch.linspace(-60, 60, 1001)
    stored = odds.half().numpy()
    half_steps = np.spacing(np.abs(stored)).astype(np.float64) / 2
    assert (np.abs(stored.astype(np.float64) - odds.double().numpy()) <= half_steps + 1e-9).all()


# -- without weights, without data --------------------------------------------------------------


def forget_weights(result):
    (result.record.folder / "weights.safetensors").unlink()


def test_without_weights_the_first_epoch_is_repeated(lab, altered, monkeypatch):
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "changed")
    result = altered(SGD)
    forget_weights(result)
    outcome = recompute(result, lab)
    assert outcome.agrees is True
    assert "after one epoch" in outcome.method
    assert result.state == "verified"
    assert lab.store.restore(key_of(SGD)) is None


def test_a_wrong_first_epoch_is_caught(lab, altered):
    result = altered(SGD, shift("history", 0.01, slice(0, 1)))
    forget_weights(result)
    assert recompute(result, lab).agrees is False


@pytest.fixture
def elsewhere(altered):
    """A training that another processor is said to have computed, with another first epoch."""
    result = altered(SGD, shift("history", 0.01, slice(0, 1)))
    forget_weights(result)

    def told(**changes):
        path = result.record.folder / "manifest.json"
        rewrite(path, lambda m: m.update({"device": "another", **changes}))

    told()
    return told


@pytest.mark.parametrize(("there", "agrees"), [(0.0, True), (0.1, False)])
def test_of_another_processor_both_codes_run(lab, elsewhere, computed, monkeypatch, there, agrees):
    right = float(computed[1][SGD].arrays["history"][0])
    monkeypatch.setattr(against, "first_epoch", lambda result, lab: right + there)
    outcome = recompute(lab.lookup(SGD), lab)
    assert outcome.agrees is agrees
    assert "from the record's own code on this processor (another computed it)" in outcome.method


def test_code_that_cannot_run_decides_nothing(lab, elsewhere):
    elsewhere(uncommitted=True)
    assert "by code that was not committed" in str(recompute(lab.lookup(SGD), lab))
    elsewhere(uncommitted=False, commit="0" * 40)
    assert "commit 0000000000 is not in this repository" in str(recompute(lab.lookup(SGD), lab))
    head = surroundings(lab.device)["commit"]
    elsewhere(commit=head)  # whose registry does not know the tests' own training
    found = str(recompute(lab.lookup(SGD), lab))
    assert f"the code of commit {head[:10]} does not run here: StopIteration" in found
    assert lab.lookup(SGD).record.checks == []


def test_an_attack_without_weights_cannot_be_checked(lab, altered):
    result = altered(FGSM)
    forget_weights(lab.lookup(SGD))
    outcome = recompute(result, lab)
    assert outcome.agrees is None
    assert str(outcome) == (
        "cannot be checked: the weights of a model that it needs are not kept here"
    )
    assert result.record.checks == []


@pytest.fixture
def twin(lab, altered, monkeypatch):
    """FGSM on a model without weights, and on another one with, of the same stale code."""
    result = altered(FGSM)
    other = replace(FGSM, train=replace(SGD, seed=1))
    key = {"key": key_of(other), "spec": specs.plain(other, labels=True)}
    lab.store.save("fgsm", result.manifest | key, result.arrays)
    forget_weights(lab.lookup(SGD))
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "changed")
    return result, lab.lookup(other)


def check_of(result, **changes):
    facts = {"fingerprint": "changed", "record_fingerprint": result.manifest["fingerprint"]}
    found = {"agrees": True, "method": "m", "n": 100, "disagreements": 0, "excused": 1}
    return {"key": result.key} | facts | found | changes


def test_without_weights_the_same_code_s_check_on_another_model_counts(lab, twin):
    result, other = twin
    lab.store.add_check(other.record, check_of(other))
    outcome = recompute(result, lab)
    assert (outcome.agrees, outcome.twin, outcome.n, outcome.excused) == (True, other.key, 100, 1)
    assert f"the same code was checked on fgsm {other.key}" in str(outcome)
    assert result.state == "verified"


@pytest.mark.parametrize(
    "changes",
    [{"fingerprint": "another"}, {"record_fingerprint": "another"}, {"twin": "0123456789abcdef"}],
)
def test_a_check_of_other_code_or_of_a_twin_does_not_count(lab, twin, changes):
    result, other = twin
    lab.store.add_check(other.record, check_of(other, **changes))
    assert recompute(result, lab).agrees is None
    assert result.state == "stale"


def test_a_check_of_another_question_does_not_count(lab, twin):
    result, _ = twin
    other = replace(FGSM, train=replace(SGD, seed=1), eps=(0.0, 0.05))
    key = {"key": key_of(other), "spec": specs.plain(other, labels=True)}
    lab.store.save("fgsm", result.manifest | key, result.arrays)
    lab.store.add_check(lab.lookup(other).record, check_of(lab.lookup(other)))
    assert recompute(result, lab).agrees is None


def test_a_twin_that_disagrees_is_told(lab, twin):
    result, other = twin
    lab.store.add_check(other.record, check_of(other, agrees=False, disagreements=9))
    assert recompute(result, lab).agrees is False
    assert result.state == "stale"


def test_without_its_data_a_result_cannot_be_checked(lab, altered, monkeypatch):
    def missing(name):
        raise MissingDataError(f"{name}: not here\nThree ways to get it")

    result = altered(SGD)
    monkeypatch.setattr(data, "load", missing)
    outcome = recompute(result, lab)
    assert outcome.agrees is None
    assert str(outcome) == "cannot be checked: glyphs: not here"


# -- MNIST needs no MNIST -----------------------------------------------------------------------


@pytest.fixture
def mnist_result(lab):
    """A result on all of MNIST's test images, as its record would be; the model is untrained."""
    spec = replace(SGD, data=Data(name="mnist", train=None, test=None))
    model = models.build(spec.model.name, seed=3, **spec.model.settings)
    images = load("mnist_slice").test
    g = evaluate.logits(model, images.x)
    rest = 50  # of the 9000 images that the slice lacks
    arrays = {
        "history": np.array([0.1]),
        "log_odds_test": np.append(evaluate.log_odds(g, images.y).half().numpy(), np.zeros(rest)),
        "correct_test": np.append((g.argmax(1) == images.y).numpy(), np.zeros(rest, bool)),
    }
    arrays["log_odds_test"] = arrays["log_odds_test"].astype(np.float16)
    manifest = {
        "key": key_of(spec),
        "kind": "train",
        "spec": specs.plain(spec, labels=True),
        "upstream": {},
        "data": {"mnist": run.checksum_of("mnist")},
        "fingerprint": "older",
    }
    return Result(spec, lab.store.save("train", manifest, arrays, model.state_dict()))


def test_mnist_results_are_checked_on_the_slice(lab, mnist_result):
    assert mnist_result.state == "stale"
    outcome = recompute(mnist_result, lab)
    assert (outcome.agrees, outcome.n) == (True, 1000)
    assert "from the kept weights; not the training: mnist: not in" in outcome.method
    assert mnist_result.state == "verified"
    assert verify_all(lab.store) == []


def test_attacks_on_mnist_are_checked_on_the_slice(lab, mnist_result):
    whole = Data(name="mnist", train=None, test=None)
    spec = replace(FGSM, train=mnist_result.spec, data=whole)
    sliced = replace(spec, data=Data(name="mnist_slice", train=None, test=1000))
    arrays = lab.get(sliced).arrays
    manifest = mnist_result.manifest | {
        "key": key_of(spec),
        "kind": "fgsm",
        "spec": specs.plain(spec, labels=True),
        "upstream": {"train": mnist_result.key},
    }
    result = Result(spec, lab.store.save("fgsm", manifest, arrays))
    outcome = recompute(result, lab, images=50)
    assert (outcome.agrees, outcome.n) == (True, 50)
