"""Noise, tone and lines: each against a slow one, a formula, a second library, its distribution."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from skimage import color

from privrob import data
from privrob.corruptions import assets, blur, lines, noise, tone, warp, weather
from privrob.corruptions.draws import Draws

N = 6


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    """Six digits (6, 28, 28), float64 in [0, 1], multiples of 1 / 255."""
    return data.load("mnist_slice").test.x[:N, 0].double().numpy() / 255


def draws(count: int = N) -> Draws:
    return Draws(0, "test", first=0, count=count)


def grey(value: float, count: int = 100) -> np.ndarray:
    return np.full((count, 28, 28), float(value))


def close(found: np.ndarray, expected: object, atol: float = 1e-10) -> None:
    np.testing.assert_allclose(found, np.asarray(expected), rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        (noise.gaussian, (0.0,)),
        (noise.impulse, (0.0,)),
        (noise.speckle, (0.0,)),
        (blur.gaussian, (1e-9,)),
        (blur.defocus, (0, 0.1)),
        (blur.motion, (0, 1.0)),
        (blur.zoom, (1.001, 0.01)),
        (weather.frost, (1, 0)),
        (weather.snow, (-10, 0.3, 2.5, 0.85, 12, 12, 1)),
        (weather.spatter, (-10, 0.3, 1, 0.65, 1.5)),
        (tone.contrast, (1.0,)),
        (tone.brightness, (0.0,)),
        (tone.saturate, (1, 0)),
        (tone.pixelate, (1,)),
        (tone.quantize, (8,)),
        (warp.elastic, (0, 1, 0)),
        (warp.shear, (0.0,)),
        (warp.rotate, (0.0,)),
        (warp.scale, (1.0,)),
        (warp.translate, (0,)),
    ],
)
def test_without_strength_the_image_stays(x, method, parameters):
    close(method(x, draws(), *parameters), x)


def test_fog_without_thickness_and_glass_without_sweeps_change_rounding_alone(x):
    close(weather.fog(x, draws(), 0, 2), x)
    close(blur.glass(x, draws(), 1e-9, 1, 0), x, atol=1 / 255 + 1e-9)


# -- noise: 78,400 pixels of one grey, bounds at 4.5 standard errors ------------------------------


def check_moments(sample: np.ndarray, mean: float, variance: float, kurtosis: float = 3) -> None:
    size = sample.size
    assert abs(sample.mean() - mean) < 4.5 * np.sqrt(variance / size)
    error = variance * np.sqrt((kurtosis - 1) / size)
    assert abs(sample.var() - variance) < 4.5 * error


def test_gaussian_and_speckle_noise_have_their_moments():
    check_moments(noise.gaussian(grey(0.4), draws(100), 0.38), 0.4, 0.38**2)
    check_moments(noise.speckle(grey(0.4), draws(100), 0.6), 0.4, (0.4 * 0.6) ** 2)
    assert not noise.speckle(grey(0), draws(100), 0.6).any()


@pytest.mark.parametrize("photons", [60, 3])
def test_shot_noise_is_the_quantile_of_poisson(x, photons):
    uniform = draws().uniform("noise", (28, 28))
    close(noise.shot(x, draws(), photons) * photons, stats.poisson.ppf(uniform, photons * x))
    mean = 0.4 * photons
    check_moments(noise.shot(grey(0.4), draws(100), photons), 0.4, mean / photons**2, 3 + 1 / mean)


def test_impulse_noise_is_half_black_half_white():
    out = noise.impulse(grey(0.4), draws(100), 0.17)
    for value, share in ((0, 0.085), (1, 0.085), (0.4, 0.83)):
        error = np.sqrt(share * (1 - share) / out.size)
        assert abs((out == value).mean() - share) < 4.5 * error


def test_pessimal_noise_is_one_tile_of_known_length(x):
    tile = noise.pessimal_tile(draws(50))
    close(np.sqrt((tile**2).sum((1, 2))), np.full(50, 10.63 / 4))
    added = noise.pessimal(x, draws()) - x
    close(added[:, 14:, :14], added[:, :14, 14:])
    close(added[:, :14, :14], tile[:N])
    rough = draws().normal("noise", (196,)) @ assets.pessimal_matrix()
    rough /= np.linalg.norm(rough, axis=1, keepdims=True)
    close(tile[:N].reshape(N, 196), rough * 10.63 / 4, atol=1e-8)


# -- tone ---------------------------------------------------------------------------------------


def through_hsv(image: np.ndarray, change) -> np.ndarray:
    hsv = change(color.rgb2hsv(color.gray2rgb(image)))
    return color.rgb2gray(color.hsv2rgb(hsv))


def test_brightness_and_saturate_go_through_hsv(x):
    bright = [through_hsv(i, lambda hsv: np.minimum(np.add(hsv, [0, 0, 0.5]), 1)) for i in x]
    close(tone.brightness(x, draws(), 0.5).clip(0, 1), bright)
    for times, plus in ((0.3, 0), (2, 0), (5, 0.1), (20, 0.2)):
        slow = [through_hsv(i, lambda hsv, a=times, b=plus: np.clip(hsv * a + b, 0, 1)) for i in x]
        close(tone.saturate(x, draws(), times, plus), slow)


def test_contrast_quantize_inverse_and_stripe_by_formula(x):
    for image, found in zip(x, tone.contrast(x, draws(), 0.1), strict=True):
        close(found, 0.1 * image + 0.9 * image.mean())
    assert set(np.unique(tone.quantize(x, draws(), 1))) == {0, 1}
    close(tone.quantize(x, draws(), 3), np.round(x * 7) / 7)
    close(tone.inverse(x, draws()), 1 - x)
    striped = x.copy()
    striped[:, :, :7] = 1 - x[:, :, :7]
    striped[:, :, 21:] = 1 - x[:, :, 21:]
    close(tone.stripe(x, draws()), striped)


@pytest.mark.parametrize("share", [0.6, 0.5, 0.4, 0.3, 0.25])
def test_pixelate_is_pillows_box(x, share):
    small = int(28 * share)
    for image, found in zip(x, tone.pixelate(x, draws(), share), strict=True):
        picture = Image.fromarray(np.uint8(np.rint(image * 255)))
        picture = picture.resize((small, small), Image.Resampling.BOX)
        picture = picture.resize((28, 28), Image.Resampling.BOX)
        close(found * 255, picture, atol=1e-9)


def test_jpeg_keeps_the_mean_of_blocks_and_loses_more_at_low_quality(x):
    errors = [np.abs(tone.jpeg(x, draws(), q) - x).mean() for q in (95, 25, 7)]
    assert errors[0] < 0.01 < errors[1] < errors[2] < 0.1
    close(tone.jpeg(grey(128 / 255, 1), draws(1), 7), grey(128 / 255, 1))
    levels = tone.jpeg(x, draws(), 7) * 255
    close(levels, levels.round(), atol=1e-9)


def test_canny_finds_the_outline_of_a_square():
    square = grey(0, 2)
    square[1, 8:20, 8:20] = 1
    empty, outline = tone.canny(square, draws(2))
    assert not empty.any()
    assert set(np.unique(outline)) == {0, 1}
    rows, columns = np.nonzero(outline)
    depth = np.minimum.reduce([rows - 7.5, 19.5 - rows, columns - 7.5, 19.5 - columns])
    assert np.abs(depth).max() < 2  # by the outline
    assert 36 <= outline.sum() <= 60  # all round it, one pixel wide


# -- lines --------------------------------------------------------------------------------------


def slow_line(c0: float, r0: float, c1: float, r1: float) -> np.ndarray:
    out = np.zeros((28, 28))
    for row in range(28):
        for column in range(int(np.floor(c0)), int(np.ceil(c1))):
            distance = abs(row - (r0 + (r1 - r0) * (column - c0) / (c1 - c0)))
            if distance < 2.3:
                out[row, column] = max(np.log(1 - distance / 2.3) + 1, 0)
    return out


def test_lines_by_hand(x):
    first, last = (draws().integers(f"{end} row", 0, 27) for end in ("first", "last"))
    start, stop = draws().integers("start", 0, 5), draws().integers("end", 22, 27)
    slow = [slow_line(*ends) for ends in zip(start, first, stop, last, strict=True)]
    close(lines.line(x, draws()) - x, slow)
    slow = [slow_line(0, a, 27, b) for a, b in zip(first, last, strict=True)]
    dots = np.array([0, 0, 1, 1] * 7)
    close(lines.dotted_line(x, draws()) - x, np.stack(slow) * dots)


def test_ends_of_lines_are_drawn_from_all_their_places(monkeypatch):
    seen = []
    monkeypatch.setattr(lines, "drawn", lambda *ends: seen.append(ends) or 0)
    lines.line(grey(0, 500), draws(500))
    expected = [range(5), range(22, 27), range(27), range(27)]
    assert [set(end) for end in seen[0]] == [set(map(float, e)) for e in expected]
    columns, rows = lines.corners(draws(500))
    assert set(rows[:, 0]) == set(range(27))
    # The last corner lies a third of a pixel, or a little less, above where the line ends.
    assert set(np.ceil(rows[:, -1] - rows[:, 0])) == set(range(-5, 5))
    assert np.abs(columns[:, -1] - 25).max() < 0.1


def test_zigzag_by_hand(x):
    found = lines.zigzag(x, draws())
    row, rise = draws().integers("row", 0, 27), draws().integers("rise", -5, 5)
    for i in range(N):
        length = np.hypot(23, rise[i])
        angle = np.arctan2(rise[i], 23)
        places = [(0, 0)]
        while places[-1][0] + 4 <= length:
            k = len(places) - 1
            places.append((4 * k + 2, 2 * (-1) ** k))
        places.append((length, places[-1][1] / (2 * (length - 20))))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = np.array(places) @ turn.T + [2, row[i]]
        slow = x[i]
        for (c0, r0), (c1, r1) in pairwise(corners):
            slow = np.clip(slow + slow_line(c0, r0, c1, r1), 0, 1)
        close(found[i], slow)
