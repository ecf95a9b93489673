"""Contracts as lists of checks that anybody can run on an entry of their own."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from registries.errors import RequestError

Subject = TypeVar("Subject")


class BrokenContractError(Exception):
    """What a check found."""


class NotApplicableError(Exception):
    """Why a check says nothing about an entry."""


class Outcome(NamedTuple):
    """What came of one check.

    Attributes
    ----------
    name : str
    verdict : str
        ``ok``, ``skip`` or ``FAIL``.
    message : str
        What was shown, why nothing was, or what is wrong.
    """

    name: str
    verdict: str
    message: str


def carry_out(checks: Sequence[Callable[[Subject], str | None]], subject: Subject) -> Iterator[Outcome]:
    """The outcome of each check; its name is that of the function, its summary what it returns or documents."""
    for check in checks:
        name = check.__name__.replace("_", " ")
        try:
            message = check(subject)
        except NotApplicableError as reason:
            yield Outcome(name, "skip", str(reason))
        except (BrokenContractError, RequestError) as error:
            yield Outcome(name, "FAIL", str(error))
        except Exception as error:  # an entry that cannot even be called
            yield Outcome(name, "FAIL", " ".join(f"{type(error).__name__}: {error}".split()))
        else:
            yield Outcome(name, "ok", message or (check.__doc__ or "").strip().splitlines()[0])


def require(condition: bool, message: str) -> None:
    """Raise `BrokenContractError` unless it holds."""
    if not condition:
        raise BrokenContractError(message)
