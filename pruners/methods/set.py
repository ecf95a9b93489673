"""SET: sparse evolutionary training."""

from dataclasses import dataclass

import torch

from pruners.contract import recipe
from pruners.entries import Plan
from pruners.mask import Mask
from pruners.problem import Moment
from pruners.stages import Prune, Stage, Train
from pruners.topology import exchanged, update_steps


@dataclass(frozen=True)
class GrowAtRandom:
    """Drop the smallest |θ|, grow weights that are not kept at random.

    Attributes
    ----------
    fraction : float
        Of the kept weights exchanged each time.
    steps : tuple of int
        At which the mask changes.
    """

    fraction: float
    steps: tuple[int, ...]
    version: int = 1

    def __str__(self) -> str:
        return f"{len(self.steps)} exchanges at random"

    def due(self, step: int) -> bool:
        """At the chosen steps."""
        return step in self.steps

    def __call__(self, moment: Moment) -> Mask:
        """Exchange weights in each layer; the number kept stays."""
        problem = moment.problem
        growth = {
            name: torch.rand(weight.shape, generator=problem.generator).to(weight.device)
            for name, weight in problem.weights.items()
        }
        return exchanged(problem.mask, problem.weights, growth, self.fraction)


# the function's name is the word users type, and shadows Python's set in this file alone
@recipe(timings=("while",), version=1, scope="erk", source="Mocanu et al. 2018, arXiv:1707.04780")
def set(timing: str, plan: Plan, fraction: float = 0.3, updates: int = 30) -> tuple[Stage, ...]:
    """Sparse from the first step: a random mask of ERK densities that exchanges its smallest weights for random ones.

    New weights start at zero, as in the comparison of Evci et al. 2020, arXiv:1911.11134 (the paper: at random), with a
    fresh optimizer state. The paper's smallest positive and largest negative weights are the smallest magnitudes here.
    Exchanges end at 0.75 T.

    Parameters
    ----------
    timing : str
    plan : Plan
    fraction : float
        Fraction of the kept weights that is exchanged each time (the paper: 0.3).
    updates : int
        Number of exchanges (the paper: every epoch).
    """
    prune = Prune("random", plan.sparsity, plan.scope)
    return (prune, Train(0, plan.steps, GrowAtRandom(fraction, update_steps(plan, updates, fraction))))
