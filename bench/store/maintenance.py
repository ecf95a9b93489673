"""What a store holds, whether it is sound, and making it smaller."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.store.reading import (
    CHECKPOINT,
    STAGE,
    TENSORS,
    TensorFile,
    check_tensors,
    read_about,
    read_checkpoint,
    read_value,
)
from bench.store.store import JOURNAL
from registries import RequestError
from registries.sealed import DamagedError

CHECKPOINTS, SHARED = (f"[!.]*{suffix}" for suffix in (CHECKPOINT, TENSORS))  # none that was set aside
VALUES = f"{'[0-9a-f]' * 64}.json"
DAY = 24 * 3600.0


@dataclass(frozen=True)
class Contents:
    """What lies in a store.

    Attributes
    ----------
    stages : mapping of str to int
        Number of finished stages by kind.
    stage_bytes, checkpoint_bytes : int
        Tensors that stages share count once.
    checkpoints : int
        Of unfinished stages.
    begun_again : int
        How often a stage was begun once more, after an interruption.
    """

    stages: dict[str, int]
    stage_bytes: int
    checkpoints: int
    checkpoint_bytes: int
    begun_again: int


def contents(store: Path) -> Contents:
    """Look through a store.

    Raises
    ------
    RequestError
        If there is none.
    """
    kinds: Counter[str] = Counter()
    size = 0
    for folder in stage_folders(store):
        kinds[_kind(folder)] += 1
        size += sum(path.stat().st_size for path in folder.iterdir())
    size += sum(path.stat().st_size for path in store.glob(SHARED))
    checkpoints = list(store.glob(CHECKPOINTS))
    again = sum(number - 1 for number in begun(store).values())
    return Contents(
        dict(sorted(kinds.items())), size, len(checkpoints), sum(path.stat().st_size for path in checkpoints), again
    )


def stage_folders(store: Path) -> list[Path]:
    """Folders of finished stages.

    Raises
    ------
    RequestError
        If there is no store.
    """
    if not store.is_dir():
        raise RequestError(f"{store}: there is no store; run or sweep something into its folder first")
    return sorted(path for path in store.iterdir() if path.is_dir() and not path.name.startswith("."))


def begun(store: Path) -> Counter[str]:
    """How often each stage was begun, by key."""
    path = store / JOURNAL
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return Counter(words[1] for line in lines if len(words := line.split()) == 3 and words[0] == "begun")


def damaged(store: Path) -> Iterator[tuple[Path, str]]:
    """Stages, tensors, checkpoints and values that do not hold what was written, and what is wrong.

    Where stages share tensors, those are read once; if they are damaged, so are all of these stages.
    """
    shared = sorted(store.glob(SHARED))
    whole = set[Path]()
    for path in [*shared, *stage_folders(store), *sorted(store.glob(CHECKPOINTS)), *sorted(store.glob(VALUES))]:
        try:
            if path.is_dir():
                _check_stage(path, whole)
            elif path.suffix == ".json":
                read_value(path)
            elif path.name.endswith(TENSORS):
                check_tensors(TensorFile(path, "it", path.name.removesuffix(TENSORS)))
                whole.add(path)
            else:
                read_checkpoint(path)
        except DamagedError as error:
            yield path, str(error)
        except FileNotFoundError as error:
            if path.is_dir():  # else it is done since
                yield path, f"lacks {Path(str(error.filename)).name}"


def _check_stage(folder: Path, whole: Collection[Path]) -> None:
    for file in read_about(folder)[0]:
        if file.path not in whole:
            check_tensors(file)


def trim(store: Path, days: float) -> tuple[int, int]:
    """Remove stages and checkpoints that nothing used for so many days; they are computed anew when needed.

    Tensors stay as long as a stage has them.

    Returns
    -------
    tuple of int
        How many stages and checkpoints, and all bytes.
    """
    number = size = 0
    for path in filter(partial(_is_unused, days=days), [*stage_folders(store), *store.glob(CHECKPOINTS)]):
        number += 1
        size += _remove(path)
    used = {file.path for folder in stage_folders(store) for file in _files(folder)}
    for path in store.glob(SHARED):
        if path not in used and _is_unused(path, days):
            size += _remove(path)
    return number, size


def _is_unused(path: Path, days: float) -> bool:
    return time.time() - path.stat().st_mtime >= days * DAY


def _remove(path: Path) -> int:
    """Gives the bytes."""
    size = sum(p.stat().st_size for p in path.iterdir()) if path.is_dir() else path.stat().st_size
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return size


def _files(folder: Path) -> Sequence[TensorFile]:
    """Of a stage; a damaged one counts as absent."""
    try:
        return read_about(folder)[0]
    except (FileNotFoundError, DamagedError):
        return ()


def _kind(folder: Path) -> str:
    try:
        return str(json.loads((folder / STAGE).read_text(encoding="utf-8"))["stage"]["kind"])
    except (OSError, ValueError, KeyError, TypeError):
        return "unreadable"
