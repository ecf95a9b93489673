"""Paired change against dense by sparsity, with intervals; dense is the line at zero."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leaderboards.board.values import Line, Panel
from leaderboards.figures.style import FILLS, colours, legend_below, markers
from leaderboards.rows.rows import Condition

SPREAD = 0.012
"""Over which rows of equal sparsity are drawn beside each other."""


def quality_against_sparsity(panel: Panel) -> Figure | None:
    """One plot per architecture, in and out of distribution."""
    conditions = list(panel.both)
    archs, size = panel.archs, (5.2 * len(conditions), 3.0 * len(panel.archs))
    figure, grid = plt.subplots(len(archs), len(conditions), figsize=size, squeeze=False, layout="constrained")
    lines = [line for line in panel.lines if line.scores and not line.name.control]
    pruners = sorted({line.name.pruner for line in lines} - {"dense"})
    hues, shapes = colours(pruners), markers(pruners)
    for row, arch in zip(grid, archs, strict=True):
        for axes, condition in zip(row, conditions, strict=True):
            _plot(axes, [line for line in lines if line.arch == arch], condition, hues, shapes)
            axes.set_title(f"{arch}, {condition}")
            axes.set_xlabel("sparsity")
            axes.set_ylabel("PSNR − dense, dB")
    legend_below(figure, 4)
    return figure


def _plot(axes: Axes, lines: list[Line], condition: Condition, hues: dict[str, str], shapes: dict[str, str]) -> None:
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        if condition in line.changes and line.name.timing:
            groups.setdefault((line.name.pruner, line.name.timing), []).append(line)
    axes.axhline(0, color="black", linewidth=1, label="dense")
    for number, ((pruner, timing), members) in enumerate(sorted(groups.items())):
        members.sort(key=lambda line: float(line.name.sparsity))
        x = np.array([float(line.name.sparsity) for line in members])
        x = x + SPREAD * ((number + 0.5) / len(groups) - 0.5)
        y = np.array([float(line.changes[condition].mean) for line in members])
        ends = np.array([[float(end) for end in line.changes[condition].interval()] for line in members])
        axes.errorbar(
            x,
            y,
            yerr=np.where(np.isfinite(ends), np.abs(ends - y[:, None]), 0).T,
            color=hues[pruner],
            marker=shapes[pruner],
            fillstyle=FILLS[timing],
            markersize=6,
            linewidth=1,
            elinewidth=0.7,
            label=f"{pruner} {timing}",
        )
