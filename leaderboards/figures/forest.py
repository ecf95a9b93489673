"""Forest plot: paired differences with their intervals, one line each."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from leaderboards.figures.style import styled
from leaderboards.rows.compare import Comparison

LOWER_IS_BETTER = ("nmse", "nmse_foreground", "hfen")
UNITS = {"psnr": "PSNR dB", "psnr_scaled": "PSNR after scaling, dB", "psnr_foreground": "PSNR of the foreground, dB"}
BETTER, WORSE, OPEN = "#0072B2", "#D55E00", "#595959"
"""Okabe & Ito's colours, distinguishable with fewer cone types as well; shapes also differ."""

AXES_WIDTH, LETTER_WIDTH = 5.0, 0.075
"""Inches: of the intervals, and of a letter of the names beside them."""


def forest_plot(path: Path, found: Sequence[Comparison], title: str) -> None:
    """Draw differences and 95 % intervals; written as the suffix of the path says.

    Parameters
    ----------
    path : Path
    found : sequence of Comparison
    title : str
    """
    with styled():
        figure = draw_forest(found, title)
        figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_forest(found: Sequence[Comparison], title: str, claims: Sequence[bool | None] | None = None) -> Figure:
    """The same as a figure.

    Parameters
    ----------
    found : sequence of Comparison
    title : str
    claims : sequence of (bool or None), optional
        Whether each one is confirmed; what is not stays grey. By default the intervals alone decide.
    """
    several = len({(one.a, one.b) for one in found}) > 1
    labels = [f"{one.a} − {one.b}, {one.condition}" if several else str(one.condition) for one in found]
    size = AXES_WIDTH + LETTER_WIDTH * max(map(len, labels)), 1.2 + 0.32 * len(found)
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    for place, one in enumerate(found):
        low, high = (float(end) for end in one.estimate.interval())
        mean = float(one.estimate.mean)
        up, down = ((WORSE, "v"), (BETTER, "^")) if one.metric in LOWER_IS_BETTER else ((BETTER, "^"), (WORSE, "v"))
        colour, marker = up if low > 0 else down if high < 0 else (OPEN, "o")
        if claims is not None and not claims[place]:
            colour, marker = OPEN, "o"
        if np.isfinite(low):
            axes.plot([low, high], [place, place], color=colour, linewidth=2)
        axes.plot([mean], [place], marker=marker, color=colour, markersize=7, linestyle="none")
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks(range(len(found)), labels)
    axes.set_ylim(len(found) - 0.5, -0.5)
    unit = UNITS.get(found[0].metric, found[0].metric)
    wording = "; ".join(dict.fromkeys(one.estimate.wording for one in found))
    axes.set_xlabel(f"{unit}, a − b, 95 % interval\n({wording})")
    axes.set_title(title, fontsize=10)
    return figure
