"""A trial: one cell of the grid, by value."""

from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from registries import RequestError
from registries.options import DECIMALS

PROTOCOLS = ("standard", "equal-total")
DEFAULT_SPARSITY = "0.9"
NO_CONTROL = "none"
"""How a list of controls names the trial without one."""

Options = tuple[tuple[str, bool | int | float | str], ...]


@dataclass(frozen=True)
class Trial:
    """What is asked for; everything else follows from the track and the data.

    Attributes
    ----------
    arch, size, pruner : str
    timing : str or None
        None for `dense`.
    sparsity : str
        Decimal fraction of the prunable weights removed, in its shortest form.
    train_on : str
    acceleration : int
    seed : int
    protocol : str
    control : str or None
    options : tuple of (str, value)
        Options of the pruner, resolved.
    """

    arch: str
    size: str
    pruner: str
    timing: str | None
    sparsity: str
    train_on: str
    acceleration: int
    seed: int
    protocol: str = "standard"
    control: str | None = None
    options: Options = ()

    @property
    def row(self) -> str:
        """The row name: ``arch/pruner/timing/sparsity[+control]``; ``arch/dense[+control]``."""
        return row_name(self.arch, self.pruner, self.timing, self.sparsity, self.control)

    def to_json(self) -> dict[str, Any]:
        """As it stands in a record."""
        return {**asdict(self), "options": dict(self.options)}


def row_name(arch: str, pruner: str, timing: str | None, sparsity: str, control: str | None) -> str:
    """``arch/pruner/timing/sparsity[+control]``, or ``arch/dense[+control]`` without timing."""
    parts = [arch, pruner, *([timing, sparsity] if timing else [])]
    return "/".join(parts) + (f"+{control}" if control else "")


def parse_sparsity(text: str) -> str:
    """Check a sparsity and bring it to its shortest decimal form.

    Raises
    ------
    RequestError
        If it is no number in [0, 1).
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not (value.is_finite() and 0 <= value < 1):
        raise RequestError(f"--sparsity {text}: give the fraction to remove, at least 0 and below 1, e.g. 0.9")
    if value != round(value, DECIMALS):
        raise RequestError(f"--sparsity {text}: give at most {DECIMALS} decimals")
    return f"{abs(round(value, DECIMALS)).normalize():f}"
