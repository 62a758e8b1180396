"""Every corruption with its parameters at severities 1 to 5 and its default, as the benchmark's."""

from collections.abc import Callable
from dataclasses import dataclass

from privrob.corruptions import blur, lines, noise, tone, warp, weather
from privrob.corruptions.draws import Array

Levels = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Method:
    """`apply(x, draws, *levels[severity - 1])`; without severities `default` is None."""

    apply: Callable[..., Array]
    default: int | None = None
    levels: Levels = ()


def _each(*values: float) -> Levels:
    """Levels of one parameter."""
    return tuple((value,) for value in values)


METHODS: dict[str, Method] = {
    "gaussian_noise": Method(noise.gaussian, 5, _each(0.08, 0.12, 0.18, 0.26, 0.38)),
    "shot_noise": Method(noise.shot, 5, _each(60, 25, 12, 5, 3)),
    "impulse_noise": Method(noise.impulse, 4, _each(0.03, 0.06, 0.09, 0.17, 0.27)),
    "speckle_noise": Method(noise.speckle, 5, _each(0.15, 0.2, 0.35, 0.45, 0.6)),
    "pessimal_noise": Method(noise.pessimal),
    "gaussian_blur": Method(blur.gaussian, 2, _each(1, 2, 3, 4, 6)),
    "glass_blur": Method(  # sigma, reach, sweeps
        blur.glass, 1, ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
    ),
    "defocus_blur": Method(  # radius, softness
        blur.defocus, 1, ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))
    ),
    "motion_blur": Method(  # radius, sigma
        blur.motion, 1, ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
    ),
    "zoom_blur": Method(  # stop, step
        blur.zoom, 5, ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))
    ),
    "fog": Method(  # thickness, decay
        weather.fog, 5, ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))
    ),
    "frost": Method(  # share of the image, of the frost
        weather.frost, 5, ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))
    ),
    "snow": Method(  # mean, scale, size, threshold, radius, sigma, share of the image
        weather.snow,
        5,
        (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    ),
    "spatter": Method(  # mean, scale, blur, threshold, blur of the mask
        weather.spatter,
        4,
        (
            (0.65, 0.3, 4, 0.69, 0.6),
            (0.65, 0.3, 3, 0.68, 0.6),
            (0.65, 0.3, 2, 0.68, 0.5),
            (0.65, 0.3, 1, 0.65, 1.5),
            (0.67, 0.4, 1, 0.65, 1.5),
        ),
    ),
    "contrast": Method(tone.contrast, 4, _each(0.4, 0.3, 0.2, 0.1, 0.05)),
    "brightness": Method(tone.brightness, 5, _each(0.1, 0.2, 0.3, 0.4, 0.5)),
    "saturate": Method(tone.saturate, 5, ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))),
    "jpeg_compression": Method(tone.jpeg, 5, _each(25, 18, 15, 10, 7)),
    "pixelate": Method(tone.pixelate, 3, _each(0.6, 0.5, 0.4, 0.3, 0.25)),
    "elastic_transform": Method(  # strength, sigma, jolt: shares of the side
        warp.elastic,
        1,
        tuple(
            (28 * strength, 28 * sigma, 28 * jolt)
            for strength, sigma, jolt in (
                (2, 0.7, 0.1),
                (2, 0.08, 0.2),
                (0.05, 0.01, 0.02),
                (0.07, 0.01, 0.02),
                (0.12, 0.01, 0.02),
            )
        ),
    ),
    "quantize": Method(tone.quantize, 5, _each(5, 4, 3, 2, 1)),
    "shear": Method(warp.shear, 2, _each(0.2, 0.4, 0.6, 0.8, 1.0)),
    "rotate": Method(warp.rotate, 2, _each(0.2, 0.4, 0.6, 0.8, 1.0)),
    "scale": Method(warp.scale, 3, _each(0.9, 0.8, 0.7, 0.6, 0.5)),
    "translate": Method(warp.translate, 3, _each(1, 2, 3, 4, 5)),
    "line": Method(lines.line),
    "dotted_line": Method(lines.dotted_line),
    "zigzag": Method(lines.zigzag),
    "inverse": Method(tone.inverse),
    "stripe": Method(tone.stripe),
    "canny_edges": Method(tone.canny),
}
