"""Every network of the project, as plain stacks of layers that return logits.

Inputs are NCHW in [0, 1] for every model: where a network normalises, it does so in its first
layer, so that an attack's `eps` is in pixel units whatever the network.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from privrob import models_cifar

MNIST_MEAN, MNIST_STD = 0.1307, 0.3081

# song2019's stacks of convolutions, facts section 6: channels at width 1 and stride of each layer.
YALE_CONVS = ((8, 1), (8, 2), (16, 1), (16, 2), (32, 1), (32, 2), (64, 1), (64, 2))
FASHION_CONVS = ((256, 1), (256, 1), (256, 2), (512, 1), (512, 1), (512, 2))
DIGITS_CONVS = ((8, 2),)  # ours: one layer, so that bounds stay tight and exact ones are cheap


class Normalize(nn.Module):
    """(x - mean) / std with fixed numbers: nothing to learn, nothing to save."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class NormalizeChannels(Normalize):
    """The same with numbers for each channel of x (N, C, H, W)."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        nn.Module.__init__(self)  # tensors, which follow the model to its device
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)


class ChannelsLast(nn.Module):
    """Hands x on in NHWC memory order, which all layers behind it then keep.

    A tensor of one channel counts as both orders, so without this a convolution would be free to
    choose the slower one. Values and shapes are untouched.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last)


def conv_block(inputs: int, outputs: int) -> list[nn.Module]:
    """Convolution 5x5, max-pool 2x2, ReLU.

    ReLU commutes with the maximum, so this equals the usual order at a quarter of the cost.
    """
    return [nn.Conv2d(inputs, outputs, 5), nn.MaxPool2d(2), nn.ReLU()]


def mnist_cnn(*, width: float, hidden: tuple[int, ...], normalize: bool) -> nn.Sequential:
    """The network of tursynbek2020, section 3, for (N, 1, 28, 28).

    Two convolutions of 20 and 50 channels, then the `hidden` layers: (500,) is 800-500-10 with
    431,080 parameters, (500, 500) the other reading of "two fully-connected layers". `width`
    scales every layer but the last; `normalize` puts MNIST's mean and deviation in front.
    """
    first, second = max(1, round(20 * width)), max(1, round(50 * width))
    units = [second * 16, *(max(1, round(n * width)) for n in hidden)]
    dense = [m for a, b in pairwise(units) for m in (nn.Linear(a, b), nn.ReLU())]
    front: list[nn.Module] = [Normalize(MNIST_MEAN, MNIST_STD)] if normalize else []
    return nn.Sequential(
        *front,
        ChannelsLast(),
        *conv_block(1, first),
        *conv_block(first, second),
        nn.Flatten(),
        *dense,
        nn.Linear(units[-1], 10),
    )


def vgg(
    shape: tuple[int, int, int],
    convs: Sequence[tuple[int, int]],
    *,
    classes: int,
    width: float,
    hidden: tuple[int, ...],
    normalize: bool,
    kernel: int = 3,
) -> nn.Sequential:
    """Convolutions with ReLU, no pooling, no batch normalisation, for images of `shape` (C, H, W).

    `convs` has channels and stride of each layer: 3x3 with a border of 1, those of stride 2 as wide
    as `kernel`. Then the `hidden` layers. `width` scales every layer but the last. Initialised as
    in the authors' TensorFlow code. ValueError with `normalize`: no such network was normalised.
    """
    if normalize:
        raise ValueError("the VGG networks take their input in [0, 1]: normalize must be False")
    (channels, height, wide), layers = shape, list[nn.Module]()
    for outputs, stride in ((max(1, round(n * width)), stride) for n, stride in convs):
        size = kernel if stride == 2 else 3
        layers += [nn.Conv2d(channels, outputs, size, stride, padding=1), nn.ReLU()]
        height, wide = ((n + 2 - size) // stride + 1 for n in (height, wide))
        channels = outputs
    units = [channels * height * wide, *(max(1, round(n * width)) for n in hidden)]
    dense = [m for a, b in pairwise(units) for m in (nn.Linear(a, b), nn.ReLU())]
    last = nn.Linear(units[-1], classes)
    return initialise(nn.Sequential(ChannelsLast(), *layers, nn.Flatten(), *dense, last))


def initialise(model: nn.Sequential) -> nn.Sequential:
    """The same model with weights drawn anew as in song2019's TensorFlow code (facts section 6).

    Convolutions: normal with deviation sqrt(2 / (k * k * outputs)). Dense layers: uniform within
    sqrt(3 / inputs), which keeps the variance of the input. All biases 0.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels
            nn.init.normal_(layer.weight, std=sqrt(2 / fan_out))
        elif isinstance(layer, nn.Linear):
            limit = sqrt(3 / layer.in_features)
            nn.init.uniform_(layer.weight, -limit, limit)
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return model


def yale_vgg(**settings: Any) -> nn.Sequential:
    """song2019's network for the Yale faces, (N, 1, 192, 168) and 38 people.

    At width 1 (their width_num 2) with hidden (200,) it has 1,770,902 parameters.
    """
    return vgg((1, 192, 168), YALE_CONVS, classes=38, **settings)


def faces_vgg(**settings: Any) -> nn.Sequential:
    """`yale_vgg` for the embedded faces, (N, 1, 48, 42) and 12 people."""
    return vgg((1, 48, 42), YALE_CONVS, classes=12, **settings)


def fashion_vgg(**settings: Any) -> nn.Sequential:
    """song2019's network for Fashion-MNIST, (N, 1, 28, 28); smaller widths fit digits and glyphs.

    At width 1 (their width_num 16) with hidden (200,) it has 12,102,306 parameters.
    """
    return vgg((1, 28, 28), FASHION_CONVS, classes=10, **settings)


def digits_vgg(**settings: Any) -> nn.Sequential:
    """One convolution, 4x4 with stride 2, before the dense layers, for (N, 1, 28, 28).

    No network of song2019: a small one of the kind that Wong and Kolter bound exactly.
    """
    return vgg((1, 28, 28), DIGITS_CONVS, classes=10, kernel=4, **settings)


def yale_vgg_dual(**settings: Any) -> nn.Sequential:
    """The duality defence's variant: 4x4 where the stride is 2, faces padded to 192x192 with 0."""
    square = vgg((1, 192, 192), YALE_CONVS, classes=38, kernel=4, **settings)
    return nn.Sequential(nn.ZeroPad2d((12, 12, 0, 0)), *square)


def faces_vgg_dual(**settings: Any) -> nn.Sequential:
    """`yale_vgg_dual` for the embedded faces: 4x4 where the stride is 2, padded to 48x48."""
    square = vgg((1, 48, 48), YALE_CONVS, classes=12, kernel=4, **settings)
    return nn.Sequential(nn.ZeroPad2d((3, 3, 0, 0)), *square)


def fashion_vgg_dual(**settings: Any) -> nn.Sequential:
    """The duality defence's variant of `fashion_vgg`: 4x4 where the stride is 2."""
    return vgg((1, 28, 28), FASHION_CONVS, classes=10, kernel=4, **settings)


class Standardize(nn.Module):
    """Each image less its mean, over its deviation, all channels together, as TensorFlow does it.

    The deviation counts as at least 1 / (255 sqrt(n)) for n values: a flat image gives 0.
    """

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        std = x.std(dim=(1, 2, 3), keepdim=True, correction=0)
        return (x - mean) / std.clamp(min=1 / (255 * sqrt(x[0].numel())))


class Unit(nn.Module):
    """A residual unit with activation first: shortcut + conv(act(norm(conv(act(norm(x))))).

    With `activated` the shortcut, too, starts from act(norm(x)) rather than from x.
    """

    def __init__(
        self,
        front: nn.Sequential,
        convs: nn.Sequential,
        shortcut: nn.Module,
        *,
        activated: bool,
    ) -> None:
        super().__init__()
        self.front, self.convs, self.shortcut, self.activated = front, convs, shortcut, activated

    def forward(self, x: Tensor) -> Tensor:
        active: Tensor = self.front(x)
        skipped: Tensor = self.shortcut(active if self.activated else x)
        return skipped + self.convs(active)


@dataclass(frozen=True)
class Style:
    """How the two wide residual networks of song2019 differ, but for standardised images.

    `slope` is that of the activation below 0, `norm_eps` what batch normalisation adds to the
    variance. `projected`: shortcuts that change the shape are 1x1 convolutions of the activated
    input; else they average over the stride and pad with channels of 0, and only the very first
    unit's starts from the activated input.
    """

    slope: float
    norm_eps: float
    projected: bool

    def norm(self, channels: int) -> nn.Sequential:
        """Batch normalisation, decay 0.9, and the activation."""
        rectifier = nn.LeakyReLU(self.slope) if self.slope else nn.ReLU()
        return nn.Sequential(nn.BatchNorm2d(channels, self.norm_eps, momentum=0.1), rectifier)

    def unit(self, inputs: int, outputs: int, stride: int, *, first: bool) -> Unit:
        """One residual unit; `first` for the network's first."""
        convs = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            self.norm(outputs),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        )
        same = inputs == outputs and stride == 1
        shortcut: nn.Module = nn.Identity()
        if self.projected and not same:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        elif not same:
            before = (outputs - inputs) // 2
            pad = nn.ZeroPad3d((0, 0, 0, 0, before, outputs - inputs - before))  # channels alone
            shortcut = nn.Sequential(nn.AvgPool2d(stride), pad)
        activated = not same if self.projected else first
        return Unit(self.norm(inputs), convs, shortcut, activated=activated)


MADRY = Style(slope=0.1, norm_eps=1e-3, projected=False)  # 1e-3 and 1e-5: the libraries' defaults
TRADES = Style(slope=0.0, norm_eps=1e-5, projected=True)


def wide_resnet(
    style: Style, *, width: float, hidden: tuple[int, ...], normalize: bool
) -> nn.Sequential:
    """A wide residual network for CIFAR-10, (N, 3, 32, 32): facts section 6.

    A convolution of 16 channels, three groups of five units with 160, 320 and 640 channels, the
    last two groups with stride 2, global average pooling and one dense layer. `width` scales the
    groups: 1 is ten times the channels of a plain network, 0.1 the plain network, the least there
    is. `normalize` standardises each image. ValueError for hidden layers, of which it has none.
    """
    if hidden or round(160 * width) < 16:
        raise ValueError(
            f"a wide residual network has no hidden layers and a width of 0.1 at least, not "
            f"{hidden} and {width}"
        )
    channels, units = 16, list[nn.Module]()
    for group, stride in ((160, 1), (320, 2), (640, 2)):
        outputs = round(group * width)
        units.append(style.unit(channels, outputs, stride, first=not units))
        units += [style.unit(outputs, outputs, 1, first=False) for _ in range(4)]
        channels = outputs
    front: list[nn.Module] = [Standardize()] if normalize else []
    pool = [style.norm(channels), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    first = nn.Conv2d(3, 16, 3, padding=1, bias=False)
    last = nn.Linear(channels, 10)
    model = initialise(nn.Sequential(*front, ChannelsLast(), first, *units, *pool, last))
    if style.projected:  # the authors of TRADES start with equal logits
        nn.init.zeros_(last.weight)
    return model


def head_on_features(
    images: models_cifar.Images, classes: int, *, normalize: bool, **settings: Any
) -> nn.Sequential:
    """`models_cifar.two_parts`; `normalize` puts the images' means and deviations in front."""
    front: list[nn.Module] = [NormalizeChannels(images.mean, images.std)] if normalize else []
    return models_cifar.two_parts([*front, ChannelsLast()], images.shape, classes, **settings)


MODELS: dict[str, Callable[..., nn.Module]] = {
    "mnist_cnn": mnist_cnn,
    "yale_vgg": yale_vgg,
    "faces_vgg": faces_vgg,
    "fashion_vgg": fashion_vgg,
    "digits_vgg": digits_vgg,
    "yale_vgg_dual": yale_vgg_dual,
    "faces_vgg_dual": faces_vgg_dual,
    "fashion_vgg_dual": fashion_vgg_dual,
    "wide_resnet": partial(wide_resnet, MADRY),
    "wide_resnet_relu": partial(wide_resnet, replace(MADRY, slope=0.0)),
    "wide_resnet_trades": partial(wide_resnet, TRADES),
    "cifar_cnn": partial(head_on_features, models_cifar.CIFAR, 10),
    "cifar100_cnn": partial(head_on_features, models_cifar.CIFAR, 100),
    "cifar_features": partial(head_on_features, models_cifar.CIFAR, 0),
    "digits_head_cnn": partial(head_on_features, models_cifar.DIGITS, 10),
    "digits_features": partial(head_on_features, models_cifar.DIGITS, 0),
}


def build(name: str, *, seed: int, **settings: object) -> nn.Module:
    """The network `name` of MODELS with PyTorch's default initialisation drawn from `seed`.

    The global generator is left as it was. Raises ValueError for an unknown name.
    """
    if name not in MODELS:
        raise ValueError(f"no model {name!r}; there are {', '.join(sorted(MODELS))}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MODELS[name](**settings).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
