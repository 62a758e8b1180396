"""The contract of `corrupt`: 31 names, seeds, cuts, severities, bad input, missing files."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from privrob import corruptions, data
from privrob.corruptions import assets, corrupt
from privrob.corruptions.draws import Draws
from privrob.corruptions.table import METHODS

NAMES = [
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "pessimal_noise",
    "gaussian_blur", "glass_blur", "defocus_blur", "motion_blur", "zoom_blur", "fog",
    "frost", "snow", "spatter", "contrast", "brightness", "saturate", "jpeg_compression",
    "pixelate", "elastic_transform", "quantize", "shear", "rotate", "scale", "translate",
    "line", "dotted_line", "zigzag", "inverse", "stripe", "canny_edges",
]  # fmt: skip
WITHOUT_SEVERITY = [
    "pessimal_noise", "line", "dotted_line", "zigzag", "inverse", "stripe", "canny_edges",
]  # fmt: skip
RANDOM = [
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "pessimal_noise",
    "glass_blur", "motion_blur", "fog", "frost", "snow", "spatter", "elastic_transform",
    "shear", "rotate", "translate", "line", "dotted_line", "zigzag",
]  # fmt: skip

REAL = Path(os.environ.get("PRIVROB_DATA", ""), "mnist_c", "frost1.png").is_file()
needs_files = pytest.mark.skipif(not REAL, reason="needs $PRIVROB_DATA/mnist_c")
each_name = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    """Twelve digits, uint8."""
    return data.load("mnist_slice").test.x[:12]


def test_the_names_are_those_of_the_table():
    assert list(corruptions.CORRUPTIONS) == NAMES
    assert [n for n in NAMES if corruptions.default_severity(n) is None] == WITHOUT_SEVERITY
    assert all(len(m.levels) == (0 if m.default is None else 5) for m in METHODS.values())


# -- what comes out -----------------------------------------------------------------------------


@each_name
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_shape_dtype_and_range_are_kept(x, name, dtype):
    given = (x[:3].to(torch.float32) / 255).to(dtype)
    before = given.clone()
    out = corrupt(given, name, seed=0)
    assert out.shape == given.shape
    assert out.dtype == dtype
    assert out.min() >= 0
    assert out.max() <= 1  # and so not NaN
    assert not out.equal(given)
    assert given.equal(before)


@each_name
def test_black_and_white_images_stay_finite(name):
    given = torch.stack([torch.zeros(1, 28, 28), torch.ones(1, 28, 28)])
    out = corrupt(given, name, seed=0)
    assert out.isfinite().all()


@each_name
def test_bytes_are_read_as_shares_of_255(x, name):
    assert corrupt(x, name, seed=0).equal(corrupt(x.float() / 255, name, seed=0))


@each_name
def test_the_seed_decides(x, name):
    first = corrupt(x, name, seed=0)
    assert first.equal(corrupt(x, name, seed=0))
    assert first.equal(corrupt(x, name, seed=1)) == (name not in RANDOM)


@each_name
def test_images_do_not_share_their_randomness(x, name):
    same = x[:1].expand(12, 1, 28, 28)
    out = corrupt(same, name, seed=0)
    assert out.equal(out[:1].expand_as(out)) == (name not in RANDOM)


@each_name
@pytest.mark.parametrize("chunk", [250, 5])
def test_batches_may_be_cut_anywhere(x, name, chunk, monkeypatch):
    x = x.double() / 255  # float32 would round the last bits' differences away
    whole = corrupt(x, name, seed=3, offset=1000)
    monkeypatch.setattr(corruptions, "_CHUNK", chunk)
    starts = (0, 1, 4, 11)
    parts = [
        corrupt(x[a:b], name, seed=3, offset=1000 + a)
        for a, b in zip(starts, (*starts[1:], 12), strict=True)
    ]
    assert torch.cat(parts).equal(whole)


@each_name
def test_images_that_are_no_contiguous_block_give_the_same(x, name):
    wide = torch.cat([x, x.flip(0)], 1)
    assert corrupt(wide[:, :1], name, seed=0).equal(corrupt(x, name, seed=0))


@pytest.mark.parametrize("name", [n for n in NAMES if n not in WITHOUT_SEVERITY])
def test_every_severity_is_another(x, name):
    out = [corrupt(x[:4], name, seed=0, severity=s) for s in corruptions.SEVERITIES]
    assert all(not a.equal(b) for i, a in enumerate(out) for b in out[:i])
    default = corruptions.default_severity(name)
    assert corrupt(x[:4], name, seed=0).equal(out[default - 1])


# -- bad input ----------------------------------------------------------------------------------


def test_an_unknown_name_gets_the_nearest(x):
    for call in (
        lambda: corrupt(x, "motion_blurr", seed=0),
        lambda: corruptions.stand_in("motion_blurr"),
        lambda: corruptions.default_severity("motion_blurr"),
    ):
        with pytest.raises(ValueError, match="'motion_blurr'; did you mean 'motion_blur'?"):
            call()


@pytest.mark.parametrize("name", [["fog"], None, 3])
def test_what_is_no_text_is_no_name(x, name):
    with pytest.raises(ValueError, match=re.escape(f"unknown corruption {name!r}")):
        corrupt(x, name, seed=0)


@pytest.mark.parametrize("severity", [0, 6, -1, 2.0, True, "3"])
def test_a_severity_is_1_to_5(x, severity):
    with pytest.raises(ValueError, match=re.escape(f"1 to 5, got {severity!r}")):
        corrupt(x, "fog", seed=0, severity=severity)


@pytest.mark.parametrize("name", WITHOUT_SEVERITY)
def test_a_severity_for_what_has_none(x, name):
    with pytest.raises(ValueError, match=f"{name} has no severities, got severity 3"):
        corrupt(x, name, seed=0, severity=3)


@pytest.mark.parametrize("word", ["seed", "offset"])
@pytest.mark.parametrize("value", [-1, 0.5, True, None])
def test_seed_and_offset_count_from_0(x, word, value):
    numbers = {"seed": 0, "offset": 0, word: value}
    with pytest.raises(ValueError, match=f"{word} must be an integer of at least 0, got {value}"):
        corrupt(x, "line", **numbers)


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (torch.zeros(2, 28, 28), "got shape"),
        (torch.zeros(0, 1, 28, 28), "N > 0"),
        (torch.zeros(2, 3, 28, 28), "must be (N, 1, 28, 28), got shape (2, 3, 28, 28)"),
        (torch.zeros(2, 1, 32, 32), "must be (N, 1, 28, 28), got shape (2, 1, 32, 32)"),
        (torch.full((1, 1, 28, 28), 1.5), "<= 1, got a pixel of 1.5"),
        (torch.full((1, 1, 28, 28), -0.5), ">= 0, got a pixel of -0.5"),
        (torch.full((1, 1, 28, 28), torch.nan), "finite"),
        (torch.zeros(1, 1, 28, 28, dtype=torch.int64), "uint8 or floating"),
    ],
)
def test_wrong_images_are_refused(bad, word):
    with pytest.raises(ValueError, match=re.escape(word)):
        corrupt(bad, "inverse", seed=0)


# -- random numbers -----------------------------------------------------------------------------


def test_numbers_of_an_image_are_a_part_of_one_stream():
    for shape in ((), (3,), (5, 2)):
        whole = Draws(1, "a", first=0, count=9).uniform("p", shape)
        assert whole.shape == (9, *shape)
        part = Draws(1, "a", first=4, count=3).uniform("p", shape)
        np.testing.assert_array_equal(part, whole[4:7])
        assert len(np.unique(whole)) == whole.size


def test_seed_name_and_purpose_each_make_another_stream():
    streams = [
        Draws(seed, name, first=0, count=1).uniform(purpose)[0]
        for seed in (0, 1, 10)
        for name in ("a", "b", "0 a")
        for purpose in ("p", "q")
    ]
    assert len(set(streams)) == len(streams)


def test_numbers_follow_their_distributions():
    draws = Draws(0, "test", first=0, count=100)
    assert stats.kstest(draws.uniform("u", (500,), -1, 3).ravel(), "uniform", (-1, 4)).pvalue > 0.01
    assert stats.kstest(draws.normal("n", (500,), 2, 3).ravel(), "norm", (2, 3)).pvalue > 0.01
    whole = draws.integers("i", -2, 3, (500,))
    assert stats.chisquare(np.unique(whole, return_counts=True)[1]).pvalue > 0.01
    assert set(whole.ravel()) == {-2, -1, 0, 1, 2}
    signs = Draws(0, "test", first=0, count=1000).signs("s")
    assert set(signs) == {-1.0, 1.0}
    assert abs(signs.mean()) < 0.1


# -- files, and what stands in for them ---------------------------------------------------------


def files(folder: Path, *, texture: int = 40, matrix: object = None) -> Path:
    """Small files as the benchmark names them."""
    (folder / "mnist_c").mkdir()
    for i, name in enumerate(assets.FILES["frost"]):
        Image.new("RGB", (texture, texture), (40 * i,) * 3).save(folder / "mnist_c" / name)
    matrix = np.eye(196) if matrix is None else matrix
    np.savez(folder / "mnist_c" / "pessimal_noise_matrix.npz", matrix=matrix)
    return folder


def test_without_files_two_corruptions_have_a_stand_in(x, monkeypatch, tmp_path):
    for root in (None, "", str(tmp_path)):
        monkeypatch.delenv("PRIVROB_DATA", raising=False)
        if root is not None:
            monkeypatch.setenv("PRIVROB_DATA", root)
        named = [name for name in NAMES if corruptions.stand_in(name)]
        assert named == ["pessimal_noise", "frost"]
    textures = assets.frost_textures()
    assert [t.shape for t in textures] == [(256, 256)] * 5
    assert all(0.35 < t.mean() < 0.85 and 0.05 < t.std() < 0.2 for t in textures)
    assert assets.pessimal_matrix().shape == (196, 196)
    for name in named:
        assert not corrupt(x, name, seed=0).equal(x.float() / 255)


def test_with_files_there_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PRIVROB_DATA", str(files(tmp_path)))
    assert not any(corruptions.stand_in(name) for name in NAMES)
    black = torch.zeros(40, 1, 28, 28)
    shades = corrupt(black, "frost", seed=0).flatten(1)
    expected = [np.float32(0.75 * 40 * i / 255) for i in range(5)]
    assert set(shades.unique().tolist()) == set(map(float, expected))
    assert shades.eq(shades[:, :1]).all()


def test_a_missing_texture_brings_the_whole_stand_in(monkeypatch, tmp_path):
    monkeypatch.setenv("PRIVROB_DATA", str(files(tmp_path)))
    (tmp_path / "mnist_c" / "frost5.jpg").unlink()
    assert corruptions.stand_in("frost")
    assert not corruptions.stand_in("pessimal_noise")


@pytest.mark.parametrize(
    "matrix", [np.eye(3), np.full((196, 196), np.nan), np.eye(196).astype(object)]
)
def test_a_wrong_matrix_is_refused_and_nothing_unpickled(x, monkeypatch, tmp_path, matrix):
    monkeypatch.setenv("PRIVROB_DATA", str(files(tmp_path, matrix=matrix)))
    with pytest.raises(data.DataError, match=r"pessimal_noise_matrix\.npz"):
        corrupt(x, "pessimal_noise", seed=0)


def test_damaged_and_small_textures_are_refused(x, monkeypatch, tmp_path):
    monkeypatch.setenv("PRIVROB_DATA", str(files(tmp_path, texture=28)))
    with pytest.raises(data.DataError, match=r"frost1\.png: a texture must be larger"):
        corrupt(x, "frost", seed=0)
    (tmp_path / "mnist_c" / "frost1.png").write_bytes(b"no image")
    with pytest.raises(data.DataError, match=r"frost1\.png cannot be read"):
        corrupt(x, "frost", seed=0)


@needs_files
def test_the_real_files_are_read():
    assert not corruptions.stand_in("frost")
    assert not corruptions.stand_in("pessimal_noise")
    sizes = [(600, 900), (315, 560), (315, 560), (350, 527), (495, 660)]
    assert [texture.shape for texture in assets.frost_textures()] == sizes
    values = np.linalg.svd(assets.pessimal_matrix(), compute_uv=False)
    assert values[0] == pytest.approx(2575.57, abs=0.01)
    assert values[1] == pytest.approx(25.95, abs=0.01)
