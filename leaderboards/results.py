"""Records of a folder as rows: scores by seed and patient, ready to be compared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.record import FILE, Record
from registries import RequestError

Array = npt.NDArray[np.float64]
USUAL = "none"
"""What a condition without shift is called."""


@dataclass(frozen=True)
class Condition:
    """A split, under a shift or as trained for.

    Attributes
    ----------
    split : str
    shift : str
        ``none`` for the condition of the training.
    """

    split: str
    shift: str = USUAL

    def __str__(self) -> str:
        return self.split if self.shift == USUAL else f"{self.split} · {self.shift}"


@dataclass(frozen=True)
class Row:
    """All finished trials of one row name and one setting, by seed.

    Attributes
    ----------
    name : str
    records : mapping of int to Record
    """

    name: str
    records: Mapping[int, Record]

    @property
    def seeds(self) -> tuple[int, ...]:
        """In order."""
        return tuple(sorted(self.records))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Those of every seed."""
        found = [
            dict.fromkeys(Condition(v["split"], v["shift"] or USUAL) for v in record.content["volumes"])
            for record in self.records.values()
        ]
        return tuple(condition for condition in found[0] if all(condition in other for other in found))

    def patients(self, condition: Condition, metric: str) -> dict[int, dict[str, float]]:
        """Score by seed and patient: the mean over the patient's volumes.

        Raises
        ------
        RequestError
            If there is no such condition or metric.
        """
        found: dict[int, dict[str, float]] = {}
        for seed in self.seeds:
            by_patient: dict[str, list[float]] = {}
            for volume in self.records[seed].content["volumes"]:
                if (volume["split"], volume["shift"] or USUAL) == (condition.split, condition.shift):
                    if volume.get(metric) is None:
                        raise RequestError(f"row {self.name}, seed {seed}: no metric '{metric}' on {condition}")
                    by_patient.setdefault(volume["patient"], []).append(volume[metric])
            if not by_patient:
                raise RequestError(f"row {self.name}, seed {seed}: was not evaluated on {condition}")
            found[seed] = {patient: float(np.mean(values)) for patient, values in by_patient.items()}
        return found


def read_records(folder: Path) -> list[Record]:
    """Every record below a folder.

    Raises
    ------
    RequestError
        If there is none, or one cannot be read.
    """
    paths = sorted(folder.glob(f"**/{FILE}")) if folder.is_dir() else []
    if not paths:
        raise RequestError(f"{folder}: holds no {FILE}")
    return [Record.read(path) for path in paths]


def row_of(records: Iterable[Record], name: str, where: str) -> Row:
    """The row of a name.

    Raises
    ------
    RequestError
        If it is absent, unfinished, or there in several settings.
    """
    named = [record for record in records if record.row == name]
    finished = [record for record in named if record.ok]
    if not finished:
        present = sorted({record.row for record in records if record.ok})
        if named:
            raise RequestError(f"row {name}: all of its trials in {where} are {named[0].content['status']}")
        raise RequestError(f"row {name}: is not in {where}; there are {', '.join(present) or 'none'}")
    settings = {_setting(record) for record in finished}
    if len(settings) > 1:
        raise RequestError(
            f"row {name}: stands in {where} in {len(settings)} settings (sizes, data, budgets); keep one"
        )
    by_seed: dict[int, Record] = {}
    for record in finished:
        seed = record.trial["seed"]
        if seed in by_seed:
            raise RequestError(f"row {name}: seed {seed} is in {where} twice; keep one")
        by_seed[seed] = record
    return Row(name, by_seed)


def paired(a: Row, b: Row, condition: Condition, metric: str) -> tuple[Array, tuple[int, ...], int]:
    """Differences a − b ``(seeds, patients)`` over common seeds, those seeds, and how many others there are.

    Raises
    ------
    RequestError
        If no seed is common, or the rows differ in setting or patients.
    """
    if _surroundings(next(iter(a.records.values()))) != _surroundings(next(iter(b.records.values()))):
        raise RequestError(f"{a.name} and {b.name} differ in size, data, budget, protocol or kind of device")
    seeds = tuple(sorted(set(a.seeds) & set(b.seeds)))
    if not seeds:
        raise RequestError(f"{a.name} and {b.name} have no seed in common")
    of_a, of_b = a.patients(condition, metric), b.patients(condition, metric)
    patients = sorted(of_a[seeds[0]])
    for name, found in ((a.name, of_a), (b.name, of_b)):
        for seed in seeds:
            if sorted(found[seed]) != patients:
                raise RequestError(
                    f"{a.name} and {b.name} were evaluated on unequal patients of {condition}: "
                    f"{len(patients)} against {len(found[seed])} of {name}, seed {seed}"
                )
    values = [[of_a[seed][patient] - of_b[seed][patient] for patient in patients] for seed in seeds]
    return np.array(values), seeds, len(set(a.seeds) ^ set(b.seeds))


def _setting(record: Record) -> tuple[str, ...]:
    """Everything but the seed that tells two trials of one row name apart."""
    trial = record.trial
    return (*_surroundings(record), str(sorted(trial["options"].items())), str(trial["resolved"]["training"]))


def _surroundings(record: Record) -> tuple[str, ...]:
    """What must be equal for a pair."""
    trial, provenance = record.trial, record.content["provenance"]
    common = [str(trial[key]) for key in ("size", "train_on", "acceleration", "protocol")]
    resolved = trial["resolved"]
    return (
        *common,
        str(resolved["track"]),
        str(resolved["budget"]),
        str(resolved["preparation"]),
        str(provenance["data"]["identity"]),
        str(provenance["numerics"]["device"]),
    )
