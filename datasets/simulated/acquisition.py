"""From magnetisation to a fully sampled multi-coil acquisition, as a scanner stores it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from datasets.simulated.coils import Complex, coil_sensitivities
from datasets.simulated.shapes import Array, smooth_field

FINE = 2
"""Fine voxels per pixel: k-space is truncated from a finer grid, so that no network sees its own model."""


@dataclass(frozen=True)
class Geometry:
    """Matrix sizes of an acquisition.

    Attributes
    ----------
    matrix : int
        Rows and columns of the reconstruction.
    columns : int
        Phase-encoding columns of k-space, zero padding included.
    acquired : tuple of int
        First acquired column and the one after the last.
    """

    matrix: int
    columns: int
    acquired: tuple[int, int]

    @property
    def rows(self) -> int:
        """Readout samples: two-fold oversampled."""
        return 2 * self.matrix

    @property
    def fine_shape(self) -> tuple[int, int]:
        """Rows and columns of the fine grid over the whole field of view."""
        return FINE * self.rows, FINE * self.columns

    @property
    def extent(self) -> tuple[float, float]:
        """Half the field of view along rows and columns, in half reconstructed fields of view."""
        return self.rows / self.matrix, self.columns / self.matrix

    @property
    def target_offset(self) -> tuple[int, int]:
        """First row and column of the target on the fine grid."""
        return FINE * (self.rows - self.matrix) // 2, FINE * ((self.columns - self.matrix) // 2)


@dataclass(frozen=True)
class CoilArray:
    """Receive coils: see `coil_sensitivities`."""

    coils: int
    along_rows: bool


def acquire(
    generator: np.random.Generator,
    magnetisation: Array,
    slice_positions: npt.NDArray[np.float32],
    geometry: Geometry,
    array: CoilArray,
    noise_level: float,
) -> Complex:
    """Simulate k-space of all slices.

    Parameters
    ----------
    magnetisation : ndarray
        ``(slices, fine rows, fine columns)`` float32.
    slice_positions : ndarray
        In half fields of view.
    geometry : Geometry
    array : CoilArray
    noise_level : float
        Standard deviation of the noise in the image of each channel, in units of the magnetisation times the root mean
        square of the coil sensitivities.

    Returns
    -------
    ndarray
        ``(slices, coils, rows, columns)`` complex64, zero in the padded columns.
    """
    fine = geometry.fine_shape
    coils = array.coils
    maps = coil_sensitivities(generator, coils, slice_positions, fine, geometry.extent, array.along_rows)
    shape = (magnetisation.shape[0], *fine)
    phase = generator.uniform(-np.pi, np.pi) + 0.5 * smooth_field(generator, shape, (2, 4, 4))
    body = magnetisation * np.exp(1j * phase).astype(np.complex64)
    covariance_root = _coil_noise(generator, coils)
    kspace = np.empty((shape[0], coils, geometry.rows, geometry.columns), np.complex64)
    for index in range(shape[0]):
        kspace[index] = _truncate(maps[:, index] * body[index], geometry)
    white = generator.standard_normal((2, *kspace.shape), dtype=np.float32)
    noise = np.einsum("dc,schw->sdhw", covariance_root, white[0] + 1j * white[1]).astype(np.complex64)
    kspace += noise_level / np.sqrt(2) * noise
    kspace[..., : geometry.acquired[0]] = 0
    kspace[..., geometry.acquired[1] :] = 0
    return kspace


def root_sum_of_squares(kspace: Complex, matrix: int) -> Array:
    """fastMRI's target: centred orthonormal inverse FFT, centre crop, root sum of squares over coils."""
    axes = (-2, -1)
    image: Complex = fft.fftshift(fft.ifft2(fft.ifftshift(kspace, axes=axes), norm="ortho"), axes=axes)
    rows, columns = kspace.shape[-2:]
    top, left = (rows - matrix) // 2, (columns - matrix) // 2
    crop: Complex = image[..., top : top + matrix, left : left + matrix]
    result: Array = np.sqrt(np.sum(np.abs(crop) ** 2, axis=1)).astype(np.float32)
    return result


def _truncate(coil_images: Complex, geometry: Geometry) -> Complex:
    """k-space of fine coil images, cut to the acquired matrix, in units of the coarse orthonormal FFT."""
    axes = (-2, -1)
    fine = fft.fftshift(fft.fft2(fft.ifftshift(coil_images, axes=axes), norm="ortho"), axes=axes)
    rows, columns = coil_images.shape[-2:]
    top, left = (rows - geometry.rows) // 2, (columns - geometry.columns) // 2
    cut: Complex = fine[..., top : top + geometry.rows, left : left + geometry.columns] / FINE
    return cut


def _coil_noise(generator: np.random.Generator, coils: int) -> npt.NDArray[np.float32]:
    """Square root of a noise covariance with correlations of about 0.1 and unequal variances."""
    mixing = np.eye(coils) + 0.1 * generator.standard_normal((coils, coils)) / np.sqrt(coils)
    gains = 1 + 0.1 * generator.standard_normal(coils)
    root: npt.NDArray[np.float32] = (gains[:, None] * mixing).astype(np.float32)
    return root
