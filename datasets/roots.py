"""Where the data lies: fastMRI's own folders, named by the user or found."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from datasets.errors import DataError

ANATOMIES = ("knee", "brain")
FOLDERS = ("multicoil_train", "multicoil_val")
VARIABLE = "PUNBENCH_DATA"
FASTMRI_FILE = "fastmri_dirs.yaml"
OTHER_SETS = ("singlecoil_", "multicoil_test", "multicoil_challenge")
"""Folders of fastMRI that are known to hold nothing for this suite: a single coil, or no targets."""


@dataclass(frozen=True)
class DataRoot:
    """Folders of each anatomy, and of the fastMRI+ annotations where there are any.

    Attributes
    ----------
    place : Path
        What the user named: the root, or fastMRI's table of folders.
    origin : str
        How it was named: ``--data``, ``$PUNBENCH_DATA``, ``fastmri_dirs.yaml`` or ``embedded``.
    anatomies : tuple of (str, Path)
        The folder that holds ``multicoil_train`` and ``multicoil_val``, per anatomy that exists.
    annotations : Path or None
        Folder of the fastMRI+ CSV files.
    """

    place: Path
    origin: str
    anatomies: tuple[tuple[str, Path], ...]
    annotations: Path | None

    @property
    def check_command(self) -> str:
        """The command that renews the manifest."""
        return "python -m bench data check" + ("" if self.origin == FASTMRI_FILE else f" {self.place}")

    def files(self) -> list[tuple[str, Path]]:
        """Every ``.h5`` file as (name, path), sorted by name; other files, and hidden ones, are ignored."""
        return sorted(
            (f"{anatomy}/{folder}/{path.name}", path)
            for anatomy, base in self.anatomies
            for folder in FOLDERS
            if (base / folder).is_dir()
            for path in (base / folder).iterdir()
            if path.suffix == ".h5" and not path.name.startswith(".")  # macOS leaves ._file.h5 beside file.h5
        )


def left_out(root: DataRoot) -> Iterator[str]:
    """What looks like volumes, lies in or beside the folders that are read, and is not read."""
    siblings = _folders(root.place) if root.place.is_dir() else []
    for path in siblings:
        if path.name not in ANATOMIES and any((path / folder).is_dir() for folder in FOLDERS):
            yield f"{path}: is not read, as it is called neither {' nor '.join(ANATOMIES)}"
    for _, base in root.anatomies:
        for path in sorted(base.glob("*.[hH]5")):
            yield f"{path}: is not read; move it to {' or '.join(FOLDERS)}"
        for path in _folders(base):
            if path.name not in FOLDERS and not path.name.startswith(OTHER_SETS) and any(path.rglob("*.h5")):
                yield f"{path}: holds volumes that are not read; move them to {' or '.join(FOLDERS)}"
        for folder in FOLDERS:
            for path in _folders(base / folder):
                if any(path.rglob("*.h5")):
                    yield f"{path}: holds volumes that are not read; move them up to {folder}"
            for path in sorted((base / folder).glob("[!.]*.*")):
                if path.suffix != ".h5" and path.suffix.lower() in (".h5", ".hdf5"):
                    yield f"{path}: is not read; rename it to {path.stem}.h5"


def _folders(path: Path) -> list[Path]:
    """Folders inside, without hidden ones and those that are called like a volume."""
    inside = sorted(path.iterdir()) if path.is_dir() else []
    return [one for one in inside if one.is_dir() and not one.name.startswith(".") and one.suffix != ".h5"]


def open_root(root: Path, annotations: Path | None = None, origin: str = "--data") -> DataRoot:
    """Open ``root`` with ``knee/…`` and ``brain/…`` below it.

    Raises
    ------
    DataError
        If it does not exist or holds no volume, or there are no such annotations.
    """
    root = root.expanduser().resolve()
    if not root.is_dir():
        raise DataError(root, None, "no such data folder; give the one that holds fastMRI's knee/ and brain/")
    own = root / "fastmri_plus"
    return _checked(root, origin, {name: root / name for name in ANATOMIES}, annotations, own if own.is_dir() else None)


def find_root(given: str | None, annotations: Path | None) -> DataRoot | None:
    """The data a user means: ``--data``, ``$PUNBENCH_DATA``, fastMRI's ``fastmri_dirs.yaml`` here; else None."""
    if given is not None:
        return open_root(Path(given), annotations)
    if os.environ.get(VARIABLE):
        return open_root(Path(os.environ[VARIABLE]), annotations, f"${VARIABLE}")
    file = Path(FASTMRI_FILE).resolve()
    return _from_fastmri(file, annotations) if file.is_file() else None


def _from_fastmri(file: Path, annotations: Path | None) -> DataRoot | None:
    try:
        content: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        named = {name: content.get(f"{name}_path") for name in ANATOMIES}
        # fastMRI writes this file itself, with /path/to/… where nothing is set yet
        set_ = {name: str(path) for name, path in named.items() if path and not str(path).startswith("/path/to")}
        folders = {name: Path(path).expanduser().resolve() for name, path in set_.items()}
    except (yaml.YAMLError, OSError, ValueError, AttributeError, RuntimeError) as error:
        raise DataError(file, None, f"is not fastMRI's table of data folders: {error}") from None
    for name, path in folders.items():
        if not path.is_dir():
            raise DataError(file, f"{name}_path", f"there is no folder {path}; correct the line or delete it")
    return _checked(file, FASTMRI_FILE, folders, annotations, None) if folders else None


def _checked(
    place: Path, origin: str, folders: dict[str, Path], given_annotations: Path | None, own_annotations: Path | None
) -> DataRoot:
    if given_annotations is not None:
        given_annotations = given_annotations.expanduser().resolve()
        if not given_annotations.is_dir():
            raise DataError(given_annotations, None, "no such folder of fastMRI+ annotations")
    for path in folders.values():
        if not str(path).isprintable():  # records and logs are UTF-8, and one line is one line
            raise DataError(Path(ascii(str(path))), None, "the path is not plain UTF-8 text; rename its folders")
    anatomies = tuple((name, path) for name, path in folders.items() if path.is_dir())
    root = DataRoot(place, origin, anatomies, given_annotations or own_annotations)
    if not root.files():
        missing = f"holds no .h5 volume in {{{','.join(folders)}}}/{{{','.join(FOLDERS)}}}"
        raise DataError(place, None, missing + _better_root(place))
    return root


def _better_root(place: Path) -> str:
    """The folder that was meant, where the one named is a few levels too deep or one too high."""
    for candidate in (place.parent, place.parent.parent, *_folders(place)):
        if any(any(candidate.glob(f"{name}/{folder}/*.h5")) for name in ANATOMIES for folder in FOLDERS):
            return f"; use {candidate} as --data"
    return ""
