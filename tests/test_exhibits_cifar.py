"""Pages on CIFAR-10: units, readings, equally accurate networks, models asked by themselves."""

import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from leak_specimens import drawn
from privrob import data, exhibits, plot
from privrob.exhibits import attacked, controls, equal, heads, masking, units
from privrob.exhibits import curvature as curved
from privrob.exhibits import geometry as shapes
from privrob.exhibits.groups import gather_alone
from privrob.lab import cifar, registry
from privrob.lab import cifar_experiments as experiments
from privrob.lab.measures.masking import OTHERS, WHITE_BOX
from privrob.lab.spec import Data
from privrob.models_cifar import CIFAR
from record_specimens import IMAGES, curvature_arrays, distance_arrays, group

ROOT = os.environ.get("PRIVROB_DATA")
RECORDED = f"recorded, {heads.READING}"


def variants(name, profile="paper", **chosen):
    """In the reading that the pages draw."""
    found = registry.experiment(f"tursynbek2020/cifar-{name}").variants(profile, **chosen)
    return [v for v in found if profile == "quick" or v.reading == heads.READING]


def distances(variant):
    rng = np.random.default_rng(variant.seed)
    return distance_arrays(rng, 1.0 if variant.model == "sgd" else 0.8)


# -- units --------------------------------------------------------------------------------------


def test_a_distance_behind_the_normalisation_lies_between_the_two_ends():
    """Whatever the gradient: by hand, channel by channel."""
    rng = np.random.default_rng(0)
    stds = np.array(CIFAR.std)[:, None]
    gradient = rng.normal(size=(3, 50)) * rng.uniform(0, 9, size=(3, 1))  # in pixels
    margin = 2.0
    for order in (1, 2):
        pixels = margin / np.linalg.norm(gradient.ravel(), ord=order)
        behind = margin / np.linalg.norm((gradient * stds).ravel(), ord=order)
        assert pixels / max(CIFAR.std) <= behind <= pixels / min(CIFAR.std)


def test_both_units_stand_beside_the_print_whose_ratio_is_above_one():
    found = group(distances, variants("distance", seed=0))
    rows = {r["what"]: r for r in units.both_units([found], section="section3.6")}
    printed = "printed,\nunit not said"
    assert rows["SGD, ℓ∞"][printed].mean == 0.268
    assert rows["DP-SGD, ℓ∞ over ℓ2"][printed].mean == pytest.approx(0.238 / 0.158)
    assert rows["DP-SGD, ℓ∞ over ℓ2"][printed].tier == "derived"
    assert rows["SGD, ℓ∞ over ℓ2"][f"{RECORDED},\npixels"].mean == pytest.approx(1 / 13)
    l2 = found.pairs[0]["sgd"]["l2"]
    mean = l2[l2 > 0].mean()
    told = rows["SGD, ℓ2"][f"{RECORDED},\nnormalised"]
    assert told == f"{mean / 0.2023:.3f} to {mean / 0.1994:.3f}"


def test_one_deviation_gives_one_number_and_two_networks_none():
    quick = group(distances, variants("distance", "quick"), tier="executed", source="quick")
    full = group(distances, variants("distance", seed=0))
    assert units.unit([quick]) == 0.3081
    assert units.unit([full]) == pytest.approx((0.1994 + 0.2023) / 2)
    rows = units.both_units([quick], section="section3.6")
    assert " to " not in rows[0]["quick,\nnormalised"]
    with pytest.raises(ValueError, match="different deviations"):
        units.unit([quick, full])


def test_a_histogram_in_other_units_is_the_same_one_stretched():
    found = [group(distances, variants("distance", seed=0))]
    pixels = units.unit(found)
    own, other = (
        shapes.distance_histograms(found, norm="l2", unit=u, digits=4)[0] for u in (1.0, pixels)
    )
    assert sum(own.shares) == pytest.approx(100)
    assert other.shares == own.shares
    assert other.edges == pytest.approx(np.array(own.edges) / pixels)
    assert other.mean == pytest.approx(own.mean / pixels)
    assert other.label == f"SGD {other.mean:.4f}"


def test_how_many_images_count_is_said():
    found = group(distances, variants("distance", seed=0))
    right_ = {m: int((found.pairs[0][m]["l2"] > 0).sum()) for m in ("sgd", "dpsgd")}
    told = f"{right_['sgd']} of SGD and {right_['dpsgd']} of DP-SGD are right."
    expected = f"{RECORDED.capitalize()}: of the first {IMAGES} test images {told}"
    assert shapes.counted([found]).text == expected


# -- curvature ----------------------------------------------------------------------------------


def test_the_ratio_of_every_rank_is_that_of_the_means():
    def arrays(variant):
        return curvature_arrays(np.random.default_rng(variant.seed), 1.0)

    found = group(arrays, variants("curvature"))
    rows = curved.by_rank([found])
    assert [r["rank"] for r in rows] == list(range(1, 10))
    slow = [
        np.log10(p["dpsgd"]["hessian"][3].mean() / p["sgd"]["hessian"][3].mean())
        for p in found.pairs
    ]
    value = rows[3][f"recorded\n{heads.READING}"]
    assert value.mean == pytest.approx(np.mean(slow))
    assert value.n == 3
    assert curved.by_rank([]) == []


# -- readings and training ----------------------------------------------------------------------


def test_candidates_that_did_not_run_say_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path))
    rows = heads.candidate_rows()
    assert [r["candidate"] for r in rows] == list(cifar.CANDIDATES)
    assert {r["SGD"] for r in rows} == {"not attempted"}
    assert "*" not in heads.candidates_told().text


def test_a_history_is_the_mean_over_seeds_and_has_no_interval_of_one():
    def arrays(variant):
        return {"history": np.array([0.1, 0.5]) + 0.1 * variant.seed}

    found = group(arrays, variants("base"))
    sgd, dpsgd = heads.history_curves([found])
    assert (sgd.label, dpsgd.model) == ("SGD, recorded", "dpsgd")
    assert sgd.eps == [1.0, 2.0]
    assert sgd.mean == pytest.approx([20, 60])
    assert sgd.low[0] < 20 < sgd.high[0]
    (one, _) = heads.history_curves([group(arrays, variants("base", seed=0))])
    assert one.low == one.mean == one.high
    assert [a.value for a in heads.printed_accuracies(2.0)] == [81.3, 70.1]


def test_shared_images_are_counted_pixel_by_pixel(monkeypatch):
    x = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1).expand(6, 3, 2, 2)
    sets = {
        "cifar100": {"train": SimpleNamespace(x=x[:3])},  # the last of these is held out
        "cifar10": {"train": SimpleNamespace(x=x[[1, 3]]), "test": SimpleNamespace(x=x[[2, 4]])},
    }
    two = replace(cifar.PRETRAINING, data=Data(name="cifar100", train=2, test=None), holdout=1)
    monkeypatch.setattr(cifar, "PRETRAINING", two)
    fake = SimpleNamespace(
        locate=lambda name: SimpleNamespace(found=True),
        load=lambda name: SimpleNamespace(splits=sets[name], train=sets[name]["train"]),
    )
    monkeypatch.setattr(heads, "data", fake)
    found = heads.shared_images()
    assert found == {
        "train": {"trained on": 1, "held out": 0},
        "test": {"trained on": 0, "held out": 1},
    }
    told = heads.shared_told(found).text
    assert "of its training images 1 with those that the convolutions were trained on" in told
    assert told.endswith("trained on, and 1 with those held out.")
    fake.locate = lambda name: SimpleNamespace(found=name == "cifar10")
    assert heads.shared_images() is None
    told = heads.shared_told(None).text
    assert "Counted before" in told
    assert "of its test images 0 with those that the convolutions were trained on, and 1" in told


HERE = all(data.locate(name, ROOT).found for name in (heads.PRIVATE, heads.PUBLIC))


@pytest.mark.skipif(not HERE, reason="needs CIFAR-10 and CIFAR-100")
def test_what_was_counted_of_the_published_files_is_so(monkeypatch):
    monkeypatch.setenv("PRIVROB_DATA", str(ROOT))
    assert heads.shared_images() == heads.SHARED


# -- who leaks ----------------------------------------------------------------------------------


def test_two_equally_accurate_networks_are_told_beside_each_other():
    stopped = drawn(0, shift=0.0, model="sgd", note="stopped", tier="recorded")
    target = drawn(1, shift=2.0, model="dpsgd", note="target", tier="recorded")
    lone = drawn(2, model="sgd", note="stopped", tier="recorded", seed=1)
    told = heads.equally_told([stopped, drawn(3, model="sgd"), target, lone]).text
    first, second = (
        100 * m.audit("benign", score="log_odds").official.accuracy for m in (stopped, target)
    )
    assert told.startswith(
        f"Recorded, seed 0: the official attack is right on {first:.1f} % by I_B"
    )
    assert f"of SGD that was stopped and on {second:.1f} % by I_B" in told
    assert "seed 1" not in told
    assert heads.equally_told([lone]).text.startswith("No scores of two")


def test_drops_are_told_as_shares_of_the_printed_ones():
    def made(variant):
        l2 = np.full(IMAGES, 1.0 if variant.model == "sgd" else 0.9)
        return {"l2": l2, "linf": l2 / 10}

    found = group(made, variants("distance", seed=0))
    told = shapes.drops_told([found]).text
    assert told == (
        f"{RECORDED.capitalize()}: ℓ∞, 10.0 %, which is 89 % of the printed 11.2 %; "
        "ℓ2, 10.0 %, which is 89 % of the printed 11.2 %."
    )
    assert shapes.drops_told([]).text.startswith("No distances")


# -- one model by itself ------------------------------------------------------------------------


def masking_arrays(variant):
    eps = np.array([2 / 255, 8 / 255])
    masks = {name: np.arange(50) < np.array([[30], [10]]) for name in (*WHITE_BOX, *OTHERS)}
    return {"eps": eps, "zero_gradient": np.zeros(50, bool), "clean": np.arange(50) < 40} | masks


def test_a_model_that_was_asked_alone_makes_a_group(monkeypatch, tmp_path):
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path))
    found = [
        SimpleNamespace(variant=v, result=SimpleNamespace(arrays=masking_arrays(v), key="k"))
        for v in variants("masking", "quick")
    ]
    (alone,) = gather_alone("tursynbek2020/cifar-masking", found, model="dpsgd")
    assert (alone.name, alone.models, alone.seeds) == ("quick", ("dpsgd",), (0,))
    assert gather_alone("tursynbek2020/cifar-masking", found, model="sgd") == []
    (network,) = masking.networks([alone])
    assert network.name == "DP-SGD"
    assert float(network.after("fgsm", eps=2 / 255).mean) == 60
    assert masking.judged([alone], eps=2 / 255).text.endswith("By the rule: robustness.")
    assert "no word" in masking.judged([], eps=0.1).text


# -- equally accurate networks --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "updates"), [("tursynbek2020/cifar-control", 25), ("tursynbek2020/control", 1)]
)
def test_a_look_at_a_stopped_network_comes_after_so_many_updates(name, updates):
    def arrays(variant):
        stopped = {"history": np.array([0.2, 0.5, 0.7]), "goal": np.array(0.7)}
        return stopped | {"correct_test": right(0.7)}

    found = registry.experiment(name).variants("paper")
    rows = controls.stops([group(arrays, found)])
    assert [row["SGD stopped\nat update"] for row in rows] == [3 * updates] * 3


@pytest.mark.parametrize(
    ("signs", "word"),
    [
        ([1, 0, 1], "less robust"),
        ([-1, 0], "more robust"),
        ([1, -1, 1], "the comparisons contradict each other"),
        ([0, 0, 0], "undecided"),
        ([], "undecided"),
    ],
)
def test_the_word_follows_from_the_signs(signs, word):
    assert equal.word(signs) == word


def right(share):
    return np.arange(IMAGES) < share * IMAGES


def under_attack(kept, *, radius=1 / 255):
    """Arrays of FGSM and PGD of SGD and DP-SGD: `kept` is what DP-SGD keeps at `radius`."""
    eps = np.array([0.0, radius, 2 * radius])

    def fgsm(variant):
        mine = kept if variant.model == "dpsgd" else 0.5
        correct = np.stack([right(s) for s in (0.8, mine, 0.1)])
        return {"eps": eps, "correct": correct, "correct_unclipped": correct}

    def pgd(variant):
        a = fgsm(variant)
        first = np.where(a["correct"][0], -1, 0)[None].repeat(2, 0)
        steps = {"steps": np.array([20, 40]), "first_success": first.astype(np.int16)}
        return steps | {"eps": eps[1:], "correct": a["correct"][1:, None].repeat(2, 1)}

    return fgsm, pgd


def compared(kept, *, lacking=()):
    """From records that `lacking` is not among, and a small network under FGSM."""
    fgsm, pgd = under_attack(kept)
    seen = {
        "FGSM": [group(fgsm, variants("control-fgsm"))],
        "PGD": [group(pgd, variants("control-pgd"))],
        "distance": [group(distances, variants("control-distance"))],
    }
    seen |= {name: [] for name in lacking}
    quick = group(fgsm, variants("control-fgsm", "quick"), tier="executed", source="quick")
    return equal.compare(seen | {"FGSM": [*seen["FGSM"], quick]})


@pytest.mark.parametrize(
    ("kept", "sign", "word"),
    [(0.3, 1, "less robust"), (0.7, -1, "the comparisons contradict each other")],
)
def test_two_networks_are_compared_from_records_first(kept, sign, word):
    found = compared(kept)
    assert found.eps == pytest.approx(1 / 255)
    assert found.signs == {"FGSM": sign, "PGD": sign, "distance": 1}
    rows = equal.rows(found)
    assert rows[0]["DP-SGD weaker by"].mean == pytest.approx(100 * (0.5 - kept))
    assert rows[0]["DP-SGD weaker by"].tier == "recorded"
    assert equal.verdict(found).text.endswith(f"DP-SGD: {word}.")


@pytest.mark.parametrize("lacking", [["PGD"], ["distance"], ["FGSM", "PGD"], ["PGD", "distance"]])
def test_there_is_no_word_before_all_comparisons_are_there(lacking):
    found = compared(0.3, lacking=lacking)
    assert {g.tier for g in found.groups} == {"recorded"}
    assert len(equal.rows(found)) == 3 - len(lacking)
    told = equal.verdict(found).text
    assert told.endswith(f"Not recorded yet: {', '.join(lacking)}; so the rule has no word.")
    assert "robust" not in told


def test_what_attacks_leave_is_told_of_both_networks():
    fgsm, pgd = under_attack(0.3)
    asked = [group(fgsm, variants("fgsm", seed=0))], [group(pgd, variants("pgd", seed=0))]
    few = {eps: i for i, eps in enumerate(experiments.PGD_EPS[:2])}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads, "radii", lambda group: tuple(few))
        rows = attacked.rows({"the pair": asked, "alone": (asked[0], [])})
        told = attacked.told({"the pair": asked}).text
    assert [row["ε"] for row in rows[:3]] == ["0.0000", "0.0039", "0.0078"]
    assert [rows[i]["FGSM,\nDP-SGD"].mean for i in range(3)] == pytest.approx([80, 30, 10])
    assert rows[1]["PGD, 40 steps,\nSGD"].mean == pytest.approx(50)
    assert rows[0]["PGD, 20 steps,\nDP-SGD"].mean == pytest.approx(80)
    assert not any("PGD" in name for name in rows[4])
    assert told == (
        f"{RECORDED.capitalize()}, the pair: of what each network has right, at ε = 0.0039, FGSM "
        f"({IMAGES} images) leaves SGD 62.5 % and DP-SGD 37.5 %; PGD of 40 steps ({IMAGES} images) "
        "leaves SGD 62.5 % and DP-SGD 37.5 %."
    )


def test_small_networks_decide_nothing_and_none_give_no_verdict():
    fgsm, pgd = under_attack(0.3, radius=experiments.QUICK_EPS / 255)
    about = {"tier": "executed", "source": "quick"}
    seen = {
        "FGSM": [group(fgsm, variants("control-fgsm", "quick"), **about)],
        "PGD": [group(pgd, variants("control-pgd", "quick"), **about)],
        "distance": [group(distances, variants("control-distance", "quick"), **about)],
    }
    compared = equal.compare(seen)
    assert compared.signs["distance"] == 1
    assert "which decide nothing" in equal.verdict(compared).text
    none = equal.compare({"FGSM": [], "PGD": [], "distance": []})
    assert none.found == {}
    assert "no verdict" in equal.verdict(none).text


# -- colour ---------------------------------------------------------------------------------------


def test_a_strip_shows_colour_images_and_names_their_classes():
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 4 * 4, 10))
    image, label = torch.rand(1, 3, 4, 4), torch.tensor([3])
    figure, alt, rows = exhibits.strip(
        {"sgd": network}, image, label, eps=[0.0, 0.1], names=heads.CLASSES
    )
    assert alt.startswith("An image of class cat under FGSM.")
    assert rows[0]["answer"] in heads.CLASSES
    assert "svg" in plot.inline_svg(figure, alt="a strip")
    shown = figure.axes[0].images[0].get_array()
    assert np.allclose(shown, image[0].permute(1, 2, 0).numpy())
