"""Ranks that say no more than the data do."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

Interval = tuple[float, float]
Name = TypeVar("Name", bound=Hashable)


def ranks(
    names: Sequence[Name], differences: Callable[[Sequence[Name], Name], Sequence[Interval | None]]
) -> dict[Name, int]:
    """1 + the number of rows that are better by an interval that excludes zero.

    Parameters
    ----------
    names : sequence
        Rows of one architecture.
    differences : callable
        ``(others, name)`` to the intervals of each other's score − score of ``name``, higher is better; None where
        the two cannot be compared.
    """
    found = dict.fromkeys(names, 1)
    for place, name in enumerate(names):
        others = names[place + 1 :]
        for other, interval in zip(others, differences(others, name), strict=True):
            if interval is not None:
                found[name] += int(interval[0] > 0)
                found[other] += int(interval[1] < 0)
    return found
