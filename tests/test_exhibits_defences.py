"""song2019's defences as tables: the stored outputs, the departures, how loose bounds are."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from privrob import models
from privrob.exhibits import defences, looseness
from privrob.exhibits.leaks import Leak
from privrob.lab import song2019, song_deviations


def test_every_model_has_its_stored_outputs():
    assert set(defences.LEDGER) == set(song2019.NAMES)
    assert defences.stored("ibp", "infer-adversarial") == pytest.approx(66.2777)
    assert defences.stored("abs", "train") == pytest.approx(99.2632)


def test_verifiers_are_told_for_both_profiles():
    rows = {row["training"]: row for row in defences.verifiers("song2019/verifiable")}
    assert rows["duality"]["verifier, digits"] == "dual"
    assert rows["duality"]["verifier, yale faces"] == "crown-interval"
    assert rows["natural"]["verifier, digits"] == "none"


def leak() -> Leak:
    """A recorded PGD model: two members are right under the attack alone, one is wrong under it."""
    rng, arrays = np.random.default_rng(0), {}
    for part, size in (("train", 200), ("test", 100)):
        odds = rng.normal(15, 5, size).astype(np.float32)
        arrays[f"labels_{part}"] = np.arange(size) % 3
        for kind in ("benign", "adversarial"):
            arrays[f"log_odds_{kind}_{part}"] = odds
            arrays[f"confidence_{kind}_{part}"] = 1 / (1 + np.exp(-odds))
            arrays[f"correct_{kind}_{part}"] = np.arange(size) < size - 2
    arrays["correct_adversarial_train"] = np.arange(200) > 0
    train = SimpleNamespace(data=SimpleNamespace(name="yale_faces"))
    variant = SimpleNamespace(model="pgd", note="", seed=0, train=train)
    return Leak(
        SimpleNamespace(variant=variant, result=SimpleNamespace(arrays=arrays)), "recorded", ""
    )


def test_what_the_attack_puts_right_is_counted():
    (row,) = defences.attacked([leak()])
    counted = {name.replace("\n", " "): value for name, value in row.items()}
    assert counted["members: right under PGD alone"] == 2
    assert counted["members: PGD above clean, points"].mean == pytest.approx(0.5)
    assert counted["others: right under PGD alone"] == 0
    assert counted["others: PGD above clean, points"].mean == 0


def test_beside_the_stored_outputs_stands_the_same_score_then_that_without_ties():
    rows = defences.inferences([leak()], kinds=("benign",))
    assert [r["score"] for r in rows] == ["confidence", "confidence", "log-odds"]
    assert rows[0]["I_B"].mean == pytest.approx(61.6869)
    assert rows[1]["I_B"].mean <= rows[2]["I_B"].mean
    assert rows[1]["I_B, 95 %\nof chance"].mean < rows[2]["I_B, 95 %\nof chance"].mean


def test_all_departures_are_shown():
    text = repr(defences.deviations())
    assert all(d.what in text and d.ours in text for d in song_deviations.DEVIATIONS)


@pytest.fixture
def small():
    model = models.build("digits_vgg", seed=0, width=0.5, hidden=(16, 8), normalize=False).eval()
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4, 1, 28, 28, generator=generator)
    return model, x, model(x).argmax(1)


def test_no_bound_is_below_what_an_attack_finds(small):
    margins = looseness.worst_margins(*small, eps=[0.005, 0.02])
    found = margins.pop("PGD")
    for bound in margins.values():
        assert all(b >= a - 1e-3 for a, b in zip(found, bound, strict=True))
        assert bound[0] <= bound[1]
    assert margins["dual"][1] < margins["intervals"][1]


def test_what_is_verified_survives_the_attack(small):
    model, x, y = small
    (row,) = looseness.cross_verified({"net": model}, x, y, eps=0.002)
    assert all(row[name].mean <= row["PGD"].mean for name in looseness.BOUNDS)
    assert row["dual"].mean > 0


def test_a_bound_that_verifies_what_an_attack_fools_is_an_error(small, monkeypatch):
    model, x, y = small
    monkeypatch.setattr(looseness, "_verified", lambda model, x, y, eps, how: y == y)
    with pytest.raises(ValueError, match="verified and wrong on adversarial"):
        looseness.cross_verified({"net": model}, x, y, eps=0.5)
