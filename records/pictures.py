"""Pictures for a paper: images side by side, one detail of each enlarged, their errors under one colour bar."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from records.drawing import (
    ERROR_COLOURS,
    ERROR_LABEL,
    FONT,
    SMALL,
    bar_top,
    grey_top,
    percent_error,
    save,
    show,
    styled,
)
from records.examples import TARGET, Array, Example, Region
from records.formats import FORMATS
from records.regions import detailed_region

__all__ = ["FORMATS", "comparison", "save"]

WIDTH = 7.0
"""Inches of the text of a page of two columns."""
LARGEST_CELL = 2.0
MOST = 6
"""Images side by side; more go on below."""
FLATTEST, TALLEST = 0.35, 1.5
"""Rows over columns between which an image fills its cell."""
GAP, PAD, LINE = 0.04, 0.06, 0.125
"""Inches between images, at the edges of the figure, and of a line of text."""
HEADING = 8.0
ZOOM_COLOUR = "#e69f00"


def comparison(examples: Sequence[Example], title: str) -> Figure:
    """Images of each example with PSNR and SSIM, one detail enlarged, and errors in percent of the maximum.

    Parameters
    ----------
    examples : sequence of Example
        One block each, one below the other; those without a target show neither errors nor scores.
    title : str
        Above all of them; may be empty.
    """
    most = max(len(band) for example in examples for band in _bands(example))
    cell = min(LARGEST_CELL, (WIDTH - 2 * PAD - (most - 1) * GAP) / most)
    width = 2 * PAD + most * cell + (most - 1) * GAP
    blocks = [_Block.of(example, cell, width) for example in examples]
    heading = _wrapped(title, width, HEADING)
    height = 2 * PAD + len(heading) * LINE * 1.2 + sum(block.height for block in blocks) + (len(blocks) - 1) * LINE
    with styled():
        sheet = _Sheet(Figure(figsize=(width, height)), width, height)
        top = PAD
        for line in heading:
            sheet.text(line, PAD, top, size=HEADING, weight="bold")
            top += LINE * 1.2
        for block in blocks:
            block.draw(sheet, top)
            top += block.height + LINE
    return sheet.figure


@dataclass(frozen=True)
class _Sheet:
    """A figure on which things are put by inches from the left and from above."""

    figure: Figure
    width: float
    height: float

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        bottom = 1 - (top + height) / self.height
        return self.figure.add_axes((left / self.width, bottom, width / self.width, height / self.height))

    def text(self, text: str, left: float, top: float, **options: Any) -> None:
        self.figure.text(left / self.width, 1 - top / self.height, text, **{"va": "top", **options})


@dataclass(frozen=True)
class _Block:
    """An example with all measures of its drawing, in inches.

    Attributes
    ----------
    example : Example
    region : tuple of int
        Enlarged.
    bands : tuple of tuple of str
        Names of the images, in rows.
    heading : tuple of str
        Lines above.
    cell, image, zoom : float
        Width of all images; height of the whole ones and of the enlarged ones.
    errors : mapping of str to ndarray
        Percent; empty without a target.
    white, white_enlarged, bar : float
        Values at the ends of the scales of grey and of errors; a detail of a dark tissue would be black in the first.
    """

    example: Example
    region: Region
    bands: tuple[tuple[str, ...], ...]
    heading: tuple[str, ...]
    cell: float
    image: float
    zoom: float
    errors: Mapping[str, npt.NDArray[np.float64]]
    white: float
    white_enlarged: float
    bar: float

    @classmethod
    def of(cls, example: Example, cell: float, width: float) -> "_Block":
        target = example.target
        reference = [*example.images.values()][-1] if target is None else target
        region = example.region or detailed_region(reference)
        finding = f"enlarged: {example.finding}" if example.finding else ""
        others = {} if target is None else {name: i for name, i in example.images.items() if name != TARGET}
        errors = {name: percent_error(reference, image) for name, image in others.items()}
        rows, columns = example.shape
        return cls(
            example=example,
            region=region,
            bands=_bands(example),
            heading=tuple(_wrapped(" · ".join(filter(None, (example.place, finding))), width, FONT)),
            cell=cell,
            image=cell * min(max(rows / columns, FLATTEST), TALLEST),
            zoom=cell * min(max(region[2] / region[3], FLATTEST), TALLEST),
            errors=errors,
            white=grey_top(reference),
            white_enlarged=grey_top(_part(reference, region)),
            bar=bar_top(max((float(error.max()) for error in errors.values()), default=0.0)),
        )

    @property
    def height(self) -> float:
        return len(self.heading) * LINE + sum(map(self._band_height, self.bands)) + (len(self.bands) - 1) * LINE

    def _names(self, band: Sequence[str]) -> list[list[str]]:
        return [_split_name(name, self.cell) for name in band]

    def _band_height(self, band: Sequence[str]) -> float:
        lines = max(map(len, self._names(band))) + bool(self.example.scores)
        return lines * LINE + self.image + GAP + self.zoom + (GAP + self.image if self.errors else 0)

    def draw(self, sheet: _Sheet, top: float) -> None:
        for number, line in enumerate(self.heading):
            sheet.text(line, PAD, top + number * LINE)
        top += len(self.heading) * LINE
        for band in self.bands:
            self._draw_band(sheet, band, top)
            top += self._band_height(band) + LINE

    def _draw_band(self, sheet: _Sheet, band: Sequence[str], top: float) -> None:
        names = self._names(band)
        lines = max(map(len, names))
        for column, (name, words) in enumerate(zip(band, names, strict=True)):
            x, y = PAD + column * (self.cell + GAP), top
            middle = x + self.cell / 2
            for number, word in enumerate(words, start=lines - len(words)):
                sheet.text(word, middle, y + number * LINE, ha="center")
            y += lines * LINE
            image = self.example.images[name]
            axes = sheet.axes(x, y, self.cell, self.image)
            show(axes, image, self.white)
            if name == next(iter(self.example.images)):
                _outline(axes, self.region)
            y += self.image
            if self.example.scores:
                sheet.text(_score_text(name, self.example.scores), middle, y + 0.02, ha="center", size=SMALL)
                y += LINE
            y += GAP
            axes = sheet.axes(x, y, self.cell, self.zoom)
            show(axes, _part(image, self.region), self.white_enlarged)
            _frame(axes)
            y += self.zoom + GAP
            if name in self.errors:
                show(sheet.axes(x, y, self.cell, self.image), self.errors[name], self.bar, ERROR_COLOURS)
            elif self.errors:
                self._draw_bar(sheet, x, y)

    def _draw_bar(self, sheet: _Sheet, left: float, top: float) -> None:
        """The colour bar, where the error of the target would be."""
        wide = 0.8 * self.cell
        middle = top + self.image / 2
        axes = sheet.axes(left + (self.cell - wide) / 2, middle, wide, 0.08)
        axes.imshow(np.linspace(0, 1, 256)[None], cmap=ERROR_COLOURS, aspect="auto", extent=(0, self.bar, 0, 1))
        axes.set_yticks([])
        ticks = (0, self.bar / 2, self.bar)
        axes.set_xticks(ticks, [f"{tick:.4g}" for tick in ticks])
        axes.tick_params(labelsize=SMALL, length=2, width=0.5, pad=1.5)
        for spine in axes.spines.values():
            spine.set_linewidth(0.5)
        sheet.text(ERROR_LABEL, left + self.cell / 2, middle - 0.03, ha="center", va="bottom", size=SMALL)


def _bands(example: Example) -> tuple[tuple[str, ...], ...]:
    """Names of images in rows of nearly equal length."""
    names = tuple(example.images)
    rows = -(-len(names) // MOST)
    most = -(-len(names) // rows)
    return tuple(names[first : first + most] for first in range(0, len(names), most))


def _score_text(name: str, scores: Mapping[str, Mapping[str, float]]) -> str:
    if name == TARGET:
        return "PSNR / SSIM of the slice"
    found = scores.get(name, {})
    parts = [f"{found['psnr']:.2f} dB"] if "psnr" in found else []
    return " / ".join([*parts, *([f"{found['ssim']:.4f}"] if "ssim" in found else [])])


def _part(image: Array, region: Region) -> Array:
    top, left, height, width = region
    return image[top : top + height, left : left + width]


def _frame(axes: Axes) -> None:
    """In the colour of the outline, so that one sees what is enlarged."""
    for spine in axes.spines.values():
        spine.set(visible=True, color=ZOOM_COLOUR, linewidth=0.8)


def _outline(axes: Axes, region: Region) -> None:
    top, left, height, width = region
    axes.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor=ZOOM_COLOUR, linewidth=0.8))


def _letters(inches: float, size: float) -> int:
    """How many letters of a size find room: of this font one is 0.6 of its size wide, on average."""
    return max(8, int(inches * 72 / (0.6 * size)))


def _wrapped(text: str, width: float, size: float) -> list[str]:
    return textwrap.wrap(text, _letters(width - 2 * PAD, size))


def _split_name(name: str, cell: float) -> list[str]:
    """A name in lines that fit above an image, broken between its parts where it has any."""
    most, lines = _letters(cell, FONT), [""]
    for part in re.findall(r"[^/ @+,]*[/ @+,]?", name):
        if lines[-1] and len(lines[-1]) + len(part) > most:
            lines.append("")
        lines[-1] += part
    return [piece for line in lines for piece in textwrap.wrap(line, most)] or [""]
