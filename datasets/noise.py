"""Noise added to what was measured."""

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor

AT_ONCE = 16
"""Normal numbers that torch draws together."""


def unit_noise(slices: int, shape: tuple[int, ...], seed: tuple[int, ...]) -> Iterator[Tensor]:
    """Complex Gaussian noise of unit power, slice by slice: the same for the same seed, however many are taken at once.

    Parameters
    ----------
    slices : int
    shape : tuple of int
        ``(C, H, W)`` of each.
    seed : tuple of int
    """
    digest = hashlib.sha256(repr(("added noise", seed)).encode()).digest()
    draw = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
    whole = 2 * torch.Size(shape).numel() % AT_ONCE == 0  # otherwise a slice alone would not be what it is among others
    size = 1 if whole else slices
    for _ in range(slices // size):
        yield from torch.randn((size, *shape), dtype=torch.complex64, generator=draw)


def add_noise(kspace: Tensor, mask: Tensor, acquired: tuple[int, int], decibels: float, noise: Tensor) -> Tensor:
    """Add complex Gaussian noise to sampled k-space.

    Parameters
    ----------
    kspace : Tensor
        ``(B, C, H, W)`` complex64, fully sampled.
    mask : Tensor
        ``(1, 1, W)`` or ``(1, H, W)`` bool, of the sampled points; noise is added to them alone.
    acquired : tuple of int
        Columns outside are zero padding: they neither count for the power of a slice nor get noise.
    decibels : float
        Mean power of the acquired k-space of a slice over that of the noise.
    noise : Tensor
        As k-space, of unit power: see `unit_noise`.
    """
    power = kspace[..., acquired[0] : acquired[1]].abs().square().mean(dim=(1, 2, 3), keepdim=True)
    return kspace + mask * noise * (power * 10 ** (-decibels / 10)).sqrt()
