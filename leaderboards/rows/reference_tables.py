"""Every row beside the row of a reference pruner, in one table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from leaderboards.rows.compare import Comparison, compare
from leaderboards.rows.rows import Row, row_of, shared_conditions
from leaderboards.rows.soundness import outcomes, verdicts_of
from records.record import Record
from records.row_name import RowName
from records.setting import apart_in_pair, tables, title_of
from registries import RequestError
from registries.text import aligned


@dataclass(frozen=True)
class Table:
    """Rows of one setting.

    Attributes
    ----------
    title : str
    cells : list of list of str
    remarks : tuple of str
        What to mind, and what was left out.
    """

    title: str
    cells: list[list[str]]
    remarks: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """As aligned text."""
        return [self.title, *aligned(self.cells), *self.remarks]


def against(records: Sequence[Record], references: Sequence[str], metric: str, where: str) -> Iterator[Table]:
    """A table for each setting (track, size, training set, acceleration, protocol, device) with rows by split.

    A reference is the row of that pruner with the same architecture, timing and sparsity, or `dense`. A row without
    such a reference shows nothing there; one that stands there in several variants (other options or budgets) is left
    out, and a remark says so.

    Raises
    ------
    RequestError
        If no record is finished, or a reference is nowhere.
    """
    finished = [record for record in records if record.ok]
    if not finished:
        raise RequestError(f"{where}: holds no finished trial")
    for reference in references:
        if reference not in {record.trial.pruner for record in finished}:
            raise RequestError(f"--against {reference}: {where} holds no finished row of that pruner")
    for own in tables(finished):
        yield _table(own, finished, references, metric, where)


def _table(
    records: Sequence[Record], everything: Sequence[Record], references: Sequence[str], metric: str, where: str
) -> Table:
    """The rows of one setting, and which references among everything that was read do not fit them."""
    rows, remarks = [], []
    for name in sorted({record.row for record in records}):
        try:
            rows.append(row_of(records, name, where))
        except RequestError as error:
            remarks.append(f"left out: {error}")
    cells = [["row", "split", "seeds", *(f"− {reference} (95 % interval)" for reference in references)]]
    few = flips = False
    for row in rows:
        found = {reference: comparisons(row, reference_of(row, reference, rows), metric) for reference in references}
        splits = dict.fromkeys(split for by_split in found.values() for split in by_split) or {"": None}
        for position, split in enumerate(splits):
            shown = [found[reference].get(split) for reference in references]
            present = [one for one in shown if one]
            few |= any(one.estimate.wording != "over seeds and patients" for one in present)
            flips |= any(one.flips for one in present)
            seeds = "/".join(dict.fromkeys(str(one.estimate.seeds) for one in present)) or str(len(row.seeds))
            cells.append(["" if position else row.name, split, seeds, *map(_cell, shown)])
    remarks += [
        f"{row.name}: {words}, which say nothing about the method"
        for row in rows
        for words in outcomes(verdicts_of(row.records.values(), row.name))
    ]
    remarks += [words for row in rows for name in references for words in _unfit(row, name, rows, everything)]
    if few:
        remarks.insert(0, "fewer than ten seeds: intervals are conditional on these trained networks")
    if flips:
        remarks.insert(0, "*: the sign flips after a least-squares scale per volume")
    return Table(
        f"{metric}, paired differences, {title_of(records[0])}; exploratory, no p-values", cells, tuple(remarks)
    )


def reference_of(row: Row, pruner: str, rows: Iterable[Row]) -> Row | None:
    """The row of another pruner that a row stands beside: `dense`, or the one of its timing and sparsity."""
    own = row.name

    def fits(name: RowName) -> bool:
        same = name.timing is None or (name.timing, name.sparsity) == (own.timing, own.sparsity)
        return same and name.pruner == pruner and name.arch == own.arch and name.control is None and name.plain == name

    return next((other for other in rows if other.name != own and fits(other.name.without_conditions)), None)


def _unfit(row: Row, pruner: str, rows: Sequence[Row], everything: Sequence[Record]) -> Iterator[str]:
    """Why a row has nothing beside it although there is such a row, with the keys that differ."""
    inside = reference_of(row, pruner, rows)
    others = {record.row: record for record in everything if record.row not in {one.name for one in rows}}
    outside = reference_of(row, pruner, [Row(name, {one.seed: one}) for name, one in others.items()])
    other = inside or outside
    if other is not None and row.name.pruner != pruner and (apart := apart_in_pair(row.first, other.first)):
        yield f"{row.name}: left out beside {other.name}: {', '.join(apart)}"


def comparisons(row: Row, other: Row | None, metric: str) -> dict[str, Comparison]:
    """Comparisons by split, without shifts."""
    if other is None or not set(row.seeds) & set(other.seeds) or apart_in_pair(row.first, other.first):
        return {}
    conditions = [condition for condition in shared_conditions(row, other, metric)[0] if condition.is_whole_split]
    return {one.condition.split: one for one in compare(row, other, metric, conditions)}


def _cell(found: Comparison | None) -> str:
    if found is None:
        return ""
    return f"{float(found.estimate.mean):+.3f} ({found.estimate.span(3)}){'*' if found.flips else ''}"
