"""From the values of a file or of a command line to settings of the declared types."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from bench.tracks.settings import LOSSES, PRECISIONS
from datasets.undersampling import PATTERNS
from records.trial import PROTOCOLS
from registries import RequestError
from registries.bounds import MOST, Bounds, shortened
from registries.text import offer

CHOICES = {
    "loss": LOSSES,
    "precision": PRECISIONS,
    "protocol": PROTOCOLS,
    "pattern": tuple(PATTERNS),
    "kind": ("low-resolution", "espirit"),
}
PATIENTS = Bounds(0, 100_000)
BOUNDS = {
    "steps": Bounds(1, 10_000_000),
    "batch": Bounds(1, 256),  # slices; more than the data hold repeat them
    "learning_rate": Bounds(0, MOST, above=True),
    "warm_up": Bounds(0, 1),
    "clip": Bounds(0, MOST, above=True),
    "weight_decay": Bounds(0, 1000),
    "threads": Bounds(1, 1024),  # no machine has more
    "centre": Bounds(0, 1, above=True, below=True),  # at 1 no other column is left
    "matrix": Bounds(16, 2048),  # what the simulated anatomy and the poolings of the smallest networks need
    "coils": Bounds(1, 128),
    "seeds": Bounds(1, 1000),
    **dict.fromkeys(("knee_train", "knee_val", "brain_train", "brain_val"), PATIENTS),
}
"""Of numbers by the name of their key, wherever it stands; others are at least 0."""
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
            raise RequestError(f"{where}: unknown key '{name}': {offer(name, declared)}")
    for name, field in declared.items():
        if name not in values and field.default is MISSING:
            raise RequestError(f"{where}: key '{name}' is missing")
    for name, value in values.items():
        if declared[name].type in (int, float) and isinstance(value, int | float):
            BOUNDS.get(name, Bounds(0)).check(value, f"{where}, {name}")
    converted = {n: v if n in nested else _convert(declared[n].type, v, f"{where}, {n}") for n, v in values.items()}
    for name, value in converted.items():
        if name in CHOICES and value not in CHOICES[name]:
            raise RequestError(f"{where}, {name}: unknown value '{value}': {offer(str(value), CHOICES[name])}")
    return kind(**converted)


def _convert(declared: Any, value: Any, where: str) -> Any:
    if declared is float and type(value) is int:
        return float(value)
    for listed, kind in ((tuple[str, ...], str), (tuple[int, ...], int)):
        if declared == listed and isinstance(value, list) and all(type(v) is kind for v in value):
            return tuple(value)
    if type(value) is not declared:
        raise RequestError(f"{where}: '{shortened(value)}' is not of type {getattr(declared, '__name__', declared)}")
    return value
