"""SNIP: single-shot pruning by connection sensitivity."""

from pruners.contract import pruner
from pruners.entries import TIMINGS
from pruners.gradients import masked, summed_gradients
from pruners.problem import Problem, Scores


@pruner(timings=TIMINGS, version=1, source="Lee, Ajanthan, Torr 2019, arXiv:1810.02340, eq. 3–6")
def snip(problem: Problem, batches: int = 8) -> Scores:
    """Connection sensitivity |θ ⊙ ∂L/∂θ|, the gradient summed over a few batches.

    The paper's derivative with respect to a gate on the connection equals θ ⊙ ∂L/∂θ at gates of one. Its
    normalisation by the sum of scores does not change their order and is left out. The weights are the initial ones
    of the network (the paper recommends variance scaling, which torch's default is). While and after training are
    ours: the same score of the weights there are.

    Parameters
    ----------
    problem : Problem
        The training loss and batches; weights already pruned have a score of zero.
    batches : int
        How many training batches the gradient is summed over (ours; the paper uses one of 100–128 images).
    """
    weights = masked(problem)
    gradients = summed_gradients(problem, weights, batches)
    return {name: (weight.detach() * gradients[name]).abs() for name, weight in weights.items()}
