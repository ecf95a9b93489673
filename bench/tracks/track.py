"""Tracks: named settings in TOML files; unknown keys are refused."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

from architectures import architectures
from bench.tracks.checks import check_evaluation, check_simulation
from bench.tracks.parsing import settings_from
from bench.tracks.settings import EvaluationSettings, TrainingSettings
from datasets.simulated import Simulation
from datasets.undersampling import CENTRE_LINES_PER_ACCELERATION
from records.grid import Contrast
from records.trial import DEFAULT_SPARSITY, NO_CONTROL, PROTOCOLS
from registries import Registry, RequestError
from registries.reading import MIB, read_text


@dataclass(frozen=True)
class DataSettings:
    """From the file to the network.

    Attributes
    ----------
    pattern : str
        Of undersampling: one of `PATTERNS`.
    centre : float
        Centre fraction × acceleration: see `Undersampling`.
    crop_readout : bool
        Whether readout oversampling is dropped first.
    train_slices : int
        At most so many central slices of each training volume; 0 for all.
    train_total : int
        At most so many slices altogether, of volumes in the order of the hash of their names; 0 for all.
    validation_slices, validation_total : int
        The same of the validation patients.
    """

    pattern: str = "random"
    centre: float = CENTRE_LINES_PER_ACCELERATION
    crop_readout: bool = True
    train_slices: int = 0
    train_total: int = 0
    validation_slices: int = 0
    validation_total: int = 0


@dataclass(frozen=True)
class MapSettings:
    """Coil maps: see `datasets.coil_maps.CoilMaps`.

    Attributes
    ----------
    kind : str
        How maps are made of the calibration lines: ``low-resolution`` or ``espirit``.
    """

    kind: str = "low-resolution"


@dataclass(frozen=True)
class Grid:
    """Trials of a sweep: every combination of these.

    Attributes
    ----------
    architectures, pruners : tuple of str
    sizes : tuple of str
        Of the networks; by default the size of the track's name.
    timings : tuple of str
        By default those that each pruner has.
    sparsities : tuple of str
    controls : tuple of str
        ``none`` for no control.
    train_on : tuple of str
    accelerations : tuple of int
    seeds : int
        From 0 on.
    priority : int
        Blocks of the lowest number come first; those of the same number take turns seed by seed.
    shifts : bool
        Whether these trials are also evaluated under the shifts of the track.
    steps : tuple of int
        Lengths of the training; by default that of the architecture in this track.
    settings : tuple of str
        Of all trials of the block, as for ``--set``.
    """

    architectures: tuple[str, ...]
    pruners: tuple[str, ...]
    sizes: tuple[str, ...] = ()
    timings: tuple[str, ...] = ()
    sparsities: tuple[str, ...] = (DEFAULT_SPARSITY,)
    controls: tuple[str, ...] = (NO_CONTROL,)
    train_on: tuple[str, ...] = ("knee",)
    accelerations: tuple[int, ...] = (4,)
    seeds: int = 1
    priority: int = 0
    shifts: bool = False
    steps: tuple[int, ...] = ()
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Track:
    """A named set of data, sizes and budget.

    Attributes
    ----------
    threads : int
        CPU threads of each trial; part of its numerics.
    simulation : Simulation or None
        What is simulated where no data are named; None for a track of real data alone.
    protocol : str
        Of all trials of a sweep.
    grid : tuple of Grid
        Blocks of a sweep, the most important one first.
    contrasts : tuple of Contrast
        Confirmatory, fixed beforehand and corrected together (Holm).
    budgets : tuple of (str, TrainingSettings)
        Of architectures whose training differs: ``[training.ARCH]``.
    """

    name: str
    summary: str
    source: str
    threads: int
    simulation: Simulation | None
    data: DataSettings
    maps: MapSettings
    training: TrainingSettings
    evaluation: EvaluationSettings
    protocol: str = PROTOCOLS[0]
    grid: tuple[Grid, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    budgets: tuple[tuple[str, TrainingSettings], ...] = ()

    def training_of(self, architecture: str) -> TrainingSettings:
        """The settings of an architecture's training."""
        return dict(self.budgets).get(architecture, self.training)

    def simulated(self) -> Simulation:
        """What to simulate.

        Raises
        ------
        RequestError
            If this is a track of real data.
        """
        if self.simulation is None:
            raise RequestError(f"track '{self.name}' is of real data: name the folder of fastMRI's data by --data")
        return self.simulation


SECTIONS = {
    "simulation": Simulation,
    "data": DataSettings,
    "maps": MapSettings,
    "training": TrainingSettings,
    "evaluation": EvaluationSettings,
}
LISTS: Mapping[str, type[Any]] = {"grid": Grid, "contrasts": Contrast}
SUFFIX = ".toml"
MOST_BYTES = MIB
"""Of a file."""


def load_track(path: Path) -> Track:
    """Read and validate a track.

    Raises
    ------
    RequestError
        For a file that is no TOML, an unknown or missing key, or a value of the wrong type.
    """
    try:
        content = tomllib.loads(read_text(path, MOST_BYTES))
    except (OSError, ValueError) as error:
        raise RequestError(f"track {path}: {error}") from None
    except RecursionError:
        raise RequestError(f"track {path}: is nested too deeply") from None
    simulates = "simulation" in content
    training = content.get("training", {})
    if not isinstance(training, dict):
        raise RequestError(f"track {path.name}: write the training as one [training]")
    own = {name: training.pop(name) for name in list(training) if isinstance(training[name], dict)}
    sections: dict[str, Any] = {
        name: settings_from(kind, content.pop(name, {}), f"track {path.name}, [{name}]")
        for name, kind in SECTIONS.items()
        if name != "simulation" or simulates
    }
    sections.setdefault("simulation", None)
    sections["budgets"] = tuple(
        (name, _budget(name, sections["training"], values, f"track {path.name}, [training.{name}]"))
        for name, values in own.items()
    )
    for name, kind in LISTS.items():
        given = content.pop(name, [])
        if not (isinstance(given, list) and all(isinstance(entry, dict) for entry in given)):
            raise RequestError(f"track {path.name}: write each of the {name} as [[{name}]]")
        sections[name] = tuple(
            settings_from(kind, single, f"track {path.name}, {name} {number}")
            for number, entry in enumerate(given, start=1)
            for single in (_combinations(entry, f"track {path.name}, {name} {number}") if kind is Contrast else [entry])
        )
    where = f"track {path.name}"
    check_evaluation(sections["evaluation"], sections["contrasts"], where)
    check_simulation(sections["simulation"], where)
    if "name" in content:
        raise RequestError(f"track {path.name}: unknown key 'name'; a track is called like its file")
    plain = {"name": path.stem, **content}
    return settings_from(Track, {**plain, **sections}, where, nested=tuple(sections))


def _combinations(entry: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """A block of contrasts that gives lists stands for all combinations."""
    empty = [name for name, value in entry.items() if value == []]
    if empty:
        raise RequestError(f"{where}: '{empty[0]}' is an empty list, which stands for no contrast at all")
    lists = [value if isinstance(value, list) else [value] for value in entry.values()]
    return [dict(zip(entry, values, strict=True)) for values in product(*lists)]


def _budget(name: str, usual: TrainingSettings, values: Mapping[str, Any], where: str) -> TrainingSettings:
    if name not in architectures.names():
        raise RequestError(f"{where}: there is no architecture '{name}'; use {', '.join(architectures.names())}")
    return settings_from(TrainingSettings, {**vars(usual), **values}, where)


tracks: Registry[Track] = Registry("track", "bench.tracks")


def find_track(name: str) -> Track:
    """The built-in track of that name, or the one in a file of that path.

    Raises
    ------
    RequestError
        If there is none, or the file's name is that of a built-in track.
    """
    if not name.endswith(SUFFIX):
        return tracks.get(name)
    path = Path(name)
    if path.stem in tracks.names():
        raise RequestError(f"track {name}: '{path.stem}' is a built-in track; give the file another name")
    return load_track(path)


def load_built_in() -> None:
    """Register the tracks that come with the suite."""
    for file in sorted(resources.files("bench.tracks").iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            with resources.as_file(file) as path:
                tracks.add(load_track(path))
