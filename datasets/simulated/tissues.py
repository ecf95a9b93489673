"""Tissues and what a sequence makes of them, by the signal equations."""

from dataclasses import dataclass

import numpy as np

from datasets.simulated.shapes import Array, Labels

AIR, FAT, MUSCLE, MARROW, CORTICAL, CARTILAGE, FLUID, FIBROUS, SKIN, EDEMA, GREY, WHITE, CSF, NUCLEI, LESION, VESSEL = (
    range(16)
)

# proton density (water = 1), T1 and T2 in ms, fraction of fat; 3 T values after Gold et al. 2004 (knee),
# Stanisz et al. 2005 (brain, muscle, cartilage); lesions between grey matter and fluid.
PARAMETERS = np.array(
    [
        (0.00, 1000, 100, 0.0),  # air
        (0.90, 370, 130, 1.0),  # fat
        (0.75, 1420, 40, 0.0),  # muscle
        (0.80, 380, 110, 0.85),  # fatty bone marrow
        (0.10, 1000, 2, 0.0),  # cortical bone
        (0.75, 1200, 40, 0.0),  # cartilage
        (1.00, 3600, 700, 0.0),  # synovial fluid
        (0.45, 1000, 12, 0.0),  # menisci, ligaments, tendons
        (0.65, 900, 30, 0.2),  # skin
        (0.90, 1500, 110, 0.35),  # bone marrow edema
        (0.83, 1600, 95, 0.0),  # grey matter
        (0.70, 1000, 72, 0.0),  # white matter
        (1.00, 4000, 1500, 0.0),  # cerebrospinal fluid
        (0.80, 1350, 80, 0.0),  # deep nuclei
        (0.92, 1700, 160, 0.0),  # white-matter lesion, mass
        (0.70, 1600, 150, 0.0),  # slowly flowing blood
    ],
    dtype=np.float64,
)


@dataclass(frozen=True)
class Sequence:
    """A pulse sequence, times in ms.

    Attributes
    ----------
    repetition, echo : float
        TR and effective TE.
    inversion : float or None
        TI of an inversion-recovery sequence.
    fat_suppression : float
        Fraction of the fat signal that is removed.
    """

    repetition: float
    echo: float
    inversion: float | None = None
    fat_suppression: float = 0.0


SEQUENCES = {
    "CORPD_FBK": Sequence(2750, 30),
    "CORPDFS_FBK": Sequence(2900, 33, fat_suppression=0.93),
    "AXT1": Sequence(500, 9),
    "AXT2": Sequence(6000, 100),
    "AXFLAIR": Sequence(9000, 90, inversion=2500),
}
"""By fastMRI's names of acquisitions; times as usual for those protocols (Zbontar et al. 2018, table 2)."""


def intensities(labels: Labels, texture: Array, sequence: Sequence) -> Array:
    """Magnitude of the magnetisation of each voxel.

    Parameters
    ----------
    labels : ndarray
        Tissue of each voxel.
    texture : ndarray
        Relative change of proton density and T2 inside tissues, zero mean.
    sequence : Sequence

    Returns
    -------
    ndarray
        Float32. Spin echo: ρ (1 − e^(−TR/T1)) e^(−TE/T2); after inversion:
        ρ |1 − 2 e^(−TI/T1) + e^(−TR/T1)| e^(−TE/T2) (Bernstein, King, Zhou 2004, ch. 14).
    """
    density, t1, t2, fat = PARAMETERS.T
    recovery = 1 - np.exp(-sequence.repetition / t1)
    if sequence.inversion is not None:
        recovery = np.abs(1 - 2 * np.exp(-sequence.inversion / t1) + np.exp(-sequence.repetition / t1))
    # J-coupling makes fat decay more slowly in fast spin echo; its effective T2 is the one in the table
    by_tissue = density * recovery * np.exp(-sequence.echo / t2) * (1 - sequence.fat_suppression * fat)
    result: Array = by_tissue.astype(np.float32)[labels] * (1 + texture)
    return result
