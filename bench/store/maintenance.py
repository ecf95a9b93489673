"""What a store holds, whether it is sound, and making it smaller."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.store.store import CHECKPOINT, JOURNAL, STAGE, read_checkpoint, read_stage, read_value
from registries import RequestError
from registries.sealed import DamagedError

CHECKPOINTS, VALUES = f"*{CHECKPOINT}", f"{'[0-9a-f]' * 64}.json"
DAY = 24 * 3600.0


@dataclass(frozen=True)
class Contents:
    """What lies in a store.

    Attributes
    ----------
    stages : mapping of str to int
        Number of finished stages by kind.
    stage_bytes, checkpoint_bytes : int
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
    """Stages, checkpoints and values that do not hold what was written, and what is wrong."""
    for path in [*stage_folders(store), *sorted(store.glob(CHECKPOINTS)), *sorted(store.glob(VALUES))]:
        try:
            if path.is_dir():
                read_stage(path)
            elif path.suffix == ".json":
                read_value(path)
            else:
                read_checkpoint(path)
        except DamagedError as error:
            yield path, str(error)
        except FileNotFoundError as error:
            if path.is_dir():  # else it is done since
                yield path, f"lacks {Path(str(error.filename)).name}"


def trim(store: Path, days: float) -> tuple[int, int]:
    """Remove stages and checkpoints that nothing used for so many days; they are computed anew when needed.

    Returns
    -------
    tuple of int
        How many, and their bytes.
    """
    number = size = 0
    for path in [*stage_folders(store), *store.glob(CHECKPOINTS)]:
        if time.time() - path.stat().st_mtime < days * DAY:
            continue
        number += 1
        size += sum(p.stat().st_size for p in path.iterdir()) if path.is_dir() else path.stat().st_size
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return number, size


def _kind(folder: Path) -> str:
    try:
        return str(json.loads((folder / STAGE).read_text(encoding="utf-8"))["stage"]["kind"])
    except (OSError, ValueError, KeyError, TypeError):
        return "unreadable"
