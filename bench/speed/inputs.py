"""What networks are timed on: noise in the shape of slices."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.machine.randomness import generator
from datasets.undersampling import Undersampling


@dataclass(frozen=True)
class Shape:
    """Of the k-space of one slice."""

    coils: int
    rows: int
    columns: int

    def __str__(self) -> str:
        return f"{self.coils} coils, {self.rows} × {self.columns}"


def noise(shape: Shape, batch: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """k-space, sampling mask and coil maps, on the device."""
    draw = generator(0, "speed")
    full = (batch, shape.coils, shape.rows, shape.columns)
    maps = torch.randn(full, dtype=torch.complex64, generator=draw)
    maps = maps / maps.abs().square().sum(1, keepdim=True).sqrt()
    mask = Undersampling(4).draw(shape.columns, (0, shape.columns), (0,))[0][None].expand(batch, -1, -1, -1)
    kspace = torch.randn(full, dtype=torch.complex64, generator=draw) * mask
    return kspace.to(device), mask.contiguous().to(device), maps.to(device)
