"""Blurs, weather and warps: each against a slow one, or against scipy and scikit-image."""

import numpy as np
import pytest
from scipy import ndimage, stats
from skimage import filters, transform

from privrob import data
from privrob.corruptions import assets, blur, plasma, sample, warp, weather
from privrob.corruptions.draws import Draws

N = 6


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    """Six digits (6, 28, 28), float64 in [0, 1], multiples of 1 / 255."""
    return data.load("mnist_slice").test.x[:N, 0].double().numpy() / 255


def draws(count: int = N) -> Draws:
    return Draws(0, "test", first=0, count=count)


def grey(value: float, count: int) -> np.ndarray:
    return np.full((count, 28, 28), float(value))


def close(found: np.ndarray, expected: object, atol: float = 1e-10) -> None:
    np.testing.assert_allclose(found, np.asarray(expected), rtol=0, atol=atol)


# -- blurs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.7, 2, 6])
def test_gaussian_blur_in_both_readings(x, sigma):
    # The reading of the benchmark: the last axis taken for channels.
    vertical = [filters.gaussian(image, sigma, channel_axis=-1) for image in x]
    close(blur.gaussian(x, draws(), sigma), vertical)
    both = [filters.gaussian(image, sigma) for image in x]
    close(blur.gaussian(x, draws(), sigma, axes=blur.BOTH), both)


def slow_glass(image: np.ndarray, index: int, sigma: float, reach: int, sweeps: int) -> np.ndarray:
    pixels = np.uint8(filters.gaussian(image, sigma, channel_axis=-1) * 255)
    side = 28 - 2 * reach
    shape = (sweeps, side, side)
    down = draws().integers("down", -reach, reach, shape)[index]
    right = draws().integers("right", -reach, reach, shape)[index]
    takes = draws().uniform("take part", shape)[index] < 0.5
    for sweep in range(sweeps):
        for i, row in enumerate(range(28 - reach, reach, -1)):
            for j, column in enumerate(range(28 - reach, reach, -1)):
                if takes[sweep, i, j]:
                    a, b = row, column
                    c, d = a + down[sweep, i, j], b + right[sweep, i, j]
                    pixels[a, b], pixels[c, d] = pixels[c, d], pixels[a, b]
    return filters.gaussian(pixels / 255, sigma, channel_axis=-1)


@pytest.mark.parametrize("parameters", [(0.7, 1, 2), (1.5, 4, 2)])
def test_glass_blur_swaps_in_order(x, parameters):
    slow = [slow_glass(image, i, *parameters) for i, image in enumerate(x[:3])]
    close(blur.glass(x, draws(), *parameters)[:3], slow)


@pytest.mark.parametrize(("radius", "softness"), [(3, 0.1), (6, 0.5), (10, 0.5)])
def test_defocus_is_a_convolution_with_a_disk(x, radius, softness):
    disk = blur.disk(radius, softness)
    side = 17 if radius <= 8 else 2 * radius + 1
    assert disk.shape == (side, side)
    place = np.arange(side) - side // 2
    inside = place[:, None] ** 2 + place**2 <= radius**2
    if softness == 0.1:
        close(disk, inside / inside.sum())
    else:  # soft at the rim, flat within, 0 beyond
        distance = np.hypot(place[:, None], place)
        assert disk[distance > radius + 3].max(initial=0) == 0
        close(disk[distance < radius - 3], 1 / inside.sum())
        assert len(np.unique(disk.round(9))) > 3
    half = side // 2
    padded = np.pad(x[0], half, mode="reflect")  # numpy's "reflect" does not repeat the border
    slow = [
        [(padded[i : i + side, j : j + side] * disk).sum() for j in range(28)] for i in range(28)
    ]
    close(blur.defocus(x[:1], draws(1), radius, softness)[0], slow)


def test_the_rim_of_the_disk_is_softened_by_a_known_gaussian():
    sharp = blur.disk(4, 1e-3)
    weights = np.exp(-(np.arange(-1, 2) ** 2) / (2 * 0.5**2))
    weights /= weights.sum()
    close(blur.disk(4, 0.5), ndimage.correlate(sharp, np.outer(weights, weights)))


def slow_motion(image: np.ndarray, degrees: float, radius: int, sigma: float) -> np.ndarray:
    steps = range(2 * radius + 1)
    weights = stats.norm.pdf(steps, scale=sigma)
    out = np.zeros_like(image)
    for row, column in np.ndindex(28, 28):
        for step, weight in zip(steps, weights / weights.sum(), strict=True):
            i = row + int(np.ceil(step * np.sin(np.radians(degrees)) - 0.5))
            j = column + int(np.ceil(step * np.cos(np.radians(degrees)) - 0.5))
            out[row, column] += weight * image[min(max(i, 0), 27), min(max(j, 0), 27)]
    return out


def test_motion_blur_reads_along_a_line(x):
    degrees = np.array([-45.0, 0.0, 30.0, -100.0, 44.0, -135.0])
    slow = [slow_motion(image, a, 10, 3) for image, a in zip(x[:4], degrees, strict=False)]
    close(blur.motion_along(x, degrees, 10, 3)[:4], slow)
    angles = draws(1000).uniform("angle", (), -45, 45)
    assert stats.kstest(angles, "uniform", (-45, 90)).pvalue > 0.01
    close(blur.motion(x, draws(), 10, 3), blur.motion_along(x, angles[:N], 10, 3))


def slow_zoom(image: np.ndarray, factor: float) -> np.ndarray:
    crop = int(np.ceil(28 / factor))
    top = (28 - crop) // 2
    large = ndimage.zoom(image[top : top + crop, top : top + crop], factor, order=1)
    trim = (len(large) - 28) // 2
    return large[trim : trim + 28, trim : trim + 28]


@pytest.mark.parametrize("factor", [1.0, 1.04, 1.3, 2, 2.5, 3, 4, 4.5])
def test_zooms_are_scipys(x, factor):
    close(sample.zoomed(x, factor), [slow_zoom(image, factor) for image in x])


def test_zoom_blur_is_the_mean_of_the_image_and_its_zooms(x):
    zooms = sum(np.stack([slow_zoom(i, f) for i in x]) for f in np.arange(1, 1.31, 0.03))
    close(blur.zoom(x, draws(), 1.31, 0.03), (x + zooms) / 12)


# -- weather ------------------------------------------------------------------------------------


def slow_plasma(index: int, decay: float) -> np.ndarray:
    """Diamond-square on one map, place by place, indices modulo 256."""
    heights, step, wobble = np.zeros((256, 256)), 256, 100.0
    while step > 1:
        half, side = step // 2, 256 // step
        a = wobble**2
        noises = {
            place: draws().uniform(f"{place} {side}", (side, side), -a, a)[index]
            for place in ("centre", "left", "top")
        }
        for place, (di, dj) in {
            "centre": (half, half),
            "left": (half, 0),
            "top": (0, half),
        }.items():
            reach = [(-half, -half), (-half, half), (half, -half), (half, half)]
            if place != "centre":
                reach = [(-half, 0), (half, 0), (0, -half), (0, half)]
            for i, j in np.ndindex(side, side):
                r, c = i * step + di, j * step + dj
                total = sum(heights[(r + u) % 256, (c + v) % 256] for u, v in reach)
                heights[r, c] = total / 4 + noises[place][i, j]
        step, wobble = half, wobble / decay
    return (heights - heights.min()) / (heights.max() - heights.min())


def test_plasma_is_diamond_square():
    maps = plasma.plasma(draws(2), 1.4)
    close(maps[1], slow_plasma(1, 1.4), atol=1e-9)
    close(maps.min((1, 2)), [0, 0])
    close(maps.max((1, 2)), [1, 1])


def test_fog_is_mixed_in_below_the_brightest_pixel(x):
    mist = plasma.plasma(draws(), 2)[:, :28, :28]
    top = x.max((1, 2))[:, None, None] * 0.8
    close(weather.fog(0.8 * x, draws(), 3, 2), (0.8 * x + 3 * mist) * top / (top + 3))
    assert not weather.fog(grey(0, 2), draws(2), 3, 2).any()


def test_frost_is_a_piece_of_a_texture(x):
    pieces = weather.frost(x, draws(), 0, 1)
    which = draws().integers("texture", 0, 5)
    for piece, index in zip(pieces, which, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(assets.frost_textures()[index], (28, 28))
        alike = np.argwhere(windows[:, :, 0, 0] == piece[0, 0])
        assert any((windows[i, j] == piece).all() for i, j in alike)
    close(weather.frost(x, draws(), 0.6, 0.75), 0.6 * x + 0.75 * pieces)
    assert set(draws(100).integers("texture", 0, 5)) == set(range(5))


def test_snow_by_hand(x):
    mean, scale, size, threshold, radius, sigma, share = (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55)
    found = weather.snow(x, draws(), mean, scale, size, threshold, radius, sigma, share)
    angles = draws().uniform("angle", (), -135, -45)
    for i in range(3):
        flakes = slow_zoom(draws().normal("flakes", (28, 28), mean, scale)[i], size)
        flakes[flakes < threshold] = 0
        flakes = np.uint8(np.clip(flakes, 0, 1) * 255) / 255
        flakes = slow_motion(flakes, angles[i], radius, sigma)
        pale = share * x[i] + (1 - share) * np.maximum(x[i], 1.5 * x[i] + 0.5)
        close(found[i], pale + flakes + np.rot90(flakes, 2))


@pytest.mark.parametrize("parameters", [(0.65, 0.3, 1, 0.65, 1.5), (0.65, 0.3, 4, 0.65, 0.6)])
def test_spatter_by_hand(x, parameters):
    mean, scale, wide, threshold, soft = parameters
    found = weather.spatter(x, draws(), *parameters)
    for i, image in enumerate(x):
        liquid = filters.gaussian(draws().normal("liquid", (28, 28), mean, scale)[i], wide)
        mud = filters.gaussian((liquid > threshold).astype(float), soft)
        mud[mud < 0.8] = 0
        close(found[i], image * (1 - mud) + 63 / 255 * mud)
    assert not np.allclose(found, x)


# -- warps --------------------------------------------------------------------------------------


def about_centre(linear: list[list[float]]) -> np.ndarray:
    """The affine matrix on (column, row) that leaves (13.5, 13.5) where it is."""
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = 13.5 - matrix[:2, :2] @ [13.5, 13.5]
    return matrix


def check_warp(x: np.ndarray, found: np.ndarray, matrices: list[np.ndarray]) -> None:
    slow = [transform.warp(i, m, order=1) for i, m in zip(x, matrices, strict=True)]
    close(found, slow, atol=1e-9)


def test_shear_rotate_and_scale_are_scikit_images_warps(x):
    x = np.maximum(x, 0.2)  # a border that is not black, to see how it is met
    a = draws().signs("side") * 0.4
    assert set(a) == {-0.4, 0.4}
    sheared = [about_centre([[1, -np.sin(s)], [0, np.cos(s)]]) for s in a]
    check_warp(x, warp.shear(x, draws(), 0.4), sheared)
    turned = [about_centre([[np.cos(s), -np.sin(s)], [np.sin(s), np.cos(s)]]) for s in a]
    check_warp(x, warp.rotate(x, draws(), 0.4), turned)
    shrunk = [about_centre([[1 / 0.7, 0], [0, 1 / 0.7]])] * N
    check_warp(x, warp.scale(x, draws(), 0.7), shrunk)


def test_translate_shifts_whole_pixels(x):
    many = np.tile(x, (4, 1, 1))
    found = warp.translate(many, draws(4 * N), 3)
    down = -3 * draws(4 * N).signs("vertical").astype(int)
    right = -3 * draws(4 * N).signs("horizontal").astype(int)
    assert len(set(zip(down, right, strict=True))) == 4
    padded = np.pad(many, ((0, 0), (3, 3), (3, 3)))
    for image, i, j, out in zip(padded, down, right, found, strict=True):
        close(out, image[3 - i : 31 - i, 3 - j : 31 - j])


@pytest.mark.parametrize("parameters", [(56, 19.6, 2.8), (56, 2.24, 5.6), (3.36, 0.28, 0.56)])
def test_elastic_transform_by_hand(x, parameters):
    x = np.maximum(x, 0.2)
    strength, sigma, jolt = parameters
    found = warp.elastic(x, draws(), *parameters)
    points = np.array([[23, 23], [23, 5], [5, 5]])
    moves = draws().uniform("affine", (3, 2), -jolt, jolt)
    fields = draws().uniform("field", (2, 28, 28), -1, 1)
    rows, columns = np.mgrid[:28, :28]
    for image, move, field, out in zip(x, moves, fields, found, strict=True):
        forward = np.linalg.solve(np.c_[points, np.ones(3)], points + move).T
        back = np.linalg.inv(np.vstack([forward, [0, 0, 1]]))
        places = back @ np.stack([columns.ravel(), rows.ravel(), np.ones(784)])
        moved = ndimage.map_coordinates(image, places[1::-1], order=1, mode="grid-constant")
        smooth = [filters.gaussian(f, sigma, mode="reflect", truncate=3) * strength for f in field]
        places = (rows + smooth[0], columns + smooth[1])
        moved = moved.reshape(28, 28)
        close(out, ndimage.map_coordinates(moved, places, order=1, mode="constant"))
