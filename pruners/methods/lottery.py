"""Lottery tickets: iterative magnitude pruning with rewinding."""

from decimal import Decimal

from pruners.contract import recipe
from pruners.entries import TIMINGS, Plan
from pruners.stages import Prune, Rewind, Stage, Train
from registries.bounds import Bounds


@recipe(
    timings=TIMINGS,
    version=1,
    source="Frankle & Carbin 2019, arXiv:1803.03635 (θ₀); Frankle et al. 2020, arXiv:1912.05671 (early step); Renda et "
    "al. 2020, arXiv:2003.02389 (learning rate)",
)
def lottery(timing: str, plan: Plan, per_round: float = 0.5, rewind: float = 0.05) -> tuple[Stage, ...]:
    """Train, prune by magnitude, rewind, again: down a ladder of densities, the last rung partial to end at the target.

    All sparsities climb down the same rungs, so that the store shares them. At-init rewinds the weights to θ₀, while to
    an early step of the first training, after keeps them and rewinds the learning rate alone. The mask has seen
    trained weights under every timing.

    Parameters
    ----------
    timing : str
    plan : Plan
    per_round : float
        Fraction kept in each round (ours; the papers keep 80 %, at more cost).
    rewind : float
        Fraction of T of the early step (one at least), for while; the learning rate of after is rewound to it, too.
    """
    Bounds(0, 0.99, above=True).check(per_round, "--set pruner.per_round")  # nearer to 1 rounds never end
    Bounds(0, 1, below=True).check(rewind, "--set pruner.rewind")
    early = 0 if timing == "at-init" else max(1, plan.at(rewind))
    rungs = _ladder(plan.sparsity, per_round)
    if not rungs:
        return (Train(0, plan.steps),)
    stages: list[Stage] = [Train(0, early), Train(early, plan.steps)] if timing == "while" else [Train(0, plan.steps)]
    for sparsity in rungs:
        stages.append(Prune("magnitude", sparsity, plan.scope))
        if timing != "after":
            stages.append(Rewind(early))
        stages.append(Train(early, plan.steps))
    return tuple(stages)


def _ladder(sparsity: str, per_round: float) -> list[str]:
    target, density = 1 - Decimal(sparsity), Decimal(str(per_round))
    rungs = []
    while density > target:
        rungs.append(f"{1 - density:f}")
        density *= Decimal(str(per_round))
    return [*rungs, sparsity] if target < 1 else []
