"""Ranks that say no more than the data do."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

Interval = tuple[float, float]
Name = TypeVar("Name", bound=Hashable)


def ranks(names: Sequence[Name], difference: Callable[[Name, Name], Interval | None]) -> dict[Name, int]:
    """1 + the number of rows that are better by an interval that excludes zero.

    Parameters
    ----------
    names : sequence
        Rows of one architecture.
    difference : callable
        ``(a, b)`` to the interval of score a − score b, higher is better; None where the two cannot be compared.
    """
    found = dict.fromkeys(names, 1)
    for place, name in enumerate(names):
        for other in names[place + 1 :]:
            interval = difference(other, name)
            if interval is not None:
                found[name] += int(interval[0] > 0)
                found[other] += int(interval[1] < 0)
    return found
