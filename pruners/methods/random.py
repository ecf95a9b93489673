"""Random scores: what any density buys without a reason."""

import torch

from pruners.contract import pruner
from pruners.entries import TIMINGS
from pruners.problem import Problem, Scores


@pruner(timings=TIMINGS, version=1, source="the null model of any score", uses_data=False, uses_weights=False)
def random(problem: Problem) -> Scores:
    """Uniform random scores, the same for every scope.

    Drawn in float64 from the trial's generator, weight by weight in the order of the network.
    """
    return {
        name: torch.rand(weight.shape, generator=problem.generator, dtype=torch.float64).to(weight.device)
        for name, weight in problem.weights.items()
    }
