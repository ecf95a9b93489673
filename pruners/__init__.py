"""Ways to find a mask: the contract, masks as values, stages, and one file per pruner."""

from pruners.contract import pruner, recipe
from pruners.entries import Plan, PrunerEntry, pruners
from pruners.mask import Mask, kept_count
from pruners.problem import Batch, Moment, Problem, Scores
from pruners.stages import Given, LearnMask, MaskUpdate, Prune, Rewind, Stage, Train, Transform

__all__ = [
    "Batch",
    "Given",
    "LearnMask",
    "Mask",
    "MaskUpdate",
    "Moment",
    "Plan",
    "Problem",
    "Prune",
    "PrunerEntry",
    "Rewind",
    "Scores",
    "Stage",
    "Train",
    "Transform",
    "kept_count",
    "pruner",
    "pruners",
    "recipe",
]
