"""Every row beside the row of a reference pruner, in one table."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bench.record import Record
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
    for reference in references:
        if not any(row.trial["pruner"] == reference for row in rows):
            raise RequestError(f"--against {reference}: {where} holds no finished row of that pruner")
    header = ["row", "split", "seeds", *(f"− {reference}, {metric}, 95 % interval" for reference in references)]
    lines = [header]
    for row in rows:
        found = {reference: _differences(row, reference_of(row, reference, rows), metric) for reference in references}
        splits = dict.fromkeys(split for differences in found.values() for split in differences)
        for position, split in enumerate(splits):
            cells = [_cell(found[reference].get(split)) for reference in references]
            lines.append(["" if position else row.name, split, str(len(row.seeds)), *cells])
    return lines


def reference_of(row: Row, pruner: str, rows: Iterable[Row]) -> Row | None:
    """The row of another pruner that a row stands beside: `dense`, or the one of its timing and sparsity."""
    own = row.trial

    def fits(trial: Mapping[str, Any]) -> bool:
        same = trial["timing"] is None or all(trial[key] == own[key] for key in ("timing", "sparsity"))
        return same and trial["pruner"] == pruner and trial["arch"] == own["arch"] and trial["control"] is None

    return next((other for other in rows if other.name != row.name and fits(other.trial)), None)


def _differences(row: Row, other: Row | None, metric: str) -> dict[str, Estimate]:
    """Estimates by split, without shifts."""
    if other is None:
        return {}
    conditions = [c for c in shared_conditions(row, other, metric)[0] if c.shift == USUAL and "(" not in c.split]
    return {one.condition.split: one.estimate for one in compare(row, other, metric, conditions)}


def _cell(found: Estimate | None) -> str:
    if found is None:
        return ""
    low, high = (float(end) for end in found.interval())
    span = f"{low:+.3f} to {high:+.3f}" if np.isfinite(low) else "unknown"
    return f"{float(found.mean):+.3f} ({span})"
