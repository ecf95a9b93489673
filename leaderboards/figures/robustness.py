"""Quality in distribution against quality out of it."""

from contextlib import suppress

import numpy as np
from matplotlib.figure import Figure

from leaderboards.board.values import Line, Panel
from leaderboards.figures.style import colours, legend_below, markers, plots_for
from leaderboards.statistics import dense_line


def robustness(panel: Panel) -> Figure | None:
    """PSNR in against out of distribution; the line goes through the dense networks of an architecture."""
    inside, outside = panel.inside, panel.outside
    lines = [line for line in panel.lines if inside in line.scores and outside in line.scores]
    if outside is None or not lines:
        return None
    archs = [arch for arch in panel.archs if any(line.arch == arch for line in lines)]
    kinds = sorted({line.name.pruner for line in lines})
    hues, shapes = colours(kinds), markers(kinds)
    figure, plots = plots_for(archs, 4.2)
    for arch, axes in plots.items():
        points: list[tuple[Line, float, float]] = [
            (line, float(line.scores[inside].mean), float(line.scores[outside].mean))
            for line in lines
            if line.arch == arch
        ]
        dense = np.array([(x, y) for line, x, y in points if line.name.pruner == "dense"])
        with suppress(ValueError):  # too few dense networks, or too close together
            slope, intercept = dense_line(*dense.reshape(-1, 2).T)
            ends = np.array([min(x for _, x, _ in points), max(x for _, x, _ in points)])
            label = "through dense networks"
            axes.plot(ends, intercept + slope * ends, color="black", linewidth=1, linestyle="--", label=label)
        for line, x, y in points:
            kind = line.name.pruner
            filled = "none" if line.name.control else "full"
            axes.plot(x, y, shapes[kind], color=hues[kind], fillstyle=filled, markersize=6, label=kind)
        axes.set_title(arch)
        axes.set_xlabel(f"{inside}: PSNR, dB (in distribution)")
        axes.set_ylabel(f"{outside}: PSNR, dB (out of it)")
    legend_below(figure, 5)
    figure.suptitle("filled: rows; open: their controls and partners", fontsize=9)
    return figure
