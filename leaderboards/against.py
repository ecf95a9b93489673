"""Every row beside the row of a reference pruner, in one table."""

from collections.abc import Sequence

import numpy as np

from bench.record import Record
from bench.trial import row_name
from leaderboards.compare import compare
from leaderboards.results import USUAL, Row, row_of, shared_conditions
from leaderboards.statistics import Estimate
from registries import RequestError


def against_lines(records: Sequence[Record], references: Sequence[str], metric: str, where: str) -> list[list[str]]:
    """Cells of a table: rows by split, with the paired difference to each reference and its 95 % interval.

    A reference is the row of that pruner with the same architecture, timing and sparsity, or `dense`. Rows without
    such a reference show none.

    Raises
    ------
    RequestError
        If no record is finished, or a reference is nowhere.
    """
    rows = [row_of(records, name, where) for name in sorted({record.row for record in records if record.ok})]
    if not rows:
        raise RequestError(f"{where}: holds no finished trial")
    by_name = {row.name: row for row in rows}
    for reference in references:
        if not any(next(iter(row.records.values())).trial["pruner"] == reference for row in rows):
            raise RequestError(f"--against {reference}: {where} holds no finished row of that pruner")
    header = ["row", "split", "seeds", *(f"− {reference}, {metric}, 95 % interval" for reference in references)]
    lines = [header]
    for row in rows:
        found = {reference: _differences(row, reference, by_name, metric) for reference in references}
        splits = dict.fromkeys(split for differences in found.values() for split in differences)
        for position, split in enumerate(splits):
            cells = [_cell(found[reference].get(split)) for reference in references]
            lines.append(["" if position else row.name, split, str(len(row.seeds)), *cells])
    return lines


def reference_of(row: Row, pruner: str) -> str:
    """Name of the row of another pruner that a row stands beside."""
    trial = next(iter(row.records.values())).trial
    if pruner == "dense":
        return row_name(trial["arch"], "dense", None, "0", None)
    return row_name(trial["arch"], pruner, trial["timing"], trial["sparsity"], None)


def _differences(row: Row, reference: str, rows: dict[str, Row], metric: str) -> dict[str, Estimate]:
    """Estimates by split, without shifts."""
    other = rows.get(reference_of(row, reference))
    if other is None or other.name == row.name:
        return {}
    conditions = [c for c in shared_conditions(row, other, metric)[0] if c.shift == USUAL and "(" not in c.split]
    return {one.condition.split: one.estimate for one in compare(row, other, metric, conditions)}


def _cell(found: Estimate | None) -> str:
    if found is None:
        return ""
    low, high = (float(end) for end in found.interval())
    span = f"{low:+.3f} to {high:+.3f}" if np.isfinite(low) else "unknown"
    return f"{float(found.mean):+.3f} ({span})"
