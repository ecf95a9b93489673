"""Second looks at a change out of distribution."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
FEWEST_POINTS = 3


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
        If there are too few dense networks, or all of the same score.
    """
    x, y = np.asarray(reference_inside, dtype=np.float64), np.asarray(reference_outside, dtype=np.float64)
    if len(x) < FEWEST_POINTS or np.ptp(x) == 0:
        raise ValueError(f"a line needs {FEWEST_POINTS} dense networks of different scores, there are {len(x)}")
    slope, intercept = np.polyfit(x, y, 1)
    found: Array = np.asarray(outside, dtype=np.float64) - (intercept + slope * np.asarray(inside, dtype=np.float64))
    return found


def sign_flips(change: npt.ArrayLike, change_scaled: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Where a change in PSNR turns into its opposite after a least-squares scale per volume: it was brightness."""
    found: npt.NDArray[np.bool_] = np.sign(change) * np.sign(change_scaled) < 0
    return found
