"""Noise added to what was measured."""

import hashlib

import torch
from torch import Tensor


def add_noise(
    kspace: Tensor, mask: Tensor, acquired: tuple[int, int], decibels: float, seed: tuple[int, ...]
) -> Tensor:
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
    seed : tuple of int
        The same noise for the same seed.
    """
    digest = hashlib.sha256(repr(("added noise", seed)).encode()).digest()
    draw = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
    noise = torch.randn(kspace.shape, dtype=kspace.dtype, generator=draw)  # unit power
    power = kspace[..., acquired[0] : acquired[1]].abs().square().mean(dim=(1, 2, 3), keepdim=True)
    return kspace + mask * noise * (power * 10 ** (-decibels / 10)).sqrt()
