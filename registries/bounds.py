"""What a number may be, in one line."""

from dataclasses import dataclass

from registries.errors import RequestError

MOST = 10**9
"""Of any whole number."""
LONGEST = 40
"""Characters of a value in a message."""


@dataclass(frozen=True)
class Bounds:
    """The numbers from ``least`` to ``most``.

    Attributes
    ----------
    least, most : float
    above, below : bool
        Whether ``least`` and ``most`` themselves are left out.
    """

    least: float
    most: float = MOST
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        inside = self.least <= value <= self.most  # NaN is not
        return inside and not (self.above and value == self.least) and not (self.below and value == self.most)

    def __str__(self) -> str:
        least, most = "above" if self.above else "at least", "below" if self.below else "at most"
        return f"{least} {self.least} and {most} {self.most}"

    def objection(self, value: float) -> str:
        """What is wrong with a number outside."""
        return f"{shortened(value)} is out of range: it must be {self}"

    def check(self, value: float, what: str) -> None:
        """Raises `RequestError` for a number outside."""
        if value not in self:
            raise RequestError(f"{what}: {self.objection(value)}")


COUNT = Bounds(1)
"""Of what there has to be at least one."""


def shortened(value: object) -> str:
    """A value as it fits into a line."""
    try:
        text = str(value)
    except ValueError:  # Python does not write whole numbers of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
