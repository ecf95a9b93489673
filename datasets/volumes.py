"""fastMRI volumes: what a file must hold, and reading it."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

import h5py
import numpy as np

from datasets.errors import DataError
from datasets.hdf5 import check_written, open_hdf5, own_dataset, slices_of
from datasets.header import read_header
from registries.hashing import file_hash

TARGET = "reconstruction_rss"
SMALLEST_IMAGE = 7
"""Rows and columns of fastMRI's window for SSIM."""
SMALLEST_VALUE, LARGEST_VALUE = 1e-15, 1e15
"""What single precision can square and sum over a slice."""


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
    empty : tuple of int
        Slices that are zero: they are neither trained on nor scored, since no figure of merit is defined there.
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
    empty: tuple[int, ...] = ()

    @property
    def filled(self) -> tuple[int, ...]:
        """Slices that are not zero."""
        return tuple(index for index in range(self.slices) if index not in self.empty)

    @property
    def slice_bytes(self) -> int:
        """Of k-space and target of a slice, in single precision."""
        rows, columns = self.target_shape
        return 8 * self.coils * self.rows * self.columns + 4 * rows * columns

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
        pairs = {key: tuple(value[key]) for key in ("target_shape", "recon_size", "acquired", "empty")}
        return cls(**{**value, **pairs})


def inspect_volume(path: Path, name: str) -> Volume:
    """Open a file, check everything that later code relies on, and describe it.

    Raises
    ------
    DataError
        Naming file and key, if the file is not a valid fastMRI multi-coil volume.
    """
    if not path.name.isprintable():  # records and tables are UTF-8, and one line is one line
        raise DataError(path.parent, None, f"the file name {path.name!a} is not plain UTF-8 text; rename it")
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode):
            raise DataError(path, None, "is not a regular file; remove it")
        with open_hdf5(path) as file:
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
    kspace, target = own_dataset(path, file, "kspace"), own_dataset(path, file, TARGET)
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
    slices, coils, rows, columns = kspace.shape
    if target.shape[1] > rows:
        raise DataError(path, TARGET, f"has {target.shape[1]} rows, kspace only {rows}")
    if min(*target.shape[1:], columns) < SMALLEST_IMAGE:
        size = f"{target.shape[1]} × {min(target.shape[2], columns)}"
        raise DataError(path, TARGET, f"gives images of {size}, too small for SSIM's window of {SMALLEST_IMAGE}")
    header = read_header(path, file, columns)
    return {
        "slices": slices,
        "coils": coils,
        "rows": rows,
        "columns": columns,
        "target_shape": (target.shape[1], target.shape[2]),
        "recon_size": header.recon,
        "acquired": header.acquired,
        "acquisition": _text_attribute(path, file, "acquisition"),
        "patient": _text_attribute(path, file, "patient_id"),
        "maximum": _maximum(path, file),
        "empty": _empty_slices(path, kspace, target),
    }


def _empty_slices(path: Path, kspace: h5py.Dataset, target: h5py.Dataset) -> tuple[int, ...]:
    """Read all values, check them, and give the slices that are zero."""
    measured, shown = (_largest_values(path, key, data) for key, data in (("kspace", kspace), (TARGET, target)))
    for index, (of_kspace, of_target) in enumerate(zip(measured, shown, strict=True)):
        if bool(of_kspace) != bool(of_target):
            raise DataError(path, TARGET, f"slice {index} is {_zero(of_target)} and its k-space is {_zero(of_kspace)}")
    return tuple(index for index, largest in enumerate(shown) if not largest)


def _zero(largest: float) -> str:
    return "not zero" if largest else "zero"


def _largest_values(path: Path, key: str, data: h5py.Dataset) -> list[float]:
    """Largest magnitude of each slice."""
    check_written(path, key, data)
    largest = []
    for index, values in enumerate(slices_of(path, data)):
        magnitude = float(np.abs(values).max())  # NaN and infinity come through
        if not np.isfinite(magnitude) and not np.isfinite(values).all():
            raise DataError(path, key, f"slice {index} holds values that are not finite")
        if data.dtype.kind == "f" and float(values.min()) < 0:
            raise DataError(path, key, "holds negative values: no root-sum-of-squares image")
        largest.append(magnitude)
    if not any(largest):
        raise DataError(path, key, "is zero everywhere")
    if not SMALLEST_VALUE < max(largest) < LARGEST_VALUE:
        bound = f"has values up to {max(largest):.1e}, beyond what single precision can square"
        raise DataError(path, key, f"{bound}; rescale kspace, target and 'max' by the same factor")
    return largest


def _text_attribute(path: Path, file: h5py.File, key: str) -> str:
    value = _only_element(file.attrs.get(key))
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else ""
    if not text.strip("\0 "):
        raise DataError(path, key, "attribute is missing, empty or no text")
    return text


def _maximum(path: Path, file: h5py.File) -> float:
    value = _only_element(file.attrs.get("max"))
    if not isinstance(value, int | float | np.number) or not 0 < float(value) < np.inf:
        raise DataError(path, "max", "attribute is missing or not a positive number")
    return float(value)


def _only_element(value: Any) -> Any:
    """What an array of one element holds; some writers store numbers and texts so."""
    return value.reshape(-1)[0] if isinstance(value, np.ndarray) and value.size == 1 else value


def by_hash(volumes: Iterable[Volume]) -> list[Volume]:
    """Volumes in the order of the hash of their names: arbitrary, and always the same."""
    return sorted(volumes, key=lambda volume: hashlib.sha256(volume.name.encode()).hexdigest())


def central_slices(volume: Volume, most: int) -> tuple[int, ...]:
    """At most ``most`` slices in the middle of those of a volume that show something; 0 means all."""
    count = min(most, len(volume.filled)) if most else len(volume.filled)
    first = (len(volume.filled) - count) // 2
    return volume.filled[first : first + count]
