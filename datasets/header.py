"""The ISMRMRD header of a volume: what was encoded, and what of it was acquired."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import h5py
from fastmri.data.mri_data import et_query

from datasets.errors import DataError
from datasets.hdf5 import own_dataset

KEY = "ismrmrd_header"


@dataclass(frozen=True)
class Header:
    """Matrix sizes.

    Attributes
    ----------
    encoded, recon : tuple of int
        (rows, columns) of k-space and of the reconstruction; rows are the readout.
    acquired : tuple of int
        First acquired column and the one after the last.
    """

    encoded: tuple[int, int]
    recon: tuple[int, int]
    acquired: tuple[int, int]


def read_header(path: Path, file: h5py.File, columns: int) -> Header:
    """Read the header of k-space of so many columns, as fastMRI's `SliceDataset` does.

    Raises
    ------
    DataError
        If it is missing, unreadable, or describes no image.
    """
    text = own_dataset(path, file, KEY)[()]
    try:
        root = ElementTree.fromstring(text)

        def number(*keys: str) -> int:
            return int(et_query(root, ["encoding", *keys]))

        encoded, recon = (
            (number(space, "matrixSize", "x"), number(space, "matrixSize", "y"))
            for space in ("encodedSpace", "reconSpace")
        )
        centre, last = (number("encodingLimits", "kspace_encoding_step_1", key) for key in ("center", "maximum"))
    except Exception as error:
        raise DataError(path, KEY, f"is not a readable ISMRMRD header: {error}") from None
    left = encoded[1] // 2 - centre
    acquired = (max(left, 0), min(left + last + 1, columns))
    if min(recon) < 1 or not acquired[0] <= columns // 2 < acquired[1]:
        raise DataError(path, KEY, f"describes no image: reconstruction {recon}, acquired columns {acquired}")
    return Header(encoded, recon, acquired)
