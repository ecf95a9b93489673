"""An axial brain: scalp, skull, folded cortex, white matter, ventricles and deep nuclei."""

import numpy as np
from scipy import ndimage

from datasets.simulated import tissues as t
from datasets.simulated.lesions import Lesion, Region, blob, some_slice
from datasets.simulated.shapes import Array, Grid, Labels, ellipse, make_grid, smooth_field

CONTRASTS = ("AXT1", "AXT2", "AXFLAIR")
COILS_ALONG_ROWS = False
DEFORMATION = 0.025
SNR_RANGE = (60.0, 130.0)
"""See the knee."""
SULCI = 13
"""About half the number of sulci around the head."""


def grid(generator: np.random.Generator, shape: tuple[int, int, int], extent: tuple[float, float]) -> Grid:
    """Deformed coordinates; rows run from front to back, slices from the ventricles to the vertex."""
    return make_grid(generator, shape, extent, DEFORMATION)


def paint(generator: np.random.Generator, place: Grid, diseased: bool) -> tuple[Labels, list[Lesion]]:
    """Label every voxel of one patient, lesions included; as for the knee."""
    head = _head(generator, place)
    labels = np.full(place.shape, t.AIR, np.uint8)
    fat = 0.02 + 0.012 * smooth_field(generator, place.shape, (2, 4, 4)).clip(-1, 1)
    for level, tissue in ((0.0, t.SKIN), (-0.018, t.FAT), (-0.018 - fat, t.MUSCLE), (-0.03 - fat, t.CORTICAL)):
        labels[head < level] = tissue
    diploe = (head < -0.045 - fat) & (head > -0.065 - fat)
    labels[diploe] = t.MARROW
    depth: Array = -(head + 0.085 + fat)
    labels[depth > 0] = t.CSF
    depth = depth - 0.010 - 0.008 * smooth_field(generator, place.shape, (2, 12, 12)).clip(-1, 2)
    _cortex(generator, place, depth, labels)
    _deep(generator, place, labels)
    return labels, _lesions(generator, place, labels, depth) if diseased else []


def _head(generator: np.random.Generator, place: Grid) -> Array:
    """Negative inside: an oval that narrows at the forehead and shrinks towards the vertex."""
    width, length = 0.70 * generator.normal(1, 0.02), 0.88 * generator.normal(1, 0.02)
    taper = 1 + 0.10 * place.v
    narrowed = np.sqrt((place.u / (width * taper)) ** 2 + (place.v / length) ** 2) - 1
    level: Array = narrowed * width + 0.12 * np.clip(place.z, 0, 1) ** 2
    return level


def _cortex(generator: np.random.Generator, place: Grid, depth: Array, labels: Labels) -> None:
    """Sulci run inwards from the surface to various depths; a ribbon of grey matter lines them and the surface."""
    sulcus = _distance_to_sulci(generator, place)
    reach = 0.18 + 0.09 * smooth_field(generator, place.shape, (3, 12, 12))
    hemisphere = np.abs(place.u + 0.015 * smooth_field(generator, place.shape, (2, 5, 2)))
    distance = np.hypot(sulcus, np.clip(depth - reach, 0, None))
    callosum = (np.abs(place.v) < 0.30) & (place.z < 0.35)
    distance = np.where(callosum, distance, np.minimum(distance, hemisphere))
    ribbon = 0.045 + 0.006 * smooth_field(generator, place.shape, (2, 9, 9))
    gap = 0.007 + 0.005 * smooth_field(generator, place.shape, (2, 9, 9)).clip(-1, 2)
    inside = depth > 0
    labels[inside] = t.WHITE
    labels[inside & ((distance < ribbon + gap) | (depth < ribbon))] = t.GREY
    labels[inside & (distance < gap)] = t.CSF


def _distance_to_sulci(generator: np.random.Generator, place: Grid) -> Array:
    """Distance to the zero lines of a wave around the head, bent and branched by smooth random fields."""
    bend = 0.22 * smooth_field(generator, place.shape, (3, 12, 12)) + 0.3 * smooth_field(
        generator, place.shape, (2, 5, 5)
    )
    wave = np.sin(SULCI * (np.arctan2(place.v, place.u) + bend)) + 0.6 * smooth_field(
        generator, place.shape, (4, 30, 30)
    )
    slope = np.hypot(np.gradient(wave, place.spacing, axis=1), np.gradient(wave, place.spacing, axis=2))
    distance: Array = np.abs(wave) / np.clip(slope, 4.0, None)
    return distance


def _deep(generator: np.random.Generator, place: Grid, labels: Labels) -> None:
    """Ventricles and nuclei, vanishing towards the vertex."""
    fading = 0.25 * np.clip(place.z - 0.05, 0, None)
    for side in (-1, 1):
        for centre, axes, angle in (((0.16, -0.12), (0.055, 0.10), 0.5), ((0.13, 0.13), (0.10, 0.16), 0.35)):
            nucleus = ellipse(place, (side * centre[0], centre[1]), axes, side * angle) + fading
            labels[nucleus < 0] = t.NUCLEI
        putamen = ellipse(place, (side * 0.29, 0.0), (0.05, 0.16), side * 0.2) + fading
        labels[putamen < 0] = t.NUCLEI
    widening = generator.uniform(0.8, 1.4)
    for side in (-1, 1):
        for centre, axes, angle in (((0.075, -0.17), (0.036, 0.14), 0.40), ((0.13, 0.22), (0.042, 0.19), -0.40)):
            horn = ellipse(place, (side * centre[0], centre[1]), (axes[0] * widening, axes[1]), -side * angle)
            labels[horn + 0.5 * fading < 0] = t.CSF
    labels[ellipse(place, (0, 0.08), (0.013 * widening, 0.10)) + fading < 0] = t.CSF


def _lesions(generator: np.random.Generator, place: Grid, labels: Labels, depth: Array) -> list[Lesion]:
    """White-matter lesions in most, a mass or small-vessel disease in some patients."""
    white = labels == t.WHITE
    found = []
    for _ in range(int(generator.integers(1, 4))):
        radius = generator.uniform(0.022, 0.05)
        axes = (radius, radius * generator.uniform(0.8, 1.4), 0.25)
        region = blob(generator, place, _somewhere_in(generator, place, white), axes) & white
        found.append(Lesion.painted("Nonspecific white matter lesion", labels, region, t.LESION))
    chance = generator.random()
    if chance < 0.3:
        radius = generator.uniform(0.08, 0.16)
        region = blob(generator, place, _somewhere_in(generator, place, white), (radius, radius, 0.6)) & (depth > 0.02)
        found.append(Lesion.painted("Mass", labels, region, t.LESION))
    elif chance < 0.5:
        patches = smooth_field(generator, place.shape, (3, 16, 16)) > 1.1
        around = np.abs(np.hypot(place.u, 0.7 * place.v) - 0.24) < 0.07
        label = "Global label: Small vessel chronic white matter ischemic change"
        found.append(Lesion.painted(label, labels, patches & around & white, t.LESION, study_level=True))
    return found


def _somewhere_in(generator: np.random.Generator, place: Grid, region: Region) -> tuple[float, float, float]:
    """(u, v, z) of a voxel well inside a region, in some slice."""
    depth = int(np.argmin(np.abs(place.z[:, 0, 0] - some_slice(generator, place))))
    plane = region[depth]
    core = ndimage.binary_erosion(plane, iterations=max(1, round(0.02 / place.spacing)))
    rows, columns = np.nonzero(core if core.any() else plane)
    if not rows.size:
        return 0.3, 0.0, float(place.z[depth, 0, 0])
    chosen = int(generator.integers(rows.size))
    where = depth, rows[chosen], columns[chosen]
    return float(place.u[where]), float(place.v[where]), float(place.z[where])
