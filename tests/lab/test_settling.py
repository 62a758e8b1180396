"""Which reading the runs on the selection seed settle, for each data set."""

import numpy as np
import pytest

from privrob.lab import cifar, registry, run, settling, trainings
from privrob.lab import spec as specs
from privrob.lab.store import Store

N = 1000


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "records")


def fill(store: Store, experiment: str, accuracies: dict) -> None:
    """A record for each run of the candidates named: (candidate, model) -> percent right."""
    for v in registry.experiment(experiment).variants("paper"):
        percent = accuracies.get((v.note, v.model))
        if percent is not None and not store.find(specs.kind(v.spec), run.key_of(v.spec)):
            manifest = {
                "key": run.key_of(v.spec),
                "kind": specs.kind(v.spec),
                "spec": specs.plain(v.spec, labels=True),
                "fingerprint": run.fingerprint_of(v.spec),
                "seconds": 60.0,
            }
            right = np.arange(N) < percent * N / 100
            store.save(manifest["kind"], manifest, {"correct_test": right})


def test_the_reading_is_settled_by_the_runs_of_the_selection_seed(store):
    names = [*trainings.CANDIDATES]
    wrong = {(n, "dpsgd"): 92.8 for n in names if n != trainings.MATCHED}
    good = {(n, "sgd"): 99.1 for n in names} | {(trainings.MATCHED, "dpsgd"): 96.2}
    fill(store, "tursynbek2020/readings", wrong | good)
    found = settling.settlement(settling.mnist(), store)
    assert (found.choice, found.open, found.disagreement) == (trainings.MATCHED, [], "")
    assert found.candidates[0].accuracies == pytest.approx({"sgd": 99.1, "dpsgd": 92.8})


def test_the_targets_are_the_printed_accuracies():
    targets = settling.mnist().targets
    assert {m: t.published for m, t in targets.items()} == {"sgd": 99.14, "dpsgd": 96.53}
    targets = settling.cifar10().targets
    assert {m: t.published for m, t in targets.items()} == pytest.approx(
        {"sgd": 81.3, "dpsgd": 70.1}
    )


def test_a_record_that_two_candidates_share_counts_for_both(store):
    first, second, third = [*cifar.CANDIDATES][:3]
    fill(store, "tursynbek2020/cifar-readings", {(first, "sgd"): 81.0, (second, "dpsgd"): 70.5})
    found = {c.name: c for c in settling.settlement(settling.cifar10(), store).candidates}
    assert found[third].status == "reaches"  # the SGD model of one, the DP-SGD model of the other
    assert found[first].accuracies == {"sgd": 81.0}
    assert found[first].status == "open"


def test_the_page_says_what_was_to_be_reached_and_what_was_not_run(monkeypatch, store):
    monkeypatch.setattr(settling, "open_store", lambda profile: store)
    text = settling.settlements()
    assert "### CIFAR-10\n\nTo be reached by SGD and DP-SGD, percent: 81.3 ± 1, 70.1 ± 1." in text
    assert text.count("not run") >= 2 * (len(trainings.CANDIDATES) + len(cifar.CANDIDATES))
    assert "Provisional: not run, or not whole" in text
