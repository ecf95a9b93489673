"""Opening HDF5 files, and the data sets in them that are wholly there."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from datasets.errors import DataError


def open_hdf5(path: Path) -> h5py.File:
    """Open a file for reading, without a lock: file systems of clusters often have none."""
    return h5py.File(path, "r", locking=False)


def own_dataset(path: Path, file: h5py.File, key: str) -> h5py.Dataset:
    """A data set whose values lie in the file itself, whose hash would say nothing of any others.

    Raises
    ------
    DataError
        If it is missing or lies elsewhere.
    """
    if isinstance(file.get(key, getlink=True), h5py.ExternalLink):
        raise DataError(path, key, _ELSEWHERE)
    if key not in file or not isinstance(file[key], h5py.Dataset):
        raise DataError(path, key, f"is missing: {_kind(file)}")
    data = file[key]
    if data.is_virtual or data.external or data.file.filename != file.filename:
        raise DataError(path, key, _ELSEWHERE)
    return data


def check_written(path: Path, key: str, data: h5py.Dataset) -> None:
    """Refuse data that were declared and never written, which HDF5 reads as zeros, however many are declared.

    Raises
    ------
    DataError
        If a part of the data has no place in the file.
    """
    if data.chunks is None:
        parts, written = 1, int(data.id.get_storage_size() > 0)
    else:
        parts = math.prod(-(-size // chunk) for size, chunk in zip(data.shape, data.chunks, strict=True))
        written = data.id.get_num_chunks()
    if written < parts:
        raise DataError(path, key, f"is incomplete: {written} of {parts} parts of its shape {data.shape} are written")


def slices_of(path: Path, data: h5py.Dataset) -> Iterator[npt.NDArray[Any]]:
    """The values along the first axis one by one, each valid until the next.

    What lies in the file in one piece is read past HDF5's library, in which one thread waits for the other.
    """
    start = start_of(data)
    if start is None:
        yield from (data[index] for index in range(data.shape[0]))
        return
    values = np.empty(data.shape[1:], data.dtype)
    with path.open("rb") as file:
        for index in range(data.shape[0]):
            fill(values, file.fileno(), start + index * values.nbytes)
            yield values


def fill(values: npt.NDArray[Any], file: int, start: int) -> None:
    """Read an array from a place in an open file, by calls that hold up no other thread.

    Raises
    ------
    OSError
        If the file ends before.
    """
    left = values.data.cast("B")
    while left:
        number = os.preadv(file, [left], start)
        if not number:
            raise OSError("the file ends early")
        left, start = left[number:], start + number


def start_of(data: h5py.Dataset) -> int | None:
    """Where in its file the values lie as NumPy has them; None if they do not."""
    plain = data.dtype in (np.complex64, np.float32) and data.dtype.isnative
    whole = data.chunks is None and data.id.get_storage_size() == data.size * data.dtype.itemsize
    return data.id.get_offset() if plain and whole else None


_ELSEWHERE = "lies outside this file; copy its values into the file, e.g. by h5py"


def _kind(file: h5py.File) -> str:
    if "reconstruction_esc" in file:
        return "'reconstruction_esc' says that this is a single-coil file, and only multi-coil volumes are read"
    return "not a fastMRI multi-coil volume"
