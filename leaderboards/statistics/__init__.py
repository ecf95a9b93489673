"""Statistics of paired differences between rows; numpy and scipy alone."""

from leaderboards.statistics.crossed import CONDITIONAL, FEW_SEEDS, Estimate, two_way
from leaderboards.statistics.multiplicity import holm
from leaderboards.statistics.ranking import ranks
from leaderboards.statistics.robustness import dense_line, effective_robustness, sign_flips

__all__ = [
    "CONDITIONAL",
    "FEW_SEEDS",
    "Estimate",
    "dense_line",
    "effective_robustness",
    "holm",
    "ranks",
    "sign_flips",
    "two_way",
]
