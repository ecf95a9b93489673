"""Which points of k-space are kept: mask functions of fastMRI, deepinv and sigpy, seeded explicitly."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import torch
from fastmri.data.subsample import create_mask_for_mask_type
from torch import Tensor

from registries import RequestError

SIGPY_TOLERANCE = 0.1
"""Of the acceleration."""
POINTS_OFF = 8
"""So many points more or fewer than asked for are near enough."""
CENTRE_LINES_PER_ACCELERATION = 0.32
"""Centre fraction × acceleration: 0.08 at 4×, 0.04 at 8×, as in the fastMRI challenge (Zbontar et al. 2018)."""


@dataclass(frozen=True)
class Undersampling:
    """A sampling condition.

    Attributes
    ----------
    acceleration : int
        Expected columns (or points) / sampled ones.
    pattern : str
        One of `PATTERNS`.
    centre : float
        Centre fraction × acceleration: of the columns sampled, so many belong to the fully sampled centre.
    """

    acceleration: int = 4
    pattern: str = "random"
    centre: float = CENTRE_LINES_PER_ACCELERATION

    def to_json(self) -> dict[str, Any]:
        """As it stands in keys and records, where the centre is named if it is not fastMRI's."""
        values = asdict(self)
        if self.centre == CENTRE_LINES_PER_ACCELERATION:
            del values["centre"]
        return values

    def draw(
        self, columns: int, acquired: tuple[int, int], seed: tuple[int, ...], rows: int = 1
    ) -> tuple[Tensor, tuple[int, int]]:
        """Draw a sampling mask.

        Parameters
        ----------
        columns, rows : int
            W and H; rows matter for 2-D patterns alone.
        acquired : tuple of int
            Columns outside are zero padding and never sampled.
        seed : tuple of int
            Each below 2³².

        Returns
        -------
        mask : Tensor
            ``(1, 1, W)`` bool, or ``(1, H, W)`` for 2-D patterns.
        calibration : tuple of int
            First fully sampled centre column and the one after the last.
        """
        mask, lines = PATTERNS[self.pattern].draw(self, rows, columns, seed)
        mask = mask.clone()
        mask[..., : acquired[0]] = False
        mask[..., acquired[1] :] = False
        first = (columns - lines + 1) // 2
        return mask, (max(first, acquired[0]), min(first + lines, acquired[1]))

    @property
    def centre_fraction(self) -> float:
        """Of the columns, fully sampled."""
        return self.centre / self.acceleration

    def centre_lines(self, columns: int) -> int:
        """Number of fully sampled centre columns out of W, before zero padding is taken away."""
        return round(columns * self.centre_fraction)


Draw = Callable[[Undersampling, int, int, tuple[int, ...]], tuple[Tensor, int]]


@dataclass(frozen=True)
class Pattern:
    """A way to draw sampling masks.

    Attributes
    ----------
    draw : callable
        ``(undersampling, rows, columns, seed) -> (mask, number of centre columns)``.
    """

    summary: str
    source: str
    draw: Draw


def _fastmri(kind: str) -> Draw:
    def draw(undersampling: Undersampling, rows: int, columns: int, seed: tuple[int, ...]) -> tuple[Tensor, int]:
        function = create_mask_for_mask_type(kind, [undersampling.centre_fraction], [undersampling.acceleration])
        drawn, lines = function((1, 1, columns, 2), None, seed)
        return drawn.reshape(1, 1, columns) > 0, int(lines)

    return draw


def _gaussian(undersampling: Undersampling, rows: int, columns: int, seed: tuple[int, ...]) -> tuple[Tensor, int]:
    from deepinv.physics.generator import GaussianMaskGenerator

    generator = GaussianMaskGenerator(
        (1, 1, columns),
        acceleration=undersampling.acceleration,
        center_fraction=undersampling.centre_fraction,
        rng=torch.Generator(),
    )
    mask = generator.step(seed=_number(seed) % 2**31)["mask"].reshape(1, 1, columns) > 0
    return _with_centre(mask, undersampling.centre_lines(columns))


@lru_cache(maxsize=256)
def _poisson(undersampling: Undersampling, rows: int, columns: int, seed: tuple[int, ...]) -> tuple[Tensor, int]:
    """Variable-density Poisson-disc points around a fully sampled block, by sigpy."""
    try:
        from sigpy.mri import poisson
    except ImportError:
        raise missing_sigpy("pattern-poisson") from None
    lines = undersampling.centre_lines(columns)
    # as high as the maps need: their resolution is that of the lines, and ESPIRiT reads a square
    block = (min(rows, max(lines, round(lines * rows / columns))), lines)
    acceleration = undersampling.acceleration
    # of few points an acceleration may not be reachable as closely as sigpy asks for, which then searches for ever
    tolerance = max(SIGPY_TOLERANCE, POINTS_OFF * acceleration**2 / (rows * columns))
    seed_ = _number(seed) % 2**32
    drawn = poisson((rows, columns), acceleration, block, bool, crop_corner=False, seed=seed_, tol=tolerance)
    top, left = (rows - block[0] + 1) // 2, (columns - lines + 1) // 2
    drawn[top : top + block[0], left : left + lines] = True  # sigpy centres odd blocks otherwise than fastMRI
    return torch.from_numpy(drawn)[None], lines


def missing_sigpy(what: str) -> RequestError:
    """What to say where sigpy is not installed."""
    return RequestError(f"{what} needs sigpy: pip install -e '.[espirit]'")


PATTERNS: Mapping[str, Pattern] = {
    "random": Pattern(
        "random columns", "fastmri.data.subsample (Zbontar et al. 2018, arXiv:1811.08839)", _fastmri("random")
    ),
    "equispaced": Pattern("equispaced columns", "fastmri.data.subsample", _fastmri("equispaced_fraction")),
    "magic": Pattern("equispaced columns, offset by symmetry", "fastmri.data.subsample", _fastmri("magic_fraction")),
    "gaussian": Pattern("random columns of Gaussian density", "deepinv.physics.generator", _gaussian),
    "poisson": Pattern(
        "2-D Poisson-disc points around a centre block", "sigpy.mri.poisson (Ong & Lustig 2019)", _poisson
    ),
}


def _with_centre(mask: Tensor, lines: int) -> tuple[Tensor, int]:
    first = (mask.shape[-1] - lines + 1) // 2
    mask[..., first : first + lines] = True
    return mask, lines


def _number(seed: tuple[int, ...]) -> int:
    return int.from_bytes(hashlib.sha256(repr(seed).encode()).digest()[:8], "big")


def seed_of_file(name: str) -> tuple[int, ...]:
    """fastMRI's evaluation seed: the characters of the file name (one pattern per volume)."""
    return tuple(map(ord, name))


def zero_filled(kspace: Tensor, mask: Tensor) -> Tensor:
    """Keep the sampled points of ``(…, H, W)`` k-space, zero elsewhere."""
    return torch.where(mask, kspace, 0)
