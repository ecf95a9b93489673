"""Volumes to reconstruct: in fastMRI's layout, with a target or without, fully sampled or with a mask of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from datasets.errors import DataError
from datasets.hdf5 import check_written, open_hdf5, own_dataset, slices_of
from datasets.header import KEY, read_header
from datasets.samples import Preparation, Samples, crop_readout, measured
from datasets.undersampling import seed_of_file, zero_filled
from datasets.volumes import TARGET

MASK = "mask"
WHOLE = 0.99
"""Share of the points of a column that are not zero where it was sampled as a whole."""


@dataclass(frozen=True, eq=False)
class Scan:
    """What a file holds, to be reconstructed.

    Attributes
    ----------
    path : Path
    shape : tuple of int
        (slices, coils, rows, columns) of ``kspace``.
    mask : Tensor or None
        Sampled columns ``(1, 1, W)`` or points ``(1, H, W)``, bool: the file's own ``mask``, or else where its k-space
        is not zero. None where all acquired columns are sampled.
    acquired : tuple of int
        First acquired column and the one after the last; outside lies zero padding.
    shown : tuple of int
        (rows, columns) of the image: those of the target, else of the header's reconstruction space, else of k-space.
    has_target : bool
    """

    path: Path
    shape: tuple[int, int, int, int]
    mask: Tensor | None
    acquired: tuple[int, int]
    shown: tuple[int, int]
    has_target: bool

    def read(self, indices: Sequence[int]) -> tuple[npt.NDArray[np.complex64], npt.NDArray[np.float32] | None]:
        """k-space ``(S, C, H, W)`` and target ``(S, h, w)`` of some slices.

        Raises
        ------
        DataError
            If they cannot be read.
        """
        try:
            with open_hdf5(self.path) as file:
                kspace = np.stack([file["kspace"][i] for i in indices]).astype(np.complex64)
                target = np.stack([file[TARGET][i] for i in indices]).astype(np.float32) if self.has_target else None
        except (OSError, KeyError, ValueError) as error:
            raise DataError(self.path, None, f"cannot be read as HDF5: {error}") from None
        return kspace, target


def open_scan(path: Path) -> Scan:
    """Look through a file.

    Raises
    ------
    DataError
        Naming file and key, if there is nothing in it that could be reconstructed.
    """
    if not path.is_file():
        raise DataError(path, None, "no such file" if not path.exists() else "is not a regular file")
    try:
        with open_hdf5(path) as file:
            return _described(path, file)
    except DataError:
        raise
    except Exception as error:  # whatever a damaged HDF5 file makes the library raise
        raise DataError(path, None, f"cannot be read as HDF5: {error}; is the file complete?") from None


Slices = tuple[npt.NDArray[np.complex64], npt.NDArray[np.float32] | None]


def samples_of(scan: Scan, slices: Slices, preparation: Preparation, device: torch.device) -> Samples:
    """Slices that were read, ready for a network; see `undersampled`."""
    kspace, target = slices
    sampled, mask, calibration = undersampled(scan, torch.from_numpy(kspace).to(device), preparation)
    truth = None if target is None else (torch.from_numpy(target).to(device), float(target.max()))
    return measured(sampled, mask, calibration, preparation.maps, truth)


def undersampled(scan: Scan, kspace: Tensor, preparation: Preparation) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """k-space as it was sampled or, where fully sampled, undersampled by the file's name as in an evaluation.

    The readout is cropped where the preparation says so and columns alone were left out.

    Parameters
    ----------
    scan : Scan
    kspace : Tensor
        ``(S, C, H, W)`` complex64, of slices of it.
    preparation : Preparation

    Returns
    -------
    kspace : Tensor
        Zero where not sampled.
    mask : Tensor
        ``(1, 1, W)`` or ``(1, H, W)`` bool.
    calibration : tuple of int
        First fully sampled centre column and the one after the last.

    Raises
    ------
    DataError
        If the centre of k-space is not sampled, without which there are no coil maps.
    """
    if preparation.crop_readout and scan.shown[0] < scan.shape[2] and (scan.mask is None or scan.mask.shape[1] == 1):
        kspace = crop_readout(kspace, scan.shown[0])
    if scan.mask is None:
        seed = seed_of_file(scan.path.name)
        mask, calibration = preparation.undersampling.draw(scan.shape[3], scan.acquired, seed, kspace.shape[-2])
    else:
        mask, calibration = scan.mask, calibration_of(scan.mask)
    if calibration[1] <= calibration[0]:
        chosen = f"acceleration {preparation.undersampling.acceleration}" if scan.mask is None else "its sampling mask"
        raise DataError(scan.path, None, f"{chosen} leaves out the centre of k-space, which coil maps are made from")
    mask = mask.to(kspace.device)
    return zero_filled(kspace, mask), mask, calibration


def calibration_of(mask: Tensor) -> tuple[int, int]:
    """First and last + 1 of the largest centred block of fully sampled columns of ``(1, 1, W)`` or ``(1, H, W)``.

    In 2-D the block is as high as its share of the columns, which is what coil maps are estimated from.
    """
    rows, columns = mask.shape[1:]

    def whole(lines: int) -> bool:
        height = min(rows, max(1, round(lines * rows / columns)))
        top, first = (rows - height + 1) // 2, (columns - lines + 1) // 2
        return lines <= columns and bool(mask[0, top : top + height, first : first + lines].all())

    lines = 0
    while lines < columns and whole(lines + 1):
        lines += 1
    first = (columns - lines + 1) // 2
    return first, first + lines


def _described(path: Path, file: h5py.File) -> Scan:
    kspace = own_dataset(path, file, "kspace")
    if kspace.ndim != 4:
        hint = "; single-coil data need an axis of one coil" if kspace.ndim == 3 else ""
        raise DataError(path, "kspace", f"has {kspace.ndim} axes, not (slices, coils, rows, columns){hint}")
    if kspace.dtype.kind != "c" or 0 in kspace.shape:
        raise DataError(path, "kspace", f"is {kspace.dtype} {kspace.shape}, not complex (slices, coils, rows, columns)")
    check_written(path, "kspace", kspace)
    slices, coils, rows, columns = kspace.shape
    header = read_header(path, file, columns) if KEY in file else None
    acquired = header.acquired if header else (0, columns)
    shown = (min(header.recon[0], rows), header.recon[1]) if header else (rows, columns)
    has_target = TARGET in file
    if has_target:
        target = own_dataset(path, file, TARGET)
        if target.ndim != 3 or target.dtype.kind != "f" or target.shape[0] != slices or target.shape[1] > rows:
            raise DataError(path, TARGET, f"is {target.dtype} {target.shape}, no target of kspace {kspace.shape}")
        shown = target.shape[1:]
        if not any(values.any() for values in slices_of(path, target)):
            raise DataError(path, TARGET, "is zero everywhere; remove it to reconstruct without a target")
    occupied = _occupied(path, kspace)
    mask = _own_mask(path, file, (rows, columns)) if MASK in file else _inferred(occupied, acquired)
    if mask is not None:
        mask = mask.clone()
        mask[..., : acquired[0]] = False
        mask[..., acquired[1] :] = False
    return Scan(path, (slices, coils, rows, columns), mask, acquired, shown, has_target)


def _occupied(path: Path, kspace: h5py.Dataset) -> npt.NDArray[np.bool_]:
    """Points ``(H, W)`` at which any slice has a value.

    Raises
    ------
    DataError
        If there is none, one is not finite, or slices are sampled differently.
    """
    occupied = np.zeros(kspace.shape[2:], bool)
    patterns: list[npt.NDArray[np.bool_]] = []
    for index, values in enumerate(slices_of(path, kspace)):
        magnitude = np.abs(values).max(0)
        if not np.isfinite(magnitude).all():
            raise DataError(path, "kspace", f"slice {index} holds values that are not finite")
        if magnitude.any():
            patterns.append(_pattern(magnitude > 0))
            occupied |= patterns[-1]
    if not occupied.any():
        raise DataError(path, "kspace", "is zero everywhere")
    if MASK not in kspace.parent and any(not _same_sampling(one, patterns[0]) for one in patterns):
        raise DataError(
            path, "kspace", f"slices are sampled at different columns, and there is no '{MASK}'; split them"
        )
    return occupied


def _pattern(points: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Points of a slice that have a value; whole columns where next to nothing is missing in them by accident."""
    lines = _rows_by_columns(points)
    return lines if points.sum() >= WHOLE * lines.sum() else points


def _same_sampling(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> bool:
    """Whether two slices were sampled alike: at the same columns, or at the same points."""
    if all(np.array_equal(one, _rows_by_columns(one)) for one in (a, b)):
        return np.array_equal(a.any(0), b.any(0))
    return np.array_equal(a, b)


def _rows_by_columns(points: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return np.logical_and.outer(points.any(1), points.any(0))


def _own_mask(path: Path, file: h5py.File, size: tuple[int, int]) -> Tensor:
    values = np.squeeze(own_dataset(path, file, MASK)[()])
    if values.shape not in (size, size[1:]) or values.dtype.kind not in "biuf":
        raise DataError(path, MASK, f"is {values.dtype} {values.shape}, not {size[1:]} columns or {size} points")
    sampled = values != 0
    if not np.array_equal(sampled, values):
        raise DataError(path, MASK, "holds other values than 0 and 1")
    return torch.from_numpy(sampled.reshape(1, -1, size[1]))


def _inferred(occupied: npt.NDArray[np.bool_], acquired: tuple[int, int]) -> Tensor | None:
    """The sampling mask of k-space that is zero where nothing was measured; None if nothing was left out."""
    points = torch.from_numpy(occupied)
    columns = points.any(0)
    if not np.array_equal(occupied, _rows_by_columns(occupied)):
        return points[None]
    return None if bool(columns[slice(*acquired)].all()) else columns[None, None]
