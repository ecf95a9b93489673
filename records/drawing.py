"""What all pictures share: style, scales of grey and of errors, and files of equal bytes for equal figures."""

import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from records.examples import Array
from records.formats import FORMATS
from registries import RequestError
from registries.files import replacing

RESOLUTION = 200
ERROR_COLOURS = "inferno"
ERROR_LABEL = "|error|, % of maximum"
STEPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0)
"""Where colour bars may end, times a power of ten."""
FONT, SMALL = 7.0, 6.0
STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # it comes with matplotlib: others are on some machines only
    "font.size": FONT,
    "text.parse_math": False,  # a name may hold two dollar signs
    "svg.hashsalt": "pun-bench",
    "pdf.fonttype": 42,
}
WITHOUT_DATES: Mapping[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def styled() -> AbstractContextManager[None]:
    """Drawing in the style of these pictures, whatever the settings of the user are."""
    return style.context(["default", STYLE])


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the suffix names, atomically; the same figure gives the same bytes.

    Raises
    ------
    RequestError
        If the suffix is none of `FORMATS`.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise RequestError(f"{path}: cannot be written as a picture; use a name that ends in .{', .'.join(FORMATS)}")
    with styled(), replacing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a file name in letters that the font lacks
        for axes in figure.axes:
            for image in axes.images:
                image.set_interpolation(_interpolation(axes, image, kind))
        figure.savefig(temporary, format=kind, dpi=RESOLUTION, metadata=WITHOUT_DATES[kind])


def percent_error(target: Array, image: Array) -> npt.NDArray[np.float64]:
    """|image − target| in percent of the largest value of the target."""
    difference = np.abs(image.astype(np.float64) - target)
    return 100 * difference / (float(target.max()) or 1.0)


def bar_top(largest: float) -> float:
    """Where a colour bar ends that holds an error: at the next round number."""
    if largest <= 0:
        return 1.0
    power = float(10.0 ** np.floor(np.log10(largest)))
    return next(step * power for step in STEPS if step * power >= largest)


def grey_top(image: Array) -> float:
    """Value shown in white."""
    return float(np.quantile(image, 0.998)) or 1.0


def show(axes: Axes, image: npt.NDArray[np.floating[Any]], top: float, colours: str = "gray") -> AxesImage:
    """Draw an image from 0 to ``top``, without ticks and frame."""
    drawn = axes.imshow(image, cmap=colours, vmin=0, vmax=top)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return drawn


def _interpolation(axes: Axes, image: AxesImage, kind: str) -> str:
    """The pixels themselves, unless there are more of them than the picture has."""
    if kind != "png":
        return "none"
    shown = axes.get_window_extent().width * RESOLUTION / axes.figure.dpi
    return "nearest" if image.get_size()[1] <= shown else "antialiased"
