"""Tracks: named settings in TOML files; unknown keys are refused."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from bench.settings import LOSSES, PRECISIONS, EvaluationSettings, TrainingSettings
from datasets.shifts import shifts
from datasets.simulated import Simulation
from datasets.splits import splits
from datasets.undersampling import PATTERNS
from registries import Registry, RequestError


@dataclass(frozen=True)
class DataSettings:
    """From the file to the network.

    Attributes
    ----------
    pattern : str
        Of undersampling: one of `PATTERNS`.
    crop_readout : bool
        Whether readout oversampling is dropped first.
    train_slices : int
        At most so many central slices of each training volume; 0 for all.
    """

    pattern: str = "random"
    crop_readout: bool = True
    train_slices: int = 0


@dataclass(frozen=True)
class MapSettings:
    """Coil maps: see `datasets.coil_maps.CoilMaps`."""

    kind: str = "low-resolution"


@dataclass(frozen=True)
class Contrast:
    """A confirmatory question: does row a differ from row b there?

    Attributes
    ----------
    a, b : str
        Row names.
    split, shift : str
        Where; the shift ``none`` is the condition of the training.
    metric : str
        The same for all contrasts of a track.
    """

    a: str
    b: str
    split: str
    shift: str = "none"
    metric: str = "psnr"


@dataclass(frozen=True)
class Track:
    """A named set of data, sizes and budget.

    Attributes
    ----------
    threads : int
        CPU threads of each trial; part of its numerics.
    contrasts : tuple of Contrast
        Confirmatory, fixed beforehand and corrected together (Holm).
    """

    name: str
    summary: str
    source: str
    threads: int
    simulation: Simulation
    data: DataSettings
    maps: MapSettings
    training: TrainingSettings
    evaluation: EvaluationSettings
    contrasts: tuple[Contrast, ...] = ()


SECTIONS = {
    "simulation": Simulation,
    "data": DataSettings,
    "maps": MapSettings,
    "training": TrainingSettings,
    "evaluation": EvaluationSettings,
}
CHOICES = {
    "loss": LOSSES,
    "precision": PRECISIONS,
    "pattern": tuple(PATTERNS),
    "kind": ("low-resolution", "espirit"),
}
POSITIVE = ("steps", "batch", "learning_rate", "clip", "threads", "matrix", "coils")

Settings = TypeVar("Settings")


def load_track(path: Path) -> Track:
    """Read and validate a track.

    Raises
    ------
    RequestError
        For a file that is no TOML, an unknown or missing key, or a value of the wrong type.
    """
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RequestError(f"track {path}: {error}") from None
    sections: dict[str, Any] = {
        name: settings_from(kind, content.pop(name, {}), f"track {path.name}, [{name}]")
        for name, kind in SECTIONS.items()
    }
    given = content.pop("contrasts", [])
    if not (isinstance(given, list) and all(isinstance(contrast, dict) for contrast in given)):
        raise RequestError(f"track {path.name}: write each of the contrasts as [[contrasts]]")
    sections["contrasts"] = tuple(
        settings_from(Contrast, contrast, f"track {path.name}, contrast {number}")
        for number, contrast in enumerate(given, start=1)
    )
    _check_evaluation(sections["evaluation"], sections["contrasts"], f"track {path.name}")
    plain = {"name": path.stem, **content}
    return settings_from(Track, {**plain, **sections}, f"track {path.name}", nested=tuple(sections))


def _check_evaluation(evaluation: EvaluationSettings, contrasts: tuple[Contrast, ...], where: str) -> None:
    """Splits and shifts exist, and contrasts name those that are evaluated."""
    for name in evaluation.splits:
        splits.get(name)
    for name in evaluation.shifts:
        shifts.get(name)
    for contrast in contrasts:
        if contrast.split not in evaluation.splits:
            raise RequestError(f"{where}: a contrast names split '{contrast.split}', which is not evaluated")
        if contrast.shift not in ("none", *evaluation.shifts):
            raise RequestError(f"{where}: a contrast names shift '{contrast.shift}', which is not evaluated")


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
    return kind(**converted)


def _convert(declared: Any, value: Any, where: str) -> Any:
    if declared is float and type(value) is int:
        return float(value)
    if declared == tuple[str, ...] and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if type(value) is not declared:
        raise RequestError(f"{where}: {value!r} is not of type {getattr(declared, '__name__', declared)}")
    return value


tracks: Registry[Track] = Registry("track", "bench.tracks")


def load_built_in() -> None:
    """Register the tracks that come with the suite."""
    for file in sorted(resources.files("bench.tracks").iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            with resources.as_file(file) as path:
                tracks.add(load_track(path))
