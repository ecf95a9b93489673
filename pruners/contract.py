"""What a pruner sees, and how one is registered: a score function, or a recipe of stages."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pruners.mask import Mask
from pruners.stages import Prune, Stage, Train
from registries import Identity, Registry, RequestError, identify, options_of
from registries.options import Option
from registries.registry import key_of, summary_of

Scores = dict[str, Tensor]
Batch = Any
"""Training samples, to be handed to `Problem.loss` as they are."""

TIMINGS = ("at-init", "while", "after")


class Problem(Protocol):
    """All that a pruner ever sees: never a file, a track or evaluation data.

    Attributes
    ----------
    model : Module
        The network; its own parameters are not to be changed.
    weights : mapping of str to Tensor
        The prunable weights as they are before the mask is applied.
    mask : Mask
        What has been kept so far.
    generator : torch.Generator
        The only source of randomness, on the CPU.
    """

    @property
    def model(self) -> nn.Module: ...  # noqa: D102

    @property
    def weights(self) -> Mapping[str, Tensor]: ...  # noqa: D102

    @property
    def mask(self) -> Mask: ...  # noqa: D102

    @property
    def generator(self) -> torch.Generator: ...  # noqa: D102

    def batches(self, number: int) -> Iterator[Batch]:
        """Draw batches of the training volumes, freshly undersampled."""

    def loss(self, batch: Batch, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """Training loss on a batch with these prunable weights, by default the masked ones."""


@dataclass(frozen=True)
class Plan:
    """What a recipe is told.

    Attributes
    ----------
    steps : int
        T, the length of one dense training.
    sparsity : str
        Decimal fraction of the prunable weights to remove.
    scope : str
        Of the competition between weights.
    """

    steps: int
    sparsity: str
    scope: str = "global"


Recipe = Callable[..., tuple[Stage, ...]]


@dataclass(frozen=True)
class PrunerEntry:
    """A registered pruner.

    Attributes
    ----------
    timings : tuple of str
        Empty for `dense`, which has no timing; the first is the default.
    score : callable or None
        ``(problem, **options) -> {name: score}``, higher is kept; None for a recipe that needs none.
    recipe : callable
        ``(timing, plan, **options) -> (stage, …)``.
    uses_data : bool
        Whether finding the mask looks at training data.
    options : mapping
        Options and their defaults.
    """

    name: str
    summary: str
    source: str
    timings: tuple[str, ...]
    score: Callable[..., Scores] | None
    recipe: Recipe
    uses_data: bool
    options: Mapping[str, Option]
    identity: Identity

    def seen(self, timing: str | None) -> str:
        """What the mask has seen when it is found: ``nothing``, ``data`` or ``trained weights``."""
        if timing in ("while", "after"):
            return "trained weights"
        return "data" if self.uses_data else "nothing"


pruners: Registry[PrunerEntry] = Registry("pruner", "pruners")


def pruner(
    *, timings: tuple[str, ...], version: int, source: str, uses_data: bool = True
) -> Callable[[Callable[..., Scores]], Callable[..., Scores]]:
    """Register a score function ``(problem, **options) -> {name: score}``; the highest scores are kept."""

    def register(score: Callable[..., Scores]) -> Callable[..., Scores]:
        name = key_of(score)

        def stages(timing: str, plan: Plan, **options: Option) -> tuple[Stage, ...]:
            return score_recipe(name, timing, plan, options)

        _add(score, timings, version, source, uses_data, score, stages)
        return score

    return register


def recipe(
    *, timings: tuple[str, ...], version: int, source: str, uses_data: bool = True
) -> Callable[[Recipe], Recipe]:
    """Register a recipe ``(timing, plan, **options) -> (stage, …)``."""

    def register(stages: Recipe) -> Recipe:
        _add(stages, timings, version, source, uses_data, None, stages)
        return stages

    return register


def score_recipe(score: str, timing: str, plan: Plan, options: Mapping[str, Option]) -> tuple[Stage, ...]:
    """The stages of a score-based pruner. At-init: score θ₀, prune, train T."""
    prune = Prune(score, plan.sparsity, plan.scope, tuple(sorted(options.items())))
    return (prune, Train(0, plan.steps))


def _add(
    code: Callable[..., Any],
    timings: tuple[str, ...],
    version: int,
    source: str,
    uses_data: bool,
    score: Callable[..., Scores] | None,
    stages: Recipe,
) -> None:
    unknown = set(timings) - set(TIMINGS)
    if unknown:
        raise RequestError(f"pruner '{key_of(code)}' declares unknown timings {sorted(unknown)}: use {TIMINGS}")
    name = key_of(code)
    identity = identify(name, version, code)
    entry = PrunerEntry(name, summary_of(code), source, timings, score, stages, uses_data, options_of(code), identity)
    pruners.add(entry)
