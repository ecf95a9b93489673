"""Numbers among the options: read and bounded where they are declared."""

import argparse
from collections.abc import Callable
from typing import TypeVar

from registries.bounds import Bounds, shortened

Number = TypeVar("Number", int, float)


def whole(bounds: Bounds) -> Callable[[str], int]:
    """``type=`` of an option that takes a whole number."""
    return lambda text: _read(int, "a whole number", text, bounds)


def real(bounds: Bounds) -> Callable[[str], float]:
    """``type=`` of an option that takes a number."""
    return lambda text: _read(float, "a number", text, bounds)


def add_loader_workers(parser: argparse.ArgumentParser) -> None:
    """``--loader-workers``, which changes no result."""
    parser.add_argument(
        "--loader-workers",
        type=whole(Bounds(0, 256)),
        metavar="N",
        help="threads of each trial that read training data ahead (default: 4 on a GPU, else 0)",
    )


def _read(kind: Callable[[str], Number], what: str, text: str, bounds: Bounds) -> Number:
    try:
        value = kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{shortened(text)}' is not {what}") from None
    if value not in bounds:
        raise argparse.ArgumentTypeError(bounds.objection(value))
    return value
