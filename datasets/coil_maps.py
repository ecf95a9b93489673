"""Coil maps from the calibration lines alone, so that nothing that was not sampled leaks in."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass

import fastmri
import torch
from torch import Tensor

from datasets.cache import computed_folder
from datasets.undersampling import missing_sigpy
from registries.sealed import DamagedError, load_tensors, save_tensors

KINDS = ("low-resolution", "espirit")
ESPIRIT_VERSION = 1
ECHO_TOLERANCE = 1
"""Rows by which k-space may peak off mid-readout while the echo counts as being there: noise, the phase of the object
and an even number of rows move the peak by one, on simulated and on real data whose echo is in the middle."""


@dataclass(frozen=True)
class CoilMaps:
    """How coil maps are estimated.

    Attributes
    ----------
    kind : str
        ``low-resolution``: the coil images of the tapered calibration lines over their root sum of squares
        (McKenzie et al. 2002); ``espirit``: Uecker et al. 2014 by sigpy, cached, in the phase convention of the former.
    """

    kind: str = "low-resolution"

    def estimate(self, kspace: Tensor, calibration: tuple[int, int]) -> Tensor:
        """Estimate maps with Σ|S|² = 1 everywhere.

        Parameters
        ----------
        kspace : Tensor
            ``(C, H, W)`` complex64; only the calibration columns are read.
        calibration : tuple of int
            First calibration column and the one after the last.

        Returns
        -------
        Tensor
            ``(C, H, W)`` complex64. The low-resolution phase of the object is part of the maps, so that the image
            they are combined to is almost real.
        """
        first, last = calibration
        lines = torch.zeros_like(kspace)
        lines[..., first:last] = kspace[..., first:last]
        echo = echo_row(lines)
        smooth = _low_resolution(lines, first, last, echo)
        if self.kind == "low-resolution":
            return smooth
        return _espirit(lines.cpu(), (first, last), int(echo), smooth.cpu()).to(kspace.device)


def inverse_fft(kspace: Tensor) -> Tensor:
    """Centred orthonormal inverse FFT of complex ``(…, H, W)``, by fastMRI's own function."""
    return torch.view_as_complex(fastmri.ifft2c(torch.view_as_real(kspace)))


def forward_fft(image: Tensor) -> Tensor:
    """Centred orthonormal FFT of complex ``(…, H, W)``, by fastMRI's own function."""
    return torch.view_as_complex(fastmri.fft2c(torch.view_as_real(image)))


def unit_norm(coils: Tensor) -> Tensor:
    """Divide ``(C, H, W)`` by its root sum of squares; where that is zero all coils count the same."""
    norm = coils.abs().square().sum(0, keepdim=True).sqrt()
    present = norm > torch.finfo(norm.dtype).tiny
    return torch.where(present, coils / torch.where(present, norm, 1), coils.shape[0] ** -0.5)


def echo_row(lines: Tensor) -> Tensor:
    """Row of the echo: where ``(C, H, W)`` calibration lines have most energy, or the middle if that is close to it.

    A tensor of no axes: a GPU is not waited for.
    """
    energy = lines.abs().square().sum((0, 2))
    peak, middle = energy.argmax(), len(energy) // 2
    return torch.where((energy.amax() > 0) & ((peak - middle).abs() > ECHO_TOLERANCE), peak, middle)


def _low_resolution(lines: Tensor, first: int, last: int, echo: Tensor) -> Tensor:
    _, rows, columns = lines.shape
    across = torch.zeros(columns)
    across[first:last] = _taper(last - first)
    # the same resolution along the readout, which is fully sampled
    height = min(rows, max(1, round((last - first) * rows / columns)))
    top = ((rows - height + 1) // 2 - rows // 2 + echo).clamp(0, rows - height)
    across, taper = (window.to(lines.device, non_blocking=True) for window in (across, _taper(height)))
    row = torch.arange(rows, device=lines.device) - top
    along = torch.where((row >= 0) & (row < height), taper[row.clamp(0, height - 1)], 0.0)
    return unit_norm(inverse_fft(lines * along[:, None] * across))


def _taper(length: int) -> Tensor:
    return torch.hann_window(length + 2, periodic=False)[1:-1]


def _espirit(lines: Tensor, calibration: tuple[int, int], echo: int, reference: Tensor) -> Tensor:
    first, last = calibration
    content, shift = lines[..., first:last].contiguous(), lines.shape[-2] // 2 - echo
    place = f"{first} moved by {shift} rows" if shift else f"{first}"
    digest = hashlib.sha256(
        f"v{ESPIRIT_VERSION} {tuple(lines.shape)} {place}".encode() + content.numpy().tobytes()
    ).hexdigest()
    path = computed_folder("maps", f"espirit-{digest}.safetensors")
    with suppress(FileNotFoundError, DamagedError, KeyError):  # what is damaged is computed and written anew
        tensors, notes = load_tensors(path)
        if notes["key"] == path.stem:  # not a file that was given another name
            return tensors["maps"]
    maps = torch.view_as_complex(torch.view_as_real(_run_espirit(lines.roll(shift, -2), last - first)).contiguous())
    inside = maps.abs().square().sum(0, keepdim=True) > 0
    turn = torch.sgn((reference.conj() * maps).sum(0, keepdim=True))
    result = unit_norm(torch.where(inside, maps * turn.conj(), reference))
    save_tensors(path, {"maps": result}, {"key": path.stem})
    return result


def _run_espirit(lines: Tensor, width: int) -> Tensor:
    from deepinv.physics import MultiCoilMRI

    try:
        estimated: Tensor = MultiCoilMRI.estimate_coil_maps(
            torch.view_as_real(lines).movedim(-1, 0)[None], calib_size=width
        )
    except ImportError:
        raise missing_sigpy("maps.kind=espirit") from None
    return estimated[0].to(torch.complex64)
