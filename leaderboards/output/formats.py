"""The tables of a board: Markdown for people, CSV for programs, LaTeX for papers."""

import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np

from leaderboards.board.papers import Reference
from leaderboards.board.questions import questions
from leaderboards.board.values import Board, Head, Line, Panel, states, usual
from leaderboards.output.escapes import csv_cell, latex_text, markdown_text
from leaderboards.rows.compare import confirmed
from leaderboards.rows.lengths import GATE
from leaderboards.rows.rows import DEFAULT, Condition, scores
from leaderboards.statistics import Estimate, two_way
from records.record import present
from records.results import BASELINE_WORDS

OTHERS = ("ssim", "nmse", "hfen", "psnr_foreground", "psnr_scaled")
COLUMNS = (
    *(
        "setting",
        "row",
        "architecture",
        "pruner",
        "timing",
        "sparsity",
        "control",
        "mask_has_seen",
        "seeds",
        "patients",
    ),
    *("split", "shift", "psnr", "psnr_low", "psnr_high", "change", "change_low", "change_high", *OTHERS),
    *("rank_inside", "rank_outside", "effective_robustness", "compression", "macs", "kept_macs"),
    *("cost", "latency_ms_indicative", "notes"),
)
Cells = list[list[str]]
SPEED_WORDS = (
    "Ratios of dense over it, median and quartiles of runs side by side in one process, at so many slices at once. "
    "Everything else is a share of dense. Compacted networks give the image of the masked ones."
)


def head_lines(head: Head) -> Iterator[str]:
    """What a reader has to know first."""
    study = "Simulator study: all data are simulated." if head.kind == "simulated" else "Real fastMRI data."
    yield f"{study} Never compare these figures with those of other data."
    share = 100 * head.finished / max(1, head.expected)
    missing = head.expected - head.finished - head.failed - head.skipped
    state = f"{missing} not run yet (it is filled in instalments, in the order of the track)" if missing else "complete"
    yield (
        f"Grid of track {head.track}: {head.finished} of {head.expected} trials finished ({share:.0f} %), "
        f"{head.failed} failed, {head.skipped} do not exist; {state}."
    )
    yield f"Protocol {head.protocol}; one dense training has T = {head.steps} steps."
    verdicts = [f"{arch} {state}" for arch, state in states(head).items()] or ["no validation patients"]
    what = f"Dense networks, judged by shorter trainings and by twice the steps ({GATE} dB on validation patients)"
    yield f"{what}: {'; '.join(verdicts)}."
    dirty = ", some from changed code" if head.dirty else ""
    machine = f"{', '.join(head.devices)}; torch {', '.join(head.torch)}"
    yield f"Newest record {head.date}, commit {head.commit[:12]}{dirty}; {machine}."


def panel_cells(panel: Panel, lines: Sequence[Line]) -> Cells:
    """A table of rows: ranks, what the mask has seen, scores and changes on each split, costs, notes."""
    conditions = usual(panel.conditions)
    header = ["rank in", "rank out", "row", "mask has seen", "seeds"]
    for condition in conditions:
        header += [f"{condition} PSNR", f"{condition} − dense"]
    header += ["effective robustness", "compression", "MACs kept", "cost", "notes"]
    cells = [header]
    for line in lines:
        cells.append(
            [
                _whole(line.rank_inside),
                _whole(line.rank_outside),
                line.name,
                line.mask.seen if line.mask else "",
                str(len(line.seeds)) if line.seeds else "",
                *(c for condition in conditions for c in (_score(line, condition), _change(line, condition))),
                "" if line.robustness is None else f"{line.robustness:+.2f}",
                f"{line.mask.compression:.1f}×" if line.mask else "",
                f"{line.cost.kept_macs / line.cost.macs:.2f}" if line.cost else "",
                f"{line.cost.relative:.2f}" if line.cost else "",
                "; ".join(line.notes),
            ]
        )
    return cells


def shift_cells(panel: Panel, split: str) -> Cells:
    """Change against dense under every shift of a split, for the rows that were evaluated so."""
    shifts = [c for c in panel.conditions if c.split == split and c.shift != DEFAULT]
    cells = [["row", "seeds", *(c.shift for c in shifts)]]
    for line in panel.lines:
        if any(condition in line.changes for condition in shifts):
            cells.append([line.name, str(len(line.seeds)), *(_change(line, condition) for condition in shifts)])
    return cells


def contrast_cells(board: Board) -> Cells:
    """The confirmatory contrasts."""
    cells = [["contrast", "where", "difference, dB", "95 % interval", "seeds", "p (Holm)", "verdict"]]
    for one, (value, claim) in zip(board.contrasts, confirmed(board.contrasts, board.family), strict=True):
        mean = float(one.estimate.mean)
        verdict = "too few seeds" if claim is None else ("better" if mean > 0 else "worse") if claim else "open"
        span = one.estimate.span(2)
        shown = "" if claim is None else f"{value:.2g}"
        name = f"{one.a} − {one.b}"
        cells.append([name, str(one.condition), f"{mean:+.2f}", span, str(one.estimate.seeds), shown, verdict])
    return cells


def speed_cells(board: Board) -> Cells:
    """Quality beside measured speed of the rows that were measured, the fastest of each architecture first."""
    conditions = board.panels[0].both
    header = ["row", "channels kept", "weights kept", *(f"{c} − dense, dB" for c in conditions)]
    header += ["compacted, faster than dense", "at several slices", "with its zeros"]
    header += ["MACs, compacted", "peak memory", "file, compacted", "file, bit mask and values"]
    cells = [[*header, "device"]]
    for panel in board.panels:
        measured = [(line, found) for line in panel.lines for found in board.speeds_of(line, panel)]
        measured.sort(key=lambda pair: (pair[0].arch, -pair[1].faster("compacted", pair[1].first).median))
        for line, speed in measured:
            first, last = speed.first, speed.batches[-1]
            mask = present(line.mask)
            memory = speed.memory("compacted", last)
            cells.append(
                [
                    line.name,
                    f"{100 * mask.channels.kept / mask.channels.total:.0f} %" if mask.channels else "single weights",
                    f"{100 * (1 - mask.achieved):.1f} %",
                    *(_change(line, condition) for condition in conditions),
                    f"{speed.faster('compacted', first)} at {first}",
                    f"{speed.faster('compacted', last)} at {last}" if last != first else "",
                    f"{speed.faster('masked', first)} at {first}",
                    f"{100 * speed.share('macs', 'compacted'):.0f} %",
                    "n/a" if memory is None else f"{100 * memory:.0f} % at {last}",
                    f"{100 * speed.share('bytes', 'compacted'):.0f} %",
                    f"{100 * speed.share('bytes', 'sparse'):.0f} %",
                    speed.place,
                ]
            )
    return cells


def baseline_cells(panel: Panel) -> Cells:
    """Mean PSNR of what a network has to beat, and of the oracle."""
    splits = [str(condition) for condition in usual(panel.conditions)]
    cells = [["architecture", "baseline", *splits]]
    for (arch, name), values in panel.baselines.items():
        shown = [f"{values[split]:.2f}" if split in values else "" for split in splits]
        cells.append([arch, BASELINE_WORDS.get(name, name), *shown])
    return cells


def reference_cells(references: Sequence[Reference]) -> Cells:
    """Figures of papers, apart from ours."""
    cells = [["method", "data", "acceleration", "PSNR", "SSIM", "protocol", "source", "caveat", "verified"]]
    for one in references:
        ssim = "" if one.ssim is None else f"{one.ssim:.4f}"
        known = "yes" if one.verified else "no"
        figures = [f"{one.acceleration}×", f"{one.psnr:.2f}", ssim]
        cells.append([one.method, one.data, *figures, one.protocol, one.source, one.caveat, known])
    return cells


def markdown(board: Board, references: Sequence[Reference], figures: Sequence[tuple[str, str]]) -> str:
    """The whole board as Markdown.

    Parameters
    ----------
    board : Board
    references : sequence of Reference
    figures : sequence of (file name, caption)
    """
    parts = [f"# Leaderboard: track {markdown_text(board.head.track)}"]
    parts += [*(f"- {markdown_text(line)}" for line in head_lines(board.head)), ""]
    parts.append("## The questions\n")
    for question, answers in questions(board):
        parts += [
            f"**{question}**\n",
            *([f"- {markdown_text(answer)}" for answer in answers] or ["- No records yet."]),
            "",
        ]
    if board.contrasts:
        parts += ["## Confirmatory contrasts\n", _markdown(contrast_cells(board)), ""]
    if board.speeds:
        parts += ["## Quality beside measured speed\n", SPEED_WORDS, "", _markdown(speed_cells(board)), ""]
    for panel in board.panels:
        parts.append(f"## {markdown_text(str(panel.setting))}\n")
        parts.append(
            "PSNR in dB and paired change against dense, with 95 % intervals over seeds and patients (below ten seeds "
            "conditional on these trained networks). Ranks hold within an architecture.\n"
        )
        for arch in panel.archs:
            parts += [f"### {markdown_text(arch)}\n", _markdown(panel_cells(panel, panel.lines_of(arch))), ""]
        parts += ["### Baselines, PSNR in dB, not ranked\n", _markdown(baseline_cells(panel)), ""]
        for split in dict.fromkeys(condition.split for condition in usual(panel.conditions)):
            cells = shift_cells(panel, split)
            if len(cells) > 1:
                where = markdown_text(split)
                parts += [f"### Change against dense on {where} under each shift, dB\n", _markdown(cells), ""]
    parts.append("## Figures\n")
    parts += [f"![{markdown_text(caption)}](figures/{name}.png)\n" for name, caption in figures]
    parts += ["## Figures of papers, not ranked\n", _markdown(reference_cells(references)), ""]
    return "\n".join(parts)


def results_csv(board: Board) -> str:
    """One line per row and condition."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)

    def write(cells: Sequence[object]) -> None:
        writer.writerow([csv_cell(cell) for cell in cells])

    for panel in board.panels:
        for line in panel.lines:
            name, seen = line.name, line.mask.seen if line.mask else ""
            begin = [str(panel.setting), str(name), name.arch, name.pruner, name.timing or ""]
            begin += [name.sparsity, name.control or "", seen, str(len(line.seeds))]
            end = [line.rank_inside or "", line.rank_outside or "", _plain(line.robustness)]
            end += [_plain(line.mask.compression if line.mask else None)]
            costs = ("macs", "kept_macs", "relative", "latency_ms")
            end += [_plain(getattr(line.cost, cost, None)) for cost in costs] + ["; ".join(line.notes)]
            if not line.scores:
                write([*begin, "", "", "", *[""] * (6 + len(OTHERS)), *end])
            for condition, found in line.scores.items():
                row = panel.rows[line.name]
                others = [_plain(float(two_way(scores(row, condition, metric)).mean)) for metric in OTHERS]
                values = [*_numbers(found), *_numbers(line.changes.get(condition)), *others]
                write([*begin, found.patients, condition.split, condition.shift, *values, *end])
    return stream.getvalue()


def latex(cells: Cells, caption: str) -> str:
    """Any table for a paper, with the rules of booktabs."""
    columns = "l" * len(cells[0])
    body = [" & ".join(latex_text(cell) for cell in row) + r" \\" for row in cells]
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{latex_text(caption)}}}", rf"\begin{{tabular}}{{{columns}}}"]
    lines += [r"\toprule", body[0], r"\midrule", *body[1:], r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    return "\n".join(lines)


def _markdown(cells: Cells) -> str:
    rows = ["| " + " | ".join(markdown_text(cell) for cell in row) + " |" for row in cells]
    return "\n".join([rows[0], "|" + "---|" * len(cells[0]), *rows[1:]])


def _score(line: Line, condition: Condition) -> str:
    return _span(line.scores.get(condition), "")


def _change(line: Line, condition: Condition) -> str:
    return _span(line.changes.get(condition), "+")


def _span(found: Estimate | None, sign: str) -> str:
    if found is None:
        return ""
    low, high = (float(end) for end in found.interval())
    mean = float(found.mean)
    return f"{mean:{sign}.2f} ({low:{sign}.2f} to {high:{sign}.2f})" if np.isfinite(low) else f"{mean:{sign}.2f}"


def _numbers(found: Estimate | None) -> list[str]:
    if found is None:
        return ["", "", ""]
    return [_plain(float(found.mean)), *(_plain(float(end)) for end in found.interval())]


def _plain(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.10g}"


def _whole(value: int | None) -> str:
    return "" if value is None else str(value)
