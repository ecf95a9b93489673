"""Where each method keeps its weights."""

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from leaderboards.board.values import Line, Panel
from leaderboards.figures.style import colours, legend_below, markers


def layer_densities(panel: Panel) -> Figure | None:
    """Kept fraction of each layer, rows at initialization, first seed; the layers in the order of the network."""
    at_init = [line for line in panel.lines if line.name.timing == "at-init" and not line.name.control]
    masks = {line.name: line.mask for line in at_init if line.mask}
    lines = [line for line in at_init if line.name in masks]
    archs = [arch for arch in panel.archs if any(line.arch == arch for line in lines)]
    if not archs:
        return None
    figure, grid = plt.subplots(len(archs), 1, figsize=(8.5, 3.1 * len(archs)), squeeze=False, layout="constrained")
    names = sorted({_name(line) for line in lines})
    hues, shapes = colours(names), markers(names)
    for axes, arch in zip(grid.flat, archs, strict=True):
        for line in sorted((line for line in lines if line.arch == arch), key=_name):
            kept = [layer.kept / layer.total for layer in masks[line.name].layers]
            name = _name(line)
            axes.plot(kept, color=hues[name], marker=shapes[name], markersize=3.5, linewidth=1, label=name)
        axes.set_title(arch)
        axes.set_xlabel("layer")
        axes.set_ylabel("fraction kept")
        axes.set_ylim(-0.03, 1.05)
    legend_below(figure, 5)
    return figure


def _name(line: Line) -> str:
    return f"{line.name.pruner} {line.name.sparsity}"
