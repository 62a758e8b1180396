"""The resolver: keys, states, resuming, budgets, and two processes at one store."""

import multiprocessing
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from specimens import DPSGD, FGSM, PGD, SGD, load, same, stub

from privrob import data, evaluate
from privrob.lab import run, tasks
from privrob.lab.run import DivergedError, Lab, graph, key_of, open_store
from privrob.lab.spec import Data
from privrob.lab.store import Store, StoreError, WeightsError


@pytest.fixture(autouse=True)
def _cached_data(monkeypatch):
    monkeypatch.setattr(data, "load", load)


@pytest.fixture
def lab(tmp_path):
    return Lab(Store(tmp_path / "store"), on="cpu")


@pytest.fixture
def stubs(monkeypatch):
    """Stand-ins for all tasks; the list of specs that they computed."""
    computed = []

    def counting(spec, upstream, context):
        computed.append(spec)
        return stub(spec, upstream, context)

    for kind in tasks.TASKS:
        monkeypatch.setitem(tasks.TASKS, kind, counting)
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "code of today")
    return computed


# -- keys ---------------------------------------------------------------------------------------


def test_labels_do_not_change_a_key_anywhere():
    named = replace(SGD, reading="matched", scale="paper")
    assert key_of(named) == key_of(SGD)
    assert key_of(replace(FGSM, train=named)) == key_of(FGSM)


def test_keys_move_with_upstream_and_data(monkeypatch):
    keys = {key_of(FGSM), key_of(replace(FGSM, train=DPSGD)), key_of(PGD), key_of(SGD)}
    assert len(keys) == 4
    monkeypatch.setattr(run, "checksum_of", lambda name: "another")
    assert key_of(FGSM) not in keys


def test_the_graph_has_upstream_first_and_each_once():
    assert graph([FGSM, PGD, SGD]) == [SGD, FGSM, PGD]


# -- computing ----------------------------------------------------------------------------------


def test_a_result_is_computed_once_and_kept(lab, stubs):
    first = lab.get(FGSM)
    assert stubs == [SGD, FGSM]
    assert lab.get(FGSM).key == first.key
    assert stubs == [SGD, FGSM]
    assert first.manifest["upstream"] == {"train": key_of(SGD)}
    assert first.manifest["spec"]["eps"] == [0.0, 0.05, 0.1]
    assert {"fingerprint", "commit", "versions", "device", "seconds", "created"} <= set(
        first.manifest
    )


def test_a_present_result_needs_nothing_of_what_it_came_from(lab, stubs):
    found = lab.get(FGSM)
    train = lab.lookup(SGD)
    for path in train.record.folder.iterdir():
        path.unlink()
    train.record.folder.rmdir()
    stubs.clear()
    assert lab.get(FGSM).key == found.key
    assert stubs == []
    assert [(s.spec, s.state) for s in lab.plan([FGSM])] == [(FGSM, "fresh")]
    assert [s.spec for s in lab.plan([FGSM, PGD])] == [SGD, FGSM, PGD]


def test_a_listener_hears_of_each_unit_from_the_start(tmp_path, stubs):
    heard = []
    lab = Lab(Store(tmp_path), on="cpu", listener=lambda *event: heard.append(event))
    lab.get(SGD)
    assert heard == [(SGD, 0, 1), (SGD, 1, 1)]


def test_missing_weights_are_explained(lab, stubs):
    record = lab.get(SGD).record
    (record.folder / "weights.safetensors").unlink()
    with pytest.raises(StoreError, match="its weights are not kept here.*delete the folder"):
        lab.get(FGSM)


def test_missing_weights_stop_nothing_else(lab, stubs):
    other = replace(SGD, seed=SGD.seed + 1)
    record = lab.get(SGD).record
    (record.folder / "weights.safetensors").unlink()
    stubs.clear()
    results = lab.run([FGSM, replace(FGSM, train=other)])
    assert [next(results).spec, next(results).spec] == [other, replace(FGSM, train=other)]
    with pytest.raises(WeightsError, match=f"^{record.folder}: its weights are not kept here"):
        next(results)
    assert stubs == [other, replace(FGSM, train=other)]


@pytest.mark.parametrize(("number", "word"), [(torch.nan, "NaN"), (torch.inf, "infinity")])
def test_a_model_that_diverges_stops_nothing_else(lab, stubs, monkeypatch, number, word):
    other, train = replace(SGD, seed=SGD.seed + 1), tasks.TASKS["train"]

    def diverging(spec, upstream, context):
        if spec == SGD:
            evaluate.check_logits(torch.full((10, 2), number), examples=10)
        return train(spec, upstream, context)

    monkeypatch.setitem(tasks.TASKS, "train", diverging)
    results = lab.run([FGSM, replace(FGSM, train=other)])
    assert [next(results).spec, next(results).spec] == [other, replace(FGSM, train=other)]
    with pytest.raises(DivergedError, match=f"{word} for 10 of 10 images; nothing is recorded$"):
        next(results)
    assert not lab.has(SGD)
    assert (lab.diverged(FGSM), lab.diverged(other)) == (lab.diverged(SGD), None)


def diverging(spec, upstream, context):
    context.progress(3, 7)
    evaluate.check_logits(torch.full((10, 2), torch.nan), examples=10)


def test_what_diverged_is_known_and_not_tried_again(lab, stubs, monkeypatch):
    monkeypatch.setitem(tasks.TASKS, "train", diverging)
    with pytest.raises(DivergedError, match="^train SGD .* NaN for 10 of 10 images"):
        lab.get(FGSM)
    monkeypatch.setitem(tasks.TASKS, "train", stub)
    assert [(s.state, s.minutes) for s in lab.plan([FGSM])] == [("diverged", 0.0)] * 2
    assert list(lab.run([FGSM])) == stubs == []
    with pytest.raises(DivergedError, match=r"diverged on \d{4}-.* NaN for 10 of 10 images"):
        lab.get(FGSM)
    kept = lab.diverged(SGD)
    assert (kept["done"], kept["spec"]["seed"]) == (3, SGD.seed)
    assert {"commit", "device", "seconds", "created", "fingerprint"} <= set(kept)


def test_what_diverged_after_a_stop_says_when(lab, stubs, monkeypatch):
    def stopping(spec, upstream, context):
        context.checkpoint(5, {"w": torch.zeros(1)}, [])
        raise KeyboardInterrupt

    def resumed(spec, upstream, context):
        assert context.restore()[0] == 5
        evaluate.check_logits(torch.full((10, 2), torch.nan), examples=10)

    monkeypatch.setitem(tasks.TASKS, "train", stopping)
    with pytest.raises(KeyboardInterrupt):
        lab.get(SGD)
    monkeypatch.setitem(tasks.TASKS, "train", resumed)
    with pytest.raises(DivergedError):
        lab.get(SGD)
    assert lab.diverged(SGD)["done"] == 5


def test_what_diverged_is_tried_again_by_other_code(lab, stubs, monkeypatch):
    monkeypatch.setitem(tasks.TASKS, "train", diverging)
    with pytest.raises(DivergedError):
        lab.get(SGD)
    monkeypatch.setitem(tasks.TASKS, "train", stub)
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "code of tomorrow")
    assert [s.state for s in lab.plan([FGSM])] == ["missing", "missing"]
    assert lab.get(SGD).state == "fresh"


def test_an_unwritable_store_fails_before_any_work(tmp_path, stubs):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        Lab(Store(tmp_path / "file"), on="cpu").get(SGD)
    assert stubs == []


@pytest.mark.parametrize(
    ("name", "advice"),
    [("glyphs", "pip install -c constraints.txt"), ("mnist", "put the published file in place of")],
)
def test_other_contents_of_a_data_set_are_refused_and_say_what_to_do(
    lab, monkeypatch, name, advice
):
    black = data.Split(torch.zeros(9, 1, 28, 28).byte(), torch.zeros(9).long())
    other = data.Dataset(name, {"train": black, "test": black}, 10)
    monkeypatch.setattr(data, "load", lambda asked: other)
    spec = replace(SGD, data=Data(name=name, train=9, test=9))
    with pytest.raises(ValueError, match=f"{name}: these contents .unknown. are not .*{advice}"):
        lab.get(spec)
    assert lab.store.manifests() == []


def test_a_task_that_fails_leaves_no_record(lab, monkeypatch):
    def fails(spec, upstream, context):
        raise ValueError("model returned NaN for 3 of 100 images")

    monkeypatch.setitem(tasks.TASKS, "train", fails)
    with pytest.raises(ValueError, match="NaN"):
        lab.get(SGD)
    assert lab.store.manifests() == []


def test_the_quick_store_also_reads_the_records(monkeypatch, tmp_path, stubs):
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path / "records"))
    monkeypatch.setenv("PRIVROB_STORE", str(tmp_path / "quick"))
    Lab(open_store("paper"), on="cpu").get(SGD)
    stubs.clear()
    Lab(open_store("quick"), on="cpu").get(FGSM)
    assert stubs == [FGSM]
    assert len(list((tmp_path / "quick").glob("*/*/manifest.json"))) == 1
    with pytest.raises(ValueError, match="did you mean 'quick'"):
        open_store("quik")


# -- real training, interrupted -----------------------------------------------------------------


class Stop(Exception):
    pass


def stop_after(epochs):
    def listener(spec, done, total):
        if done == epochs:
            raise Stop

    return listener


@pytest.mark.parametrize("spec", [SGD, DPSGD], ids=["sgd", "dpsgd"])
@pytest.mark.parametrize("damage", [False, True], ids=["resumed", "from a damaged checkpoint"])
def test_a_resumed_training_equals_an_unbroken_one_bit_for_bit(tmp_path, spec, damage):
    unbroken = Lab(Store(tmp_path / "a"), on="cpu")
    expected = unbroken.get(spec)
    store, heard = Store(tmp_path / "b"), []
    with pytest.raises(Stop):
        Lab(store, on="cpu", listener=stop_after(2)).get(spec)
    assert store.manifests() == []
    if damage:
        path = store._partial(key_of(spec))
        path.write_bytes(path.read_bytes()[:1000])
    resumed = Lab(store, on="cpu", listener=lambda s, done, total: heard.append(done))
    result = resumed.get(spec)
    assert heard == ([0, 1, 2, 3] if damage else [0, 3])
    assert same(result.arrays, expected.arrays)
    a, b = (s.weights(r.record) for s, r in ((store, result), (unbroken.store, expected)))
    assert all(np.array_equal(a[name], b[name]) for name in b)
    assert store.restore(key_of(spec)) is None


def test_a_checkpoint_of_other_code_is_not_continued(tmp_path, monkeypatch):
    store, heard = Store(tmp_path), []
    with pytest.raises(Stop):
        Lab(store, on="cpu", listener=stop_after(1)).get(SGD)
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "changed")
    Lab(store, on="cpu", listener=lambda s, done, total: heard.append(done)).get(SGD)
    assert heard == [0, 1, 2, 3]


def test_a_task_that_is_killed_while_saving_starts_from_its_last_epoch(tmp_path, monkeypatch):
    store = Store(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "save", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            Lab(store, on="cpu").get(SGD)
    heard = []
    Lab(store, on="cpu", listener=lambda s, done, total: heard.append(done)).get(SGD)
    assert heard == [0]  # all three epochs were there; only the scores were computed again


# -- states -------------------------------------------------------------------------------------


def test_fresh_stale_verified(lab, stubs, monkeypatch):
    record = lab.get(SGD).record
    now = run.fingerprint_of(SGD)
    assert run.state_of(record) == "fresh"
    lab.store.add_check(record, {"fingerprint": now, "agrees": False})
    assert run.state_of(record) == "stale"
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "later")
    assert run.state_of(record) == "stale"
    lab.store.add_check(record, {"fingerprint": "later", "agrees": True})
    assert run.state_of(record) == "verified"
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "later still")
    assert run.state_of(record) == "stale"


def test_a_plan_says_what_is_there_and_what_is_not(lab, stubs):
    lab.get(SGD)
    steps = lab.plan([FGSM])
    assert [(s.spec, s.state) for s in steps] == [(SGD, "fresh"), (FGSM, "missing")]
    assert steps[1].minutes > 0


# -- budgets and other processes ----------------------------------------------------------------


def test_a_budget_stops_between_units(lab, stubs, monkeypatch):
    monkeypatch.setattr(run.time, "monotonic", lambda: 60.0 * len(stubs))  # a minute a unit
    wanted = [replace(SGD, seed=seed) for seed in range(5)]
    assert len(list(lab.run(wanted, budget_minutes=0))) == 0
    assert len(list(lab.run(wanted, budget_minutes=1.5))) == 2
    assert len(list(lab.run(wanted, budget_minutes=100))) == 3


def test_what_another_process_computes_is_left_to_it(lab, stubs):
    with lab.store.claim(key_of(SGD)):
        started = time.monotonic()
        done = lab.run([SGD, DPSGD], budget_minutes=1 / 60)
        assert [result.spec for result in done] == [DPSGD]
        assert time.monotonic() - started < 10
    assert [result.spec for result in lab.run([SGD])] == [SGD]


def work(folder, log):
    """What each of two processes does: the same five units, each noted when it is computed."""

    def noted(spec, upstream, context):
        with log.open("a") as file:
            file.write(f"{key_of(spec)}\n")
        time.sleep(0.1)
        return stub(spec, upstream, context)

    run.fingerprint_of = lambda spec: "code of today"
    for kind in tasks.TASKS:
        tasks.TASKS[kind] = noted
    lab = Lab(Store(folder), on="cpu")
    for spec in [*(replace(SGD, seed=seed) for seed in range(3)), FGSM, PGD]:
        lab.get(spec)


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="needs fork, to start fast"
)
def test_two_processes_share_a_store(tmp_path):
    log = tmp_path / "log"
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=work, args=(tmp_path / "store", log)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    computed = log.read_text().split()
    assert len(computed) == len(set(computed)) == 5
    assert len(list(Store(tmp_path / "store").records())) == 5
