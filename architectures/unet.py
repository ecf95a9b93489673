"""The U-Net of fastMRI on complex images, made indifferent to their mean and scale."""

import math

import torch
from fastmri.models.unet import Unet
from torch import Tensor, nn
from torch.nn import functional

MULTIPLE = 16
"""Images are zero-padded to multiples of this, as in fastMRI's `NormUnet`."""


class NormalisedUNet(nn.Module):
    """fastMRI's `NormUnet`: normalise real and imaginary part, pad, U-Net, crop, undo (Sriram et al. 2020).

    The state dict is that of fastMRI. Empty images stay finite.

    Parameters
    ----------
    channels : int
        Of the first layer; doubled by each pooling.
    pools : int
        Number of poolings.
    """

    def __init__(self, channels: int, pools: int) -> None:
        super().__init__()
        self.unet = Unet(2, 2, channels, pools)

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 2, H, W)`` to the same."""
        mean = image.mean(dim=(2, 3), keepdim=True)
        deviation = image.std(dim=(2, 3), keepdim=True)
        deviation = torch.where(deviation == 0, 1.0, deviation)  # an added epsilon would change small images
        height, width = image.shape[2:]
        rows, columns = _padding(height), _padding(width)
        padded = functional.pad((image - mean) / deviation, (*columns, *rows))
        found: Tensor = self.unet(padded)[..., rows[0] : rows[0] + height, columns[0] : columns[0] + width]
        return found * deviation + mean


def as_channels(image: Tensor) -> Tensor:
    """Complex ``(B, H, W)`` to real ``(B, 2, H, W)``."""
    return torch.view_as_real(image).permute(0, 3, 1, 2)


def as_complex(channels: Tensor) -> Tensor:
    """Real ``(B, 2, H, W)`` to complex ``(B, H, W)``."""
    return torch.view_as_complex(channels.permute(0, 2, 3, 1).contiguous())


def _padding(size: int) -> tuple[int, int]:
    missing = -size % MULTIPLE
    return math.floor(missing / 2), math.ceil(missing / 2)
