"""Records of a folder as rows: scores by seed and patient, ready to be compared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from records.archive import RECORDS, holds_archive, read_archive
from records.elsewhere import FILE as EVALUATION
from records.record import FILE, Record
from records.results import VolumeScores
from records.row_name import RowName
from records.setting import apart_in_pair, one_row, same_scores, trial_key
from registries import RequestError

Array = npt.NDArray[np.float64]
METRIC = "psnr"
"""What boards rank by and contrasts are fixed in."""
DEFAULT = "none"
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
    shift: str = DEFAULT

    @property
    def is_whole_split(self) -> bool:
        """Neither under a shift nor a part of a split."""
        return self.shift == DEFAULT and "(" not in self.split

    def __str__(self) -> str:
        return self.split if self.shift == DEFAULT else f"{self.split} · {self.shift}"


@dataclass(frozen=True)
class Row:
    """All finished trials of one row name and one setting, by seed.

    Attributes
    ----------
    name : RowName
    records : mapping of int to Record
    """

    name: RowName
    records: Mapping[int, Record]

    @property
    def seeds(self) -> tuple[int, ...]:
        """In order."""
        return tuple(sorted(self.records))

    @property
    def first(self) -> Record:
        """Of the first seed."""
        return self.records[self.seeds[0]]

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
    volumes = row.records[seed].volumes
    anatomies: dict[str, set[str]] = {}
    for volume in volumes:
        anatomies.setdefault(volume.split, set()).add(volume.anatomy)
    values: dict[Condition, dict[str, list[float]]] = {}
    for volume in volumes:
        score = _score(volume, metric, f"row {row.name}, seed {seed}")
        names = [volume.split, *([f"{volume.split} ({volume.anatomy})"] if len(anatomies[volume.split]) > 1 else [])]
        for name in names:
            condition = Condition(name, volume.shift or DEFAULT)
            values.setdefault(condition, {}).setdefault(volume.patient, []).append(score)
    return {
        c: {p: v[0] if len(v) == 1 else float(np.mean(v)) for p, v in patients.items()}
        for c, patients in values.items()
    }


def _score(volume: VolumeScores, metric: str, where: str) -> float:
    score = volume.metrics.get(metric)
    if score is None:
        raise RequestError(f"{where}: volume {volume.volume} has no metric '{metric}'")
    return score


def read_records(*folders: Path, evaluations: bool = False) -> list[Record]:
    """Every record below folders, and those of a board's Parquet files in them; evaluations elsewhere if asked for.

    Raises
    ------
    RequestError
        If a folder has none, one cannot be read, or two of a trial have other results.
    """
    placed = [found for folder in folders for found in _placed(folder, (FILE, EVALUATION) if evaluations else (FILE,))]
    known: dict[str, tuple[Path, Record]] = {}
    for place, record in placed:
        if not record.ok:
            continue
        other_place, other = known.setdefault(trial_key(record), (place, record))
        if not same_scores(record, other):
            raise RequestError(
                f"row {record.row}, seed {record.seed}: {other_place} and {place} hold it with other results; "
                "remove one of them"
            )
    return [record for _, record in placed]


def _placed(folder: Path, names: Sequence[str]) -> list[tuple[Path, Record]]:
    """Records and the folder of each, or that of their archive."""
    paths = [path for name in names for path in sorted(folder.glob(f"**/{name}"))] if folder.is_dir() else []
    archived = read_archive(folder) if holds_archive(folder) else []
    if not paths and not archived:
        raise RequestError(f"{folder}: holds no {' and no '.join([*names, f'{RECORDS}.parquet'])}")
    return [*((folder, record) for record in archived), *((path.parent, Record.read(path)) for path in paths)]


def row_of(records: Iterable[Record], name: RowName, where: str) -> Row:
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
            raise RequestError(f"row {name}: all of its trials in {where} are {named[0].status}")
        raise RequestError(f"row {name}: is not in {where}; there are {', '.join(present) or 'none'}")
    return Row(finished[0].row, one_row(finished, where))


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
    by_seed = _on(row, condition, metric, row.seeds)
    patients = sorted(by_seed[row.seeds[0]])
    for seed in row.seeds:
        if sorted(by_seed[seed]) != patients:
            raise RequestError(f"row {row.name}: seeds were evaluated on unequal patients of {condition}")
    return np.array([[by_seed[seed][patient] for patient in patients] for seed in row.seeds])


def shared_conditions(a: Row, b: Row, metric: str) -> tuple[list[Condition], list[Condition]]:
    """Conditions that all common seeds of both rows have, in order, and those that only some have."""
    tables = [row.tables(metric)[seed] for seed in _common_seeds(a, b) for row in (a, b)]
    everything = dict.fromkeys(condition for table in tables for condition in table)
    shared = [condition for condition in everything if all(condition in table for table in tables)]
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
    if apart := apart_in_pair(a.first, b.first):
        raise RequestError(f"{a.name} and {b.name} cannot be paired: {', '.join(apart)}")
    seeds = _common_seeds(a, b)
    of_a, of_b = (_on(row, condition, metric, seeds) for row in (a, b))
    patients = sorted(of_a[seeds[0]])
    for name, by_seed in ((a.name, of_a), (b.name, of_b)):
        for seed in seeds:
            if sorted(by_seed[seed]) != patients:
                raise RequestError(
                    f"{a.name} and {b.name} were evaluated on unequal patients of {condition}: "
                    f"{len(patients)} against {len(by_seed[seed])} of {name}, seed {seed}"
                )
    values = [[of_a[seed][patient] - of_b[seed][patient] for patient in patients] for seed in seeds]
    return np.array(values), seeds, len(set(a.seeds) ^ set(b.seeds))


def _on(row: Row, condition: Condition, metric: str, seeds: Sequence[int]) -> dict[int, Mapping[str, float]]:
    tables = row.tables(metric)
    for seed in seeds:
        if condition not in tables[seed]:
            raise RequestError(f"row {row.name}, seed {seed}: was not evaluated on {condition}")
    return {seed: tables[seed][condition] for seed in seeds}
