"""The manifest: every volume of a data root, inspected once, kept in the cache."""

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from datasets.cache import cache_folder
from datasets.errors import DataError
from datasets.roots import DataRoot
from datasets.volumes import Volume, inspect_volume
from registries.sealed import DamagedError, EarlierError, read_sealed_json, write_sealed_json

SCHEMA = 2


@dataclass(frozen=True)
class Manifest:
    """The volumes of a data root.

    Attributes
    ----------
    volumes : tuple of Volume
        Sorted by name.
    """

    volumes: tuple[Volume, ...]

    def select(self, anatomy: str, folder: str) -> tuple[Volume, ...]:
        """The volumes of one anatomy and folder."""
        return tuple(v for v in self.volumes if v.anatomy == anatomy and v.folder == folder)


def identity_of(volumes: Iterable[Volume]) -> str:
    """Hash of the names and contents of some volumes: what a result depends on."""
    lines = sorted(f"{volume.name} {volume.sha256}" for volume in volumes)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def open_manifest(root: DataRoot) -> Manifest:
    """Read the manifest of a data root, or make it on first use.

    Raises
    ------
    DataError
        If a volume is no fastMRI volume, or the data differ from an existing manifest.
    """
    known, complete = _read(_path(root))
    if not complete:
        return write_manifest(root)
    files = dict(root.files())
    renew = f"since the manifest was made; `{root.check_command}` renews it"
    for name in sorted(files.keys() ^ known.keys()):
        change = "was added" if name in files else "was removed"
        raise DataError(files.get(name) or Path(known[name].path), None, f"{change} {renew}")
    for name, volume in known.items():
        if not _stands(volume, files[name]):
            raise DataError(files[name], None, f"changed {renew}")
    return Manifest(tuple(known.values()))


def write_manifest(root: DataRoot) -> Manifest:
    """Inspect every volume and write the manifest.

    Raises
    ------
    DataError
        For the first file that is no volume.
    """
    volumes, problems = inspect_root(root)
    if problems:
        raise problems[0]
    return Manifest(tuple(volumes))


def inspect_root(root: DataRoot, reuse: bool = True) -> tuple[list[Volume], list[DataError]]:
    """Inspect every volume, or with ``reuse`` those whose size or time of change is not the manifest's.

    The manifest is written as far as it goes, so that hours of hashing are not lost to one bad file, and counts as
    complete when there is no problem.

    Returns
    -------
    volumes : list of Volume
    problems : list of DataError
        One for each file that is no volume.
    """
    path = _path(root)
    known = _read(path)[0] if reuse else {}
    files = root.files()
    pool = ThreadPoolExecutor()  # while one file is hashed, Python is free to hash others
    pending = [pool.submit(_inspected, file, name, known.get(name)) for name, file in files]
    try:
        for one in tqdm(pending, desc="reading volumes", unit="volume", leave=False):
            one.result()
    finally:
        pool.shutdown(cancel_futures=True)
        found = [one.result() for one in pending if not one.cancelled() and one.exception() is None]
        volumes = [one for one in found if isinstance(one, Volume)]
        _write(path, volumes, complete=len(volumes) == len(files))
    return volumes, [one for one in found if isinstance(one, DataError)]


def _inspected(file: Path, name: str, known: Volume | None) -> Volume | DataError:
    """What the manifest knows while the file is as it was; otherwise what is found."""
    try:
        return known if known and _stands(known, file) else inspect_volume(file, name)
    except DataError as problem:
        return problem


def _stands(volume: Volume, file: Path) -> bool:
    try:
        stat = file.stat()
    except OSError:
        return False
    return (volume.path, volume.size, volume.mtime_ns) == (str(file), stat.st_size, stat.st_mtime_ns)


def _path(root: DataRoot) -> Path:
    folders = json.dumps([[name, str(path)] for name, path in root.anatomies])
    return cache_folder("manifests", f"{hashlib.sha256(folders.encode()).hexdigest()[:16]}.json")


def _write(path: Path, volumes: list[Volume], complete: bool) -> None:
    value = {"schema": SCHEMA, "complete": complete, "volumes": [volume.to_json() for volume in volumes]}
    write_sealed_json(path, value)


def _read(path: Path) -> tuple[dict[str, Volume], bool]:
    """Volumes by name, and whether the manifest is complete; a file of another schema is none."""
    if not path.exists():
        return {}, False
    try:
        content = read_sealed_json(path)
        if content["schema"] != SCHEMA:
            return {}, False
        return {v["name"]: Volume.from_json(v) for v in content["volumes"]}, bool(content["complete"])
    except EarlierError:
        return {}, False
    except (DamagedError, ValueError, KeyError, TypeError):
        raise DataError(path, None, "is a damaged manifest; delete it, it is made anew") from None
