"""Heat map: architecture × pruner × timing."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from leaderboards.board.values import Panel
from records.row_name import TIMINGS


def overview(panel: Panel) -> Figure | None:
    """Change against dense in and out of distribution, at the sparsity that most rows have; empty: not run or n/a."""
    lines = [line for line in panel.lines if line.changes and line.name.timing and not line.name.control]
    if not lines:
        return None
    sparsities = [line.name.sparsity for line in lines]
    sparsity = max(sorted(set(sparsities)), key=sparsities.count)
    pruners = sorted({line.name.pruner for line in lines})
    archs = panel.archs
    conditions = list(panel.both)
    tables = []
    for condition in conditions:
        values = np.full((len(archs) * len(TIMINGS), len(pruners)), np.nan)
        for line in lines:
            if line.name.sparsity == sparsity and condition in line.changes:
                row = archs.index(line.arch) * len(TIMINGS) + TIMINGS.index(line.name.timing)
                values[row, pruners.index(line.name.pruner)] = float(line.changes[condition].mean)
        tables.append(values)
    top = float(np.nanmax(np.abs(np.array(tables)))) or 1.0
    size = (1.6 + 0.75 * len(pruners) * len(conditions) + 1.5, 1.6 + 0.3 * len(archs) * len(TIMINGS))
    figure, grid = plt.subplots(1, len(conditions), figsize=size, squeeze=False, layout="constrained", sharey=True)
    for axes, condition, values in zip(grid.flat, conditions, tables, strict=True):
        image = axes.imshow(values, cmap="PuOr", vmin=-top, vmax=top, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                colour = "white" if abs(value) > 0.65 * top else "black"
                axes.text(column, row, f"{value:+.1f}", ha="center", va="center", fontsize=7, color=colour)
        axes.set_xticks(range(len(pruners)), pruners, rotation=45, ha="right")
        axes.set_yticks(range(len(values)), [f"{arch} {timing}" for arch in archs for timing in TIMINGS])
        axes.grid(visible=False)
        axes.set_title(f"{condition}, sparsity {sparsity}")
    figure.colorbar(image, ax=grid.ravel().tolist(), label="change against dense, dB")
    return figure
