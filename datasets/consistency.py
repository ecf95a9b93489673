"""Do the parts of a volume belong together? Target, k-space, header and attributes are compared with each other."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from datasets.hdf5 import open_hdf5
from datasets.header import read_header
from datasets.mismatch import AGREES, cause, mismatch
from datasets.samples import root_sum_of_squares
from datasets.slices import read_slices
from datasets.volumes import TARGET, Volume, check_unchanged

MAXIMUM = 1e-3
"""Relative difference of the attribute `max` from the largest value of the target."""
COLUMNS_OFF = 0.02
"""How far from the middle k-space may peak, as a fraction of the columns: half the calibration lines at 8×."""
ROWS_OFF = 0.3
"""The same of the rows: a partial echo peaks early, and that is no fault."""


def contradictions(volume: Volume) -> Iterator[str]:
    """What does not fit in a volume, with the most likely cause; nothing where everything does.

    Every slice that is not zero is compared, until one does not fit.

    Raises
    ------
    DataError
        If the file changed since it was inspected.
    """
    yield from _of_header(volume)
    for index in volume.filled:
        words = list(_of_slice(volume, index))
        yield from (f"slice {index}: {one}" for one in words)
        if words:
            return


def duplicates(volumes: Sequence[Volume]) -> Iterator[str]:
    """Files of equal content."""
    first: dict[str, str] = {}
    for volume in volumes:
        other = first.setdefault(volume.sha256, volume.name)
        if other != volume.name:
            yield f"{volume.name}: has the content of {other}; remove one of them"


def _of_header(volume: Volume) -> Iterator[str]:
    """Header and attributes, compared with shapes and the largest value."""
    check_unchanged(volume)
    with open_hdf5(Path(volume.path)) as file:
        encoded = read_header(Path(volume.path), file, volume.columns).encoded
        largest = max(float(file[TARGET][index].max()) for index in volume.filled)
    if abs(volume.maximum - largest) > MAXIMUM * largest:
        yield f"attribute 'max' is {volume.maximum:.6g}, the largest value of the target {largest:.6g}"
    if volume.target_shape != volume.recon_size:
        yield f"the target has {_size(volume.target_shape)} pixels, the header reconstructs {_size(volume.recon_size)}"
    # fewer rows: the acquired columns, which the header is read for, are wrong where columns were cut in the same way
    if volume.rows < encoded[0] or volume.columns != encoded[1]:
        shape = _size((volume.rows, volume.columns))
        yield f"k-space has {shape} points, the header encodes {_size(encoded)}: cropped or padded under an old header?"


def _of_slice(volume: Volume, index: int) -> Iterator[str]:
    """k-space of one slice, compared with the header and the target."""
    read, shown = read_slices(volume, [index])
    kspace, target = torch.from_numpy(read[0]).to(torch.complex128), torch.from_numpy(shown[0]).double()
    energy = kspace.abs().square().sum(0)
    yield from _of_columns(energy.sum(0), volume.acquired)
    yield from _of_centre(energy)
    image = root_sum_of_squares(kspace)
    if mismatch(image, target) > AGREES:
        yield f"the target is not the root sum of squares of the k-space: {cause(image, target)}"


def _of_columns(energy: Tensor, acquired: tuple[int, int]) -> Iterator[str]:
    present = energy.nonzero().flatten().tolist()
    outside = [column for column in present if not acquired[0] <= column < acquired[1]]
    if outside:
        first, last = acquired[0], acquired[1] - 1
        yield f"k-space has values in column {outside[0]}; the header calls columns {first} to {last} acquired"
    holes = present[-1] + 1 - present[0] - len(present)
    if holes:
        yield f"{holes} columns between acquired ones are zero: k-space is not fully sampled"


def _of_centre(energy: Tensor) -> Iterator[str]:
    """A k-space whose zero frequency is elsewhere has the same magnitude image: its peak tells."""
    rows, columns = energy.shape
    row, column = int(energy.sum(1).argmax()), int(energy.sum(0).argmax())
    axes = (("rows", row, rows, max(2, ROWS_OFF * rows)), ("columns", column, columns, max(2, COLUMNS_OFF * columns)))
    away = [name for name, peak, size, most in axes if abs(peak - size // 2) > most]
    if away:
        at_edge = all(min(peak, size - peak) <= most for name, peak, size, most in axes if name in away)
        where = f"row {row}, column {column} of {_size((rows, columns))}, not in the middle"
        yield f"k-space peaks at {where}: {'apply fftshift to' if at_edge else 'roll'} its {' and '.join(away)}"


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[0]} × {shape[1]}"
