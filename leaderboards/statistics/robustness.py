"""Second looks at a change out of distribution."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
FEWEST_POINTS = 3
LEAST_SPREAD = 0.5
"""dB between the worst and the best dense network in distribution: through closer ones a line means nothing."""


def effective_robustness(
    inside: npt.ArrayLike, outside: npt.ArrayLike, reference_inside: npt.ArrayLike, reference_outside: npt.ArrayLike
) -> Array:
    """How far a row lies above the line from scores in distribution to scores out of it (Taori et al. 2020).

    The least-squares line goes through dense networks of several widths and lengths of training: what a worse or better
    dense network would reach.

    Parameters
    ----------
    inside, outside : array_like
        ``(n,)`` scores of the rows.
    reference_inside, reference_outside : array_like
        ``(m,)`` scores of the dense networks, m ≥ 3.

    Raises
    ------
    ValueError
        If there are too few dense networks, or they lie too close together.
    """
    slope, intercept = dense_line(reference_inside, reference_outside)
    found: Array = np.asarray(outside, dtype=np.float64) - (intercept + slope * np.asarray(inside, dtype=np.float64))
    return found


def dense_line(inside: npt.ArrayLike, outside: npt.ArrayLike) -> tuple[float, float]:
    """Slope and intercept of the least-squares line through dense networks.

    Raises
    ------
    ValueError
        If there are too few, or they lie too close together.
    """
    x, y = np.asarray(inside, dtype=np.float64), np.asarray(outside, dtype=np.float64)
    if len(x) < FEWEST_POINTS or np.ptp(x) < LEAST_SPREAD:
        raise ValueError(f"a line needs {FEWEST_POINTS} dense networks that are {LEAST_SPREAD} dB apart")
    slope, intercept = np.polyfit(x, y, 1)
    return float(slope), float(intercept)


def sign_flips(change: npt.ArrayLike, change_scaled: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Where a change in PSNR turns into its opposite after a least-squares scale per volume: it was brightness."""
    found: npt.NDArray[np.bool_] = np.sign(change) * np.sign(change_scaled) < 0
    return found
