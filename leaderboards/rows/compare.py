"""Two rows against each other: paired differences on every split and under every shift."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leaderboards.rows.rows import Condition, Row, paired, shared_conditions
from leaderboards.statistics import FEW_SEEDS, Estimate, holm, sign_flips, two_way
from records.row_name import RowName

SCALED = "psnr_scaled"
OTHER_WEIGHTS = ("small", "reinit")
"""Controls that begin with a θ₀ of their own."""


@dataclass(frozen=True)
class Comparison:
    """A paired difference a − b.

    Attributes
    ----------
    a, b : RowName
    condition : Condition
    metric : str
    estimate : Estimate
    flips : bool
        Whether the PSNR difference has another sign after a least-squares scale per volume.
    unpaired_seeds : int
        Seeds that only one of the rows has, and that are left out.
    unsound_seeds : int
        Seeds that both rows have finished, of which one says nothing (see `soundness.unsound`), and that are left out.
    """

    a: RowName
    b: RowName
    condition: Condition
    metric: str
    estimate: Estimate
    flips: bool
    unpaired_seeds: int
    unsound_seeds: int = 0

    @property
    def enough_seeds(self) -> bool:
        """Whether enough were run for a claim; a few of them may say nothing, which the board counts."""
        return self.estimate.seeds + self.unsound_seeds >= FEW_SEEDS


def compare(a: Row, b: Row, metric: str, conditions: Sequence[Condition] | None = None) -> list[Comparison]:
    """Compare two rows on every condition that both were evaluated on, or on those given.

    Raises
    ------
    RequestError
        If the rows cannot be paired.
    """
    chosen = shared_conditions(a, b, metric)[0] if conditions is None else conditions
    return [_compare_on(a, b, metric, condition) for condition in chosen]


def paired_by_weights(a: RowName, b: RowName) -> bool:
    """Whether trials of these rows begin with the same θ₀, seed by seed."""
    return a.arch == b.arch and not any((name.control or "").startswith(OTHER_WEIGHTS) for name in (a, b))


def _compare_on(a: Row, b: Row, metric: str, condition: Condition) -> Comparison:
    differences, _, left_out = paired(a, b, condition, metric)
    estimate = two_way(differences)
    flips = False
    if metric == "psnr":
        scaled, _, _ = paired(a, b, condition, SCALED)
        flips = bool(sign_flips(estimate.mean, scaled.mean()))
    return Comparison(a.name, b.name, condition, metric, estimate, flips, left_out)


def lines(found: Sequence[Comparison]) -> Iterator[list[str]]:
    """Cells of a table: condition, difference, interval, n, what to mind."""
    yield ["split · shift", "", "difference", "95 % interval", "seeds", "patients"]
    for one in found:
        mind = "sign flips after scaling" if one.flips else ""
        numbers = [str(one.estimate.seeds), str(one.estimate.patients)]
        yield [str(one.condition), mind, f"{float(one.estimate.mean):+.3f}", one.estimate.span(3), *numbers]


def confirmed(
    found: Sequence[Comparison], family: int | None = None, level: float = 0.05
) -> list[tuple[float, bool | None]]:
    """Holm-adjusted p-value of each comparison, and whether it is below the level; None with too few seeds to claim.

    Contrasts of few seeds, and those whose rows are not there yet, count in the family with a p-value of 1: what they
    seem to show helps no other one.

    Parameters
    ----------
    found : sequence of Comparison
    family : int, optional
        Number of contrasts that were fixed beforehand; by default those found.
    level : float
    """
    values = [float(one.estimate.p_value()) if one.enough_seeds else 1.0 for one in found]
    adjusted = holm([*values, *[1.0] * max(0, (family or 0) - len(values))])[: len(values)]
    return [
        (float(value), bool(value < level) if one.enough_seeds else None)
        for one, value in zip(found, adjusted, strict=True)
    ]
