"""Pruning while training on a cubic schedule."""

from dataclasses import dataclass
from decimal import Decimal

from pruners.entries import Plan, pruners
from pruners.granularity import granularity_of
from pruners.mask import Mask, kept_count
from pruners.problem import Moment
from pruners.scoring import scores_by
from pruners.stages import Values

BEGIN, END, UPDATES = 0.25, 0.75, 16


@dataclass(frozen=True)
class Gradual:
    """s(u) = s (1 − (1 − u/n)³) at n evenly spaced steps (Zhu & Gupta 2017, arXiv:1710.01878, eq. 1), scored anew.

    What was pruned stays pruned.

    Attributes
    ----------
    score, sparsity, scope, options
        As in `Prune`.
    steps : tuple of int
        At which the mask changes: update u = 1 … n happens at ``steps[u − 1]``.
    """

    score: str
    sparsity: str
    scope: str
    options: Values
    steps: tuple[int, ...]
    version: int = 1

    @classmethod
    def over(cls, plan: Plan, score: str, options: Values) -> "Gradual":
        """From a quarter to three quarters of T (ours)."""
        last = min(plan.at(END), plan.steps - 1)
        first = min(plan.at(BEGIN), last)
        number = max(1, min(UPDATES, last - first))
        steps = tuple(first + (last - first) * u // number for u in range(1, number + 1))
        return cls(score, plan.sparsity, plan.scope, options, steps)

    def __str__(self) -> str:
        return f"pruned to {self.sparsity} by {self.score} ({self.scope}) in {len(self.steps)} updates"

    def due(self, step: int) -> bool:
        """At the chosen steps."""
        return step in self.steps

    def keep(self, step: int, total: int) -> int:
        """Number of weights kept from a step on."""
        number = len(self.steps)
        left = 1 - Decimal(self.steps.index(step) + 1) / number
        return kept_count(total, Decimal(self.sparsity) * (1 - left**3))

    def __call__(self, moment: Moment) -> Mask:
        """The highest scores among the weights that are left."""
        scores = scores_by(self.score, moment.problem, self.options)
        mask = moment.problem.mask.to("cpu")
        gates = granularity_of(pruners.get(self.score)).gates(moment.problem.channels(), mask)
        return gates.select(scores, self.keep(moment.step, mask.total), self.scope)
