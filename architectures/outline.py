"""Networks without values: names and shapes, drawn once, for whoever plans thousands of trials."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch

from architectures.contract import ALL_GROUPS, DECLARED, Architecture, ArchitectureEntry, Prunable, Variant, check_group
from registries.options import Option


@dataclass(frozen=True)
class Outline:
    """A network without values: names and shapes.

    Attributes
    ----------
    model : Architecture
        On the device ``meta``; shared, so that nobody may change it.
    """

    model: Architecture

    @cached_property
    def parameters(self) -> int:
        """Their number."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def prunable(self, chosen: str = ALL_GROUPS) -> dict[str, Prunable]:
        """As `Architecture.prunable`."""
        check_group(chosen, self.model.groups())
        return {name: part for name, part in self._prunable.items() if chosen in (ALL_GROUPS, part.group)}

    @cached_property
    def _prunable(self) -> dict[str, Prunable]:
        return self.model.prunable()


def outline(entry: ArchitectureEntry, size: str, width: float = 1.0, variant: Variant = DECLARED) -> Outline:
    """The outline of a network, drawn once."""
    return _outline(entry.construct, tuple({**entry.arguments(size, width), **dict(variant.options)}.items()))


@lru_cache(maxsize=64)
def _outline(construct: Callable[..., Architecture], arguments: tuple[tuple[str, Option], ...]) -> Outline:
    with torch.device("meta"):
        return Outline(construct(**dict(arguments)))
