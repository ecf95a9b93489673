"""Smooth random shapes: the coordinates, fields and edges that anatomy is painted with."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Grid:
    """Deformed coordinates of the voxels of one patient.

    Attributes
    ----------
    u, v, z : ndarray
        ``(slices, rows, columns)`` float32: left–right and top–bottom in units of half the reconstructed field of
        view, and through the slab from -1 to 1.
    spacing : float
        Distance of neighbouring voxels in those units.
    """

    u: Array
    v: Array
    z: Array
    spacing: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        slices, rows, columns = self.u.shape
        return slices, rows, columns


def smooth_field(generator: np.random.Generator, shape: tuple[int, int, int], knots: tuple[int, int, int]) -> Array:
    """Random field of zero mean and unit variance at the knots, cubic between them."""
    coarse = generator.standard_normal(knots).astype(np.float32)
    field: Array = interpolate(coarse, shape)
    return field


def interpolate(coarse: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Cubic-spline interpolation of the last axes of an array to a larger shape, one axis after the other."""
    result = coarse
    for axis, size in zip(range(-len(shape), 0), shape, strict=True):
        matrix = _spline_matrix(result.shape[axis], size).astype(coarse.real.dtype)
        result = np.moveaxis(np.moveaxis(result, axis, -1) @ matrix.T, -1, axis)
    return result


@lru_cache(maxsize=64)
def _spline_matrix(knots: int, size: int) -> npt.NDArray[np.float64]:
    """Values at ``size`` places, end knots included, as a linear function of the values at the knots."""
    matrix: npt.NDArray[np.float64] = ndimage.zoom(np.eye(knots), (size / knots, 1), order=3, mode="nearest")
    return matrix


def make_grid(
    generator: np.random.Generator,
    shape: tuple[int, int, int],
    extent: tuple[float, float],
    deformation: float,
) -> Grid:
    """Coordinates of a patient: scaled, rotated, shifted and smoothly deformed.

    Parameters
    ----------
    shape : tuple of int
        (slices, rows, columns) of the fine grid.
    extent : tuple of float
        Half the field of view along rows and columns, in half reconstructed fields of view.
    deformation : float
        Standard deviation of the smooth displacement.
    """
    slices, rows, columns = shape
    z = ((2 * np.arange(slices) + 1) / slices - 1).astype(np.float32)
    v = np.linspace(-extent[0], extent[0], rows, endpoint=False, dtype=np.float32)
    u = np.linspace(-extent[1], extent[1], columns, endpoint=False, dtype=np.float32)
    z3, v3, u3 = np.meshgrid(z, v, u, indexing="ij")
    angle, scale = generator.normal(0, 0.05), generator.normal(1, 0.05)
    mirror = generator.choice([-1, 1])
    du, dv = generator.normal(0, 0.03, 2)
    knots = (2, 5, 5)
    u4 = scale * mirror * (np.cos(angle) * u3 - np.sin(angle) * v3) + du
    v4 = scale * (np.sin(angle) * u3 + np.cos(angle) * v3) + dv
    u4 = u4 + deformation * smooth_field(generator, shape, knots)
    v4 = v4 + deformation * smooth_field(generator, shape, knots)
    return Grid(u4.astype(np.float32), v4.astype(np.float32), z3, 2 * extent[1] / columns)


def ellipse(grid: Grid, centre: tuple[float, float], axes: tuple[float, float], angle: float = 0.0) -> Array:
    """Level set of an ellipse: negative inside, about the distance in units of the shorter axis."""
    du, dv = grid.u - centre[0], grid.v - centre[1]
    a = (np.cos(angle) * du + np.sin(angle) * dv) / axes[0]
    b = (-np.sin(angle) * du + np.cos(angle) * dv) / axes[1]
    level: Array = (np.sqrt(a * a + b * b) - 1) * min(axes)
    return level


def step(x: Array, width: float) -> Array:
    """Smooth step from 0 to 1 around 0."""
    result: Array = 0.5 * (1 + np.tanh(x / width))
    return result
