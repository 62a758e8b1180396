"""Countermeasures beside the model without, on scores made up here."""

import itertools

import numpy as np
import pytest

from leak_specimens import CLASSES, drawn, leak
from privrob import plot
from privrob.exhibits import countermeasures, temperatures
from privrob.exhibits.leaks import Leak
from privrob.lab import registry, song_countermeasures
from privrob.lab.study import Row
from privrob.membership import threshold


def before_and_after(shift, *, note="min-max", **about):
    """The same points without a countermeasure, where members stand out by 1.5, and with one."""
    rng = np.random.default_rng(7)
    members, others = rng.normal(0, 1, 200), rng.normal(0, 1, 150)
    return (
        leak(members + 1.5, others, **about),
        leak(members + shift, others, note=note, **about),
    )


# -- temperatures -------------------------------------------------------------------------------


def with_logits(seed):
    model = drawn(seed)
    rng = np.random.default_rng(seed)
    for side in ("train", "test"):
        n = len(model.arrays[f"labels_{side}"])
        g = 4 * rng.normal(size=(n, CLASSES))
        model.arrays[f"logits_benign_{side}"] = g.astype(np.float16)
    return model


def test_scores_at_a_temperature_are_those_of_the_kept_logits():
    model = with_logits(0)
    found = temperatures.at_temperature(model, "benign", score="confidence", temperature=3.0)
    for side, values in zip(("train", "test"), found, strict=True):
        labels = model.arrays[f"labels_{side}"]
        for g, y, value in zip(model.arrays[f"logits_benign_{side}"], labels, values, strict=True):
            powers = [np.exp(float(v) / 3) for v in g]
            assert value == pytest.approx(powers[y] / sum(powers))


def test_pairs_out_of_order_are_counted_one_by_one():
    model = with_logits(1)
    at = [
        np.concatenate(
            temperatures.at_temperature(model, "benign", score="log_odds", temperature=t)
        )
        for t in (1.0, 8.0)
    ]
    turned = [
        (at[0][i] - at[0][j]) * (at[1][i] - at[1][j]) < 0
        for i, j in itertools.combinations(range(len(at[0])), 2)
    ]
    assert 0.01 < np.mean(turned) < 0.5
    found = temperatures.reordered(model, "benign", temperature=8.0)
    assert found == pytest.approx(np.mean(turned), abs=1e-9)
    assert temperatures.reordered(model, "benign", temperature=1.0) == pytest.approx(0)


def test_each_temperature_has_a_row_with_its_band():
    model = with_logits(2)
    figure = temperatures.show([model], (0.5, 4.0), kind="benign", title="inference at T.")
    for words in ("I_B, confidence: PGD, T = 0.5", "PGD, T = 4", "I_B, entropy", "chance reaches"):
        assert words in figure.text
    told = temperatures.told([model], temperature=4.0, kind="benign").text
    share = 100 * temperatures.reordered(model, "benign", temperature=4.0)
    assert told.startswith("Executed (quick), from T = 1 to T = 4. PGD, quick: ")
    assert f"{share:.1f} % of all pairs change their order" in told


def test_a_model_at_a_temperature_stands_beside_the_one_without():
    """Other log-odds, the same answers; a variant of the registry's, which has a name to change."""
    model, variant = with_logits(3), registry.experiment(countermeasures.NAME).variants("quick")[0]
    for side in ("train", "test"):
        model.arrays[f"logits_adversarial_{side}"] = model.arrays[f"logits_benign_{side}"]
    model = Leak(Row(variant, model.row.result), "executed", "quick")
    warm = temperatures.tempered(model, 4.0)
    assert warm.row.variant.note == "T = 4"
    assert list(countermeasures.pairs([model, warm])) == [(model, warm)]
    for kind in ("benign", "adversarial"):
        for score in ("confidence", "log_odds"):
            scaled = temperatures.at_temperature(model, kind, score=score, temperature=4.0)
            for a, b in zip(warm.sides(f"{score}_{kind}"), scaled, strict=True):
                assert np.array_equal(a, b)
        assert warm.accuracy(kind) == model.accuracy(kind)
    assert not np.array_equal(warm.sides("log_odds_benign")[0], model.sides("log_odds_benign")[0])
    (change,) = countermeasures.changes([model, warm])
    assert change["accuracy"].mean == 0
    assert change["countermeasure"].endswith(", T = 4")


# -- before and after ---------------------------------------------------------------------------


def test_a_model_is_compared_with_its_own_kind_and_members():
    plain, after = before_and_after(0.0)
    alike = [
        drawn(1, model="natural"),
        drawn(2, seed=1),
        drawn(3, tier="recorded", source=""),
        plain,
    ]
    assert countermeasures.without(after, [*alike, after]) is plain
    assert countermeasures.without(plain, [*alike, after]) is None
    assert countermeasures.without(after, [*alike[:-1], after]) is None  # 90 members, not 200


def test_fewer_images_are_what_a_model_of_fewer_members_is_compared_with():
    whole = drawn(0, n=90)
    fewer = drawn(1, n=70, note=song_countermeasures.FEWER)
    game, early = drawn(2, n=70, note="min-max"), drawn(3, n=90, note="stop at 0.2")
    found = [whole, fewer, game, early]
    assert list(countermeasures.pairs(found)) == [(fewer, game), (whole, early)]
    assert countermeasures.compared([*found, drawn(9, model="natural")]) == found


@pytest.mark.parametrize(
    ("shift", "word"), [(0.0, "lower"), (4.0, "higher"), (1.5, countermeasures.UNTOLD)]
)
def test_the_words_follow_the_interval(shift, word):
    before, after = before_and_after(shift)
    for kind in ("benign", "adversarial"):
        change = countermeasures.leak_change(before, after, kind)
        slow = [
            100 * threshold.cross_fitted(*m.sides(f"log_odds_{kind}"), seed=0).accuracy
            for m in (before, after)
        ]
        assert change[0] == pytest.approx(slow[1] - slow[0])
        assert countermeasures.verdict(change) == word
    assert countermeasures.leak_words(before, after) == f"I_B and I_A {word}"


def test_the_sentence_names_the_price_of_a_lower_leak_and_what_cannot_be_told():
    before, after = before_and_after(0.0)
    same = before_and_after(1.5, note="stop at 0.9")[1]
    text = countermeasures.told([before, after, same]).text
    assert text.startswith("Executed (quick). The leak is lower after PGD, min-max, quick (I_B and")
    assert "accuracy not told apart" in text  # others are the same
    assert text.endswith("After PGD, stop at 0.9, quick no lower leak can be told at this size.")
    only = countermeasures.told([before, same]).text
    assert "The leak is lower" not in only


def test_a_price_is_in_points_of_the_others():
    members = [1.0] * 50
    before, after = leak(members, [1.0] * 60), leak(members, [1.0] * 30 + [-1.0] * 30, note="x")
    value, low, high = countermeasures.accuracy_change(before, after, "benign")
    assert value == pytest.approx(-50)
    assert low < -50 < high < 0


def test_tables_and_figure_have_every_model():
    before, after = before_and_after(0.0)
    found = [before, after]
    rows = countermeasures.rows(found)
    assert [row["model"] for row in rows] == ["PGD", "PGD, min-max"]
    assert {"I_B", "I_A", "I_A,\nheld out", "I_A, 95 %\nof chance"} <= rows[0].keys()
    (change,) = countermeasures.changes(found)
    assert change["countermeasure"] == "PGD, min-max"
    assert change["leak"] == "I_B and I_A lower"
    figure = countermeasures.show_trades(found)
    for words in (
        "PGD, I_B (%), over accuracy",
        "PGD, I_A (%)",
        "none: accuracy",
        "min-max: accuracy",
    ):
        assert words in figure.text


def test_settings_are_what_a_countermeasure_adds():
    lines = countermeasures.settings().text.splitlines()
    assert "countermeasure stop at 0.2; setting stop; paper 4000; quick 80" in lines
    assert any("min-max; setting weight" in line for line in lines)
    assert "countermeasure DP-SGD; setting batch_size; paper 100; quick 50" in lines
    assert not any("optimizer" in line for line in lines)


# -- the panel ----------------------------------------------------------------------------------

SPOT = {"x": 90.0, "y": 55.0, "low": 52.0, "high": 58.0, "chosen": 57.0, "chance": 54.0}
QUICK = {"tier": "executed", "source": "quick"}


def test_a_panel_draws_every_spot_with_its_name():
    spots = [plot.Spot("first", **SPOT, **QUICK), plot.Spot("second", **SPOT | {"x": 80}, **QUICK)]
    _, (ax,) = plot.panels()
    plot.trade_panel(ax, spots, x="accuracy", y="inference", rest=50.0)
    assert {t.get_text() for t in ax.texts} == {"first", "second"}
    drawn_at = {tuple(line.get_xydata()[0]) for line in ax.lines if line.get_marker() == "^"}
    assert drawn_at == {(90.0, 55.0), (80.0, 55.0)}
    low, high = ax.get_xlim()
    assert low < 80
    assert high > 90
    rows = plot.trade_rows(spots, x="accuracy", y="inference")
    assert rows[1] == {
        "model": "second", "tier": "executed", "source": "quick", "accuracy": 80,
        "inference": 55.0, "low": 52.0, "high": 58.0, "chosen on its own points": 57.0,
        "95 % of chance": 54.0,
    }  # fmt: skip
    alt = plot.trade_alt(spots[:1], x="accuracy", y="inference")
    assert alt == (
        "first: accuracy 90.0, inference 55.0 (52.0 to 58.0, 57.0 where chance reaches 54.0)."
    )


def test_bad_spots_are_named():
    with pytest.raises(ValueError, match="'a' needs finite values and low <= high"):
        plot.Spot("a", **SPOT | {"low": 60.0}, **QUICK)
    with pytest.raises(ValueError, match="'a' needs finite values"):
        plot.Spot("a", **SPOT | {"y": float("nan")}, **QUICK)
    with pytest.raises(ValueError, match="names its source"):
        plot.Spot("a", **SPOT, tier="executed")
    _, (ax,) = plot.panels()
    with pytest.raises(ValueError, match="spots is empty"):
        plot.trade_panel(ax, [], x="", y="", rest=50.0)
