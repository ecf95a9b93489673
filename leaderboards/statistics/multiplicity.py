"""Several questions at once."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def holm(p_values: npt.ArrayLike) -> Array:
    """Adjusted p-values that keep the chance of any false claim below the level (Holm 1979).

    Parameters
    ----------
    p_values : array_like
        ``(n,)``.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return adjusted
