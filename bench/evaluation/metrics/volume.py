"""What metrics look at: target and image of one volume, cropped alike."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from fastmri.data.transforms import center_crop
from scipy import ndimage
from skimage.metrics import structural_similarity

FOREGROUND_LEVEL = 0.1
FOREGROUND_BLUR = 2.0

Image = npt.NDArray[np.floating[Any]]
Region = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pair:
    """Target and image ``(slices, rows, columns)``, in the same units.

    Attributes
    ----------
    target, image : ndarray
        Both cropped to a square of the target's width; the largest value of the target is the range, as in fastMRI's
        own evaluation.
    """

    target: Image
    image: Image

    @classmethod
    def of(cls, target: Image, image: Image) -> "Pair":
        """Crop."""
        width = min(target.shape[-2:])
        return cls(*(np.asarray(center_crop(part, (width, width))) for part in (target, image)))

    @cached_property
    def inside(self) -> Region:
        """See `foreground`."""
        return foreground(self.target)

    @cached_property
    def similarity(self) -> Image:
        """See `similarity_map`."""
        return similarity_map(self.target, self.image)


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
