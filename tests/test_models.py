"""The paper's network: sizes, layer order, initialisation."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from privrob import models

PAPER = {"width": 1.0, "hidden": (500,), "normalize": False}


def build(seed=0, **changes):
    return models.build("mnist_cnn", seed=seed, **(PAPER | changes))


@pytest.mark.parametrize(
    ("changes", "count"),
    [({}, 431_080), ({"hidden": (500, 500)}, 681_580), ({"normalize": True}, 431_080)],
)
def test_parameter_counts(changes, count):
    assert sum(p.numel() for p in build(**changes).parameters()) == count


def test_logits_and_gradients_are_those_of_the_usual_layer_order():
    """Convolution, ReLU, max-pool, written out by hand in plain NCHW."""
    model = build().double()
    weights = dict(model.named_parameters())
    x = torch.rand(4, 1, 28, 28, dtype=torch.float64, requires_grad=True)

    def by_hand(x):
        for conv in ("1", "4"):
            x = F.conv2d(x, weights[f"{conv}.weight"].contiguous(), weights[f"{conv}.bias"])
            x = F.max_pool2d(F.relu(x), 2)
        x = F.relu(x.flatten(1) @ weights["8.weight"].T + weights["8.bias"])
        return x @ weights["10.weight"].T + weights["10.bias"]

    torch.testing.assert_close(model(x), by_hand(x), rtol=1e-12, atol=1e-12)
    ours, theirs = (torch.autograd.grad(f(x).square().sum(), x)[0] for f in (model, by_hand))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_normalisation_is_inside_the_model():
    x = torch.rand(3, 1, 28, 28)
    plain, inside = build(), build(normalize=True)
    torch.testing.assert_close(inside(x), plain((x - 0.1307) / 0.3081), rtol=1e-4, atol=1e-5)


def test_a_quarter_of_the_width_keeps_the_topology():
    small = build(width=0.25)
    shapes = [tuple(p.shape) for p in small.parameters() if p.ndim > 1]
    assert shapes == [(5, 1, 5, 5), (12, 5, 5, 5), (125, 192), (10, 125)]


def test_the_seed_alone_decides_and_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, two, other = build(seed=1), build(seed=1), build(seed=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


def test_activations_stay_in_channels_last_order():
    model, layouts = build(), []
    for layer in model:
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(
                lambda layer, x, out: layouts.append(
                    out.is_contiguous(memory_format=torch.channels_last)
                )
            )
    model(torch.rand(4, 1, 28, 28))
    assert layouts == [True, True]


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="no model 'resnet'; there are mnist_cnn"):
        models.build("resnet", seed=0)
