"""Reading text that somebody else may have written: bounded, strict, and wrong only in ways that callers expect."""

import json
import math
import stat
from pathlib import Path
from typing import Any, NoReturn

MIB = 2**20
MOST_BYTES = 256 * MIB
"""Ten times the record of all of fastMRI's test volumes under all shifts."""
LARGEST = 2**63 - 1
"""Of a whole number: what tables can hold."""


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a UTF-8 file, with or without byte-order mark.

    Raises
    ------
    OSError
        If there is no such file, or it is a folder, a pipe or a device, which might never end.
    ValueError
        If it is larger than ``most`` bytes, or not UTF-8.
    """
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise OSError("is not a regular file")
    if about.st_size > most:
        raise ValueError(f"is larger than {most // MIB} MiB")
    return path.read_bytes().decode("utf-8-sig")


def parse_json(text: str) -> Any:
    """The value of a JSON text as the standard has it: no NaN, no key twice, no number that is beyond all use.

    Raises
    ------
    ValueError
        Naming what is wrong.
    """
    try:
        return json.loads(
            text, parse_int=_whole, parse_float=_real, parse_constant=_refuse, object_pairs_hook=_without_doubles
        )
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def read_json(path: Path) -> Any:
    """The value of a JSON file; raises as `read_text` and `parse_json` do."""
    return parse_json(read_text(path))


def _whole(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > LARGEST:
        raise ValueError(f"holds a whole number of {len(text)} digits")
    return int(text)


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"holds the number {text[:20]}, which is too large")
    return value


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"holds {word}, which is no JSON")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"holds the key '{next(name for name in names if names.count(name) > 1)}' twice")
    return content
