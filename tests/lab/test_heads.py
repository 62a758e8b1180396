"""Heads on frozen features: settings, training, stopping, resuming, checking."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from head_specimens import DPSGD, NETWORK, PUBLIC, SGD, STOPPED, TRAININGS, VIEWS, half
from specimens import PROBES, load, same
from torch.nn import functional as F

from privrob import data, evaluate, models, paths, zoo
from privrob.lab import costs, run
from privrob.lab import recompute as again
from privrob.lab.context import Splits
from privrob.lab.run import Lab, key_of
from privrob.lab.spec import (
    Data,
    Membership,
    Sgd,
    seed_for,
    spec_digest,
    upstream,
)
from privrob.lab.store import Store
from privrob.lab.tasks import TASKS, Output
from privrob.lab.tasks.base import trained
from privrob.training.augment import crop_and_flip


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(data, "load", load)
    yield Lab(Store(tmp_path_factory.mktemp("store")), on="cpu")
    patch.undo()


def model_of(lab, spec):
    return trained(spec, lab.output(lab.get(spec))).eval()


def fresh(lab, spec):
    """The network before its training: drawn anew, on the kept convolutions."""
    seed = seed_for(spec_digest(spec.model), f"init/{spec.seed}")
    model = models.build(spec.model.name, seed=seed, **spec.model.settings)
    model.load_state_dict(model.state_dict() | lab.output(lab.get(PUBLIC)).weights)
    return model


@torch.no_grad()
def descend(parameters, loss, lr):
    for p, g in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        p -= lr * g


# -- the public part ----------------------------------------------------------------------------


def test_of_the_pretraining_the_convolutions_alone_are_kept(lab):
    result = lab.get(PUBLIC)
    kept = lab.output(result).weights
    assert kept.keys() == {f"features.{n}.{p}" for n in (2, 5) for p in ("weight", "bias")}
    alone = models.build(PUBLIC.kept.name, seed=0, **PUBLIC.kept.settings)
    alone.load_state_dict(kept)
    arrays = result.arrays
    assert len(arrays["correct_test"]) == PUBLIC.holdout
    assert len(arrays["log_odds_train"]) == PUBLIC.data.train
    assert arrays["history"][-1] == arrays["correct_test"].mean()


def test_held_out_images_follow_those_that_are_trained_on(lab, monkeypatch):
    seen = []
    monkeypatch.setattr(
        evaluate, "accuracy", lambda model, x, y: seen.append(x) or float(len(seen))
    )
    spec = replace(PUBLIC, seed=1)
    TASKS["pretrained"](spec, {}, _Alone(lab))
    assert torch.equal(seen[0], load("digits").train.x[300:350])


class _Alone(again.base.Alone):
    def checkpoint(self, done, weights, history, *, every=0.0):
        """Nothing is kept."""


# -- heads --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAININGS)
def test_a_head_stands_on_the_kept_convolutions_and_its_scores_are_the_models(lab, name):
    spec = TRAININGS[name]
    result, kept = lab.get(spec), lab.output(lab.get(PUBLIC)).weights
    weights = lab.output(result).weights
    assert all(torch.equal(weights[n], v) for n, v in kept.items())
    model = model_of(lab, spec)
    for part in ("train", "test"):
        split = lab.split(spec.data, part)
        g = evaluate.logits(model, split.x)
        odds = evaluate.log_odds(g, split.y).half().numpy()
        assert np.array_equal(result.arrays[f"log_odds_{part}"], odds)
        right = (g.argmax(1) == split.y).numpy()
        assert np.array_equal(result.arrays[f"correct_{part}"], right)
    assert len(result.arrays["history"]) == spec.training.epochs
    assert result.arrays["history"][-1] == result.arrays["correct_test"].mean()
    assert result.manifest["upstream"] == {"features": key_of(PUBLIC)}


@pytest.mark.parametrize("augment", [0, 2])
def test_sgd_is_descent_on_the_cross_entropy_of_one_view_an_image(lab, augment):
    """The whole network by hand, images through all layers at every update."""
    spec = replace(SGD, augment=augment, training=replace(SGD.training, epochs=2))
    key, split = spec_digest(spec), lab.split(spec.data, "train")
    model = fresh(lab, spec)
    own = list(model.head.parameters())
    for epoch in range(2):
        order = torch.Generator().manual_seed(seed_for(key, f"batches/{epoch}"))
        draws = torch.Generator().manual_seed(seed_for(key, f"views/{epoch}"))
        for index in torch.randperm(200, generator=order).split(20):
            x, y = split.batch(index)
            x = crop_and_flip(x, padding=augment, generator=draws) if augment else x
            descend(own, F.cross_entropy(model(x), y), spec.training.lr)
    found = lab.output(lab.get(spec)).weights
    assert all(torch.allclose(found[n], v, atol=1e-6) for n, v in model.state_dict().items())


def test_dpsgd_clips_single_examples_and_adds_the_stated_noise(lab):
    """One update by hand: micro-batches of one, then the noise of the epoch's generator."""
    t = replace(DPSGD.training, epochs=1, sample_rate=1.0, batch_size=200)
    spec = replace(DPSGD, training=t)
    split, model = lab.split(spec.data, "train"), fresh(lab, spec)
    own = list(model.head.parameters())
    total = [torch.zeros_like(p) for p in own]
    for i in range(200):
        x, y = split.batch([i])
        gradients = torch.autograd.grad(F.cross_entropy(model(x), y), own)
        norm = torch.cat([g.flatten() for g in gradients]).norm().item()
        for sum_, g in zip(total, gradients, strict=True):
            sum_ += g / max(1.0, norm / t.clip_norm)
    noise = torch.Generator().manual_seed(seed_for(spec_digest(spec), "noise/0"))
    draws = torch.randn(sum(p.numel() for p in own), generator=noise)
    drawn = draws.split([p.numel() for p in own])
    found = trained(spec, lab.output(lab.get(spec))).head.parameters()
    for p, g, z, after in zip(own, total, drawn, found, strict=True):
        step = t.lr / 200 * (g + t.noise_std * z.view(p.shape))
        assert torch.allclose(after, p - step, atol=1e-6)


@pytest.mark.parametrize("name", TRAININGS)
def test_a_head_goes_on_where_it_was_killed(lab, tmp_path, monkeypatch, name):
    spec = TRAININGS[name]
    other = Lab(Store(tmp_path), on="cpu")
    other.get(PUBLIC)
    whole = lab.get(spec).arrays

    def killed(spec, done, total):
        if (done, total) == (2, 3):
            raise KeyboardInterrupt

    other.listener = killed
    with pytest.raises(KeyboardInterrupt):
        other.get(spec)
    assert other.store.restore(key_of(spec))[1]["done"] == 2
    other.listener = run.silent
    assert same(other.get(spec).arrays, whole)


def test_weights_of_other_convolutions_are_refused(lab):
    spec = replace(PUBLIC, model=replace(NETWORK, width=0.2), training=replace(PUBLIC.training))
    other = {"features": Output({}, lab.output(lab.get(spec)).weights)}
    with pytest.raises(ValueError, match="the frozen weights must be .*features"):
        TASKS["head"](SGD, other, _Alone(lab))
    fewer = {"features": Output({}, {})}
    with pytest.raises(ValueError, match="the frozen weights must be"):
        TASKS["head"](SGD, fewer, _Alone(lab))


def test_a_split_that_is_not_there_is_named(monkeypatch):
    without = data.Dataset("digits", {"train": load("digits").train}, classes=10)
    monkeypatch.setattr(data, "load", lambda name: without)
    monkeypatch.setattr("privrob.lab.context.checksum_of", lambda name: without.checksum)
    splits = Splits(torch.device("cpu"))
    with pytest.raises(ValueError, match="digits has no test split"):
        splits.get(PUBLIC.data, "test")
    assert len(splits.get(PUBLIC.data, "train")) == 300


# -- stopped ------------------------------------------------------------------------------------


def test_a_stopped_head_ends_at_the_first_look_that_is_as_good(lab):
    arrays = lab.get(STOPPED).arrays
    goal, history = arrays["goal"], arrays["history"]
    held_out = lab.split(STOPPED.held_out, "train").last(STOPPED.holdout)
    assert goal == evaluate.accuracy(model_of(lab, DPSGD), held_out.x, held_out.y)
    assert history[-1] >= goal
    assert (history[:-1] < goal).all()
    found = evaluate.accuracy(model_of(lab, STOPPED), held_out.x, held_out.y)
    assert history[-1] == found


def test_looks_are_so_many_updates_apart(lab):
    """By hand, through all layers at every update; a target that takes a few looks to reach."""
    target = replace(SGD, training=replace(SGD.training, epochs=8))
    spec = replace(STOPPED, target=target)
    split = lab.split(spec.data, "train")
    held_out = lab.split(spec.held_out, "train").last(spec.holdout)
    model = fresh(lab, spec)
    own, seen = list(model.head.parameters()), []
    for epoch in range(spec.training.epochs):
        key = seed_for(spec_digest(spec), f"batches/{epoch}")
        order = torch.Generator().manual_seed(key)
        for index in torch.randperm(200, generator=order).split(20):
            x, y = split.batch(index)
            descend(own, F.cross_entropy(model(x), y), spec.training.lr)
            seen.append(evaluate.accuracy(model, held_out.x, held_out.y))
    history = lab.get(spec).arrays["history"]
    assert len(history) > 3
    assert history.tolist() == seen[2 : 3 * len(history) : 3]


def test_a_target_that_is_never_reached_is_told(lab):
    short = replace(STOPPED, training=Sgd(lr=1e-6, epochs=1, batch_size=20))
    with pytest.raises(ValueError, match="best held-out accuracy, below the target's"):
        lab.get(short)


# -- what is asked of one -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["logits", "distance", "curvature", "steps", "masking"])
def test_questions_go_to_the_whole_model(lab, kind):
    changes = {"surrogate": SGD} if kind == "masking" else {}
    spec = replace(PROBES[kind], train=SGD, **changes)
    result = lab.get(spec)
    assert result.manifest["upstream"]["train"] == key_of(SGD)
    assert again.recompute(result, lab, images=12).agrees


def test_logits_are_the_whole_models(lab):
    arrays = lab.get(replace(PROBES["logits"], train=SGD)).arrays
    x = lab.split(PROBES["logits"].data, "test").x
    expected = evaluate.logits(model_of(lab, SGD), x)
    assert np.array_equal(arrays["logits"], expected.half().T.numpy())


def test_scores_for_membership_are_the_whole_models(lab):
    images = Data(name="glyphs", train=20, test=10)
    spec = Membership(train=SGD, data=images, eps=0.02, steps=2, verifier="")
    arrays = lab.get(spec).arrays
    split = lab.split(images, "test")
    g = evaluate.logits(model_of(lab, SGD), split.x)
    confidence = g.softmax(1).gather(1, split.y[:, None]).squeeze(1)
    assert np.allclose(arrays["confidence_benign_test"], confidence, atol=1e-6)


# -- checks -------------------------------------------------------------------------------------


def altered(lab, spec, tmp_path, **arrays):
    """The result, stored elsewhere with other arrays; upstream as it is."""
    other = Lab(Store(tmp_path, also=[lab.store.root]), on="cpu")
    found = lab.get(spec)
    kind = found.record.folder.parent.name
    weights = lab.store.weights(found.record)
    record = other.store.save(kind, found.manifest, found.arrays | arrays, weights)
    return run.Result(spec, record), other


@pytest.mark.parametrize("spec", [PUBLIC, SGD, DPSGD, VIEWS, STOPPED], ids=lambda s: key_of(s)[:6])
def test_a_result_is_repeated_and_agrees(lab, spec):
    outcome = again.recompute(lab.get(spec), lab)
    assert outcome.agrees, outcome


@pytest.mark.parametrize("spec", [PUBLIC, SGD])
def test_a_wrong_first_epoch_is_caught(lab, tmp_path, spec):
    history = lab.get(spec).arrays["history"] + 0.01
    assert again.recompute(*altered(lab, spec, tmp_path, history=history)).agrees is False


@pytest.mark.parametrize("spec", [SGD, STOPPED])
def test_wrong_answers_are_caught(lab, tmp_path, spec):
    odds = lab.get(spec).arrays["log_odds_test"] + np.float16(0.5)
    assert again.recompute(*altered(lab, spec, tmp_path, log_odds_test=odds)).agrees is False


def test_a_head_without_its_features_is_checked_by_its_answers(lab, tmp_path):
    alone = Lab(Store(tmp_path), on="cpu")
    found = lab.get(SGD)
    record = alone.store.save("head", found.manifest, found.arrays, lab.store.weights(found.record))
    outcome = again.recompute(run.Result(SGD, record), alone)
    assert outcome.agrees
    assert "not the training: the weights of a model that it needs" in outcome.method


def test_a_head_on_a_half_is_checked_on_the_other_half(lab):
    spec = replace(SGD, data=half(1))
    outcome = again.recompute(lab.get(spec), lab)
    assert outcome.agrees, outcome
    assert f"the first {len(lab.split(spec.data, 'test'))} test images" in outcome.method


# -- halves -------------------------------------------------------------------------------------


def test_halves_are_of_the_training_images_alone(lab):
    whole = load("glyphs").train.first(200)
    inside = torch.from_numpy(data.halves(whole.y.numpy(), models=4, seed=3))
    for k in range(4):
        train, rest = (lab.split(half(k), part) for part in ("train", "test"))
        assert torch.equal(train.x, whole.x[inside[k]])
        assert torch.equal(train.y, whole.y[inside[k]])
        assert torch.equal(rest.x, whole.x[~inside[k]])
    assert costs.sizes(half(0)) == (100, 100)
    assert costs.sizes(half(0, name="cifar10", train=None)) == (25000, 25000)


def test_all_training_images_are_halved_where_none_is_named(lab):
    found = lab.split(half(0, train=None), "train"), lab.split(half(0, train=None), "test")
    assert sum(map(len, found)) == len(load("glyphs").train)


def test_a_data_set_is_read_once_for_all_halves(monkeypatch):
    reads = []
    monkeypatch.setattr(data, "load", lambda name: reads.append(name) or load(name))
    splits = Splits(torch.device("cpu"))
    for k in range(4):
        splits.get(half(k), "train")
        splits.get(half(k), "test")
    splits.get(SGD.data, "test")
    assert reads == ["glyphs"]
    splits.get(PUBLIC.data, "train")
    splits.get(half(0), "train")
    assert reads == ["glyphs", "digits", "glyphs"]


# -- settings -----------------------------------------------------------------------------------


def test_a_head_needs_its_features_and_a_stopped_one_its_target():
    assert upstream(PUBLIC) == {}
    assert upstream(SGD) == {"features": PUBLIC}
    assert upstream(STOPPED) == {"features": PUBLIC, "target": DPSGD}


def test_labels_of_the_features_are_not_in_the_key():
    named = replace(PUBLIC, reading="matched", scale="paper")
    assert key_of(replace(SGD, features=named)) == key_of(SGD)
    assert key_of(replace(SGD, features=replace(PUBLIC, seed=5))) != key_of(SGD)


CIFAR = Data(name="cifar10", train=None, test=None)
FEWER = replace(SGD.data, train=99)


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        (PUBLIC, {"holdout": 0}, "holdout must be at least 1, got 0"),
        (PUBLIC, {"augment": -1}, "augment must be 0 or more, got -1"),
        (PUBLIC, {"data": Data(name="digits", train=None, test=None)}, "data.train must leave"),
        (PUBLIC, {"data": CIFAR}, "digits_head_cnn takes images of (1, 28, 28), cifar10 has (3,"),
        (SGD, {"augment": -1}, "augment must be 0 or more, got -1"),
        (SGD, {"data": CIFAR}, "digits_head_cnn takes images of (1, 28, 28), cifar10 has (3,"),
        (SGD, {"model": replace(NETWORK, name="mnist_cnn")}, "model.name: no 'mnist_cnn'"),
        (SGD, {"model": replace(NETWORK, width=0.2)}, "features must be those of the network"),
        (SGD, {"model": replace(NETWORK, normalize=False)}, "features must be those of the"),
        (SGD, {"training": "sgd"}, "training must be Sgd or DpSgd, got str"),
        (STOPPED, {"look_every": 0}, "look_every must be at least 1, got 0"),
        (STOPPED, {"holdout": 0}, "holdout must be at least 1, got 0"),
        (STOPPED, {"target": replace(DPSGD, data=FEWER)}, "data must be what target"),
        (
            STOPPED,
            {"target": replace(DPSGD, features=replace(PUBLIC, seed=1))},
            "target must be a head on the same features",
        ),
        (half(0), {"half": 4}, "half must lie in 0..3, got 4"),
        (half(0), {"test": 5}, "test must be None, 5"),
        (half(0), {"train": 0}, "data.train must be above 0"),
        (half(0), {"draw": -1}, "draw must be 0 or more, got -1"),
    ],
)
def test_bad_settings_are_named(part, change, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        replace(part, **change)


def test_costs_tell_what_is_cheap():
    minutes = {name: costs.minutes(spec, images=(50000, 10000)) for name, spec in TRAININGS.items()}
    assert minutes["sgd"] < minutes["dpsgd"] < minutes["views"] < minutes["dp views"]
    assert costs.minutes(STOPPED, images=(50000, 10000)) > 0
    assert costs.describe(DPSGD) == "head DP-SGD on glyphs, literal, seed 0"


# -- the zoo ------------------------------------------------------------------------------------


def test_kept_features_are_enough_to_go_on(lab, tmp_path, monkeypatch):
    """Without the public images, and without weights beside the record."""
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path))
    public = lab.get(PUBLIC)
    facts = {"network": PUBLIC.kept.name, "settings": PUBLIC.kept.settings}
    raw = lab.store.weight_bytes(public.record)
    zoo.keep("a/features", seed=0, raw=raw, key=public.key, **facts)
    here = Lab(Store(tmp_path / "store", weights=[paths.weights()]), on="cpu")
    record = here.store.save(
        "pretrained", public.manifest, public.arrays, lab.store.weights(public.record)
    )
    (record.folder / "weights.safetensors").unlink()

    def without(name):
        if name == PUBLIC.data.name:
            raise data.MissingDataError("the public images are not here")
        return load(name)

    monkeypatch.setattr(data, "load", without)
    assert same(here.get(SGD).arrays, lab.get(SGD).arrays)
    x = lab.split(SGD.data, "test").batch([0])[0]
    expected = model_of(lab, SGD).features(x)
    assert torch.equal(zoo.load("a/features", seed=0)(x), expected)
