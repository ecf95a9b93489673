"""From records to a board: every row of one track, with its scores, its changes against dense and its rank."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leaderboards.board.contrasts import answer
from leaderboards.board.ranking import ranks_of
from leaderboards.board.values import Board, Head, Line, LineCost, Panel, inside_of, outside_of
from leaderboards.rows.compare import Comparison, compare, paired_by_weights
from leaderboards.rows.lengths import Length, lengths_of
from leaderboards.rows.rows import METRIC, Condition, Row, conditions_of, row_of, scores
from leaderboards.rows.soundness import outcomes, unsound, verdicts_of
from leaderboards.statistics import effective_robustness, two_way
from records.grid import Outline
from records.record import Record, present
from records.row_name import DENSE, RowName
from records.setting import CellKey, Setting, apart_in_pair, cell_of, check_tables
from records.speed import Speed
from registries import RequestError


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
    # what was measured of another network, before a row was run again, is of no use
    masks = {cell_of(record): present(record.mask).sha256 for record in records if record.ok}
    known = tuple(speed for speed in speeds if masks.get(speed.cell) == speed.mask)
    head = _head(records, outline, panels[0])
    return Board(head, tuple(panels), contrasts.found, contrasts.missing, contrasts.withdrawn, known)


def _check(records: Sequence[Record], outline: Outline, where: str) -> None:
    tracks = sorted({record.trial.resolved.track for record in records})
    if tracks != [outline.track]:
        raise RequestError(f"{where}: holds records of {', '.join(tracks)}, not of track '{outline.track}' alone")
    finished = [record for record in records if record.ok]
    protocols = sorted({record.trial.protocol for record in finished})
    if len(protocols) > 1:
        raise RequestError(f"{where}: mixes the protocols {' and '.join(protocols)}; a board has one")
    kinds = {record.provenance.data.kind for record in finished}
    if len(kinds) > 1:
        raise RequestError(f"{where}: mixes simulated and real data; a board has one kind")
    identities = {record.provenance.data.identity for record in finished}
    if len(identities) > 1:
        raise RequestError(f"{where}: mixes {len(identities)} different sets of data; a board has one")
    check_tables(finished, where)


@dataclass(frozen=True)
class _Ran:
    """What became of each row in a setting: of its trials those that are finished, and the others.

    Attributes
    ----------
    finished, others : mapping of RowName to list of Record
    """

    finished: Mapping[RowName, Sequence[Record]]
    others: Mapping[RowName, Sequence[Record]]

    @classmethod
    def of(cls, setting: Setting, records: Iterable[Record]) -> "_Ran":
        finished: dict[RowName, list[Record]] = {}
        others: dict[RowName, list[Record]] = {}
        for record in records:
            if record.ok and Setting.of(record) == setting:
                finished.setdefault(record.row, []).append(record)
            elif not record.ok and setting.holds(cell_of(record)):
                others.setdefault(record.row, []).append(record)
        return cls(finished, others)


def _sound(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if not unsound(record)]


def _panel(setting: Setting, records: Sequence[Record], outline: Outline, where: str) -> Panel:
    ran = _Ran.of(setting, records)
    own = [record for by_row in ran.finished.values() for record in by_row]
    rows = {name: row_of(sound, name, where) for name, by_row in ran.finished.items() if (sound := _sound(by_row))}
    conditions = tuple(dict.fromkeys(c for row in rows.values() for c in conditions_of(row, METRIC)))
    cells = [cell for cell in outline.cells if setting.holds(cell)]
    lines: list[Line] = []
    expected = {cell.row for cell in cells} | ran.finished.keys()
    for arch in sorted({name.arch for name in expected}):
        of_arch = {name: row for name, row in rows.items() if name.arch == arch}
        ranked = _lines(of_arch, setting, ran)
        lines += sorted(ranked, key=lambda line: (line.rank_inside or 10**6, -_mean(line, setting), line.name))
        lines += _nothing({name for name in expected - rows.keys() if name.arch == arch}, ran)
    return Panel(setting, tuple(lines), rows, conditions, _baselines(own))


def _baselines(records: Iterable[Record]) -> dict[tuple[str, str], dict[str, float]]:
    """PSNR of the baselines by architecture and split; those of the data alone are the same for all architectures."""
    values: dict[tuple[str, str], dict[str, float]] = {}
    for record in records:
        for name, by_split in record.baselines.items():
            psnr = {split: scores[METRIC] for split, scores in by_split.items()}
            values.setdefault((record.trial.arch, name), psnr)
    return values


def _mean(line: Line, setting: Setting) -> float:
    inside = line.scores.get(inside_of(setting))
    return -np.inf if inside is None else float(inside.mean)


def _lines(rows: Mapping[RowName, Row], setting: Setting, ran: _Ran) -> list[Line]:
    """Lines of one architecture."""
    dense = next((row for name, row in rows.items() if name == name.dense), None)
    inside, outside = inside_of(setting), outside_of(setting.train_on)
    ranks_inside, ranks_outside = ranks_of(rows, inside), ranks_of(rows, outside) if outside else {}
    robust = _robustness(rows, (inside, outside)) if outside else {}
    lines = []
    for name, row in rows.items():
        compared = _against_dense(row, dense)
        lines.append(
            Line(
                name=name,
                seeds=row.seeds,
                scores={c: two_way(scores(row, c, METRIC)) for c in conditions_of(row, METRIC)},
                changes={one.condition: one.estimate for one in compared},
                rank_inside=ranks_inside.get(name),
                rank_outside=ranks_outside.get(name),
                robustness=robust.get(name),
                mask=row.first.mask,
                cost=_costs(row),
                notes=(*_notes(row, ran), *_unpaired(row, dense), *_warnings(compared, row)),
            )
        )
    return lines


def _against_dense(row: Row, dense: Row | None) -> list[Comparison]:
    """Changes against dense over common seeds, on conditions that both have."""
    if dense is None or row is dense or not set(row.seeds) & set(dense.seeds) or apart_in_pair(row.first, dense.first):
        return []
    of_row = conditions_of(row, METRIC)
    return compare(row, dense, METRIC, [c for c in conditions_of(dense, METRIC) if c in of_row])


def _robustness(rows: Mapping[RowName, Row], both: tuple[Condition, Condition]) -> dict[RowName, float]:
    """Distance of each row from the line through the dense networks, trained in several ways."""
    points = {
        name: tuple(float(scores(row, condition, METRIC).mean()) for condition in both)
        for name, row in rows.items()
        if set(both) <= set(conditions_of(row, METRIC))
    }
    dense = [point for name, point in points.items() if name.pruner == DENSE]
    try:
        reference = np.array(dense).reshape(-1, 2).T
        distances = effective_robustness(*np.array(list(points.values())).reshape(-1, 2).T, *reference)
    except ValueError:  # too few dense networks
        return {}
    low, high = float(reference[0].min()), float(reference[0].max())
    reach = high - low  # beyond that the line is a guess
    near = {name for name, point in points.items() if low - reach <= point[0] <= high + reach}
    return {name: float(value) for name, value in zip(points, distances, strict=True) if name in near}


def _costs(row: Row) -> LineCost:
    costs = [present(record.cost) for record in row.records.values()]
    return LineCost(
        relative=float(np.mean([cost.relative for cost in costs])),
        macs=costs[0].macs.dense,
        kept_macs=costs[0].macs.kept,
        latency_ms=float(np.median([cost.latency_ms for cost in costs])),
    )


def _notes(row: Row, ran: _Ran) -> tuple[str, ...]:
    notes = list(_left_out(row.name, ran))
    for record in ran.others.get(row.name, ()):
        if record.status == "failed":
            notes.append(f"seed {record.seed} failed: {record.reason}")
    if any(not layer.kept for record in row.records.values() for layer in present(record.mask).layers):
        notes.append("an emptied layer")
    return tuple(notes)


def _left_out(name: RowName, ran: _Ran) -> Iterator[str]:
    """How many seeds of a row are left out of every figure, and why."""
    yield from (f"{words}, left out" for words in outcomes(verdicts_of(ran.finished.get(name, ()), name)))


def _unpaired(row: Row, dense: Row | None) -> Iterator[str]:
    """Why a row shows no change against dense."""
    if dense is not None and (apart := apart_in_pair(row.first, dense.first)):
        yield f"not paired with dense: {', '.join(apart)}"


def _warnings(compared: Sequence[Comparison], row: Row) -> Iterator[str]:
    """What to mind about the changes of a row."""
    if not compared:
        return
    flipped = [str(one.condition) for one in compared if one.flips]
    if flipped:
        yield f"sign flips after scaling: {', '.join(flipped)}"
    if not paired_by_weights(compared[0].a, compared[0].b):
        yield "begins with other weights than dense: paired by data and patients alone"
    seeds = compared[0].estimate.seeds
    if seeds != len(row.seeds):
        yield f"change over the {seeds} seeds that dense also has"


def _nothing(names: Iterable[RowName], ran: _Ran) -> list[Line]:
    """Lines of rows that have no figures, each with its reason."""
    lines = []
    for name in sorted(names):
        last = next(reversed(ran.others.get(name, ())), None)
        why = f"{'n/a' if last.status == 'skipped' else 'failed'}: {last.reason}" if last else "not yet run"
        reason = "; ".join(_left_out(name, ran)) or why
        lines.append(Line(name, (), {}, {}, None, None, None, None, None, (reason,)))
    return lines


def _head(records: Sequence[Record], outline: Outline, main: Panel) -> Head:
    finished = [record for record in records if record.ok]
    sources = [record.provenance for record in finished]
    newest = max(finished, key=lambda record: (record.provenance.date or "", record.row)).provenance
    # what was carried out since counts, whatever became of it before
    status: dict[CellKey, str] = {cell_of(record): record.status for record in records if not record.ok}
    status |= {cell_of(record): record.status for record in finished}
    states = [status.get(cell) for cell in outline.cells]
    return Head(
        track=outline.track,
        kind=str(sources[0].data.kind),
        protocol=finished[0].trial.protocol,
        finished=states.count("ok"),
        failed=states.count("failed"),
        skipped=states.count("skipped"),
        expected=len(outline.cells),
        budgets={name.arch: present(row.first.trial.resolved.budget) for name, row in main.rows.items()},
        lengths=_trained(main, records),
        date=newest.date or "unknown",
        commit=newest.git or "unknown",
        dirty=any(source.dirty for source in sources),
        devices=tuple(sorted({source.device for source in sources})),
        torch=tuple(sorted({source.versions["torch"] for source in sources})),
    )


def _trained(main: Panel, records: Sequence[Record]) -> tuple[Length, ...]:
    """Dense networks of all lengths in the setting of the main table."""
    return lengths_of(record for record in records if record.ok and Setting.of(record).plain == main.setting.plain)
