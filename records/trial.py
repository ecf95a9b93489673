"""A trial: one cell of the grid, by value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
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
    settings : tuple of (str, value)
        What deviates from the defaults of track, architecture and pruner, as ``--set`` names it, sorted.
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
    settings: Options = ()

    @property
    def row(self) -> str:
        """See `row_name`."""
        return row_name(self.arch, self.pruner, self.timing, self.sparsity, self.control, dict(self.settings))

    def to_json(self) -> dict[str, Any]:
        """As it stands in a record; without settings where nothing deviates."""
        found = {**asdict(self), "options": dict(self.options), "settings": dict(self.settings)}
        if not self.settings:
            del found["settings"]
        return found


def row_name(
    arch: str,
    pruner: str,
    timing: str | None,
    sparsity: str,
    control: str | None,
    settings: Mapping[str, bool | int | float | str] = MappingProxyType({}),
) -> str:
    """``arch/pruner/timing/sparsity[+control][@setting=value,…]``, or ``arch/dense…`` without timing and sparsity."""
    parts = [arch, pruner, *([timing, sparsity] if timing else [])]
    return "/".join(parts) + (f"+{control}" if control else "") + settings_suffix(settings)


def settings_suffix(settings: Mapping[str, bool | int | float | str]) -> str:
    """``@setting=value,…`` in the order of the names; nothing where nothing deviates."""
    texts = [f"{name}={setting_text(value)}" for name, value in sorted(settings.items())]
    return f"@{','.join(texts)}" if texts else ""


def setting_text(value: bool | int | float | str) -> str:
    """A value as it is written after ``--set NAME=``."""
    return str(value).lower() if isinstance(value, bool) else str(value)


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
