"""Gallery, tables and checks of the page on MNIST-C, on answers made up here."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from privrob import corruptions, data, exhibits, plot
from privrob.corruptions import CORRUPTIONS
from privrob.exhibits import blurs, table2
from privrob.exhibits import corruptions as page
from privrob.exhibits.groups import Group
from privrob.lab import run

N = 200


def row(model, counts, *, note="", replaced=(), clean=190):
    """A result of which the first k answers are right, by corruption."""
    counts = np.broadcast_to(counts, len(CORRUPTIONS))[:, None]
    arrays = {
        "correct": np.arange(N) < counts,
        "stand_in": np.isin(CORRUPTIONS, replaced),
        "correct_test": np.arange(N) < clean,
    }
    variant = SimpleNamespace(model=model, seed=0, reading="matched", note=note, spec=None)
    return SimpleNamespace(variant=variant, result=SimpleNamespace(arrays=arrays))


def group(sgd, dpsgd, *, note="", tier="recorded", source="", **more) -> Group:
    pair = (row("sgd", sgd, note=note, **more), row("dpsgd", dpsgd, note=note, **more))
    return Group(tier, source, "matched", note, pair)


def at(base, **counts):
    return np.array([counts.get(name, base) for name in CORRUPTIONS])


def test_the_table_has_published_values_ranks_and_the_mean():
    rows = exhibits.table2_base([group(180, at(160, fog=40, snow=100))])
    assert [r["corruption"] for r in rows[:2]] == ["gaussian noise", "shot noise"]
    assert len(rows) == 32
    by_name = {r["corruption"]: r for r in rows}
    fog = by_name["fog"]
    assert fog["SGD,\npublished"].mean == 91.59
    assert fog["DP-SGD,\nrecorded\nmatched"].mean == 20
    assert fog["SGD minus\nDP-SGD,\nrecorded\nmatched"].mean == pytest.approx(70)
    assert (fog["rank,\nrecorded\nmatched"], fog["rank of the gap,\npublished"]) == (1, 2)
    assert by_name["snow"]["rank,\nrecorded\nmatched"] == 2
    assert by_name["line"]["rank,\nrecorded\nmatched"] == 3  # all others share it
    assert by_name["gaussian noise"]["SGD,\npublished"].mean == 88.05  # as printed
    corrected = {name: r["SGD,\ncorrected"] for name, r in by_name.items()}
    assert corrected.pop("gaussian noise").mean == 94.54
    assert set(corrected.values()) == {None}
    assert "DP-SGD,\ncorrected" not in fog
    mean = by_name["mean of the 31"]
    assert mean["SGD,\npublished"].mean == 90.72
    assert mean["DP-SGD,\nrecorded\nmatched"].mean == pytest.approx((29 * 80 + 20 + 50) / 31)


def test_a_stand_in_is_named_in_its_row_in_the_mean_and_in_the_caption():
    used = group(180, 160, replaced=("frost",))
    heads = [r["corruption"] for r in exhibits.table2_base([used])]
    assert "frost (stand-in: recorded, matched)" in heads
    assert heads[-1] == "mean of the 31 (with stand-ins)"
    assert exhibits.stand_in_words([used]).endswith("recorded, matched: frost.")
    assert exhibits.stand_in_words([group(180, 160)]) == "No stand-in was used."


def test_other_models_stand_beside_their_own_column():
    notes = list(table2.VARIANTS)
    assert table2.VARIANTS["sigma 0.7, C 1"] == "s0.7-c1"
    groups = [group(180, 100 + 10 * k, note=n) for k, n in enumerate(notes)]
    fog = {r["corruption"]: r for r in exhibits.table2_variants(groups)}["fog"]
    assert fog["σ 1.3, C 0.8,\npublished"].mean == 29.68
    assert fog["σ 0.7, C 1,\nrecorded"].mean == 60
    drops = exhibits.table2_drops([group(180, 160), *groups])
    assert len(drops) == 6
    assert drops[0]["drop,\npublished"].mean == pytest.approx(99.14 - 90.72)
    assert drops[0]["drop,\nrecorded\nmatched"].mean == pytest.approx(5)
    assert drops[1]["drop,\nrecorded\nmatched"].mean == pytest.approx(15)
    assert drops[2]["drop,\nrecorded\nmatched"].mean == pytest.approx(45)


def test_missing_models_leave_their_columns_out():
    rows = exhibits.table2_variants([])
    published = {f"{n.replace('sigma', 'σ')},\npublished" for n in table2.VARIANTS}
    assert set(rows[0]) == {"corruption"} | published


def test_ties_share_a_rank():
    assert table2.ranks([3.0, 5.0, 3.0, 1.0]) == [2, 1, 2, 4]


def test_the_summary_counts_and_orders():
    told = exhibits.gap_summary([group(180, at(175, fog=20, frost=30, snow=40))])
    assert "Printed: the gap is above the clean one under 29 of 31 corruptions" in told
    assert "largest under brightness, fog, frost, snow" in told
    assert "Recorded, matched: the gap is above the clean one under 31 of 31" in told
    assert "largest under fog, frost, snow" in told


def test_the_print_contradicts_itself_where_the_ledger_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path))
    table2._entries.cache_clear()
    rows = exhibits.contradictions()
    table2._entries.cache_clear()
    computed = sorted(round(r["computed"].mean, 2) for r in rows)
    assert computed == [6.61, 6.84, 16.0, 74.72, 90.51, 90.72]
    told = " | ".join(r["how"] for r in rows)
    assert "88.05 − 81.21 = 6.84, and 13.33 is printed; 81.21 + 13.33 = 94.54" in told
    assert "98.02 − 91.41 = 6.61, and 6.55 is printed; 91.41 + 6.55 = 97.96" in told
    assert rows[-1]["how"].startswith("with 81.21 + 13.33 = 94.54 for gaussian noise, 31 rows")
    assert rows[-1]["how"].endswith("= 90.724")
    # The restored mean, last.
    assert [r["verdict on the print"] == "reproduced" for r in rows] == [False] * 5 + [True]


# -- the gallery --------------------------------------------------------------------------------


class Constant(nn.Module):
    """Always the same answer."""

    def __init__(self, answer: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(2 * nn.functional.one_hot(torch.tensor(answer), 10).float())

    def forward(self, x):
        return x.flatten(1).sum(1, keepdim=True) * 0 + self.bias


def test_the_gallery_has_every_corruption_and_what_is_said_of_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PRIVROB_DATA", str(tmp_path))
    test = data.load("mnist_slice").test
    image, label = test.x[:1].float() / 255, test.y[0]
    networks = {"sgd": Constant(int(label)), "dpsgd": Constant(0)}
    figure, alt, rows = exhibits.corruption_gallery(networks, image, label, seed=0)
    names = ["no corruption", *(n.replace("_", " ") for n in CORRUPTIONS)]
    assert [r["corruption"] for r in rows] == names
    assert {(r["sgd"], r["dpsgd"]) for r in rows} == {(int(label), 0)}
    assert {r["corruption"] for r in rows if r["stand_in"]} == {"frost", "pessimal noise"}
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert len(titles) == 32
    assert [t for t in titles if "*" in t] == ["pessimal\nnoise*\n7 | 0", "frost\n*\n7 | 0"]
    assert "SGD is wrong under none" in alt
    assert "DP-SGD is wrong under no corruption, gaussian noise" in alt


# -- readings and the zoo -----------------------------------------------------------------------


def test_motion_is_smeared_to_the_side_that_is_said():
    dot = np.zeros((1, 28, 28))
    dot[0, 14, 14] = 1
    for words, function in blurs.READINGS["motion_blur"].items():
        columns = np.flatnonzero(function(dot, blurs.Draws(0, "m", first=0, count=1)).sum((0, 1)))
        side = "left" if columns.mean() < 14 else "right"
        assert side in words


def test_the_nearer_reading_is_told():
    def row(words, sgd, dpsgd):
        values = {"SGD\npublished": 90, "SGD\nmatched": sgd, "DP-SGD\npublished": 80}
        values |= {"DP-SGD\nmatched": dpsgd}
        shown = {k: plot.Value(v, tier="derived") for k, v in values.items()}
        return {"corruption": "glass blur", "blurred": words} | shown

    rows = [row("one way", 91, 70), row("both ways", 95, 79)]
    assert exhibits.nearer_readings(rows).endswith("together: glass blur, matched: both ways.")


def test_our_readings_are_the_packages(monkeypatch):
    x = data.load("mnist_slice").test.x[:4]
    pixels = x[:, 0].double().numpy() / 255
    for name, readings in blurs.READINGS.items():
        draws = blurs.Draws(5, name, first=0, count=4)
        ours, other = (f(pixels, draws).clip(0, 1) for f in readings.values())
        packaged = corruptions.corrupt(x.double() / 255, name, seed=5)[:, 0].numpy()
        np.testing.assert_allclose(ours, packaged, atol=1e-12)
        assert np.abs(ours - other).max() > 0.05


def test_answers_are_compared_but_for_stand_ins(monkeypatch):
    monkeypatch.setattr(page, "_margin", lambda *_: 5.0)
    now, then = row("sgd", 150), row("sgd", 150, replaced=("frost",))
    k = CORRUPTIONS.index("frost")
    then.result.arrays["correct"][k] ^= True
    same = page._agree(now, then)
    assert (same.answers, same.differ) == (30 * N, 0)
    assert same.holds
    then.result.arrays["correct"][3, 7] ^= True
    found = page._agree(now, then)
    assert found.beyond == [(7, CORRUPTIONS[3])]
    assert not found.holds


def test_sgd_is_compared_once_and_each_dp_sgd_for_itself():
    groups = [group(180, 160, tier="executed", source="zoo"),
              group(180, 150, note="sigma 0.7, C 1", tier="executed", source="zoo")]  # fmt: skip
    keys = [key[0] for key in page._rows(groups, "zoo")]
    assert sorted(keys) == ["dpsgd", "dpsgd", "sgd"]
    assert page._rows(groups, "recorded") == {}


def test_each_variant_has_its_name_among_the_agreements(monkeypatch):
    note = "sigma 0.7, C 1"
    both = [group(180, 160), group(180, 150, note=note)]
    zoo = [group(180, 160, tier="executed", source="zoo"),
           group(180, 150, note=note, tier="executed", source="zoo")]  # fmt: skip
    named = [a.row["zoo model"] for a in exhibits.corruption_agreements(both + zoo)]
    assert sorted(named) == ["DP-SGD, matched", f"DP-SGD, matched, {note}", "SGD, matched"]


def test_right_answers_are_counted_for_each_version():
    x, y = torch.zeros(4, 1, 28, 28), torch.tensor([0, 0, 0, 1])
    networks = {"sgd": Constant(0), "dpsgd": Constant(1)}
    rows = exhibits.accuracies(networks, {"dark": x, "first": x}, y, group(180, 160))
    assert [r["images"] for r in rows] == ["dark", "first"]
    assert [(r["SGD"].mean, r["DP-SGD"].mean) for r in rows] == [(75, 25)] * 2
    assert rows[0]["SGD"].tier == "recorded"


def test_nothing_is_joined_where_the_training_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path / "r"))
    monkeypatch.setenv("PRIVROB_STORE", str(tmp_path / "s"))
    assert exhibits.corruption_groups([], device="cpu") == []
    assert run.open_store("paper") is not None
