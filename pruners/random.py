"""Random scores: what any density buys without a reason."""

import torch

from pruners.contract import Problem, Scores, pruner


@pruner(timings=("at-init",), version=1, source="the null model of any score", uses_data=False)
def random(problem: Problem) -> Scores:
    """Uniform random scores, the same for every scope.

    Drawn in float64 from the trial's generator, weight by weight in the order of the network.
    """
    return {
        name: torch.rand(weight.shape, generator=problem.generator, dtype=torch.float64).to(weight.device)
        for name, weight in problem.weights.items()
    }
