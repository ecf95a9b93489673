"""Example slices: what pictures of trials, boards and reconstructions show, and the file they are kept in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from registries import RequestError
from registries.files import replacing

FILE = "examples.safetensors"
TARGET, ZERO_FILLED, CG_SENSE, DENSE, NETWORK = "target", "zero-filled", "CG-SENSE", "dense", "this network"
ORDER = (TARGET, ZERO_FILLED, CG_SENSE, DENSE, NETWORK)
KINDS = {NETWORK: "network"}
"""Names of images that the file spells otherwise: as it did before it held more than images."""
ABOUT = "examples"
"""One key holds all of the metadata: several would be written in any order."""

Array = npt.NDArray[np.float32]
Region = tuple[int, int, int, int]
"""Top, left, height, width."""


@dataclass(frozen=True)
class Example:
    """One slice, reconstructed in several ways.

    Attributes
    ----------
    images : mapping of str to ndarray
        ``(rows, columns)`` float32 of one shape and scale, by name and in the order of `ORDER`; the target only where
        there is one.
    place : str
        Where the slice comes from, e.g. ``knee · file1000001.h5 · slice 17 · 4×``.
    scores : mapping of str to mapping
        Of each image but the target ``psnr`` in dB and ``ssim``, of this slice; empty without a target.
    region : tuple of int or None
        Top, left, height and width of the zoomed part; None lets the picture choose.
    finding : str
        Label of the finding in the region, if there is one.

    Raises
    ------
    ValueError
        If the images are not finite or not of one shape, or the region does not lie within them.
    """

    images: Mapping[str, Array]
    place: str
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    region: Region | None = None
    finding: str = ""

    def __post_init__(self) -> None:
        shapes = {np.shape(image) for image in self.images.values()}
        if len(shapes) != 1 or len(self.shape) != 2 or 0 in self.shape:
            raise ValueError(f"the images of an example must be of one shape, not {sorted(shapes)}")
        if not all(np.isfinite(image).all() for image in self.images.values()):
            raise ValueError("the images of an example must be finite")
        if self.region is not None:
            top, left, height, width = self.region
            rows, columns = self.shape
            inside = min(top, left) >= 0 and min(height, width) > 0 and top + height <= rows and left + width <= columns
            if not inside:
                raise ValueError(f"the region {self.region} does not lie within {rows} × {columns} pixels")

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return np.shape(next(iter(self.images.values())))

    @property
    def target(self) -> Array | None:
        """The fully sampled image, where there is one."""
        return self.images.get(TARGET)


def write_examples(path: Path, examples: Mapping[str, Example]) -> None:
    """Keep examples by split: images as ``split.kind``, float32, everything else in the metadata; atomic."""
    images = {
        f"{split}.{KINDS.get(name, name)}": np.ascontiguousarray(image, np.float32)
        for split, example in examples.items()
        for name, image in example.images.items()
    }
    about = {
        split: {
            "images": list(example.images),
            "place": example.place,
            "scores": {name: dict(values) for name, values in example.scores.items()},
            "region": example.region,
            "finding": example.finding,
        }
        for split, example in examples.items()
    }
    with replacing(path) as temporary:
        safetensors.numpy.save_file(images, temporary, {ABOUT: json.dumps(about, ensure_ascii=False)})


def read_examples(path: Path) -> dict[str, Example]:
    """Examples by split; files of older trials hold target, zero-filled image and reconstruction alone.

    Raises
    ------
    RequestError
        Naming the file that cannot be read.
    """
    try:
        images = safetensors.numpy.load_file(path)
        with safetensors.safe_open(path, "np") as file:
            about = json.loads((file.metadata() or {}).get(ABOUT, "{}"))
        return {split: _example(split, images, about.get(split)) for split in about or _splits(images)}
    except Exception as error:  # whatever somebody's file holds
        raise RequestError(f"{path}: is not a valid file of example images ({type(error).__name__})") from None


def _splits(images: Mapping[str, Array]) -> list[str]:
    return sorted({key.partition(".")[0] for key in images})


def _example(split: str, images: Mapping[str, Array], about: Mapping[str, Any] | None) -> Example:
    keys = {name: f"{split}.{KINDS.get(name, name)}" for name in (about["images"] if about else ORDER)}
    if about is None:
        return Example({name: images[key] for name, key in keys.items() if key in images}, place=split)
    return Example(
        {name: images[key] for name, key in keys.items()},
        place=str(about["place"]),
        scores={name: {key: float(one) for key, one in found.items()} for name, found in about["scores"].items()},
        region=about["region"] and tuple(int(part) for part in about["region"]),
        finding=str(about["finding"]),
    )
