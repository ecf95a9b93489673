"""A board: every row of one track, with its scores, its changes against dense and its rank."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.record import Record
from leaderboards.compare import Comparison, compare
from leaderboards.outline import Cell, Outline
from leaderboards.results import USUAL, Condition, Row, conditions_of, paired, row_of, scores
from leaderboards.statistics import Estimate, effective_robustness, two_way
from registries import RequestError

METRIC = "psnr"
GATE = 0.1
"""dB that a dense network may still gain in the last fifth of its steps."""
OTHER = {"knee": "brain", "brain": "knee"}


@dataclass(frozen=True)
class Setting:
    """What rows of one table have in common; rows of different settings never meet.

    Attributes
    ----------
    size, train_on : str
    acceleration : int
    device : str
        Kind of device.
    """

    size: str
    train_on: str
    acceleration: int
    device: str

    @classmethod
    def of(cls, record: Record) -> "Setting":
        """That of a record."""
        trial = record.trial
        device = record.content["provenance"]["numerics"]["device"]
        return cls(trial["size"], trial["train_on"], trial["acceleration"], device)

    @property
    def inside(self) -> Condition:
        """In distribution: the anatomy of the training."""
        return Condition(self.train_on.split("-")[0].split("+")[0])

    @property
    def outside(self) -> Condition:
        """Out of distribution: the other anatomy; a network trained on both has none, and the inside is repeated."""
        return Condition(OTHER[self.inside.split]) if "+" not in self.train_on else self.inside

    def __str__(self) -> str:
        return f"size {self.size}, trained on {self.train_on}, {self.acceleration}×, {self.device}"


@dataclass(frozen=True)
class Line:
    """A row of a table.

    Attributes
    ----------
    name : str
    trial : mapping
        Architecture, pruner, timing, sparsity, control.
    seeds : tuple of int
        Finished.
    scores, changes : mapping of Condition to Estimate
        Absolute, and paired against dense.
    rank_inside, rank_outside : int or None
        Within the architecture.
    robustness : float or None
        Effective robustness, dB.
    mask, cost : mapping
        Of the first seed, with costs as means over seeds.
    notes : tuple of str
        Failed seeds, failed searches, why there is nothing.
    """

    name: str
    trial: Mapping[str, Any]
    seeds: tuple[int, ...]
    scores: Mapping[Condition, Estimate]
    changes: Mapping[Condition, Estimate]
    rank_inside: int | None
    rank_outside: int | None
    robustness: float | None
    mask: Mapping[str, Any]
    cost: Mapping[str, float]
    notes: tuple[str, ...]

    @property
    def arch(self) -> str:
        """Architecture."""
        return str(self.trial["arch"])


@dataclass(frozen=True)
class Panel:
    """A table: all rows of one setting.

    Attributes
    ----------
    setting : Setting
    lines : tuple of Line
        By architecture, then rank inside.
    rows : mapping of str to Row
        The records behind the lines that have any.
    conditions : tuple of Condition
        Evaluated in any row.
    """

    setting: Setting
    lines: tuple[Line, ...]
    rows: Mapping[str, Row]
    conditions: tuple[Condition, ...]

    def lines_of(self, arch: str) -> tuple[Line, ...]:
        """Those of an architecture."""
        return tuple(line for line in self.lines if line.arch == arch)

    @property
    def archs(self) -> tuple[str, ...]:
        """Architectures, in the order of the table."""
        return tuple(dict.fromkeys(line.arch for line in self.lines))


@dataclass(frozen=True)
class Head:
    """What a reader has to know first.

    Attributes
    ----------
    track, kind, protocol : str
        ``kind`` is ``simulated`` or ``real``.
    steps : int
        T.
    finished, failed, skipped, expected : int
        Trials of the track's grid.
    gains : mapping of str to tuple of float
        By architecture, for each seed of dense, the dB gained in the last fifth of the steps.
    date, commit : str
        Of the newest record.
    dirty : bool
        Whether any record comes from changed code.
    devices : tuple of str
    torch : tuple of str
        Versions.
    """

    track: str
    kind: str
    protocol: str
    steps: int
    finished: int
    failed: int
    skipped: int
    expected: int
    gains: Mapping[str, tuple[float, ...]]
    date: str
    commit: str
    dirty: bool
    devices: tuple[str, ...]
    torch: tuple[str, ...]


@dataclass(frozen=True)
class Board:
    """Everything that is shown.

    Attributes
    ----------
    head : Head
    panels : tuple of Panel
        The one with the most rows first.
    contrasts : tuple of Comparison
        The confirmatory ones whose rows are there.
    missing : tuple of str
        Confirmatory contrasts whose rows are not.
    """

    head: Head
    panels: tuple[Panel, ...]
    contrasts: tuple[Comparison, ...]
    missing: tuple[str, ...]


def build_board(records: Sequence[Record], outline: Outline, where: str) -> Board:
    """Put the records of a track together.

    Raises
    ------
    RequestError
        If nothing is finished, or records are mixed that do not belong together.
    """
    _check(records, outline, where)
    settings = sorted({Setting.of(record) for record in records if record.ok}, key=str)
    if not settings:
        raise RequestError(f"{where}: no trial of track '{outline.track}' is finished")
    panels = [_panel(setting, records, outline, where) for setting in settings]
    panels.sort(key=lambda panel: -len(panel.rows))
    contrasts, missing = _contrasts(outline, panels[0])
    return Board(_head(records, outline), tuple(panels), contrasts, missing)


def _check(records: Sequence[Record], outline: Outline, where: str) -> None:
    tracks = sorted({str(record.trial["resolved"]["track"]) for record in records})
    if tracks != [outline.track]:
        raise RequestError(f"{where}: holds records of {', '.join(tracks)}, not of track '{outline.track}' alone")
    finished = [record for record in records if record.ok]
    protocols = sorted({record.trial["protocol"] for record in finished})
    if len(protocols) > 1:
        raise RequestError(f"{where}: mixes the protocols {' and '.join(protocols)}; a board has one")
    kinds = sorted({record.content["provenance"]["data"]["kind"] for record in finished})
    if len(kinds) > 1:
        raise RequestError(f"{where}: mixes simulated and real data; a board has one kind")
    identities = {record.content["provenance"]["data"]["identity"] for record in finished}
    if len(identities) > 1:
        raise RequestError(f"{where}: mixes {len(identities)} different sets of data; a board has one")


def _panel(setting: Setting, records: Sequence[Record], outline: Outline, where: str) -> Panel:
    own = [record for record in records if record.ok and Setting.of(record) == setting]
    names = list(dict.fromkeys(record.row for record in own))
    rows = {name: row_of(own, name, where) for name in names}
    conditions = tuple(dict.fromkeys(c for row in rows.values() for c in conditions_of(row, METRIC)))
    archs = list(dict.fromkeys(row.trial["arch"] for row in rows.values()))
    lines: list[Line] = []
    for arch in sorted(archs):
        of_arch = {name: row for name, row in rows.items() if row.trial["arch"] == arch}
        found = _lines(of_arch, setting, records)
        lines += sorted(found, key=lambda line: (line.rank_inside or 10**6, -_mean(line, setting.inside), line.name))
        absent = [cell for cell in outline.cells if cell.arch == arch and _belongs(cell, setting)]
        lines += _nothing(absent, rows, records, setting)
    return Panel(setting, tuple(lines), rows, conditions)


def _belongs(cell: Cell, setting: Setting) -> bool:
    return (cell.size, cell.train_on, cell.acceleration) == (setting.size, setting.train_on, setting.acceleration)


def _mean(line: Line, condition: Condition) -> float:
    found = line.scores.get(condition)
    return -np.inf if found is None else float(found.mean)


def _lines(rows: Mapping[str, Row], setting: Setting, records: Sequence[Record]) -> list[Line]:
    """Lines of one architecture."""
    dense = next((row for row in rows.values() if row.trial["pruner"] == "dense" and not row.trial["control"]), None)
    inside, outside = (_ranks(rows, condition) for condition in (setting.inside, setting.outside))
    robust = _robustness(rows, setting)
    lines = []
    for name, row in rows.items():
        conditions = conditions_of(row, METRIC)
        changes = {}
        if dense is not None and row is not dense and set(row.seeds) & set(dense.seeds):
            shared = [c for c in conditions_of(dense, METRIC) if c in conditions]
            changes = {one.condition: one.estimate for one in compare(row, dense, METRIC, shared)}
        found = {condition: two_way(scores(row, condition, METRIC)) for condition in conditions}
        lines.append(
            Line(
                name,
                row.trial,
                row.seeds,
                found,
                changes,
                inside.get(name),
                outside.get(name),
                robust.get(name),
                row.records[row.seeds[0]].content["mask"],
                _costs(row),
                _notes(row, setting, records),
            )
        )
    return lines


def _ranks(rows: Mapping[str, Row], condition: Condition) -> dict[str, int]:
    """1 + number of rows that are better, by an interval over their common seeds that excludes zero."""
    names = [name for name, row in rows.items() if condition in conditions_of(row, METRIC)]
    better = dict.fromkeys(names, 1)
    for place, name in enumerate(names):
        for other in names[place + 1 :]:
            if set(rows[name].seeds) & set(rows[other].seeds):
                low, high = two_way(paired(rows[other], rows[name], condition, METRIC)[0]).interval()
                better[name] += int(low > 0)
                better[other] += int(high < 0)
    return better


def _robustness(rows: Mapping[str, Row], setting: Setting) -> dict[str, float]:
    """Distance of each row from the line through the dense networks, trained in several ways."""
    points = {}
    for name, row in rows.items():
        if {setting.inside, setting.outside} <= set(conditions_of(row, METRIC)):
            points[name] = tuple(float(scores(row, c, METRIC).mean()) for c in (setting.inside, setting.outside))
    dense = [point for name, point in points.items() if rows[name].trial["pruner"] == "dense"]
    try:
        reference = np.array(dense).reshape(-1, 2).T
        found = effective_robustness(*np.array(list(points.values())).reshape(-1, 2).T, *reference)
    except ValueError:  # too few dense networks
        return {}
    return {name: float(value) for name, value in zip(points, found, strict=True)}


def _costs(row: Row) -> dict[str, float]:
    costs = [record.content["cost"] for record in row.records.values()]
    macs = costs[0]["macs"]
    return {
        "relative": float(np.mean([cost["relative"] for cost in costs])),
        "macs": macs["dense"],
        "kept_macs": macs["kept"],
    }


def _notes(row: Row, setting: Setting, records: Sequence[Record]) -> tuple[str, ...]:
    notes = []
    searches = [record.content["mask"]["search"] for record in row.records.values()]
    failed = [search for search in searches if search and search["failed"]]
    if failed:
        notes.append(f"search failed in {len(failed)} of {len(searches)} seeds")
    for record in records:
        if record.row == row.name and record.content["status"] == "failed" and _same_setting(record, setting):
            notes.append(f"seed {record.trial['seed']} failed: {record.content['reason']}")
    if any(not layer["kept"] for record in row.records.values() for layer in record.content["mask"]["layers"]):
        notes.append("an emptied layer")
    return tuple(notes)


def _same_setting(record: Record, setting: Setting) -> bool:
    trial = record.trial
    return (trial["size"], trial["train_on"], trial["acceleration"]) == (
        setting.size,
        setting.train_on,
        setting.acceleration,
    )


def _nothing(cells: Iterable[Cell], rows: Mapping[str, Row], records: Sequence[Record], setting: Setting) -> list[Line]:
    """Lines of the grid's rows without a finished trial, each with its reason."""
    reasons = {
        record.row: f"{'n/a' if record.content['status'] == 'skipped' else 'failed'}: {record.content['reason']}"
        for record in records
        if not record.ok and _same_setting(record, setting)
    }
    found = {}
    for cell in cells:
        if cell.row not in rows and cell.row not in found:
            trial = {name: getattr(cell, name) for name in ("arch", "pruner", "timing", "sparsity", "control")}
            reason = reasons.get(cell.row, "not yet run")
            found[cell.row] = Line(cell.row, trial, (), {}, {}, None, None, None, {}, {}, (reason,))
    return [found[name] for name in sorted(found)]


def _contrasts(outline: Outline, panel: Panel) -> tuple[tuple[Comparison, ...], tuple[str, ...]]:
    found: list[Comparison] = []
    missing: list[str] = []
    for contrast in outline.contrasts:
        condition = Condition(contrast.split, contrast.shift)
        a, b = panel.rows.get(contrast.a), panel.rows.get(contrast.b)
        if a is None or b is None or not set(a.seeds) & set(b.seeds):
            missing.append(f"{contrast.a} − {contrast.b}, {condition}")
        else:
            found += compare(a, b, contrast.metric, [condition])
    return tuple(found), tuple(missing)


def _head(records: Sequence[Record], outline: Outline) -> Head:
    finished = [record for record in records if record.ok]
    newest = max(finished, key=lambda record: record.content["provenance"]["date"] or "")
    sources = [record.content["provenance"] for record in finished]
    done = {(r.row, r.trial["size"], r.trial["train_on"], r.trial["acceleration"], r.trial["seed"]) for r in finished}
    states = [record.content["status"] for record in records]
    return Head(
        track=outline.track,
        kind=sources[0]["data"]["kind"],
        protocol=finished[0].trial["protocol"],
        steps=max(record.trial["resolved"]["training"]["steps"] for record in finished),
        finished=sum(cell.key in done for cell in outline.cells),
        failed=states.count("failed"),
        skipped=states.count("skipped"),
        expected=len(outline.cells),
        gains=_gains(finished),
        date=newest.content["provenance"]["date"] or "unknown",
        commit=newest.content["provenance"]["git"] or "unknown",
        dirty=any(source["dirty"] for source in sources),
        devices=tuple(sorted({source["device"] for source in sources})),
        torch=tuple(sorted({source["versions"]["torch"] for source in sources})),
    )


def _gains(finished: Iterable[Record]) -> dict[str, tuple[float, ...]]:
    gains: dict[str, list[float]] = {}
    for record in finished:
        found = record.content["convergence"]
        if found is not None:
            gains.setdefault(record.trial["arch"], []).append(found["psnr_at_end"] - found["psnr_at_gate"])
    return {arch: tuple(values) for arch, values in sorted(gains.items())}


def under_trained(head: Head) -> tuple[str, ...]:
    """Architectures that miss the convergence gate on average."""
    return tuple(arch for arch, gains in head.gains.items() if np.mean(gains) >= GATE)


def usual(conditions: Iterable[Condition]) -> list[Condition]:
    """Splits without shift, and without the parts of a split."""
    return [condition for condition in conditions if condition.shift == USUAL and "(" not in condition.split]
