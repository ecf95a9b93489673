"""Magnitude pruning of channels."""

from typing import Literal

from pruners.contract import pruner
from pruners.entries import CHANNEL, TIMINGS
from pruners.problem import Problem, Scores


@pruner(
    timings=TIMINGS,
    version=1,
    uses_data=False,
    granularity=CHANNEL,
    source="Li et al. 2017, arXiv:1608.08710 (L1 of filters); over coupled layers: Fang et al. 2023, arXiv:2301.12900",
)
def magnitude_channel(problem: Problem, norm: Literal["l1", "l2"] = "l1") -> Scores:
    """Mean |θ| (or root mean square) of all weights that go with a channel: its filter and what reads it.

    The mean, so that channels of layers of different size can be compared; within a layer it orders as the norm does.
    A filter before a norm has no scale of its own, what reads the channel has.

    Parameters
    ----------
    problem : Problem
    norm : str
        What is averaged over the weights of a channel: ``l1``, their magnitudes; ``l2``, their squares.
    """
    channels, power = problem.channels(), 1 if norm == "l1" else 2
    masked = {name: weight.detach() * problem.mask[name] for name, weight in problem.weights.items()}
    sums = channels.sums({name: weight.abs() ** power for name, weight in masked.items()})
    numbers = channels.sums({name: kept.to(masked[name].dtype) for name, kept in problem.mask.items()})
    return {name: (sums[name] / numbers[name].clamp(min=1)) ** (1 / power) for name in channels}
