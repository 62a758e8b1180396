"""song2019's trainings and scores in the lab: schedules of specs, halves, what must hold."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from specimens import IBP, MEMBERSHIP, SGD, load, same

from privrob import bounds, data
from privrob.lab import recipes, registry, run, song2019
from privrob.lab.context import Splits
from privrob.lab.recompute.attacks import _sliced
from privrob.lab.recompute.base import Unchecked
from privrob.lab.run import Lab
from privrob.lab.spec import (
    Defended,
    DpSgd,
    Halved,
    InParts,
    LeftOut,
    Masking,
    Membership,
    Natural,
    Ramp,
    Targeted,
    constant,
    training_settings,
)
from privrob.lab.store import Store
from privrob.lab.tasks.defences import LOSSES, _at, _rate
from privrob.lab.tasks.membership import VERIFIERS, _verified, require_sound
from privrob.lab.tasks.training import METHODS


@pytest.fixture(autouse=True)
def _loaded_once(monkeypatch):
    monkeypatch.setattr(data, "load", load)


@pytest.fixture
def lab(tmp_path):
    return Lab(Store(tmp_path / "store"), on="cpu")


def test_every_defence_has_a_loss():
    defences = {type(t.defence).__name__ for t in song2019.yale_defences().values()}
    assert defences == LOSSES.keys()


def test_the_rate_falls_at_the_update_that_is_named():
    t = song2019.yale_defences()["natural"]
    rates = [_rate(n / t.updates, training=t) for n in (0, 9999, 10000, 14999, 15000, 20000)]
    assert rates == pytest.approx([1e-4, 1e-4, 5e-5, 5e-5, 1e-5, 1e-5])


def test_boxes_grow_as_the_authors_count_them():
    d = song2019.yale_defences()["abs"].defence
    for epoch in (20, 30, 41, 50, 60, 70, 99):
        count = 95 * (epoch - 20)  # calls with boxes so far
        theirs = min(max(95, count - 1900), 2850) / 2850
        assert _at(d.eps, 95 * epoch) == pytest.approx(song2019.EPS * theirs)


def in_parts(train, parts):
    training = InParts(**training_settings(train.training), parts=parts)
    return replace(train, training=training)


# Draws at every update, unlike IBP.
DRAWING = replace(
    IBP,
    training=replace(
        IBP.training, defence=recipes.pgd(constant(0.1), step_share=0.5, steps=2), updates=20
    ),
)


@pytest.mark.parametrize("train", [IBP, in_parts(IBP, 3), in_parts(DRAWING, 3)])
def test_a_run_that_stopped_goes_on_with_its_bits(lab, monkeypatch, train):
    whole = lab.get(train)
    other = Lab(Store(lab.store.root.parent / "other"), on="cpu")
    checkpoint = run.Context.checkpoint

    def stop(self, done, weights, history):
        checkpoint(self, done, weights, history)
        raise KeyboardInterrupt

    monkeypatch.setattr(run.Context, "checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        other.get(train)
    monkeypatch.setattr(run.Context, "checkpoint", checkpoint)
    again = other.get(train)
    assert same(whole.arrays, again.arrays)
    assert whole.manifest["files"] == again.manifest["files"]


@pytest.mark.parametrize("parts", [2, 3, 20])
def test_in_parts_it_is_the_same_training(lab, parts):
    """Ten updates an epoch, 25 in all; more parts than updates leave some of them empty."""
    whole, parted = (lab.get(train) for train in (IBP, in_parts(IBP, parts)))
    assert (
        whole.manifest["files"]["weights.safetensors"]
        == (parted.manifest["files"]["weights.safetensors"])
    )
    ends = parted.arrays["history"][parts - 1 :: parts]
    assert np.array_equal(ends, whole.arrays["history"])


def test_no_part_draws_what_another_drew(lab):
    method = METHODS["InParts"](in_parts(DRAWING, 2), torch.nn.Linear(1, 1), 600)
    (noise,) = method.generators

    def first_draw(part):
        next(method.batches(part))
        return torch.rand(3, generator=noise).tolist()

    drawn = [first_draw(part) for part in range(4)]
    assert len({tuple(d) for d in drawn}) == 4
    assert first_draw(1) == drawn[1]


def test_scores_are_those_of_the_model_itself(lab):
    found, model = lab.get(MEMBERSHIP).arrays, lab.get(IBP).arrays
    assert np.array_equal(found["correct_benign_train"], model["correct_train"][:30])
    assert np.array_equal(found["correct_benign_test"], model["correct_test"][:20])
    assert (found["log_odds_adversarial_test"] <= found["log_odds_benign_test"]).mean() > 0.9
    assert (found["log_odds_verified_test"] <= found["log_odds_adversarial_test"] + 1e-4).all()
    assert found["logits_benign_train"].shape == (30, 10)


def cancelling(draw):
    """A network of two classes and images whose logits are small sums of large terms."""
    generator = torch.Generator().manual_seed(draw)
    layer = torch.nn.Linear(784, 2)
    x = torch.rand(200, 1, 28, 28, generator=generator)
    with torch.no_grad():
        layer.weight.copy_(3000 * torch.randn(2, 784, generator=generator))
        layer.weight[1] = layer.weight[0] + torch.randn(784, generator=generator)
        layer.bias.zero_()
        between = x.flatten(1).double() @ (layer.weight[1] - layer.weight[0]).double()
        layer.bias[0] = between.median().float()
    return torch.nn.Sequential(torch.nn.Flatten(), layer), x


def test_what_is_verified_is_so_in_float64_too():
    """With room for the rounding of the float32 network; its own bounds err by more than that."""
    spec = replace(MEMBERSHIP, eps=1e-3)
    model, x = cancelling(0)
    y = model(x).argmax(1)
    found = _verified(spec, model, x, y)
    exact = bounds.worst_case_logits(
        deepcopy(model).double(), x.double(), y, eps=spec.eps, method="interval"
    )
    assert bounds.verified(exact, y)[found["verified"]].all()
    assert 0 < found["verified"].sum() < len(x)
    single = bounds.worst_case_logits(model, x, y, eps=spec.eps, method="interval")
    assert ((single - exact).abs().amax(1) > bounds.slack(single)).any()
    assert found["log_odds_verified"].dtype == torch.float32


def test_a_bound_keeps_nothing_for_a_gradient(monkeypatch):
    asked = []

    def bound(model, x, y, **settings):
        asked.append((torch.is_grad_enabled(), x.dtype, next(model.parameters()).dtype))
        return torch.zeros(len(x), 2, dtype=x.dtype)

    monkeypatch.setitem(VERIFIERS, MEMBERSHIP.verifier, bound)
    model, x = cancelling(0)
    _verified(MEMBERSHIP, model, x, torch.zeros(len(x), dtype=torch.long))
    assert asked == [(False, torch.float64, torch.float64)]
    assert next(model.parameters()).dtype == torch.float32


def test_a_verified_image_that_is_fooled_is_an_error():
    right, wrong = torch.tensor([True, True]), torch.tensor([True, False])
    found = {"verified": right, "correct_benign": right, "correct_adversarial": wrong}
    with pytest.raises(ValueError, match="1 images are verified and wrong on adversarial"):
        require_sound(found)
    require_sound(found | {"verified": wrong})


NATURAL = replace(IBP, training=replace(IBP.training, defence=Natural()))


@pytest.mark.parametrize("train", [SGD, NATURAL])
def test_a_verified_score_needs_a_model_with_bounds(train):
    with pytest.raises(ValueError, match="needs a model trained with bounds"):
        replace(MEMBERSHIP, train=train)


def test_a_half_and_its_rest_are_the_whole():
    def parts(half):
        wanted = Halved(name="digits", train=None, test=None, half=half, models=4, draw=3)
        splits = Splits(torch.device("cpu"))
        return [splits.get(wanted, part).x for part in ("train", "test")]

    (a, b), (c, d) = parts(0), parts(1)
    whole = load("digits")
    n = len(whole.train) + len(whole.test)
    assert len(a) + len(b) == n
    assert torch.equal(a, d)  # models come in complementary pairs
    assert torch.equal(b, c)
    inside = data.halves(torch.cat([whole.train.y, whole.test.y]).numpy(), models=4, seed=3)[0]
    assert torch.equal(a, torch.cat([whole.train.x, whole.test.x])[torch.from_numpy(inside)])


def test_who_is_left_out_is_missing_from_the_training_images_alone():
    wanted = LeftOut(name="digits", train=50, test=20, k=7, group=2, draw=3)
    splits = Splits(torch.device("cpu"))
    part, whole = ({p: splits.get(d, p) for p in PARTS} for d in (wanted, wanted.whole))
    out = data.left_out(50, k=7, group=2, seed=3)
    rest = [i for i in range(50) if i not in out]
    assert torch.equal(part["train"].x, whole["train"].x[rest])
    assert torch.equal(part["train"].y, whole["train"].y[rest])
    assert torch.equal(part["test"].x, whole["test"].x)
    assert len(whole["train"]) == 50


def test_a_group_that_is_not_there_is_refused():
    wanted = LeftOut(name="digits", train=50, test=20, k=7, group=7, draw=3)
    with pytest.raises(ValueError, match=r"group must lie in 0\.\.6 for 7 of 50, not 7"):
        Splits(torch.device("cpu")).get(wanted, "train")


PARTS = ("train", "test")
FEW = LeftOut(name="digits", train=9, test=None, k=2, group=0, draw=0)


def test_scores_of_a_random_part_are_not_repeated_from_its_first_images():
    halved = Halved(name="digits", train=None, test=None, half=0, models=4, draw=0)
    for part in (FEW, halved):  # of fewer images, others would be drawn
        with pytest.raises(Unchecked, match="no first images"):
            _sliced(replace(MEMBERSHIP, data=part), 5)
    assert _sliced(replace(MEMBERSHIP, data=FEW.whole), 5).train == 5


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Ramp(start=5, end=4, low=0.0, high=1.0), "0 <= start <= end, got 5 and 4"),
        (lambda: Ramp(start=0, end=4, low=-1.0, high=1.0), "low must be >= 0, got -1"),
        (lambda: replace(IBP.training, updates=0), "updates must be at least 1, got 0"),
        (lambda: replace(IBP.training, optimizer="adamw"), "did you mean 'adam'"),
        (lambda: replace(IBP.training, lr_steps=((5, 0.1), (5, 0.2))), "must ascend"),
        (lambda: replace(MEMBERSHIP, eps=-0.1), "eps must be 0 or more"),
        (lambda: replace(MEMBERSHIP, verifier="boxes"), "verifier: no 'boxes'"),
        (lambda: Halved(name="digits", train=None, test=None, half=4, models=4, draw=0), "half"),
        (lambda: Halved(name="digits", train=9, test=None, half=0, models=4, draw=0), "all images"),
        (lambda: replace(FEW, k=0), "k must be at least 1, got 0"),
        (lambda: replace(FEW, k=9), "k must be below the 9 images of train, got 9"),
        (lambda: replace(FEW, group=-1), "group must be 0 or more, got -1"),
        (lambda: replace(FEW, draw=-1), "draw must be 0 or more, got -1"),
    ],
)
def test_bad_settings_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_quick_keeps_what_makes_the_defence():
    for name, paper in song2019.yale_defences().items():
        small = song2019.quick_training(paper)
        assert type(small.defence) is type(paper.defence)
        assert small.updates < paper.updates
        for part in ("eps", "beta", "weight", "share", "detach_clean", "fraction"):
            mine, theirs = (getattr(d.defence, part, None) for d in (small, paper))
            if isinstance(theirs, Ramp):
                mine, theirs = mine.high, theirs.high
            assert mine == theirs, (name, part)


def test_experiments_have_models_in_both_profiles():
    for experiment in registry.matching("song2019/*"):
        for profile in ("quick", "paper"):
            found = experiment.variants(profile, seed=0)
            large = experiment.name.split("/")[1].startswith(("fashion", "cifar", "duality"))
            assert bool(found) != (large and profile == "quick")
            assert len({(v.model, v.note) for v in found}) == len(found)
        assert experiment.variants("live") == []
        assert all(isinstance(v.train.training, Defended | DpSgd) for v in found)
        asked = [isinstance(v.spec, Membership | Masking | Targeted) for v in found]
        assert all(asked) or experiment.name.endswith("/yale")
