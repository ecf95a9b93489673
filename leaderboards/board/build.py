"""A board: every row of one track, with its scores, its changes against dense and its rank."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from leaderboards.board.contrasts import answer, outside_of
from leaderboards.rows.compare import Comparison, compare, paired_by_weights
from leaderboards.rows.lengths import UNDER_TRAINED, Length, lengths_of
from leaderboards.rows.rows import METRIC, USUAL, Condition, Row, conditions_of, paired, row_of, scores
from leaderboards.rows.soundness import outcomes, unsound, verdicts_of
from leaderboards.rows.speeds import Speed
from leaderboards.statistics import Estimate, effective_robustness, ranks, two_way
from records.grid import Cell, Outline
from records.record import Record
from registries import RequestError

OF_ROW = ("arch", "pruner", "timing", "sparsity", "control")


@dataclass(frozen=True)
class Setting:
    """What rows of one table have in common; rows of different settings never meet.

    Attributes
    ----------
    size, train_on : str
    acceleration : int
    device : str
        Kind of device.
    conditions : str
        Settings of training, maps and network that deviate, as they stand in row names: ``@train.steps=3200``.
    """

    size: str
    train_on: str
    acceleration: int
    device: str
    conditions: str = ""

    @classmethod
    def of(cls, record: Record) -> "Setting":
        """That of a record."""
        trial = record.trial
        device = record.content["provenance"]["numerics"]["device"]
        return cls(trial["size"], trial["train_on"], trial["acceleration"], device, record.conditions)

    @property
    def of_trial(self) -> tuple[str, str, int]:
        """What is asked for, whatever it ran on."""
        return self.size, self.train_on, self.acceleration

    @property
    def inside(self) -> Condition:
        """In distribution: the anatomy of the training."""
        return Condition(self.train_on.split("-")[0].split("+")[0])

    @property
    def outside(self) -> Condition | None:
        """Out of distribution: the other anatomy; a network trained on both has none."""
        split = outside_of(self.train_on)
        return Condition(split) if split else None

    @property
    def both(self) -> tuple[Condition, ...]:
        """In and out of distribution, where there is an outside."""
        return (self.inside,) if self.outside is None else (self.inside, self.outside)

    def __str__(self) -> str:
        deviating = f", {self.conditions.removeprefix('@')}" if self.conditions else ""
        return f"size {self.size}, trained on {self.train_on}, {self.acceleration}×, {self.device}{deviating}"


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
        Absolute over its seeds, and paired against dense over common ones.
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
    baselines : mapping of (architecture, baseline) to mapping of split to PSNR
        What a network has to beat, and the ceiling of its coil maps; not ranked.
    """

    setting: Setting
    lines: tuple[Line, ...]
    rows: Mapping[str, Row]
    conditions: tuple[Condition, ...]
    baselines: Mapping[tuple[str, str], Mapping[str, float]]

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
    finished, failed, skipped, expected : int
        Trials of the track's grid.
    budgets : mapping of str to int
        T of each architecture in the main table.
    lengths : tuple of Length
        Dense networks of the main table, at all lengths of training.
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
    finished: int
    failed: int
    skipped: int
    expected: int
    budgets: Mapping[str, int]
    lengths: tuple[Length, ...]
    date: str
    commit: str
    dirty: bool
    devices: tuple[str, ...]
    torch: tuple[str, ...]

    @property
    def steps(self) -> str:
        """T in the main table, by architecture where it differs."""
        if len(set(self.budgets.values())) == 1:
            return str(next(iter(self.budgets.values())))
        return ", ".join(f"{steps} ({arch})" for arch, steps in sorted(self.budgets.items()))


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
    withdrawn : tuple of str
        Confirmatory contrasts of which no verdict is given, each with its reason.
    speeds : tuple of Speed
        Measured of trained networks of these rows.
    """

    head: Head
    panels: tuple[Panel, ...]
    contrasts: tuple[Comparison, ...]
    missing: tuple[str, ...]
    withdrawn: tuple[str, ...] = ()
    speeds: tuple[Speed, ...] = ()

    def speeds_of(self, line: Line, panel: Panel) -> tuple[Speed, ...]:
        """What was measured of a row: of its first seed that was, on each device, GPUs first."""
        own = [s for s in self.speeds if s.row == line.name and s.setting == panel.setting.of_trial]
        ordered = sorted(own, key=lambda speed: (speed.kind == "cpu", speed.device, speed.seed))
        return tuple({speed.device: speed for speed in reversed(ordered)}.values())[::-1]

    @property
    def family(self) -> int:
        """Number of contrasts that are corrected together."""
        return len(self.contrasts) + len(self.missing) + len(self.withdrawn)


def build_board(records: Sequence[Record], outline: Outline, where: str, speeds: Sequence[Speed] = ()) -> Board:
    """Put the records of a track together, and what was measured of their networks.

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
    contrasts = answer(outline.contrasts, records, outline.track)
    head = _head(records, outline, panels[0])
    # what was measured of another network, before a row was run again, is of no use
    masks = {_network(record): record.content["mask"]["sha256"] for record in records if record.ok}
    known = [s for s in speeds if masks.get((s.row, *s.setting, s.seed)) == s.mask]
    return Board(head, tuple(panels), contrasts.found, contrasts.missing, contrasts.withdrawn, tuple(known))


def _network(record: Record) -> tuple[object, ...]:
    return (record.row, *Setting.of(record).of_trial, record.trial["seed"])


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
    sound = [record for record in own if not unsound(record)]
    names = list(dict.fromkeys(record.row for record in sound))
    rows = {name: row_of(sound, name, where) for name in names}
    conditions = tuple(dict.fromkeys(c for row in rows.values() for c in conditions_of(row, METRIC)))
    archs = dict.fromkeys(record.trial["arch"] for record in own)
    archs |= dict.fromkeys(cell.arch for cell in outline.cells if _belongs(cell, setting))
    lines: list[Line] = []
    for arch in sorted(archs):
        of_arch = {name: row for name, row in rows.items() if row.trial["arch"] == arch}
        found = _lines(of_arch, setting, records)
        lines += sorted(found, key=lambda line: (line.rank_inside or 10**6, -_mean(line, setting.inside), line.name))
        absent = [cell for cell in outline.cells if cell.arch == arch and _belongs(cell, setting)]
        left_out = {record.row: record.trial for record in own if record.trial["arch"] == arch}
        lines += _nothing(absent, left_out, rows, records, setting)
    return Panel(setting, tuple(lines), rows, conditions, _baselines(own))


def _baselines(records: Iterable[Record]) -> dict[tuple[str, str], dict[str, float]]:
    """PSNR of the baselines by architecture and split; those of the data alone are the same for all architectures."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for record in records:
        for name, by_split in record.content["baselines"].items():
            values = {split: metrics["psnr"] for split, metrics in by_split.items()}
            found.setdefault((record.trial["arch"], name), values)
    return found


def _belongs(cell: Cell, setting: Setting) -> bool:
    asked = (cell.size, cell.train_on, cell.acceleration, cell.conditions)
    return asked == (*setting.of_trial, setting.conditions)


def _mean(line: Line, condition: Condition) -> float:
    found = line.scores.get(condition)
    return -np.inf if found is None else float(found.mean)


def _lines(rows: Mapping[str, Row], setting: Setting, records: Sequence[Record]) -> list[Line]:
    """Lines of one architecture."""
    dense = next((row for row in rows.values() if row.trial["pruner"] == "dense" and not row.trial["control"]), None)
    inside = _ranks(rows, setting.inside)
    outside = _ranks(rows, setting.outside) if setting.outside else {}
    robust = _robustness(rows, setting)
    lines = []
    for name, row in rows.items():
        conditions = conditions_of(row, METRIC)
        changes, notes = {}, _notes(row, setting, records)
        if dense is not None and row is not dense and set(row.seeds) & set(dense.seeds):
            shared = [c for c in conditions_of(dense, METRIC) if c in conditions]
            compared = compare(row, dense, METRIC, shared)
            changes = {one.condition: one.estimate for one in compared}
            notes = (*notes, *_warnings(compared, row))
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
                notes,
            )
        )
    return lines


def _ranks(rows: Mapping[str, Row], condition: Condition) -> dict[str, int]:
    """1 + number of rows that are better, by an interval over their common seeds that excludes zero."""
    names = [name for name, row in rows.items() if condition in conditions_of(row, METRIC)]

    def difference(a: str, b: str) -> tuple[float, float] | None:
        if not set(rows[a].seeds) & set(rows[b].seeds):
            return None
        low, high = two_way(paired(rows[a], rows[b], condition, METRIC)[0]).interval()
        return float(low), float(high)

    return ranks(names, difference)


def _robustness(rows: Mapping[str, Row], setting: Setting) -> dict[str, float]:
    """Distance of each row from the line through the dense networks, trained in several ways."""
    points: dict[str, tuple[float, ...]] = {}
    if setting.outside is None:
        return {}
    for name, row in rows.items():
        if set(setting.both) <= set(conditions_of(row, METRIC)):
            points[name] = tuple(float(scores(row, condition, METRIC).mean()) for condition in setting.both)
    dense = [point for name, point in points.items() if rows[name].trial["pruner"] == "dense"]
    try:
        reference = np.array(dense).reshape(-1, 2).T
        found = effective_robustness(*np.array(list(points.values())).reshape(-1, 2).T, *reference)
    except ValueError:  # too few dense networks
        return {}
    low, high = float(reference[0].min()), float(reference[0].max())
    reach = high - low  # beyond that the line is a guess
    near = {name for name, point in points.items() if low - reach <= point[0] <= high + reach}
    return {name: float(value) for name, value in zip(points, found, strict=True) if name in near}


def _costs(row: Row) -> dict[str, float]:
    costs = [record.content["cost"] for record in row.records.values()]
    macs = costs[0]["macs"]
    return {
        "relative": float(np.mean([cost["relative"] for cost in costs])),
        "macs": macs["dense"],
        "kept_macs": macs["kept"],
        "latency_ms": float(np.median([cost["latency_ms"] for cost in costs])),
    }


def _notes(row: Row, setting: Setting, records: Sequence[Record]) -> tuple[str, ...]:
    notes = list(_left_out(row.name, setting, records))
    for record in records:
        if record.row == row.name and record.content["status"] == "failed" and _same_setting(record, setting):
            notes.append(f"seed {record.trial['seed']} failed: {record.content['reason']}")
    if any(not layer["kept"] for record in row.records.values() for layer in record.content["mask"]["layers"]):
        notes.append("an emptied layer")
    return tuple(notes)


def _left_out(name: str, setting: Setting, records: Sequence[Record]) -> Iterator[str]:
    """How many seeds of a row are left out of every figure, and why."""
    own = [record for record in records if record.ok and Setting.of(record) == setting]
    yield from (f"{words}, left out" for words in outcomes(verdicts_of(own, name)))


def _warnings(compared: Sequence[Comparison], row: Row) -> Iterator[str]:
    """What to mind about the changes of a row."""
    flipped = [str(one.condition) for one in compared if one.flips]
    if flipped:
        yield f"sign flips after scaling: {', '.join(flipped)}"
    if not paired_by_weights(compared[0].a, compared[0].b):
        yield "begins with other weights than dense: paired by data and patients alone"
    seeds = compared[0].estimate.seeds
    if seeds != len(row.seeds):
        yield f"change over the {seeds} seeds that dense has, too"


def _same_setting(record: Record, setting: Setting) -> bool:
    trial = record.trial
    of_record = (trial["size"], trial["train_on"], trial["acceleration"], record.conditions)
    return of_record == (*setting.of_trial, setting.conditions)


def _nothing(
    cells: Iterable[Cell],
    finished: Mapping[str, Mapping[str, Any]],
    rows: Mapping[str, Row],
    records: Sequence[Record],
    setting: Setting,
) -> list[Line]:
    """Lines of rows of the grid, and of finished trials by row name, that have no figures; each with its reason."""
    reasons = {
        record.row: f"{'n/a' if record.content['status'] == 'skipped' else 'failed'}: {record.content['reason']}"
        for record in records
        if not record.ok and _same_setting(record, setting)
    }
    trials = {cell.row: {name: getattr(cell, name) for name in OF_ROW} for cell in cells} | dict(finished)
    found = {}
    for name, trial in trials.items():
        if name not in rows:
            left_out = "; ".join(_left_out(name, setting, records))
            reason = left_out or reasons.get(name, "not yet run")
            found[name] = Line(name, trial, (), {}, {}, None, None, None, {}, {}, (reason,))
    return [found[name] for name in sorted(found)]


def _head(records: Sequence[Record], outline: Outline, main: Panel) -> Head:
    finished = [record for record in records if record.ok]
    newest = max(finished, key=lambda record: (record.content["provenance"]["date"] or "", record.row))
    sources = [record.content["provenance"] for record in finished]
    names = ("size", "train_on", "acceleration", "seed")
    status = {(r.row, *(r.trial[name] for name in names)): r.content["status"] for r in records if not r.ok}
    status |= {(r.row, *(r.trial[name] for name in names)): "ok" for r in finished}
    states = [status.get(cell.key) for cell in outline.cells]
    return Head(
        track=outline.track,
        kind=sources[0]["data"]["kind"],
        protocol=finished[0].trial["protocol"],
        finished=states.count("ok"),
        failed=states.count("failed"),
        skipped=states.count("skipped"),
        expected=len(outline.cells),
        budgets=_budgets(main),
        lengths=_trained(main, records),
        date=newest.content["provenance"]["date"] or "unknown",
        commit=newest.content["provenance"]["git"] or "unknown",
        dirty=any(source["dirty"] for source in sources),
        devices=tuple(sorted({source["device"] for source in sources})),
        torch=tuple(sorted({source["versions"]["torch"] for source in sources})),
    )


def _budgets(panel: Panel) -> dict[str, int]:
    return {row.trial["arch"]: row.trial["resolved"]["budget"] for row in panel.rows.values()}


def _trained(main: Panel, records: Sequence[Record]) -> tuple[Length, ...]:
    """Dense networks of all lengths in the setting of the main table."""
    usual_length = replace(main.setting, conditions="")

    def belongs(record: Record) -> bool:
        return record.ok and replace(Setting.of(record), conditions="") == usual_length

    return lengths_of(record for record in records if belongs(record))


def states(head: Head) -> dict[str, str]:
    """By architecture, how well dense networks are trained at the length of the main table; none without validation."""
    return {one.arch: one.state for one in head.lengths if one.steps == head.budgets.get(one.arch)}


def under_trained(head: Head) -> tuple[str, ...]:
    """Architectures whose dense networks gain 0.1 dB or more from twice the steps."""
    return tuple(arch for arch, state in states(head).items() if state == UNDER_TRAINED)


def usual(conditions: Iterable[Condition]) -> list[Condition]:
    """Splits without shift, and without the parts of a split."""
    return [condition for condition in conditions if condition.shift == USUAL and "(" not in condition.split]
