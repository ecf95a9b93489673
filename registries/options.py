"""Options of an entry: the keyword parameters of its function, typed by their defaults."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args, get_origin

from registries.bounds import COUNT
from registries.errors import RequestError
from registries.text import offer

Option = bool | int | float | str
DECIMALS = 9
"""Most of a sparsity."""


def options_of(code: Callable[..., Any]) -> dict[str, Option]:
    """Parameters of a function that have a default, with that default."""
    parameters = inspect.signature(code).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def choices_of(code: Callable[..., Any]) -> dict[str, tuple[Option, ...]]:
    """Possible values of the parameters of a function that are annotated with a ``Literal``."""
    parameters = inspect.signature(code, eval_str=True).parameters.values()
    return {p.name: get_args(p.annotation) for p in parameters if get_origin(p.annotation) is Literal}


def parse_options(
    what: str, defaults: Mapping[str, Option], given: Mapping[str, str], others: Iterable[str] = ()
) -> dict[str, Option]:
    """Read the options a user gave as text, each as the type of its default.

    Parameters
    ----------
    what : str
        Whose options these are, for the message.
    defaults : mapping
        All options there are.
    given : mapping
        Name to text. Whole numbers count something: there is at least 1 of it.
    others : iterable of str
        Names of options that somebody else reads: they are offered to who gives an unknown one.

    Raises
    ------
    RequestError
        For an unknown name or a value that is not of the default's type.
    """
    for name in given:
        if name not in defaults:
            raise RequestError(f"{what} has no option '{name}': {offer(name, sorted([*defaults, *others]))}")
    return {**defaults, **{name: _parse(what, name, defaults[name], text) for name, text in given.items()}}


def _parse(what: str, name: str, default: Option, text: str) -> Option:
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise RequestError(f"{what}.{name}: '{text}' is neither true nor false")
        return text == "true"
    try:
        value = type(default)(text)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError
        if isinstance(value, int):
            COUNT.check(value, f"{what}.{name}")
        return value
    except ValueError:
        raise RequestError(
            f"{what}.{name}: '{text}' is not of type {type(default).__name__} (default {default})"
        ) from None
