"""The papers' networks: sizes, layer order, initialisation."""

from itertools import pairwise

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
    with pytest.raises(ValueError, match="no model 'resnet'; there are cifar100_cnn, .*mnist_cnn"):
        models.build("resnet", seed=0)


# song2019's stacks of convolutions

VGG = {"width": 1.0, "hidden": (200,), "normalize": False}
SHAPES = {
    "yale_vgg": (192, 168, 38),
    "yale_vgg_dual": (192, 168, 38),
    "faces_vgg": (48, 42, 12),
    "faces_vgg_dual": (48, 42, 12),
    "fashion_vgg": (28, 28, 10),
    "fashion_vgg_dual": (28, 28, 10),
    "digits_vgg": (28, 28, 10),
}


@pytest.mark.parametrize(
    ("name", "count"),
    [("yale_vgg", 1_770_902), ("yale_vgg_dual", 1_962_582), ("fashion_vgg", 12_102_306)],
)
def test_parameter_counts_are_the_authors(name, count):
    assert sum(p.numel() for p in models.build(name, seed=0, **VGG).parameters()) == count


@pytest.mark.parametrize("name", SHAPES)
def test_a_narrow_vgg_maps_its_images_to_its_classes(name):
    height, width, classes = SHAPES[name]
    model = models.build(name, seed=0, **(VGG | {"width": 1 / 16}))
    assert model(torch.rand(2, 1, height, width)).shape == (2, classes)
    with pytest.raises(RuntimeError):
        model(torch.rand(2, 1, height + 16, width))


def test_yale_vgg_is_the_facts_list_of_layers():
    model = models.build("yale_vgg", seed=0, **VGG)
    convs = [m for m in model if isinstance(m, nn.Conv2d)]
    assert [(m.out_channels, m.stride[0]) for m in convs] == [
        (8, 1), (8, 2), (16, 1), (16, 2), (32, 1), (32, 2), (64, 1), (64, 2),
    ]  # fmt: skip
    assert all(m.kernel_size == (3, 3) and m.padding == (1, 1) for m in convs)
    dense = [(m.in_features, m.out_features) for m in model if isinstance(m, nn.Linear)]
    assert dense == [(8448, 200), (200, 38)]
    kinds = [type(m) for m in model[1:]]
    relus = [type(b) is nn.ReLU for a, b in pairwise(model) if isinstance(a, nn.Conv2d)]
    assert all(relus)
    assert set(kinds) == {nn.Conv2d, nn.ReLU, nn.Flatten, nn.Linear}
    assert kinds[-3:] == [nn.Linear, nn.ReLU, nn.Linear]


def test_the_dual_variants_have_wider_kernels_where_the_stride_is_two():
    model = models.build("fashion_vgg_dual", seed=0, **(VGG | {"width": 0.05}))
    convs = [(m.kernel_size[0], m.stride[0]) for m in model if isinstance(m, nn.Conv2d)]
    assert convs == [(3, 1), (3, 1), (4, 2), (3, 1), (3, 1), (4, 2)]


def test_the_padding_of_the_faces_is_black_and_on_the_sides():
    model = models.build("yale_vgg_dual", seed=0, **(VGG | {"width": 0.125}))
    x = torch.rand(1, 1, 192, 168)
    padded = torch.zeros(1, 1, 192, 192)
    padded[..., 12:180] = x
    assert torch.equal(model(x), model[1:](padded))


def test_vgg_weights_are_drawn_as_the_authors():
    model = models.build("yale_vgg", seed=0, **VGG)
    last = [m for m in model if isinstance(m, nn.Conv2d)][-1]
    # 36,864 draws: the deviation is known to 0.4 %
    assert last.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)
    first = next(m for m in model if isinstance(m, nn.Linear))
    limit = (3 / 8448) ** 0.5
    assert 0.999 * limit < first.weight.abs().max().item() <= limit
    assert first.weight.std().item() == pytest.approx((1 / 8448) ** 0.5, rel=0.02)
    biases = [m.bias for m in model if isinstance(m, nn.Conv2d | nn.Linear)]
    assert not any(b.any() for b in biases)


def test_vgg_networks_are_decided_by_the_seed():
    one, two, other = (models.build("faces_vgg", seed=s, **VGG) for s in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


def test_vgg_networks_refuse_to_normalise():
    with pytest.raises(ValueError, match="normalize must be False"):
        models.build("yale_vgg", seed=0, **(VGG | {"normalize": True}))


# Wide residual networks

WIDE = {"width": 0.1, "hidden": (), "normalize": True}
WIDE_NAMES = ("wide_resnet", "wide_resnet_relu", "wide_resnet_trades")


@pytest.mark.parametrize(
    ("name", "count"), [("wide_resnet", 45_901_914), ("wide_resnet_trades", 46_160_474)]
)
def test_wide_networks_at_full_width_have_the_known_number_of_parameters(name, count):
    with torch.device("meta"):
        model = models.MODELS[name](**(WIDE | {"width": 1.0}))
    assert sum(p.numel() for p in model.parameters()) == count


@pytest.mark.parametrize("name", WIDE_NAMES)
def test_wide_networks_train(name):
    model = models.build(name, seed=0, **WIDE)
    x, y = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.arange(8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(12):
        losses.append(F.cross_entropy(model(x), y))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0] - 0.25
    with torch.no_grad():
        assert model.eval()(x).shape == (8, 10)


def test_the_wide_network_is_the_authors_written_out_by_hand():
    """Madry's units in functional calls, batch statistics, from the same parameters in order."""
    model = models.build("wide_resnet", seed=3, **WIDE).double()
    given = model.parameters()
    x = torch.rand(4, 3, 32, 32, dtype=torch.float64)

    def norm(x):
        scale, shift = next(given), next(given)
        flat = x.transpose(0, 1).flatten(1)
        mean, var = flat.mean(1), flat.var(1, correction=0)
        x = (x - mean[:, None, None]) / (var + 1e-3).sqrt()[:, None, None]
        x = x * scale[:, None, None] + shift[:, None, None]
        return torch.where(x > 0, x, 0.1 * x)

    def conv(x, stride=1):
        return F.conv2d(x, next(given), None, stride, padding=1)

    pixels = 255 * x
    deviation = pixels.flatten(1).std(1, correction=0).clamp(min=1 / 3072**0.5)
    h = (pixels - pixels.mean((1, 2, 3), keepdim=True)) / deviation[:, None, None, None]
    h = conv(h)
    for group, (channels, stride) in enumerate([(16, 1), (32, 2), (64, 2)]):
        for unit in range(5):
            stride = stride if unit == 0 else 1
            active = norm(h)
            kept = active if group == unit == 0 else h
            if kept.shape[1] != channels:
                kept = F.avg_pool2d(kept, stride)
                more = torch.zeros_like(kept[:, : kept.shape[1] // 2])
                kept = torch.cat([more, kept, more], dim=1)
            h = kept + conv(norm(conv(active, stride)))
    h = norm(h).mean((2, 3))
    by_hand = h @ next(given).T + next(given)
    torch.testing.assert_close(model(x), by_hand, rtol=1e-9, atol=1e-9)


def test_trades_shortcuts_are_convolutions_where_the_shape_changes():
    model = models.build("wide_resnet_trades", seed=0, **WIDE)
    kernels = [m.kernel_size for m in model.modules() if isinstance(m, nn.Conv2d)]
    # 16 -> 16 at width 0.1 needs none
    assert kernels.count((1, 1)) == 2
    wider = models.build("wide_resnet_trades", seed=0, **(WIDE | {"width": 0.2}))
    assert [m.kernel_size for m in wider.modules() if isinstance(m, nn.Conv2d)].count((1, 1)) == 3
    assert not model(torch.rand(2, 3, 32, 32)).any()  # it starts with equal logits


def test_images_are_standardised_one_by_one_inside_the_model():
    inside, plain = (
        models.build("wide_resnet", seed=0, **(WIDE | {"normalize": n})).eval()
        for n in (True, False)
    )
    x = torch.rand(3, 3, 32, 32)
    x[2] = 0.5  # flat: no division by 0
    ours = torch.stack([(i - i.mean()) / i.std(correction=0) for i in x[:2]])
    expected = plain(torch.cat([ours, torch.zeros(1, 3, 32, 32)]))
    torch.testing.assert_close(inside(x), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("change", [{"hidden": (200,)}, {"width": 0.05}])
def test_wide_networks_refuse_hidden_layers_and_too_little_width(change):
    with pytest.raises(ValueError, match="no hidden layers and a width of 0.1 at least"):
        models.build("wide_resnet", seed=0, **(WIDE | change))
