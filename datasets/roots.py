"""Where the data lies: fastMRI's own folders, named by the user or found."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from datasets.errors import DataError

ANATOMIES = ("knee", "brain")
FOLDERS = ("multicoil_train", "multicoil_val")
VARIABLE = "PUNBENCH_DATA"
FASTMRI_FILE = "fastmri_dirs.yaml"


@dataclass(frozen=True)
class DataRoot:
    """Folders of each anatomy, and of the fastMRI+ annotations where there are any.

    Attributes
    ----------
    anatomies : tuple of (str, Path)
        The folder that holds ``multicoil_train`` and ``multicoil_val``, per anatomy that exists.
    annotations : Path or None
        Folder of the fastMRI+ CSV files.
    """

    anatomies: tuple[tuple[str, Path], ...]
    annotations: Path | None

    def files(self) -> list[tuple[str, Path]]:
        """Every ``.h5`` file as (name, path), sorted by name; other files are ignored."""
        return sorted(
            (f"{anatomy}/{folder}/{path.name}", path)
            for anatomy, base in self.anatomies
            for folder in FOLDERS
            if (base / folder).is_dir()
            for path in (base / folder).iterdir()
            if path.suffix == ".h5"
        )


def open_root(root: Path, annotations: Path | None = None) -> DataRoot:
    """Open ``root`` with ``knee/…`` and ``brain/…`` below it.

    Raises
    ------
    DataError
        If it does not exist or holds no volume.
    """
    root = root.expanduser().resolve()
    if not root.is_dir():
        raise DataError(root, None, "no such data folder; give the one that holds fastMRI's knee/ and brain/")
    return _checked({name: root / name for name in ANATOMIES}, annotations or root / "fastmri_plus", annotations, root)


def find_root(given: str | None, annotations: str | None) -> DataRoot | None:
    """The data a user means: ``--data``, ``$PUNBENCH_DATA``, fastMRI's ``fastmri_dirs.yaml`` here; else None."""
    chosen = Path(annotations).expanduser().resolve() if annotations else None
    if given is not None or os.environ.get(VARIABLE):
        return open_root(Path(given or os.environ[VARIABLE]), chosen)
    file = Path(FASTMRI_FILE)
    return _from_fastmri(file, chosen) if file.is_file() else None


def _from_fastmri(file: Path, annotations: Path | None) -> DataRoot | None:
    try:
        content: Any = yaml.safe_load(file.read_text())
        named = {name: content.get(f"{name}_path") for name in ANATOMIES}
    except (yaml.YAMLError, OSError, UnicodeDecodeError, AttributeError) as error:
        raise DataError(file, None, f"is not fastMRI's table of data folders: {error}") from None
    # fastMRI writes this file itself, with /path/to/… where nothing is set yet
    folders = {n: Path(p).expanduser().resolve() for n, p in named.items() if p and not str(p).startswith("/path/to")}
    return _checked(folders, annotations, annotations, file) if folders else None


def _checked(folders: dict[str, Path], annotations: Path | None, required: Path | None, where: Path) -> DataRoot:
    if required is not None and not required.is_dir():
        raise DataError(required, None, "no such folder of fastMRI+ annotations")
    anatomies = tuple((name, path) for name, path in folders.items() if path.is_dir())
    root = DataRoot(anatomies, annotations if annotations is not None and annotations.is_dir() else None)
    if not root.files():
        raise DataError(where, None, f"holds no .h5 volume in {{{','.join(folders)}}}/{{{','.join(FOLDERS)}}}")
    return root
