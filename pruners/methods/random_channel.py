"""Random scores of channels."""

from pruners.contract import pruner
from pruners.entries import CHANNEL, TIMINGS
from pruners.problem import Problem, Scores


@pruner(
    timings=TIMINGS,
    version=1,
    uses_data=False,
    uses_weights=False,
    granularity=CHANNEL,
    source="the null model of any score of channels",
)
def random_channel(problem: Problem) -> Scores:
    """A uniform random score for each channel, in float64 from the trial's generator."""
    return problem.channels().random_scores(problem.generator)
