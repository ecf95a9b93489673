"""A trained network, ready to reconstruct what it was not trained on."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from architectures import Architecture, build
from architectures.tuning import use_bfloat16_
from bench.evaluation.baselines import CGSense
from bench.evaluation.scoring import Reconstruct
from bench.machine.numerics import set_numerics
from bench.machine.randomness import generator
from bench.networks.reconstruct import in_units_of_data, reconstruct
from bench.networks.trained import StoredNetwork, variant_of
from bench.trials.pictures import tuned_cg_sense
from datasets.coil_maps import CoilMaps
from datasets.samples import Preparation, measured
from datasets.scans import calibration_of
from datasets.undersampling import Undersampling, zero_filled
from pruners import Mask
from records.record import Record, present
from records.trial import ACCELERATIONS
from registries import RequestError

Values = TypeVar("Values", npt.NDArray[Any], Tensor)


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """What a finished trial left, on a device.

    Attributes
    ----------
    record : Record
    model : Architecture
        With pruned weights exactly zero, in the precision of its training.
    mask : Mask
        What is kept of each prunable weight: a mapping of names to boolean tensors.
    folder : Path
        Of the trial.
    device : torch.device
    """

    record: Record
    model: Architecture
    mask: Mask
    folder: Path
    device: torch.device

    @classmethod
    def of(cls, path: Path, device: torch.device) -> "TrainedNetwork":
        """Read a record or its folder.

        Raises
        ------
        RequestError
            If the trial did not finish, or its weights and mask are not there or not its own.
        """
        stored = StoredNetwork.of(path)
        return cls.on(device, stored.record, stored.model, stored.mask, stored.folder)

    @classmethod
    def on(
        cls, device: torch.device, record: Record, model: Architecture, mask: Mask, folder: Path
    ) -> "TrainedNetwork":
        """A network on a device, in the precision that its record names."""
        return cls(record, _ready(model, record, device), mask, folder, device)

    @property
    def network(self) -> Reconstruct:
        """From samples to an image in their scale."""
        return partial(reconstruct, self.model)

    @property
    def cg_sense(self) -> CGSense | None:
        """CG-SENSE as it was tuned on the training volumes of the trial; None where the record has none."""
        scores = next(iter(self.record.baselines.get("cg_sense", {}).values()), None)
        return tuned_cg_sense(scores.metrics) if scores else None

    def initial_model(self) -> Architecture:
        """The network at its initial scalars and weights."""
        trial = self.record.trial
        draw = generator(trial.seed, "initial weights", trial.arch, trial.size)
        model = build(trial.arch, trial.size, draw, trial.resolved.width, variant_of(self.record))
        return _ready(model, self.record, self.device)

    def preparation(self, acceleration: int | None = None) -> Preparation:
        """How the trial made its samples, at its own acceleration or another one."""
        if acceleration is not None:
            ACCELERATIONS.check(acceleration, "acceleration")
        recorded = present(self.record.trial.resolved.preparation)
        values = {**recorded.undersampling, **({} if acceleration is None else {"acceleration": acceleration})}
        undersampling = Undersampling(**cast(dict[str, Any], values))
        return Preparation(
            undersampling,
            CoilMaps(recorded.maps.kind),
            recorded.crop_readout,
            recorded.added_noise_snr,
            recorded.virtual_coils,
        )

    def set_numerics(self) -> None:
        """Let this process compute as the trial did."""
        resolved = self.record.trial.resolved
        set_numerics(resolved.threads or 1, self.device, str(resolved.training.get("precision", "float32")))

    @torch.no_grad()
    def reconstruct(self, kspace: Values, sampling_mask: Values, calibration: tuple[int, int] | None = None) -> Values:
        """Reconstruct undersampled k-space: scale, coil maps, network, and back to the units of the data.

        Parameters
        ----------
        kspace : ndarray or Tensor
            ``(C, H, W)`` or ``(B, C, H, W)`` complex, centred, of the orthonormal Fourier transform.
        sampling_mask : ndarray or Tensor
            Columns ``(W,)`` or points ``(H, W)`` that were sampled; what was not is taken for zero.
        calibration : tuple of int, optional
            First column of the calibration region and the one after the last; by default the largest centred region
            that the mask samples fully.

        Returns
        -------
        ndarray or Tensor
            As `kspace` is: magnitude image ``(H, W)`` or ``(B, H, W)``, float32.

        Raises
        ------
        RequestError
            If the shapes do not fit, values are not finite, or the centre of k-space is not sampled.
        """
        values = _as_tensor(kspace)
        batch, mask = _checked(values, _as_tensor(sampling_mask))
        first, last = calibration or calibration_of(mask)
        if not 0 <= first < last <= values.shape[-1]:
            raise RequestError("sampling_mask: leaves out the centre of k-space, which coil maps are made from")
        mask = mask.to(self.device)
        sampled = zero_filled(batch.to(self.device), mask)
        samples = measured(sampled, mask, (first, last), self.preparation().maps)
        image = in_units_of_data(self.network(samples), samples).to(torch.float32)
        image = image if values.ndim == 4 else image[0]
        if isinstance(kspace, np.ndarray):
            return image.cpu().numpy()
        return image.to(kspace.device)


def _ready(model: Architecture, record: Record, device: torch.device) -> Architecture:
    """On the device, in the precision of the training."""
    model = model.to(device)
    if record.trial.resolved.training.get("precision") == "bf16":
        use_bfloat16_(model)
    return model


def _as_tensor(values: npt.NDArray[Any] | Tensor) -> Tensor:
    """Also arrays that are reversed, or of another byte order."""
    if isinstance(values, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(values, values.dtype.newbyteorder("=")))
    return values


def _checked(kspace: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """k-space ``(B, C, H, W)`` complex64 and mask ``(1, 1 or H, W)`` bool."""
    if kspace.ndim not in (3, 4) or not kspace.is_complex() or 0 in kspace.shape:
        shape = tuple(kspace.shape)
        raise RequestError(f"kspace: is {kspace.dtype} {shape}, not complex (coils, rows, columns) or a batch of it")
    rows, columns = kspace.shape[-2:]
    if tuple(mask.shape) not in ((columns,), (rows, columns)):
        raise RequestError(f"sampling_mask: has the shape {tuple(mask.shape)}, not ({columns},) or ({rows}, {columns})")
    if not torch.isfinite(torch.view_as_real(kspace.resolve_conj())).all():
        raise RequestError("kspace: holds values that are not finite")
    batch = kspace.to(torch.complex64)
    return (batch if kspace.ndim == 4 else batch[None]), (mask != 0).reshape(1, -1, columns)
