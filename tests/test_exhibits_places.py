"""All inference accuracies at a glance, and members found where false alarms are rare."""

from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

from leak_specimens import drawn
from privrob import exhibits, plot
from privrob.exhibits import outputs, places, rare
from privrob.lab import registry
from privrob.membership import threshold

LEAKS = import_module("privrob.exhibits.leaks")  # a function of the package has its name


@pytest.fixture(autouse=True, scope="module")
def no_records(tmp_path_factory):
    """An empty folder of records: what is recorded on this machine plays no part."""
    outputs.entries.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRIVROB_RECORDS", str(tmp_path_factory.mktemp("records")))
        yield
    outputs.entries.cache_clear()


def leak(model, *, shift, source="quick", data="faces", verified=False):
    """A model whose members score higher by `shift` standard deviations."""
    tier, scale = ("executed", "reduced") if source else ("recorded", "paper")
    about = {"model": model, "tier": tier, "source": source, "data": data, "scale": scale}
    made = drawn(len(model), shift=shift, n=300, m=120, **about)
    for side in ("train", "test"):
        for score in ("confidence", "log_odds") if verified else ():
            made.arrays[f"{score}_verified_{side}"] = made.arrays[f"{score}_benign_{side}"]
    return made


# -- what the store lends -----------------------------------------------------------------------


@pytest.mark.parametrize("state", ["fresh", "stale", None])
def test_small_models_are_lent_by_the_store_only_where_all_of_them_is_fresh(monkeypatch, state):
    """One training of the four is of that state, or lacking; the scores of all are fresh."""
    wanted = registry.experiment("song2019/verifiable").variants("quick", seed=0)

    def lookup(spec):
        mine = state if spec == wanted[1].train else "fresh"
        return SimpleNamespace(state=mine, key=str(spec)) if mine else None

    monkeypatch.setattr(LEAKS, "Lab", lambda *_, **__: SimpleNamespace(lookup=lookup))
    found = exhibits.at_hand("song2019/verifiable", seed=0)
    here = [v for k, v in enumerate(wanted) if k != 1 or state == "fresh"]
    assert [leak.model for leak in found] == [v.model for v in here]
    assert {(leak.tier, leak.source) for leak in found} == {("executed", "quick")}


def test_the_figure_has_a_panel_for_the_small_models_only_where_there_are_some():
    recorded, small = leak("natural", shift=1.0, source=""), leak("pgd", shift=1.0)
    assert [title for title, *_ in places.panels({"yale": [recorded]})] == [
        "Yale Face", "Fashion-MNIST", "CIFAR-10",
    ]  # fmt: skip
    *_, (title, points, most) = places.panels({"yale": [recorded, small]})
    assert title == "drawn faces (quick)"
    assert {p.model for p in points} == {"pgd"}
    assert most == pytest.approx(50 + 50 * np.sqrt(np.log(20) / (2 * 300 * 120 / 420)))
    _, (ax,) = plot.panels(1, height=3)
    data = places.draw(ax, title, points, most)
    assert [d["accuracy_percent"] for d in data] == [p.accuracy for p in points]
    assert "highest for PGD" in places.alt(title, points)


def test_a_point_of_ours_is_drawn_with_its_held_out_twin():
    one = leak("pgd", shift=0.2)
    *_, (title, points, most) = places.panels({"yale": [one]})
    a = one.audit("benign", score="confidence")
    twin = [100 * v for v in (a.held_out.accuracy, a.interval.low, a.interval.high)]
    assert list(points[0].held_out) == pytest.approx(twin)
    _, (ax,) = plot.panels(1, height=3)
    data = places.draw(ax, title, points, most)
    assert data[0]["held_out_percent"] == points[0].held_out[0]
    dashes = [line.get_ydata()[0] for line in ax.lines if line.get_marker() == "_"]
    assert dashes == [p.held_out[0] for p in points]
    assert ax.get_ylim()[0] < min(p.held_out[1] for p in points)
    _, (ax,) = plot.panels(1, height=3)
    (_, (stored, *_), most), *_ = places.panels({})
    (row,) = places.draw(ax, "Yale Face", [stored], most)
    assert row["held_out_percent"] is None  # the authors' scores are not stored


def test_small_models_of_other_images_have_a_panel_and_rows_of_their_own():
    faces, digits = leak("natural", shift=1.0), leak("natural", shift=2.0, data="digits")
    both = {"yale": [faces, digits, leak("ibp", shift=2.0, verified=True, data="digits")]}
    *_, (first, one, _), (second, two, _) = places.panels(both)
    assert (first, second) == ("drawn faces (quick)", "digits (quick)")
    assert {p.model for p in one} == {"natural"}
    assert [p.word for p in two if p.model == "ibp"] == ["I_B", "I_A", "I_V"]
    assert {t: len(mine) for t, mine in places.titled(both).items()} == {first: 1, second: 2}
    evidence = [r["evidence"] for r in outputs.inferences("yale", both["yale"])]
    assert [e for e in evidence if "quick" in e] == [
        "quick, drawn faces", "quick, digits", "quick, digits",
    ]  # fmt: skip


def test_recorded_models_are_told_apart_by_scale():
    full, narrow = leak("natural", shift=1.0, source=""), leak("pgd", shift=1.0, source="")
    narrow.row.variant.train.scale = "reduced"
    assert list(places.titled({"fashion-mnist": [full, narrow]})) == [
        "Fashion-MNIST", "Fashion-MNIST, reduced",
    ]  # fmt: skip


def test_the_sentence_says_which_small_models_other_pages_lent():
    lent = [leak("dist", shift=1), *(leak(m, shift=1, data="digits") for m in ("natural", "ibp"))]
    told = places.lent_told(lent)
    assert told.endswith("distributional (drawn faces); natural and interval (digits).")
    assert places.lent_told([]).startswith("None of them is in the store")


def test_records_of_full_scale_are_drawn_in_the_panel_of_their_data_set():
    full, narrow = leak("natural", shift=1.0, source=""), leak("pgd", shift=1.0, source="")
    narrow.row.variant.train.scale = "reduced"
    panels = places.panels({"cifar10": [full, narrow]})
    ours = {title: {p.model for p in points if p.tier == "recorded"} for title, points, _ in panels}
    assert ours == {"Yale Face": set(), "Fashion-MNIST": set(), "CIFAR-10": {"natural"}}


# -- rare false alarms --------------------------------------------------------------------------


def test_members_found_at_one_false_alarm_in_a_thousand_need_ten_thousand_others():
    rng = np.random.default_rng(1)
    few, many = leak("pgd", shift=2.0, source=""), leak("pgd", shift=2.0, source="")
    many.arrays["log_odds_benign_test"] = others = rng.normal(0, 1, 10_000)
    (one, *_), (row, *_) = rare.rows([few]), rare.rows([many])
    assert one["TPR at\n0.1 % FPR, %"] is None
    assert one["TPR at\n0.1 % FPR, %,\n95 % of chance"] is None
    members = many.sides("log_odds_benign")[0]
    for rate, allowed in ((1, 100), (0.1, 10)):
        found = row[f"TPR at\n{rate:g} % FPR, %"]
        least = np.sort(others)[-allowed - 1]  # by hand: above it are as many as allowed
        assert found.mean == pytest.approx(100 * (members > least).mean())
        assert found.low < found.mean < found.high
        chance = row[f"TPR at\n{rate:g} % FPR, %,\n95 % of chance"]
        assert rate < chance.mean < found.low
        assert chance.tier == "derived"


@pytest.mark.parametrize(("n", "m", "fpr"), [(80, 250, 0.01), (150, 120, 0.05)])
def test_chance_of_rare_false_alarms_is_that_of_random_scores(n, m, fpr):
    rng = np.random.default_rng(2)
    dealt = [threshold.roc(rng.normal(size=n), rng.normal(size=m)).tpr_at(fpr) for _ in range(4000)]
    most = rare.by_chance(members=n, nonmembers=m, fpr=fpr)
    assert np.mean(np.array(dealt) <= most) >= 0.94
    assert np.mean(np.array(dealt) < most) <= 0.96
