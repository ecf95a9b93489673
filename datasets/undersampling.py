"""Which k-space columns are kept: fastMRI's own mask functions, seeded explicitly."""

from dataclasses import dataclass

import torch
from fastmri.data.subsample import create_mask_for_mask_type
from torch import Tensor

CENTRE_LINES_PER_ACCELERATION = 0.32
"""Centre fraction × acceleration: 0.08 at 4×, 0.04 at 8×, as in the fastMRI challenge (Zbontar et al. 2018)."""

PATTERNS = {"random": "random", "equispaced": "equispaced_fraction", "magic": "magic_fraction"}


@dataclass(frozen=True)
class Undersampling:
    """A sampling condition.

    Attributes
    ----------
    acceleration : int
        Expected columns / sampled columns.
    pattern : str
        ``random``, ``equispaced`` or ``magic``.
    """

    acceleration: int = 4
    pattern: str = "random"

    def draw(self, columns: int, acquired: tuple[int, int], seed: tuple[int, ...]) -> tuple[Tensor, tuple[int, int]]:
        """Draw a sampling mask.

        Parameters
        ----------
        columns : int
            W.
        acquired : tuple of int
            Columns outside are zero padding and never sampled.
        seed : tuple of int
            Each below 2³².

        Returns
        -------
        mask : Tensor
            ``(1, 1, W)`` bool.
        calibration : tuple of int
            First fully sampled centre column and the one after the last.
        """
        fraction = CENTRE_LINES_PER_ACCELERATION / self.acceleration
        function = create_mask_for_mask_type(PATTERNS[self.pattern], [fraction], [self.acceleration])
        drawn, lines = function((1, 1, columns, 2), None, seed)
        mask = drawn.reshape(1, 1, columns) > 0
        mask[..., : acquired[0]] = False
        mask[..., acquired[1] :] = False
        first = (columns - lines + 1) // 2
        return mask, (max(first, acquired[0]), min(first + lines, acquired[1]))

    def centre_lines(self, columns: int) -> int:
        """Number of fully sampled centre columns out of W, before zero padding is taken away."""
        return round(columns * CENTRE_LINES_PER_ACCELERATION / self.acceleration)


def seed_of_file(name: str) -> tuple[int, ...]:
    """fastMRI's evaluation seed: the characters of the file name (one pattern per volume)."""
    return tuple(map(ord, name))


def zero_filled(kspace: Tensor, mask: Tensor) -> Tensor:
    """Keep the sampled columns of ``(…, H, W)`` k-space, zero elsewhere."""
    return torch.where(mask, kspace, 0)
