"""Receive coils: loops around the body, their fields by Biot–Savart."""

import numpy as np
import numpy.typing as npt

from datasets.simulated.shapes import interpolate

SEGMENTS = 24
COARSE = 40

Complex = npt.NDArray[np.complex64]


def coil_sensitivities(
    generator: np.random.Generator,
    coils: int,
    slices: npt.NDArray[np.float32],
    shape: tuple[int, int],
    extent: tuple[float, float],
    along: bool,
) -> Complex:
    """Sensitivities of loops arranged on a cylinder around the object.

    Parameters
    ----------
    generator : numpy Generator
        Of small differences between the loops.
    coils : int
        Number of loops, on two rings if there are more than eight.
    slices : ndarray
        Position of each slice, in half fields of view.
    shape, extent
        Rows and columns of the grid and half its field of view.
    along : bool
        Whether the cylinder's axis lies along the rows (knee, coronal) or through the slices (brain, axial).

    Returns
    -------
    ndarray
        ``(coils, slices, rows, columns)`` complex64, the transverse field of unit current, B_x − i B_y (Hoult 2000).
        Computed on a coarse grid and interpolated: fields of loops outside the body are smooth.
    """
    rows = np.linspace(-extent[0], extent[0], COARSE)
    columns = np.linspace(-extent[1], extent[1], COARSE)
    z3, v3, u3 = np.meshgrid(slices, rows, columns, indexing="ij")
    # axes of the magnet: (a, b) transverse, c along the cylinder and the main field
    points = np.stack([u3, z3, v3] if along else [u3, v3, z3], axis=-1)
    field = np.empty((coils, *points.shape[:-1]), dtype=np.complex128)
    rings = 1 if coils <= 8 else 2
    for coil in range(coils):
        ring, position = coil % rings, coil // rings
        angle = 2 * np.pi * (position + 0.5 * ring) / (coils / rings) + generator.normal(0, 0.08)
        height = (ring - (rings - 1) / 2) * 0.9 + generator.normal(0, 0.05)
        distance = 1.45 + generator.normal(0, 0.04)
        radius = 0.95 * min(1.0, 5 * rings / coils) + generator.normal(0, 0.02)
        field[coil] = _loop_field(points, angle, height, distance, radius)
    fine: Complex = interpolate(field.astype(np.complex64), shape)
    fine /= np.sqrt(np.mean(np.sum(np.abs(fine) ** 2, axis=0)))
    return fine


def _loop_field(
    points: npt.NDArray[np.float64], angle: float, height: float, distance: float, radius: float
) -> npt.NDArray[np.complex128]:
    """Transverse field of one circular loop facing the axis: ∮ dl × r / |r|³."""
    theta = np.linspace(0, 2 * np.pi, SEGMENTS, endpoint=False)
    outward = np.array([np.cos(angle), np.sin(angle), 0.0])
    sideways = np.array([-np.sin(angle), np.cos(angle), 0.0])
    upward = np.array([0.0, 0.0, 1.0])
    wire = (
        distance * outward
        + height * upward
        + radius * (np.cos(theta)[:, None] * sideways + np.sin(theta)[:, None] * upward)
    )
    current = radius * (2 * np.pi / SEGMENTS) * (-np.sin(theta)[:, None] * sideways + np.cos(theta)[:, None] * upward)
    total = np.zeros(points.shape)
    for element, place in zip(current, wire, strict=True):
        arm = points - place
        total += np.cross(element, arm) / (np.sum(arm * arm, axis=-1, keepdims=True) + 1e-3) ** 1.5
    return total[..., 0] - 1j * total[..., 1]
