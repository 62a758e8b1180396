"""The data sets that come with the package."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from privrob import data, models
from privrob.data import DataError, Dataset, MissingSplitError, catalogue, embedded, portraits
from privrob.data.fonts import FONTS, HEIGHT, distance_fields

FACES_SMALL = "6aa0fdaf59ba914e24f5838171093cd9f19f6f71bb74b8450c50c75b09f777d3"
GLYPHS_100 = "d135135c0f51877552300ee9bc71fdfd14a461d1e6e253b1d94912a5c2bdd0e8"


@pytest.fixture(scope="module")
def glyphs() -> Dataset:
    return data.load("glyphs")


def test_glyphs_are_the_same_on_every_machine(glyphs: Dataset) -> None:
    assert glyphs.variant == "version 1"
    assert data.glyphs(train=100, test=100, seed=1).checksum == GLYPHS_100


def test_a_larger_set_of_glyphs_begins_with_the_smaller_one(glyphs: Dataset) -> None:
    few, more = (data.glyphs(train=n, test=n, seed=0) for n in (100, 700))
    for split in ("train", "test"):
        a, b, whole = (d.splits[split] for d in (few, more, glyphs))
        assert torch.equal(a.x, b.x[:100])
        assert torch.equal(b.x, whole.x[:700])
        assert torch.equal(b.y, whole.y[:700])


def test_splits_and_seeds_of_glyphs_differ(glyphs: Dataset) -> None:
    other = data.glyphs(train=50, test=50, seed=1)
    assert not torch.equal(other.train.x, glyphs.train.x[:50])
    assert not torch.equal(other.train.x, other.test.x)
    assert len(np.unique(glyphs.train.x.flatten(1).numpy(), axis=0)) == len(glyphs.train)


def test_glyphs_are_balanced_bright_on_dark_and_of_mnists_shape(glyphs: Dataset) -> None:
    assert glyphs.train.x.shape == (8000, 1, 28, 28)
    assert glyphs.test.x.shape == (2000, 1, 28, 28)
    counts = torch.bincount(glyphs.train.y, minlength=10)
    # 800 expected, deviation 27: 4.5 of them
    assert counts.sub(800).abs().max() < 120
    assert 0.08 < data.as_float(glyphs.train.x).mean() < 0.2
    assert (
        glyphs.train.x.float().mean(dim=0)[0, 9:19, 9:19].min()
        > 4 * glyphs.train.x[..., 0, 0].float().mean()
    )


def test_every_font_has_ten_distinct_digits() -> None:
    fields = distance_fields()
    assert fields.shape == (len(FONTS), 10, 96, 96)
    inside = fields > 0
    rows = inside.any(axis=3).sum(axis=2)
    assert np.abs(rows - HEIGHT).max() <= 1
    assert not inside[:, :, 0].any()
    assert not inside[:, :, :, 0].any()
    assert len(np.unique(inside.reshape(len(FONTS) * 10, -1), axis=0)) == len(FONTS) * 10
    # A 0 has a hole, which a wrong winding rule would fill
    assert not inside[FONTS.index("DejaVuSans"), 0, 48, 48]
    assert not fields.flags.writeable


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"train": -1, "test": 5, "seed": 0}, "train=-1"),
        ({"train": 0, "test": 0, "seed": 0}, "not both 0"),
        ({"train": 1, "test": 1, "seed": -1}, "seed of glyphs .* not -1"),
        ({"train": 1, "test": 1, "seed": 2**64}, "seed of glyphs"),
    ],
)
def test_glyphs_refuse_bad_sizes_and_seeds(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.glyphs(**sizes)


def test_glyphs_may_have_one_split_only() -> None:
    with pytest.raises(MissingSplitError, match="no test split"):
        _ = data.glyphs(train=1, test=0, seed=0).test


def test_a_small_network_learns_glyphs_well_and_not_perfectly(glyphs: Dataset) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 5, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(5, 13, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(208, 125), nn.ReLU(), nn.Linear(125, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 7)
    for _ in range(7):
        for index in torch.randperm(len(glyphs.train)).split(128):
            x, y = glyphs.train.batch(index)
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        schedule.step()
    x, y = glyphs.test.batch(slice(None))
    with torch.no_grad():
        accuracy = (model(x).argmax(dim=1) == y).float().mean()
    assert 0.95 <= accuracy < 0.99


# Faces

FACES = {"subjects": 3, "train": 4, "test": 2, "height": 24, "width": 21, "seed": 0}


@pytest.fixture(scope="module")
def faces() -> Dataset:
    return data.load("faces")


def test_faces_are_the_same_on_every_machine(faces: Dataset) -> None:
    assert faces.variant == "version 1"
    assert data.faces(**FACES).checksum == FACES_SMALL


def test_faces_have_yales_shape_in_small(faces: Dataset) -> None:
    assert faces.train.x.shape == (600, 1, 48, 42)
    assert faces.test.x.shape == (240, 1, 48, 42)
    assert faces.classes == 12
    assert torch.bincount(faces.train.y).tolist() == [50] * 12
    assert torch.bincount(faces.test.y).tolist() == [20] * 12
    # The first of each come first, so that a slice has everyone
    assert faces.test.y[:12].tolist() == list(range(12))
    assert data.faces(**(FACES | {"height": 192, "width": 168})).train.x.shape[2:] == (192, 168)


def test_more_faces_begin_with_the_fewer() -> None:
    few, more = (data.faces(**(FACES | change)) for change in ({}, {"train": 9, "subjects": 5}))
    assert torch.equal(more.train.x.view(9, 5, 24, 21)[:4, :3], few.train.x.view(4, 3, 24, 21))
    assert torch.equal(more.test.x.view(2, 5, 24, 21)[:, :3], few.test.x.view(2, 3, 24, 21))
    other = data.faces(**(FACES | {"seed": 1}))
    assert not torch.equal(other.train.x, few.train.x)
    assert not torch.equal(few.train.x[:6], few.test.x)


def test_a_face_under_any_lamp_is_a_mix_of_few_images() -> None:
    """The illumination cone: but for offsets and noise, a head's images span few dimensions."""
    x = data.faces(**(FACES | {"subjects": 2, "train": 60})).train.x[0::2, 0].double()
    values = torch.linalg.svdvals(x.flatten(1))
    energy = values.square().cumsum(0) / values.square().sum()
    assert energy[0] < 0.95  # one image is not enough
    assert energy[8] > 0.95


def test_shading_is_lamberts_law() -> None:
    """A plain sphere under one lamp against the closed form, normals and shadows included."""
    side, light = 64, np.array([0.6, -0.64, 0.48], np.float64)
    axis = (2 * np.arange(side) + 1) / side - 1
    x, y = np.meshgrid(axis, axis)
    inside = 1 - x * x - y * y
    depth = np.sqrt(inside.clip(0)).astype(np.float32)
    step = np.float32(2 / side)
    normal = np.stack([n[0] for n in portraits._normals(depth[None], step, step)], axis=-1)
    ours = np.maximum(normal @ light, 0)
    exact = np.maximum(np.stack([x, y, np.sqrt(inside.clip(0))], axis=-1) @ light, 0)
    middle = inside > 0.2  # differences across the rim are no slopes
    assert np.abs(ours - exact)[middle].max() < 0.02
    assert (exact[middle] == 0).any()


def test_lamps_are_unit_vectors_and_mostly_above() -> None:
    sine, cosine = portraits._turn(np.linspace(-2, 2, 401, dtype=np.float32))
    exact = np.linspace(-2, 2, 401)
    assert np.abs(sine - np.sin(exact)).max() < 1e-3
    assert np.abs(cosine - np.cos(exact)).max() < 1e-3
    middle, spread = portraits.ELEVATION
    assert 0 < middle < spread


def test_light_is_drawn_alike_for_both_splits(faces: Dataset) -> None:
    """Members differ from others by nothing but membership: brightness, as an example."""
    train, test = (s.x.float().mean(dim=(1, 2, 3)) for s in (faces.train, faces.test))
    spread = (train.var() / len(train) + test.var() / len(test)).sqrt()
    assert (train.mean() - test.mean()).abs() < 3 * spread


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subjects": 1}, "subjects=1"),
        ({"width": 7}, "24 x 7"),
        ({"train": -1}, "train=-1"),
        ({"train": 0, "test": 0}, "not both 0"),
        ({"seed": -1}, "seed of faces .* not -1"),
        ({"seed": 2**64}, "seed of faces"),
    ],
)
def test_faces_refuse_bad_sizes_and_seeds(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.faces(**(FACES | change))


def test_a_small_network_learns_the_faces_by_heart_and_most_new_ones(faces: Dataset) -> None:
    model = models.build("faces_vgg", seed=0, width=0.5, hidden=(200,), normalize=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(25):
        for index in torch.randperm(len(faces.train), generator=generator).split(50):
            x, y = faces.train.batch(index)
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    with torch.no_grad():
        hits = [
            (model(x).argmax(dim=1) == y).float().mean()
            for x, y in (s.batch(slice(None)) for s in (faces.train, faces.test))
        ]
    assert hits[0] > 0.97
    assert 0.80 < hits[1] < hits[0]


def test_digits_are_scikit_learns_stretched() -> None:
    from sklearn.datasets import load_digits

    digits, bunch = data.load("digits"), load_digits()
    assert digits.variant == "version 1"
    assert (len(digits.train), len(digits.test)) == (1397, 400)
    assert torch.bincount(torch.cat([digits.train.y, digits.test.y])).tolist() == (
        np.bincount(bunch.target).tolist()
    )
    # Torch's own bilinear resampling, to within its rounding, on the images in their own order
    levels = torch.from_numpy(bunch.images)[:, None]
    expected = F.interpolate(levels, 28, mode="bilinear")[:, 0] * 255 / 16
    ours = embedded._stretch(bunch.images.astype(np.int64))
    assert np.abs(ours - expected.numpy()).max() <= 0.5 + 1e-9


def test_mnist_slice_is_for_evaluation_only() -> None:
    slice_ = data.load("mnist_slice")
    assert slice_.variant == "published"
    assert slice_.test.x.shape == (1000, 1, 28, 28)
    # The first labels of MNIST's test set, known to everyone who has printed them
    assert slice_.test.y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    with pytest.raises(MissingSplitError, match="mnist_slice has no train split here, only test"):
        _ = slice_.train


def test_mnist_slice_has_its_licence_beside_it() -> None:
    text = files("privrob.data").joinpath("assets", "ATTRIBUTION.md").read_text()
    assert embedded._SHEET in text
    assert "CC BY-SA 3.0" in text


@pytest.mark.mnist
def test_mnist_slice_is_byte_for_byte_the_real_one(real: Path) -> None:
    ours = data.load("mnist_slice").test
    with np.load(real / "mnist.npz") as mnist:
        assert np.array_equal(ours.x[:, 0].numpy(), mnist["x_test"][:1000])
        assert np.array_equal(ours.y.numpy(), mnist["y_test"][:1000])


def test_other_glyphs_are_pointed_out_and_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "EMBEDDED", catalogue.EMBEDDED | {"glyphs": _without("glyphs")})
    with pytest.warns(UserWarning, match="glyphs .*not the usual one"):
        assert data.load("glyphs").variant == "unknown"


def test_another_mnist_slice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = catalogue.EMBEDDED | {"mnist_slice": _without("mnist_slice")}
    monkeypatch.setattr(catalogue, "EMBEDDED", facts)
    with pytest.raises(DataError, match="mnist_slice .*none of the known variants"):
        data.load("mnist_slice")


def _without(name: str) -> catalogue.Known:
    """A data set's facts, of which no contents are known."""
    facts = catalogue.known(name)
    return catalogue.Known(facts.shape, facts.classes, {"0" * 64: "another"})
