"""GraSP without its sign."""

from pruners.contract import pruner
from pruners.entries import TIMINGS
from pruners.methods.grasp import grasp
from pruners.problem import Problem, Scores


@pruner(
    timings=TIMINGS,
    version=1,
    builds_on=("grasp",),
    source="Frankle et al. 2021, arXiv:2009.08576 (GraSP's magnitude, in their ablation)",
)
def grasp_abs(problem: Problem, batches: int = 8) -> Scores:
    """|θ ⊙ Hg|: how much the gradient norm depends on the weight, in either direction.

    Parameters
    ----------
    problem : Problem
    batches : int
        How many training batches g and H are summed over (ours).
    """
    return {name: score.abs() for name, score in grasp(problem, batches).items()}
