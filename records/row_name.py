"""Row names: ``arch/pruner/timing/sparsity[+control][@setting=value,…]``, one grammar for everybody."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from registries import RequestError
from registries.options import DECIMALS

DENSE = "dense"
TIMINGS = ("at-init", "while", "after")
FORM = "write ARCH/PRUNER/TIMING/SPARSITY[+CONTROL][@SETTING=VALUE,…], or ARCH/dense"
PRUNER = "pruner."
"""How settings of the pruner begin."""


class RowName(str):
    """A row name: text that knows its parts.

    Parameters
    ----------
    arch, pruner : str
    timing : str or None
        None for `dense`, whose sparsity is 0.
    sparsity : str
        Decimal fraction of the prunable weights removed, in its shortest form.
    control : str or None
    settings : tuple of (str, str)
        What deviates from the defaults of track, architecture and pruner, as ``--set`` names it, sorted by name.
    """

    arch: str
    pruner: str
    timing: str | None
    sparsity: str
    control: str | None
    settings: tuple[tuple[str, str], ...]

    def __new__(  # noqa: D102
        cls,
        arch: str,
        pruner: str,
        timing: str | None = None,
        sparsity: str = "0",
        control: str | None = None,
        settings: tuple[tuple[str, str], ...] = (),
    ) -> "RowName":
        parts = [arch, pruner, *([timing, sparsity] if timing else [])]
        name = super().__new__(cls, "/".join(parts) + (f"+{control}" if control else "") + suffix(settings))
        name.arch, name.pruner, name.timing, name.sparsity = arch, pruner, timing, sparsity
        name.control, name.settings = control, settings
        return name

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.arch, self.pruner, self.timing, self.sparsity, self.control, self.settings

    @classmethod
    def of(
        cls,
        arch: str,
        pruner: str,
        timing: str | None,
        sparsity: str,
        control: str | None,
        settings: Mapping[str, bool | int | float | str],
    ) -> "RowName":
        """Of the values of a trial."""
        texts = tuple((name, setting_text(value)) for name, value in sorted(settings.items()))
        for setting, value in texts:
            if not value or set(",@") & set(value):
                raise RequestError(f"--set {setting}={value}: a value is not empty and has neither comma nor @")
        return cls(arch, pruner, timing, sparsity, control, texts)

    @classmethod
    def parse(cls, text: str) -> "RowName":
        """Read a row name.

        Raises
        ------
        RequestError
            If it is none.
        """
        name, at, settings = text.partition("@")
        name, plus, control = name.partition("+")
        parts = name.split("/")
        texts = settings.split(",") if settings else []
        pairs = dict(setting.partition("=")[::2] for setting in texts)
        whole = len(parts) in (2, 4) and all(parts) and all(map(all, pairs.items())) and len(pairs) == len(texts)
        if not whole or bool(control) != bool(plus) or bool(settings) != bool(at):
            raise RequestError(f"row {text}: {FORM}")
        if len(parts) == 4 and parts[2] not in TIMINGS:
            raise RequestError(f"row {text}: timing '{parts[2]}' is none of {', '.join(TIMINGS)}")
        try:
            timing, sparsity = (parts[2], parse_sparsity(parts[3])) if len(parts) == 4 else (None, "0")
        except RequestError:
            raise RequestError(f"row {text}: sparsity '{parts[3]}' is no decimal of at least 0 and below 1") from None
        return cls(parts[0], parts[1], timing, sparsity, control or None, tuple(sorted(pairs.items())))

    def but(self, **parts: str | None) -> "RowName":
        """The same with other parts: ``timing``, ``control`` and so on."""
        own = {"arch": self.arch, "pruner": self.pruner, "timing": self.timing, "sparsity": self.sparsity}
        return RowName(**{**own, "control": self.control, **parts}, settings=self.settings)  # type: ignore[arg-type]

    @property
    def conditions(self) -> str:
        """Settings that are not the pruner's, as they end the name: rows that differ in them never pair."""
        return suffix(self.plain.settings)

    @property
    def plain(self) -> "RowName":
        """The same with the defaults of its pruner."""
        kept = tuple((name, value) for name, value in self.settings if not name.startswith(PRUNER))
        return RowName(self.arch, self.pruner, self.timing, self.sparsity, self.control, kept)

    @property
    def without_conditions(self) -> "RowName":
        """The same with the defaults of track and architecture."""
        kept = tuple((name, value) for name, value in self.settings if name.startswith(PRUNER))
        return RowName(self.arch, self.pruner, self.timing, self.sparsity, self.control, kept)

    @property
    def dense(self) -> "RowName":
        """The dense row under the same conditions."""
        return RowName(self.arch, DENSE, settings=self.plain.settings)


def suffix(settings: tuple[tuple[str, str], ...]) -> str:
    """``@setting=value,…``, or nothing."""
    return "@" + ",".join(f"{name}={value}" for name, value in settings) if settings else ""


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
