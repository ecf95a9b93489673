"""The U-Net of fastMRI on complex images, made indifferent to their mean and scale."""

import math
from itertools import pairwise

import torch
from fastmri.models.unet import ConvBlock, TransposeConvBlock, Unet
from torch import Tensor, nn
from torch.nn import functional

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

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 2, H, W)`` to the same."""
        padding = [_padding(size, max(size, self.smallest)) for size in image.shape[2:]]
        return _crop(self._of_any_width(_pad(image, padding)), padding, image.shape)

    def _of_any_width(self, output: Tensor) -> Tensor:
        """As fastMRI's U-Net, which makes a tensor of every padding to ask whether there is one."""
        skipped = []
        for layer in self.down_sample_layers:
            output = layer(output)
            skipped.append(output)
            output = functional.avg_pool2d(output, kernel_size=2, stride=2)
        output = self.conv(output)
        for upwards, block in zip(self.up_transpose_conv, self.up_conv, strict=True):
            skip = skipped.pop()
            output = upwards(output)
            rows, columns = (wanted - found for wanted, found in zip(skip.shape[2:], output.shape[2:], strict=True))
            if rows or columns:
                output = functional.pad(output, (0, columns, 0, rows), "reflect")
            output = block(torch.cat([output, skip], dim=1))
        return output


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


def _pad(image: Tensor, padding: list[tuple[int, int]]) -> Tensor:
    rows, columns = padding
    return functional.pad(image, (*columns, *rows))


def _crop(image: Tensor, padding: list[tuple[int, int]], shape: torch.Size) -> Tensor:
    (top, _), (left, _) = padding
    return image[..., top : top + shape[2], left : left + shape[3]]
