"""Distances, spectra and cross-sections as the pages show them, on records made here."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from privrob import exhibits, models, plot
from privrob.exhibits import curvature as curved
from privrob.exhibits import geometry as shapes
from privrob.exhibits import sections
from privrob.lab import registry, run
from privrob.lab.measures import MODELS
from record_specimens import CLASSES, IMAGES, curvature_arrays, distance_arrays, manifest


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Empty records and an empty quick store."""
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path / "records"))
    monkeypatch.setenv("PRIVROB_STORE", str(tmp_path / "store"))
    return tmp_path


def section_arrays(rng, scale):
    bend, distance = rng.uniform(0, 0.1, IMAGES), rng.uniform(0.5, 2, IMAGES) * scale
    bend[:7], distance[0] = np.nan, 0
    return {"bend": bend.astype(np.float32), "distance": distance.astype(np.float32)}


MADE = {"distance": distance_arrays, "curvature": curvature_arrays, "section": section_arrays}


def record(kind, seeds):
    """Made-up records of both models for these seeds: DP-SGD's smaller by a fifth."""
    store = run.open_store("paper")
    for v in registry.experiment(f"tursynbek2020/{kind}").variants("paper"):
        if v.seed in seeds:
            rng = np.random.default_rng(v.seed)
            arrays = MADE[kind](rng, 1.0 if v.model == "sgd" else 0.8)
            store.save(kind, manifest(v.spec, kind), arrays)
    return exhibits.gather(f"tursynbek2020/{kind}", zoo=False)


def drawn(figure, groups, data):
    """The finished figure: raises where caption, stamp or markup do not fit."""
    caption = f"{exhibits.lead(groups, published=False)}: a figure."
    marks = exhibits.stamp(groups, "a command", published=False)
    return plot.show(figure, alt="a figure", caption=caption, stamp=marks, data=data)


# -- distance -----------------------------------------------------------------------------------


def test_histograms_count_the_right_images_once(folders):
    groups = shapes.shown(record("distance", (0, 1)), reading="literal")
    sgd, dpsgd = shapes.distance_histograms(groups, norm="l2")
    assert sum(sgd.shares) == pytest.approx(100)
    assert dpsgd.mean < sgd.mean
    assert sgd.label == f"SGD {sgd.mean:.3f}"
    by_hand = [shapes.right_distances(p, "sgd", "l2").mean() for p in groups[0].pairs]
    assert sgd.mean == pytest.approx(np.mean(by_hand))
    marks = shapes.distance_marks("l2", section="section3.3")
    assert [m.value for m in marks] == [1.965, 1.654]
    figure, (ax,) = plot.panels()
    plot.histogram_panel(ax, [sgd, dpsgd], marks=marks, x="distance")
    rows = plot.histogram_rows([sgd, dpsgd], "l2")
    assert len(rows) == 2 * shapes.BINS
    assert "svg" in drawn(figure, groups, rows).html


def test_the_order_of_norms_is_counted_over_every_record(folders):
    groups = record("distance", (0,))
    assert shapes.order_of_norms(groups) == (4 * IMAGES, 0)
    groups[0].pairs[0]["sgd"]["linf"][3] = 99
    assert shapes.order_of_norms(groups) == (4 * IMAGES, 1)


def test_deepfool_stands_beside_the_linearised_distance(folders):
    groups = exhibits.pick(record("distance", (0,)), reading="literal")
    rows = {r["what"]: r["recorded\nliteral"] for r in shapes.iterated(groups)}
    assert rows["ℓ2, SGD: DeepFool / linearised"].mean == pytest.approx(1.1, abs=1e-6)
    assert rows["ℓ∞, SGD: never reached"] == 1
    assert rows["ℓ2: drop, linearised"].mean == pytest.approx(rows["ℓ2: drop, DeepFool"].mean)


# -- curvature ----------------------------------------------------------------------------------


def test_an_estimate_over_images_is_the_bootstrap_of_a_loop():
    a = np.random.default_rng(5).normal(size=(3, 50))
    fast = shapes.over_images([{"a": a}], lambda p: np.median(p["a"], axis=-1))
    draws = np.random.default_rng(0).integers(50, size=(1000, 50))
    slow = np.array([np.median(a[:, draw], axis=1) for draw in draws])
    assert fast.low == pytest.approx(np.quantile(slow, 0.025, axis=0))
    assert fast.high == pytest.approx(np.quantile(slow, 0.975, axis=0))
    assert fast.mean == pytest.approx(np.median(a, axis=1))
    seeds = [{"a": a}, {"a": a + 1}]
    assert shapes.over_images(seeds, lambda p: p["a"].mean(-1)).n == 2


def test_the_exchanged_spectra_are_those_of_the_whole_hessian(folders):
    pair = exhibits.pick(record("curvature", (0,)), reading="literal")[0].pairs[0]
    found = curved.tops(pair)
    for m in MODELS:
        assert found[f"{m} {m}"] == pytest.approx(pair[m]["hessian"][0], rel=1e-4, abs=1e-6)
    # J^T A J has the eigenvalues of A J J^T.
    p = torch.from_numpy(pair["dpsgd"]["logits"][:, 7]).double().softmax(0).numpy()
    middle = np.diag(p) - np.outer(p, p)
    slow = np.linalg.eigvals(middle @ pair["sgd"]["gram"][..., 7]).real.max()
    assert found["sgd dpsgd"][7] == pytest.approx(slow, rel=1e-4)


def test_the_parts_add_up_and_name_what_carries(folders):
    groups = exhibits.pick(record("curvature", (0,)), reading="literal")
    for f in curved.factors(groups):
        assert f.confidence.mean + f.jacobian.mean == pytest.approx(float(f.total.mean))
        assert f.lead.mean == pytest.approx(float(f.confidence.mean - f.jacobian.mean))
    # The logits of DP-SGD are smaller and its Jacobians alike.
    median = curved.factors(groups)[1]
    assert median.carrier == "confidence"
    assert "confidence carries" in curved.factor_verdict([median], published=2).text
    swapped = replace(median, lead=exhibits.Estimate(-1.0, -2.0, -0.5, 1))
    assert swapped.carrier == "Jacobian"
    open_ = replace(median, lead=exhibits.Estimate(0.1, -2.0, 0.5, 1))
    assert "undecided" in curved.factor_verdict([open_], published=2).text
    assert curved.factor_table([median])[0]["carried by"] == "confidence"
    assert len(curved.four_table([median])[0]) == 6
    assert "Nothing" in curved.factor_verdict([], published=2).text


def test_a_ratio_that_only_the_jacobian_makes_is_the_jacobians(folders):
    pair = exhibits.pick(record("curvature", (0,)), reading="literal")[0].pairs[0]
    sgd = pair["sgd"]
    louder = sgd | {"gram": 4 * sgd["gram"], "hessian": 4 * sgd["hessian"]}
    parts = curved._parts(curved.tops({"sgd": sgd, "dpsgd": louder}), statistic=np.mean)
    assert parts == pytest.approx([np.log10(4), 0, np.log10(4), -np.log10(4)], abs=1e-6)


def test_spectra_are_drawn_with_their_floors(folders):
    groups = shapes.shown(record("curvature", (0,)), reading="literal")
    curves = curved.spectrum_curves(groups, array="hessian", statistic="median")
    assert [c.label for c in curves] == ["SGD, recorded", "DP-SGD, recorded"]
    assert curves[0].eps == [float(k) for k in range(1, CLASSES)]
    said = f"SGD, recorded, from 10 to the {curves[0].mean[0]:.1f} at rank 1 to"
    assert curved.in_words(curves[0]).startswith(said)
    floors = curved.floors(curves)
    assert floors[0].value - floors[1].value == pytest.approx(np.log10(2.0**29))
    empty = curved.empty_in_words(floors, ranks=9, last=curved.RANKS)
    assert empty.startswith(
        f"dotted levels at 10 to the {floors[0].value:.1f} (rounding, float32),"
    )
    assert empty.endswith("ranks 10 to 15 are hatched, there rounding alone is left")
    assert curved.empty_in_words([], ranks=9, last=15).startswith("ranks 10 to 15")
    figure, (ax,) = plot.panels()
    plot.spectrum_panel(ax, curves, floors=floors, last=curved.RANKS, y="eigenvalue")
    assert "rounding" in drawn(figure, groups, plot.curve_rows(curves)).html
    assert curved.rank_excess(groups) < 1e-12


def test_few_images_stand_beside_all_and_their_draws_spread(folders):
    groups = exhibits.pick(record("curvature", (0,)), reading="literal")
    rows = curved.few_and_many(groups)
    assert [(r["statistic"], r["images"]) for r in rows] == [
        ("mean", 100), ("mean", IMAGES), ("median", 100), ("median", IMAGES),
    ]  # fmt: skip
    assert "100 times that of SGD" in curved.printed_told()
    enough = curved.printed_ratio()
    (row,) = curved.draws_of_few(groups, draws=50, seed=0, enough=enough)
    low, middle, high = (v.mean for k, v in row.items() if k.startswith("ratio"))
    assert 0 < low <= middle <= high
    assert "32 or more,\n% of hundreds" in row


# -- cross-sections -----------------------------------------------------------------------------


@pytest.fixture
def zoo(folders):
    """Untrained networks as the paper's models of seed 0."""
    store = run.open_store("paper")
    for v in registry.experiment("tursynbek2020/base").variants("paper", seed=0):
        network = models.build(v.train.model.name, seed=3, **v.train.model.settings)
        store.save("train", manifest(v.spec, "train"), {"history": np.zeros(1)},
                   dict(network.state_dict()))  # fmt: skip
    return folders


def test_a_picture_shows_both_networks_on_the_same_images(zoo, monkeypatch):
    groups = sections.zoo(device="cpu")
    assert [g.name for g in groups] == ["zoo, literal", "zoo, matched"]
    seen = sections.picture(groups[0], count=1, draw=0, resolution=5)
    assert [r["model"] for r in seen.rows] == ["SGD", "DP-SGD"]
    assert seen.rows[0]["answer"] == seen.rows[1]["answer"]
    assert "SGD, a " in seen.alt
    assert "svg" in drawn(seen.figure, groups[:1], seen.rows).html
    with pytest.raises(ValueError, match="11 classes are asked for"):
        sections.picture(groups[0], count=11, draw=0, resolution=5)


def test_how_many_images_have_a_bend_is_said(folders):
    groups = exhibits.pick(record("section", (0, 1)), reading="literal")
    rows = {r["what"]: r["recorded\nliteral"] for r in sections.seen_rows(groups)}
    assert rows["SGD: images"] == 2 * IMAGES
    assert rows["SGD: right, boundary found"] == 2 * (IMAGES - 1)
    assert rows["SGD: boundary in the plane"] == 2 * (IMAGES - 7)


def test_the_zoo_is_asked_again_and_a_wrong_record_is_found(zoo, monkeypatch):
    name = "tursynbek2020/curvature"
    assert shapes.zoo_checks(name, images=4) == []
    assert "nothing was compared" in shapes.check_table([], []).text
    record("curvature", (0,))
    assert shapes.zoo_checks(name, images=4) == []  # records with weights, and no zoo
    keys = [run.key_of(v.train) for v in registry.experiment(name).variants("paper", seed=0)]
    listed = [SimpleNamespace(key=key) for key in keys]
    monkeypatch.setattr(shapes.zoo, "entries", lambda: listed)
    found = shapes.zoo_checks(name, images=4, device="cpu")
    assert len(found) == 4
    assert all(o.excused == 4 and o.agrees is False for o in found)
    shown = shapes.check_table(found, exhibits.gather(name, zoo=False))
    assert "DP-SGD, matched; asked for curvature" in shown.text
