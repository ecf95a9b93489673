"""Iterative SNIP."""

from pruners.contract import pruner
from pruners.entries import TIMINGS
from pruners.methods.snip import snip
from pruners.problem import Problem, Scores


@pruner(
    timings=TIMINGS,
    version=1,
    builds_on=("snip",),
    rounds=20,
    source="de Jorge et al. 2021, arXiv:2006.09081, algorithm 1; Verdenius et al. 2020, arXiv:2006.00896",
)
def iter_snip(problem: Problem, batches: int = 2) -> Scores:
    """SNIP's |θ ⊙ ∂L/∂θ| in rounds, each on the network that the last one left; what is pruned stays pruned.

    Densities fall geometrically over the rounds (the paper's exponential schedule). Under ``while`` the updates of the
    cubic schedule are the rounds.

    Parameters
    ----------
    problem : Problem
    batches : int
        How many training batches the gradient is summed over in each round (ours), drawn anew in each.
    """
    return snip(problem, batches)
