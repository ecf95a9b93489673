"""From a slice on disk to what a network is given: undersampled, scaled, with coil maps and target."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from fastmri.data.transforms import center_crop
from torch import Tensor

from datasets.coil_compression import compress
from datasets.coil_maps import CoilMaps, forward_fft, inverse_fft
from datasets.noise import add_noise, unit_noise
from datasets.undersampling import Undersampling, zero_filled
from datasets.volumes import Volume

VERSION = 1
"""Of everything between file and network; raised whenever a sample changes."""
VERSION_OF_REAL_DATA = 2
"""The same, for other data than simulated ones, of which no sample changed when coil maps began to follow the echo."""
SCALE_QUANTILE = 0.99


Values = npt.NDArray[np.complex64] | npt.NDArray[np.float32] | Tensor


@dataclass(frozen=True)
class Preparation:
    """All choices between the file and the network.

    Attributes
    ----------
    undersampling : Undersampling
    maps : CoilMaps
    crop_readout : bool
        Drop the readout oversampling (to the rows of the target) before anything else. Lossless for the target and
        for linear reconstructions.
    added_noise_snr : float or None
        Decibels: see `datasets.noise.add_noise`.
    virtual_coils : int or None
        Compress to so many coils: see `datasets.coil_compression.compress`.
    """

    undersampling: Undersampling
    maps: CoilMaps
    crop_readout: bool
    added_noise_snr: float | None = None
    virtual_coils: int | None = None


@dataclass(frozen=True)
class Samples:
    """Slices of equal shape, as one batch; all arrays in units in which the image is about 1.

    Attributes
    ----------
    kspace : Tensor
        ``(B, C, H, W)`` complex64, zero where not sampled.
    mask : Tensor
        ``(B, 1, 1, W)`` bool, or ``(B, 1, H, W)`` for 2-D patterns.
    maps : Tensor
        ``(B, C, H, W)`` complex64.
    target : Tensor
        ``(B, h, w)`` float32, fastMRI's root-sum-of-squares image.
    maximum : Tensor
        ``(B,)`` largest target value of the volume.
    scale : Tensor
        ``(B,)``; multiply by it to return to the file's units.
    combined : Tensor
        ``(B, H, W)`` complex64, the SENSE combination of the fully sampled data through the maps, for losses on complex
        images; otherwise ``(B, 0, 0)``. No input of a network.
    """

    kspace: Tensor
    mask: Tensor
    maps: Tensor
    target: Tensor
    maximum: Tensor
    scale: Tensor
    combined: Tensor

    @staticmethod
    def concatenate(parts: Sequence["Samples"]) -> "Samples":
        """One batch of several; shapes must agree."""
        return Samples(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Samples)))


def prepare(
    volume: Volume,
    slices: tuple[Values, Values],
    preparation: Preparation,
    seed: tuple[int, ...],
    combine: bool = False,
    noise: Iterator[Tensor] | None = None,
) -> Samples:
    """Undersample and scale slices of one volume, all with the same sampling mask.

    Parameters
    ----------
    volume : Volume
        Where the slices come from.
    slices : tuple of ndarray or Tensor
        k-space ``(B, C, H, W)`` complex64 and target ``(B, h, w)`` float32, as `read_slices` gives them, or on the
        device where everything is computed and the samples shall be.
    preparation : Preparation
    seed : tuple of int
        Of the sampling mask.
    combine : bool
        Whether the SENSE combination of the fully sampled data is needed.
    noise : iterator of Tensor, optional
        Of `noise_of`, where these are not all slices; by default that of the seed.
    """
    kspace, target = (torch.as_tensor(part) for part in slices)
    full = _readout_cropped(volume, kspace, preparation)
    drawn_mask, calibration = preparation.undersampling.draw(volume.columns, volume.acquired, seed, full.shape[-2])
    mask = drawn_mask.to(full.device, non_blocking=True)
    clean = full
    if preparation.added_noise_snr is not None:
        drawn = noise or noise_of(volume, len(full), preparation, seed)
        unit = torch.stack(list(islice(drawn, len(full)))).to(full.device)
        full = add_noise(full, mask, volume.acquired, preparation.added_noise_snr, unit)
    sampled = zero_filled(full, mask)
    if preparation.virtual_coils is not None:
        sampled = torch.stack([compress(slice_, calibration, preparation.virtual_coils) for slice_ in sampled])
    samples = measured(sampled, mask, calibration, preparation.maps, (target, volume.maximum))
    if not combine:
        return samples
    image = (inverse_fft(clean) * samples.maps.conj()).sum(1) / samples.scale[:, None, None]
    return replace(samples, combined=image)


def measured(
    sampled: Tensor,
    mask: Tensor,
    calibration: tuple[int, int],
    maps: CoilMaps,
    truth: tuple[Tensor, float] | None = None,
) -> Samples:
    """Scale measured k-space and estimate its coil maps.

    Parameters
    ----------
    sampled : Tensor
        ``(B, C, H, W)`` complex64, zero where not sampled.
    mask : Tensor
        ``(1, 1, W)`` or ``(1, H, W)`` bool.
    calibration : tuple of int
        First fully sampled centre column and the one after the last.
    maps : CoilMaps
    truth : tuple, optional
        Target ``(B, h, w)`` float32 and the largest value of the volume's; without it the samples have none.
    """
    estimated = torch.stack([maps.estimate(slice_, calibration) for slice_ in sampled])
    scale = torch.stack([scale_of(slice_) for slice_ in sampled])
    target, maximum = truth or (scale.new_zeros(len(sampled), 0, 0), 0.0)
    return Samples(
        kspace=sampled / scale[:, None, None, None],
        mask=mask.expand(len(sampled), *mask.shape),
        maps=estimated,
        target=target / scale[:, None, None],
        maximum=maximum / scale,
        scale=scale,
        combined=sampled.new_zeros(len(sampled), 0, 0),
    )


def shaped(volume: Volume, slices: int, preparation: Preparation, combine: bool = False) -> Samples:
    """What `prepare` gives of so many slices, without values, on the ``meta`` device: nothing is read."""
    rows, columns = _rows(volume, preparation), volume.columns
    coils = min(volume.coils, preparation.virtual_coils or volume.coils)
    mask, _ = preparation.undersampling.draw(columns, volume.acquired, (0,), rows)
    kspace = torch.empty(slices, coils, rows, columns, dtype=torch.complex64, device="meta")
    each = torch.empty(slices, device="meta")
    return Samples(
        kspace=kspace,
        mask=mask.expand(slices, *mask.shape).to("meta"),
        maps=kspace.clone(),
        target=torch.empty(slices, *volume.target_shape, device="meta"),
        maximum=each,
        scale=each.clone(),
        combined=kspace[:, 0].clone() if combine else kspace.new_empty(slices, 0, 0),
    )


def noise_of(volume: Volume, slices: int, preparation: Preparation, seed: tuple[int, ...]) -> Iterator[Tensor]:
    """What `prepare` adds to so many slices, for those who prepare a few at a time."""
    return unit_noise(slices, (volume.coils, _rows(volume, preparation), volume.columns), seed)


def fully_sampled(volume: Volume, kspace: Tensor, samples: Samples, preparation: Preparation) -> Samples:
    """The same slices with the same maps and scale before undersampling: for the oracle, never for a network."""
    full = _readout_cropped(volume, kspace, preparation)
    return replace(samples, kspace=full / samples.scale[:, None, None, None], mask=torch.ones_like(samples.mask))


def _readout_cropped(volume: Volume, kspace: Tensor, preparation: Preparation) -> Tensor:
    rows = _rows(volume, preparation)
    return crop_readout(kspace, rows) if rows < volume.rows else kspace


def _rows(volume: Volume, preparation: Preparation) -> int:
    return min(volume.rows, volume.target_shape[0]) if preparation.crop_readout else volume.rows


def crop_readout(kspace: Tensor, rows: int) -> Tensor:
    """Crop ``(…, H, W)`` k-space to a field of view of ``rows`` along the readout."""
    image = inverse_fft(kspace)
    first = (image.shape[-2] - rows) // 2  # as fastMRI's complex_center_crop
    return forward_fft(image[..., first : first + rows, :])


def root_sum_of_squares(kspace: Tensor) -> Tensor:
    """Magnitude image ``(…, H, W)`` of k-space ``(…, C, H, W)``."""
    return inverse_fft(kspace).abs().square().sum(-3).sqrt()


def scale_of(sampled: Tensor) -> Tensor:
    """99th percentile of the zero-filled image of ``(C, H, W)`` k-space; 1 for an empty slice."""
    value = torch.quantile(root_sum_of_squares(sampled), SCALE_QUANTILE)
    return torch.where(value > 0, value, 1.0)


def crop_to_target(image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Crop image and target ``(B, H, W)`` to their common centre, as fastMRI does.

    Where the image is narrower than the target (fastMRI's FLAIR volumes of 203 columns) both become squares of the
    image's width.
    """
    rows, columns = target.shape[-2:]
    if image.shape[-1] < columns:
        rows = columns = image.shape[-1]
    size = (min(rows, image.shape[-2]), columns)
    return center_crop(image, size), center_crop(target, size)


def mean_psnr(image: Tensor, samples: Samples) -> float:
    """PSNR of images ``(B, H, W)`` in dB, each in the range of its own target; mean over the batch."""
    found, truth = crop_to_target(image.abs() if image.is_complex() else image, samples.target)
    errors = (found - truth).square().mean(dim=(-2, -1))
    return float((20 * torch.log10(truth.amax(dim=(-2, -1))) - 10 * torch.log10(errors)).mean())
