"""fastMRI volumes: what a file must hold, and reading it."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import h5py
import numpy as np
import numpy.typing as npt
from fastmri.data.mri_data import et_query

from datasets.errors import DataError
from registries.hashing import file_hash

TARGET = "reconstruction_rss"


@dataclass(frozen=True)
class Volume:
    """What the manifest knows of one multi-coil file.

    Attributes
    ----------
    name : str
        ``anatomy/folder/file.h5``, the identity of the volume inside its data root.
    path : str
        Where the file lies.
    size, mtime_ns, sha256
        Of the file.
    slices, coils, rows, columns : int
        Shape of ``kspace``; rows are the readout.
    target_shape : tuple of int
        (rows, columns) of ``reconstruction_rss``.
    recon_size : tuple of int
        (rows, columns) of the reconstruction space in the header.
    acquired : tuple of int
        First acquired column and the one after the last; outside lies zero padding.
    acquisition, patient : str
        Contrast and patient.
    maximum : float
        Largest value of the target, as stored by fastMRI.
    """

    name: str
    path: str
    size: int
    mtime_ns: int
    sha256: str
    slices: int
    coils: int
    rows: int
    columns: int
    target_shape: tuple[int, int]
    recon_size: tuple[int, int]
    acquired: tuple[int, int]
    acquisition: str
    patient: str
    maximum: float

    @property
    def anatomy(self) -> str:
        """``knee`` or ``brain``."""
        return self.name.split("/")[0]

    @property
    def folder(self) -> str:
        """``multicoil_train`` or ``multicoil_val``."""
        return self.name.split("/")[1]

    @property
    def file_name(self) -> str:
        """The file's own name, which seeds its evaluation mask."""
        return self.name.split("/")[2]

    def to_json(self) -> dict[str, Any]:
        """As stored in a manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Volume":
        """Read what `to_json` wrote."""
        pairs = {key: tuple(value[key]) for key in ("target_shape", "recon_size", "acquired")}
        return cls(**{**value, **pairs})


def inspect_volume(path: Path, name: str) -> Volume:
    """Open a file, check everything that later code relies on, and describe it.

    Raises
    ------
    DataError
        Naming file and key, if the file is not a valid fastMRI multi-coil volume.
    """
    try:
        stat = path.stat()
        with h5py.File(path, "r") as file:
            description = _describe(path, file)
    except DataError:
        raise
    except Exception as error:  # whatever a damaged HDF5 file makes the library raise
        raise DataError(path, None, f"cannot be read as HDF5: {error}; is the file complete?") from None
    return Volume(
        name=name,
        path=str(path),
        size=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        sha256=file_hash(path),
        **description,
    )


def read_slices(volume: Volume, indices: Sequence[int]) -> tuple[npt.NDArray[np.complex64], npt.NDArray[np.float32]]:
    """Read some slices of a volume.

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
    path = Path(volume.path)
    check_unchanged(volume)
    try:
        with h5py.File(path, "r") as file:
            kspace = np.stack([file["kspace"][i] for i in indices]).astype(np.complex64, copy=False)
            target = np.stack([file[TARGET][i] for i in indices]).astype(np.float32, copy=False)
    except Exception as error:
        raise DataError(path, None, f"cannot be read as HDF5: {error}") from None
    return kspace, target


def check_unchanged(volume: Volume) -> None:
    """Refuse a file whose size or time of change is not the manifest's.

    Raises
    ------
    DataError
        If the file is gone or differs.
    """
    path = Path(volume.path)
    try:
        stat = path.stat()
    except OSError:
        raise DataError(path, None, "is gone since the manifest was made") from None
    if (stat.st_size, stat.st_mtime_ns) != (volume.size, volume.mtime_ns):
        raise DataError(path, None, "changed since the manifest was made")


def _describe(path: Path, file: h5py.File) -> dict[str, Any]:
    kspace, target = _dataset(path, file, "kspace"), _dataset(path, file, TARGET)
    if kspace.ndim != 4:
        raise DataError(path, "kspace", f"has {kspace.ndim} axes, not (slices, coils, rows, columns)")
    if kspace.dtype.kind != "c":
        raise DataError(path, "kspace", f"is {kspace.dtype}, not complex")
    if 0 in kspace.shape:
        raise DataError(path, "kspace", f"is empty: shape {kspace.shape}")
    if target.ndim != 3 or target.dtype.kind != "f" or 0 in target.shape:
        raise DataError(path, TARGET, f"is {target.dtype} {target.shape}, not real (slices, rows, columns)")
    if target.shape[0] != kspace.shape[0]:
        raise DataError(path, TARGET, f"has {target.shape[0]} slices, kspace {kspace.shape[0]}")
    for key, data in (("kspace", kspace), (TARGET, target)):
        _check_values(path, key, data)
    if any(float(target[index].min()) < 0 for index in range(target.shape[0])):
        raise DataError(path, TARGET, "holds negative values: no root-sum-of-squares image")
    slices, coils, rows, columns = kspace.shape
    recon_size, acquired = _read_header(path, file, columns)
    if target.shape[1] > rows:
        raise DataError(path, TARGET, f"has {target.shape[1]} rows, kspace only {rows}")
    return {
        "slices": slices,
        "coils": coils,
        "rows": rows,
        "columns": columns,
        "target_shape": (target.shape[1], target.shape[2]),
        "recon_size": recon_size,
        "acquired": acquired,
        "acquisition": _text_attribute(path, file, "acquisition"),
        "patient": _text_attribute(path, file, "patient_id"),
        "maximum": _maximum(path, file),
    }


def _dataset(path: Path, file: h5py.File, key: str) -> h5py.Dataset:
    if key not in file or not isinstance(file[key], h5py.Dataset):
        raise DataError(path, key, "is missing: not a fastMRI multi-coil volume")
    return file[key]


def _check_values(path: Path, key: str, data: h5py.Dataset) -> None:
    energy = 0.0
    for index in range(data.shape[0]):
        values = data[index]
        if not np.isfinite(values).all():
            raise DataError(path, key, f"slice {index} holds values that are not finite")
        energy = max(energy, float(np.abs(values).max()))
    if energy == 0:
        raise DataError(path, key, "is zero everywhere")


def _read_header(path: Path, file: h5py.File, columns: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Reconstruction size and acquired columns, as fastMRI's `SliceDataset` reads them."""
    key = "ismrmrd_header"
    if key not in file:
        raise DataError(path, key, "is missing: not a fastMRI multi-coil volume")
    try:
        root = ElementTree.fromstring(file[key][()])
        encoded = int(et_query(root, ["encoding", "encodedSpace", "matrixSize", "y"]))
        recon = ["encoding", "reconSpace", "matrixSize"]
        size = (int(et_query(root, [*recon, "x"])), int(et_query(root, [*recon, "y"])))
        limits = ["encoding", "encodingLimits", "kspace_encoding_step_1"]
        centre = int(et_query(root, [*limits, "center"]))
        last = int(et_query(root, [*limits, "maximum"]))
    except Exception as error:
        raise DataError(path, key, f"is not a readable ISMRMRD header: {error}") from None
    left = encoded // 2 - centre
    acquired = (max(left, 0), min(left + last + 1, columns))
    if min(size) < 1 or not acquired[0] <= columns // 2 < acquired[1]:
        raise DataError(path, key, f"describes no image: reconstruction {size}, acquired columns {acquired}")
    return size, acquired


def _text_attribute(path: Path, file: h5py.File, key: str) -> str:
    value = file.attrs.get(key)
    if not isinstance(value, str) or not value:
        raise DataError(path, key, "attribute is missing or no text")
    return value


def _maximum(path: Path, file: h5py.File) -> float:
    value = file.attrs.get("max")
    if not isinstance(value, int | float | np.number) or not 0 < float(value) < np.inf:
        raise DataError(path, "max", "attribute is missing or not a positive number")
    return float(value)


def by_hash(volumes: Iterable[Volume]) -> list[Volume]:
    """Volumes in the order of the hash of their names: arbitrary, and always the same."""
    return sorted(volumes, key=lambda volume: hashlib.sha256(volume.name.encode()).hexdigest())


def central_slices(slices: int, most: int) -> range:
    """Indices of at most ``most`` slices in the middle of a volume; 0 means all."""
    count = min(most, slices) if most else slices
    first = (slices - count) // 2
    return range(first, first + count)
