"""Coil compression: fewer virtual coils, chosen by what the calibration lines hold."""

import torch
from torch import Tensor


def compress(kspace: Tensor, calibration: tuple[int, int], coils: int) -> Tensor:
    """Project onto the principal components of the calibration lines (Huang et al. 2008).

    Parameters
    ----------
    kspace : Tensor
        ``(C, H, W)`` complex64, undersampled.
    calibration : tuple of int
        First fully sampled column and the one after the last.
    coils : int
        Number of virtual coils; data of no more coils stay as they are.

    Returns
    -------
    Tensor
        ``(min(C, coils), H, W)``.
    """
    if kspace.shape[0] <= coils:
        return kspace
    lines = kspace[..., calibration[0] : calibration[1]].flatten(1)
    basis, _, _ = torch.linalg.svd(lines @ lines.mH)  # Hermitian: the left vectors of the lines
    # a singular vector is known up to a phase: its largest coefficient is made real and positive
    largest = basis.gather(0, basis.abs().argmax(0, keepdim=True))
    basis = basis * torch.sgn(largest).conj()
    return torch.einsum("cv,chw->vhw", basis[:, :coils].conj(), kspace)
