"""Iterative SNIP of channels."""

from pruners.contract import pruner
from pruners.entries import CHANNEL, TIMINGS
from pruners.methods.snip_channel import snip_channel
from pruners.problem import Problem, Scores


@pruner(
    timings=TIMINGS,
    version=1,
    builds_on=("snip-channel",),
    rounds=10,
    granularity=CHANNEL,
    growing=True,
    source="iterative SNIP (de Jorge et al. 2021, arXiv:2006.09081; rounds as Verdenius et al. 2020, arXiv:2006.00896) "
    "on whole channels: ours",
)
def iter_snip_channel(problem: Problem, batches: int = 2) -> Scores:
    """SNIP of channels in rounds, each on the network that the last one left, each removing more than the last.

    Round r of n removes r/(1 + … + n) of what is to go. Under ``while`` the updates of the cubic schedule are the
    rounds.

    Parameters
    ----------
    problem : Problem
    batches : int
        How many training batches the gradient is summed over in each round (ours), drawn anew in each.
    """
    return snip_channel(problem, batches)
