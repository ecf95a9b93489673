"""The curve of an optimisation: what it recorded on its way, as a table."""

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

CURVE = "curve.csv"


class Point(NamedTuple):
    """A row: a step, or in long stages a window of steps that ends with it.

    Attributes
    ----------
    step : int
        Of the nominal schedule, counted from 0; of a search, its own.
    loss : float
        Training loss, mean over the window; of a mask search with the divergence.
    learning_rate : float
        In this step; of a mask search, that of the logits.
    density : float
        Fraction of the prunable weights that is kept; of a mask search, the mean probability of its gates.
    gradient_norm : float
        Of all gradients before they are clipped, mean over the window; of a mask search, by the logits.
    seconds : float
        Of the stage so far, interruptions and validation left out.
    validation_loss, validation_psnr : float or None
        On the validation patients after this step (dB), where they were looked at; of a mask search, under the mask
        that it would end with.
    """

    step: int
    loss: float
    learning_rate: float
    density: float
    gradient_norm: float
    seconds: float
    validation_loss: float | None = None
    validation_psnr: float | None = None


Curve = tuple[Point, ...]
COLUMNS = Point._fields
MEANS = ("loss", "gradient_norm")
"""Columns that are means over a window."""


def point_at(curve: Curve, step: int) -> Point | None:
    """The row of a step, if one ends there."""
    return next((point for point in curve if point.step == step), None)


def cells_of(point: Point) -> list[str]:
    """A row as text from which the very same numbers come back."""
    return ["" if value is None else repr(value) for value in point]


def point_of(cells: Sequence[str]) -> Point:
    """What `cells_of` wrote.

    Raises
    ------
    ValueError
        If it is something else.
    """
    step, *values = cells
    if len(cells) != len(COLUMNS):
        raise ValueError(f"{len(cells)} columns instead of {len(COLUMNS)}")
    return Point(int(step), *(float(value) for value in values[:5]), *(float(v) if v else None for v in values[5:]))


def table_text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as comma-separated values."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([header, *rows])
    return stream.getvalue()


def curve_text(curve: Curve) -> str:
    """A curve as comma-separated values."""
    return table_text(COLUMNS, [cells_of(point) for point in curve])


def curve_of(text: str) -> Curve:
    """What `curve_text` wrote; raises as `point_of`."""
    return tuple(point_of(cells) for cells in list(csv.reader(io.StringIO(text)))[1:])
