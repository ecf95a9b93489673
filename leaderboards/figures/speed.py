"""Quality against measured speed."""

from matplotlib.figure import Figure

from leaderboards.board.values import Board
from leaderboards.figures.style import FILLS, colours, legend_below, markers, plots_for


def quality_against_speed(board: Board) -> Figure | None:
    """How many times faster than dense compacted networks are, against the paired change of quality."""
    panel = board.panels[0]
    inside = panel.inside
    measured = [(line, board.speeds_of(line, panel)) for line in panel.lines if inside in line.changes]
    found = [(line, speeds[0]) for line, speeds in measured if speeds]
    if not found:
        return None
    archs = [arch for arch in panel.archs if any(line.arch == arch for line, _ in found)]
    kinds = sorted({line.name.pruner for line, _ in found})
    hues, shapes = colours(kinds), markers(kinds)
    figure, plots = plots_for(archs, 3.8)
    for arch, axes in plots.items():
        axes.axhline(0, color="black", linewidth=1)
        axes.axvline(1, color="black", linewidth=1)
        own = sorted((pair for pair in found if pair[0].arch == arch), key=lambda pair: pair[0].name)
        for number, (line, speed) in enumerate(own):
            kind, change = line.name.pruner, line.changes[inside]
            faster, mean = speed.faster("compacted", speed.first), float(change.mean)
            low, high = (float(end) for end in change.interval())
            axes.errorbar(
                faster.median,
                mean,
                xerr=[[faster.median - faster.low], [faster.high - faster.median]],
                yerr=[[mean - low], [high - mean]] if low > float("-inf") else None,
                fmt=shapes[kind],
                color=hues[kind],
                fillstyle=FILLS[line.name.timing],
                markersize=6,
                label=kind,
            )
            label = f"{100 * float(line.name.sparsity):g} %"
            offset = (5, -10 if number % 2 else 4)  # neighbours do not write over each other
            axes.annotate(label, (faster.median, mean), offset, textcoords="offset points", fontsize=7)
        axes.set_title(arch)
        axes.set_xlabel("times faster than dense, measured")
        axes.set_ylabel(f"{inside} − dense, dB")
    legend_below(figure, 4)
    figure.suptitle("filled: at-init; half: while; open: after; the number is the sparsity", fontsize=9)
    return figure
