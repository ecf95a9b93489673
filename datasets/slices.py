"""Reading slices of volumes: straight from the file where they lie there as they are, by HDF5 where they do not."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import finalize

import h5py
import numpy as np
import numpy.typing as npt

from datasets.errors import DataError
from datasets.hdf5 import fill, open_hdf5, start_of
from datasets.volumes import TARGET, Volume, check_unchanged

OPEN_FILES = 64
"""Kept open: to open one takes longer than to read a slice of a small volume."""


def read_slices(volume: Volume, indices: Sequence[int]) -> tuple[npt.NDArray[np.complex64], npt.NDArray[np.float32]]:
    """Read some slices of a volume. Several threads may read at once.

    Returns
    -------
    kspace : ndarray
        ``(slices, coils, rows, columns)`` complex64.
    target : ndarray
        ``(slices, rows, columns)`` float32.

    Raises
    ------
    DataError
        If the file changed since the manifest was made, or cannot be read.
    """
    check_unchanged(volume)
    try:
        plain = _plain_file(volume.path, volume.size, volume.mtime_ns)
        if plain:
            kspace = np.empty((len(indices), *plain.kspace.shape), np.complex64)
            target = np.empty((len(indices), *plain.target.shape), np.float32)
            plain.kspace.read(plain.number, indices, kspace)
            plain.target.read(plain.number, indices, target)
            return kspace, target
        with open_hdf5(Path(volume.path)) as file:
            kspace = np.stack([file["kspace"][i] for i in indices]).astype(np.complex64, copy=False)
            target = np.stack([file[TARGET][i] for i in indices]).astype(np.float32, copy=False)
    except Exception as error:
        raise DataError(Path(volume.path), None, f"cannot be read as HDF5: {error}") from None
    return kspace, target


@dataclass(frozen=True)
class _Place:
    """Where the values of an uncompressed, contiguous data set lie in its file.

    Attributes
    ----------
    offset : int
        Bytes before the first slice.
    shape : tuple of int
        Of one slice.
    """

    offset: int
    shape: tuple[int, ...]

    def read(self, file: int, indices: Sequence[int], values: npt.NDArray[Any]) -> None:
        """Fill an array with some slices."""
        for one, index in zip(values, indices, strict=True):
            fill(one, file, self.offset + index * one.nbytes)


@dataclass(frozen=True)
class _PlainFile:
    """An open file, by the number of the operating system; it is closed when nobody reads it any more."""

    number: int
    kspace: _Place
    target: _Place


@lru_cache(maxsize=OPEN_FILES)
def _plain_file(path: str, size: int, mtime_ns: int) -> _PlainFile | None:
    """The file of a volume as the manifest knows it, if both data sets can be read without HDF5."""
    with open_hdf5(Path(path)) as file:
        kspace, target = _place(file["kspace"], np.complex64), _place(file[TARGET], np.float32)
    if kspace is None or target is None:
        return None
    plain = _PlainFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC), kspace, target)
    finalize(plain, os.close, plain.number)
    return plain


def _place(data: h5py.Dataset, dtype: type[np.generic]) -> _Place | None:
    offset = start_of(data) if data.dtype == dtype else None
    return None if offset is None else _Place(offset, data.shape[1:])
