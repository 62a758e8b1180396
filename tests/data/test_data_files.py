"""Data sets on disk: found, read, refused."""

import pickle
import struct
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from privrob import data
from privrob._torchvision import torchvision
from privrob.data import DataError, MissingDataError, MissingSplitError
from privrob.data import files as data_files

RNG = np.random.default_rng(0)


def grey(n: int = 6) -> dict[str, np.ndarray]:
    """Arrays of a tiny MNIST."""
    return {
        "x_train": RNG.integers(0, 256, (n, 28, 28), np.uint8),
        "y_train": np.arange(n, dtype=np.uint8) % 10,
        "x_test": RNG.integers(0, 256, (3, 28, 28), np.uint8),
        "y_test": np.array([9, 0, 5], np.int16),
    }


def save(root: Path, name: str = "mnist", **arrays: Any) -> Path:
    path = root / f"{name}.npz"
    np.savez(path, **arrays)
    return path


def load(name: str, root: Path) -> data.Dataset:
    return data.load(name, root=root, allow_unknown=True)


# Names and places


@pytest.mark.parametrize("name", ["minst", "MNIST", "mnist_slices", "nothing like it"])
def test_an_unknown_name_is_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(ValueError, match="unknown data set") as caught:
        data.load(name)
    for known in data.NAMES:
        assert known in str(caught.value)
    if name != "nothing like it":
        nearest = {"mnist_slices": "'mnist_slice'"}.get(name, "'mnist'")
        assert ("did you mean " + nearest in str(caught.value)) == (name != "MNIST")


def test_a_missing_data_set_tells_the_three_ways(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError) as caught:
        data.load("cifar10", root=tmp_path)
    assert isinstance(caught.value, FileNotFoundError)
    for part in (
        str(tmp_path),
        "cifar10.npz",
        "PRIVROB_DATA",
        "cifar-10-batches-py",
        "privrob data fetch cifar10",
    ):
        assert part in str(caught.value)


def test_locate_says_where_or_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert data.locate("glyphs").kind == "embedded"
    nowhere = data.locate("mnist")
    assert not nowhere.found
    assert nowhere.path is None
    assert "PRIVROB_DATA is not set" in nowhere.reason
    assert "no such folder" in data.locate("mnist", tmp_path / "none").reason
    path = save(tmp_path, **grey())
    assert data.locate("mnist", tmp_path).path == path
    monkeypatch.setenv("PRIVROB_DATA", str(tmp_path))
    assert data.locate("mnist").path == path
    # A root that is given is the only place
    assert not data.locate("mnist", tmp_path / "none").found
    with pytest.raises(ValueError, match="did you mean 'cifar100'"):
        data.locate("cifar1000")


# npz files


def test_an_npz_is_read_whatever_its_labels_dtype(tmp_path: Path) -> None:
    arrays = grey()
    save(tmp_path, **arrays)
    mnist = load("mnist", tmp_path)
    assert mnist.variant == "unknown"
    assert mnist.classes == 10
    assert mnist.train.x.shape == (6, 1, 28, 28)
    assert np.array_equal(mnist.train.x[:, 0].numpy(), arrays["x_train"])
    assert mnist.test.y.dtype == torch.int64
    assert mnist.test.y.tolist() == [9, 0, 5]


def test_the_checksum_is_of_the_contents_and_not_of_the_file(tmp_path: Path) -> None:
    arrays = grey()
    save(tmp_path, **arrays)
    first = load("mnist", tmp_path).checksum
    arrays = {k: v[..., None] if k[0] == "x" else v.astype(">i8") for k, v in arrays.items()}
    np.savez_compressed(
        tmp_path / "mnist.npz", extra=np.arange(3), **dict(reversed(arrays.items()))
    )
    assert load("mnist", tmp_path).checksum == first


def test_colour_images_become_channels_first(tmp_path: Path) -> None:
    x = RNG.integers(0, 256, (4, 32, 32, 3), np.uint8)
    save(tmp_path, "cifar100", x_train=x, y_train=np.array([0, 99, 1, 2]))
    cifar = load("cifar100", tmp_path)
    assert torch.equal(cifar.train.x[:, 2], torch.from_numpy(x[..., 2]))
    assert cifar.train.x.is_contiguous()
    with pytest.raises(MissingSplitError, match="cifar100 has no test split here, only train"):
        _ = cifar.test


def test_unknown_contents_are_refused_unless_allowed(tmp_path: Path) -> None:
    save(tmp_path, **grey())
    with pytest.raises(DataError, match="none of the known variants .published.*allow_unknown"):
        data.load("mnist", root=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_train": np.zeros((6, 28, 28), np.float32)}, "train: images must be uint8.*float32"),
        ({"x_train": np.zeros((6, 28, 28), np.int64)}, "uint8.*int64"),
        ({"x_test": np.zeros((3, 28, 27), np.uint8)}, r"test: images must have .*\(3, 28, 27\)"),
        ({"x_test": np.zeros((3, 784), np.uint8)}, r"\(3, 784\)"),
        ({"x_test": np.zeros((3, 1, 28, 28), np.uint8)}, r"\(3, 1, 28, 28\)"),
        ({"x_test": np.zeros((4, 28, 28), np.uint8)}, "test: 4 images but 3 labels"),
        ({"x_test": np.zeros((0, 28, 28), np.uint8), "y_test": np.zeros(0, int)}, "no images"),
        ({"y_test": np.array([0, 10, 3])}, "test: label 10 at 1 is outside 0 to 9"),
        ({"y_test": np.array([0, 3, -1])}, "label -1 at 2"),
        ({"y_test": np.array([0.0, 1.0, 2.0])}, "labels must be integers .* float64"),
        ({"y_test": np.array([True, False, True])}, "labels must be integers .* bool"),
        ({"y_test": np.eye(3, dtype=int)}, r"labels must be integers .*\(3, 3\)"),
        ({"y_test": np.array(["7", "2", "1"], dtype=object)}, "not a whole npz file"),
    ],
)
def test_bad_arrays_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = save(tmp_path, **(grey() | change))
    with pytest.raises(DataError, match=message) as caught:
        load("mnist", tmp_path)
    assert str(path) in str(caught.value)


def test_an_npz_without_the_arrays_is_refused(tmp_path: Path) -> None:
    save(tmp_path, images=np.zeros(3))
    with pytest.raises(DataError, match="neither x_train, y_train nor x_test, y_test"):
        load("mnist", tmp_path)
    arrays = grey()
    del arrays["y_test"]
    save(tmp_path, **arrays)
    with pytest.raises(DataError, match="only one of x_test and y_test"):
        load("mnist", tmp_path)


@pytest.mark.parametrize("keep", [0, 10, 5000, -30])
def test_a_truncated_npz_is_named(tmp_path: Path, keep: int) -> None:
    path = save(tmp_path, **grey())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="not a whole npz file") as caught:
        load("mnist", tmp_path)
    assert str(path) in str(caught.value)


def test_an_npz_with_one_wrong_byte_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, **grey())
    content = bytearray(path.read_bytes())
    content[1000] ^= 1  # inside x_train, which the zip's CRC covers
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a whole npz file"):
        load("mnist", tmp_path)


def test_other_files_under_an_npz_name_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "mnist.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match="not a whole npz file"):
        load("mnist", tmp_path)
    (tmp_path / "mnist.npz").write_bytes(pickle.dumps({"x_train": 1}))
    with pytest.raises(DataError, match="not a whole npz file"):
        load("mnist", tmp_path)


# One array of images, split by index


def faces() -> dict[str, np.ndarray]:
    """Five tiny Yale faces of which three are in a split."""
    return {
        "images": RNG.integers(0, 256, (5, 192, 168), np.uint8),
        "y": np.array([3, 1, 37, 0, 2], np.uint8),
        "azimuth": np.zeros(5, np.int16),
        "song2019_train_idx": np.array([4, 0], np.int16),
        "song2019_test_idx": np.array([2], np.int16),
    }


def test_faces_are_split_by_the_indices_in_their_order(tmp_path: Path) -> None:
    arrays = faces()
    save(tmp_path, "yale_faces", **arrays)
    yale = load("yale_faces", tmp_path)
    assert np.array_equal(yale.train.x[:, 0].numpy(), arrays["images"][[4, 0]])
    assert yale.train.y.tolist() == [2, 3]
    assert yale.test.y.tolist() == [37]
    assert yale.classes == 38


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.array([3, 1, 38, 0, 2])}, "test: label 38 at 0 is outside 0 to 37"),
        ({"y": np.zeros(4, int)}, r"5 images but labels of shape \(4,\)"),
        (
            {"images": np.zeros((5, 168, 192), np.uint8)},
            r"images must have shape .*\(2, 168, 192\)",
        ),
        ({"song2019_train_idx": np.array([4, 2])}, "image 2 is in the splits twice"),
        ({"song2019_train_idx": np.array([0, 0])}, "image 0 is in the splits twice"),
        ({"song2019_test_idx": np.array([5])}, "a split has image 5 of 5"),
        ({"song2019_test_idx": np.array([-1])}, "a split has image -1 of 5"),
        ({"song2019_test_idx": np.array([1.0])}, "a split must be integers .* float64"),
        ({"song2019_test_idx": None}, "has images but no song2019_test_idx"),
        ({"images": None}, "neither images nor x_train"),
    ],
)
def test_bad_splits_by_index_are_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    arrays = {k: v for k, v in (faces() | change).items() if v is not None}
    path = save(tmp_path, "yale_faces", **arrays)
    with pytest.raises(DataError, match=message) as caught:
        load("yale_faces", tmp_path)
    assert str(path) in str(caught.value)


def test_faces_that_are_missing_cannot_be_downloaded(tmp_path: Path) -> None:
    with pytest.raises(
        MissingDataError, match=r"put yale_faces.npz .*song2019_train_idx"
    ) as caught:
        data.load("yale_faces", root=tmp_path)
    assert "Three ways" not in str(caught.value)
    with pytest.raises(MissingDataError, match="yale_faces cannot be downloaded"):
        data.load("yale_faces", root=tmp_path, download=True)


# torchvision's layout


def write_idx(root: Path, arrays: dict[str, np.ndarray], folder: str = "MNIST") -> Path:
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    for split, stem in (("train", "train"), ("test", "t10k")):
        for kind, key in (("images-idx3", f"x_{split}"), ("labels-idx1", f"y_{split}")):
            a = arrays[key].astype(np.uint8)
            header = bytes([0, 0, 8, a.ndim]) + struct.pack(f">{a.ndim}i", *a.shape)
            (raw / f"{stem}-{kind}-ubyte").write_bytes(header + a.tobytes())
    return raw


@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")]
)
def test_torchvisions_idx_files_give_the_same_data_set(
    tmp_path: Path, name: str, folder: str
) -> None:
    arrays = grey()
    write_idx(tmp_path, arrays, folder)
    location = data.locate(name, tmp_path)
    assert (location.kind, location.path) == ("torchvision", tmp_path)
    ours = load(name, tmp_path)
    save(tmp_path, name, **arrays)
    assert data.locate(name, tmp_path).kind == "npz"
    assert load(name, tmp_path).checksum == ours.checksum
    assert ours.variant == "unknown"


def test_a_damaged_idx_file_is_named(tmp_path: Path) -> None:
    images = write_idx(tmp_path, grey()) / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-5])
    with pytest.raises(DataError, match="torchvision cannot read MNIST/raw") as caught:
        load("mnist", tmp_path)
    assert str(tmp_path) in str(caught.value)


def write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Two images a batch file in CIFAR-10's layout, their MD5 sums told to torchvision."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    x = RNG.integers(0, 256, (12, 3072), np.uint8)

    def write(name: str, content: dict[str, Any]) -> str:
        (folder / name).write_bytes(pickle.dumps(content))
        return md5((folder / name).read_bytes()).hexdigest()

    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    sums = [
        [name, write(name, {"data": x[2 * i : 2 * i + 2], "labels": [i, 9 - i]})]
        for i, name in enumerate(names)
    ]
    meta = {"filename": "batches.meta", "key": "label_names"}
    meta["md5"] = write("batches.meta", {"label_names": list("abcdefghij")})
    for key, value in (("train_list", sums[:5]), ("test_list", sums[5:]), ("meta", meta)):
        monkeypatch.setattr(torchvision.datasets.CIFAR10, key, value)
    return x.reshape(12, 3, 32, 32)


def test_cifar_files_that_pass_their_md5_are_the_published_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = write_cifar10(tmp_path, monkeypatch)
    cifar = data.load("cifar10", root=tmp_path)
    assert cifar.variant == "published"
    assert np.array_equal(cifar.train.x.numpy(), x[:10])
    assert cifar.test.y.tolist() == [5, 4]


def test_cifar_files_with_another_md5_are_refused(tmp_path: Path) -> None:
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_1"
    batch.parent.mkdir()
    batch.write_bytes(pickle.dumps({"data": 1}))
    with pytest.raises(DataError, match="torchvision cannot read cifar-10-batches-py"):
        load("cifar10", tmp_path)


# Downloads


def test_a_download_goes_to_the_cache_and_is_found_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def download(self: Any) -> None:
        asked.append(self.root)
        write_idx(Path(self.root), grey())

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", download)
    first = data.load("mnist", download=True, allow_unknown=True)
    assert asked == [str(data_files.cache_folder())]
    assert Path(asked[0]).is_relative_to(tmp_path / "cache")
    assert data.load("mnist", download=True, allow_unknown=True).checksum == first.checksum
    assert data.load("mnist", allow_unknown=True).checksum == first.checksum
    assert len(asked) == 1


def test_a_download_that_fails_tells_the_other_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(self: Any) -> None:
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", download)
    with pytest.raises(MissingDataError, match="could not be downloaded") as caught:
        data.load("mnist", download=True)
    assert "PRIVROB_DATA" in str(caught.value)


def test_nothing_is_downloaded_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_files, "download", lambda name: pytest.fail(f"fetched {name}"))
    with pytest.raises(MissingDataError):
        data.load("mnist")


# The real ones


@pytest.mark.mnist
def test_real_mnist_is_the_published_one(real: Path) -> None:
    mnist = data.load("mnist", root=real)
    assert mnist.variant == "published"
    assert (len(mnist.train), len(mnist.test)) == (60000, 10000)
    assert mnist.train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


@pytest.mark.mnist
def test_real_mnist_in_torchvisions_layout_is_the_same(real: Path, tmp_path: Path) -> None:
    with np.load(real / "mnist.npz") as arrays:
        write_idx(tmp_path, dict(arrays))
    mnist = data.load("mnist", root=tmp_path)
    assert mnist.variant == "published"


@pytest.mark.mnist
@pytest.mark.parametrize(
    ("name", "variants"),
    [
        ("fashion_mnist", {"published"}),
        ("cifar10", {"98 images from JPEG"}),
        ("cifar100", {"train only"}),
        ("yale_faces", {"song2019 split"}),
    ],
)
def test_other_real_data_sets_are_known(real: Path, name: str, variants: set[str]) -> None:
    if not data.locate(name, real).found:
        pytest.skip(f"$PRIVROB_DATA has no {name}")
    assert data.load(name, root=real).variant in variants
