"""Figures of merit of one volume: fastMRI's own, and those that tell what a single figure hides."""

from typing import Any

import numpy as np
import numpy.typing as npt
from fastmri import evaluate
from fastmri.data.transforms import center_crop
from scipy import ndimage
from skimage.metrics import structural_similarity

MAIN = ("psnr", "ssim", "nmse")
METRICS = (*MAIN, "psnr_foreground", "ssim_foreground", "nmse_foreground", "psnr_scaled", "hfen")

FOREGROUND_LEVEL = 0.1
FOREGROUND_BLUR = 2.0
HFEN_SIGMA = 1.5

Image = npt.NDArray[np.floating[Any]]
Region = npt.NDArray[np.bool_]


def volume_metrics(target: Image, image: Image) -> dict[str, float | None]:
    """All metrics of a volume.

    Parameters
    ----------
    target, image : ndarray
        ``(slices, rows, columns)`` in the same units. Both are cropped to a square of the target's width, and the
        largest value of the target is the range, as in fastMRI's own evaluation.

    Returns
    -------
    dict
        ``psnr`` (dB), ``ssim``, ``nmse``: those of `fastmri.evaluate`. ``…_foreground``: the same where the target
        shows the object. ``psnr_scaled``: PSNR after one least-squares scale for the volume, for networks that get
        the shape right and the brightness wrong. ``hfen``: high-frequency error norm, ‖LoG(image − target)‖ ÷
        ‖LoG(target)‖ with σ = 1.5 pixels (Ravishankar & Bresler 2011), which sees blur.
    """
    width = min(target.shape[-2:])
    truth, found = (np.asarray(center_crop(part, (width, width))) for part in (target, image))
    inside = foreground(truth)
    similarity = similarity_map(truth, found)
    return {
        "psnr": float(evaluate.psnr(truth, found)),
        "ssim": float(evaluate.ssim(truth, found).item()),
        "nmse": float(evaluate.nmse(truth, found)),
        "psnr_foreground": float(evaluate.psnr(truth[inside], found[inside], truth.max())),
        "ssim_foreground": float(similarity[inside].mean()),
        "nmse_foreground": float(evaluate.nmse(truth[inside], found[inside])),
        "psnr_scaled": float(evaluate.psnr(truth, least_squares_scale(truth, found) * found)),
        "hfen": _high_frequency_error(truth, found),
    }


def foreground(target: Image) -> Region:
    """Where the target shows the object: above a tenth of its 99th percentile after a slight blur, holes filled."""
    smooth = ndimage.gaussian_filter(target, (0, FOREGROUND_BLUR, FOREGROUND_BLUR))
    above = smooth > FOREGROUND_LEVEL * np.quantile(smooth, 0.99)
    return np.stack([ndimage.binary_fill_holes(plane) for plane in above])


def similarity_map(target: Image, image: Image) -> Image:
    """Local SSIM of each pixel, slice by slice, with the range of the whole target."""
    pairs = zip(target, image, strict=True)
    return np.stack([structural_similarity(t, x, data_range=target.max(), full=True)[1] for t, x in pairs])


def least_squares_scale(target: Image, image: Image) -> float:
    """The factor that brings the image closest to the target; 1 for an empty image."""
    power = float(np.vdot(image, image))
    return float(np.vdot(image, target)) / power if power else 1.0


def _high_frequency_error(target: Image, image: Image) -> float:
    missed, present = (
        np.stack([ndimage.gaussian_laplace(plane, HFEN_SIGMA) for plane in part]) for part in (image - target, target)
    )
    return float(np.linalg.norm(missed) / np.linalg.norm(present))
