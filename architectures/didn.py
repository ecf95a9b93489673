"""DIDN: repeated descents and ascents of resolution at half the size of the image."""

import torch
from torch import Tensor, nn
from torch.nn import functional

MULTIPLE = 8
"""Three halvings; images are zero-padded to multiples of this, then cropped."""


class DownUpBlock(nn.Module):
    """Two halvings and two pixel shuffles back, residual on every level, ``(B, channels, H, W)`` to the same.

    Parameters
    ----------
    channels : int
        Of input and output; twice and four times as many on the lower levels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half, quarter = 2 * channels, 4 * channels
        self.enter = nn.Sequential(*_activated(channels, channels), *_activated(channels, channels))
        self.to_half = nn.Sequential(*_activated(channels, half, stride=2))
        self.at_half = nn.Sequential(*_activated(half, half))
        self.to_quarter = nn.Sequential(*_activated(half, quarter, stride=2))
        self.at_quarter = nn.Sequential(*_activated(quarter, quarter))
        self.from_quarter = nn.Sequential(nn.Conv2d(quarter, 2 * quarter, 1), nn.PixelShuffle(2))
        self.join_half = nn.Conv2d(quarter, half, 1)
        self.back_at_half = nn.Sequential(*_activated(half, half))
        self.from_half = nn.Sequential(nn.Conv2d(half, 2 * half, 1), nn.PixelShuffle(2))
        self.join = nn.Conv2d(half, channels, 1)
        self.back = nn.Sequential(*_activated(channels, channels), *_activated(channels, channels))
        self.leave = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Height and width must be multiples of four."""
        full = features + self.enter(features)
        half = self.to_half(full)
        half = half + self.at_half(half)
        quarter = self.to_quarter(half)
        quarter = quarter + self.at_quarter(quarter)
        half = self.join_half(torch.cat([self.from_quarter(quarter), half], dim=1))
        half = half + self.back_at_half(half)
        full = self.join(torch.cat([self.from_half(half), full], dim=1))
        full = full + self.back(full)
        result: Tensor = features + self.leave(full)
        return result


class DIDN(nn.Module):
    """The change that DIDN makes to an image; whoever calls it adds the image (its global residual).

    Parameters
    ----------
    channels : float
        Rounded to a multiple of four, since the last pixel shuffle leaves a quarter.
    blocks : int
        Number of `DownUpBlock`.

    Notes
    -----
    Yu, Park, Jeong 2019, CVPR Workshops, "Deep iterative down-up CNN for image denoising"; without its reconstruction
    block, as in public MRI code: 5 021 761 parameters at 64 channels and three blocks.
    """

    def __init__(self, channels: float, blocks: int) -> None:
        super().__init__()
        width = max(4, 4 * round(channels / 4))
        self.enter = nn.Sequential(*_activated(2, width), *_activated(width, width, stride=2))
        self.blocks = nn.ModuleList(DownUpBlock(width) for _ in range(blocks))
        self.join = nn.Sequential(nn.Conv2d(blocks * width, width, 1), nn.PReLU())
        self.refine = nn.Sequential(*_activated(width, width))
        self.leave = nn.Sequential(nn.PixelShuffle(2), nn.Conv2d(width // 4, 2, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 2, H, W)`` to the same, of any size."""
        height, width = image.shape[2:]
        features = self.enter(functional.pad(image, (0, -width % MULTIPLE, 0, -height % MULTIPLE)))
        found = []
        for block in self.blocks:
            features = block(features)
            found.append(features)
        joined = self.join(torch.cat(found, dim=1))
        change: Tensor = self.leave(joined + self.refine(joined))
        return change[..., :height, :width]


def _activated(inputs: int, outputs: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1), nn.PReLU()
