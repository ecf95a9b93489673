"""Boxes on images: where findings are, and sham boxes of equal size to compare them with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from datasets.annotations import Annotation

MARGIN = 4
"""Width of the surround of a box, in pixels."""
SHAMS = 3
"""Sham boxes per box, at most."""
SIMILARITY = 0.25
"""Largest difference of the surrounds, |Δ mean| + |Δ standard deviation|, as a fraction of the mean."""

Image = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Box:
    """A rectangle in one slice of a stack.

    Attributes
    ----------
    plane : int
        Index into the stack.
    top, bottom, left, right : int
        Half-open ranges of rows and columns.
    label : str
        The finding; empty for a sham.
    """

    plane: int
    top: int
    bottom: int
    left: int
    right: int
    label: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    @property
    def inside(self) -> tuple[int, slice, slice]:
        """Index of the pixels inside."""
        return self.plane, slice(self.top, self.bottom), slice(self.left, self.right)

    def surround(self, image: Image) -> Image:
        """The pixels of a stack around the box, `MARGIN` wide."""
        ring = np.zeros(image.shape[1:], dtype=bool)
        ring[max(self.top - MARGIN, 0) : self.bottom + MARGIN, max(self.left - MARGIN, 0) : self.right + MARGIN] = True
        ring[self.top : self.bottom, self.left : self.right] = False
        around: Image = image[self.plane][ring]
        return around


def boxes_in(
    annotations: Iterable[Annotation], slices: Sequence[int], target_shape: tuple[int, int], shape: tuple[int, int]
) -> tuple[Box, ...]:
    """The boxes of findings that lie in some slices of a volume.

    Rows at study level, rows about artifacts or the normal, and boxes without area inside the image are left out.

    Parameters
    ----------
    annotations : iterable of Annotation
        Of the volume.
    slices : sequence of int
        Which slices the stack holds.
    target_shape : tuple of int
        Rows and columns of the target the boxes were drawn on.
    shape : tuple of int
        Rows and columns of the stack: the centre of the target.
    """
    found = []
    for row in annotations:
        if not (row.has_area and row.marks_finding and row.slice in slices):
            continue
        rows, columns = row.array_box(target_shape[0])
        top, bottom = _centred(rows, target_shape[0], shape[0])
        left, right = _centred(columns, target_shape[1], shape[1])
        if top < bottom and left < right:
            found.append(Box(list(slices).index(row.slice), top, bottom, left, right, row.label))
    return tuple(found)


def sham_boxes(target: Image, boxes: Sequence[Box]) -> tuple[tuple[Box, ...], ...]:
    """For each box up to `SHAMS` places of equal size whose surround looks most like its own.

    They lie in the same slice, whole, apart from each other and from every annotated box with its surround. They are
    chosen by mean and standard deviation of the surround in the target alone, so that box and sham lie in the same
    tissue and no reconstruction has a say; where nothing is similar there is no sham.

    Parameters
    ----------
    target : ndarray
        ``(slices, rows, columns)``.
    boxes : sequence of Box
        All boxes of the stack.

    Returns
    -------
    tuple of tuple of Box
        One group per box.
    """
    groups: list[tuple[Box, ...]] = []
    for box in boxes:
        taken = [sham for group in groups for sham in group if sham.plane == box.plane]
        groups.append(tuple(_shams_of(target, box, [b for b in boxes if b.plane == box.plane], taken)))
    return tuple(groups)


def _shams_of(target: Image, box: Box, annotated: Sequence[Box], taken: Sequence[Box]) -> list[Box]:
    height, width = box.shape
    own = box.surround(target)
    if not own.size:
        return []
    mean, spread = _surround_statistics(target[box.plane], box.shape)
    cost = np.abs(mean - own.mean()) + np.abs(spread - own.std())
    cost[cost > SIMILARITY * own.mean()] = np.inf
    for other in annotated:
        _exclude(cost, other, box.shape, 2 * MARGIN)
    for other in taken:
        _exclude(cost, other, box.shape, 0)
    found: list[Box] = []
    while len(found) < SHAMS and np.isfinite(cost).any():
        top, left = (int(index) + MARGIN for index in np.unravel_index(int(np.argmin(cost)), cost.shape))
        found.append(Box(box.plane, top, top + height, left, left + width))
        _exclude(cost, found[-1], box.shape, 0)
    return found


def _surround_statistics(
    plane: Image, shape: tuple[int, int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation of the surround of a box at every place, ``[top − MARGIN, left − MARGIN]``."""
    sums = [_ring_sums(part.astype(np.float64), shape) for part in (plane, plane**2, np.ones_like(plane))]
    mean = sums[0] / sums[2]
    return mean, np.sqrt(np.clip(sums[1] / sums[2] - mean**2, 0, None))


def _ring_sums(values: npt.NDArray[np.float64], shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Sums over the surround, by differences of cumulative sums; empty where a box with surround has no place."""
    total = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    outer = _window_sums(total, (shape[0] + 2 * MARGIN, shape[1] + 2 * MARGIN))
    inner = _window_sums(total, shape)
    rows, columns = outer.shape
    return outer - inner[MARGIN : MARGIN + rows, MARGIN : MARGIN + columns]


def _window_sums(total: npt.NDArray[np.float64], shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    height, width = shape
    if height >= total.shape[0] or width >= total.shape[1]:
        return np.empty((0, 0))
    result: npt.NDArray[np.float64] = (
        total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    )
    return result


def _exclude(cost: npt.NDArray[np.float64], box: Box, shape: tuple[int, int], distance: int) -> None:
    """Forbid places at which a box of that shape would come closer to another than a distance."""
    top, left = box.top - shape[0] - distance - MARGIN + 1, box.left - shape[1] - distance - MARGIN + 1
    bottom, right = box.bottom + distance - MARGIN, box.right + distance - MARGIN
    cost[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = np.inf


def _centred(part: slice, full: int, size: int) -> tuple[int, int]:
    offset = (full - size) // 2
    return max(part.start - offset, 0), min(part.stop - offset, size)
