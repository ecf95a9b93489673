"""Seeds and patients are crossed: the mean of paired differences under two-way random effects."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[np.float64]

FEW_SEEDS = 10
"""With fewer the variance between seeds is hardly known, and the interval says so."""
CONDITIONAL = "conditional on these trained networks"


@dataclass(frozen=True)
class Estimate:
    """Mean differences with their uncertainty; all arrays of one shape.

    Attributes
    ----------
    mean : ndarray
    error : ndarray
        Standard error; infinite where nothing can be known of it.
    freedom : ndarray
        Degrees of freedom.
    seeds, patients : int
    """

    mean: Array
    error: Array
    freedom: Array
    seeds: int
    patients: int

    def interval(self, confidence: float = 0.95) -> tuple[Array, Array]:
        """Lower and upper end of Student's interval."""
        quantile = stats.t.ppf(0.5 + confidence / 2, self.freedom)
        with np.errstate(invalid="ignore"):
            half = np.where(np.isfinite(self.error), quantile * self.error, np.inf)
        return self.mean - half, self.mean + half

    def span(self, digits: int) -> str:
        """The 95 % interval of a single mean in words."""
        low, high = (float(end) for end in self.interval())
        return f"{low:+.{digits}f} to {high:+.{digits}f}" if np.isfinite(low) else "unknown"

    def p_value(self) -> Array:
        """Two-sided, of no difference; 1 where the standard error is unknown, or all differences are zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.abs(self.mean) / self.error
        found: Array = np.where(np.isnan(ratio), 1.0, 2 * stats.t.sf(ratio, self.freedom))
        return found

    @property
    def wording(self) -> str:
        """What the interval is about: training anew, or these networks alone."""
        if self.patients == 1:
            return "conditional on this patient"
        return "over seeds and patients" if self.seeds >= FEW_SEEDS else CONDITIONAL


def two_way(differences: npt.ArrayLike) -> Estimate:
    """Mean of d_sp = μ + a_s + b_p + e_sp, seeds s and patients p random and crossed.

    The variance of the mean is (MS_seed + MS_patient − MS_residual)/(S P), where a mean square below the residual one
    is replaced by it (a variance is not negative); degrees of freedom by Satterthwaite's rule (Satterthwaite 1946,
    doi:10.2307/3002019; for crossed designs Searle, Casella & McCulloch 1992, chapter 4). With one seed the patients
    alone vary, with one patient the seeds alone.

    Parameters
    ----------
    differences : array_like
        ``(…, S, P)``, one finite value per seed and patient.

    Returns
    -------
    Estimate
        Arrays of shape ``(…)``.

    Raises
    ------
    ValueError
        If values are missing or not finite: a cell without value would change n.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim < 2 or 0 in values.shape[-2:]:
        raise ValueError("differences need at least one seed and one patient")
    if not np.isfinite(values).all():
        raise ValueError("differences are not finite everywhere")
    seeds, patients = values.shape[-2:]
    mean = values.mean(axis=(-2, -1))
    if seeds == 1 or patients == 1:
        number = seeds * patients
        line = values.reshape(*values.shape[:-2], number)
        unknown = np.full_like(mean, np.inf)
        error = line.std(axis=-1, ddof=1) / np.sqrt(number) if number > 1 else unknown
        return Estimate(mean, error, np.full_like(mean, max(1, number - 1)), seeds, patients)
    by_seed, by_patient = values.mean(axis=-1), values.mean(axis=-2)
    centre = mean[..., None]
    freedom = np.array([seeds - 1, patients - 1, (seeds - 1) * (patients - 1)], dtype=np.float64)
    of_seed = patients * np.square(by_seed - centre).sum(axis=-1) / freedom[0]
    of_patient = seeds * np.square(by_patient - centre).sum(axis=-1) / freedom[1]
    residuals = values - by_seed[..., :, None] - by_patient[..., None, :] + centre[..., None]
    of_residual = np.square(residuals).sum(axis=(-2, -1)) / freedom[2]
    signs = np.array([1.0, 1.0, -1.0])
    used = np.stack([np.maximum(of_seed, of_residual), np.maximum(of_patient, of_residual), of_residual], axis=-1)
    variance = (signs * used).sum(axis=-1)
    # a mean square that is replaced by the residual one cancels against it, once
    counted = np.stack([of_seed > of_residual, of_patient > of_residual], axis=-1)
    weights = np.stack([counted[..., 0], counted[..., 1], counted.sum(axis=-1) != 1], axis=-1)
    spread = (weights * np.square(used) / freedom).sum(axis=-1)
    degrees = _ratio(np.square(variance), spread)
    return Estimate(mean, np.sqrt(variance / (seeds * patients)), degrees, seeds, patients)


def _ratio(above: Array, below: Array) -> Array:
    """Quotient, 1 where both vanish."""
    found: Array = np.divide(above, below, out=np.ones_like(above), where=below > 0)
    return found
