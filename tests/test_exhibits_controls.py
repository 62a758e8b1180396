"""The grid of clipping by noise: what a cell says and what follows, on made-up records."""

import numpy as np
import pytest

from privrob import exhibits, plot
from privrob.exhibits import answers, attacked, controls
from privrob.lab import questions, registry, run
from record_specimens import keep_diverged, manifest

IMAGES = 400
EPS = np.array(questions.FGSM_EPS)
STEADY = np.linspace(0.8, 0.96, 50)
SUDDEN = np.where(np.arange(50) == 32, 0.85, STEADY)
JUMPING = 0.7 + 0.03 * (-1.0) ** np.arange(50)  # six points down in every other epoch


@pytest.fixture
def records(tmp_path, monkeypatch):
    """Empty records and an empty quick store."""
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path / "records"))
    monkeypatch.setenv("PRIVROB_STORE", str(tmp_path / "store"))
    return run.open_store("paper")


def fgsm(clean: float, last: float) -> dict:
    """Accuracy falls in a line from `clean` at eps 0 to `last` at the largest, percent."""
    shares = np.interp(EPS, [0, EPS[-1]], [clean, last]) / 100
    correct = np.arange(IMAGES) < shares[:, None] * IMAGES
    flat = np.arange(IMAGES) < IMAGES / 4
    return {"eps": EPS, "correct": correct, "correct_unclipped": correct, "zero_gradient": flat}


def fill(store, cells, *, histories=None, seeds=(0,)):
    """FGSM records of cells by note, (clean, last), and histories of their trainings."""
    for v in registry.experiment(controls.NAME).variants("paper"):
        ends = (99, 20) if v.model == "sgd" else cells.get(v.note)
        if v.seed not in seeds or ends is None:
            continue
        store.save("fgsm", manifest(v.spec, "fgsm"), fgsm(*ends))
        if v.model == "dpsgd":
            history = (histories or {}).get(v.note, STEADY)
            store.save("train", manifest(v.train, "train"), {"history": history})


def groups():
    return exhibits.gather(controls.NAME, zoo=False)


def rows():
    return {(r["clipping"], r["noise on\nthe sum"]): r for r in controls.grid(groups())}


@pytest.mark.parametrize(
    ("history", "epoch"),
    [(STEADY, None), (SUDDEN, 33), (JUMPING, None), (np.where(SUDDEN == 0.85, 0.87, SUDDEN), None)],
)
def test_a_collapse_is_one_epoch_that_loses_far_more_than_others_move(history, epoch):
    assert controls.collapse(history) == epoch


def test_the_worst_epoch_is_told_of_every_training():
    assert controls.largest_fall(STEADY) == 0
    assert controls.largest_fall(JUMPING) == pytest.approx(6)


def test_a_cell_has_its_n_its_interval_and_what_went_wrong(records):
    fill(records, {"C 1, noise 1.3": (96, 20)}, seeds=(0, 1, 2))
    others = {"C 1, noise 0": (96, 20), "no clipping, noise 0": (98, 10), "C 10, noise 0": (9, 9)}
    fill(records, others, histories={"no clipping, noise 0": SUDDEN})
    found = rows()
    several, one = found["C = 1", "1.3"], found["C = 1", "0"]
    assert (several["n"], several["clean"].n, one["n"]) == (3, 3, 1)
    assert one["clean"].low < 96 < one["clean"].high
    assert found["none", "0"][controls.FLAG] == "collapsed in epoch 33"
    assert found["C = 10", "0"][controls.FLAG] == "at chance"
    assert one[controls.FLAG] == ""


def test_what_is_not_there_says_why(records):
    keep_diverged(records, "no clipping, noise 13")
    found = rows()
    assert len(found) == len(registry.GRID)
    assert found["none", "13"]["clean"] == "diverges"
    assert "not finite in epoch 11" in found["none", "13"][controls.FLAG]
    missing = [r for r in found.values() if r["clean"] == "not attempted"]
    assert len(missing) == len(found) - 1
    assert all("a seed" in r[controls.FLAG] for r in missing)


NOISY = {"C 1, noise 13": (70, 70), "C 10, noise 13": (85, 85)}
QUIET = {"C 1, noise 0": (96, 20), "C 10, noise 0": (99, 20), "C 10, noise 1.3": (99, 20)}


def test_the_noise_makes_the_plateau_where_it_tells_the_cells_apart(records):
    cells = NOISY | QUIET | {"no clipping, noise 0": (98, 10)}
    fill(records, cells, histories={"no clipping, noise 0": SUDDEN})
    keep_diverged(records, "no clipping, noise 13")
    told = controls.plateau_told(groups()).text
    assert "a plateau is in C 1, noise 13; C 10, noise 13; none is in" in told
    left_out = "no clipping, noise 0; no clipping, noise 13 (diverged)."
    assert f"Not counted, for what the table says of it: {left_out}" in told
    assert "So it is the noise that makes it" in told
    assert "every cell with the large noise that trained, and is counted, has one" in told
    assert "leaves 70.0 % and 85.0 %" in told
    assert "exactly zero for 25.0 % and 25.0 %" in told


def test_a_plateau_without_noise_is_not_put_down_to_noise(records):
    fill(records, QUIET | {"C 1, noise 13": (70, 20), "C 10, noise 13": (85, 85)})
    told = controls.plateau_told(groups()).text
    assert "the noise alone does not tell" in told
    assert "diverged" not in told


def test_the_alt_text_of_the_grid_has_each_curve_of_each_panel(records):
    fill(records, {"C 1, noise 0": (96, 20), "C 1, noise 13": (70, 65), "C 10, noise 0": (99, 10)})
    told = controls.grid_alt(controls.grid_curves(groups()))
    assert "clipping at C = 1: noise 0 96.0 and 20.0; noise 13 70.0 and 65.0. " in told
    assert told.endswith("clipping at C = 10: noise 0 99.0 and 10.0.")


def test_two_panels_are_told_by_their_ends_each_on_its_own_grid():
    def curve(label, eps, mean):
        return plot.Curve(eps, mean, mean, mean, label=label, tier="recorded")

    above = [curve("SGD", [0, 0.1, 0.2], [99, 80, 9]), curve("DP-SGD", [0, 0.1], [97, 60])]
    told = attacked.alt(above, [curve("recorded", [0, 0.05, 0.12], [2, 5, 20])], eps=0.1)
    assert "at ε = 0.1, percent: SGD 99.0 and 80.0; DP-SGD 97.0 and 60.0." in told
    assert told.endswith("points: recorded 2.0 and 20.0.")


def test_the_alt_texts_on_answers_have_what_is_drawn():
    gaps = [{"evidence": "quick", "digit": k, "gap": k / 2} for k in (0, 8)]
    twice = [*gaps, *gaps]  # in the panels of both readings
    assert answers.gaps_alt(twice).endswith("points. quick: 0.0 at 0, 4.0 at 8.")
    of = {"evidence": "recorded, literal"}
    drawn = [
        of | {"model": m, "confidence": 50.2, "right": r} for m, r in (("SGD", 61), ("DP-SGD", 44))
    ]
    told = answers.reliability_alt(drawn)
    assert told.endswith(
        "recorded, literal, SGD: 61 right at 50. recorded, literal, DP-SGD: 44 right at 50."
    )


def test_too_few_cells_tell_nothing(records):
    fill(records, QUIET)
    assert "Too few cells" in controls.plateau_told(groups()).text
