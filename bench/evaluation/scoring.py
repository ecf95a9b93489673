"""Reconstructing and scoring test volumes, one row per volume."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from bench.evaluation.lesions import lesion_metrics
from bench.evaluation.metrics import volume_metrics
from bench.evaluation.metrics.volume import Image
from bench.tracks.settings import EvaluationSettings
from datasets.annotations import Annotation
from datasets.boxes import Box, boxes_in
from datasets.samples import Preparation, Samples, crop_to_target, fully_sampled, prepare
from datasets.undersampling import seed_of_file
from datasets.volumes import Volume, by_hash, read_slices
from records.results import COUNTS

VERSION = 2
"""Of scoring; raised whenever the score of a given network changes."""
SLICES_AT_ONCE = 4

Reconstruct = Callable[[Samples], Tensor]
Progress = Callable[[Sequence[Volume]], Iterable[Volume]]
"""Wraps the list of volumes, to show progress."""
Metrics = dict[str, float | None]
Scores = dict[str, Metrics]
"""Metrics by volume name."""


@dataclass(frozen=True)
class TestData:
    """What is scored, and how it is prepared.

    Attributes
    ----------
    splits : mapping of str to tuple of Volume
    slices : mapping of str to tuple of int
        The slices scored of each volume, by its name.
    annotations : mapping of str to tuple of Annotation
        Of each volume with findings, by its name.
    preparation : Preparation
    device : torch.device
    """

    __test__ = False

    splits: Mapping[str, tuple[Volume, ...]]
    slices: Mapping[str, tuple[int, ...]]
    annotations: Mapping[str, tuple[Annotation, ...]]
    preparation: Preparation
    device: torch.device

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """Every volume once, in the order of their names."""
        return tuple(sorted({v for part in self.splits.values() for v in part}, key=lambda volume: volume.name))


@dataclass(frozen=True)
class TestVolume:
    """One volume, ready to be reconstructed.

    Attributes
    ----------
    samples : Samples
        Undersampled by the seed of the file name.
    complete : Samples
        The same before undersampling, for the oracle alone.
    target : ndarray
        ``(slices, rows, columns)`` in the file's units.
    """

    __test__ = False

    samples: Samples
    complete: Samples
    target: Image


def choose_volumes(volumes: Iterable[Volume], settings: EvaluationSettings) -> tuple[Volume, ...]:
    """At most ``settings.volumes`` volumes, by the hash of their names, so that a choice is fixed and arbitrary."""
    return tuple(sorted(by_hash(volumes)[: settings.volumes or None], key=lambda volume: volume.name))


def choose_slices(volume: Volume, annotations: Iterable[Annotation], most: int) -> tuple[int, ...]:
    """At most ``most`` slices of a volume (0 for all): those with boxes first, then those nearest to the middle.

    Slices that are zero are never among them.
    """
    marked = {row.slice for row in annotations if row.has_area and row.marks_finding}
    ordered = sorted(volume.filled, key=lambda i: (i not in marked, abs(i - (volume.slices - 1) / 2), i))
    return tuple(sorted(ordered[: most or None]))


def load_test_volume(volume: Volume, data: TestData) -> TestVolume:
    """Read and prepare the scored slices of a volume."""
    kspace, target = read_slices(volume, data.slices[volume.name])
    samples = prepare(volume, kspace, target, data.preparation, seed_of_file(volume.file_name))
    return TestVolume(samples, fully_sampled(volume, kspace, samples, data.preparation), target)


@torch.no_grad()
def reconstruct_volume(
    reconstruct: Reconstruct, samples: Samples, target: Image, device: torch.device
) -> tuple[Image, Image]:
    """Target and image ``(slices, rows, columns)`` in the file's units, cropped alike."""
    parts = [
        reconstruct(part.to(device)).cpu() * part.scale[:, None, None]
        for part in split_samples(samples, SLICES_AT_ONCE)
    ]
    image, truth = crop_to_target(torch.cat(parts), torch.from_numpy(target))
    return truth.numpy(), image.numpy().astype(np.float32)


def split_samples(samples: Samples, size: int) -> list[Samples]:
    """Chunks of at most ``size`` slices."""
    columns = [getattr(samples, f.name).split(size) for f in fields(samples)]
    return [Samples(*parts) for parts in zip(*columns, strict=True)]


def score(
    methods: Mapping[str, Reconstruct],
    data: TestData,
    progress: Progress = iter,
    oracles: Mapping[str, Reconstruct] | None = None,
) -> dict[str, Scores]:
    """Metrics of several methods on every test volume.

    Parameters
    ----------
    methods : mapping of str to callable
        Each gives ``(B, H, W)`` in scaled units from undersampled `Samples` on the device.
    data : TestData
    progress : callable
        Wraps the list of volumes, to show progress.
    oracles : mapping of str to callable, optional
        The same, given fully sampled data.

    Returns
    -------
    dict
        method → volume name → metric → value.

    Raises
    ------
    ArithmeticError
        If a method gives values that are not finite.
    """
    everyone = {**methods, **(oracles or {})}
    found: dict[str, Scores] = {name: {} for name in everyone}
    for volume in progress(data.volumes):
        loaded = load_test_volume(volume, data)
        for name, reconstruct in everyone.items():
            samples = loaded.samples if name in methods else loaded.complete
            truth, image = reconstruct_volume(reconstruct, samples, loaded.target, data.device)
            if not np.isfinite(image).all():
                raise ArithmeticError(f"{name} of {volume.name} is not finite")
            found[name][volume.name] = volume_metrics(truth, image)
            if volume.name in data.annotations:
                found[name][volume.name] |= lesion_metrics(truth, image, boxes_of(volume, truth, data))
    return found


def boxes_of(volume: Volume, target: Image, data: TestData) -> tuple[Box, ...]:
    """The boxes of findings in the scored slices of a volume."""
    rows = data.annotations.get(volume.name, ())
    _, height, width = target.shape
    return boxes_in(rows, data.slices[volume.name], volume.target_shape, (height, width))


def summarise(scores: Scores, splits: Mapping[str, tuple[Volume, ...]]) -> dict[str, Metrics]:
    """Means over the volumes of each split; a split of several anatomies also by anatomy.

    Figures inside boxes are means over the volumes that have boxes in the scored slices; boxes are summed.
    """
    result = {}
    for split, volumes in splits.items():
        anatomies = sorted({volume.anatomy for volume in volumes})
        parts = {split: volumes}
        if len(anatomies) > 1:
            parts |= {f"{split} ({a})": tuple(v for v in volumes if v.anatomy == a) for a in anatomies}
        for name, members in parts.items():
            rows = [scores[volume.name] for volume in members]
            shared = [key for key in rows[0] if all(key in row for row in rows)]
            means: Metrics = {key: _combine(key, [row[key] for row in rows]) for key in shared}
            result[name] = {**means, "volumes": len(members), "patients": len({v.patient for v in members})}
    return result


def _combine(key: str, values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if key in COUNTS:
        return sum(known)
    return float(np.mean(known)) if known else None
