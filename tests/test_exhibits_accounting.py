"""Tables and curves of the page on budgets against the accountants and published values."""

from math import log

import numpy as np
import pytest

from privrob import exhibits, privacy
from privrob.exhibits import accounting
from privrob.exhibits.accounting import Sweep, Training

MNIST = Training(1.3, 256 / 60000, 11750)


def test_the_settings_come_from_the_ledger():
    assert exhibits.paper_training("mnist") == (MNIST, 1e-6)
    assert exhibits.paper_training("cifar10") == (Training(1.0, 200 / 50000, 50000), 1e-5)


def test_every_private_training_of_the_book_has_its_line():
    found = accounting.trainings()
    assert "base" in found[MNIST]
    assert "large-clip" in found[MNIST]  # C does not enter a budget
    control = Training(1.3, 256 / 55000, 215 * 50)
    assert any("control" in name for name in found[control])
    clipping_alone = {t.noise_multiplier for t, names in found.items() if "clip-alone" in names}
    assert 13.0 in clipping_alone
    noises = [t.noise_multiplier for t in found]
    assert noises == sorted(noises, reverse=True)


def test_a_line_says_how_eq1_is_off():
    low, high = (accounting._budget_row(Training(s, *_rest()), ["x"]) for s in (0.7, 3.0))
    at = "δ = 1e\N{NON-BREAKING HYPHEN}5"
    for row, sigma in ((low, 0.7), (high, 3.0)):
        eq1 = privacy.epsilon(**_run(sigma), delta=1e-5, accountant="eq1")
        assert row[f"Eq. (1), no bound,\n{at}"].mean == eq1
        assert row[f"RDP,\n{at}"].mean > row[f"PRV,\n{at}"].mean
    assert low[accounting._OFF].startswith("overstates by 0.9")
    tight = accounting._budget_row(Training(0.3, *_rest()), ["x"])
    assert tight[f"PRV,\n{at}"] is None
    assert tight[accounting._OFF].startswith("understates by")


def test_without_noise_there_is_no_budget():
    row = accounting._budget_row(Training(0.0, *_rest()), ["grid"])
    assert row[accounting._OFF] == "no noise, so no budget"


def _rest() -> tuple[float, int]:
    return MNIST.sample_rate, MNIST.updates


def _run(sigma: float) -> dict:
    return {"noise_multiplier": sigma, "sample_rate": _rest()[0], "updates": _rest()[1]}


def test_a_crossing_lies_where_two_lines_meet():
    noise = [0.5, 1.0, 2.0, 4.0]
    # On logarithmic axes eq1 falls with slope 1 and prv with slope 2; they meet at 1.5.
    budgets = {"eq1": [4 / s for s in noise], "prv": [6 / s**2 for s in noise]}
    found = Sweep(MNIST, 1e-5, noise, budgets | {"rdp": budgets["prv"]})
    assert found.crossing == pytest.approx(1.5)
    never = Sweep(MNIST, 1e-5, noise, budgets | {"prv": [9 / s for s in noise]})
    with pytest.raises(ValueError, match="crosses PRV 0 times"):
        _ = never.crossing


def test_eq1_misleads_on_both_sides_of_the_crossing():
    found = exhibits.sweep("cifar10", noise=[0.9, 1.0, 1.3, 1.8])
    assert 1.0 < found.crossing < 1.3
    t, at = found.training, found.rdp_crossing
    both = [
        Training(at, t.sample_rate, t.updates).epsilon(delta=found.delta, accountant=a)
        for a in ("rdp", "eq1")
    ]
    assert log(both[0] / both[1]) == pytest.approx(0, abs=5e-3)
    told = exhibits.sweep_told("CIFAR-10", found)
    assert "At the paper's 1 it understates it" in told
    curves = exhibits.sweep_curves(found)
    assert [c.model for c in curves] == ["eq1", "rdp", "prv"]
    assert all(np.diff(c.mean).max() < 0 and c.tier == "derived" for c in curves)


def test_one_release_is_cheap_in_a_small_batch():
    whole, batch, training = (row["RDP"].mean for row in exhibits.ladder())
    assert batch < training < whole


def test_every_adjacency_names_its_sampler_and_accountant():
    rows = exhibits.other_adjacencies()
    assert len(rows) == 5
    for row in rows:
        assert row["neighbours differ in"]
        assert row["sampler"]
        assert row["accountant"] in ("PLD", "RDP")
    largest = max(rows, key=lambda row: row["ε"].mean)
    assert "upper bound" in largest["what it says"]
    assert "dp-accounting" in exhibits.adjacencies_told()
