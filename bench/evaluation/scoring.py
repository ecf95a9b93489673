"""Reconstructing and scoring test volumes, one row per volume."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from bench.evaluation.lesions import lesion_metrics
from bench.evaluation.metrics import volume_metrics
from bench.evaluation.metrics.volume import Image
from bench.tracks.settings import EvaluationSettings
from datasets.annotations import Annotation
from datasets.boxes import Box, boxes_in
from datasets.samples import Preparation, Samples, crop_to_target, fully_sampled, noise_of, prepare
from datasets.slices import read_slices
from datasets.undersampling import seed_of_file
from datasets.volumes import Volume, by_hash
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

    def only(self, volume: Volume, place: int) -> "TestData":
        """The same with one of the scored slices of a volume, by its place among them."""
        return replace(self, slices={**self.slices, volume.name: (self.slices[volume.name][place],)})


@dataclass(frozen=True)
class TestSlices:
    """A few slices of a volume, ready to be reconstructed.

    Attributes
    ----------
    samples : Samples
        Undersampled by the seed of the file name, on the device.
    target : ndarray
        ``(slices, rows, columns)`` in the file's units.
    complete : callable
        Gives the samples before undersampling, for the oracle alone.
    """

    __test__ = False

    samples: Samples
    target: Image
    complete: Callable[[], Samples]


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


def slices_of(volume: Volume, data: TestData) -> Iterator[TestSlices]:
    """Read and prepare the scored slices of a volume, a few at a time: no more of them are in memory."""
    chosen, seed, preparation = data.slices[volume.name], seed_of_file(volume.file_name), data.preparation
    noise = noise_of(volume, len(chosen), preparation, seed)
    for first in range(0, len(chosen), SLICES_AT_ONCE):
        yield _ready(volume, chosen[first : first + SLICES_AT_ONCE], data, noise)


def _ready(volume: Volume, chosen: Sequence[int], data: TestData, noise: Iterator[Tensor]) -> TestSlices:
    read, target = read_slices(volume, chosen)
    kspace, shown = torch.from_numpy(read).to(data.device), torch.from_numpy(target).to(data.device)
    seed, preparation = seed_of_file(volume.file_name), data.preparation
    samples = prepare(volume, (kspace, shown), preparation, seed, noise=noise)
    return TestSlices(samples, target, partial(fully_sampled, volume, kspace, samples, preparation))


@torch.no_grad()
def reconstruct_volume(
    methods: Mapping[str, Reconstruct],
    volume: Volume,
    data: TestData,
    oracles: Mapping[str, Reconstruct] | None = None,
) -> tuple[Image, dict[str, Image]]:
    """Target, and the image of each method and oracle.

    Returns
    -------
    target : ndarray
        ``(slices, rows, columns)`` in the file's units, the scored slices.
    images : dict of str to ndarray
        The same, cropped like the target.
    """
    targets: list[Tensor] = []
    parts: dict[str, list[Tensor]] = defaultdict(list)
    for few in slices_of(volume, data):
        targets.append(torch.from_numpy(few.target))
        inputs = [(methods, few.samples), *([(oracles, few.complete())] if oracles else [])]
        for given, samples in inputs:
            for name, reconstruct in given.items():
                parts[name].append((reconstruct(samples) * samples.scale[:, None, None]).cpu())
        del few, inputs, given, samples  # before the next ones are read
    target, images = torch.cat(targets), {name: torch.cat(images) for name, images in parts.items()}
    cropped = {name: crop_to_target(image, target) for name, image in images.items()}
    truth = next(iter(cropped.values()))[1]
    return truth.numpy(), {name: image.numpy().astype(np.float32) for name, (image, _) in cropped.items()}


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
    found: dict[str, Scores] = {name: {} for name in (*methods, *(oracles or {}))}
    for volume in progress(data.volumes):
        truth, images = reconstruct_volume(methods, volume, data, oracles)
        for name, image in images.items():
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
