"""Splits, data sets and their checksum."""

import pytest
import torch

from privrob import data
from privrob.data import DataError, Dataset, MissingSplitError, Split


@pytest.fixture
def split() -> Split:
    x = torch.arange(5 * 4, dtype=torch.uint8).reshape(5, 1, 2, 2) * 12
    return Split(x, torch.tensor([3, 1, 4, 1, 5]))


def test_a_batch_is_float_in_the_unit_range(split: Split) -> None:
    for index in ([4, 0], torch.tensor([4, 0]), slice(4, None, 1)):
        x, y = split.batch(index)
        assert x.dtype == torch.float32
        assert torch.equal(x[0], split.x[4].double().div(255).float())
        assert y[0] == 5
    assert data.as_float(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [0.0, 1.0]


def test_floats_are_not_divided_twice() -> None:
    with pytest.raises(TypeError, match=r"uint8.*float32"):
        data.as_float(torch.rand(2, 1, 2, 2))


def test_first_and_to_keep_the_examples(split: Split) -> None:
    assert len(split) == 5
    assert torch.equal(split.first(2).x, split.x[:2])
    assert split.first(2).y.tolist() == [3, 1]
    assert split.to("cpu").y.tolist() == split.y.tolist()
    assert split.to("meta").x.device.type == "meta"


@pytest.mark.parametrize("n", [0, -1, 6])
def test_first_refuses_what_is_not_there(split: Split, n: int) -> None:
    with pytest.raises(ValueError, match=f"first {n} of 5"):
        split.first(n)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.rand(2, 1, 2, 2), torch.zeros(2, dtype=torch.int64), r"uint8 NCHW, not .*float32"),
        (torch.zeros(2, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), r"\(2, 4\)"),
        (torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.zeros(2), "int64"),
        (torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.zeros(3).long(), "2 images but 3"),
    ],
)
def test_a_split_refuses_other_tensors(x: torch.Tensor, y: torch.Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Split(x, y)


def test_an_absent_split_says_which_exist(split: Split) -> None:
    with pytest.raises(MissingSplitError, match="ours has no train split here, only test"):
        _ = Dataset("ours", {"test": split}, classes=6).train


def test_the_checksum_sees_contents_shape_and_split_and_not_the_order_of_keys(split: Split) -> None:
    def checksum(**splits: Split) -> str:
        return Dataset("ours", splits, classes=6).checksum

    other_pixel, other_label = split.x.clone(), split.y.clone()
    other_pixel[0, 0, 0, 0] += 1
    other_label[0] += 1
    different = [
        checksum(test=split),
        checksum(train=split),
        checksum(test=split, train=split),
        checksum(test=Split(split.x.reshape(5, 1, 1, 4), split.y)),
        checksum(test=Split(other_pixel, split.y)),
        checksum(test=Split(split.x, other_label)),
    ]
    assert len(set(different)) == len(different)
    assert checksum(train=split, test=split) == checksum(test=split, train=split)
    # Memory layout is no content
    strided = split.x.permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2)
    assert checksum(test=Split(strided, split.y)) == checksum(test=split)


@pytest.mark.gpu
def test_a_batch_on_the_gpu_equals_the_one_on_the_cpu(split: Split) -> None:
    x, y = split.to("cuda").batch(torch.tensor([1, 3], device="cuda"))
    assert x.device.type == "cuda"
    torch.testing.assert_close(
        x.cpu(), split.batch([1, 3])[0], rtol=0, atol=1e-7
    )  # division rounds
    assert y.tolist() == [1, 1]
