"""Models after a countermeasure: prefixes, twins, members, recipes, costs."""

from dataclasses import fields, replace

import pytest
import torch
from specimens import IBP, SGD, load, same

from privrob import data, models
from privrob.data.catalogue import known
from privrob.lab import costs, registry, run, song2019
from privrob.lab import song_countermeasures as against
from privrob.lab.run import Lab, key_of
from privrob.lab.song_digits import digits
from privrob.lab.spec import Defended, DpSgd, Early, Membership, Natural, Regularised
from privrob.lab.store import Store
from privrob.lab.tasks.countermeasures import regularised
from privrob.training import loop, private

GAME = {"weight": 1.0, "reference": 120, "hidden": (8,), "inner_lr": 0.01, "inner_steps": 2}


@pytest.fixture(autouse=True)
def _loaded_once(monkeypatch):
    monkeypatch.setattr(data, "load", load)


@pytest.fixture
def lab(tmp_path):
    return Lab(Store(tmp_path / "store"), on="cpu")


def settings(train):
    return {f.name: getattr(train.training, f.name) for f in fields(Defended)}


NATURAL = replace(IBP, training=replace(IBP.training, defence=Natural()))
SMALL = replace(NATURAL, data=replace(NATURAL.data, train=480))


def game(train, **changes):
    """The training on its 480 images, with 120 more for reference."""
    training = Regularised(**settings(train) | GAME | changes)
    return replace(train, data=replace(train.data, train=600), training=training)


def weights(lab, spec):
    return lab.output(lab.get(spec)).weights


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(v, b[n]) for n, v in a.items())


# -- ended early --------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [7, 10, 25])
def test_an_early_end_is_the_moment_of_the_whole_run(lab, monkeypatch, stop):
    """600 images in batches of 60: an epoch is 10 updates."""
    seen, step = {}, loop.ScheduledStep.__call__

    def watched(self, x, y):
        step(self, x, y)
        seen[self.done] = {n: v.clone() for n, v in self.model.state_dict().items()}

    with monkeypatch.context() as patch:
        patch.setattr(loop.ScheduledStep, "__call__", watched)
        lab.get(IBP)
    assert max(seen) == 25
    early = replace(IBP, training=Early(**settings(IBP), stop=stop))
    assert equal(weights(lab, early), seen[stop])
    assert len(lab.get(early).arrays["history"]) == -(-stop // 10)


# -- regularised --------------------------------------------------------------------------------


@pytest.mark.parametrize("train", [SMALL, replace(IBP, data=SMALL.data)], ids=["natural", "ibp"])
def test_weight_0_is_the_training_of_the_members_alone(lab, train):
    assert equal(weights(lab, game(train, weight=0.0)), weights(lab, train))


def test_a_weight_changes_the_model_and_members_come_first(lab):
    assert not equal(weights(lab, game(SMALL)), weights(lab, SMALL))
    method = regularised(game(SMALL), lab_model(), 600)
    seen = set()
    for index in method.batches(0):
        members, reference = index.chunk(2)
        assert members.max() < 480 <= reference.min()
        assert reference.max() < 600
        seen |= set(members.tolist())
    assert seen == set(range(480))


def lab_model():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))


def test_a_game_that_stopped_goes_on_with_its_bits(lab, monkeypatch):
    whole = lab.get(game(SMALL))
    other = Lab(Store(lab.store.root.parent / "other"), on="cpu")
    checkpoint = run.Context.checkpoint

    def stop(self, done, weights, history):
        checkpoint(self, done, weights, history)
        raise KeyboardInterrupt

    monkeypatch.setattr(run.Context, "checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        other.get(game(SMALL))
    monkeypatch.setattr(run.Context, "checkpoint", checkpoint)
    again = other.get(game(SMALL))
    assert same(whole.arrays, again.arrays)
    assert whole.manifest["files"] == again.manifest["files"]


def test_a_game_needs_a_member(lab):
    with pytest.raises(ValueError, match="600 reference images of 600 leave no member"):
        lab.get(game(SMALL, reference=600))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Early(**settings(IBP), stop=26), r"stop must lie in 1\.\.25, .* got 26"),
        (lambda: Early(**settings(IBP), stop=0), "stop must lie in"),
        (lambda: game(SMALL, weight=-1.0), "weight must be 0 or more, got -1"),
        (lambda: game(SMALL, inner_lr=float("inf")), "inner_lr must be 0 or more, got inf"),
        (lambda: game(SMALL, reference=0), "reference must be at least 1, got 0"),
        (lambda: game(SMALL, inner_steps=0), "inner_steps must be at least 1, got 0"),
        (lambda: game(SMALL, hidden=(8, 0)), r"hidden must be above 0, got \[0\]"),
        (lambda: game(SMALL, updates=0), "updates must be at least 1, got 0"),
    ],
)
def test_bad_settings_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# -- recipes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [song2019.yale, digits])
@pytest.mark.parametrize("name", song2019.HALVED)
def test_a_countermeasure_keeps_the_training(make, name):
    train = make(name, seed=3)
    found = against.countermeasures(train, private_too=True)
    assert found[""] == train
    for spec in found.values():
        assert (spec.model, spec.seed) == (train.model, train.seed)
        if isinstance(spec.training, Defended):
            assert settings(spec) == settings(train)
    stops = [t.training.stop / t.training.updates for n, t in found.items() if "stop" in n]
    assert stops == pytest.approx(against.STOPS, abs=1e-3)


def test_members_are_those_without_reference():
    small, large = (make("natural", seed=0) for make in (digits, song2019.yale))
    assert against.members(small) == small.data
    assert against.members(against.regularised(small)) == small.data
    assert against.without(against.regularised(small)) == small
    game, (all_images, _) = against.regularised(large), song2019.SIZES["yale_faces"]
    assert game.data == large.data
    assert against.members(game).train == all_images - game.training.reference
    found = against.countermeasures(large, private_too=False)
    assert found[against.FEWER] == replace(large, data=against.members(game))
    assert against.FEWER not in against.countermeasures(small, private_too=False)


@pytest.mark.parametrize("profile", ["quick", "paper"])
def test_members_and_others_are_scored_and_no_reference(profile):
    found = registry.experiment("song2019/countermeasures").variants(profile, seed=0)
    assert {v.model for v in found} == set(song2019.HALVED)
    assert {v.model for v in found if v.note == against.PRIVATE} == {"natural"}
    for v in found:
        assert isinstance(v.spec, Membership)
        assert v.spec.data == against.members(v.train)
    assert len({key_of(v.spec) for v in found}) == len(found)


def test_quick_shares_the_models_of_other_pages():
    found = registry.experiment("song2019/countermeasures").variants("quick", seed=2)
    plain = [v.train for v in found if not v.note]
    assert plain == [digits(name, seed=2) for name in song2019.HALVED]


def test_private_batches_are_of_the_expected_size():
    for make, images in ((digits, 300), (song2019.yale, 1900)):
        t = against.private(make("natural", seed=0)).training
        assert isinstance(t, DpSgd)
        assert t.sample_rate * images == pytest.approx(t.batch_size)


@pytest.mark.parametrize("make", [digits, song2019.yale])
def test_both_networks_can_be_trained_in_private(make):
    """Clipped gradients of the fast engine are those of one example at a time."""
    spec = make("natural", seed=0).model
    network = models.build(spec.name, seed=0, **spec.settings | {"width": 0.25})
    shape, clip_norm = known(make("natural", seed=0).data.name).shape, 0.5
    x, y = (
        torch.rand(3, *shape, generator=torch.Generator().manual_seed(0)),
        torch.tensor([0, 3, 7]),
    )
    slow = {n: torch.zeros_like(p) for n, p in network.named_parameters()}
    for k in range(3):
        loss = torch.nn.functional.cross_entropy(network(x[k : k + 1]), y[k : k + 1])
        each = dict(zip(slow, torch.autograd.grad(loss, list(network.parameters())), strict=True))
        norm = sum(g.square().sum() for g in each.values()).sqrt()
        for name, g in each.items():
            slow[name] += g / (norm / clip_norm).clamp(min=1)
    found = private.clipped_gradient(network, x, y, clip_norm=clip_norm)
    for name, total in slow.items():
        torch.testing.assert_close(found[name], total, rtol=1e-3, atol=1e-5)


# -- costs --------------------------------------------------------------------------------------


def minutes(spec):
    return costs.minutes(spec, images=(600, 100))


def test_an_early_end_costs_its_share_and_a_game_more():
    early = replace(IBP, training=Early(**settings(IBP), stop=5))
    assert minutes(early) == pytest.approx(minutes(IBP) * 5 / 25)
    assert minutes(SMALL) < minutes(game(SMALL)) < 4 * minutes(SMALL)


def test_private_training_of_faces_costs_more_than_of_digits():
    small, large = (against.private(make("natural", seed=0)) for make in (digits, song2019.yale))
    assert minutes(large) > 10 * minutes(small)
    assert minutes(SGD) == pytest.approx(3 * 600 * 1.6e-4 * 0.2 / 60)


def test_a_plan_names_the_countermeasure():
    early = replace(IBP, training=Early(**settings(IBP), stop=5))
    assert costs.describe(early) == "train early interval on glyphs, literal, seed 0"
    assert costs.describe(IBP) == "train interval on glyphs, literal, seed 0"
