"""Ranks of the rows of an architecture: every two are compared, one with all others at a time."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from leaderboards.rows.rows import METRIC, Array, Condition, Row, conditions_of, paired, scores
from leaderboards.statistics import ranks, two_way
from records.record import Record
from records.row_name import RowName
from records.setting import apart_in_pair, pairing_of

Interval = tuple[float, float]


@dataclass(frozen=True)
class _Scored:
    """A row with what decides whom it is compared with.

    Attributes
    ----------
    row : Row
    pairing : str
        Rows of equal ones may be paired with the same others.
    patients : tuple of str
    values : ndarray
        ``(seeds, patients)``.
    """

    row: Row
    pairing: str
    patients: tuple[str, ...]
    values: Array

    @classmethod
    def of(cls, row: Row, condition: Condition) -> "_Scored":
        patients = tuple(sorted(row.tables(METRIC)[row.seeds[0]][condition]))
        return cls(row, pairing_of(row.first), patients, scores(row, condition, METRIC))


@dataclass(frozen=True)
class _Group:
    """Rows that are compared with another one at once: paired alike, of the same seeds and patients.

    Attributes
    ----------
    names : tuple of RowName
    places : tuple of int
        Among all rows, ascending.
    values : ndarray
        ``(rows, seeds, patients)``.
    """

    names: tuple[RowName, ...]
    places: tuple[int, ...]
    values: Array


def ranks_of(rows: Mapping[RowName, Row], condition: Condition) -> dict[RowName, int]:
    """1 + number of rows that are better, by an interval over their common seeds that excludes zero."""
    scored = {name: _Scored.of(row, condition) for name, row in rows.items() if condition in conditions_of(row, METRIC)}
    examples: dict[str, Record] = {one.pairing: one.row.first for one in scored.values()}
    groups = _groups(scored)

    @cache
    def apart(a: str, b: str) -> bool:
        return bool(apart_in_pair(examples[a], examples[b]))

    def differences(others: Sequence[RowName], name: RowName) -> list[Interval | None]:
        one, found = scored[name], dict[RowName, Interval | None]()
        begin = len(scored) - len(others)
        for group in groups:
            first, after = scored[group.names[0]], bisect_left(group.places, begin)
            seeds = [seed for seed in first.row.seeds if seed in one.row.seeds]
            if not seeds or after == len(group.names) or apart(first.pairing, one.pairing):
                continue
            if first.patients != one.patients:
                paired(first.row, one.row, condition, METRIC)  # says what is wrong
            places_of = [[one_row.seeds.index(seed) for seed in seeds] for one_row in (first.row, one.row)]
            values = group.values[after:, places_of[0]] - one.values[places_of[1]]
            low, high = two_way(values).interval()
            found |= dict(zip(group.names[after:], zip(low.tolist(), high.tolist(), strict=True), strict=True))
        return [found.get(other) for other in others]

    return ranks(list(scored), differences)


def _groups(scored: Mapping[RowName, _Scored]) -> list[_Group]:
    members: dict[tuple[object, ...], list[tuple[int, RowName]]] = {}
    for place, (name, one) in enumerate(scored.items()):
        members.setdefault((one.pairing, one.row.seeds, one.patients), []).append((place, name))
    groups = []
    for group in members.values():
        places, names = zip(*group, strict=True)
        groups.append(_Group(names, places, np.stack([scored[name].values for name in names])))
    return groups
