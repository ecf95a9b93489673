"""Ranks that say no more than the data do."""

import numpy as np
import numpy.typing as npt

from leaderboards.statistics.crossed import two_way


def ranks(scores: npt.ArrayLike, confidence: float = 0.95) -> npt.NDArray[np.int64]:
    """1 + the number of rows that are better by an interval that excludes zero.

    Parameters
    ----------
    scores : array_like
        ``(rows, seeds, patients)``, higher is better, of one architecture.
    confidence : float
        Of each pair's interval.
    """
    values = np.asarray(scores, dtype=np.float64)
    found = np.ones(len(values), dtype=np.int64)
    for row, own in enumerate(values[:-1]):
        low, high = two_way(values[row + 1 :] - own).interval(confidence)
        found[row] += int(np.count_nonzero(low > 0))
        found[row + 1 :] += high < 0
    return found
