"""Controls: what a mask is compared with, to tell whether it matters."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from pruners.mask import Mask, random_scores
from pruners.stages import LearnMask, Prune, Rewind, Stage, Train, Transform, changes_mask
from registries import RequestError

OF_MASK = ("shuffle", "random-layerwise", "reinit", "invert")


def shuffled(mask: Mask, generator: torch.Generator) -> Mask:
    """The kept weights of each layer at random places of that layer: density profile kept, places not."""
    found = {}
    for name, kept in mask.items():
        order = torch.randperm(kept.numel(), generator=generator)
        found[name] = kept.flatten()[order].reshape(kept.shape)
    return Mask(found)


def random_layerwise(mask: Mask, generator: torch.Generator) -> Mask:
    """A random mask of as many weights in all and the same density in each layer: nothing of the profile kept."""
    return Mask.from_scores(random_scores(mask, generator), mask.kept, "layer-wise")


def with_control(stages: Sequence[Stage], transform: Transform, steps: int) -> tuple[Stage, ...]:
    """A recipe under a control of its mask.

    `shuffle` and `random-layerwise` act after the last stage that changes the mask, and what follows stays; `reinit`
    draws a new θ₀ there and trains it for T; `invert` keeps the lowest scores in every such stage. Where several
    trainings have found the mask, a shuffled one gets the weights of the first, dense training.

    Raises
    ------
    RequestError
        If nothing is trained after the mask is found.
    """
    control = transform.control
    last = max(index for index, stage in enumerate(stages) if changes_mask(stage))
    if control == "invert":
        return tuple(replace(s, lowest=True) if isinstance(s, Prune | LearnMask) else s for s in stages)
    if control == "reinit":
        return (*stages[: last + 1], transform, Train(0, steps))
    # a rewinding belongs to what found the mask
    cut = next((i for i in range(last + 1, len(stages)) if isinstance(stages[i], Train)), None)
    if cut is None:
        raise RequestError(f"control '{control}': nothing is trained after the mask is found")
    trainings = [stage for stage in stages[:last] if isinstance(stage, Train)]
    # several trainings have set to zero what earlier masks removed; another mask needs the weights of the first one
    weights = [Rewind(steps)] if len(trainings) > 1 and cut == last + 1 else []
    return (*stages[:cut], *weights, transform, *stages[cut:])
