"""Ways to find a mask: the contract, masks as values, stages, and one file per pruner."""

from pruners.contract import (
    Batch,
    Plan,
    Problem,
    PrunerEntry,
    Scores,
    pruner,
    pruners,
    recipe,
)
from pruners.mask import Mask, kept_count
from pruners.stages import Prune, Stage, Train

__all__ = [
    "Batch",
    "Mask",
    "Plan",
    "Problem",
    "Prune",
    "PrunerEntry",
    "Scores",
    "Stage",
    "Train",
    "kept_count",
    "pruner",
    "pruners",
    "recipe",
]
