"""What notebooks ask for: computed once, and again only where the code has changed."""

import pytest
from specimens import stub

from privrob.lab import run, study, tasks, trainings


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """An empty quick store and records, and a list of the kinds that were computed."""
    monkeypatch.setenv("PRIVROB_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path / "records"))
    computed = []

    def task(spec, upstream, context):
        computed.append(type(spec).__name__)
        return stub(spec, upstream, context)

    monkeypatch.setattr(tasks, "TASKS", dict.fromkeys(tasks.TASKS, task))
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "today")
    return computed


def test_a_result_is_computed_once(calls):
    first = study.study("tursynbek2020/fgsm", profile="quick")
    again = study.study("tursynbek2020/fgsm", profile="quick")
    assert calls == ["Train", "Fgsm", "Train", "Fgsm"]
    assert [r.result.key for r in first] == [r.result.key for r in again]


def test_a_stale_quick_result_is_computed_again(calls, monkeypatch):
    study.study("tursynbek2020/base", profile="quick")
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "tomorrow")
    rows = study.study("tursynbek2020/base", profile="quick")
    assert calls == ["Train"] * 4
    assert {r.result.state for r in rows} == {"fresh"}


def new_training(spec):
    kind = spec["type"] if isinstance(spec, dict) else type(spec).__name__
    return f"{'new' * (kind == 'Train')}today"


def test_what_rests_on_a_stale_model_is_computed_again_too(calls, monkeypatch):
    study.study("tursynbek2020/fgsm", profile="quick")
    monkeypatch.setattr(run, "fingerprint_of", new_training)
    study.study("tursynbek2020/fgsm", profile="quick")
    assert calls == ["Train", "Fgsm"] * 4


def test_a_stale_record_is_not_touched(calls, monkeypatch):
    study.study("tursynbek2020/base", profile="paper", seed=0)
    count = len(calls)
    monkeypatch.setattr(run, "fingerprint_of", lambda spec: "tomorrow")
    rows = study.study("tursynbek2020/base", profile="paper", seed=0)
    assert len(calls) == count
    assert {r.result.state for r in rows} == {"stale"}


def test_what_was_timed_stands_over_its_estimate(calls, monkeypatch):
    assert study.overruns(["tursynbek2020/base"]) == []
    rows = study.study("tursynbek2020/base", profile="paper", seed=0, device="cpu")
    monkeypatch.setattr(study.costs, "minutes", lambda spec, images: 0.5)
    seconds = [row.result.manifest["seconds"] for row in rows]
    assert study.overruns(["tursynbek2020/base"]) == pytest.approx([s / 30 for s in seconds])


def test_pairs_are_of_one_seed_and_reading_and_only_whole_ones(calls):
    rows = study.study("tursynbek2020/base", profile="paper")
    found = dict(study.pairs(rows[:-1], reading="matched"))
    assert sorted(found) == list(trainings.MORE_SEEDS[:-1])
    for seed, (sgd, dpsgd) in found.items():
        assert (sgd.variant.model, dpsgd.variant.model) == ("sgd", "dpsgd")
        assert {sgd.variant.seed, dpsgd.variant.seed} == {seed}
