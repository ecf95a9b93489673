"""A coronal knee: bones, cartilage, menisci, ligaments, muscles, vessels and fat."""

from dataclasses import replace

import numpy as np

from datasets.simulated import tissues as t
from datasets.simulated.lesions import Lesion, blob, some_slice
from datasets.simulated.shapes import Array, Grid, Labels, ellipse, make_grid, smooth_field, step

CONTRASTS = ("CORPD_FBK", "CORPDFS_FBK")
COILS_ALONG_ROWS = True
DEFORMATION = 0.035
SNR_RANGE = (18.0, 45.0)
"""Of the object's mean over the noise of one channel where its sensitivity is average, without fat suppression."""


def grid(generator: np.random.Generator, shape: tuple[int, int, int], extent: tuple[float, float]) -> Grid:
    """Deformed coordinates; rows run from thigh to shin, slices from front to back."""
    place = make_grid(generator, shape, extent, DEFORMATION)
    # bones narrow towards front and back, and knees differ in width and height
    width = 1 + generator.uniform(0.10, 0.25) * (place.z - generator.normal(0, 0.15)) ** 2
    return replace(place, u=place.u * width * generator.normal(1, 0.06), v=place.v * generator.normal(1, 0.06))


def paint(generator: np.random.Generator, place: Grid, diseased: bool) -> tuple[Labels, list[Lesion]]:
    """Label every voxel of one patient, lesions included.

    Parameters
    ----------
    generator : numpy Generator
    place : Grid
    diseased : bool
        Whether there are lesions.

    Returns
    -------
    labels : ndarray
        ``(slices, rows, columns)`` uint8.
    lesions : list of Lesion
    """
    u, v, z = place.u, place.v, place.z
    shape = place.shape
    labels = np.full(shape, t.AIR, np.uint8)
    thigh = generator.normal(0.80, 0.03)
    outline = np.abs(u) - (thigh - 0.10 * step(v - 0.1, 0.35) - 0.08 * z**2)
    labels[outline < 0] = t.SKIN
    labels[outline < -0.02] = t.FAT

    _muscles(generator, place, outline, labels)
    femur, tibia = _femur(generator, place), _tibia(generator, place)
    _joint(place, femur, tibia, labels)
    _bone(femur, labels)
    _bone(tibia, labels)
    _bone(_fibula(place), labels)
    _cartilage(place, femur, tibia, labels)
    menisci = _menisci(place, femur, tibia)
    labels[menisci] = t.FIBROUS
    _ligaments(place, femur, tibia, labels)
    _patella(generator, place, labels)
    lesions = _lesions(generator, place, labels, femur, tibia, menisci) if diseased else []
    return labels, lesions


def _muscles(generator: np.random.Generator, place: Grid, outline: Array, labels: Labels) -> None:
    """Muscle bellies around the bones, with fatty septa between them, above and below the joint."""
    shape = place.shape
    inset = 0.09 + 0.16 * np.exp(-((place.v - 0.02) ** 2) / 0.06)
    inside = outline + inset + 0.035 * smooth_field(generator, shape, (2, 8, 8)) < 0
    far = np.abs(place.v - 0.02) > 0.26 + 0.13 * smooth_field(generator, shape, (2, 5, 8))
    labels[inside & far] = t.MUSCLE
    septa = np.abs(smooth_field(generator, shape, (2, 7, 10))) < 0.07
    labels[inside & far & septa] = t.FAT
    for _ in range(4):
        centre = generator.uniform(0.42, 0.6) * generator.choice([-1, 1])
        vessel = np.abs(place.u - centre - 0.05 * np.sin(4 * place.v + generator.uniform(0, 6))) < 0.012
        labels[vessel & (np.abs(place.z - generator.uniform(-1, 1)) < 0.3) & (outline < -0.05)] = t.VESSEL


def _femur(generator: np.random.Generator, place: Grid) -> Array:
    """Negative inside: a shaft that widens to two condyles with a notch between them."""
    width = 0.20 + (0.30 + generator.normal(0, 0.01)) * step(place.v + 0.42, 0.10)
    condyles = np.exp(-(((np.abs(place.u) - 0.27) / 0.17) ** 2))
    notch = (0.10 + 0.12 * step(place.z - 0.1, 0.3)) * np.exp(-((place.u / 0.09) ** 2))
    bottom = -0.06 + 0.055 * condyles - notch
    corner = 0.10 * step(np.abs(place.u) - 0.44, 0.03)
    level: Array = np.maximum(np.abs(place.u) - width, place.v - bottom + corner)
    return level


def _tibia(generator: np.random.Generator, place: Grid) -> Array:
    """Negative inside: a plateau with two spines over a narrowing shaft."""
    width = 0.19 + (0.31 + generator.normal(0, 0.01)) * step(0.40 - place.v, 0.11)
    spines = 0.05 * np.exp(-(((np.abs(place.u) - 0.045) / 0.03) ** 2))
    dish = 0.018 * np.exp(-(((np.abs(place.u) - 0.27) / 0.14) ** 2))
    top = 0.075 - spines + dish + 0.07 * step(np.abs(place.u) - 0.45, 0.03)
    level: Array = np.maximum(np.abs(place.u) - width, top - place.v)
    return level


def _fibula(place: Grid) -> Array:
    """Negative inside: a thin column beside the tibia, in the slices at the back."""
    head = 0.025 * np.exp(-(((place.v - 0.30) / 0.07) ** 2))
    level: Array = np.maximum(np.abs(place.u - 0.52) - 0.055 - head, 0.24 - place.v) + 0.06 * step(-place.z, 0.1)
    return level


def _bone(level: Array, labels: Labels) -> None:
    labels[level < 0] = t.CORTICAL
    labels[level < -0.018] = t.MARROW


def _joint(place: Grid, femur: Array, tibia: Array, labels: Labels) -> None:
    """A film of fluid between the bones, a fibrous capsule around it."""
    between = (femur > 0) & (tibia > 0) & (np.abs(place.u) < 0.52) & (np.abs(place.v - 0.02) < 0.14)
    labels[between] = t.FAT
    labels[between & (np.abs(place.u) < 0.47) & (np.minimum(femur, tibia) < 0.05)] = t.FLUID


def _cartilage(place: Grid, femur: Array, tibia: Array, labels: Labels) -> None:
    zone = (np.abs(place.u) > 0.08) & (np.abs(place.u) < 0.46) & (np.abs(place.v - 0.02) < 0.16)
    labels[zone & (femur > 0) & (femur > 0.012) & (femur < 0.034) & (tibia > 0)] = t.CARTILAGE
    labels[zone & (tibia > 0) & (tibia < 0.028) & (femur > 0)] = t.CARTILAGE


def _menisci(place: Grid, femur: Array, tibia: Array) -> np.ndarray:
    """Wedges that fill the outer part of the joint space and thin out towards the middle."""
    reach = 0.30 - 0.05 * np.abs(place.z)
    gap = femur + tibia
    inner_edge = np.abs(place.u) - reach
    wedge = (np.minimum(femur, tibia) > 0.012) & (inner_edge > 0) & (np.abs(place.u) < 0.47)
    wedge &= (np.abs(place.v - 0.02) < 0.12) & (np.abs(femur - tibia) < 0.02 + 0.7 * inner_edge) & (gap < 0.3)
    return wedge


def _ligaments(place: Grid, femur: Array, tibia: Array, labels: Labels) -> None:
    """Collateral ligaments along the sides, cruciate ligaments through the notch."""
    for side, width, top, bottom in ((-1, 0.014, -0.30, 0.36), (1, 0.012, -0.26, 0.27)):
        band = np.abs(side * place.u - 0.515 - 0.02 * place.v) < width
        labels[band & (place.v > top) & (place.v < bottom) & (np.abs(place.z) < 0.6)] = t.FIBROUS
    open_space = (femur > 0) & (tibia > 0)
    for slope, shift in ((0.75, 0.02), (-0.6, -0.03)):
        cord = np.abs(place.u - slope * (place.v + 0.05) - shift) < 0.022
        labels[cord & open_space & (np.abs(place.u) < 0.13) & (np.abs(place.v + 0.03) < 0.16)] = t.FIBROUS


def _patella(generator: np.random.Generator, place: Grid, labels: Labels) -> None:
    """Towards the front, patella, tendon and fat pad come to lie over the joint."""
    shape = place.shape
    growth = np.clip((-0.35 - place.z) / 0.65, 0, 1) ** 0.5
    middle = (generator.normal(0, 0.03), -0.18)
    body = ellipse(place, middle, (0.27, 0.23)) + 0.24 * (1 - growth) + 0.02 * smooth_field(generator, shape, (2, 6, 6))
    pad = ellipse(place, (0, -0.04), (0.50, 0.42)) + 0.42 * (1 - growth)
    pad = pad + 0.05 * smooth_field(generator, shape, (2, 6, 6))
    tendon = (np.abs(place.u - middle[0]) < 0.09 + 0.02 * smooth_field(generator, shape, (2, 4, 4))) & (place.v > -0.1)
    over_joint = (growth > 0) & (pad < 0)
    labels[over_joint] = t.FAT
    labels[over_joint & (np.abs(smooth_field(generator, shape, (2, 12, 12))) < 0.10)] = t.FIBROUS
    labels[(growth > 0.3) & (pad < 0.05) & tendon] = t.FIBROUS
    for level, tissue in ((0.03, t.CARTILAGE), (0.0, t.CORTICAL), (-0.02, t.MARROW)):
        labels[(growth > 0) & (body < level)] = tissue


def _lesions(
    generator: np.random.Generator,
    place: Grid,
    labels: Labels,
    femur: Array,
    tibia: Array,
    menisci: np.ndarray,
) -> list[Lesion]:
    """One to three lesions, painted into the labels."""
    side = float(generator.choice([-1, 1]))
    found = []
    kinds = generator.permutation(["tear", "defect", "edema"])[: int(generator.integers(1, 4))]
    for kind in kinds:
        depth = some_slice(generator, place, first=-0.3)
        if kind == "tear":
            slit = np.abs(place.v - 0.02 - generator.uniform(-0.4, 0.4) * (side * place.u - 0.4)) < 0.012
            region = menisci & (labels == t.FIBROUS) & slit & (side * place.u > 0) & (np.abs(place.z - depth) < 0.35)
            found.append(Lesion.painted("Meniscus Tear", labels, region, t.FLUID))
        elif kind == "defect":
            middle = side * generator.uniform(0.18, 0.34)
            region = (
                (labels == t.CARTILAGE) & (femur < 0.034) & (np.abs(place.u - middle) < generator.uniform(0.03, 0.07))
            )
            region &= np.abs(place.z - depth) < 0.3
            found.append(Lesion.painted("Cartilage - Partial Thickness loss/defect", labels, region, t.FLUID))
        else:
            centre = (side * generator.uniform(0.2, 0.38), generator.choice([-0.16, 0.17]), depth)
            region = blob(generator, place, centre, (generator.uniform(0.06, 0.13), generator.uniform(0.05, 0.10), 0.4))
            region &= labels == t.MARROW
            found.append(Lesion.painted("Bone- Subchondral edema", labels, region, t.EDEMA))
    return found
