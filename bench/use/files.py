"""Reconstructing files: any volume in fastMRI's layout, in, and fastMRI's submission layout, out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from tqdm import tqdm

from bench.evaluation.baselines import zero_filled_image
from bench.evaluation.metrics import MAIN, volume_metrics
from bench.evaluation.metrics.volume import Image
from bench.evaluation.scoring import SLICES_AT_ONCE, Reconstruct
from bench.machine import signals
from bench.networks.reconstruct import in_units_of_data
from bench.use.network import TrainedNetwork
from datasets.errors import DataError
from datasets.samples import Preparation, crop_to_target
from datasets.scans import Scan, open_scan, samples_of
from records.examples import CG_SENSE, DENSE, NETWORK, TARGET, ZERO_FILLED, Example
from registries.files import replacing

RECONSTRUCTION = "reconstruction"


@dataclass(frozen=True, eq=False)
class Reconstructed:
    """A volume as a network and two baselines show it.

    Attributes
    ----------
    scan : Scan
    images : dict of str to ndarray
        ``(slices, rows, columns)`` by method, float32 in the units of the file, cropped as fastMRI does.
    target : ndarray or None
        The same, where the file has one.
    sampling : str
        How it was sampled, in words.
    """

    scan: Scan
    images: dict[str, Image]
    target: Image | None
    sampling: str

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """Of the volume, by method; empty without a target."""
        if self.target is None:
            return {}
        found = {name: volume_metrics(self.target, image) for name, image in self.images.items()}
        return {name: _known(scores, MAIN) for name, scores in found.items()}

    def example(self, place: int) -> Example:
        """One of the slices, to be drawn."""
        images = {name: image[place] for name, image in self.images.items()}
        if self.target is None or not self.target[place].any():
            return Example(images, self._name(place), {})
        truth = self.target[place : place + 1]
        scores = {name: volume_metrics(truth, image[None]) for name, image in images.items()}
        shown = {name: _known(values, ("psnr", "ssim")) for name, values in scores.items()}
        return Example({TARGET: truth[0], **images}, self._name(place), shown)

    def _name(self, place: int) -> str:
        return f"{self.scan.path.name} · slice {place} · {self.sampling}"


def _known(scores: Mapping[str, float | None], metrics: Sequence[str]) -> dict[str, float]:
    return {name: value for name in metrics if (value := scores[name]) is not None}


@torch.no_grad()
def reconstruct_file(
    trained: TrainedNetwork, path: Path, acceleration: int | None = None, dense: TrainedNetwork | None = None
) -> Reconstructed:
    """Reconstruct a volume, a few slices at a time.

    Parameters
    ----------
    trained : TrainedNetwork
    path : Path
    acceleration : int, optional
        By which a fully sampled volume is undersampled, instead of the trial's.
    dense : TrainedNetwork, optional
        Is shown beside it.

    Raises
    ------
    DataError
        Naming the file, if it is no such volume, or is asked to be undersampled and is already.
    """
    scan = open_scan(path)
    preparation = preparation_for(scan, trained, acceleration)
    methods: dict[str, Reconstruct] = {ZERO_FILLED: zero_filled_image}
    if trained.cg_sense:
        methods[CG_SENSE] = trained.cg_sense
    if dense:
        methods[DENSE] = dense.network
    methods[NETWORK] = trained.network
    trained.set_numerics()
    images: dict[str, list[Image]] = {name: [] for name in methods}
    targets: list[Image] = []
    for few in _parts(scan):
        read = scan.read(few)
        samples = samples_of(scan, read, preparation, trained.device)
        shape = torch.empty(len(few), *scan.shown)
        for name, method in methods.items():
            found = in_units_of_data(method(samples), samples).to("cpu", torch.float32)
            images[name].append(crop_to_target(found, shape)[0].numpy())
            if not np.isfinite(images[name][-1]).all():
                raise DataError(path, None, f"gives values that are not finite with {name}")
        if read[1] is not None:
            shown = torch.from_numpy(images[NETWORK][-1])
            targets.append(crop_to_target(shown, torch.from_numpy(read[1]))[1].numpy())
    return Reconstructed(
        scan,
        {name: np.concatenate(parts) for name, parts in images.items()},
        np.concatenate(targets) if targets else None,
        _sampling(scan, preparation),
    )


def preparation_for(scan: Scan, trained: TrainedNetwork, acceleration: int | None) -> Preparation:
    """How a file becomes samples for a network.

    Raises
    ------
    DataError
        If it is asked to be undersampled and is already.
    """
    if scan.mask is not None and acceleration is not None:
        raise DataError(scan.path, None, "is undersampled already; reconstruct it without another acceleration")
    return trained.preparation(acceleration)


def write_volume(path: Path, found: Reconstructed, trained: TrainedNetwork) -> None:
    """Write fastMRI's submission layout: ``reconstruction`` (slices, rows, columns), float32."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset(RECONSTRUCTION, data=found.images[NETWORK])
        file.attrs.update({"network": str(trained.record.row), "sampling": found.sampling})


def _parts(scan: Scan) -> Iterator[list[int]]:
    slices = range(scan.shape[0])
    bar = tqdm(total=len(slices), desc=scan.path.name, unit="slice", leave=False)
    with bar:
        for first in range(0, len(slices), SLICES_AT_ONCE):
            signals.check()
            few = list(slices[first : first + SLICES_AT_ONCE])
            yield few
            bar.update(len(few))


def _sampling(scan: Scan, preparation: Preparation) -> str:
    if scan.mask is None:
        undersampling = preparation.undersampling
        return f"{undersampling.acceleration}× {undersampling.pattern}"
    first, last = scan.acquired
    inside = scan.mask[..., first:last]
    return f"{inside.numel() / int(inside.sum()):.1f}× as measured"
