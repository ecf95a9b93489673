"""Which part of an image is worth enlarging."""

from typing import Any

import numpy as np
import numpy.typing as npt

from records.examples import Region

Image = npt.NDArray[np.floating[Any]]
SHARE = 4
"""Rows of an image over those of the enlarged part."""
WIDER = 1.5
"""Columns of that part over its rows."""
BODY = 0.1
"""Of the 99th percentile: where an image shows the body."""
OUTLINE = 0.15
"""Share of the body's width, on either side, that counts as its outline."""
SMALLEST = 6
"""Rows below which pixels are seen instead of structure."""


def detailed_region(image: Image) -> Region:
    """The part ``(top, left, height, width)`` of ``(rows, columns)`` with most structure, in the middle of the body.

    Its size follows from that of the image. The outline of the body, whose edges are the strongest, is not looked at,
    and the square root keeps one strong edge from outdoing many weaker ones.
    """
    height, width = _size(image)
    slopes = np.hypot(*np.gradient(image.astype(np.float64))) if min(image.shape) > 1 else np.zeros(image.shape)
    total = np.pad(np.sqrt(slopes).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    body = image > BODY * np.quantile(image, 0.99)
    rows, columns = (_middle(np.asarray(body.any(axis)), size) for axis, size in ((1, height), (0, width)))
    inner = sums[rows, columns]
    top, left = np.unravel_index(int(np.argmax(inner)), inner.shape)
    return int(top) + rows.start, int(left) + columns.start, height, width


def region_around(box: Region, image: Image) -> Region:
    """A part of that size, or larger where a box needs it, with the box in its middle as far as the image goes."""
    margin = max(2, max(box[2:]) // 4)
    height, width = (max(usual, side + 2 * margin) for usual, side in zip(_size(image), box[2:], strict=True))
    top, height = _around(box[0], box[2], height, image.shape[0])
    left, width = _around(box[1], box[3], width, image.shape[1])
    return top, left, height, width


def _size(image: Image) -> tuple[int, int]:
    height = max(SMALLEST, image.shape[0] // SHARE)
    return min(height, image.shape[0]), min(round(WIDER * height), image.shape[1])


def _middle(shows: npt.NDArray[np.bool_], size: int) -> slice:
    """Where a range of a size may start to lie in the middle of what shows the body, at one place at least."""
    places = np.flatnonzero(shows) if shows.any() else np.arange(len(shows))
    first, last = int(places[0]), int(places[-1]) + 1
    margin = round(OUTLINE * (last - first))
    room = last - first - 2 * margin - size
    if room < 0:  # as near to the middle as it goes
        start, _ = _around(first, last - first, size, len(shows))
        return slice(start, start + 1)
    return slice(first + margin, first + margin + room + 1)


def _around(start: int, length: int, wanted: int, size: int) -> tuple[int, int]:
    """First pixel and length of a range around another one."""
    length, middle = min(wanted, size), start + length / 2
    return int(min(max(middle - length / 2, 0), size - length)), length
