"""Quality against cost, with the rows that no other one beats in both."""

from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from leaderboards.board.values import Panel
from leaderboards.figures.style import FILLS, colours, legend_below, markers, plots_for


def quality_against_cost(panel: Panel) -> Figure | None:
    """Dense trainings that finding and training take, against PSNR in distribution."""
    condition = panel.inside
    lines = [line for line in panel.lines if condition in line.scores and line.cost and not line.name.control]
    if not lines:
        return None
    archs = [arch for arch in panel.archs if any(line.arch == arch for line in lines)]
    kinds = sorted({line.name.pruner for line in lines})
    hues, shapes = colours(kinds), markers(kinds)
    figure, plots = plots_for(archs, 3.8)
    for arch, axes in plots.items():
        own = [(line, line.cost) for line in lines if line.arch == arch]
        points = [(cost.relative, float(line.scores[condition].mean), line) for line, cost in own if cost]
        front = [p for p in points if not any(q[0] <= p[0] and q[1] >= p[1] and q[:2] != p[:2] for q in points)]
        front.sort(key=lambda point: point[:2])
        x, y = [p[0] for p in front], [p[1] for p in front]
        axes.plot(x, y, color="black", linewidth=1, label="Pareto front", zorder=1)
        for relative, quality, line in points:
            kind, fill = line.name.pruner, FILLS[line.name.timing]
            axes.plot(relative, quality, shapes[kind], color=hues[kind], fillstyle=fill, markersize=6, label=kind)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(ScalarFormatter())
        axes.tick_params(axis="x", which="both", labelsize=7)
        axes.set_title(arch)
        axes.set_xlabel("cost in dense trainings (log)")
        axes.set_ylabel(f"{condition}: PSNR, dB")
    legend_below(figure, 5)
    figure.suptitle("filled: at-init; half: while; open: after", fontsize=9)
    return figure
