"""Records of a folder as rows: scores by seed and patient, ready to be compared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from records.archive import RECORDS, holds_archive, read_archive
from records.record import FILE, Record
from registries import RequestError

Array = npt.NDArray[np.float64]
FREE = ("steps", "weight_decay")
"""Settings of a training that a control or an equal total may change."""
METRIC = "psnr"
"""What boards rank by and contrasts are fixed in."""
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
    def trial(self) -> Mapping[str, Any]:
        """What its trials have in common, as the one of the first seed says it."""
        return self.records[self.seeds[0]].trial

    def tables(self, metric: str) -> Mapping[int, Mapping[Condition, Mapping[str, float]]]:
        """Score by seed, condition and patient: the mean over the patient's volumes; read once.

        A split of two anatomies is also given apart, as ``split (anatomy)``.

        Raises
        ------
        RequestError
            If there is no such metric for every volume.
        """
        if metric not in self._tables:
            self._tables[metric] = {seed: _by_patient(self, seed, metric) for seed in self.seeds}
        return self._tables[metric]

    @cached_property
    def _tables(self) -> dict[str, Mapping[int, Mapping[Condition, Mapping[str, float]]]]:
        return {}


def _by_patient(row: Row, seed: int, metric: str) -> dict[Condition, dict[str, float]]:
    volumes = row.records[seed].content["volumes"]
    anatomies: dict[str, set[str]] = {}
    for volume in volumes:
        anatomies.setdefault(volume["split"], set()).add(volume["anatomy"])
    values: dict[Condition, dict[str, list[float]]] = {}
    for volume in volumes:
        split, shift, score = volume["split"], volume["shift"] or USUAL, volume.get(metric)
        if score is None:
            raise RequestError(f"row {row.name}, seed {seed}: volume {volume['volume']} has no metric '{metric}'")
        names = [split, *([f"{split} ({volume['anatomy']})"] if len(anatomies[split]) > 1 else [])]
        for name in names:
            values.setdefault(Condition(name, shift), {}).setdefault(volume["patient"], []).append(score)
    return {c: {p: float(np.mean(v)) for p, v in patients.items()} for c, patients in values.items()}


def read_records(folder: Path) -> list[Record]:
    """Every record below a folder, and those of a board's Parquet files in it.

    Raises
    ------
    RequestError
        If there is none, or one cannot be read.
    """
    paths = sorted(folder.glob(f"**/{FILE}")) if folder.is_dir() else []
    archived = read_archive(folder) if holds_archive(folder) else []
    if not paths and not archived:
        raise RequestError(f"{folder}: holds no {FILE} and no {RECORDS}.parquet")
    return [*archived, *(Record.read(path) for path in paths)]


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
            f"row {name}: occurs in {where} in {len(settings)} settings (sizes, data, budgets); remove the others"
        )
    by_seed: dict[int, Record] = {}
    for record in finished:
        seed = record.trial["seed"]
        other = by_seed.get(seed)
        if other is not None and not _same_but_for_shifts(record, other):
            raise RequestError(f"row {name}: seed {seed} occurs twice in {where}, with other results; remove one")
        by_seed[seed] = max((record, *([other] if other else [])), key=lambda r: len(r.content["volumes"]))
    return Row(name, by_seed)


def _same_but_for_shifts(record: Record, other: Record) -> bool:
    """Whether one of two records of a trial was merely evaluated under more shifts."""
    usual = [[v for v in r.content["volumes"] if v["shift"] is None] for r in (record, other)]
    shifts = [{v["shift"] for v in r.content["volumes"]} for r in (record, other)]
    return usual[0] == usual[1] and (shifts[0] <= shifts[1] or shifts[1] <= shifts[0])


def conditions_of(row: Row, metric: str) -> list[Condition]:
    """Conditions that every seed of a row was evaluated on."""
    tables = [row.tables(metric)[seed] for seed in row.seeds]
    return [condition for condition in tables[0] if all(condition in table for table in tables)]


def scores(row: Row, condition: Condition, metric: str) -> Array:
    """Scores ``(seeds, patients)``.

    Raises
    ------
    RequestError
        If the seeds were evaluated on unequal patients.
    """
    found = _on(row, condition, metric, row.seeds)
    patients = sorted(found[row.seeds[0]])
    for seed in row.seeds:
        if sorted(found[seed]) != patients:
            raise RequestError(f"row {row.name}: seeds were evaluated on unequal patients of {condition}")
    return np.array([[found[seed][patient] for patient in patients] for seed in row.seeds])


def shared_conditions(a: Row, b: Row, metric: str) -> tuple[list[Condition], list[Condition]]:
    """Conditions that all common seeds of both rows have, in order, and those that only some have."""
    seeds = _common_seeds(a, b)
    found = [row.tables(metric)[seed] for seed in seeds for row in (a, b)]
    everything = dict.fromkeys(condition for table in found for condition in table)
    shared = [condition for condition in everything if all(condition in table for table in found)]
    return shared, [condition for condition in everything if condition not in shared]


def _common_seeds(a: Row, b: Row) -> tuple[int, ...]:
    seeds = tuple(sorted(set(a.seeds) & set(b.seeds)))
    if not seeds:
        raise RequestError(f"{a.name} and {b.name} have no seed in common")
    return seeds


def paired(a: Row, b: Row, condition: Condition, metric: str) -> tuple[Array, tuple[int, ...], int]:
    """Differences a − b ``(seeds, patients)`` over common seeds, those seeds, and how many others there are.

    Raises
    ------
    RequestError
        If no seed is common, or the rows differ in setting or patients.
    """
    if _surroundings(next(iter(a.records.values()))) != _surroundings(next(iter(b.records.values()))):
        raise RequestError(
            f"{a.name} and {b.name} differ in size, initialisation or options of the network, data, training, "
            "evaluation, protocol or kind of device"
        )
    seeds = _common_seeds(a, b)
    of_a, of_b = (_on(row, condition, metric, seeds) for row in (a, b))
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


def _on(row: Row, condition: Condition, metric: str, seeds: Sequence[int]) -> dict[int, Mapping[str, float]]:
    tables = row.tables(metric)
    for seed in seeds:
        if condition not in tables[seed]:
            raise RequestError(f"row {row.name}, seed {seed}: was not evaluated on {condition}")
    return {seed: tables[seed][condition] for seed in seeds}


def setting_of(record: Record) -> tuple[str, ...]:
    """In words, what tells tables of one folder apart."""
    trial = record.trial
    return (
        f"track {trial['resolved']['track']}",
        f"size {trial['size']}",
        f"trained on {trial['train_on']}",
        f"{trial['acceleration']}×",
        f"{trial['protocol']} protocol",
        *([record.conditions.removeprefix("@")] if record.conditions else []),
        str(record.content["provenance"]["numerics"]["device"]),
    )


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
        str(resolved.get("variant", {})),
        str({k: v for k, v in resolved["evaluation"].items() if k != "shifts"}),
        str({k: v for k, v in resolved["training"].items() if k not in FREE}),
        str(provenance["data"]["identity"]),
        str(provenance["numerics"]["device"]),
    )
