"""A look at data: one picture of many volumes."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from datasets.annotations import Annotations
from datasets.boxes import Box, boxes_in
from datasets.slices import read_slices
from datasets.volumes import Volume
from registries.files import replacing

BOX_COLOUR = "#e69f00"
RESOLUTION = 100


def montage(path: Path, volumes: Sequence[Volume], annotations: Annotations | None, columns: int = 6) -> None:
    """Write a picture with one row per volume: slices from first to last, boxes of findings where there are any.

    Parameters
    ----------
    path : Path
        Of the PNG.
    volumes : sequence of Volume
    annotations : Annotations or None
    columns : int
        Slices per volume, at most.
    """
    figure = Figure(figsize=(1.9 * columns, 2.15 * len(volumes)), layout="constrained")
    grid = figure.subplots(len(volumes), columns, squeeze=False)
    for axes, volume in zip(grid, volumes, strict=True):
        slices = np.unique(np.linspace(0, volume.slices - 1, columns).round().astype(int)).tolist()
        _, target = read_slices(volume, slices)
        rows = annotations.of(volume) if annotations else ()
        boxes = boxes_in(rows, slices, volume.target_shape, volume.target_shape)
        for plane, (axis, index) in enumerate(zip(axes, slices, strict=False)):
            axis.imshow(target[plane], cmap="gray", vmin=0, vmax=float(np.quantile(target[plane], 0.997)))
            axis.set_title(f"slice {index}", fontsize=7)
            for box in boxes:
                if box.plane == plane:
                    draw_box(axis, box)
        for axis in axes:
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_frame_on(False)
        axes[0].set_ylabel(f"{volume.acquisition}\n{volume.patient[-16:]}", fontsize=7)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=RESOLUTION, format="png")


def spread(volumes: Sequence[Volume], most: int) -> list[Volume]:
    """At most so many volumes, taken in turn from each anatomy, folder and contrast."""
    groups: dict[tuple[str, str, str], list[Volume]] = {}
    for volume in volumes:
        groups.setdefault((volume.anatomy, volume.folder, volume.acquisition), []).append(volume)
    in_turn = [v for round_ in zip_longest(*groups.values()) for v in round_ if v is not None]
    return sorted(in_turn[:most], key=lambda volume: volume.name)


def draw_box(axis: Axes, box: Box, line: str = "-") -> None:
    """Outline a box on an image."""
    corner = (box.left - 0.5, box.top - 0.5)
    height, width = box.shape
    axis.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=BOX_COLOUR, linewidth=1, linestyle=line))
