"""From the values of a file or of a command line to settings of the declared types."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from bench.tracks.settings import LOSSES, PRECISIONS
from datasets.undersampling import PATTERNS
from records.trial import PROTOCOLS
from registries import RequestError

CHOICES = {
    "loss": LOSSES,
    "precision": PRECISIONS,
    "protocol": PROTOCOLS,
    "pattern": tuple(PATTERNS),
    "kind": ("low-resolution", "espirit"),
}
POSITIVE = ("steps", "batch", "learning_rate", "clip", "threads", "matrix", "coils", "seeds", "centre")
MOST = 10**9
"""Of any whole number."""
Settings = TypeVar("Settings")


def settings_from(
    kind: type[Settings], values: Mapping[str, Any], where: str, nested: tuple[str, ...] = ()
) -> Settings:
    """Make a settings object of a mapping.

    Raises
    ------
    RequestError
        Naming the key that is unknown, missing, or of another type than declared.
    """
    declared = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for name in values:
        if name not in declared:
            raise RequestError(f"{where}: unknown key '{name}'; there are {', '.join(declared)}")
    for name, field in declared.items():
        if name not in values and field.default is MISSING:
            raise RequestError(f"{where}: key '{name}' is missing")
    converted = {n: v if n in nested else _convert(declared[n].type, v, f"{where}, {n}") for n, v in values.items()}
    for name, value in converted.items():
        if name in CHOICES and value not in CHOICES[name]:
            raise RequestError(f"{where}, {name}: '{value}' is none of {', '.join(CHOICES[name])}")
        if isinstance(value, int | float) and not (0 <= value < math.inf and (value > 0 or name not in POSITIVE)):
            raise RequestError(f"{where}, {name}: {value} is not positive")
        if isinstance(value, int) and value > MOST:
            raise RequestError(f"{where}, {name}: {value} is above {MOST}")
    return kind(**converted)


def _convert(declared: Any, value: Any, where: str) -> Any:
    if declared is float and type(value) is int:
        return float(value)
    for listed, kind in ((tuple[str, ...], str), (tuple[int, ...], int)):
        if declared == listed and isinstance(value, list) and all(type(v) is kind for v in value):
            return tuple(value)
    if type(value) is not declared:
        raise RequestError(f"{where}: {value!r} is not of type {getattr(declared, '__name__', declared)}")
    return value
