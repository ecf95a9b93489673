"""SNIP of channels."""

from pruners.contract import pruner
from pruners.entries import CHANNEL, TIMINGS
from pruners.gradients import masked, summed_gradients
from pruners.problem import Problem, Scores


@pruner(
    timings=TIMINGS,
    version=1,
    granularity=CHANNEL,
    source="Lee, Ajanthan, Torr 2019, arXiv:1810.02340, eq. 3; gates on channels as Verdenius et al. 2020, "
    "arXiv:2006.00896",
)
def snip_channel(problem: Problem, batches: int = 8) -> Scores:
    """|∂L/∂c| of a gate c = 1 on each channel, after norm and activation: |Σ θ ⊙ ∂L/∂θ| over the weights that read it.

    Over the filter that makes the channel the same sum is zero wherever a norm follows, which takes any scale out.

    Parameters
    ----------
    problem : Problem
    batches : int
        How many training batches the gradient is summed over (ours).
    """
    weights = masked(problem)
    gradients = summed_gradients(problem, weights, batches)
    products = {name: weight.detach() * gradients[name] for name, weight in weights.items()}
    return {name: gate.abs() for name, gate in problem.channels().sums(products, ("reads",)).items()}
