"""The rows of a grid at a glance, in the order of the grid: how many seeds are done, PSNR, change against dense."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import NamedTuple

import numpy as np

from leaderboards.rows.compare import Comparison
from leaderboards.rows.reference_tables import Table, comparisons
from leaderboards.rows.rows import METRIC, Row
from leaderboards.statistics import FEW_SEEDS
from records.record import Record
from records.row_name import RowName
from records.setting import CellKey, apart_in_pair, one_row
from registries import RequestError

OUTCOME_WORDS = {"ok": "done", "failed": "failed", "skipped": "n/a", "recorded": "elsewhere", "pending": "pending"}


class RowKey(NamedTuple):
    """A row of a grid."""

    row: RowName
    size: str
    train_on: str
    acceleration: int

    @classmethod
    def of(cls, cell: CellKey) -> "RowKey":
        """That of a trial."""
        return cls(cell.row, cell.size, cell.train_on, cell.acceleration)

    @property
    def dense(self) -> "RowKey":
        """The dense row under the same conditions."""
        return self._replace(row=self.row.dense)

    @property
    def title(self) -> str:
        """What it shares with the rows of its table."""
        return f"size {self.size}, trained on {self.train_on}, {self.acceleration}×"


@dataclass(frozen=True)
class GridRow:
    """What became of a row.

    Attributes
    ----------
    key : RowKey
    counts : mapping of str to int
        Trials by outcome, ``ok`` for those that are done.
    records : tuple of Record
        Of finished trials.
    """

    key: RowKey
    counts: Mapping[str, int]
    records: tuple[Record, ...] = ()

    def with_records(self, records: Iterable[Record]) -> "GridRow":
        """The same with the records of its finished trials."""
        return replace(self, records=tuple(records))


def rows_in_order(cells: Sequence[CellKey], outcomes: Sequence[str]) -> dict[RowKey, GridRow]:
    """The rows of a grid, without records, each where its first trial stands."""
    found: dict[RowKey, dict[str, int]] = {}
    for cell, outcome in zip(cells, outcomes, strict=True):
        counts = found.setdefault(RowKey.of(cell), {})
        counts[outcome] = counts.get(outcome, 0) + 1
    return {key: GridRow(key, counts) for key, counts in found.items()}


def grid_tables(rows: Sequence[GridRow], dense: Mapping[RowKey, GridRow]) -> Iterator[Table]:
    """A table for each size, training set and acceleration.

    Parameters
    ----------
    rows : sequence of GridRow
        With their records.
    dense : mapping
        The dense rows, with their records, by their keys.
    """
    groups: dict[str, list[GridRow]] = {}
    for row in rows:
        groups.setdefault(row.key.title, []).append(row)
    for title, own in groups.items():
        yield _table(title, own, dense)


def _table(title: str, rows: Sequence[GridRow], dense: Mapping[RowKey, GridRow]) -> Table:
    splits = list(dict.fromkeys(split for row in rows for record in row.records for split in record.splits))
    cells = [["row", "seeds", *(text for split in splits for text in (split, "− dense"))]]
    remarks: list[str] = []
    compared: list[Comparison] = []
    for row in rows:
        changes: dict[str, Comparison] = {}
        try:
            changes = _changes(row, dense.get(row.key.dense))
        except RequestError as error:
            remarks.append(f"not compared with dense: {error}")
        compared += changes.values()
        scores = (text for split in splits for text in (_mean(row.records, split), _change(changes.get(split))))
        cells.append([row.key.row, _seeds(row.counts), *scores])
    if any(one.estimate.seeds < FEW_SEEDS for one in compared):
        remarks.insert(0, "fewer than ten seeds: intervals are conditional on these trained networks")
    if any(one.flips for one in compared):
        remarks.insert(0, "*: the sign flips after a least-squares scale per volume")
    return Table(f"{title}: PSNR in dB, and paired change against dense ± 95 % interval", cells, tuple(remarks))


def _changes(row: GridRow, dense: GridRow | None) -> dict[str, Comparison]:
    """Against dense, by split; nothing where there is none or for dense itself.

    Raises
    ------
    RequestError
        If their records do not belong together.
    """
    if dense is None or dense.key == row.key or not (row.records and dense.records):
        return {}
    a, b = (Row(one.key.row, one_row(one.records, "this grid")) for one in (row, dense))
    if apart := apart_in_pair(a.first, b.first):
        raise RequestError(f"row {a.name}: {', '.join(apart)}")
    return comparisons(a, b, METRIC)


def _mean(records: Sequence[Record], split: str) -> str:
    """Over seeds."""
    values = [record.metrics[split][METRIC] for record in records if split in record.metrics]
    return f"{fmean(values):.2f}" if values else ""


def _change(one: Comparison | None) -> str:
    if one is None:
        return ""
    low, high = one.estimate.interval()
    half = float(high - low) / 2
    interval = f" ± {half:.2f}" if np.isfinite(half) else ""
    return f"{float(one.estimate.mean):+.2f}{interval}{'*' if one.flips else ''}"


def _seeds(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[name]} {words}" for name, words in OUTCOME_WORDS.items() if counts.get(name))
