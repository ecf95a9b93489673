"""Taylor importance of channels."""

import torch

from pruners.contract import pruner
from pruners.entries import CHANNEL, TIMINGS
from pruners.gradients import masked
from pruners.problem import Problem, Scores


@pruner(
    timings=TIMINGS,
    version=1,
    granularity=CHANNEL,
    source="Molchanov et al. 2019, arXiv:1906.10771, eq. 8 and 9 (first order, on gates), squared batch by batch",
)
def taylor_channel(problem: Problem, batches: int = 8) -> Scores:
    """(∂L/∂c)² of a gate c = 1 on each channel, squared for each batch and then averaged.

    Unlike SNIP's |Σ ∂L/∂c|, contributions of several batches do not cancel, so that it tells something of a trained
    network, whose mean gradient is close to zero.

    Parameters
    ----------
    problem : Problem
    batches : int
        How many training batches are averaged (ours).
    """
    channels, weights = problem.channels(), masked(problem)
    total = {name: torch.zeros(layer.size) for name, layer in channels.items()}
    for batch in problem.batches(batches):
        parts = torch.autograd.grad(problem.loss(batch, weights), list(weights.values()))
        products = {n: w.detach() * g for (n, w), g in zip(weights.items(), parts, strict=True)}
        gates = channels.sums(products, ("reads",))
        total = {name: value + gates[name].cpu().square() / batches for name, value in total.items()}
    return total
