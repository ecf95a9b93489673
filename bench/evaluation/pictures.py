"""The pictures beside a record."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.evaluation.baselines import zero_filled_image
from bench.evaluation.metrics.volume import Image
from bench.evaluation.scoring import (
    Reconstruct,
    TestData,
    boxes_of,
    reconstruct_volume,
)
from datasets.boxes import Box, sham_boxes
from datasets.preview import draw_box
from datasets.volumes import Volume
from records.results import Layer
from registries.files import replacing

ERROR_GAIN = 5
RESOLUTION = 130


def reconstructions(path: Path, found: Mapping[str, Mapping[str, Image]], title: str) -> None:
    """Target, zero-filled, network and its error × 5 of each example."""
    figure = Figure(figsize=(12, 3.1 * len(found)), layout="constrained")
    grid = figure.subplots(len(found), 4, squeeze=False)
    for axes, (name, example) in zip(grid, found.items(), strict=True):
        _reconstruction_row(axes, name, example)
    figure.suptitle(title)
    _save(figure, path)


def findings(path: Path, network: Reconstruct, test: TestData, title: str) -> None:
    """Target, network and error × 5 with the boxes of findings (solid) and sham boxes (dashed).

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
    figure = Figure(figsize=(10, 3.6 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 3, squeeze=False)
    for axes, (target, found, boxes) in zip(grid, rows.values(), strict=True):
        plane = boxes[0].plane
        top = float(np.quantile(target[plane], 0.998))
        error = ERROR_GAIN * np.abs(found - target)
        shown = [(box, "-") for box in boxes] + [(sham, "--") for group in sham_boxes(target, boxes) for sham in group]
        panels = {"target": target, "network": found, f"error × {ERROR_GAIN}": error}
        for axis, (label, image) in zip(axes, panels.items(), strict=True):
            _show(axis, image[plane : plane + 1], top)
            axis.set_title(label, fontsize=10)
            for box, line in shown:
                if box.plane == plane:
                    draw_box(axis, box, line)
        axes[0].set_xlabel("\n".join(sorted({box.label for box in boxes if box.plane == plane})), fontsize=8)
    figure.suptitle(title)
    _save(figure, path)


def layers(path: Path, kept: Sequence[Layer], title: str) -> None:
    """Kept fraction of each layer, in the order of the network."""
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
    _save(figure, path)


def examples(network: Reconstruct, test: TestData) -> dict[str, dict[str, Image]]:
    """Target, zero-filled image and reconstruction ``(1, rows, columns)`` of one slice of each split."""
    return {split: _example(volumes[0], network, test) for split, volumes in test.splits.items()}


def write_examples(path: Path, found: Mapping[str, Mapping[str, Image]]) -> None:
    """Keep example images as ``split.kind`` in a safetensors file, float32 in the file's units."""
    images = {
        f"{split}.{kind}": np.ascontiguousarray(image[0], np.float32)
        for split, kinds in found.items()
        for kind, image in kinds.items()
    }
    with replacing(path) as temporary:
        safetensors.numpy.save_file(images, temporary)


def _example(volume: Volume, network: Reconstruct, test: TestData) -> dict[str, Image]:
    middle = test.only(volume, len(test.slices[volume.name]) // 2)
    target, found = reconstruct_volume({"zero-filled": zero_filled_image, "network": network}, volume, middle)
    return {"target": target, **found}


def _reconstruction_row(axes: Sequence[Axes], name: str, example: Mapping[str, Image]) -> None:
    top = float(np.quantile(example["target"], 0.998))
    error = ERROR_GAIN * np.abs(example["network"] - example["target"])
    for axis, (label, image) in zip(axes, {**example, f"error × {ERROR_GAIN}": error}.items(), strict=True):
        _show(axis, image, top)
        axis.set_title(f"{name}: {label}" if label == "target" else label, fontsize=10)


def _show(axis: Axes, image: Image, top: float) -> None:
    axis.imshow(image[0], cmap="gray", vmin=0, vmax=top)
    axis.set_xticks([])
    axis.set_yticks([])


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=RESOLUTION, format="png")
