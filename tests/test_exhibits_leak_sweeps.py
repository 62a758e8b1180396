"""Sweeps of leaks on scores made up here; what was not run, from the registry alone."""

from types import SimpleNamespace

import pytest

from leak_specimens import drawn, leak
from privrob import exhibits, zoo
from privrob.exhibits import leak_sweeps
from privrob.lab import registry, song_digits
from privrob.lab.run import key_of


def test_a_gap_is_in_points_with_its_interval():
    found = exhibits.gap(leak([1] * 9 + [-1], [1] * 4 + [-1] * 6), "adversarial")
    assert found.value == pytest.approx(50)
    assert 0 < found.low < 50 < found.high < 100
    assert (found.tier, found.source) == ("executed", "quick")


def test_an_audited_value_has_its_twin_and_its_band():
    model = drawn(0)
    found, a = exhibits.audited(model, "benign"), model.audit("benign", score="log_odds")
    assert found.value == 100 * a.held_out.accuracy
    assert (found.low, found.high) == (100 * a.interval.low, 100 * a.interval.high)
    assert (found.chosen, found.chance) == (100 * a.official.accuracy, 100 * a.null.high)


def test_a_sweep_shows_every_model_under_its_tier():
    shown = [drawn(0, note="eps 2/255"), drawn(1, note="eps 4/255", tier="recorded", source="")]
    figure = exhibits.show_leak_sweep("song2019/budget", shown, title="leak over the radius.")
    assert figure.text.startswith("Executed (quick) and recorded: leak over the radius.")
    for name in ("I_B: PGD, eps 2/255", "I_A: PGD, eps 2/255", "adversarial gap: PGD, eps 2/255"):
        assert name in figure.text
    assert "privrob run song2019/budget" in figure.text


def test_a_model_of_several_sweeps_has_one_row():
    twice = [drawn(0, note="eps 8/255", key="k"), drawn(0, note="width x 1", key="k"), drawn(1)]
    rows = exhibits.accuracy_rows(twice)
    assert [row["model"] for row in rows] == ["PGD, eps 8/255", "PGD"]
    assert [row["members"] for row in rows] == [90, 90]
    members, others = twice[2].accuracy("benign")
    assert rows[1]["members,\nbenign"].mean == members
    assert rows[1]["others,\nbenign"].mean == others


def test_quick_leaks_are_the_small_models_whatever_else_was_computed():
    rows = [
        SimpleNamespace(variant=SimpleNamespace(train=SimpleNamespace(scale=scale)))
        for scale in ("paper", "reduced")
    ]
    assert [(m.row, m.source) for m in exhibits.quick_leaks(rows)] == [(rows[1], "quick")]


def test_the_sentence_names_those_above_their_band():
    loud, silent = drawn(0, shift=3, note="loud"), drawn(1, shift=0, note="silent")
    assert silent.audit("benign", score="log_odds").above_chance is False
    also = drawn(2, shift=3, note="also")
    told = exhibits.told([loud, silent, also, loud], "benign").text
    assert told == "Executed (quick): I_B lies above its band for 2 of 3: PGD, loud; PGD, also."
    kept = drawn(3, shift=3, note="kept", tier="recorded", source="")
    both = exhibits.told([kept, loud, silent], "benign").text
    assert both == (
        "Recorded: I_B lies above its band for 1 of 1: PGD, kept. "
        "Executed (quick): I_B lies above its band for 1 of 2: PGD, loud."
    )
    none = exhibits.told([silent], "benign").text
    assert none == "Executed (quick): I_B lies above its band for 0 of 1."


def test_a_caption_names_every_tier_once():
    quick, kept = drawn(0), drawn(1, tier="recorded", source="")
    assert exhibits.leak_lead([quick]) == "Executed (quick)"
    assert exhibits.leak_lead([kept, quick]) == "Recorded and executed (quick)"
    found = exhibits.leak_lead([kept, quick, kept], derived=True)
    assert found == "Recorded, executed (quick) and derived"


def test_what_was_not_run_has_its_hours(tmp_path, monkeypatch):
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path))
    wanted = registry.experiment("song2019/budget").variants("paper")
    (row,) = exhibits.not_attempted("song2019/budget")
    assert row["settings"] * row["seeds"] == row["models lacking"] == len(wanted)
    assert row["state"].startswith("not attempted: about ")
    assert exhibits.lacking_caption().endswith("take, an estimate.")  # nothing was timed


def test_estimates_stand_beside_what_was_timed(monkeypatch):
    monkeypatch.setattr(leak_sweeps, "overruns", lambda names: [0.75, 4.0, 2.0])
    assert "took 0.8 to 4.0 times its estimate" in exhibits.lacking_caption()


def test_the_settings_of_quick_are_told_apart():
    lines = exhibits.quick_differences("song2019/budget").text.splitlines()
    assert "setting train.training.updates; paper 20001; quick 400" in lines
    assert not any("weight_decay" in line for line in lines)  # the same in both


def test_recorded_models_without_weights_are_named(monkeypatch):
    made = [leak([1.0], [0.0], model=m, tier="recorded", source="") for m in ("pgd", "abs")]
    for one in made:
        one.row.variant.train = song_digits.digits(one.model, seed=0)
    kept = SimpleNamespace(key=key_of(made[0].row.variant.train))
    monkeypatch.setattr(zoo, "entries", lambda: [kept])
    assert "without weights in the zoo: abstract." in repr(exhibits.weightless(made))
    assert "weights of every model" in repr(exhibits.weightless(made[:1]))


def test_scores_that_a_model_has_not_are_named():
    with pytest.raises(ValueError, match="PGD has no scores of verified inputs"):
        leak([1.0, 2.0], [0.0, 1.0]).audit("verified", score="log_odds")
