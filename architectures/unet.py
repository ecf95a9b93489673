"""The U-Net of fastMRI on complex images, made indifferent to their mean and scale."""

import math
from itertools import pairwise
from typing import Any

import torch
from fastmri.models.unet import ConvBlock, TransposeConvBlock, Unet
from torch import Tensor, nn
from torch.nn import functional

from architectures.launches import few_launches

MULTIPLE = 16
"""Images are zero-padded to multiples of this, as in fastMRI's `NormUnet`."""


class PlainUNet(Unet):  # type: ignore[misc]  # fastMRI is not typed
    """fastMRI's U-Net on images of any size and of any width; same state dict at whole numbers of channels.

    Images smaller than the poolings allow are zero-padded, then cropped.

    Parameters
    ----------
    channels : float
        Of the first layer; each pooling doubles it, and every level rounds to whole channels.
    pools : int
        Number of poolings.
    """

    def __init__(self, channels: float, pools: int) -> None:
        nn.Module.__init__(self)
        widths = [max(1, round(channels * 2**level)) for level in range(pools + 1)]
        down = [ConvBlock(inputs, outputs, 0.0) for inputs, outputs in pairwise([2, *widths[:-1]])]
        self.down_sample_layers = nn.ModuleList(down)
        self.conv = ConvBlock(widths[-2], widths[-1], 0.0)
        up = list(pairwise(reversed(widths)))
        joined = [ConvBlock(2 * outputs, outputs, 0.0) for _, outputs in up]
        last = nn.Sequential(joined[-1], nn.Conv2d(widths[0], 2, kernel_size=1))
        self.up_conv = nn.ModuleList([*joined[:-1], last])
        self.up_transpose_conv = nn.ModuleList(TransposeConvBlock(inputs, outputs) for inputs, outputs in up)
        self.smallest = smallest_size(pools)
        for block in [module for module in self.modules() if isinstance(module, nn.Sequential)]:
            for name, layer in block.named_children():
                if isinstance(layer, nn.LeakyReLU):
                    setattr(block, name, Rectifier(layer.negative_slope, inplace=True))

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 2, H, W)`` to the same."""
        padding = [_padding(size, max(size, self.smallest)) for size in image.shape[2:]]
        features, levels = _pad(image, padding), []
        if few_launches(image.device):
            # one sample whose channels come last, as here, can have wrong second derivatives behind instance norm
            # (torch 2.15) unless an activation in place copies its output
            features = features.contiguous()
        for layer in self.down_sample_layers:
            levels.append(layer(features))
            features = functional.avg_pool2d(levels[-1], 2)
        features = self.conv(features)
        for widen, join in zip(self.up_transpose_conv, self.up_conv, strict=True):
            level = levels.pop()
            features = join(torch.cat([_mirrored(widen(features), level.shape), level], dim=1))
        return _crop(features, padding, image.shape)


class Rectifier(nn.LeakyReLU):
    """A leaky ReLU in place, and through a copy where launches count: in place behind a norm it takes nine copies."""

    def forward(self, features: Tensor) -> Tensor:
        """Any shape to the same."""
        if few_launches(features.device):
            rectified: Tensor = _Rectified.apply(features, self.negative_slope)
            return rectified
        return super().forward(features)


class _Rectified(torch.autograd.Function):
    """Keeps its result alone, so that it needs no more memory than in place."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, slope: float) -> Tensor:
        rectified = functional.leaky_relu(features, slope)
        ctx.save_for_backward(rectified)
        ctx.slope = slope
        return rectified

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (rectified,) = ctx.saved_tensors
        return torch.ops.aten.leaky_relu_backward(gradient, rectified, ctx.slope, True), None


def smallest_size(pools: int) -> int:
    """Rows or columns that leave two pixels at the bottom of a U-Net: its normalisation needs more than one."""
    return int(2 ** (pools + 1))


class NormalisedUNet(nn.Module):
    """fastMRI's `NormUnet`: normalise real and imaginary part, pad, U-Net, crop, undo (Sriram et al. 2020).

    The state dict is that of fastMRI. Empty images stay finite.

    Parameters
    ----------
    channels : float
        Of the first layer; doubled by each pooling.
    pools : int
        Number of poolings.
    residual : bool
        Add the U-Net's output to the image; fastMRI's gives the image itself.
    """

    def __init__(self, channels: float, pools: int, residual: bool = False) -> None:
        super().__init__()
        self.unet = PlainUNet(channels, pools)
        self.residual = residual
        self.smallest = smallest_size(pools)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 2, H, W)`` to the same."""
        mean = image.mean(dim=(2, 3), keepdim=True)
        deviation = image.std(dim=(2, 3), keepdim=True)
        deviation = torch.where(deviation == 0, 1.0, deviation)  # an added epsilon would change small images
        padding = [_padding(size, max(size + -size % MULTIPLE, self.smallest)) for size in image.shape[2:]]
        normalised = (image - mean) / deviation
        found = _crop(self.unet(_pad(normalised, padding)), padding, image.shape)
        return (normalised + found if self.residual else found) * deviation + mean


def as_channels(image: Tensor) -> Tensor:
    """Complex ``(B, H, W)`` to real ``(B, 2, H, W)``."""
    return torch.view_as_real(image).permute(0, 3, 1, 2)


def as_complex(channels: Tensor) -> Tensor:
    """Real ``(B, 2, H, W)`` to complex ``(B, H, W)``."""
    return torch.view_as_complex(channels.permute(0, 2, 3, 1).contiguous())


def _padding(size: int, wanted: int) -> tuple[int, int]:
    missing = wanted - size
    return math.floor(missing / 2), math.ceil(missing / 2)


def _mirrored(features: Tensor, shape: torch.Size) -> Tensor:
    """One more line by reflection where a pooling dropped one."""
    rows, columns = (wanted - size for wanted, size in zip(shape[2:], features.shape[2:], strict=True))
    if not rows and not columns:
        return features
    if features.is_cuda:  # where the gradient of torch's reflection is not deterministic
        return mirrored_by_copies(features, rows, columns)
    return functional.pad(features, (0, columns, 0, rows), "reflect")


def mirrored_by_copies(features: Tensor, rows: int, columns: int) -> Tensor:
    """At most one more row and column by reflection, with a gradient of one order of sums on any device."""
    for axis, missing in ((-1, columns), (-2, rows)):
        if missing:
            features = torch.cat([features, features.narrow(axis, -2, 1)], dim=axis)
    return features


def _pad(image: Tensor, padding: list[tuple[int, int]]) -> Tensor:
    rows, columns = padding
    return functional.pad(image, (*columns, *rows))


def _crop(image: Tensor, padding: list[tuple[int, int]], shape: torch.Size) -> Tensor:
    (top, _), (left, _) = padding
    return image[..., top : top + shape[2], left : left + shape[3]]
