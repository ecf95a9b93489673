"""Lesions: painted into the labels, and the boxes a reader would draw around them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datasets.simulated.shapes import Grid, Labels, smooth_field

Region = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Lesion:
    """A finding.

    Attributes
    ----------
    label : str
        In the words of fastMRI+.
    region : ndarray
        ``(slices, rows, columns)`` bool on the fine grid.
    study_level : bool
        Whether readers name it for the whole study, without boxes.
    """

    label: str
    region: Region
    study_level: bool = False

    @classmethod
    def painted(cls, label: str, labels: Labels, region: Region, tissue: int, study_level: bool = False) -> "Lesion":
        """Turn a region into another tissue and remember it."""
        labels[region] = tissue
        return cls(label, region, study_level)

    def boxes(
        self, offset: tuple[int, int], shape: tuple[int, int], factor: int
    ) -> list[tuple[int, int, int, int, int]]:
        """Boxes as in fastMRI+: (slice, x, y, width, height), y counted on the image flipped up/down.

        Parameters
        ----------
        offset : tuple of int
            First row and column of the target on the fine grid.
        shape : tuple of int
            Rows and columns of the target.
        factor : int
            Fine voxels per pixel.
        """
        found = []
        for index, plane in enumerate(self.region):
            rows, columns = np.nonzero(plane)
            if not rows.size:
                continue
            top, bottom = _pixels(rows, offset[0], shape[0], factor)
            left, right = _pixels(columns, offset[1], shape[1], factor)
            if bottom > top and right > left:
                found.append((index, left, shape[0] - bottom, right - left, bottom - top))
        return found


def some_slice(generator: np.random.Generator, place: Grid, first: float = -1.0) -> float:
    """Position of one of the slices that lie behind ``first``, so that a lesion around it is seen."""
    positions = place.z[:, 0, 0]
    behind = positions[positions >= first]
    return float(generator.choice(behind if behind.size else positions))


def _pixels(fine: npt.NDArray[np.int64], offset: int, size: int, factor: int) -> tuple[int, int]:
    """Pixel range that covers fine indices, with a margin of one, inside the target."""
    first = (int(fine.min()) - offset) // factor - 1
    last = (int(fine.max()) - offset) // factor + 2
    return max(first, 0), min(last, size)


def blob(
    generator: np.random.Generator,
    place: Grid,
    centre: tuple[float, float, float],
    axes: tuple[float, float, float],
) -> Region:
    """An irregular ellipsoid around (u, v, z)."""
    shape = place.shape
    distance = np.sqrt(
        ((place.u - centre[0]) / axes[0]) ** 2
        + ((place.v - centre[1]) / axes[1]) ** 2
        + ((place.z - centre[2]) / axes[2]) ** 2
    )
    region: Region = distance < 1 + 0.25 * smooth_field(generator, shape, (2, 14, 14))
    return region
