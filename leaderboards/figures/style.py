"""What all figures share: colours that most people can tell apart, and files without time stamps."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import matplotlib as mpl

mpl.use("Agg")
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#332288", "#882255")
"""After Okabe & Ito 2008 and Tol; shapes differ, too, for print in grey."""
PRUNERS = ("dense", "snip", "pun", "random", "magnitude", "grasp", "lottery", "synflow")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
FILLS: Mapping[str | None, Literal["full", "left", "none"]] = {
    None: "full",
    "at-init": "full",
    "while": "left",
    "after": "none",
}
"""How a marker shows the timing."""
DPI = 100
PALETTE = 128


@contextmanager
def styled() -> Iterator[None]:
    """Drawing in the style of the board; identifiers in SVG files do not depend on the moment."""
    # the font that comes with matplotlib: others are there on some machines only
    fonts = {"font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"]}
    with (
        sns.axes_style("whitegrid", rc=fonts),
        plt.rc_context({"svg.hashsalt": "pun-bench", "font.size": 9, "axes.titlesize": 10, "text.parse_math": False}),
    ):
        yield


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write ``name.svg`` and ``name.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    # a palette: the page holds all figures and should stay small
    Image.open(drawn).convert("RGB").quantize(PALETTE).save(folder / f"{name}.png", optimize=True)
    plt.close(figure)


def legend_below(figure: Figure, columns: int) -> None:
    """One legend for all plots of a figure, each entry once."""
    handles = {}
    for axes in figure.axes:
        found, texts = axes.get_legend_handles_labels()
        handles.update(dict(zip(texts, found, strict=True)))
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns, frameon=False)


def plots_for(names: Sequence[str], height: float) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a plot for each name, two beside each other."""
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    size = (5.2 * columns, height * rows)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    return figure, dict(zip(names, grid.flat, strict=False))


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name; a pruner has the same one in every figure."""
    return {name: OKABE_ITO[place % len(OKABE_ITO)] for name, place in _places(names).items()}


def markers(names: Sequence[str]) -> dict[str, str]:
    """A shape for each name, likewise."""
    return {name: MARKERS[place % len(MARKERS)] for name, place in _places(names).items()}


def _places(names: Sequence[str]) -> dict[str, int]:
    """Known pruners first, others after them."""
    others = sorted(set(names) - set(PRUNERS))
    return {name: [*PRUNERS, *others].index(name) for name in names}
