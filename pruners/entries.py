"""Pruners by name, and what is known of each."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pruners.problem import Scores
from pruners.stages import Stage
from registries import Identity, Registry
from registries.meanings import meanings_of
from registries.options import Option

TIMINGS = ("at-init", "while", "after")
WEIGHT, CHANNEL = "weight", "channel"
GRANULARITIES = (WEIGHT, CHANNEL)
REFERENCE = re.compile(r"See `([\w-]+)`\.")
COMMON_OPTIONS = {
    "scope": "What competes: all weights (global), those of a layer (layer-wise), or layers of ERK densities (erk).",
    "groups": "Which part of the network is pruned: all, denoiser or, where there is one, sensitivity.",
    "rounds": "Number of rounds in which the mask is found, not while training.",
}
"""Options of any pruner, with their meaning."""


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
    rounds : int
        In which the mask is found.
    """

    steps: int
    sparsity: str
    scope: str = "global"
    rounds: int = 1

    def at(self, fraction: float) -> int:
        """The step at a fraction of T."""
        return round(fraction * self.steps)


Recipe = Callable[..., tuple[Stage, ...]]


@dataclass(frozen=True)
class PrunerEntry:
    """A registered pruner.

    Attributes
    ----------
    timings : tuple of str
        Empty for `dense`, which has no timing; the first is the default.
    score : callable or None
        ``(problem, **options) -> {name: score}``, higher is kept; None for a recipe that needs none. A score per
        weight, or per channel of the layers that ``problem.channels()`` names.
    recipe : callable
        ``(timing, plan, **options) -> (stage, …)``.
    uses_data, uses_weights : bool
        Whether a score looks at training data, and at weights.
    rounds : int
        Default number of rounds in which a mask is found, except while training.
    in_rounds : bool
        Whether that number is an option.
    revives : bool
        Whether a later round may keep what an earlier one removed.
    scope : str
        Default scope.
    builds_on : tuple of str
        Other scores it calls.
    granularity : str
        What is removed: single weights, or whole channels.
    growing : bool
        Whether each round removes more than the one before; otherwise densities fall geometrically.
    options : mapping
        Options and their defaults.
    choices : mapping
        Of options that have a few possible values, these.
    """

    name: str
    summary: str
    source: str
    timings: tuple[str, ...]
    score: Callable[..., Scores] | None
    recipe: Recipe
    uses_data: bool
    uses_weights: bool
    rounds: int
    in_rounds: bool
    revives: bool
    scope: str
    builds_on: tuple[str, ...]
    granularity: str
    growing: bool
    options: Mapping[str, Option]
    choices: Mapping[str, tuple[Option, ...]]
    identity: Identity

    def common_options(self, timing: str | None) -> tuple[str, ...]:
        """Options of any pruner of its kind, at a timing; none without one."""
        if timing is None:
            return ()
        has_rounds = self.in_rounds and timing != "while"
        return tuple(name for name in COMMON_OPTIONS if name != "rounds" or has_rounds)

    @property
    def meanings(self) -> Mapping[str, str]:
        """What options mean, as far as the entry's docstring, or the one it refers to, says it."""
        own = meanings_of(self.score or self.recipe)
        return {name: _elsewhere(name, meaning) for name, meaning in own.items()} | COMMON_OPTIONS


def _elsewhere(option: str, meaning: str) -> str:
    """The meaning that another pruner gives an option of the same name, where it is all that is said."""
    other = REFERENCE.fullmatch(meaning)
    return pruners.get(other[1]).meanings.get(option, meaning) if other else meaning


pruners: Registry[PrunerEntry] = Registry("pruner", "pruners.methods", entry_points="punbench.pruners")
