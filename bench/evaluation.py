"""Reconstructing and scoring test volumes, one row per volume."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from bench.metrics import METRICS, Image, volume_metrics
from bench.settings import EvaluationSettings
from bench.training_data import central_slices
from datasets.samples import Preparation, Samples, crop_to_target, prepare
from datasets.undersampling import seed_of_file
from datasets.volumes import Volume, read_slices

SLICES_AT_ONCE = 4

Reconstruct = Callable[[Samples], Tensor]
Scores = dict[str, dict[str, float]]
"""Metrics by volume name."""


@dataclass(frozen=True)
class TestData:
    """What is scored, and how it is prepared.

    Attributes
    ----------
    splits : mapping of str to tuple of Volume
    slices : int
        Central slices of each volume; 0 for all.
    preparation : Preparation
    device : torch.device
    """

    __test__ = False

    splits: Mapping[str, tuple[Volume, ...]]
    slices: int
    preparation: Preparation
    device: torch.device

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """Every volume once, in the order of their names."""
        return tuple(sorted({v for part in self.splits.values() for v in part}, key=lambda volume: volume.name))


def choose_volumes(volumes: Iterable[Volume], settings: EvaluationSettings) -> tuple[Volume, ...]:
    """At most ``settings.volumes`` volumes, by the hash of their names, so that a choice is fixed and arbitrary."""
    ordered = sorted(volumes, key=lambda volume: hashlib.sha256(volume.name.encode()).hexdigest())
    return tuple(sorted(ordered[: settings.volumes or None], key=lambda volume: volume.name))


def load_test_volume(volume: Volume, data: TestData) -> tuple[Samples, Image]:
    """The chosen slices of a volume, undersampled by its file name, and the target in the file's units."""
    kspace, target = read_slices(volume, central_slices(volume.slices, data.slices))
    return prepare(volume, kspace, target, data.preparation, seed_of_file(volume.file_name)), target


@torch.no_grad()
def reconstruct_volume(
    reconstruct: Reconstruct, samples: Samples, target: Image, data: TestData
) -> tuple[Image, Image]:
    """Target and image ``(slices, rows, columns)`` in the file's units, cropped alike."""
    parts = [
        reconstruct(part.to(data.device)).cpu() * part.scale[:, None, None]
        for part in split_samples(samples, SLICES_AT_ONCE)
    ]
    image, truth = crop_to_target(torch.cat(parts), torch.from_numpy(target))
    return truth.numpy(), image.numpy().astype(np.float32)


def split_samples(samples: Samples, size: int) -> list[Samples]:
    """Chunks of at most ``size`` slices."""
    columns = [getattr(samples, f.name).split(size) for f in fields(samples)]
    return [Samples(*parts) for parts in zip(*columns, strict=True)]


def score(
    methods: Mapping[str, Reconstruct], data: TestData, progress: Callable[[Sequence[Volume]], Iterable[Volume]]
) -> dict[str, Scores]:
    """Metrics of several methods on every test volume.

    Parameters
    ----------
    methods : mapping of str to callable
        Each gives ``(B, H, W)`` in scaled units from `Samples` on the device.
    data : TestData
    progress : callable
        Wraps the list of volumes, to show progress.

    Returns
    -------
    dict
        method → volume name → metric → value.

    Raises
    ------
    ArithmeticError
        If a method gives values that are not finite.
    """
    found: dict[str, Scores] = {name: {} for name in methods}
    for volume in progress(data.volumes):
        samples, target = load_test_volume(volume, data)
        for name, reconstruct in methods.items():
            truth, image = reconstruct_volume(reconstruct, samples, target, data)
            if not np.isfinite(image).all():
                raise ArithmeticError(f"{name} of {volume.name} is not finite")
            found[name][volume.name] = volume_metrics(truth, image)
    return found


def summarise(scores: Scores, splits: Mapping[str, tuple[Volume, ...]]) -> dict[str, dict[str, float]]:
    """Means over the volumes of each split; a split of several anatomies also by anatomy."""
    result = {}
    for split, volumes in splits.items():
        anatomies = sorted({volume.anatomy for volume in volumes})
        parts = {split: volumes}
        if len(anatomies) > 1:
            parts |= {f"{split} ({a})": tuple(v for v in volumes if v.anatomy == a) for a in anatomies}
        for name, members in parts.items():
            means = {metric: float(np.mean([scores[v.name][metric] for v in members])) for metric in METRICS}
            result[name] = {**means, "volumes": len(members), "patients": len({v.patient for v in members})}
    return result
