"""The manifest: every volume of a data root, inspected once, kept in the cache."""

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from datasets.cache import cache_folder
from datasets.errors import DataError
from datasets.roots import ANATOMIES, FOLDERS, DataRoot
from datasets.volumes import Volume, inspect_volume
from registries.locks import held
from registries.sealed import DamagedError, EarlierError, read_sealed_json, write_sealed_json

SCHEMA = 3
WHOLE_ROOT = 2
"""The schema before, whose manifests are of all folders or not complete."""
EVERYTHING = frozenset(f"{anatomy}/{folder}" for anatomy in ANATOMIES for folder in FOLDERS)
KEPT_EVERY = 5.0
"""Seconds after which what is inspected is on the disk, whatever happens."""


@dataclass(frozen=True)
class Manifest:
    """The volumes of a data root, or of some of its folders.

    Attributes
    ----------
    volumes : tuple of Volume
        Sorted by name.
    folders : frozenset of str
        ``anatomy/folder``: those that were looked into.
    """

    volumes: tuple[Volume, ...]
    folders: frozenset[str] = EVERYTHING

    def select(self, anatomy: str, folder: str) -> tuple[Volume, ...]:
        """The volumes of one anatomy and folder."""
        return tuple(v for v in self.volumes if v.anatomy == anatomy and v.folder == folder)


def identity_of(volumes: Iterable[Volume]) -> str:
    """Hash of the names and contents of some volumes: what a result depends on."""
    lines = sorted(f"{volume.name} {volume.sha256}" for volume in volumes)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def open_manifest(root: DataRoot, folders: frozenset[str] = EVERYTHING) -> Manifest:
    """Read the manifest of some folders of a data root, or make it on first use.

    Raises
    ------
    DataError
        If a volume is no fastMRI volume, or the data differ from an existing manifest.
    """
    known, complete = _read(_path(root))
    if not folders <= complete:
        return write_manifest(root, folders)
    files, known = _files(root, folders), {name: one for name, one in known.items() if _folder(name) in folders}
    renew = f"since the manifest was made; `{root.check_command}` renews it"
    for name in sorted(files.keys() ^ known.keys()):
        change = "was added" if name in files else "was removed"
        raise DataError(files.get(name) or Path(known[name].path), None, f"{change} {renew}")
    for name, volume in known.items():
        if not _stands(volume, files[name]):
            raise DataError(files[name], None, f"changed {renew}")
    return Manifest(tuple(known.values()), folders)


def write_manifest(root: DataRoot, folders: frozenset[str] = EVERYTHING) -> Manifest:
    """Inspect every volume of some folders and write the manifest.

    Raises
    ------
    DataError
        For the first file that is no volume.
    """
    volumes, problems = inspect_root(root, folders=folders)
    if problems:
        raise problems[0]
    return Manifest(tuple(volumes), folders)


def inspect_root(
    root: DataRoot, reuse: bool = True, folders: frozenset[str] = EVERYTHING
) -> tuple[list[Volume], list[DataError]]:
    """Inspect every volume, or with ``reuse`` those whose size or time of change is not the manifest's.

    The manifest is written as volumes come, so that hours of hashing are lost neither to one bad file nor to a kill; a
    folder in it counts as complete when there is no problem. Of several processes one inspects, the others wait.

    Returns
    -------
    volumes : list of Volume
        In order of their names.
    problems : list of DataError
        One for each file that is no volume.
    """
    path = _path(root)
    with held(path.parent, path.stem, f"reads the volumes of {root.place}"):
        known, complete = _read(path)
        files = _files(root, folders)
        others = [volume for name, volume in known.items() if _folder(name) not in folders]
        earlier = {name: volume for name, volume in known.items() if name in files}
        found: dict[str, Volume | DataError] = {}

        def keep(done: Collection[str]) -> None:
            volumes = [one for one in {**earlier, **found}.values() if isinstance(one, Volume)]
            _write(path, sorted([*others, *volumes], key=lambda volume: volume.name), done)

        try:
            for name, one in _inspect(files, known if reuse else {}, lambda: keep(complete - folders)):
                found[name] = one
        finally:
            whole = {name for name, one in found.items() if isinstance(one, Volume)}
            keep((complete - folders) | (folders - {_folder(name) for name in files if name not in whole}))
    in_order = [found[name] for name in files]
    return [one for one in in_order if isinstance(one, Volume)], [one for one in in_order if isinstance(one, DataError)]


def _inspect(
    files: dict[str, Path], known: dict[str, Volume], keep: Callable[[], None]
) -> Iterator[tuple[str, Volume | DataError]]:
    """What each file is, as it comes; now and then all that came is kept."""
    sizes = {name: _size(file) for name, file in files.items()}
    kept = time.monotonic()
    with _pool() as pool:  # while one file is hashed, Python is free to hash others
        pending: dict[Future[Volume | DataError], str] = {
            pool.submit(_inspected, file, name, known.get(name)): name for name, file in files.items()
        }
        with tqdm(desc="reading volumes", total=sum(sizes.values()), unit="B", unit_scale=True, leave=False) as bar:
            for one in as_completed(pending):
                yield pending[one], one.result()
                bar.update(sizes[pending[one]])
                if time.monotonic() - kept > KEPT_EVERY:
                    keep()
                    kept = time.monotonic()


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that begin nothing more once the block is left."""
    pool = ThreadPoolExecutor()
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _files(root: DataRoot, folders: Collection[str]) -> dict[str, Path]:
    return {name: path for name, path in root.files() if _folder(name) in folders}


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # which is said when it is opened
        return 0


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


def _write(path: Path, volumes: Sequence[Volume], folders: Collection[str]) -> None:
    value = {"schema": SCHEMA, "folders": sorted(folders), "volumes": [volume.to_json() for volume in volumes]}
    write_sealed_json(path, value)


def _read(path: Path) -> tuple[dict[str, Volume], frozenset[str]]:
    """Volumes by name, and the folders of which they are all; a file of another schema is none."""
    if not path.exists():
        return {}, frozenset()
    try:
        content = read_sealed_json(path)
        if content["schema"] not in (SCHEMA, WHOLE_ROOT):
            return {}, frozenset()
        whole = EVERYTHING if content.get("complete") else ()
        return {v["name"]: Volume.from_json(v) for v in content["volumes"]}, frozenset(content.get("folders", whole))
    except EarlierError:
        return {}, frozenset()
    except (DamagedError, ValueError, KeyError, TypeError):
        raise DataError(path, None, "is a damaged manifest; delete it, it is made anew") from None
