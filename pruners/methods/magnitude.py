"""Magnitude pruning."""

from pruners.contract import pruner
from pruners.entries import TIMINGS
from pruners.problem import Problem, Scores


@pruner(timings=TIMINGS, version=1, source="Han et al. 2015, arXiv:1506.02626", uses_data=False)
def magnitude(problem: Problem) -> Scores:
    """Absolute value of each weight, |θ|; uses no data.

    At initialization this keeps the weights of layers with a small fan-in (their initial range is wider); with
    ``pruner.scope=layer-wise`` it is a random mask of the same density in each layer.
    """
    return {name: weight.detach().abs() for name, weight in problem.weights.items()}
