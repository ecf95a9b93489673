"""The curves of a trial: those of all its stages, as one table and one picture."""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.store.curve import COLUMNS, CURVE, MEANS, Curve, cells_of, point_of, table_text
from bench.store.state import StageCost
from pruners import LearnMask, Stage, Train
from registries.files import replacing

PICTURE = "curves.png"
RESOLUTION = 130
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
PANELS = {
    "loss": "loss",
    "validation_psnr": "PSNR on\nvalidation (dB)",
    "learning_rate": "learning rate",
    "density": "density (%)",
    "gradient_norm": "gradient norm",
}
"""Columns that have a panel, with what stands beside it; the validation loss is drawn with the training loss."""
SMOOTH = 20
"""A running mean reaches one part in so many of a stage to either side."""
DECADE = 10
"""Losses and gradient norms are drawn on a logarithmic scale that span more than this factor."""
RATES_SHOWN = 1e-3
"""Of the peak of a stage: what falls below is not shown of a learning rate that ends at zero."""


@dataclass(frozen=True)
class StageCurve:
    """A stage of a trial.

    Attributes
    ----------
    number : int
        In the recipe, from 1.
    name : str
    first : int
        Its first step.
    steps : int
        Of optimisation.
    curve : Curve
        Empty if it takes no steps, or if a store of an earlier version kept it.
    """

    number: int
    name: str
    first: int
    steps: int
    curve: Curve

    @property
    def words(self) -> str:
        """Number and name, and what is missing."""
        lost = " (no curve: kept by an earlier version)" if self.steps and not self.curve else ""
        return f"{self.number}  {self.name}{lost}"


def stage_curves(stages: Sequence[Stage], costs: Sequence[StageCost]) -> list[StageCurve]:
    """The stages of a trial with what they recorded."""
    return [
        StageCurve(
            number,
            cost.name,
            stage.start if isinstance(stage, Train) else 0,
            cost.steps if isinstance(stage, Train | LearnMask) else 0,
            cost.curve,
        )
        for number, (stage, cost) in enumerate(zip(stages, costs, strict=True), start=1)
    ]


def write(folder: Path, stages: Sequence[StageCurve], title: str) -> None:
    """Write ``curve.csv``, all stages one below the other, and ``curves.png``."""
    rows = [[str(stage.number), stage.name, *cells_of(point)] for stage in stages for point in stage.curve]
    with replacing(folder / CURVE) as path:
        path.write_text(table_text(("stage", "name", *COLUMNS), rows), encoding="utf-8")
    with replacing(folder / PICTURE) as path:
        picture(stages, title).savefig(path, dpi=RESOLUTION, format="png")


def read(path: Path) -> dict[tuple[int, str], Curve]:
    """Curves by number and name of their stage, as `write` left them.

    Raises
    ------
    ValueError
        If the file holds something else.
    """
    found: dict[tuple[int, str], Curve] = {}
    with path.open(newline="", encoding="utf-8") as stream:
        for number, name, *cells in list(csv.reader(stream))[1:]:
            key = int(number), name
            found[key] = (*found.get(key, ()), point_of(cells))
    return found


def picture(stages: Sequence[StageCurve], title: str) -> Figure:
    """One panel for each quantity against the steps of all stages, one after the other."""
    figure = Figure(figsize=(9, 0.9 + 1.65 * len(PANELS) + 0.17 * len(stages)), layout="constrained")
    panels = dict(zip(PANELS, figure.subplots(len(PANELS), sharex=True), strict=True))
    for column, axes in panels.items():
        axes.set_ylabel(PANELS[column], fontsize=9)
        axes.tick_params(which="both", labelsize=8)
        axes.grid(alpha=0.25)
    before, labels = 0, dict[int, list[int]]()
    for place, stage in enumerate(stages):
        labels.setdefault(2 * before + stage.steps, []).append(stage.number)  # in the middle, in half steps
        if stage.steps:
            _draw(panels, stage, before, COLOURS[_optimisations(stages[:place]) % len(COLOURS)])
        before += stage.steps
    _number(panels["loss"], labels)
    _scale(panels, stages)
    panels["gradient_norm"].set_xlabel("optimizer steps of the trial, stage after stage", fontsize=9)
    panels["loss"].set_xlim(0, max(1, before))
    figure.suptitle(title, fontsize=11)
    _legend(figure, stages)
    return figure


def _optimisations(stages: Sequence[StageCurve]) -> int:
    return sum(stage.steps > 0 for stage in stages)


def _draw(panels: dict[str, Axes], stage: StageCurve, before: int, colour: str) -> None:
    """A stage in every panel."""
    steps = [before + point.step - stage.first + 1 for point in stage.curve]
    for column, axes in panels.items():
        axes.axvline(before, color="0.7", linewidth=0.6, zorder=0)
        if not stage.curve:
            axes.axvspan(before, before + stage.steps, facecolor="0.93", hatch="//", edgecolor="0.8", zorder=0)
        values = [getattr(point, column) for point in stage.curve]
        if column in MEANS:  # of single batches, which are noisy
            axes.plot(steps, values, color=colour, linewidth=0.7, alpha=0.35)
            axes.plot(steps, running_mean(values, len(values) // SMOOTH), color=colour, linewidth=1.3)
        elif column != "validation_psnr":
            axes.plot(steps, values, color=colour, linewidth=1.3)
    for column, axes in (("validation_loss", panels["loss"]), ("validation_psnr", panels["validation_psnr"])):
        pairs = [(step, v) for step, p in zip(steps, stage.curve, strict=True) if (v := getattr(p, column)) is not None]
        axes.plot(*zip(*pairs, strict=True) if pairs else ((), ()), **_marked(colour))


def running_mean(values: Sequence[float], reach: int) -> list[float]:
    """Means over each value and so many on either side, as far as there are."""
    parts = (values[max(0, place - reach) : place + reach + 1] for place in range(len(values)))
    return [math.fsum(part) / len(part) for part in parts]


def _marked(colour: str) -> dict[str, Any]:
    """How validation is drawn."""
    edge = {"markeredgecolor": "white", "markeredgewidth": 0.5}
    return {"color": colour, "linewidth": 0.8, "linestyle": "--", "marker": "o", "markersize": 4, **edge}


def _number(axes: Axes, labels: dict[int, list[int]]) -> None:
    """Numbers of the stages above the first panel; those that take no steps stand where they happen."""
    for halves, numbers in labels.items():
        words = f"{numbers[0]}–{numbers[-1]}" if len(numbers) > 2 else ", ".join(map(str, numbers))
        place = (halves / 2, 1.01)
        axes.annotate(words, place, xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=8)


def _scale(panels: dict[str, Axes], stages: Sequence[StageCurve]) -> None:
    """Axes that show what there is."""
    for column, axes in panels.items():
        values = [v for v in _values(stages, column) if v is not None and math.isfinite(v)]
        if not values:
            nothing = (
                "no validation patients" if column == "validation_psnr" and _values(stages, "loss") else "no curve"
            )
            axes.text(0.5, 0.5, nothing, transform=axes.transAxes, ha="center", va="center", color="0.4", fontsize=9)
        elif column != "validation_psnr" and 0 < DECADE * min(values) < max(values):
            axes.set_yscale("log")
    densities = _values(stages, "density")
    if densities and min(densities) > 0:
        panels["density"].set_yscale("log")
        panels["density"].set_ylim(min(densities) / 1.4, max(densities) * 1.4)
        panels["density"].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panels["density"].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}"))
        panels["density"].yaxis.set_minor_formatter(NullFormatter())
    peaks = [max(point.learning_rate for point in stage.curve) for stage in stages if stage.curve]
    if peaks and min(peaks) > 0:
        panels["learning_rate"].set_yscale("log")
        panels["learning_rate"].set_ylim(RATES_SHOWN * min(peaks), 2 * max(peaks))


def _values(stages: Sequence[StageCurve], column: str) -> list[float]:
    return [getattr(point, column) for stage in stages for point in stage.curve]


def _legend(figure: Figure, stages: Sequence[StageCurve]) -> None:
    """What the lines are, and the names of all stages below the panels."""
    styles = [
        Line2D([], [], color="0.3", linewidth=0.7, alpha=0.35, label="training batches"),
        Line2D([], [], color="0.3", linewidth=1.3, label="their running mean"),
        Line2D([], [], label="validation patients", **_marked("0.3")),
    ]
    figure.axes[0].legend(handles=styles, fontsize=7, loc="upper right", ncols=3)
    figure.legend(handles=[*_names(stages)], loc="outside lower left", fontsize=8, frameon=False)


def _names(stages: Sequence[StageCurve]) -> Iterator[Line2D]:
    for place, stage in enumerate(stages):
        colour = COLOURS[_optimisations(stages[:place]) % len(COLOURS)] if stage.steps else "none"
        yield Line2D([], [], color=colour, linewidth=2, label=stage.words)
