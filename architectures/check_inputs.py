"""Inputs that architectures are checked with."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from architectures.operators import centred_ifft, sense_forward

START_SHAPE = (2, 4, 64, 64)
START_NOISE = 0.05
"""Standard deviation of the noise of an image whose largest value is 1."""


@dataclass(frozen=True)
class Input:
    """What a network is given, and the image it was made of."""

    kspace: Tensor
    mask: Tensor
    maps: Tensor
    image: Tensor

    def of(self, model: nn.Module) -> Tensor:
        """Output of a network on it."""
        result: Tensor = model(self.kspace, self.mask, self.maps)
        return result


def make_input(shape: tuple[int, int, int, int], two_dimensional: bool = False, full: bool = False) -> Input:
    """Smooth image and maps, sampled at about half of the columns (or points); magnitude about 1."""
    batch, _, rows, columns = shape
    draw = torch.Generator().manual_seed(rows * columns)
    image = smooth(torch.randn(batch, rows, columns, dtype=torch.complex64, generator=draw), 6)
    image = image / image.abs().amax(dim=(1, 2), keepdim=True)
    maps = smooth(torch.randn(shape, dtype=torch.complex64, generator=draw), 3)
    maps = maps / maps.abs().square().sum(1, keepdim=True).sqrt()
    mask = torch.rand(batch, 1, rows if two_dimensional else 1, columns, generator=draw) < 0.5
    mask[..., columns // 2 - 2 : columns // 2 + 2] = True
    if full:
        mask = torch.ones_like(mask)
    return Input(sense_forward(image, maps, mask), mask, maps, image)


def largest(kspace: Tensor) -> Tensor:
    """Of the root-sum-of-squares image of what was sampled: the scale of a slice."""
    return centred_ifft(kspace).abs().square().sum(1).sqrt().amax()


def undersampled_input() -> Input:
    """About a quarter of the columns, with noise: the denoisers have something to do, as in a training."""
    full = make_input(START_SHAPE, full=True)
    draw = torch.Generator().manual_seed(1)
    mask = torch.rand(START_SHAPE[0], 1, 1, START_SHAPE[3], generator=draw) < 0.2
    mask[..., START_SHAPE[3] // 2 - 4 : START_SHAPE[3] // 2 + 4] = True
    noise = START_NOISE * torch.randn(full.kspace.shape, dtype=torch.complex64, generator=draw)
    return Input((full.kspace + noise) * mask, mask, full.maps, full.image)


def smooth(noise: Tensor, width: int) -> Tensor:
    """Keep the lowest frequencies of the last two axes."""
    kspace = torch.fft.fftn(noise, dim=(-2, -1))
    rows, columns = (torch.fft.fftfreq(size) * size for size in noise.shape[-2:])
    low = (rows.abs()[:, None] < width) & (columns.abs() < width)
    smooth: Tensor = torch.fft.ifftn(kspace * low, dim=(-2, -1))
    return smooth + 0.01 * noise


def central_maps(kspace: Tensor) -> Tensor:
    """Coil maps from the four central columns."""
    centre = torch.zeros_like(kspace)
    half = kspace.shape[-1] // 2
    centre[..., half - 2 : half + 2] = kspace[..., half - 2 : half + 2]
    coils = centred_ifft(centre)
    return coils / coils.abs().square().sum(1, keepdim=True).sqrt()
