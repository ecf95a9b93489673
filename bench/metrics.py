"""Figures of merit of one volume, as `fastmri.evaluate` computes them."""

import numpy as np
import numpy.typing as npt
from fastmri import evaluate
from fastmri.data.transforms import center_crop

METRICS = ("psnr", "ssim", "nmse")

Image = npt.NDArray[np.float32]


def volume_metrics(target: Image, image: Image) -> dict[str, float]:
    """PSNR (dB), SSIM and NMSE of a volume.

    Parameters
    ----------
    target, image : ndarray
        ``(slices, rows, columns)`` in the same units. Both are cropped to a square of the target's width, and the
        largest value of the target is the range, as in fastMRI's own evaluation.
    """
    width = min(target.shape[-2:])
    truth, found = (np.asarray(center_crop(part, (width, width))) for part in (target, image))
    return {
        "psnr": float(evaluate.psnr(truth, found)),
        "ssim": float(evaluate.ssim(truth, found).item()),
        "nmse": float(evaluate.nmse(truth, found)),
    }
