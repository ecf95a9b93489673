"""The questions first: sentences made of the confirmatory statistics and of paired changes."""

from collections.abc import Iterator, Sequence

from leaderboards.board.values import Board, Line, Panel, under_trained
from leaderboards.rows.compare import Comparison, compare, confirmed
from leaderboards.rows.lengths import TRAINED
from leaderboards.rows.rows import METRIC, Condition, Row
from leaderboards.rows.soundness import behind_cg_sense
from leaderboards.statistics import FEW_SEEDS, Estimate
from records.row_name import RowName
from records.speed import Speed

CLOSE = 0.5
"""dB that a fast network may lose against dense to be called close to it; our choice."""
NULL = ("random", "random-channel")
"""Not asked about: what others are compared with."""
STEPS = "train.steps"
CONTROLS = ("shuffle", "reinit", "random-layerwise")
PARTNERS = {
    "wd": "weight decay",
    "early-stop": "early stopping",
    "small": "fewer channels (as many weights as 90 % leave)",
    "small-0.97": "fewer channels (as many weights as 97 % leave)",
    "long": "a quarter more steps",
}


def questions(board: Board) -> Iterator[tuple[str, list[str]]]:
    """Each question with the sentences that answer it, as far as the records do."""
    panel = board.panels[0]
    yield "Does pruning at initialization beat dense?", [*_confirmatory(board), *_shifts(panel)]
    yield "Does a plain regulariser, or a smaller network, do as well?", list(_partners(panel))
    yield "Do the masks beat their shuffled selves?", list(_controls(panel))
    yield "Does timing matter?", list(_timings(panel))
    yield "What does it cost?", list(_costs(panel))
    yield "What does it buy in time and storage?", list(_speeds(board, panel))


def _confirmatory(board: Board) -> Iterator[str]:
    """One sentence for each contrast that the track fixed beforehand."""
    by_pair: dict[tuple[RowName, RowName], list[str]] = {}
    verdicts = confirmed(board.contrasts, board.family)
    for one, (value, claim) in zip(board.contrasts, verdicts, strict=True):
        by_pair.setdefault((one.a, one.b), []).append(_contrast(one, value, claim))
    for (a, b), parts in by_pair.items():
        yield f"{a} against {b}{_length_state(board, a)}: {'; '.join(parts)}."
    few = [one for one in board.contrasts if not one.enough_seeds]
    if few:
        seeds = sorted({one.estimate.seeds for one in few})
        number = "–".join(dict.fromkeys((str(seeds[0]), str(seeds[-1]))))
        yield (
            f"Nothing is claimed where there are fewer than {FEW_SEEDS} seeds "
            f"({len(few)} of {len(board.contrasts)} contrasts; {number} so far)."
        )
    if board.missing:
        yield f"{len(board.missing)} confirmatory contrasts have no finished rows yet."
    if board.withdrawn:
        yield f"No verdict: {'; '.join(board.withdrawn)}."
    for panel in board.panels:
        for arch in panel.archs:
            if weak := _weak(panel, arch):
                yield f"Nothing is said about generalization where {weak} ({panel.setting})."
    late = under_trained(board.head)
    if late:
        yield f"Under-trained, so that differences may change with more steps: {', '.join(late)}."


def _length_state(board: Board, row: RowName) -> str:
    """How well dense is trained at the length of a row, where that limits what a verdict says."""
    changed = dict(row.dense.settings)
    if changed.keys() - {STEPS}:
        return ""  # another network, whose lengths were not looked at
    steps = int(changed[STEPS]) if changed else board.head.budgets.get(row.arch)
    state = next((one.state for one in board.head.lengths if (one.arch, one.steps) == (row.arch, steps)), None)
    return f" (dense at {steps} steps: {state})" if state and state != TRAINED else ""


def _contrast(one: Comparison, value: float, claim: bool | None) -> str:
    mean = float(one.estimate.mean)
    words = f"{one.condition} {interval(one.estimate)}"
    if claim is None:
        return f"{words}, too few seeds for a claim"
    if not claim:
        return f"{words}, no difference confirmed (Holm p = {value:.2g})"
    return f"{words}, {'better' if mean > 0 else 'worse'} (Holm p = {value:.2g})"


def _shifts(panel: Panel) -> Iterator[str]:
    """Rows at initialization under each shift, exploratory."""
    for arch in panel.archs:
        lines = [line for line in panel.lines_of(arch) if _of(line, "at-init") and line.name.pruner not in NULL]
        shifted = [c for c in panel.conditions if c.shift != "none" and c.split == panel.inside.split]
        for condition in shifted:
            found = [line for line in lines if condition in line.changes]
            yield from _sorted_by_sign(f"{arch}, {condition.shift}", found, condition)


def _sorted_by_sign(where: str, lines: Sequence[Line], condition: Condition) -> Iterator[str]:
    better: list[str] = []
    worse: list[str] = []
    open_: list[str] = []
    for line in lines:
        low, high = (float(end) for end in line.changes[condition].interval())
        (better if low > 0 else worse if high < 0 else open_).append(_short(line))
    parts = [
        f"{words} dense: {', '.join(names)}"
        for words, names in (("above", better), ("below", worse), ("indistinguishable from", open_))
        if names
    ]
    if parts:
        yield f"{where} (exploratory): {'; '.join(parts)}."


def _partners(panel: Panel) -> Iterator[str]:
    """Rows at initialization against dense with a plain regulariser: what pruning adds to that."""
    for arch in panel.archs:
        for row in _rows(panel, arch, "at-init"):
            for control, words in PARTNERS.items():
                partner = panel.rows.get(row.name.dense.but(control=control))
                if partner is not None and set(row.seeds) & set(partner.seeds):
                    yield f"{row.name} − dense with {words} (exploratory): {_on_both(panel, row, partner)}."


def _controls(panel: Panel) -> Iterator[str]:
    """A pruned row against its controls."""
    for name, row in panel.rows.items():
        control = name.control
        original = panel.rows.get(name.but(control=None))
        if control in CONTROLS and original is not None and set(row.seeds) & set(original.seeds):
            yield f"{original.name} − its control {control} (exploratory): {_on_both(panel, original, row)}."


def _timings(panel: Panel) -> Iterator[str]:
    """Each pruner at equal sparsity: later timings against at-init, and after against dense trained as long."""
    for arch in panel.archs:
        for row in _rows(panel, arch, "at-init"):
            parts = []
            for timing in ("while", "after"):
                other = panel.rows.get(row.name.but(timing=timing))
                if other is not None and set(row.seeds) & set(other.seeds):
                    parts.append(f"{timing} − at-init: {_on_both(panel, other, row)}")
            long = panel.rows.get(row.name.dense.but(control="long"))
            after = panel.rows.get(row.name.but(timing="after"))
            if long is not None and after is not None and set(long.seeds) & set(after.seeds):
                parts.append(f"after − dense trained as long: {_on_both(panel, after, long)}")
            if parts:
                apart = " (lottery: every timing has seen trained weights)" if row.name.pruner == "lottery" else ""
                name = row.name.replace("/at-init/", " ")
                yield f"{name}{apart} (exploratory): {'; '.join(parts)}."


def _rows(panel: Panel, arch: str, timing: str) -> list[Row]:
    """Rows without control, random ones aside."""
    return [
        row
        for row in panel.rows.values()
        if row.name.arch == arch and row.name.timing == timing and not row.name.control and row.name.pruner not in NULL
    ]


def _on_both(panel: Panel, a: Row, b: Row) -> str:
    """Paired difference in distribution, and out of it where the dense network is good enough for that, in words."""
    weak = _weak(panel, a.name.arch)
    found = compare(a, b, METRIC, [panel.inside] if weak else panel.both)
    return ", ".join(f"{one.condition} {interval(one.estimate)}" for one in found)


def _weak(panel: Panel, arch: str) -> str | None:
    """Why nothing is said about an architecture out of distribution."""
    dense = next((row for name, row in panel.rows.items() if name == name.dense and name.arch == arch), None)
    outside = panel.outside
    return behind_cg_sense(dense, outside.split) if dense and outside else None


def _costs(panel: Panel) -> Iterator[str]:
    for arch in panel.archs:
        costs = [(line.cost.relative, line) for line in panel.lines_of(arch) if line.cost and line.name.timing]
        if costs:
            costs.sort(key=lambda pair: pair[0])
            (low, cheap), (high, dear) = costs[0], costs[-1]
            yield (
                f"{arch}: from {low:.2f} ({_short(cheap)}) to {high:.2f} dense "
                f"trainings ({_short(dear)}); a forward pass executes as many multiply–accumulates as dense, since "
                "masked zeros are also multiplied."
            )


def _speeds(board: Board, panel: Panel) -> Iterator[str]:
    """Measured: single weights first, then whole channels, and which of those lose little."""
    if not board.speeds:
        yield "Nothing was measured yet."
    for arch in panel.archs:
        found = [(line, speed) for line in panel.lines_of(arch) for speed in board.speeds_of(line, panel)]
        for line, speed in found:
            if line.mask and line.cost and not line.mask.channels and line.name.timing:
                zeros, empty = (speed.faster(name, speed.first).median for name in ("masked", "compacted"))
                file, macs = speed.share("bytes", "sparse"), line.cost.kept_macs / line.cost.macs
                yield (
                    f"{line.name}, single weights: as bit mask and values its file is {100 * file:.0f} % of dense's; "
                    f"in theory it needs {100 * macs:.0f} % of the multiply–accumulates; measured, it is {zeros:.2f}× "
                    f"as fast as dense with its zeros and {empty:.2f}× without its empty channels ({speed.place})."
                )
        for place in dict.fromkeys(speed.place for _, speed in found):
            whole = [
                (line, speed) for line, speed in found if line.mask and line.mask.channels and speed.place == place
            ]
            yield from _channels(f"{arch}, whole channels, {place} (exploratory)", whole, panel.inside)


def _channels(where: str, whole: Sequence[tuple[Line, Speed]], inside: Condition) -> Iterator[str]:
    """The fastest row that is shown to lose little, and the fastest of all."""
    told = [(line, speed, line.changes[inside]) for line, speed in whole if inside in line.changes]
    if not told:
        return
    close = [part for part in told if float(part[2].interval()[0]) > -CLOSE]
    best, fastest = max(close, key=_gain, default=None), max(told, key=_gain)
    if best is None:
        yield f"{where}: no measured row is shown to lose less than {CLOSE} dB on {inside}."
    else:
        also = ", and the fastest of all," if best is fastest else ""
        yield f"{where}: the fastest row shown to lose less than {CLOSE} dB{also} is {_measured(*best)}."
    if best is not fastest:
        yield f"{where}: the fastest of all is {_measured(*fastest)}."


def _gain(part: tuple[Line, Speed, Estimate]) -> float:
    return part[1].faster("compacted", part[1].first).median


def _measured(line: Line, speed: Speed, change: Estimate) -> str:
    seeds = f"{change.seeds} seed{'s' if change.seeds > 1 else ''}"
    return (
        f"{_short(line)} with {100 * speed.share('parameters', 'compacted'):.0f} % of the parameters: "
        f"{speed.faster('compacted', speed.first)} as fast as dense, {interval(change)}, {seeds}"
    )


def _of(line: Line, timing: str) -> bool:
    return line.name.timing == timing and not line.name.control


def _short(line: Line) -> str:
    return line.name.removeprefix(f"{line.arch}/")


def interval(found: Estimate) -> str:
    """Mean and interval in words."""
    return f"{float(found.mean):+.2f} dB ({found.span(2)})"
