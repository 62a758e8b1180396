"""Examples behind frozen layers: against the whole network, one image at a time."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from privrob import evaluate, models
from privrob.data import Split
from privrob.training import frozen, loop, losses, private
from privrob.training.augment import crop_and_flip

MEMBERS = 30


@pytest.fixture
def model():
    return models.build("cifar_cnn", seed=3, width=0.1, hidden=(40,), normalize=True)


@pytest.fixture
def split():
    draw = torch.Generator().manual_seed(0)
    x = torch.randint(256, (MEMBERS, 3, 32, 32), generator=draw, dtype=torch.uint8)
    return Split(x, torch.arange(MEMBERS) % 10)


@pytest.fixture
def features(model, split):
    return frozen.features_of(model.features, split)


def test_features_are_those_of_each_image_alone(model, split, features):
    each = [model.features(split.batch([i])[0])[0] for i in range(MEMBERS)]
    assert torch.allclose(features.x, torch.stack(each), atol=1e-6)
    assert not features.x.requires_grad
    assert len(features) == MEMBERS
    index = torch.tensor([7, 2, 7])
    x, y = features.batch(index)
    assert torch.equal(x, features.x[[7, 2, 7]])
    assert torch.equal(y, split.y[index])


def test_features_are_the_same_in_pieces(model, split, features, monkeypatch):
    monkeypatch.setattr(frozen, "BATCH", 7)
    assert torch.allclose(frozen.outputs(model.features, split.x), features.x, atol=1e-6)


def test_answers_of_the_head_are_those_of_the_whole_model(model, split, features):
    g = evaluate.logits(model, split.x)
    assert torch.equal(frozen.logits(model.head, features), g)
    assert frozen.accuracy(model.head, features) == evaluate.accuracy(model, split.x, split.y)


def test_features_of_other_weights_are_refused(model, features):
    features.require(model.features)
    with torch.no_grad():
        model.features[2].weight[0, 0, 0, 0] += 1e-6
    with pytest.raises(ValueError, match=f"frozen weights {features.source[:16]}, not from"):
        features.require(model.features)


def test_a_checksum_goes_by_values_and_not_by_memory_order(model):
    other = deepcopy(model.features).to(memory_format=torch.contiguous_format)
    assert frozen.checksum(other) == frozen.checksum(model.features)
    fewer = models.build("cifar_cnn", seed=3, width=0.1, hidden=(50,), normalize=True)
    assert frozen.checksum(fewer.head) != frozen.checksum(model.head)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.full((2, 3, 32, 32), 1.5), "1.5"),
        (torch.full((2, 3, 32, 32), -0.1), "-0.1"),
        (torch.zeros(2, 3, 32, 32, dtype=torch.int64), "int64"),
        (torch.zeros(3, 32, 32), "32"),
    ],
)
def test_images_are_checked_before_they_are_normalised(model, x, words):
    with pytest.raises(ValueError, match=words):
        frozen.outputs(model.features, x)


def test_an_answer_that_is_not_finite_is_refused(model, features):
    nn.init.constant_(model.head[0].weight, torch.inf)
    with pytest.raises(ValueError, match="finite|NaN|infinite"):
        frozen.accuracy(model.head, features)


# -- views --------------------------------------------------------------------------------------


def views(split, layers, seed):
    return frozen.Views(split, layers, 4, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("whole", [False, True])
def test_a_view_is_a_crop_on_its_way_through_the_layers(model, split, whole):
    index = torch.tensor([3, 1, 4, 1])
    x, y = views(split, model.features if whole else None, 5).batch(index)
    cut = crop_and_flip(
        split.batch(index)[0], padding=4, generator=torch.Generator().manual_seed(5)
    )
    assert torch.equal(x, model.features(cut) if whole else cut)
    assert torch.equal(y, split.y[index])
    assert not x.requires_grad


def test_views_differ_from_one_time_to_the_next(model, split):
    examples, index = views(split, model.features, 5), torch.arange(MEMBERS)
    first, second = (examples.batch(index)[0] for _ in range(2))
    assert not torch.equal(first, second)
    examples.generator.manual_seed(5)
    assert torch.equal(examples.batch(index)[0], first)
    assert len(examples) == MEMBERS
    assert torch.equal(examples.y, split.y)


# -- training -----------------------------------------------------------------------------------


def test_training_on_features_is_training_with_frozen_layers(model, split, features):
    whole = deepcopy(model)
    whole.features.requires_grad_(False)
    slow = loop.sgd_step(whole, lr=0.1, loss=losses.natural)
    fast = loop.sgd_step(model.head, lr=0.1, loss=losses.natural)
    for seed in range(5):
        index = torch.randperm(MEMBERS, generator=torch.Generator().manual_seed(seed))[:10]
        slow(*split.batch(index))
        fast(*features.batch(index))
    pairs = zip(whole.parameters(), model.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)


@pytest.mark.parametrize("clip_norm", [0.5, 3.0, float("inf")])
def test_private_gradients_are_those_of_single_examples(model, features, clip_norm):
    total = {n: torch.zeros_like(p) for n, p in model.head.named_parameters()}
    for i in range(MEMBERS):
        loss = F.cross_entropy(model.head(features.x[i : i + 1]), features.y[i : i + 1])
        own = torch.autograd.grad(loss, list(model.head.parameters()))
        norm = sum(g.square().sum() for g in own).sqrt()
        for (name, _), g in zip(model.head.named_parameters(), own, strict=True):
            total[name] += g / max(1.0, norm.item() / clip_norm)
    found = private.clipped_gradient(model.head, features.x, features.y, clip_norm=clip_norm)
    assert found.keys() == total.keys()
    assert all(torch.allclose(found[n], total[n], atol=1e-5) for n in total)
