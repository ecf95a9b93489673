"""An axial brain: scalp, skull, folded cortex, white matter, ventricles and deep nuclei."""

import numpy as np
from scipy import ndimage

from datasets.simulated import tissues as t
from datasets.simulated.lesions import Lesion, blob
from datasets.simulated.shapes import Array, Grid, Labels, ellipse, make_grid

CONTRASTS = ("AXT1", "AXT2", "AXFLAIR")
COILS_ALONG_ROWS = False
ROWS_EXTENT = 2.0
DEFORMATION = 0.025
GYRUS = 0.085
"""Mean distance of neighbouring sulci, in half fields of view."""


def grid(generator: np.random.Generator, shape: tuple[int, int, int], extent: tuple[float, float]) -> Grid:
    """Deformed coordinates; rows run from front to back, slices from the ventricles to the vertex."""
    return make_grid(generator, shape, extent, DEFORMATION)


def paint(generator: np.random.Generator, place: Grid, diseased: bool) -> tuple[Labels, list[Lesion]]:
    """Label every voxel of one patient, lesions included; as for the knee."""
    size = generator.normal(1, 0.03)
    shrink = 1 - 0.10 * np.clip(place.z, 0, 1) ** 2
    head = ellipse(place, (0, 0), (0.70 * size, 0.86 * size)) / 0.70 + 1 - shrink
    shape = place.shape
    labels = np.full(shape, t.AIR, np.uint8)
    for level, tissue in (
        (0.0, t.SKIN),
        (-0.025, t.FAT),
        (-0.07, t.CORTICAL),
        (-0.085, t.MARROW),
        (-0.115, t.CORTICAL),
    ):
        labels[head < level] = tissue
    inner = head + 0.135
    labels[inner < 0] = t.CSF
    depth = -(inner + 0.02)
    _cortex(generator, place, depth, labels)
    _midline(place, depth, labels)
    _deep(generator, place, labels)
    return labels, _lesions(generator, place, labels, depth) if diseased else []


def _cortex(generator: np.random.Generator, place: Grid, depth: Array, labels: Labels) -> None:
    """Sulci are the zero lines of a band-limited field near the surface; grey matter lines them."""
    fold = _folding(generator, place)
    reach = np.clip(1 - depth / 0.30, 0, 1)
    sulcus = np.abs(fold) < 0.16 * reach
    ribbon = (np.abs(fold) < 0.16 * reach + 0.42 * (reach > 0)) & (reach > 0.05)
    labels[depth > 0] = t.WHITE
    labels[(depth > 0) & ((depth < 0.035) | ribbon)] = t.GREY
    labels[(depth > 0) & sulcus] = t.CSF


def _folding(generator: np.random.Generator, place: Grid) -> Array:
    """Band-pass noise of unit variance with a wavelength of two gyri, slowly changing through the slices."""
    shape = place.u.shape
    sigma = GYRUS / place.spacing / 2.2
    noise = generator.standard_normal(shape).astype(np.float32)
    noise = ndimage.gaussian_filter1d(noise, 1.5, axis=0, mode="nearest")
    band: Array = ndimage.gaussian_filter(noise, (0, sigma, sigma)) - ndimage.gaussian_filter(
        noise, (0, 1.6 * sigma, 1.6 * sigma)
    )
    result: Array = band / band.std()
    return result


def _midline(place: Grid, depth: Array, labels: Labels) -> None:
    fissure = (np.abs(place.u) < 0.011) & (np.abs(place.v) > 0.34) & (depth > 0)
    labels[(np.abs(place.u) < 0.04) & (np.abs(place.v) > 0.33) & (depth > 0) & (labels != t.CSF)] = t.GREY
    labels[fissure] = t.CSF


def _deep(generator: np.random.Generator, place: Grid, labels: Labels) -> None:
    """Ventricles and nuclei, vanishing towards the vertex."""
    fading = 0.35 * np.clip(place.z + 0.2, 0, None)
    for side in (-1, 1):
        for centre, axes, angle in (((0.16, -0.12), (0.055, 0.10), 0.5), ((0.13, 0.13), (0.10, 0.16), 0.35)):
            nucleus = ellipse(place, (side * centre[0], centre[1]), axes, side * angle) + fading
            labels[nucleus < 0] = t.NUCLEI
        putamen = ellipse(place, (side * 0.29, 0.0), (0.05, 0.16), side * 0.2) + fading
        labels[putamen < 0] = t.NUCLEI
    widening = generator.uniform(0.8, 1.4)
    for side in (-1, 1):
        for centre, axes, angle in (((0.075, -0.16), (0.032, 0.13), 0.45), ((0.12, 0.20), (0.036, 0.17), -0.35)):
            horn = ellipse(place, (side * centre[0], centre[1]), (axes[0] * widening, axes[1]), -side * angle)
            labels[horn + 0.5 * fading < 0] = t.CSF
    labels[ellipse(place, (0, 0.08), (0.013 * widening, 0.10)) + fading < 0] = t.CSF


def _lesions(generator: np.random.Generator, place: Grid, labels: Labels, depth: Array) -> list[Lesion]:
    """White-matter lesions in most, a mass or small-vessel disease in some patients."""
    found = []
    for _ in range(int(generator.integers(1, 4))):
        centre = _in_white_matter(generator)
        radius = generator.uniform(0.018, 0.045)
        region = blob(generator, place, centre, (radius, radius * generator.uniform(0.8, 1.4), 0.25)) & (
            labels == t.WHITE
        )
        found.append(Lesion.painted("Nonspecific white matter lesion", labels, region, t.LESION))
    if generator.random() < 0.3:
        radius = generator.uniform(0.08, 0.16)
        region = blob(generator, place, _in_white_matter(generator), (radius, radius, 0.6)) & (depth > 0.02)
        found.append(Lesion.painted("Mass", labels, region, t.LESION))
    return found


def _in_white_matter(generator: np.random.Generator) -> tuple[float, float, float]:
    angle = generator.uniform(0, 2 * np.pi)
    radius = generator.uniform(0.28, 0.40)
    return (float(radius * np.cos(angle)), float(1.25 * radius * np.sin(angle)), float(generator.uniform(-0.5, 0.5)))
