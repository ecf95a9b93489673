"""RigL: sparse training that grows where the gradient is largest."""

from dataclasses import dataclass

from pruners.contract import recipe
from pruners.entries import Plan
from pruners.mask import Mask
from pruners.problem import Moment
from pruners.stages import Prune, Stage, Train
from pruners.topology import cosine, exchanged, update_steps


@dataclass(frozen=True)
class GrowByGradient:
    """Drop the smallest |θ|, grow the largest |∂L/∂θ| of weights that are not kept.

    Attributes
    ----------
    fraction : float
        Of the kept weights exchanged at first; falls to zero by a cosine.
    steps : tuple of int
        At which the mask changes.
    last : int
        Where the cosine ends.
    """

    fraction: float
    steps: tuple[int, ...]
    last: int
    version: int = 1

    def __str__(self) -> str:
        return f"{len(self.steps)} exchanges by gradient"

    def due(self, step: int) -> bool:
        """At the chosen steps."""
        return step in self.steps

    def __call__(self, moment: Moment) -> Mask:
        """Exchange weights in each layer; the number kept stays."""
        fraction = cosine(self.fraction, moment.step, self.last)
        growth = {name: gradient.abs() for name, gradient in moment.gradients.items()}
        return exchanged(moment.problem.mask, moment.problem.weights, growth, fraction)


@recipe(timings=("while",), version=1, scope="erk", source="Evci et al. 2020, arXiv:1911.11134")
def rigl(timing: str, plan: Plan, fraction: float = 0.3, updates: int = 30) -> tuple[Stage, ...]:
    """Sparse from the first step: a random mask of ERK densities whose smallest weights are exchanged for others.

    New weights start at zero with a fresh optimizer state. The gradient is the one of the step's batch (the paper's
    too). Exchanges end at 0.75 T.

    Parameters
    ----------
    timing : str
    plan : Plan
    fraction : float
        Fraction of the kept weights that is exchanged at first (the paper: 0.3).
    updates : int
        Number of exchanges (the paper: every 100 steps).
    """
    steps = update_steps(plan, updates, fraction)
    prune = Prune("random", plan.sparsity, plan.scope)
    return (prune, Train(0, plan.steps, GrowByGradient(fraction, steps, plan.at(0.75))))
