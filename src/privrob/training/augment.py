"""Random changes of training images: whole batches at once, on their device."""

import torch
from torch import Tensor


def crop_and_flip(x: Tensor, *, padding: int, generator: torch.Generator) -> Tensor:
    """Each image (N, C, H, W) moved by up to `padding` pixels either way and mirrored at even odds.

    As cropping from the image with a border of `padding` pixels of 0. song2019 pads 2 a side for
    PGD, distributional and natural training on CIFAR-10, 4 for TRADES. Draws from `generator`, on
    x's device; same shape and dtype. Raises ValueError unless x is NCHW and padding >= 0.
    """
    if x.ndim != 4 or padding < 0:
        raise ValueError(f"images NCHW and padding >= 0, not {tuple(x.shape)} and {padding}")
    count, _, height, width = x.shape
    device = x.device
    top, left = torch.randint(2 * padding + 1, (2, count, 1), generator=generator, device=device)
    mirrored = torch.randint(2, (count, 1), generator=generator, device=device).bool()
    columns = torch.arange(width, device=device).expand(count, width)
    columns = left + torch.where(mirrored, width - 1 - columns, columns)
    rows = top + torch.arange(height, device=device)
    border = torch.nn.functional.pad(x, (padding,) * 4)
    image = torch.arange(count, device=device)[:, None, None]
    # Advanced indices around the slice of channels: the result is (N, H, W, C)
    return border[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
