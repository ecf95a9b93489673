"""The pictures beside a record, and the example slices they show."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.evaluation.metrics import metrics
from bench.evaluation.metrics.volume import Image, Pair
from bench.evaluation.scoring import Reconstruct, TestData, boxes_of, reconstruct_volume
from datasets.boxes import Box, sham_boxes
from datasets.preview import draw_box
from datasets.volumes import Volume
from records.drawing import (
    ERROR_COLOURS,
    ERROR_LABEL,
    bar_top,
    grey_top,
    percent_error,
    save,
    show,
    styled,
)
from records.examples import TARGET, Example
from records.regions import region_around
from records.results import Layer

SCORES = ("psnr", "ssim")
"""Under each image."""


def examples(methods: Mapping[str, Reconstruct], test: TestData) -> dict[str, Example]:
    """One slice of each split with the image of each method, preferably of different volumes and with a finding.

    Parameters
    ----------
    methods : mapping of str to callable
        By the names of `records.examples.ORDER`, in that order.
    test : TestData
    """
    found: dict[str, Example] = {}
    shown: set[str] = set()
    for split, volumes in test.splits.items():
        volume = min(volumes, key=lambda one: (one.name in shown, not _marked(one, test)))
        shown.add(volume.name)
        found[split] = _example(split, volume, methods, test)
    return found


def findings(path: Path, network: Reconstruct, test: TestData, title: str) -> None:
    """Target, network and error with the boxes of findings (solid) and sham boxes (dashed).

    One row for the first volume of each anatomy that has boxes in the scored slices; no file if none has.
    """
    rows: dict[str, tuple[Image, Image, tuple[Box, ...]]] = {}
    for volume in test.volumes:
        if volume.name in test.annotations and volume.anatomy not in rows:
            target, images = reconstruct_volume({"network": network}, volume, test)
            boxes = boxes_of(volume, target, test)
            if boxes:
                rows[volume.anatomy] = (target, images["network"], boxes)
    if not rows:
        path.unlink(missing_ok=True)
        return
    with styled():
        figure = Figure(figsize=(7, 2.6 * len(rows)), layout="constrained")
        grid = figure.subplots(len(rows), 3, squeeze=False)
        for axes, (target, found, boxes) in zip(grid, rows.values(), strict=True):
            _findings_row(axes, target, found, boxes)
        figure.suptitle(f"{title}\nfindings: solid; sham boxes: dashed")
    save(figure, path)


def layers(path: Path, kept: Sequence[Layer], title: str) -> None:
    """Kept fraction of each layer, in the order of the network."""
    with styled():
        figure = _layers(kept, title)
    save(figure, path)


def _layers(kept: Sequence[Layer], title: str) -> Figure:
    figure = Figure(figsize=(max(5.0, 0.22 * len(kept) + 2), 3.6), layout="constrained")
    axes = figure.subplots()
    fractions = [layer.kept / layer.total for layer in kept]
    axes.bar(range(len(kept)), fractions, color="#0072b2")
    few = len(kept) <= 12
    for index, (layer, fraction) in enumerate(zip(kept, fractions, strict=True)):
        if few:
            axes.annotate(f"{fraction:.1%}\n{layer.kept:,}", (index, fraction), ha="center", va="bottom", fontsize=7)
    overall = sum(layer.kept for layer in kept) / sum(layer.total for layer in kept)
    axes.axhline(overall, color="#d55e00", linestyle="--", linewidth=1, zorder=0, label=f"overall {overall:.1%}")
    labels = [layer.name.removesuffix(".weight") for layer in kept]
    axes.set_xticks(range(len(kept)), labels, rotation=30 if few else 90, ha="right", fontsize=7 if few else 5)
    axes.set_ylabel("fraction of weights kept")
    axes.set_ylim(0, max(fractions) * 1.25)
    axes.legend(loc="upper right", fontsize=8)
    axes.set_title(title)
    return figure


def _marked(volume: Volume, test: TestData) -> list[int]:
    """Places among the scored slices of a volume that have boxes of findings."""
    rows = test.annotations.get(volume.name, ())
    marked = {row.slice for row in rows if row.has_area and row.marks_finding}
    return [place for place, index in enumerate(test.slices[volume.name]) if index in marked]


def _example(split: str, volume: Volume, methods: Mapping[str, Reconstruct], test: TestData) -> Example:
    """The scored slice nearest to the middle, of those with findings if there are any; there the smallest finding."""
    slices = test.slices[volume.name]
    middle = len(slices) // 2
    place = min(_marked(volume, test) or [middle], key=lambda one: abs(one - middle))
    only = test.only(volume, place)
    target, images = reconstruct_volume(methods, volume, only)
    # a large one would be enlarged least, and a small one is lost first
    box = min(boxes_of(volume, target, only), key=lambda one: one.shape[0] * one.shape[1], default=None)
    acceleration = test.preparation.undersampling.acceleration
    return Example(
        images={name: image[0].astype(np.float32) for name, image in {TARGET: target, **images}.items()},
        place=f"{split} · {volume.file_name} · slice {slices[place]} · {acceleration}×",
        scores={name: _scores(target, image) for name, image in images.items()},
        region=region_around((box.top, box.left, *box.shape), target[0]) if box else None,
        finding=box.label if box else "",
    )


def _scores(target: Image, image: Image) -> dict[str, float]:
    pair = Pair.of(target, image)
    return {name: float(metrics.get(name).measure(pair)) for name in SCORES}


def _findings_row(axes: Sequence[Axes], target: Image, found: Image, boxes: Sequence[Box]) -> None:
    plane = boxes[0].plane
    error = percent_error(target[plane], found[plane])
    white, bar = grey_top(target[plane]), bar_top(float(error.max()))
    show(axes[0], target[plane], white)
    show(axes[1], found[plane], white)
    drawn = show(axes[2], error, bar, ERROR_COLOURS)
    axes[2].figure.colorbar(drawn, ax=axes[2], label=ERROR_LABEL, shrink=0.8)
    shown = [(box, "-") for box in boxes] + [(sham, "--") for group in sham_boxes(target, boxes) for sham in group]
    for axis, label in zip(axes, ("target", "this network", "error"), strict=True):
        axis.set_title(label)
        for box, line in shown:
            if box.plane == plane:
                draw_box(axis, box, line)
    axes[0].set_xlabel("\n".join(sorted({box.label for box in boxes if box.plane == plane})))
