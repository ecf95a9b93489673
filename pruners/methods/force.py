"""FORCE: foresight connection sensitivity."""

from pruners.contract import pruner
from pruners.entries import TIMINGS
from pruners.gradients import masked, summed_gradients
from pruners.problem import Problem, Scores


@pruner(
    timings=TIMINGS,
    version=1,
    rounds=20,
    revives=True,
    source="de Jorge et al. 2021, arXiv:2006.09081, eq. 6 and algorithm 1",
)
def force(problem: Problem, batches: int = 2) -> Scores:
    """|θ ⊙ ∂L/∂θ| with the gradient taken at the pruned network θ ⊙ m, in rounds; pruned weights may come back.

    A pruned weight is judged by the value it had and the gradient it would see. Densities fall geometrically over the
    rounds. Under ``while`` pruned weights are zero, so that none comes back there.

    Parameters
    ----------
    problem : Problem
    batches : int
        How many training batches the gradient is summed over in each round (ours), drawn anew in each.
    """
    gradients = summed_gradients(problem, masked(problem), batches)
    return {name: (weight.detach() * gradients[name]).abs() for name, weight in problem.weights.items()}
