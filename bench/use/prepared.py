"""Slices of a file as arrays, ready for a network."""

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch

from bench.evaluation.metrics import volume_metrics
from datasets.samples import crop_to_target
from registries import RequestError

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class PreparedScan:
    """Slices of a file, undersampled as a network expects them, in the units of the file.

    Attributes
    ----------
    kspace : ndarray
        ``(slices, coils, rows, columns)`` complex64, zero where not sampled.
    sampling_mask : ndarray
        Columns ``(columns,)`` or points ``(rows, columns)``, bool.
    calibration : tuple of int
        First column of the calibration region and the one after the last.
    target : ndarray or None
        ``(slices, rows, columns)`` float32, where the file has one.
    shown : tuple of int
        (rows, columns) of the image that fastMRI shows.
    """

    kspace: Array
    sampling_mask: Array
    calibration: tuple[int, int]
    target: Array | None
    shown: tuple[int, int]

    def crop(self, image: Array) -> Array:
        """The centre ``(slices, rows, columns)`` of images, as fastMRI crops them to its targets."""
        cropped: Array = crop_to_target(torch.from_numpy(image), torch.empty(len(image), *self.shown))[0].numpy()
        return cropped

    def scores(self, image: Array) -> dict[str, float | None]:
        """Figures of merit of images ``(slices, rows, columns)``, over all slices; docs/methods.md defines them.

        Raises
        ------
        RequestError
            If the file has no target.
        """
        if self.target is None:
            raise RequestError("scores: the file has no target")
        found, truth = crop_to_target(torch.from_numpy(image), torch.from_numpy(self.target))
        return dict(volume_metrics(truth.numpy(), found.numpy()))
