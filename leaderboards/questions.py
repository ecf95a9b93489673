"""The questions first: sentences made of the confirmatory statistics and of paired changes."""

from collections.abc import Iterator, Sequence

import numpy as np

from leaderboards.board import Board, Line, Panel, under_trained, usual
from leaderboards.compare import Comparison, confirmed
from leaderboards.results import Condition
from leaderboards.statistics import FEW_SEEDS, Estimate

CONTROLS = ("shuffle", "reinit", "random-layerwise")
PARTNERS = {
    "wd": "weight decay",
    "early-stop": "early stopping",
    "small": "fewer channels",
    "long": "a quarter more steps",
}


def questions(board: Board) -> Iterator[tuple[str, list[str]]]:
    """Each question with the sentences that answer it, as far as the records do."""
    panel = board.panels[0]
    yield "Does pruning at initialization beat dense?", [*_confirmatory(board), *_shifts(panel)]
    yield "Do plain regularisers do as well?", list(_partners(panel))
    yield "Do the masks beat their shuffled selves?", list(_controls(panel))
    yield "Does timing matter?", list(_timings(panel))
    yield "What does it cost?", list(_costs(panel))


def _confirmatory(board: Board) -> Iterator[str]:
    """One sentence for each contrast that the track fixed beforehand."""
    by_pair: dict[tuple[str, str], list[str]] = {}
    verdicts = confirmed(board.contrasts)
    for one, (value, claim) in zip(board.contrasts, verdicts, strict=True):
        by_pair.setdefault((one.a, one.b), []).append(_contrast(one, value, claim))
    for (a, b), parts in by_pair.items():
        yield f"{a} against {b}: {'; '.join(parts)}."
    few = [one for one in board.contrasts if one.estimate.seeds < FEW_SEEDS]
    if few:
        seeds = sorted({one.estimate.seeds for one in few})
        number = "–".join(dict.fromkeys((str(seeds[0]), str(seeds[-1]))))
        yield (
            f"Nothing is claimed where there are fewer than {FEW_SEEDS} seeds "
            f"({len(few)} of {len(board.contrasts)} contrasts; {number} so far)."
        )
    if board.missing:
        yield f"{len(board.missing)} confirmatory contrasts have no finished rows yet."
    late = under_trained(board.head)
    if late:
        yield f"Under-trained, so that differences may change with more steps: {', '.join(late)}."


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
        lines = [line for line in panel.lines_of(arch) if _of(line, "at-init") and line.trial["pruner"] != "random"]
        shifted = [c for c in panel.conditions if c.shift != "none" and c.split == panel.setting.inside.split]
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
        for words, names in (("above", better), ("below", worse), ("not told apart from", open_))
        if names
    ]
    if parts:
        yield f"{where} (exploratory): {'; '.join(parts)}."


def _partners(panel: Panel) -> Iterator[str]:
    for arch in panel.archs:
        for condition in (panel.setting.inside, panel.setting.outside):
            parts = []
            for line in panel.lines_of(arch):
                control = str(line.trial["control"] or "")
                if line.trial["pruner"] == "dense" and condition in line.changes:
                    name = PARTNERS.get(control.partition("-0")[0], control)
                    parts.append(f"{name} {interval(line.changes[condition])}")
            if parts:
                yield f"{arch}, {condition}, change of dense by {'; by '.join(parts)}."


def _controls(panel: Panel) -> Iterator[str]:
    """A pruned row against its controls, by the difference of their changes against dense."""
    from leaderboards.compare import compare

    for name, row in panel.rows.items():
        control = row.trial["control"]
        original = panel.rows.get(name.removesuffix(f"+{control}"))
        if control not in CONTROLS or original is None or not set(row.seeds) & set(original.seeds):
            continue
        conditions = [panel.setting.inside, *([panel.setting.outside] if _other(panel) else [])]
        found = compare(original, row, "psnr", conditions)
        parts = [f"{one.condition} {interval(one.estimate)}" for one in found]
        yield f"{original.name} − its {control} control: {'; '.join(parts)}."


def _other(panel: Panel) -> bool:
    return panel.setting.outside != panel.setting.inside


def _timings(panel: Panel) -> Iterator[str]:
    condition = panel.setting.inside
    for arch in panel.archs:
        for kind, belongs in (("scores and learned masks", False), ("lottery", True)):
            means: dict[str, list[float]] = {}
            for line in panel.lines_of(arch):
                pruner = line.trial["pruner"]
                meant = pruner not in ("random", "dense") and not line.trial["control"] and condition in line.changes
                if meant and (pruner == "lottery") is belongs:
                    means.setdefault(str(line.trial["timing"]), []).append(float(line.changes[condition].mean))
            if len(means) > 1:
                parts = [f"{timing} {np.mean(values):+.2f} dB ({len(values)} rows)" for timing, values in means.items()]
                yield f"{arch}, {condition}, {kind}, mean change against dense: {', '.join(parts)} (descriptive)."


def _costs(panel: Panel) -> Iterator[str]:
    for arch in panel.archs:
        lines = [line for line in panel.lines_of(arch) if line.cost and line.trial["timing"]]
        if lines:
            ordered = sorted(lines, key=lambda line: line.cost["relative"])
            low, high = ordered[0], ordered[-1]
            yield (
                f"{arch}: from {low.cost['relative']:.2f} ({_short(low)}) to {high.cost['relative']:.2f} dense "
                f"trainings ({_short(high)}); a forward pass executes as many multiply–accumulates as dense, since "
                "masked zeros are multiplied, too."
            )


def _of(line: Line, timing: str) -> bool:
    return line.trial["timing"] == timing and not line.trial["control"]


def _short(line: Line) -> str:
    return line.name.removeprefix(f"{line.arch}/")


def interval(found: Estimate) -> str:
    """Mean and interval in words."""
    low, high = (float(end) for end in found.interval())
    span = f"{low:+.2f} to {high:+.2f}" if np.isfinite(low) else "unknown"
    return f"{float(found.mean):+.2f} dB ({span})"


def absolute_conditions(panel: Panel) -> list[Condition]:
    """Splits of the table, those of interest first."""
    plain = usual(panel.conditions)
    first = [c for c in (panel.setting.inside, panel.setting.outside) if c in plain]
    return list(dict.fromkeys([*first, *plain]))
