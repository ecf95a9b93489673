"""A narrower network of as many parameters as a pruned one keeps."""

from architectures.contract import DECLARED, ArchitectureEntry, Variant
from architectures.outline import outline
from registries import RequestError

GRAIN = 4096
"""Widths are multiples of 1/GRAIN."""
SHORT_OF = 0.05
"""At most so much of the wanted parameters may be missing."""


def narrowed(entry: ArchitectureEntry, size: str, parameters: int, variant: Variant = DECLARED) -> float:
    """The largest width whose network has at most so many parameters.

    Raises
    ------
    RequestError
        If that network has over 5 % fewer: channels are whole numbers.
    """
    low, high = 0, GRAIN
    while low + 1 < high:
        middle = (low + high) // 2
        fits = count_parameters(entry, size, middle / GRAIN, variant) <= parameters
        low, high = (middle, high) if fits else (low, middle)
    found = count_parameters(entry, size, low / GRAIN, variant) if low else 0
    if not (1 - SHORT_OF) * parameters <= found <= parameters:
        raise RequestError(
            f"control small: no width of '{entry.name}' at size '{size}' has {parameters} parameters or up to 5 % fewer"
        )
    return low / GRAIN


def count_parameters(entry: ArchitectureEntry, size: str, width: float = 1.0, variant: Variant = DECLARED) -> int:
    """Number of parameters, without drawing any."""
    return outline(entry, size, width, variant).parameters
