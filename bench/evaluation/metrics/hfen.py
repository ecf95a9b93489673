"""High-frequency error norm."""

import numpy as np
from scipy import ndimage

from bench.evaluation.metrics.contract import metric
from bench.evaluation.metrics.volume import Pair

SIGMA = 1.5
"""Of the Laplacian of Gaussian, pixels."""


@metric(version=1, position=8, source="Ravishankar & Bresler 2011, doi:10.1109/TMI.2010.2090538")
def hfen(pair: Pair) -> float:
    """High-frequency error, ‖LoG(image − target)‖ ÷ ‖LoG(target)‖, which sees blur."""
    missed, present = (
        np.stack([ndimage.gaussian_laplace(plane, SIGMA) for plane in part])
        for part in (pair.image - pair.target, pair.target)
    )
    return float(np.linalg.norm(missed) / np.linalg.norm(present))
