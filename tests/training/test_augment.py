"""Crops and mirror images of whole batches."""

import pytest
import torch

from privrob.training.augment import crop_and_flip


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("padding", [2, 4])
def test_a_crop_is_one_of_the_windows_or_its_mirror_image(padding: int) -> None:
    """Every window of every image, cut out by hand, against what came."""
    x = torch.rand(300, 3, 8, 6)
    ours = crop_and_flip(x, padding=padding, generator=generator())
    border = torch.zeros(300, 3, 8 + 2 * padding, 6 + 2 * padding)
    border[:, :, padding:-padding, padding:-padding] = x
    side, found = 2 * padding + 1, torch.zeros(300, 2, dtype=torch.int64)
    kinds: dict[tuple[int, int, bool], int] = {}
    for top in range(side):
        for left in range(side):
            window = border[:, :, top : top + 8, left : left + 6]
            for mirrored in (False, True):
                cut = window.flip(3) if mirrored else window
                same = (ours == cut).flatten(1).all(dim=1)
                found[:, 0] += same
                kinds[top, left, mirrored] = int(same.sum())
    assert (found[:, 0] == 1).all()
    assert len({k[0] for k, n in kinds.items() if n}) == side
    assert len({k[1] for k, n in kinds.items() if n}) == side
    assert 100 < sum(n for k, n in kinds.items() if k[2]) < 200


def test_without_padding_images_are_kept_or_mirrored() -> None:
    x = torch.arange(12, dtype=torch.uint8).reshape(1, 1, 3, 4).expand(50, 1, 3, 4)
    ours = crop_and_flip(x, padding=0, generator=generator())
    assert ours.dtype == torch.uint8
    kept = (ours == x).flatten(1).all(dim=1)
    assert ((ours == x.flip(3)).flatten(1).all(dim=1) ^ kept).all()
    assert 5 < kept.sum() < 45


def test_the_generator_decides() -> None:
    x = torch.rand(20, 3, 32, 32)
    one, two, other = (crop_and_flip(x, padding=2, generator=generator(s)) for s in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(("shape", "padding"), [((3, 32, 32), 2), ((1, 3, 32, 32), -1)])
def test_bad_crops_are_refused(shape: tuple[int, ...], padding: int) -> None:
    with pytest.raises(ValueError, match="NCHW and padding >= 0, not"):
        crop_and_flip(torch.rand(shape), padding=padding, generator=generator())
